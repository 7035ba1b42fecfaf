package dockerfile

import (
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// walker follows BuildKit's dispatch of one stage and keeps a key of the file system instead of a file system.
type walker struct {
	*resolver
	n   *Node
	key string
	on  string // the platform of the stage
}

// start takes over what the base gives: files, environment, user, folder.
func (w *walker) start() {
	n := w.n
	n.walked = &walked{Env: &vars{}, workdir: "/"}
	if w.on = w.target; n.Platform != w.env.Target {
		w.on = n.Platform.String()
	}
	switch {
	case n.Base != nil:
		b := n.Base
		if b.Platform != n.Platform {
			w.on = b.Platform.String()
		}
		n.Env, n.Shell, n.user, n.workdir, n.envKnown = b.Env.clone(), b.Shell, b.user, b.workdir, b.envKnown
		n.Platform, n.ScratchPlatform = b.Platform, b.ScratchPlatform
		n.meta = append(n.meta, b.meta...)
		w.key = b.FS
	case n.Context != "":
		w.key = w.contextKey(n.Context, n.Platform)
	case n.Image == "scratch":
		w.key = hash("scratch")
		n.envKnown = true
	default:
		w.key = hash("image", n.Image, w.on)
		c := w.image(n.Image)
		if c == nil && official(n.Image) == "golang" { // as it has always been
			n.workdir = "/go"
			n.Env.set("GOPATH", "/go", 0)
		}
		if c != nil {
			n.envKnown, n.workdir = true, path.Join("/", c.Workdir)
			for _, kv := range c.Env {
				k, v, _ := strings.Cut(kv, "=")
				n.Env.set(k, v, 0)
			}
		}
	}
	n.Steps = append(n.Steps, Step{Line: n.Line, Key: w.key})
}

// contextKey is the key of a named context. A folder is the same for every platform, an image or linked target is not.
func (w *walker) contextKey(name string, p schema.Platform) string {
	value := w.env.Contexts[name]
	if path.IsAbs(value) {
		return hash("folder", value)
	}
	return hash("context", name, value, p.String())
}

func (w *walker) image(ref string) *ImageConfig {
	if w.env.Image == nil {
		return nil
	}
	return w.env.Image(ref)
}

// triggers are the ONBUILD instructions that the base leaves to this stage.
func (w *walker) triggers() []string { return w.n.Triggers(w.image) }

// Triggers are the ONBUILD instructions that the base leaves to a stage. image gives the configuration of an image, nil if it is
// not known.
func (n *Node) Triggers(image func(ref string) *ImageConfig) []string {
	if n.Base != nil {
		return n.Base.onbuild
	}
	if n.Image != "" {
		if c := image(n.Image); c != nil {
			return c.OnBuild
		}
	}
	return nil
}

func parseTriggers(triggers []string) ([]instructions.Command, error) {
	var out []instructions.Command
	for _, t := range triggers {
		res, err := parser.Parse(strings.NewReader(t))
		if err != nil {
			return nil, fmt.Errorf("ONBUILD %s: %w", t, err)
		}
		if len(res.AST.Children) != 1 {
			return nil, fmt.Errorf("ONBUILD %s: not one instruction", t)
		}
		c, err := parseCommand(res.AST.Children[0])
		if err != nil {
			return nil, fmt.Errorf("ONBUILD %s: %w", t, err)
		}
		out = append(out, c)
	}
	return out, nil
}

func (w *walker) finish() diag.List {
	n := w.n
	n.FS = w.key
	config := append([]string{"config", w.on, n.user, n.workdir}, n.meta...)
	n.ID = hash(append(config, n.FS, w.n.Env.sorted())...)
	return nil
}

// step appends a step whose key depends on the steps before and on parts. env is what it sees: all variables for a RUN, those
// that it names for the others.
func (w *walker) step(line int, env *vars, deps map[string]string, parts ...string) {
	w.key = hashAfter(w.key, parts)
	w.n.Steps = append(w.n.Steps, Step{Line: line, Key: w.key, env: env, deps: deps})
}

// instruction walks one instruction and says what is wrong with it. expand says that there may be something to expand.
func (w *walker) instruction(c instructions.Command, expand bool) diag.List {
	err := w.command(c, expand)
	var inner *stageError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &inner): // of another stage, and told there
		return inner.diags
	}
	line := firstLine(c.Location())
	if line == 0 {
		line = w.n.Line
	}
	return w.bad(line, err)
}

// stageError is what is wrong with a stage that another one needs.
type stageError struct{ diags diag.List }

func (e *stageError) Error() string { return e.diags[0].Detail }

func (w *walker) command(c instructions.Command, expand bool) error {
	raw := ""
	if _, isRun := c.(*instructions.RunCommand); !isRun { // of which nobody asks for it
		raw = fmt.Sprint(c)
	}
	if _, isArg := c.(*instructions.ArgCommand); !isArg && expand {
		if ex, ok := c.(instructions.SupportsSingleWordExpansion); ok {
			if err := ex.Expand(func(s string) (string, error) { return w.expand(s, w.n.Env) }); err != nil {
				return err
			}
		}
	}
	line := firstLine(c.Location())
	if line == 0 {
		line = w.n.Line // from an ONBUILD trigger
	}
	w.mention(c, raw, line)
	switch c := c.(type) {
	case *instructions.ArgCommand:
		return w.arg(c, line)
	case *instructions.EnvCommand:
		for _, kv := range c.Env {
			w.n.Env.set(kv.Key, kv.Value, line)
		}
	case *instructions.RunCommand:
		return w.run(c, line)
	case *instructions.CopyCommand:
		return w.copy(c, line, raw)
	case *instructions.AddCommand:
		w.add(c, line, raw)
	case *instructions.WorkdirCommand:
		if path.IsAbs(c.Path) {
			w.n.workdir = path.Clean(c.Path)
		} else {
			w.n.workdir = path.Join(w.n.workdir, c.Path)
		}
		w.step(line, w.n.Env.namedIn(raw), nil, "workdir", w.n.workdir)
	case *instructions.UserCommand:
		w.n.user = c.User
	case *instructions.ShellCommand:
		w.n.Shell = c.Shell
	case *instructions.OnbuildCommand:
		w.n.onbuild = append(w.n.onbuild, c.Expression)
	default: // configuration of the image only
		w.n.meta = append(w.n.meta, fmt.Sprint(c))
	}
	return nil
}

// mention notes names that pinning gives a value and the stage does not. What a RUN does with them is seen in its script.
func (w *walker) mention(c instructions.Command, raw string, line int) {
	if _, run := c.(*instructions.RunCommand); run || !strings.Contains(raw, "$") {
		return
	}
	for _, k := range pinnedNames {
		if _, ok := w.n.Env.Get(k); !ok && (strings.Contains(raw, "$"+k) || strings.Contains(raw, "${"+k)) {
			w.n.mentions = append(w.n.mentions, mention{line, k})
		}
	}
}

// pinnedNames are the names that the lines of [File.Cross] set.
var pinnedNames = append(targetNames, goTargetNames...)

// arg follows BuildKit: a build argument wins, then the default, then a global ARG or automatic value of that name.
func (w *walker) arg(c *instructions.ArgCommand, line int) error {
	for _, a := range c.Args {
		v, ok := w.env.Args[a.Key]
		switch {
		case ok:
		case a.Value != nil:
			s, err := w.expand(*a.Value, w.n.Env)
			if err != nil {
				return err
			}
			v, ok = s, true
		default:
			v, ok = w.global.Get(a.Key)
		}
		if ok {
			w.n.Env.set(a.Key, v, line)
		}
	}
	return nil
}

func (w *walker) run(c *instructions.RunCommand, line int) error {
	n := w.n
	deps := map[string]string{}
	parts := []string{"run", w.on, n.user, n.workdir, strings.Join(n.Shell, "\x00"), strings.Join(c.CmdLine, "\x00"),
		strconv.FormatBool(c.PrependShell), instructions.GetNetwork(c), instructions.GetSecurity(c), w.n.Env.sorted()}
	for _, f := range c.Files {
		parts = append(parts, "file", f.Name, f.Data)
	}
	parts = append(parts, w.env.RunKeys...)
	r := &Run{Line: line, EndLine: max(lastLine(c.Location()), line), Cmd: c, Env: n.Env.clone(), Workdir: n.workdir, memo: &w.f.memo}
	for _, m := range instructions.GetMounts(c) {
		parts = append(parts, "mount", string(m.Type), m.From, m.Source, m.Target, m.CacheID, fmt.Sprint(m.ReadOnly, m.Required, m.SizeLimit, m.CacheSharing), optional(m.Env), optional(m.Mode), optional(m.UID), optional(m.GID))
		if name := w.privateName(m); name != "" {
			parts = append(parts, "name", name)
		}
		if target := m.Target; m.Type != instructions.MountTypeSecret && m.Type != instructions.MountTypeSSH {
			relative := !path.IsAbs(target)
			if relative {
				target = path.Join("/", n.workdir, target)
			}
			// The working directory and variables may be those of a base image that is not known yet.
			if target == "/" && (!relative || n.envKnown) {
				return fmt.Errorf("invalid mount target %q", target)
			}
		}
		r.Mounts = append(r.Mounts, Mount{Type: string(m.Type), From: m.From, Target: m.Target})
		if m.Type != instructions.MountTypeBind && m.Type != instructions.MountTypeCache || m.From == "" && m.Type == instructions.MountTypeCache {
			continue
		}
		if m.From == "" {
			n.UsesContext = true
			parts = append(parts, "context", w.env.Context)
			continue
		}
		src := m.Source
		if src == "" {
			src = "/"
		}
		d, key, err := w.dep("mount", m.From, []string{src}, line)
		if err != nil {
			return err
		}
		r.Mounts[len(r.Mounts)-1].Dep = d
		deps["RUN --mount=from="+m.From] = key
		parts = append(parts, key)
	}
	n.Runs = append(n.Runs, r)
	w.step(line, r.Env, deps, parts...)
	return nil
}

// privateName is the name of the secret or SSH agent of a mount where it is not the id that stands in the file.
func (w *walker) privateName(m *instructions.Mount) string {
	switch m.Type {
	case instructions.MountTypeSecret:
		id := m.CacheID
		if id == "" {
			id = path.Base(m.Target)
		}
		return w.env.SecretNames[id]
	case instructions.MountTypeSSH:
		id := m.CacheID
		if id == "" {
			id = "default"
		}
		return w.env.SSHNames[id]
	}
	return ""
}

// dep records that the stage takes paths from another stage, an image or a named context, and returns its key.
func (w *walker) dep(via, from string, paths []string, line int) (*Dep, string, error) {
	d := Dep{Via: via, Paths: paths, Line: line}
	node, image := w.find(from, w.n)
	switch {
	case node != nil:
		if node.Index >= w.n.Index {
			return nil, "", fmt.Errorf("cannot copy from stage %q: it must be defined before stage %q", from, w.n.Title())
		}
		if d := w.stage(node); d.HasErrors() {
			return nil, "", &stageError{d}
		}
		d.Node = node
		w.n.Deps = append(w.n.Deps, d)
		return &d, node.FS, nil
	case strings.EqualFold(image, "context"):
		return nil, "", errors.New("from=context is not a stage")
	case w.named(image):
		d.Context = contextKey(image)
		w.n.Deps = append(w.n.Deps, d)
		return &d, w.contextKey(d.Context, w.env.Target), nil
	}
	// BuildKit resolves an image that only files are taken from for the target platform.
	d.Image = image
	w.n.Deps = append(w.n.Deps, d)
	return &d, hash("image", image, w.target), nil
}

func (w *walker) copy(c *instructions.CopyCommand, line int, raw string) error {
	cp := Copy{Line: line, Sources: c.SourcePaths, Dest: w.abs(c.DestPath)}
	deps := map[string]string{}
	parts := []string{"copy", strings.Join(c.SourcePaths, "\x00"), cp.Dest, strconv.FormatBool(strings.HasSuffix(c.DestPath, "/")), c.Chown, c.Chmod,
		fmt.Sprint(c.Link, c.Parents, c.ExcludePatterns)}
	for _, s := range c.SourceContents {
		parts = append(parts, "inline", s.Path, s.Data)
	}
	if c.From != "" {
		d, key, err := w.dep("copy", c.From, c.SourcePaths, line)
		if err != nil {
			return err
		}
		cp.From, cp.Image = d.Node, d.Image+d.Context
		deps["COPY --from="+c.From] = key
		parts = append(parts, key)
	} else if len(c.SourcePaths) > 0 {
		w.n.UsesContext = true
		parts = append(parts, w.env.Context)
	}
	w.n.Copies = append(w.n.Copies, cp)
	w.step(line, w.n.Env.namedIn(raw), deps, parts...)
	return nil
}

func (w *walker) add(c *instructions.AddCommand, line int, raw string) {
	cp := Copy{Line: line, Sources: c.SourcePaths, Dest: w.abs(c.DestPath)}
	for _, s := range c.SourcePaths {
		if ref := schema.ParseSource(s); ref.Remote() {
			cp.Remote = cp.Remote || ref.Kind != schema.GitRef // sources are not made for one architecture
			w.n.URLs = append(w.n.URLs, s)
		} else {
			w.n.UsesContext = true
		}
	}
	parts := []string{"add", strings.Join(c.SourcePaths, "\x00"), cp.Dest, c.Chown, c.Chmod, c.Checksum, fmt.Sprint(c.Link, optional(c.KeepGitDir), c.ExcludePatterns, optional(c.Unpack))}
	for _, s := range c.SourceContents {
		parts = append(parts, "inline", s.Path, s.Data)
	}
	if w.n.UsesContext {
		parts = append(parts, w.env.Context)
	}
	w.n.Copies = append(w.n.Copies, cp)
	w.step(line, w.n.Env.namedIn(raw), nil, parts...)
}

// optional words a flag that may not be given.
func optional[T any](v *T) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(*v)
}

func (w *walker) abs(p string) string {
	if path.IsAbs(p) {
		return path.Clean(p)
	}
	return path.Join(w.n.workdir, p)
}
