// Package parts makes and starts the real parts that the end-to-end tests stand on.
//
// In: a folder to keep things in. Out: a [Bed]: a registry on loopback that stands in for docker.io, with base images made
// here from Debian packages and Go toolchains, and the programs buildkitd and buildctl built from their pinned sources.
// Promised: nothing is pulled from an image registry; a second run finds everything in the cache folder and is ready in
// seconds; a part that this machine does not have is a [Missing] error with the command that installs it. [Bed.Close] ends
// every process that was started.
//
// Start with [Open].
package parts

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
)

// Missing is the error for something that the machine does not have.
type Missing struct {
	What    string // "the program runc"
	Install string // a command that installs it
}

func (m *Missing) Error() string {
	return fmt.Sprintf("%s is missing; install it: %s", m.What, m.Install)
}

// Bed is the set of parts.
type Bed struct {
	// Cache is kept between runs, Dir is removed by Close.
	Cache, Dir string
	// Mirror is host:port of the registry that stands in for docker.io. Tests write nothing to it but tags of their own.
	Mirror string
	// Registry is host:port of an empty registry that tests push to.
	Registry string
	// Buildkitd and Buildctl are paths of programs.
	Buildkitd, Buildctl string

	mu      sync.Mutex
	closers []func()
}

// atClose adds something that [Bed.Close] does.
func (b *Bed) atClose(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closers = append(b.closers, f)
}

// programs are needed on PATH, with the Debian package of each.
var programs = [][2]string{
	{"runc", "runc"}, {"docker-registry", "docker-registry"}, {"apt-get", "apt"}, {"dpkg-deb", "dpkg"}, {"go", "golang"},
}

// check finds what is missing on this machine.
func check() error {
	if runtime.GOOS != "linux" {
		return &Missing{"the end-to-end tests need Linux", "run them on a Linux machine"}
	}
	if os.Geteuid() != 0 {
		return &Missing{"buildkitd and its containers need root", "sudo -E go test"}
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p[0]); err != nil {
			return &Missing{p[0] + " is not installed", "apt-get install -y " + p[1]}
		}
	}
	for _, arch := range []string{"amd64", "arm64", "arm"} {
		name := map[string]string{"amd64": "x86_64", "arm64": "aarch64", "arm": "arm"}[arch]
		if arch == runtime.GOARCH {
			continue
		}
		if _, err := os.Stat("/proc/sys/fs/binfmt_misc/qemu-" + name); err != nil {
			return &Missing{"no emulator for " + arch + " is registered", "apt-get install -y qemu-user-static binfmt-support; " +
				"mount -t binfmt_misc none /proc/sys/fs/binfmt_misc; update-binfmts --enable"}
		}
	}
	return nil
}

// Open checks the machine, makes what is not in the cache yet and starts the registries. Progress goes to log.
func Open(ctx context.Context, log func(format string, args ...any)) (*Bed, error) {
	if err := check(); err != nil {
		return nil, err
	}
	cache, err := cacheDir()
	if err != nil {
		return nil, err
	}
	// The path goes into unix socket names, which must be short.
	dir, err := os.MkdirTemp("", "xb-e2e-")
	if err != nil {
		return nil, err
	}
	b := &Bed{Cache: cache, Dir: dir}
	b.atClose(func() { os.RemoveAll(dir) })
	if err := b.open(ctx, log); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// OpenBare is [Open] for those who need no base image and no emulator: the programs and the two registries, both empty. It
// uses nothing that other tests wait for.
func OpenBare(ctx context.Context, log func(format string, args ...any)) (*Bed, error) {
	for _, p := range programs {
		if p[1] == "apt" || p[1] == "dpkg" {
			continue
		}
		if _, err := exec.LookPath(p[0]); err != nil {
			return nil, &Missing{p[0] + " is not installed", "apt-get install -y " + p[1]}
		}
	}
	cache, err := cacheDir()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "xb-e2e-")
	if err != nil {
		return nil, err
	}
	b := &Bed{Cache: cache, Dir: dir}
	b.atClose(func() { os.RemoveAll(dir) })
	log("building buildkitd and buildctl")
	if err = b.tools(ctx); err == nil {
		b.Mirror, err = b.startRegistry(ctx, "mirror", filepath.Join(dir, "mirror"))
	}
	if err == nil {
		b.Registry, err = b.startRegistry(ctx, "registry", filepath.Join(dir, "registry"))
	}
	if err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

func (b *Bed) open(ctx context.Context, log func(format string, args ...any)) error {
	// Several packages may be tested at once, each with a registry of its own over the folder of images; one makes them.
	unlock, err := lock(filepath.Join(b.Cache, "lock"))
	if err != nil {
		return err
	}
	defer unlock()
	log("building buildkitd and buildctl")
	if err := b.tools(ctx); err != nil {
		return err
	}
	store := filepath.Join(b.Cache, "registry-"+recipe)
	if b.Mirror, err = b.startRegistry(ctx, "mirror", store); err != nil {
		return err
	}
	if b.Registry, err = b.startRegistry(ctx, "registry", filepath.Join(b.Dir, "registry")); err != nil {
		return err
	}
	return b.makeImages(ctx, log)
}

// tools builds the programs that go.mod names as tools.
func (b *Bed) tools(ctx context.Context) error {
	bin := filepath.Join(b.Cache, "bin")
	for _, t := range []string{"cmd/buildkitd", "cmd/buildctl", "frontend/dockerfile/cmd/dockerfile-frontend"} {
		path := filepath.Join(bin, filepath.Base(t))
		// go build finds out by itself that nothing is to be done.
		cmd := exec.CommandContext(ctx, "go", "build", "-tags", "no_btrfs,exclude_graphdriver_btrfs,grpcnotrace", "-o", path, "github.com/moby/buildkit/"+t)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("building %s: %w\n%s", t, err, out)
		}
	}
	b.Buildkitd, b.Buildctl = filepath.Join(bin, "buildkitd"), filepath.Join(bin, "buildctl")
	return nil
}

// Close ends what was started, last things first.
func (b *Bed) Close() {
	for i := len(b.closers) - 1; i >= 0; i-- {
		b.closers[i]()
	}
	b.closers = nil
}

// cacheDir is XBUILD_TEST_CACHE, else a folder of this user's.
func cacheDir() (string, error) {
	dir := os.Getenv("XBUILD_TEST_CACHE")
	if dir == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("no folder to keep images in: %w; set XBUILD_TEST_CACHE", err)
		}
		dir = filepath.Join(base, "xbuild-test")
	}
	return dir, os.MkdirAll(dir, 0o755)
}

// lock waits until no other test run makes what is in the cache folder.
func lock(path string) (func(), error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}

// run executes a command and returns what it prints; an error holds everything it printed.
func run(ctx context.Context, name string, args ...string) (string, error) {
	var out, all bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = &out, &all
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s%s", name, strings.Join(args, " "), err, out.Bytes(), all.Bytes())
	}
	return out.String(), nil
}
