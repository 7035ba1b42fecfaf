package parts

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

var enginePrograms = []string{"github.com/moby/moby/v2/cmd/dockerd", "github.com/containerd/containerd/v2/cmd/containerd",
	"github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2"}

var buildEngine struct {
	sync.Once
	err error
}

// Engine is a running Docker Engine.
type Engine struct {
	Address string // for DOCKER_HOST
	Client  *http.Client
	stops   []func()
}

// Stop ends the engine and waits for it.
func (e *Engine) Stop() {
	for i := len(e.stops) - 1; i >= 0; i-- {
		e.stops[i]()
	}
}

// StartEngine runs a Docker Engine with its state below dir. With containerd set it keeps images in containerd's store, else
// in the classic one. Its containers have no network. The programs are built when the first engine is wanted, which takes
// minutes the first time.
func (b *Bed) StartEngine(ctx context.Context, dir string, containerd bool) (*Engine, error) {
	bin := filepath.Join(b.Cache, "bin")
	buildEngine.Do(func() { buildEngine.err = b.buildEnginePrograms(ctx, bin) })
	if buildEngine.err != nil {
		return nil, buildEngine.err
	}
	e := &Engine{Address: "unix://" + filepath.Join(dir, "d.sock")}
	e.Client = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(dir, "d.sock"))
	}}}
	if err := b.startEngine(ctx, e, dir, bin, containerd); err != nil {
		e.Stop()
		return nil, err
	}
	return e, nil
}

// buildEnginePrograms compiles what the module in the directory engine pins.
func (b *Bed) buildEnginePrograms(ctx context.Context, bin string) error {
	suite, err := run(ctx, "go", "env", "GOMOD")
	if err != nil {
		return err
	}
	unlock, err := lock(filepath.Join(b.Cache, "lock"))
	if err != nil {
		return err
	}
	defer unlock()
	module := filepath.Join(filepath.Dir(strings.TrimSpace(suite)), "engine")
	for _, p := range enginePrograms {
		cmd := exec.CommandContext(ctx, "go", "build", "-C", module, "-tags", "no_btrfs,exclude_graphdriver_btrfs", "-o", filepath.Join(bin, filepath.Base(p)), p)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("building %s: %w\n%s", p, err, out)
		}
	}
	return nil
}

func (b *Bed) startEngine(ctx context.Context, e *Engine, dir, bin string, containerd bool) error {
	socket := filepath.Join(dir, "c.sock")
	config := fmt.Sprintf("version = 3\nroot = %q\nstate = %q\n[grpc]\n  address = %q\n", filepath.Join(dir, "c-root"), filepath.Join(dir, "c-state"), socket)
	if err := os.WriteFile(filepath.Join(dir, "containerd.toml"), []byte(config), 0o644); err != nil {
		return err
	}
	daemon, err := json.Marshal(map[string]any{"features": map[string]bool{"containerd-snapshotter": containerd},
		"registry-mirrors": []string{"http://" + b.Mirror}, "insecure-registries": []string{b.Mirror, b.Registry}})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "daemon.json"), daemon, 0o644); err != nil {
		return err
	}
	path := "PATH=" + bin + ":" + os.Getenv("PATH")
	_, stop, err := start(filepath.Join(dir, "containerd.log"), "env", path, "containerd", "--config", filepath.Join(dir, "containerd.toml"))
	if err != nil {
		return err
	}
	e.stops = append(e.stops, stop)
	if err := ready(ctx, "containerd", func() bool { _, err := os.Stat(socket); return err == nil }); err != nil {
		return err
	}
	log := filepath.Join(dir, "dockerd.log")
	_, stop, err = start(log, "env", path, "dockerd", "--config-file", filepath.Join(dir, "daemon.json"), "--containerd", socket,
		"--data-root", filepath.Join(dir, "root"), "--exec-root", filepath.Join(dir, "exec"), "--pidfile", filepath.Join(dir, "dockerd.pid"),
		"-H", e.Address, "--userland-proxy=false", "--iptables=false", "--ip6tables=false", "--bridge=none")
	if err != nil {
		return err
	}
	e.stops = append(e.stops, stop)
	err = ready(ctx, "dockerd", func() bool {
		resp, err := e.Client.Get("http://docker/_ping")
		if err == nil {
			resp.Body.Close()
		}
		return err == nil && resp.StatusCode == http.StatusOK
	})
	if err != nil {
		text, _ := os.ReadFile(log) // the error is told either way
		return fmt.Errorf("%w\n%s", err, text)
	}
	return nil
}
