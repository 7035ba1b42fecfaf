package hcl

import (
	"path/filepath"
	"strings"

	hhcl "github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/json"

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
}

// File is a build file whose syntax is sound. It is made by [Parse].
type File struct {
	// Name is how the user would name the file; diagnostics show it.
	Name string
	// Path is the absolute path. Relative paths in the file are relative to its folder.
	Path string
	// Bytes is the text.
	Bytes []byte

	body  hhcl.Body
	json  bool
	lines []int // the offset of each line
}

// dir is the folder that paths in the file are relative to.
func (f *File) dir() string { return filepath.Dir(f.Path) }

// Parse reads the syntax of one build file: HCL-JSON if the name or the path ends in .json, else native HCL. The file
// is nil if, and only if, the list has errors.
func Parse(name, path string, src []byte) (*File, diag.List) {
	f := &File{Name: name, Path: path, Bytes: src, lines: lineStarts(src)}
	f.json = strings.HasSuffix(strings.ToLower(path), ".json") || strings.HasSuffix(strings.ToLower(name), ".json")
	var parsed *hhcl.File
	var ds hhcl.Diagnostics
	if f.json {
		parsed, ds = json.Parse(src, name)
	} else {
		parsed, ds = hclsyntax.ParseConfig(src, name, hhcl.InitialPos)
	}
	var r reporter
	for _, d := range ds {
		r.hcl(f, d, codeSyntax, diag.Range{Filename: name, Start: diag.Pos{Line: 1, Column: 1}, End: diag.Pos{Line: 1, Column: 1}})
	}
	if ds.HasErrors() {
		return nil, r.list.Sorted()
	}
	f.body = parsed.Body
	return f, r.list.Sorted()
}

// Load evaluates build files, later ones over earlier ones. The Config is never nil and always has its Sources; if the
// list has errors the rest of it is incomplete. The list is sorted by position.
func Load(files []*File, env Env) (*schema.Config, diag.List) {
	l := newLoader(files, env)
	// Declarations come first, so that every name is known before any expression is evaluated.
	for _, f := range files {
		l.decode(f)
	}
	l.declare()
	l.checkVars()
	l.readSets()
	// Names are evaluated when they are needed; this makes sure that those that nothing needs are checked too.
	l.evalNames()
	l.checkUnusedGlobals()
	cfg := l.config()
	return cfg, l.list.Sorted()
}

// loader is the state of one Load.
type loader struct {
	reporter
	files   []*File
	env     Env
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

	overrides map[*target][]override // from --set, in order

	strategies strategies
}

func newLoader(files []*File, env Env) *loader {
	if env.Getenv == nil {
		env.Getenv = func(string) (string, bool) { return "", false }
	}
	l := &loader{files: files, env: env, sources: diag.Sources{}, names: map[string]*node{}, sets: map[string]*node{},
		byName: map[string]*target{}, nodes: map[string]*node{}, overrides: map[*target][]override{}}
	for _, f := range files {
		l.sources[f.Name] = f.Bytes
	}
	return l
}

// config puts the result together.
func (l *loader) config() *schema.Config {
	cfg := &schema.Config{Sources: l.sources}
	for i, f := range l.files {
		if i == 0 {
			cfg.Dir = f.dir()
		}
		cfg.Files = append(cfg.Files, f.Name)
	}
	cfg.Variables = l.variables()
	for _, t := range l.targets {
		l.layersOf(t)
	}
	for _, t := range l.targets {
		l.settle(t)
	}
	for _, t := range l.targets {
		if st := l.finish(t); !t.template {
			cfg.Targets = append(cfg.Targets, st)
		}
	}
	cfg.Groups = l.finishGroups()
	cfg.Strategies = l.finishStrategies()
	return cfg
}
