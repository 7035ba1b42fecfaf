package parts

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// startRegistry runs docker-registry over a folder on a free port of the loopback and returns host:port.
func (b *Bed) startRegistry(ctx context.Context, name, store string) (string, error) {
	return b.startRegistryWith(ctx, name, store, "", "")
}

// StartGuardedRegistry runs a registry that speaks TLS with this certificate and lets in whom the htpasswd file knows.
func (b *Bed) StartGuardedRegistry(ctx context.Context, name, cert, key, htpasswd string) (string, error) {
	return b.startRegistryWith(ctx, name, filepath.Join(b.Dir, name), fmt.Sprintf(", tls: {certificate: %q, key: %q}", cert, key),
		fmt.Sprintf("auth: {htpasswd: {realm: e2e, path: %q}}\n", htpasswd))
}

// Registry is a registry that can be killed. [Bed.Close] ends it.
type Registry struct {
	Address string // host:port
	PID     int

	bed          *Bed
	name, config string
	stop         func()
}

// StartRegistry runs a registry of its own, which is empty.
func (b *Bed) StartRegistry(ctx context.Context, name string) (*Registry, error) {
	addr, err := freeAddress()
	if err != nil {
		return nil, err
	}
	r := &Registry{Address: addr, bed: b, name: name, config: filepath.Join(b.Dir, name+".yml")}
	text := fmt.Sprintf("version: 0.1\nlog: {level: warn}\nstorage: {filesystem: {rootdirectory: %q}}\nhttp: {addr: %q}\n", filepath.Join(b.Dir, name), addr)
	if err := os.WriteFile(r.config, []byte(text), 0o644); err != nil {
		return nil, err
	}
	b.closers = append(b.closers, func() { r.stop() })
	return r, r.Restart(ctx)
}

// Restart runs it again, at the same address and with the same content. It must not run.
func (r *Registry) Restart(ctx context.Context) (err error) {
	if r.PID, r.stop, err = start(filepath.Join(r.bed.Dir, r.name+".log"), "docker-registry", "serve", r.config); err != nil {
		return err
	}
	return ready(ctx, r.name, func() bool { return answers(r.Address) })
}

// startRegistryWith adds options to the http section and sections to the configuration.
func (b *Bed) startRegistryWith(ctx context.Context, name, store, listen, more string) (string, error) {
	addr, err := freeAddress()
	if err != nil {
		return "", err
	}
	config := filepath.Join(b.Dir, name+".yml")
	text := fmt.Sprintf("version: 0.1\nlog: {level: warn}\nstorage: {filesystem: {rootdirectory: %q}, delete: {enabled: true}}\nhttp: {addr: %q%s}\n%s", store, addr, listen, more)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		return "", err
	}
	_, stop, err := start(filepath.Join(b.Dir, name+".log"), "docker-registry", "serve", config)
	if err != nil {
		return "", err
	}
	b.closers = append(b.closers, stop)
	if listen != "" {
		return addr, ready(ctx, name, func() bool {
			c, err := net.Dial("tcp", addr)
			if err == nil {
				c.Close()
			}
			return err == nil
		})
	}
	return addr, ready(ctx, name, func() bool { return answers(addr) })
}

// answers reports whether a registry is at an address.
func answers(addr string) bool {
	res, err := http.Get("http://" + addr + "/v2/")
	if err != nil {
		return false
	}
	res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// Daemon is a running buildkitd.
type Daemon struct {
	Address string // for BUILDKIT_HOST
	Log     string // file
	PID     int
	stop    func()
}

// Stop ends the daemon and waits for it. Its folder stays.
func (d *Daemon) Stop() { d.stop() }

// StartDaemon runs a buildkitd that knows nothing yet, with its state below dir. more is further text of its configuration.
func (b *Bed) StartDaemon(ctx context.Context, dir, more string) (*Daemon, error) {
	d := &Daemon{Address: "unix://" + filepath.Join(dir, "bk.sock"), Log: filepath.Join(dir, "buildkitd.log")}
	config := filepath.Join(dir, "buildkitd.toml")
	text := fmt.Sprintf("root = %q\n[grpc]\n  address = [%q]\n[worker.containerd]\n  enabled = false\n%s%s", filepath.Join(dir, "root"), d.Address, b.RegistryConfig(), more)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		return nil, err
	}
	pid, stop, err := start(d.Log, b.Buildkitd, "--config", config)
	if err != nil {
		return nil, err
	}
	d.PID, d.stop = pid, stop
	if err := ready(ctx, "buildkitd", func() bool {
		return exec.CommandContext(ctx, b.Buildctl, "--addr", d.Address, "debug", "workers").Run() == nil
	}); err != nil {
		stop()
		log, _ := os.ReadFile(d.Log) // the error is told either way
		return nil, fmt.Errorf("%w\n%s", err, log)
	}
	return d, nil
}

// RegistryConfig is the part of buildkitd.toml that sends docker.io to the mirror.
func (b *Bed) RegistryConfig() string {
	return fmt.Sprintf("[registry.\"docker.io\"]\n  mirrors = [%q]\n[registry.%q]\n  http = true\n[registry.%q]\n  http = true\n", b.Mirror, b.Mirror, b.Registry)
}

// start runs a program that ends with this one, with its output in a file. stop asks it to end and waits.
func start(log, name string, args ...string) (pid int, stop func(), err error) {
	f, err := os.Create(log)
	if err != nil {
		return 0, nil, err
	}
	defer f.Close()
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = f, f
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return 0, nil, fmt.Errorf("starting %s: %w", name, err)
	}
	done := make(chan struct{})
	go func() {
		cmd.Wait() // how it ends is in its log
		close(done)
	}()
	return cmd.Process.Pid, func() {
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			cmd.Process.Kill()
			<-done
		}
	}, nil
}

// ready asks a few times a second, for up to 30 seconds.
func ready(ctx context.Context, name string, ok func() bool) error {
	deadline := time.Now().Add(30 * time.Second)
	for !ok() {
		if time.Now().After(deadline) || ctx.Err() != nil {
			return fmt.Errorf("%s does not answer 30 seconds after its start", name)
		}
		time.Sleep(50 * time.Millisecond)
	}
	return nil
}

// freeAddress finds a port of the loopback that nobody listens on.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
