package buildkit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	gatewaypb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/util/grpcerrors"
	digest "github.com/opencontainers/go-digest"
	"google.golang.org/grpc/codes"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/internal/lazyre"
	"github.com/xbuild/xbuild/plan"
)

// problem is an error of one build, or of an export for several.
type problem struct {
	build *build // nil for an export
	err   error
	uses  []plan.Use
	kind  exec.FailureKind // of an export; else found out from the error
}

// note records why a build failed. The result is not nil if the others shall stop.
func (r *run) note(ctx context.Context, b *build, err error) error {
	if err == nil {
		return nil
	}
	if r.excused(ctx, b, err) {
		return nil
	}
	p := problem{build: b, err: err, uses: []plan.Use{b.use()}}
	r.mu.Lock()
	defer r.mu.Unlock()
	// After the first failure, or an interrupt, the other builds fail since they were stopped. What they say then is
	// noise, unless it is the same cause.
	stopped := ctx.Err() != nil || !r.opt.KeepGoing && len(r.problems) > 0
	if !stopped || len(r.problems) > 0 && r.key(p) == r.key(r.problems[0]) {
		r.problems = append(r.problems, p)
	}
	if r.opt.KeepGoing {
		return nil
	}
	return errStopped
}

// key is equal for problems with one cause: the same step, or the same complaint about the same line.
func (r *run) key(p problem) string {
	var link *linkError
	if errors.As(p.err, &link) {
		return r.key(problem{build: link.link, err: link.err})
	}
	d := vertexOf(p.err)
	var exit *gatewaypb.ExitError
	if d != "" && errors.As(p.err, &exit) {
		return string(d)
	}
	place := ""
	if line, _ := errorRange(p.err); p.build != nil && line > 0 {
		place = p.build.file.userRange(line, line).String()
	}
	if st := r.steps.find(d); st != nil && st.at != nil {
		place = st.at.String()
	}
	return place + "\x00" + checksum().ReplaceAllString(cleanMessage(p.err), "")
}

// vertexOf is the digest of the step that failed, empty if no step did.
func vertexOf(err error) digest.Digest {
	var v *errdefs.VertexError
	if errors.As(err, &v) && v.Vertex != nil {
		return digest.Digest(v.Digest)
	}
	return ""
}

// failures makes one exec.Failure of each cause. err is what ended the hub.
func (r *run) failures(err error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var lost *lostError
	if len(r.problems) == 0 || errors.As(err, &lost) {
		if err == nil {
			return nil
		}
		return r.failure(problem{err: err})
	}
	var errs []error
	for _, g := range r.causes(r.problems) {
		errs = append(errs, r.failure(g))
	}
	if len(errs) == 1 {
		return errs[0]
	}
	return errors.Join(errs...)
}

// causes groups problems that have one cause.
func (r *run) causes(problems []problem) []problem {
	var groups []problem
	at := map[string]int{}
	for _, p := range problems {
		key := r.key(p)
		i, ok := at[key]
		if !ok {
			at[key] = len(groups)
			groups = append(groups, p)
			continue
		}
		groups[i].uses = append(groups[i].uses, p.uses...)
		var link *linkError
		if errors.As(groups[i].err, &link) { // the cause itself says more
			groups[i].build, groups[i].err = p.build, p.err
		}
	}
	return groups
}

func (r *run) failure(p problem) *exec.Failure {
	f := &exec.Failure{Err: p.err, Kind: p.kind}
	for i := range r.plan.Builds {
		b := &r.plan.Builds[i]
		if u := (plan.Use{Target: b.Target, Platform: b.Platform.String()}); slices.Contains(p.uses, u) {
			f.Uses = append(f.Uses, u)
		}
	}
	r.locate(f, p)
	classify(f, p.err)
	if p.kind != "" && f.Kind == exec.BuildFailed {
		f.Kind = p.kind
	}
	f.Err = &causeError{text: sentence(f, p), err: p.err}
	if st := r.plan.Stage(f.Stage); f.Kind == exec.StepFailed && st != nil && r.isChecked(st.ID) {
		f.Hint = fmt.Sprintf("stage %s runs on the build platform, with a wrapper of go that gives product builds their target; strategy = \"emulate\" builds it as it is written", st.Stage)
	}
	if f.Kind == exec.Unauthorized {
		f.Hint = fmt.Sprintf("log in to %s; credentials were looked for in %s", registryOf(p.err.Error()), r.configFile())
	}
	return f
}

// locate finds the step, the stage and the line.
func (r *run) locate(f *exec.Failure, p problem) {
	if st := r.steps.find(vertexOf(p.err)); st != nil {
		f.Step, f.At, f.Source, f.Log, f.LogLines = st.name, st.at, st.source, st.logs.lines(), st.logs.count()
		if len(st.stages) > 0 {
			f.Stage = st.stages[0]
		}
		for _, id := range st.stages {
			if p.build != nil && slices.Contains(p.build.Stages, id) {
				f.Stage = id
				break
			}
		}
		if f.At != nil {
			return
		}
	}
	b := p.build
	var link *linkError
	if errors.As(p.err, &link) {
		b = link.link
	}
	var vouched *vouchedError
	if errors.As(p.err, &vouched) && vouched.at != nil {
		f.At = vouched.at
		return
	}
	if b == nil {
		return
	}
	first, last := errorRange(p.err)
	for _, src := range errdefs.Sources(p.err) {
		if first == 0 && b.file.holds(src.Info) {
			first, last = span(src.Ranges)
		}
	}
	if first == 0 {
		return
	}
	f.At, f.Source = b.file.userRange(first, last), []byte(b.file.plan.Text)
	if f.Stage == "" {
		f.Stage = b.ByIndex[b.file.stageAt(first)]
	}
}

var (
	networkTrouble = lazyre.New(`connection refused|i/o timeout|no such host|network is unreachable|no route to host|TLS handshake|50[0234] `)
	registryWork   = lazyre.New(`failed to resolve source metadata|failed to push|failed to copy|failed to do request|failed to authorize|unexpected status from`)
	refusedAccess  = lazyre.New(`401 Unauthorized|403 Forbidden|insufficient_scope|authorization failed|access denied|no basic auth credentials|failed to fetch oauth token|error getting credentials`)
	daemonGone     = lazyre.New(`error reading from server: EOF|transport is closing|no active session|connection reset by peer|closing transport`)
)

// classify finds the kind of a failure and what to do about it. The order matters: what a step printed is not looked at,
// and typed errors come before words.
func classify(f *exec.Failure, err error) {
	text := err.Error()
	code := grpcerrors.Code(err)
	var exit *gatewaypb.ExitError
	var lost *lostError
	var disk *fullOutput
	var policy *policyError
	switch {
	case errors.As(err, &policy):
		f.Kind = exec.PolicyUnsupported
		f.Hint = "build without policies by --policy disabled=true, or with docker buildx bake"
	case errors.As(err, &exit):
		f.Kind, f.ExitCode = exec.StepFailed, int(exit.ExitCode)
	case errors.As(err, &disk):
		f.Kind = exec.OutputFailed
		f.Hint = "free space on the disk of the output, or write to another one"
	case errors.As(err, &lost), code == codes.Unavailable, vertexOf(err) == "" && daemonGone().MatchString(text):
		f.Kind = exec.DaemonLost
		f.Hint = "run again; steps that were finished are kept in the cache"
	case strings.Contains(text, "no space left on device"):
		f.Kind = exec.DiskFull
		f.Hint = "free space where BuildKit keeps its state, or prune its cache"
	case registryWork().MatchString(text) && refusedAccess().MatchString(text):
		f.Kind = exec.Unauthorized
	case registryWork().MatchString(text) && networkTrouble().MatchString(text):
		f.Kind = exec.Registry
		f.Hint = "check that the registry can be reached from the machine that BuildKit runs on"
	default:
		f.Kind = exec.BuildFailed
	}
}

var (
	checksum = lazyre.New(`failed to compute cache key: failed to calculate checksum of ref \S+: `)
	resolve  = lazyre.New(`failed to resolve source metadata for \S+: `)
	noSecret = lazyre.New(`^secret ([^\s#]+)(?:#\S+)?: not found$`)
	noGrant  = lazyre.New(`^.*?(?:granting entitlement )?(network\.host|security\.insecure|device) is not allowed.*$`)
	noMatch  = lazyre.New(`no match for platform in manifest( \S+)?: not found`)
)

// sentence says in plain words what went wrong.
func sentence(f *exec.Failure, p problem) string {
	if f.Kind == exec.StepFailed {
		return fmt.Sprintf("%s failed with exit code %d", f.Step, f.ExitCode)
	}
	s := cleanMessage(p.err)
	if grpcerrors.Code(p.err) == codes.Canceled || f.Kind == exec.DaemonLost && strings.Contains(s, "context canceled") {
		s = "BuildKit broke off what it was asked for, and does not say why" // the run would know if it had been cancelled here
	}
	if vertexOf(p.err) == "" {
		if line, _ := errorRange(p.err); line > 0 && p.build != nil {
			if t := p.build.baseTrouble(line, s, p.err); t != "" {
				return t
			}
		}
	}
	s = checksum().ReplaceAllString(s, "")
	if m := noSecret().FindStringSubmatch(s); m != nil {
		target := "its target"
		if p.build != nil {
			target = "target " + p.build.Target
		}
		s = fmt.Sprintf("%s needs the secret %s, which %s does not have; add secret = [\"id=%s,...\"] to it", f.Step, m[1], target, m[1])
	}
	s = noGrant().ReplaceAllString(s, "the daemon does not allow $1; start it with insecure-entitlements = [\"$1\"]")
	copies := strings.HasPrefix(f.Step, "COPY ") || strings.HasPrefix(f.Step, "ADD ")
	if copies && strings.HasSuffix(s, ": not found") && !strings.Contains(f.Step, "--from=") && p.build != nil {
		s = fmt.Sprintf("%s in the context %s; an ignore file may exclude it", s, p.build.Values.Context)
	}
	return s
}

// baseTrouble says what is wrong with the base image of the FROM at a line; empty if it is not that.
func (b *build) baseTrouble(line int, text string, err error) string {
	if !slices.Contains(b.file.starts, line) {
		return ""
	}
	ref, why, ok := strings.Cut(text, ": ") // the converter puts the image as it stands in the file in front
	if !ok || strings.Contains(ref, " ") {
		return ""
	}
	why = resolve().ReplaceAllString(why, "")
	var platform *noPlatformError
	switch {
	case errors.As(err, &platform):
		return fmt.Sprintf("base image %s does not exist for %s", ref, platform.platform)
	case strings.HasSuffix(why, ": not found"):
		return fmt.Sprintf("base image %s does not exist", ref)
	}
	return fmt.Sprintf("base image %s cannot be read: %s", ref, why)
}

var imageName = lazyre.New(`(?:failed to push|failed to resolve source metadata for|for|failed to copy:?|pull access denied,?|HEAD request to|GET request to|POST request to|PUT request to) (?:https?://)?([^\s/"]+)/`)

// registryOf is the registry that an error is about.
func registryOf(text string) string {
	if m := imageName().FindStringSubmatch(text); m != nil {
		return strings.TrimSuffix(m[1], ":")
	}
	return "the registry"
}

// causeError puts plain words in front of BuildKit's error.
type causeError struct {
	text string
	err  error
}

func (e *causeError) Error() string { return e.text }
func (e *causeError) Unwrap() error { return e.err }
