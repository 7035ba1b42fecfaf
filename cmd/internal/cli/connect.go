package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/exec/buildkit"
	"github.com/xbuild/xbuild/exec/embedded"
	"github.com/xbuild/xbuild/exec/output"
	"github.com/xbuild/xbuild/internal/printable"
)

// defaultSocket is where a system-wide buildkitd listens.
const defaultSocket = "/run/buildkit/buildkitd.sock"

// connect reaches a BuildKit: the one that BUILDKIT_HOST names, else that of the Docker Engine that the docker command
// would use, else a system-wide one, else the one inside xbuild.
func (a *app) connect(ctx context.Context) (*buildkit.Backend, error) {
	if err := embedded.DefaultConfig(a.getenv).Err(); err != nil {
		return nil, &exitError{ExitUnreachable, err}
	}
	opt := buildkit.DialOptions{Name: "buildkit", StateDir: a.stateDir(), Owner: output.OwnerFromEnv(a.getenv, os.Geteuid())}
	var err error
	if opt.SourcePolicy, err = a.sourcePolicy(); err != nil {
		return nil, err
	}
	if err := buildkit.CheckDockerConfig(""); err != nil && !a.configTold {
		a.configTold = true
		fmt.Fprintf(a.err, "warning: %v\n", err)
	}
	if !isTerminal(a.out) {
		opt.Stdout = printable.Unwrap(a.out) // an archive, not text
	}
	if addr := a.getenv("BUILDKIT_HOST"); addr != "" {
		return buildkit.Dial(ctx, addr, opt)
	}
	if b, err := a.connectEngine(ctx, opt); b != nil || err != nil {
		return b, err
	}
	if st, err := os.Stat(defaultSocket); err == nil && st.Mode()&os.ModeSocket != 0 {
		if b, err := buildkit.Dial(ctx, "unix://"+defaultSocket, opt); err == nil {
			return b, nil
		}
	}
	cfg := embedded.DefaultConfig(a.getenv)
	addr, err := embedded.Ensure(ctx, cfg)
	if err != nil {
		return nil, &exitError{ExitUnreachable, err}
	}
	opt.Name, opt.Caches, opt.OwnStore, opt.Dial = "embedded", a.embeddedCaches(), ownStore(cfg), embedded.Dial
	return buildkit.Dial(ctx, addr, opt)
}

// stateDir is the folder of all that is kept between runs.
func (a *app) stateDir() string { return embedded.DefaultConfig(a.getenv).StateDir }

// recoverOutputs completes what killed runs left half written, before anything is read. What cannot be completed stops only a
// run that writes to the same place.
func (a *app) recoverOutputs() {
	for _, err := range output.Recover(a.stateDir(), output.OwnerFromEnv(a.getenv, os.Geteuid())) {
		fmt.Fprintf(a.err, "warning: %v\n", err)
	}
}

// warnUnknown says which staging folders stand at outputs that do not have to be written.
func (a *app) warnUnknown(outputs []exec.OutputResult) {
	var dests []string
	for _, o := range outputs {
		if filepath.IsAbs(o.Dest) {
			dests = append(dests, o.Dest)
		}
	}
	for _, path := range output.Unknown(a.stateDir(), dests) {
		fmt.Fprintf(a.err, "warning: %s\n", output.UnknownText(path))
	}
}

// embeddedCaches are the types of caches that a build file may name for the embedded BuildKit. That of GitHub is left out of a
// run anyway where the environment is not that of GitHub's runners.
func (a *app) embeddedCaches() []string {
	caches := embedded.CacheTypes()
	if a.getenv("ACTIONS_RUNTIME_TOKEN") == "" {
		caches = append(caches, "gha")
	}
	return caches
}

func ownStore(cfg embedded.Config) *buildkit.OwnStore {
	return &buildkit.OwnStore{Dir: cfg.StateDir, Release: func() { embedded.Release(cfg) }, Reserve: func() { embedded.Reserve(cfg) }}
}

// connectEngine reaches the BuildKit of a Docker Engine; both results are nil if there is none. An engine that the user
// named is there or an error, one that is only the usual one need not be.
func (a *app) connectEngine(ctx context.Context, opt buildkit.DialOptions) (*buildkit.Backend, error) {
	address, named, err := a.engine(opt.DockerConfig)
	if address == "" {
		return nil, err
	}
	opt.Name = "docker"
	if opt.NoDefaultLoad, err = a.noDefaultLoad(); err != nil {
		return nil, err
	}
	b, err := buildkit.DialEngine(ctx, address, opt)
	if err != nil && !named && ctx.Err() == nil {
		return nil, nil
	}
	var u *buildkit.Unreachable
	if errors.As(err, &u) {
		name := "DOCKER_HOST"
		if a.getenv(name) == "" {
			name = "DOCKER_CONTEXT"
		}
		u.Advice = fmt.Sprintf("%s=%s names this Docker Engine: start it, or unset %s", name, a.getenv(name), name)
	}
	return b, err
}

// engine is the address of the Docker Engine that is to be tried, empty if there is none, and whether the user named it.
func (a *app) engine(dockerConfig string) (address string, named bool, err error) {
	named = a.getenv("DOCKER_HOST") != "" || a.getenv("DOCKER_CONTEXT") != ""
	address, err = buildkit.EngineAddress(dockerConfig)
	if err != nil {
		if named {
			return "", named, &exitError{ExitUnreachable, err}
		}
		return "", named, nil
	}
	if path, ok := strings.CutPrefix(address, "unix://"); ok && !named {
		if st, err := os.Stat(path); err != nil || st.Mode()&os.ModeSocket == 0 {
			return "", named, nil
		}
	}
	return address, named, nil
}

// noDefaultLoad reports whether targets of Bake files that name no output are not loaded into the Docker Engine that builds
// them.
func (a *app) noDefaultLoad() (bool, error) {
	const name = "BUILDX_NO_DEFAULT_LOAD"
	v := a.getenv(name)
	if v == "" {
		return false, nil
	}
	no, err := strconv.ParseBool(v)
	if err != nil {
		return false, &exitError{ExitUsage, fmt.Errorf("the environment variable %s is %q, which is neither true nor false", name, v)}
	}
	return no, nil
}

// endpoint identifies the BuildKit that connect would try first, without reaching for it, and the policy that it would be given.
func (a *app) endpoint() string {
	if p, err := a.sourcePolicy(); err != nil {
		return "none: " + err.Error() // which connect says
	} else if p != nil {
		return a.address() + " with the source policy " + p.ID()
	}
	return a.address()
}

// address is that of the BuildKit that connect would try first.
func (a *app) address() string {
	if addr := a.getenv("BUILDKIT_HOST"); addr != "" {
		return addr
	}
	if addr, _, err := a.engine(""); addr != "" || err != nil {
		return "engine " + addr + " " + a.getenv("BUILDX_NO_DEFAULT_LOAD") // what a run remembers holds for one default output
	}
	if st, err := os.Stat(defaultSocket); err == nil && st.Mode()&os.ModeSocket != 0 {
		return "unix://" + defaultSocket
	}
	return "embedded " + embedded.DefaultConfig(a.getenv).StateDir
}
