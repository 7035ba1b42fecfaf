package plan

import (
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/xbuild/xbuild/internal/parallel"
	"github.com/xbuild/xbuild/plan/dockerfile"
	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// passes are the steps of planning, in order. Each is the only function of its file that others call.
var passes = []struct {
	name string // of the file, pass_NAME.go
	run  func(*planner)
}{
	{"select", (*planner).selectTargets},        // which targets, on which platforms, and what they link to
	{"private", (*planner).namePrivate},         // one name for each source of a secret
	{"dockerfiles", (*planner).readDockerfiles}, // parse each file once; foreign frontends become opaque
	{"unused", (*planner).warnUnused},           // what no Dockerfile reads
	{"sensitive", (*planner).refuseSensitive},   // what would be published and must not
	{"strategy", (*planner).chooseStrategy},     // cross what is sound, before anything is named
	{"stages", (*planner).resolveStages},        // one instance for equal work
	{"kinds", (*planner).judgeKinds},            // how each instance runs, and why
	{"levels", (*planner).warnLevels},           // instruction sets that no compiler is given
	{"place", (*planner).place},                 // on which node; refuses what cannot run
	{"optional", (*planner).dropOptional},       // unless only optional platforms need it
	{"facts", (*planner).recordFacts},           // what the plan stands on
	{"caches", (*planner).scopeCaches},          // a part of a cache for each of its writers
	{"collide", (*planner).checkCollisions},     // two writers of one place
	{"images", (*planner).checkImages},          // tags and annotations
	{"suggest", (*planner).suggest},             // what a strategy block could do
	{"alternative", (*planner).planAlternative}, // what is left where a result turns out to be wrong
	{"count", (*planner).count},                 // the kinds, summed up
}

// Make plans the requested targets. The plan is nil if a diagnostic is an error that leaves nothing to show; otherwise it
// is there even with errors, but must not be run then.
func Make(cfg *schema.Config, req Request, facts Facts) (*Plan, diag.List) {
	p := newPlanner(cfg, req, facts)
	for _, pass := range passes {
		pass.run(p)
		if p.stop {
			return nil, p.diags.Sorted()
		}
	}
	p.adviseAuto()
	p.plan.Diagnostics = append(diag.List{}, p.diags.Sorted()...)
	return p.plan, p.diags.Sorted()
}

// Needs lists what facts would sharpen the plan, in the order of first use. Facts need only hold the Dockerfiles and nodes.
// Problems are left to [Make].
func Needs(cfg *schema.Config, req Request, facts Facts) Wants {
	p := newPlanner(cfg, req, facts)
	p.selectTargets()
	p.readDockerfiles()
	var out Wants
	seen := map[string]bool{"": true, "scratch": true}
	add := func(ref string) {
		if !seen[ref] {
			seen[ref] = true
			out.Images = append(out.Images, ref)
		}
	}
	at := map[Context]int{}
	alike := map[string]bool{}
	for chunk := range slices.Chunk(p.builds, resolveAtOnce) {
		chunk = slices.DeleteFunc(slices.Clone(chunk), func(b *build) bool { return p.asked(b, alike) })
		found := make([]buildWants, len(chunk))
		parallel.Each(len(chunk), func(i int) { found[i] = p.wants(chunk[i]) })
		for i, w := range found {
			for _, ref := range w.images {
				add(ref)
			}
			out.files(at, ContextOf(chunk[i].values), w)
		}
	}
	return out
}

// asked reports whether a build wants what another one wants, and remembers it if not: where neither the images nor the
// switch for cgo can depend on arguments or the platform.
func (p *planner) asked(b *build, alike map[string]bool) bool {
	_, cgo := b.values.Args["CGO_ENABLED"]
	if b.file == nil || cgo || b.values.DockerfileInline != "" || !b.file.FixedImages() || strings.Contains(string(b.file.Text), "CGO_ENABLED") {
		return false
	}
	k := []string{b.key, b.values.Stage, b.values.Context, strconv.FormatBool(slices.Contains(p.modes(b.values), schema.Cross))}
	for _, name := range sortedKeys(b.values.Contexts) {
		k = append(k, name, b.values.Contexts[name])
	}
	key := strings.Join(k, "\x00")
	if alike[key] {
		return true
	}
	alike[key] = true
	return false
}

// buildWants is what one build would have known.
type buildWants struct {
	images     []string
	cgo, hides bool
	runs       []string
}

// wants is Needs for one build. It changes nothing.
func (p *planner) wants(b *build) buildWants {
	var w buildWants
	if b.file == nil {
		return w
	}
	g, _ := p.resolved(b, b.file, b.platform)
	if g == nil {
		return w
	}
	if filepath.IsAbs(b.values.Context) && slices.Contains(p.modes(b.values), schema.Cross) {
		w.cgo = g.MayUseCgo()
		w.hides, w.runs = g.Hides()
	}
	for i, n := range g.Nodes {
		if !g.Reached[i] {
			continue
		}
		w.images = append(w.images, n.Image)
		for _, d := range n.Deps {
			w.images = append(w.images, d.Image)
		}
	}
	return w
}

// files adds what a build wants of the files of its context. at is where each context stands.
func (w *Wants) files(at map[Context]int, c Context, b buildWants) {
	if !b.cgo && !b.hides {
		return
	}
	i, ok := at[c]
	if !ok {
		i = len(w.Files)
		at[c] = i
		w.Files = append(w.Files, FilesWant{Context: c})
	}
	f := &w.Files[i]
	f.Cgo, f.Scripts = f.Cgo || b.cgo, f.Scripts || b.hides
	for _, r := range b.runs {
		f.Runs = addOnce(f.Runs, r)
	}
}

// planner is the state that the passes share.
type planner struct {
	cfg   *schema.Config
	req   Request
	facts Facts
	// nodes has at least one entry; the first is the hub.
	nodes []NodeFact
	// assumed says that no node was asked.
	assumed bool
	// proofOnly says that no stage is crossed on the evidence of its result.
	proofOnly bool

	// targets and groups are those of the build file by name.
	targets map[string]*schema.Target
	groups  map[string]*schema.Group
	// offered are the platforms of each image.
	offered map[string][]schema.Platform

	plan   *Plan
	builds []*build // links before their users
	byUse  map[Use]*build
	files  map[string]*parsed
	// graphs are kept for other targets with the same values.
	graphs graphCache
	// ids are those of the plan's Dockerfiles by what tells them apart.
	ids   map[string]string
	idOf  map[builtFile]string
	diags diag.List
	stop  bool
	// blocked are the reasons why optional builds cannot be made.
	blocked map[*build]diag.Diagnostic
	// lacking are the stages whose image does not exist for their platform.
	lacking []lackingImage
	// linkedBy are the builds that link to one; nil until it is needed.
	linkedBy map[Use][]*build
	// instances by id, with what judgeKinds needs.
	instances map[string]*instance
}

// build is one target on one platform, with the file it is built from.
type build struct {
	target    *schema.Target
	platform  schema.Platform
	values    *schema.Build
	requested bool
	links     map[string]Use
	// secretNames and sshNames are the names of ids that have another one.
	secretNames, sshNames map[string]string

	key      string
	file     *dockerfile.File // as written; nil if opaque
	opaque   string
	frontend string // reason for the server's frontend
	// final is the file that is built, with its line map; equal to file if nothing was rewritten.
	final *dockerfile.File
	lines []int
	built string
	id    string
	// caches are what the recipe adds to the stages, by index.
	caches map[int]string
	// crossed, vouched and tried tell for each stage of the file what was decided.
	crossed map[int]bool
	vouched map[int]dockerfile.Vouch
	tried   map[int][]Attempt
	// shown is the part of the change that may stay in the file, wrapped the lines that the wrapper of go is mounted for, checked
	// why stages are crossed on the evidence of their result, by index.
	shown   string
	wrapped []int
	checked map[int]string
	// result is the id of the stage whose files the build is; "" until it is known.
	result string
	// advice is what could be vouched for.
	advice []dockerfile.Advice
	// args are what the final file needs beside the values of the build file, by platform.
	args map[schema.Platform]map[string]string
	// on is the node that runs the build.
	on *NodeFact
}

// parsed is a Dockerfile read once.
type parsed struct {
	by      *build // the first one that needs it
	foreign bool   // its text may not be that of a Dockerfile
	file    *dockerfile.File
	opaque  string
	why     string // reason for the server's frontend
	diags   diag.List
}

// instance is a stage with the node it was made from.
type instance struct {
	stage    *Stage // what is known before kinds; later passes use the plan's own copy
	node     *dockerfile.Node
	build    *build   // the first one that needs it
	builds   []*build // all of them
	crossed  bool
	vouched  dockerfile.Vouch
	checked  string // why it is crossed on the evidence of its result
	pinned   bool   // runs on the same platform whatever the target
	depends  bool   // something in it depends on the target
	platform schema.Platform
}

func newPlanner(cfg *schema.Config, req Request, facts Facts) *planner {
	p := &planner{cfg: cfg, req: req, facts: facts, targets: map[string]*schema.Target{}, groups: map[string]*schema.Group{}, byUse: map[Use]*build{},
		files: map[string]*parsed{}, ids: map[string]string{}, idOf: map[builtFile]string{}, instances: map[string]*instance{}, blocked: map[*build]diag.Diagnostic{}}
	if len(facts.Nodes) > 0 {
		p.nodes = facts.Nodes
	} else {
		// Containers are linux, whatever this machine is.
		p.assumed = true
		p.nodes = []NodeFact{{Name: "assumed", Platforms: []schema.Platform{{OS: "linux", Arch: facts.Local.Arch, Variant: facts.Local.Variant}}}}
	}
	p.cfg = withDefaultOutput(cfg, p.hub())
	p.offered = map[string][]schema.Platform{}
	for ref, img := range facts.Images {
		for _, s := range img.Platforms {
			if q, err := schema.ParsePlatform(s); err == nil {
				p.offered[ref] = append(p.offered[ref], q)
			}
		}
	}
	for _, t := range p.cfg.Targets {
		p.targets[t.Name] = t
	}
	for _, g := range p.cfg.Groups {
		p.groups[g.Name] = g
	}
	p.plan = &Plan{Version: Version, Targets: []Target{}, Dockerfiles: []Dockerfile{}, Stages: []Stage{}, Suggestions: []Suggestion{}, Diagnostics: diag.List{},
		Facts: FactsUsed{Nodes: []Node{}, Emulators: []string{}, Images: []Image{}}}
	return p
}

// hub is the node that decisions about Dockerfiles stand on.
func (p *planner) hub() *NodeFact { return &p.nodes[0] }

// native is BUILDPLATFORM of the hub.
func (p *planner) native() schema.Platform { return p.hub().native() }

// native is BUILDPLATFORM of a node: what it executes by itself.
func (n *NodeFact) native() schema.Platform { return n.Platforms[0] }

// lists reports whether a node runs programs for q, by itself or with an emulator.
func (n *NodeFact) lists(q schema.Platform) bool {
	return slices.ContainsFunc(n.Platforms, func(have schema.Platform) bool { return have.Executes(q) })
}

// foreign reports whether the hub cannot execute programs for q by itself.
func (p *planner) foreign(q schema.Platform) bool { return !p.native().Executes(q) }

// toCross reports whether steps for q are to be run for it on the build platform, where cross-compiling is tried: the hub cannot
// execute q by itself, or q has a level that no compiler is given where the steps run as they are written.
func (p *planner) toCross(q schema.Platform) bool { return p.foreign(q) || q.AboveBaseline() }

// sentinel is a target that nobody builds for: what stays the same with it does not depend on the target.
var sentinel = schema.Platform{OS: "plan9", Arch: "mips64le", Variant: "v0"}

// resolve gives a file the values of a build for a platform; nil after an error, which is noted.
func (p *planner) resolve(b *build, f *dockerfile.File, target schema.Platform) *dockerfile.Graph {
	g, d := p.resolved(b, f, target)
	p.diags = append(p.diags, d...)
	return g
}

// resolved is resolve with the errors as a result. It changes nothing, so that many can run at once.
func (p *planner) resolved(b *build, f *dockerfile.File, target schema.Platform) (*dockerfile.Graph, diag.List) {
	if f == nil {
		return nil, nil
	}
	v, args := b.given(f, target)
	key := graphKey{f, b.envKey(v, args, target)}
	if g := p.graphs.get(key); g != nil {
		return g, nil
	}
	g, d := f.Resolve(dockerfile.Env{Build: b.on.native(), Target: target, Stage: v.Stage, Args: args, Context: v.Context,
		Contexts: v.Contexts, Image: p.imageConfig,
		RunKeys: runKeys(v), SecretNames: b.secretNames, SSHNames: b.sshNames})
	switch {
	case !d.HasErrors():
		p.graphs.put(key, g)
		return g, nil
	case target == sentinel:
		return nil, nil
	}
	return nil, p.locate(b, d)
}

// given are the values and arguments that a build gives to a file on a platform.
func (b *build) given(f *dockerfile.File, target schema.Platform) (*schema.Build, map[string]string) {
	v := b.target.On(target)
	args := v.Args
	if target == sentinel {
		v, args = b.values, b.sentinelArgs()
	}
	if f == b.final && f != b.file {
		args = b.withArgs(args, target)
	}
	return v, args
}

// locate adds the target's place in the build file to problems of its Dockerfile.
func (p *planner) locate(b *build, l diag.List) diag.List {
	for i := range l {
		if l[i].Code == "unknown-stage" { // which is wrong in the build file, not in the Dockerfile
			l[i].Subject = b.target.At("target")
			continue
		}
		l[i].Related = append(l[i].Related, diag.Related{Range: *b.target.At("dockerfile"), Message: "target " + b.target.Name + " asks for it"})
	}
	return l
}

// sentinelArgs marks the arguments that the build file computes from the platform.
func (b *build) sentinelArgs() map[string]string {
	args := map[string]string{}
	for k, v := range b.values.Args {
		args[k] = v
		for _, other := range b.target.PerPlatform {
			if other.Args[k] != v {
				args[k] = "\x00"
			}
		}
	}
	return args
}

// withArgs adds what the rewritten file needs on a platform. What the build file sets itself stays.
func (b *build) withArgs(args map[string]string, target schema.Platform) map[string]string {
	if len(b.args) == 0 {
		return args
	}
	out := map[string]string{}
	given := b.args[target]
	if target == sentinel {
		given = map[string]string{}
		for _, m := range b.args {
			for k := range m { // a value that is the same for all platforms stands in the file
				given[k] = "\x00"
			}
		}
	}
	maps.Copy(out, given)
	maps.Copy(out, args)
	return out
}

func (p *planner) imageConfig(ref string) *dockerfile.ImageConfig {
	img, ok := p.facts.Images[ref]
	if !ok || img.Err != "" || img.Digest == "" {
		return nil
	}
	return &dockerfile.ImageConfig{Env: img.Env, OnBuild: img.OnBuild, Workdir: img.Workdir}
}
