//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/xbuild/xbuild/e2e/parts"
)

// site is where the builds happen.
type site struct {
	bed      *parts.Bed
	registry *parts.Registry
	daemon   *parts.Daemon // the external one
	cut      *cut          // the way to it
	xbuild   string
	dir      string // the project, a file system of its own
	state    string // of xbuild, likewise
	temp     string // for temporary files
	home     string
	marker   string // in the environment of every step

	build int // number of the last build
	good  int // number of the last build that was let alone
	usual map[bool]time.Duration
	names string // files that are there after a good build
	found map[string]int
	wrong int // sum of found
}

const dockerfile = `FROM --platform=$BUILDPLATFORM scratch AS step
COPY busybox /bin/
COPY text /
ARG MARKER
RUN ["/bin/busybox", "sh", "-c", "b=/bin/busybox; $b mkdir /out; $b sleep 0.1; for i in 1 2 3 4 5 6; do $b cp /text /out/$i; done"]
FROM scratch
COPY --from=step /out /
`

const buildFile = `variable "BUILD" { default = "" }
group "default" { targets = ["files", "archive", "image"] }
target "_all" {
  platforms = ["linux/amd64", "linux/arm64"]
  args      = { MARKER = "%[1]s" }
}
target "files" {
  inherits = ["_all"]
  output   = ["out"]
}
target "archive" {
  inherits  = ["_all"]
  platforms = ["linux/amd64"]
  output    = ["type=tar,dest=archive.tar"]
}
target "image" {
  inherits = ["_all"]
  labels   = { build = BUILD }
  tags     = ["%[2]s/kills:a", "%[2]s/kills:b"]
  output   = ["type=registry"]
}
`

// newSite makes everything and builds twice, to know how long that takes.
func newSite(ctx context.Context, bed *parts.Bed) (*site, error) {
	s := &site{bed: bed, dir: filepath.Join(bed.Dir, "project"), state: filepath.Join(bed.Dir, "state"), temp: filepath.Join(bed.Dir, "temp"),
		home: filepath.Join(bed.Dir, "home"), xbuild: filepath.Join(bed.Dir, "xbuild"), marker: fmt.Sprintf("xbuild-kills-%d", os.Getpid()),
		usual: map[bool]time.Duration{}, found: map[string]int{}}
	if err := s.make(ctx); err != nil {
		s.close()
		return nil, err
	}
	for _, external := range []bool{true, false} {
		for range 2 {
			if err := s.next(); err != nil {
				return nil, err
			}
			began := time.Now()
			if code, out := s.run(ctx, external); code != 0 {
				return nil, fmt.Errorf("the first build ends with %d\n%s", code, out)
			}
			s.usual[external] = time.Since(began)
		}
	}
	s.good, s.names = s.build, s.listing()
	return s, nil
}

func (s *site) make(ctx context.Context) (err error) {
	if s.registry, err = s.bed.StartRegistry(ctx, "pushed"); err != nil {
		return err
	}
	for dir, size := range map[string]string{s.dir: "24m", s.state: "400m"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := syscall.Mount("none", dir, "tmpfs", 0, "size="+size); err != nil {
			return fmt.Errorf("mounting %s: %w", dir, err)
		}
	}
	for _, dir := range []string{s.temp, s.home, filepath.Join(s.bed.Dir, "d")} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	busybox, err := os.ReadFile("/bin/busybox")
	if err != nil {
		return &parts.Missing{What: "a static busybox", Install: "apt-get install -y busybox-static"}
	}
	config := fmt.Sprintf("[registry.%q]\n  http = true\n", s.registry.Address)
	for path, text := range map[string]string{"project/busybox": string(busybox), "project/Dockerfile": dockerfile,
		"project/xbuild.hcl": fmt.Sprintf(buildFile, s.marker, s.registry.Address), "config.toml": config} {
		if err := os.WriteFile(filepath.Join(s.bed.Dir, path), []byte(text), 0o755); err != nil {
			return err
		}
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", s.xbuild, "./cmd/xbuild")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building xbuild: %w\n%s", err, out)
	}
	if s.daemon, err = s.bed.StartDaemon(ctx, filepath.Join(s.bed.Dir, "d"), config); err != nil {
		return err
	}
	s.cut, err = newCut(filepath.Join(s.bed.Dir, "cut.sock"), strings.TrimPrefix(s.daemon.Address, "unix://"))
	return err
}

// stopDaemons ends both daemons, and finds what they leave.
func (s *site) stopDaemons(ctx context.Context) {
	if out, err := s.command(ctx, false, "daemon", "stop").CombinedOutput(); err != nil {
		s.find(notFinished, "daemon stop: %v\n%s", err, out)
	}
	if !parts.Within(10*time.Second, func() bool { return len(s.own()) == 0 }) {
		s.find(processLeft, "%q", s.own())
	}
	s.findMounts()
}

// close ends what newSite started.
func (s *site) close() {
	_ = s.command(context.Background(), false, "daemon", "stop").Run() // it may not run, or not be there yet
	if s.cut != nil {
		s.cut.listener.Close()
		s.cut.reset()
	}
	if s.daemon != nil {
		s.daemon.Stop()
	}
	for _, dir := range []string{s.dir, s.state} {
		_ = syscall.Unmount(dir, syscall.MNT_DETACH) // it may not be mounted yet
	}
}

// command is xbuild in the project, with one of the two daemons.
func (s *site) command(ctx context.Context, external bool, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, s.xbuild, args...)
	cmd.Dir = s.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.home, "DOCKER_CONFIG=" + s.home, "TMPDIR=" + s.temp, "LANG=C.UTF-8",
		"XBUILD_STATE_DIR=" + filepath.Join(s.state, "s"), "XBUILD_CONFIG=" + filepath.Join(s.bed.Dir, "config.toml"), "BUILD=" + strconv.Itoa(s.build)}
	if external {
		cmd.Env = append(cmd.Env, "BUILDKIT_HOST=unix://"+filepath.Join(s.bed.Dir, "cut.sock"))
	}
	return cmd
}

// run builds and lets the build alone.
func (s *site) run(ctx context.Context, external bool) (code int, out string) {
	ctx, cancel := context.WithTimeout(ctx, always)
	defer cancel()
	cmd := s.command(ctx, external, "run", "--progress", "plain")
	var buf bytes.Buffer
	cmd.Stdout, cmd.Stderr = &buf, &buf
	_ = cmd.Run() // the code says it all
	return cmd.ProcessState.ExitCode(), buf.String()
}

// next changes the project, so that the next build is another one.
func (s *site) next() error {
	s.build++
	return os.WriteFile(filepath.Join(s.dir, "text"), []byte(content(s.build)), 0o644)
}

// content is the text of every file of a build: long enough to be cut off in the middle.
func content(build int) string {
	return strings.Repeat(fmt.Sprintf("build %d\n", build), 8000) + "end\n"
}

// own are the processes of the BuildKit inside xbuild, as "PID: COMMAND".
func (s *site) own() []string {
	return parts.Running("__daemon\x00--state\x00" + filepath.Join(s.state, "s"))
}

// signalDaemon sends a signal to the BuildKit inside xbuild, if it runs.
func (s *site) signalDaemon(sig syscall.Signal) error {
	for _, p := range s.own() {
		pid, err := strconv.Atoi(strings.SplitN(p, ":", 2)[0])
		if err == nil {
			err = syscall.Kill(pid, sig)
		}
		if err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
	return nil
}
