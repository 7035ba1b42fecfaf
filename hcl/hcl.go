package hcl

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	hhcl "github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/json"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// Env is the world as a value: everything that a build file's meaning depends on beside its text.
type Env struct {
	// Dir is the absolute working directory. Paths in Sets are relative to it.
	Dir string
	// Getenv looks up an environment variable, like os.LookupEnv. Nil means an empty environment.
	Getenv func(string) (string, bool)
	// Vars holds --var NAME=VALUE. They win over the environment.
	Vars map[string]string
	// Sets holds the arguments of --set, TARGET.KEY[.SUB][+]=VALUE, in the order in which they apply.
	Sets []string
	// Now is the clock, for timestamp(). Nil means time.Now.
	Now func() time.Time
	// Hide receives the texts that must not be shown, as soon as they are known: the values of sensitive variables, and of arguments that
	// are made of them. It may be called several times. Nil if nobody wants to know.
	Hide func(texts []string)
	// Targets are the targets and groups, in Bake's dialect also patterns, that the command line names. In xbuild's
	// dialect mistakes in targets that nobody asked for are warnings; without Targets everything is asked for. In Bake's
	// dialect none means the target or group "default".
	Targets []string
	// Strategy, if not empty, is what the caller will build every target by; if it refers to a strategy block, that has values for
	// the platforms of all targets. What the targets say is not changed.
	Strategy schema.Strategy
	// Stat looks at a file, like os.Stat, for fileexists() and for secrets and outputs of Bake's dialect. Nil skips the
	// checks of secrets and outputs.
	Stat func(path string) (fs.FileInfo, error)
	// ReadFile reads a file, like os.ReadFile, for include and file(). Nil means that no file can be read.
	ReadFile func(path string) ([]byte, error)
	// Glob lists the files that match a pattern of absolute paths, like filepath.Glob, for include.
	Glob func(pattern string) ([]string, error)
	// Git is the repository of the working directory; nil if there is none.
	Git *Git
	// Remote says that build files come from elsewhere, also if Source is zero, which it is for a single file. Then nothing
	// of this machine is read that does not have to be named: no .env, no environment files of services.
	Remote bool
	// Source is where the build files come from; the zero value stands for this machine. Files of xbuild's dialect that
	// come from a git repository or an archive have a Path below [RemoteRoot].
	Source Source

	// What follows is for files in Bake's dialect only.

	// CmdContext is the value of BAKE_CMD_CONTEXT; empty means the working directory.
	CmdContext string
	// Environ lists the environment, like os.Environ, for compose files. Nil means an empty one.
	Environ func() []string
	// LocalPlatform is the platform of this process, the value of BAKE_LOCAL_PLATFORM.
	LocalPlatform string
	// StdoutIsTerminal says that an archive cannot go to standard output.
	StdoutIsTerminal bool
	// Portable leaves out what differs from machine to machine: whether secret files and SSH agents are there, and whether
	// the places of outputs can be written to.
	Portable bool
}

// ErrNotGranted is what errors of Stat, ReadFile and Glob wrap for paths that the build files may not use.
var ErrNotGranted = errors.New("not granted")

func (e *Env) now() time.Time {
	if e.Now == nil {
		return time.Now()
	}
	return e.Now()
}

// File is a build file, made by [Parse]. Its syntax is sound, unless its name does not say what it is or that it is a
// compose file; these are looked at by [Load] and [Print], since their syntax depends on the environment.
type File struct {
	// Name is how the user would name the file; diagnostics show it.
	Name string
	// Path is the absolute path. Relative paths in the file are relative to its folder.
	Path string
	// Bytes is the text.
	Bytes []byte

	body    hhcl.Body
	dialect schema.Dialect
	json    bool
	compose bool
	sniff   bool  // what it is, its text must say
	lines   []int // the offset of each line
}

// dir is the folder that paths in the file are relative to.
func (f *File) dir() string { return filepath.Dir(f.Path) }

// Dialect tells by the name of a file how it is read: xbuild*.hcl and xbuild*.hcl.json are xbuild's, every other file is
// Bake's.
func Dialect(name string) schema.Dialect {
	base := filepath.Base(name)
	if strings.HasPrefix(base, "xbuild") && (strings.HasSuffix(base, ".hcl") || strings.HasSuffix(base, ".hcl.json")) {
		return schema.XbuildDialect
	}
	return schema.BakeDialect
}

// Parse reads the syntax of one build file: HCL-JSON if the path ends in .json, native HCL if it ends in .hcl, in any
// case. Files in .yml and .yaml are compose files, and others are what their text can be read as: a compose file, HCL or
// JSON. The file is nil if, and only if, the list has errors.
func Parse(name, path string, src []byte) (*File, diag.List) {
	f := newFile(name, path, src)
	low := strings.ToLower(path)
	f.json, f.compose = strings.HasSuffix(low, ".json"), isCompose(path)
	if f.compose {
		return f, nil
	}
	if !f.json && !strings.HasSuffix(low, ".hcl") {
		f.sniff = true
		return f, nil
	}
	return f.checked()
}

// parseXbuild is Parse for a file that is of xbuild's dialect whatever its name is.
func parseXbuild(name, path string, src []byte) (*File, diag.List) {
	f := newFile(name, path, src)
	f.dialect = schema.XbuildDialect
	f.json = strings.HasSuffix(strings.ToLower(path), ".json")
	return f.checked()
}

func newFile(name, path string, src []byte) *File {
	return &File{Name: name, Path: path, Bytes: src, dialect: Dialect(path), lines: lineStarts(src)}
}

// checked parses the text.
func (f *File) checked() (*File, diag.List) {
	var r reporter
	ds := f.parse()
	for _, d := range ds {
		r.hcl(f, d, codeSyntax, f.start())
	}
	if ds.HasErrors() {
		return nil, r.list.Sorted()
	}
	return f, r.list.Sorted()
}

// parse reads the text as what json says it is.
func (f *File) parse() hhcl.Diagnostics {
	if !f.json {
		body, ds := parseNative(f.Bytes, f.Name)
		if !ds.HasErrors() {
			f.body = body
		}
		return ds
	}
	if d := deepInJSON(f.Bytes, f.Name); d != nil {
		return hhcl.Diagnostics{d}
	}
	parsed, ds := json.Parse(f.Bytes, f.Name)
	if !ds.HasErrors() {
		f.body = parsed.Body
	}
	return ds
}

// start is the first position of the file.
func (f *File) start() diag.Range {
	return diag.Range{Filename: f.Name, Start: f.posAt(0), End: f.posAt(0)}
}

// Load evaluates build files, later ones over earlier ones. The Config is never nil and always has its Sources; if the
// list has errors the rest of it is incomplete. The list is sorted by position.
//
// Files of Bake's dialect are one program with Bake's rules, and the Config then holds only the targets that
// Env.Targets asks for and those that they need.
func Load(files []*File, env Env) (*schema.Config, diag.List) {
	if bake, ds := dialectOf(files); ds != nil {
		return &schema.Config{Sources: sourcesOf(files)}, ds
	} else if bake {
		return loadBake(files, env)
	}
	named := files
	files, sources, ds := withIncludes(files, env)
	if ds.HasErrors() {
		return &schema.Config{Sources: sources}, ds.Sorted()
	}
	l := newLoader(files, env)
	l.list, l.dir = ds, named[0].dir()
	// Declarations come first, so that every name is known before any expression is evaluated.
	for _, f := range files {
		l.decode(f)
	}
	l.declare()
	l.checkVars()
	l.readSets()
	// Names are evaluated when they are needed; this makes sure that those that nothing needs are checked too.
	l.evalNames()
	l.hide(l.sensitiveTexts()...)
	l.checkFunctions()
	l.checkUnusedGlobals()
	cfg := l.config()
	if env.Source.tree() {
		cfg.Dir = env.Dir
		for _, t := range cfg.Targets {
			env.Source.relocate(t, env.Dir, &l.reporter)
		}
	}
	return cfg, l.list.Sorted()
}

// loadBake is Load for files of Bake's dialect.
func loadBake(files []*File, env Env) (*schema.Config, diag.List) {
	l, res := bakeResolve(files, env)
	if l.list.HasErrors() {
		return &schema.Config{Sources: l.sources}, l.list.Sorted()
	}
	asked := []string{} // not nil, which stands for another dialect
	for name, t := range res.targets {
		if !t.linked {
			asked = append(asked, name)
		}
	}
	slices.Sort(asked)
	cfg := l.bakeConfig(res, asked)
	return cfg, l.list.Sorted()
}

// Print gives what a command line asks for as Bake's JSON, without a line feed at the end. The text is nil if the list
// has errors. The sources are those that the list refers to.
func Print(files []*File, env Env) ([]byte, diag.Sources, diag.List) {
	bake, ds := dialectOf(files)
	if ds != nil {
		return nil, sourcesOf(files), ds
	}
	if !bake {
		return printXbuild(files, env)
	}
	l, res := bakeResolve(files, env)
	if l.list.HasErrors() {
		return nil, l.sources, l.list.Sorted()
	}
	return res.json(), l.sources, l.list.Sorted()
}

// bakeResolve reads Bake files and works out what the command line asks for.
func bakeResolve(files []*File, env Env) (*bakeLoader, *bakeResult) {
	l := newBakeLoader(files, env)
	l.read()
	res := &bakeResult{}
	if !l.list.HasErrors() {
		l.forget()
		l.rebase()
		res = l.resolve(env.Targets)
	}
	if !l.list.HasErrors() {
		l.check(res)
	}
	return l, res
}

// dialectOf tells whether the files are Bake's. The two dialects do not mix.
func dialectOf(files []*File) (bake bool, ds diag.List) {
	for _, f := range files {
		if f.dialect != files[0].dialect {
			at := f.start()
			return false, diag.List{{Severity: diag.Error, Code: codeMixedDialects, Subject: &at, Summary: "Two kinds of build file",
				Detail: fmt.Sprintf("%s and %s follow different rules, and cannot be read as one build.", files[0].Name, f.Name),
				Advice: "Name files of one kind with -f: xbuild*.hcl, or Bake's."}}
		}
	}
	return len(files) > 0 && files[0].dialect == schema.BakeDialect, nil
}

func sourcesOf(files []*File) diag.Sources {
	out := diag.Sources{}
	for _, f := range files {
		out[f.Name] = f.Bytes
	}
	return out
}

// loader is the state of one Load.
type loader struct {
	reporter
	files   []*File
	env     Env
	dir     string // of the first file that the command line names
	sources diag.Sources

	blocks  []*block     // in source order
	globals []*attribute // bare top-level attributes, in source order

	names   map[string]*node // variables and globals by name: the root scope
	sets    map[string]*node // platform sets by name
	groups  []*block
	targets []*target
	byName  map[string]*target

	nodes map[string]*node // values of target.NAME.attr by key, made when first referred to
	stack []*node          // what is being evaluated, outermost first

	inFile  map[*File]map[string]function.Function // as one file sees them, see functionsFor
	funcs   map[string]*block                      // of the build file
	calling []*block                               // functions of the build file that are being computed

	overrides map[*target][]override // from --set, in order

	strategies strategies
}

func newLoader(files []*File, env Env) *loader {
	if env.Getenv == nil {
		env.Getenv = func(string) (string, bool) { return "", false }
	}
	l := &loader{files: files, env: env, sources: diag.Sources{}, names: map[string]*node{}, sets: map[string]*node{},
		byName: map[string]*target{}, nodes: map[string]*node{}, funcs: map[string]*block{}, inFile: map[*File]map[string]function.Function{}, overrides: map[*target][]override{}}
	for _, f := range files {
		l.sources[f.Name] = f.Bytes
	}
	l.functions = functionsOf(env)
	maps.Copy(l.functions, fileFunctions(env, env.Dir))
	return l
}

// config puts the result together.
func (l *loader) config() *schema.Config {
	cfg := &schema.Config{Sources: l.sources, Dir: l.dir}
	for _, f := range l.files {
		cfg.Files = append(cfg.Files, f.Name)
	}
	cfg.Variables = l.variables()
	// What is asked for goes first: a mistake that it shares with something else is then an error.
	asked := l.asked()
	all := slices.Clone(l.targets)
	slices.SortStableFunc(all, func(a, b *target) int { return cmp.Compare(rank(asked, a.name), rank(asked, b.name)) })
	each := func(f func(*target)) {
		for _, t := range all {
			l.lenient = !asked(t.name)
			f(t)
		}
		l.lenient = false
	}
	each(func(t *target) { l.layersOf(t) })
	each(l.settle)
	finished := map[*target]*schema.Target{}
	each(func(t *target) { finished[t] = l.finish(t) })
	for _, t := range l.targets {
		if !t.template {
			cfg.Targets = append(cfg.Targets, finished[t])
		}
	}
	cfg.Groups = l.finishGroups(asked)
	cfg.Strategies = l.finishStrategies()
	return cfg
}
