package buildkit

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/containerd/platforms"
	dockerconfig "github.com/docker/cli/cli/config"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/worker/label"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/exec/buildkit/engine"
	"github.com/xbuild/xbuild/exec/output"
	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema"
)

// DialOptions of [Dial].
type DialOptions struct {
	// Name of the node, in plans and messages. Empty means its address.
	Name string
	// DockerConfig is the folder of docker's config.json. Empty means $DOCKER_CONFIG, else ~/.docker.
	DockerConfig string
	// Stdout is where archives without a file go; nil means that none can.
	Stdout io.Writer
	// OwnStore is set if a run may remove what the daemon keeps when the disk is full.
	OwnStore *OwnStore
	// StateDir is where local outputs keep their journals, see package output. Without it a run that is killed while it writes
	// files leaves some of them old and some new.
	StateDir string
	// Dial connects to the address; nil is what the scheme of the address says.
	Dial func(ctx context.Context, addr string) (net.Conn, error)
	// SourcePolicy holds for every request; nil is none.
	SourcePolicy *SourcePolicy
	// Owner gets the files of local outputs.
	Owner output.Owner
	// NoDefaultLoad says that a Docker Engine does not keep results of Bake files' targets that name no output.
	NoDefaultLoad bool
	// Caches are the types of caches that a build file may name, if that is known of this daemon: none says it itself.
	Caches []string
}

// Backend is a connection to one BuildKit daemon. Its methods may be called at the same time.
type Backend struct {
	addr   string
	opt    DialOptions
	client *client.Client
	worker []ocispecs.Platform
	// keepsImages says that the daemon may have a store of images, in which an output gets its names. One that runs steps by
	// itself has none.
	keepsImages bool
	dialed      atomic.Bool // and nobody asked for the node since
	// engine is set if the BuildKit is inside of a Docker Engine.
	engine      *engine.Engine
	dialSession session.Dialer

	patience patience
	lost     atomic.Bool // the daemon stopped answering
}

var _ exec.Backend = (*Backend)(nil)

// Unreachable says that no BuildKit daemon answers at an address.
type Unreachable struct {
	Addr string
	Err  error
	// Advice says what to do; empty means what helps with a daemon that somebody has to start.
	Advice string
}

func (e *Unreachable) Error() string {
	advice := e.Advice
	if advice == "" {
		advice = "start buildkitd there, or set BUILDKIT_HOST to the address of a running one"
	}
	return fmt.Sprintf("BuildKit cannot be reached at %s: %v; %s", e.Addr, cleanMessage(e.Err), advice)
}

func (e *Unreachable) Unwrap() error { return e.Err }

// unreachable says that the daemon does not answer. One that xbuild starts by itself nobody has to start.
func (b *Backend) unreachable(err error) error {
	u := &Unreachable{Addr: b.addr, Err: err}
	if b.opt.OwnStore != nil {
		u.Advice = "the BuildKit inside xbuild was ended; run the command again, which starts it"
	}
	return u
}

// CheckDockerConfig reports a configuration file of docker that is there and cannot be used. dir is its directory; empty means
// $DOCKER_CONFIG, else ~/.docker.
func CheckDockerConfig(dir string) error {
	if dir == "" {
		dir = dockerconfig.Dir()
	}
	if _, err := dockerconfig.Load(dir); err != nil {
		return fmt.Errorf("%s cannot be used, so there are no credentials and no docker context from it: %w", filepath.Join(dir, dockerconfig.ConfigFileName), err)
	}
	return nil
}

// Dial connects to the daemon at addr, unix:///path or tcp://host:port, and asks it for its platforms. The error is an
// [*Unreachable] if nobody answers within ten seconds.
func Dial(ctx context.Context, addr string, opt DialOptions) (*Backend, error) {
	return dialPatiently(ctx, addr, opt, usualPatience)
}

func dialPatiently(ctx context.Context, addr string, opt DialOptions, p patience) (*Backend, error) {
	u, err := url.Parse(addr)
	if err != nil || u.Scheme != "unix" && u.Scheme != "tcp" {
		return nil, fmt.Errorf("BuildKit address %q is not supported: want unix:///path/of/buildkitd.sock or tcp://host:port", addr)
	}
	if opt.Name == "" {
		opt.Name = addr
	}
	var how []client.ClientOpt
	if opt.Dial != nil {
		how = append(how, client.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return opt.Dial(ctx, addr) }))
	}
	c, err := client.New(ctx, addr, how...)
	if err != nil {
		return nil, &Unreachable{Addr: addr, Err: err}
	}
	b := &Backend{addr: addr, opt: opt, client: c, dialSession: c.Dialer(), patience: p}
	return b.greet(ctx)
}

// greet makes the first call, which closes the connection if it fails.
func (b *Backend) greet(ctx context.Context) (*Backend, error) {
	call, cancel := context.WithTimeout(ctx, b.patience.dial)
	defer cancel()
	w, err := b.firstWorker(call)
	if err != nil {
		b.client.Close()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, b.unreachable(err)
	}
	b.worker, b.keepsImages = w.Platforms, w.Labels[label.Executor] != "oci"
	b.dialed.Store(true)
	return b, nil
}

// firstWorker asks for the worker that will build, and its platforms, its own first.
func (b *Backend) firstWorker(ctx context.Context) (*client.WorkerInfo, error) {
	workers, err := b.client.ListWorkers(ctx)
	if err != nil {
		return nil, err
	}
	if len(workers) == 0 || len(workers[0].Platforms) == 0 {
		return nil, fmt.Errorf("the daemon has no worker that could build")
	}
	return workers[0], nil
}

// Node returns the name and the platforms of the node; its own platform is the first.
func (b *Backend) Node(ctx context.Context) (plan.NodeFact, error) {
	ps, err := b.worker, error(nil)
	if !b.dialed.CompareAndSwap(true, false) { // what Dial was told a moment ago need not be asked again
		call, cancel := context.WithTimeout(ctx, b.patience.dial)
		var w *client.WorkerInfo
		if w, err = b.firstWorker(call); err == nil {
			ps = w.Platforms
		}
		cancel()
	}
	if err != nil {
		if ctx.Err() != nil {
			return plan.NodeFact{}, context.Cause(ctx)
		}
		return plan.NodeFact{}, b.unreachable(err)
	}
	fact := plan.NodeFact{Name: b.opt.Name, Caches: b.opt.Caches}
	if b.engine != nil && !b.opt.NoDefaultLoad {
		fact.DefaultOutput = schema.OutputDocker
	}
	seen := map[schema.Platform]bool{}
	for _, p := range ps {
		q := fromOCI(p)
		if !seen[q] {
			seen[q] = true
			fact.Platforms = append(fact.Platforms, q)
		}
	}
	return fact, nil
}

// Close closes the connection.
func (b *Backend) Close() error { return b.client.Close() }

// configFile is the path of docker's configuration file that credentials come from.
func (b *Backend) configFile() string {
	dir := b.opt.DockerConfig
	if dir == "" {
		dir = dockerconfig.Dir()
	}
	return filepath.Join(dir, dockerconfig.ConfigFileName)
}

func toOCI(p schema.Platform) ocispecs.Platform {
	return ocispecs.Platform{OS: p.OS, Architecture: p.Arch, Variant: p.Variant}
}

func fromOCI(p ocispecs.Platform) schema.Platform {
	p = platforms.Normalize(p)
	return schema.Platform{OS: p.OS, Arch: p.Architecture, Variant: p.Variant}
}

// cleanMessage strips what gRPC and BuildKit's client put before the cause.
func cleanMessage(err error) string {
	s := bundlePath().ReplaceAllString(err.Error(), "")
	for {
		t := s
		for _, p := range []string{"failed to solve: ", "failed to run Build function: ", "rpc error: ", "failed to receive status: ", "failed to get status: ", "failed to list workers: ", "listing workers for Build: ",
			"code = Unavailable desc = ", "code = Unknown desc = ", "code = NotFound desc = ", "code = Internal desc = ",
			"error from sender: ", "connection error: desc = ", "transport: ", "Error while dialing: ", "Unavailable: ", "Unknown: ", "NotFound: "} {
			s = strings.TrimPrefix(s, p)
		}
		if u := strings.TrimSuffix(strings.TrimPrefix(s, `"`), `"`); len(u) == len(s)-2 {
			s = u
		}
		if s == t {
			return s
		}
	}
}
