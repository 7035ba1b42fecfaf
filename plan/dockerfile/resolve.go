package dockerfile

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/distribution/reference"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/shell"

	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// Graph is a Dockerfile for one target platform.
type Graph struct {
	File *File
	// Nodes has one entry a stage of the file, in file order; Reached says which of them the build needs.
	Nodes   []*Node
	Reached []bool
	Result  *Node
	Target  schema.Platform
	// BuildPlatform is the value of BUILDPLATFORM; an argument may have changed it.
	BuildPlatform string
	Contexts      map[string]string

	args      map[string]string // build arguments
	env       Env               // what it was made with
	automatic *vars             // what an ARG of an automatic name gives
	resolver  *resolver         // of which [Graph.Walk] asks for more
}

// Node is one stage on one platform.
type Node struct {
	*Stage
	// Base is the stage it is FROM, or nil; Image is then the expanded reference ("scratch" included), or Context the
	// name of the named context that replaces the image or the stage itself.
	Base    *Node
	Image   string
	Context string
	// Platform is what its steps run as, in BuildKit's eyes.
	Platform schema.Platform
	// ScratchPlatform is the --platform of a scratch root. BuildKit drops it and labels the steps with the target, but
	// what runs there was brought by the file itself, and is meant for that platform.
	ScratchPlatform *schema.Platform

	*walked
}

// walked is what is known of a stage whose instructions were looked at: in a file of many stages those that the build needs.
type walked struct {
	Deps   []Dep
	Runs   []*Run
	Copies []Copy
	// Keys: Steps holds the key of the file system after each step that makes one; FS is the last.
	Steps []Step
	FS    string
	// ID identifies files, configuration and platform together.
	ID string
	// Env is the environment after the last instruction, Shell a custom SHELL or nil.
	Env   *vars
	Shell []string
	// ExtraInputs are URLs and git repositories that ADD reads.
	URLs []string
	// UsesContext says that a COPY, ADD or mount reads the main context.
	UsesContext bool

	user, workdir string
	onbuild       []string
	meta          []string
	envKnown      bool
	// mentions are uses of names that have no value in the stage, but would have one in a pinned stage.
	mentions []mention
}

// unwalked is what is known of the instructions of every other stage.
var unwalked = &walked{Env: &vars{}}

type mention struct {
	line int
	name string
}

// Dep is a stage or image that a stage needs, beside its base.
type Dep struct {
	Via   string // copy or mount
	Node  *Node  // nil for an image or a named context
	Image string
	// Context is the name of the named context, if one stands for it.
	Context string
	Paths   []string // what is taken; a mount without source takes everything: "/"
	Line    int
}

// Copy is one COPY or ADD of the stage, with its expanded paths.
type Copy struct {
	Line    int
	From    *Node  // nil for the context
	Image   string // COPY --from=<image> or named context
	Sources []string
	Dest    string // absolute
	Remote  bool   // ADD of a URL that is no git repository
}

// Step is one instruction that changes the file system.
type Step struct {
	Line int
	Key  string
	// Why names the values that enter the key besides the previous step: variables by name, "COPY --from=NAME", "FROM".
	env  *vars
	deps map[string]string
}

// resolver holds the state of one Resolve call.
type resolver struct {
	f      *File
	env    Env
	global *vars
	byName map[string]*Node
	nodes  []*Node
	done   []bool // by index of the stage
	wrong  map[int]diag.List
	target string // the platform
}

// Resolve gives the file the values of one build. Problems are in the file, with its lines.
func (f *File) Resolve(env Env) (*Graph, diag.List) {
	idx, ok := f.Find(env.Stage)
	if !ok {
		return nil, f.unknownStage(env.Stage)
	}
	r := &resolver{f: f, env: env, byName: map[string]*Node{}, target: env.Target.String()}
	r.global = globalVars(env, f.targetName(env.Stage))
	if d := r.metaArgs(f.meta); d != nil {
		return nil, d
	}
	var diags diag.List
	for i, st := range f.from {
		n, d := r.from(i, st)
		diags = append(diags, d...)
		r.nodes = append(r.nodes, n)
		if st.Name != "" {
			r.byName[st.Name] = n
		}
	}
	r.done = make([]bool, len(r.nodes))
	for i := range r.nodes {
		if diags.HasErrors() {
			return nil, diags
		}
		if env.Whole || i == idx {
			diags = append(diags, r.stage(r.nodes[i])...)
		}
	}
	if diags.HasErrors() {
		return nil, diags
	}
	buildPlatform, _ := r.global.Get("BUILDPLATFORM")
	g := &Graph{File: f, Nodes: r.nodes, Reached: make([]bool, len(r.nodes)), Result: r.nodes[idx],
		Target: env.Target, BuildPlatform: buildPlatform, Contexts: env.Contexts, env: env, args: env.Args, automatic: r.global, resolver: r}
	g.reach(g.Result)
	return g, nil
}

// Walk is a stage of the file, which the build need not reach; nil if something is wrong with it. Graphs of one file must not
// be asked at the same time.
func (g *Graph) Walk(i int) *Node {
	if g.resolver.stage(g.Nodes[i]).HasErrors() {
		return nil
	}
	return g.Nodes[i]
}

// For is the graph of another stage of the same file with the same values; nil if there is no such stage. It is right only
// if the file does not look at TARGETSTAGE. The nodes are shared, so they must not be changed.
func (g *Graph) For(stage string) *Graph {
	idx, ok := g.File.Find(stage)
	if !ok {
		return nil
	}
	of := *g
	of.Result, of.Reached = g.Nodes[idx], make([]bool, len(g.Nodes))
	of.reach(of.Result)
	return &of
}

func (f *File) unknownStage(name string) diag.List {
	d := diag.List{}.Errorf("unknown-stage", diag.LineRange(f.Path, 0), "The Dockerfile has no such stage",
		"%q is not a stage of %s; it has %s.", name, f.Path, orNone(f.Names()))
	if s := schema.Suggest(name, f.Names()); s != "" {
		d[0].Advice = fmt.Sprintf("did you mean %q?", s)
	}
	return d
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "no named stages"
	}
	return strings.Join(names, ", ")
}

func (f *File) targetName(stage string) string {
	if stage == "" {
		return f.from[len(f.from)-1].Name
	}
	return stage
}

func (g *Graph) reach(n *Node) {
	if g.Reached[n.Index] {
		return
	}
	g.Reached[n.Index] = true
	if n.Base != nil {
		g.reach(n.Base)
	}
	for _, d := range n.Deps {
		if d.Node != nil {
			g.reach(d.Node)
		}
	}
}

func (r *resolver) expand(word string, env shell.EnvGetter) (string, error) {
	if !strings.ContainsAny(word, r.f.special()) {
		return word, nil
	}
	return r.f.memo.expand(r.f.Escape, word, env)
}

func (r *resolver) metaArgs(meta []instructions.ArgCommand) diag.List {
	for _, c := range meta {
		for _, a := range c.Args {
			if v, ok := r.env.Args[a.Key]; ok {
				r.global.set(a.Key, v, firstLine(c.Location()))
				continue
			}
			if a.Value == nil {
				continue
			}
			v, err := r.expand(*a.Value, r.global)
			if err != nil {
				return r.bad(firstLine(c.Location()), err)
			}
			r.global.set(a.Key, v, firstLine(c.Location()))
		}
	}
	return nil
}

func (r *resolver) bad(line int, err error) diag.List {
	return diag.List{}.Errorf("dockerfile-value", diag.LineRange(r.f.Path, line), "A value in the Dockerfile cannot be expanded", "%v.", err)
}

// from sets what the FROM line says. Commands come later, since COPY --from may name a stage further down.
func (r *resolver) from(i int, st instructions.Stage) (*Node, diag.List) {
	n := &Node{Stage: &r.f.Stages[i], walked: unwalked, Platform: r.env.Target}
	base, err := r.expand(st.BaseName, r.global)
	if err != nil {
		return n, r.bad(n.Line, err)
	}
	if base == "" {
		return n, diag.List{}.Errorf("base-empty", diag.LineRange(r.f.Path, n.Line), "The base of a stage is empty",
			"%q expands to nothing.", st.BaseName)
	}
	var pin *schema.Platform
	if st.Platform != "" {
		v, err := r.expand(st.Platform, r.global)
		if err != nil {
			return n, r.bad(n.Line, err)
		}
		p, err := schema.ParsePlatform(v)
		if err != nil && v != r.target {
			return n, diag.List{}.Errorf("bad-platform", diag.LineRange(r.f.Path, n.Line), "The platform of a stage is not valid",
				"--platform=%s gives %q.", st.Platform, v)
		}
		if err != nil {
			p = r.env.Target
		}
		pin = &p
	}
	switch {
	case r.named(st.Name):
		n.Context = st.Name
	case r.byName[base] != nil:
		// BuildKit drops --platform on a stage that is FROM another stage.
		n.Base = r.byName[base]
	case r.named(base):
		n.Context = contextKey(base)
	case strings.EqualFold(base, "scratch"):
		n.Image, n.ScratchPlatform = "scratch", pin
		return n, nil
	default:
		if base == st.BaseName && r.f.isReference[i] {
			n.Image = base
			break
		}
		if _, err := reference.ParseNormalizedNamed(base); err != nil {
			return n, diag.List{}.Errorf("bad-image", diag.LineRange(r.f.Path, n.Line), "The base of a stage is not an image reference", "%q: %v.", base, err)
		}
		n.Image = base
	}
	if pin != nil && n.Base == nil && (n.Context == "" || n.Context != st.Name) {
		n.Platform = *pin
	}
	return n, nil
}

func (r *resolver) named(name string) bool {
	_, ok := r.env.Contexts[contextKey(name)]
	return ok && name != "" && !strings.EqualFold(name, "scratch") && !strings.EqualFold(name, "context")
}

// contextKey is the form in which BuildKit looks a named context up.
func contextKey(name string) string {
	name = strings.TrimPrefix(strings.TrimPrefix(name, "docker.io/"), "library/")
	return strings.TrimSuffix(name, ":latest")
}

// Key is a short hash over content keys.
func Key(parts ...string) string { return hash(parts...) }

func hash(parts ...string) string { return hashOf(make([]byte, 0, 512), parts) }

// hashAfter is hash with one part more, the first.
func hashAfter(first string, parts []string) string {
	return hashOf(appendPart(make([]byte, 0, 512), first), parts)
}

func hashOf(b []byte, parts []string) string {
	for _, p := range parts {
		b = appendPart(b, p)
	}
	sum := sha256.Sum256(b)
	var out [16]byte
	hex.Encode(out[:], sum[:8])
	return string(out[:])
}

func appendPart(b []byte, p string) []byte {
	b = append(strconv.AppendInt(b, int64(len(p)), 10), ':')
	return append(append(b, p...), ',')
}

// find resolves the value of --from or from=: a stage by name or number, else an image or named context.
func (r *resolver) find(from string, self *Node) (n *Node, image string) {
	if i, err := strconv.Atoi(from); err == nil && i >= 0 && i < len(r.nodes) {
		return r.nodes[i], ""
	}
	if n := r.byName[strings.ToLower(from)]; n != nil && n != self {
		return n, ""
	}
	return nil, from
}

// stage walks the instructions of one stage, once, after those of its base.
func (r *resolver) stage(n *Node) diag.List {
	if r.done[n.Index] {
		return r.wrong[n.Index]
	}
	r.done[n.Index] = true
	d := r.walk(n)
	if d.HasErrors() {
		if r.wrong == nil {
			r.wrong = map[int]diag.List{}
		}
		r.wrong[n.Index] = d
	}
	return d
}

func (r *resolver) walk(n *Node) diag.List {
	if n.Base != nil {
		if d := r.stage(n.Base); d.HasErrors() {
			return d
		}
	}
	w := &walker{resolver: r, n: n}
	w.start()
	if n.Context != "" && n.Context == n.Stage.Name {
		return w.finish() // a named context stands for the whole stage
	}
	if triggers := w.triggers(); len(triggers) > 0 {
		extra, err := parseTriggers(triggers)
		if err != nil {
			return r.bad(n.Line, err)
		}
		for _, c := range extra {
			if d := w.instruction(c, true); d != nil {
				return d
			}
		}
	}
	for _, pc := range r.f.commands[n.Index] {
		c := pc.fixed
		if c == nil {
			var err error
			if c, err = parseCommand(pc.node); err != nil { // parsed before: cannot happen
				return r.bad(n.Line, err)
			}
		}
		if d := w.instruction(c, pc.fixed == nil); d != nil {
			return d
		}
	}
	return w.finish()
}

// Chain returns the stage and its bases, root last.
func (n *Node) Chain() []*Node {
	var c []*Node
	for ; n != nil; n = n.Base {
		c = append(c, n)
	}
	return c
}

// Root is the last of the chain: the stage that is FROM an image, a named context or scratch.
func (n *Node) Root() *Node {
	for n.Base != nil {
		n = n.Base
	}
	return n
}

// Fork is the first step of a stage that differs under another target platform.
type Fork struct {
	Line int
	// By is what makes it differ: a variable, "COPY --from=NAME", or "values of the build file".
	By string
	// Declared is the line that set the variable, 0 if By is no variable of the file.
	Declared int
}

// Fork compares the stage with the same stage under another target platform. It is nil if no step of the stage itself is
// where they part.
func (n *Node) Fork(other *Node) *Fork {
	if len(n.Steps) == 0 || len(other.Steps) == 0 || n.Steps[0].Key != other.Steps[0].Key {
		return nil
	}
	for i := 1; i < len(n.Steps) && i < len(other.Steps); i++ {
		if a, b := n.Steps[i], other.Steps[i]; a.Key != b.Key {
			return a.differs(b)
		}
	}
	return nil
}

func (a Step) differs(b Step) *Fork {
	for _, name := range slices.Sorted(maps.Keys(a.deps)) {
		if b.deps[name] != a.deps[name] {
			return &Fork{Line: a.Line, By: name}
		}
	}
	// The variable that was set first is the cause; the others usually follow from it.
	f := &Fork{Line: a.Line, By: "values of the build file"}
	if a.env == nil || b.env == nil {
		return f
	}
	var at variable
	for _, x := range a.env.list {
		if v, _ := b.env.Get(x.key); v != x.value && x.line > 0 && (at.line == 0 || x.line < at.line || x.line == at.line && x.key < at.key) {
			at = x
		}
	}
	if at.line > 0 {
		f.By, f.Declared = at.key, at.line
	}
	return f
}
