package buildkit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/containerd/platforms"
	"github.com/distribution/reference"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerui"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/apicaps"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	digest "github.com/opencontainers/go-digest"

	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema"
)

// build is one target on one platform on its way through a run.
type build struct {
	*plan.Build
	target *plan.Target
	file   *sourceFile
	links  map[string]*build // by context name

	ready  chan struct{} // closed when the fields below are set
	result converted
	err    error
	needed bool // the run fails if it fails
	lost   bool // it failed, and the run does without it
	// fallback says why it was built in the alternative way, "" if it was not.
	fallback string
	// def is result.state as it is solved; complete after every build is ready.
	def *llb.Definition
	// source leads from the steps of def to the user's text. Only a request that the daemon records takes it along: the text
	// would go there again with every target.
	source *pb.Source
	// entitlements are the privileges that the build file asks for, here and in linked targets.
	entitlements []string
	imports      []cacheImport

	solveErr error
}

// converted is a Dockerfile that became LLB.
type converted struct {
	state  llb.State
	config []byte // of the image
	base   []byte // configuration of the base image, nil if there is none
	epoch  *time.Time
	path   string // client or server
	why    string
}

func (b *build) use() plan.Use { return plan.Use{Target: b.Target, Platform: b.Platform.String()} }

// id names the platform among the platforms of a result.
func (b *build) id() string { return platforms.FormatAll(toOCI(b.Platform)) }

// several reports whether the target is declared for several platforms.
func (b *build) several() bool { return b.target.Declared > 1 }

// convert makes LLB of the build's Dockerfile, in this process if that is possible.
func (r *run) convert(ctx context.Context, gc gateway.Client, b *build) (converted, error) {
	for name, l := range b.links {
		select {
		case <-l.ready:
		case <-ctx.Done():
			return converted{}, context.Cause(ctx)
		}
		if l.err != nil {
			return converted{}, &linkError{context: name, link: l, err: l.err}
		}
	}
	if err := r.refuseRego(ctx, gc, b); err != nil {
		return converted{}, err
	}
	if why := b.file.plan.Frontend; why != "" {
		return r.convertOnServer(ctx, gc, b, why)
	}
	if b.byFrontend() {
		return r.convertOnServer(ctx, gc, b, "provenance is asked for, which records what the frontend was asked")
	}
	c, err := r.convertHere(ctx, gc, b)
	var cap *apicaps.CapError
	if errors.As(err, &cap) {
		return r.convertOnServer(ctx, gc, b, fmt.Sprintf("the daemon lacks a feature (%v)", cap))
	}
	if errors.Is(err, errOtherPlatform) {
		return r.convertOnServer(ctx, gc, b, err.Error())
	}
	return c, err
}

// linkError says that a build was not tried since one that it links to, or waits for, failed.
type linkError struct {
	context string
	order   bool // it waits for the other and uses nothing of it
	link    *build
	err     error // of the other
}

func (e *linkError) Error() string {
	if e.order {
		return fmt.Sprintf("it depends on target %s, which failed", e.link.Target)
	}
	return fmt.Sprintf("context %s needs target %s, which failed", e.context, e.link.Target)
}

func (e *linkError) Unwrap() error { return e.err }

func (r *run) convertHere(ctx context.Context, gc gateway.Client, b *build) (converted, error) {
	s, err := r.newShim(gc, b)
	if err != nil {
		return converted{}, err
	}
	ui, err := dockerui.NewClient(s)
	if err != nil {
		return converted{}, err
	}
	p := toOCI(b.Platform)
	opt := dockerfile2llb.ConvertOpt{Config: ui.Config, Client: ui, TargetPlatform: &p, MetaResolver: s,
		SourceMap: llb.NewSourceMap(nil, b.file.plan.Path, "Dockerfile", b.file.text)}
	if s.strict = strict(ui, b.file.text); s.strict {
		opt.Warn = func(string, string, string, string, []parser.Range) {} // without it the linter does not look
	}
	text := b.ownText()
	res, err := dockerfile2llb.Dockerfile2LLB(ctx, text, opt)
	if len(text) != len(b.file.text) && s.triggers.Load() { // a trigger may name a stage by its number
		res, err = dockerfile2llb.Dockerfile2LLB(ctx, b.file.text, opt)
	}
	if err != nil {
		return converted{}, err
	}
	c := converted{state: res.State, epoch: res.Epoch, path: "client"}
	if c.config, err = json.Marshal(res.Image); err != nil {
		return c, err
	}
	if res.BaseImage != nil {
		c.base, err = json.Marshal(res.BaseImage)
	}
	return c, err
}

// strict reports whether a violation of a build check is an error, as "check=error=true" asks in the Dockerfile or an argument.
func strict(ui *dockerui.Client, text []byte) bool {
	if c := ui.LinterConfig; c != nil {
		return c.ReturnAsError
	}
	options, _, _, _ := parser.ParseDirective("check", text)
	c, err := linter.ParseLintOptions(options) // the converter reports the error
	return err == nil && c.ReturnAsError
}

// ownText is the Dockerfile without the stages that the build does not use, where that makes no difference.
func (b *build) ownText() []byte {
	_, byNumber := strconv.Atoi(b.Values.Stage)
	if _, check := b.Values.Args["BUILDKIT_DOCKERFILE_CHECK"]; check || byNumber == nil || len(b.Values.Contexts) > 0 {
		return b.file.text
	}
	return b.file.only(b.ByIndex)
}

// shim stands between the Dockerfile converter and the daemon. It gives the converter the build's own options and linked
// targets, reads ignore files from the disk instead of through the daemon, and resolves each image once a run.
type shim struct {
	gateway.Client
	run    *run
	build  *build
	opts   map[string]string
	inputs map[string]llb.State
	// triggers is set when an image has ONBUILD instructions.
	triggers atomic.Bool
	// strict says that violations of build checks are errors.
	strict bool
}

// errOtherPlatform sends a build to the daemon's own converter. BuildKit's linter is not safe for the one check that the
// converter runs at once for several base images, and a Dockerfile of two such images would have them race in this process.
var errOtherPlatform = errors.New("build checks are errors, and a base image is of another platform")

func (r *run) newShim(gc gateway.Client, b *build) (*shim, error) {
	s := &shim{Client: gc, run: r, build: b, opts: b.frontendOpts(r.opt.NoCache), inputs: map[string]llb.State{}}
	if schema.ParseRef(b.Values.Context).Remote() {
		s.opts["context"] = b.Values.Context
	} else {
		name, err := r.session.dirs.add(b.Values.Context)
		if err != nil {
			return nil, err
		}
		// The converter always names the main context "context"; the prefix tells which directory it is.
		s.opts["local-sessionid:"+dockerui.DefaultLocalNameContext] = name + ":" + r.session.ID()
	}
	for name, value := range b.Values.Contexts {
		key, err := contextName(name)
		if err != nil {
			return nil, err
		}
		switch {
		case b.links[name] != nil:
			l := b.links[name].result
			s.inputs[key] = l.state
			md, err := json.Marshal(map[string][]byte{exptypes.ExporterImageConfigKey: l.config})
			if err != nil {
				return nil, err
			}
			s.opts["context:"+key] = "input:" + key
			s.opts["input-metadata:"+key] = string(md)
		case isURL(value):
			s.opts["context:"+key] = value
		default:
			dir, err := r.session.dirs.add(value)
			if err != nil {
				return nil, fmt.Errorf("context %s: %w", name, err)
			}
			s.opts["context:"+key] = "local:" + dir
		}
	}
	return s, nil
}

// contextName is the name of a named context as the converter looks it up.
func contextName(name string) (string, error) {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return "", fmt.Errorf("context name %q is not valid: %w", name, err)
	}
	return strings.TrimSuffix(reference.FamiliarString(named), ":latest"), nil
}

// frontendOpts are the options of the Dockerfile frontend that do not depend on where it runs.
func (b *build) frontendOpts(noCache bool) map[string]string {
	o := map[string]string{"platform": b.Platform.String(), "multi-platform": strconv.FormatBool(b.several())}
	if b.Values.Stage != "" {
		o["target"] = b.Values.Stage
	}
	for k, v := range b.Values.Args {
		o["build-arg:"+k] = v
	}
	for k, v := range b.Values.Labels {
		o["label:"+k] = v
	}
	if noCache || b.Values.NoCache {
		o["no-cache"] = "" // means every stage
	} else if f := b.Values.NoCacheFilter; len(f) > 0 {
		o["no-cache"] = strings.Join(f, ",")
	}
	if b.Values.Pull {
		o["image-resolve-mode"] = "pull"
	}
	if n := b.Values.Network; n != "" && n != "default" {
		o["force-network-mode"] = n
	}
	if b.Values.ShmSize > 0 {
		o["shm-size"] = strconv.FormatInt(b.Values.ShmSize, 10)
	}
	if u := b.Values.Ulimits; len(u) > 0 {
		o["ulimit"] = strings.Join(u, ",")
	}
	for name, value := range b.Values.Resources {
		if key, ok := resourceKeys[name]; ok {
			o[key] = value
		}
	}
	var hosts []string
	for _, name := range slices.Sorted(maps.Keys(b.Values.ExtraHosts)) {
		for ip := range strings.SplitSeq(b.Values.ExtraHosts[name], ",") {
			hosts = append(hosts, name+"="+ip)
		}
	}
	if len(hosts) > 0 {
		o["add-hosts"] = strings.Join(hosts, ",")
	}
	return o
}

// resourceKeys are the frontend's names of the limits that a build file sets.
var resourceKeys = map[string]string{"memory": "memory", "memory-swap": "memswap", "cpu-shares": "cpushares", "cpu-period": "cpuperiod",
	"cpu-quota": "cpuquota", "cpuset-cpus": "cpusetcpus", "cpuset-mems": "cpusetmems"}

func (s *shim) BuildOpts() gateway.BuildOpts {
	o := s.Client.BuildOpts()
	o.Opts, o.SessionID = s.opts, s.run.session.ID()
	return o
}

func (s *shim) Inputs(context.Context) (map[string]llb.State, error) { return s.inputs, nil }

// Solve answers the converter's reads of ignore files; anything else goes to the daemon.
func (s *shim) Solve(ctx context.Context, req gateway.SolveRequest) (*gateway.Result, error) {
	dir := s.ignoreRead(req.Definition)
	if dir == "" {
		return s.Client.Solve(ctx, req)
	}
	dockerfile := ""
	if dir == s.build.Values.Context && s.build.Values.DockerfileInline == "" {
		dockerfile = s.build.Values.Dockerfile
	}
	text, err := ignoreFile(dir, dockerfile)
	if err != nil {
		return nil, err
	}
	res := gateway.NewResult()
	res.SetRef(&diskRef{name: dockerui.DefaultDockerignoreName, text: text})
	return res, nil
}

// ignoreRead returns the directory if a definition does nothing but read its ignore file.
func (s *shim) ignoreRead(def *pb.Definition) string {
	if def == nil || len(def.Def) == 0 || len(def.Def) > 2 { // the read, and the operation that marks it as the result
		return ""
	}
	var op pb.Op
	if err := op.UnmarshalVT(def.Def[0]); err != nil {
		return ""
	}
	src := asLocal(&op)
	if src == nil || src.attrs[pb.AttrFollowPaths] != `["`+dockerui.DefaultDockerignoreName+`"]` {
		return ""
	}
	return s.run.session.dirs.path(src.name)
}

func (s *shim) ResolveImageConfig(ctx context.Context, ref string, opt sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	to, dgst, config, err := s.run.images.resolve(ctx, s.Client, ref, opt)
	var img dockerspec.DockerOCIImage
	if bytes.Contains(config, []byte("OnBuild")) && json.Unmarshal(config, &img) == nil && len(img.Config.OnBuild) > 0 {
		s.triggers.Store(true)
	}
	if p := opt.ImageOpt.Platform; s.strict && err == nil && p != nil {
		if json.Unmarshal(config, &img) != nil || img.OS != p.OS || img.Architecture != p.Architecture {
			return "", "", nil, errOtherPlatform
		}
	}
	return to, dgst, config, err
}

// imageCache resolves each image and platform once a run: it saves calls, and all builds see the same image.
type imageCache struct {
	mu      sync.Mutex
	entries map[string]*imageEntry
}

type imageEntry struct {
	done   chan struct{}
	ref    string
	digest digest.Digest
	config []byte
	err    error
}

func (c *imageCache) resolve(ctx context.Context, gc gateway.Client, ref string, opt sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	if opt.ImageOpt == nil || opt.ImageOpt.Platform == nil {
		return gc.ResolveImageConfig(ctx, ref, opt)
	}
	key := ref + "\x00" + platforms.FormatAll(*opt.ImageOpt.Platform) + "\x00" + opt.ImageOpt.ResolveMode
	c.mu.Lock()
	e, ok := c.entries[key]
	if !ok {
		if c.entries == nil {
			c.entries = map[string]*imageEntry{}
		}
		e = &imageEntry{done: make(chan struct{})}
		c.entries[key] = e
	}
	c.mu.Unlock()
	if !ok {
		e.ref, e.digest, e.config, e.err = gc.ResolveImageConfig(ctx, ref, opt)
		if e.err != nil && noMatch().MatchString(e.err.Error()) {
			e.err = &noPlatformError{platforms.FormatAll(*opt.ImageOpt.Platform), e.err}
		}
		close(e.done)
	}
	select {
	case <-e.done:
		return e.ref, e.digest, slices.Clone(e.config), e.err
	case <-ctx.Done():
		return "", "", nil, context.Cause(ctx)
	}
}

// digests are those of the images that were resolved, by reference. An image that was another one for one platform than for
// the next has none.
func (c *imageCache) digests() map[string]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := map[string]string{}
	for key, e := range c.entries {
		select {
		case <-e.done:
		default:
			continue
		}
		ref, _, _ := strings.Cut(key, "\x00")
		if was, ok := out[ref]; e.err == nil && (!ok || was == string(e.digest)) {
			out[ref] = string(e.digest)
		} else {
			out[ref] = ""
		}
	}
	return out
}

// noPlatformError says that an image does not exist for a platform.
type noPlatformError struct {
	platform string
	err      error
}

func (e *noPlatformError) Error() string { return fmt.Sprintf("%v (%s)", e.err, e.platform) }
func (e *noPlatformError) Unwrap() error { return e.err }

// isURL reports whether a named context is anything but a directory of this machine.
func isURL(value string) bool { return !schema.ParseRef(value).Local() }
