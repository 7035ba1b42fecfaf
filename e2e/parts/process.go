package parts

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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
	store        string
	stop         func()
}

// StartRegistry runs a registry of its own, which is empty.
func (b *Bed) StartRegistry(ctx context.Context, name string) (*Registry, error) {
	r := &Registry{bed: b, name: name, config: filepath.Join(b.Dir, name+".yml"), store: filepath.Join(b.Dir, name), stop: func() {}}
	b.atClose(func() { r.stop() })
	var err error
	for range 10 { // another program may take the port that was chosen
		r.Address = lastingAddress()
		if err = os.WriteFile(r.config, []byte(registryConfig(r.store, r.Address, "")), 0o644); err != nil {
			return nil, err
		}
		if err = r.Restart(ctx); err == nil {
			break
		}
	}
	return r, err
}

// Restart runs it again, at the same address and with the same content. It must not run.
func (r *Registry) Restart(ctx context.Context) (err error) {
	log := filepath.Join(r.bed.Dir, r.name+".log")
	if r.PID, r.stop, err = start(log, "docker-registry", "serve", r.config); err != nil {
		return err
	}
	refused := false
	err = ready(ctx, r.name, func() bool {
		text, _ := os.ReadFile(log) // it may not be there yet
		refused = bytes.Contains(text, []byte("address already in use"))
		return refused || answers(r.Address)
	})
	if refused {
		err = fmt.Errorf("%s is in use", r.Address)
	}
	return err
}

// Renew ends it, empties it and runs it again.
func (r *Registry) Renew(ctx context.Context) error {
	r.stop()
	if err := os.RemoveAll(r.store); err != nil {
		return err
	}
	return r.Restart(ctx)
}

// startRegistryWith adds options to the http section and sections to the configuration.
func (b *Bed) startRegistryWith(ctx context.Context, name, store, listen, more string) (string, error) {
	config, log := filepath.Join(b.Dir, name+".yml"), filepath.Join(b.Dir, name+".log")
	if err := os.WriteFile(config, []byte(registryConfig(store, "127.0.0.1:0", listen)+more), 0o644); err != nil {
		return "", err
	}
	_, stop, err := start(log, "docker-registry", "serve", config)
	if err != nil {
		return "", err
	}
	b.atClose(stop)
	addr := ""
	return addr, ready(ctx, name, func() bool { addr = listensOn(log); return addr != "" })
}

// registryConfig is the configuration of a registry over a folder. It logs the address that it listens on.
func registryConfig(store, addr, listen string) string {
	return fmt.Sprintf("version: 0.1\nlog: {level: info, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: %q}, delete: {enabled: true}}\nhttp: {addr: %q%s}\n",
		store, addr, listen)
}

var listening = regexp.MustCompile(`msg="listening on ([^",]+)`)

// listensOn is the address that a registry says it listens on; empty if it has not said so yet. The registry chose the port
// itself, so no other program can have it.
func listensOn(log string) string {
	text, _ := os.ReadFile(log) // it may not be there yet
	if m := listening.FindSubmatch(text); m != nil {
		return string(m[1])
	}
	return ""
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

// lastingAddress is an address of the loopback whose port is below those that the kernel gives to connections, so that none of
// them takes it while a registry is restarted.
func lastingAddress() string { return fmt.Sprintf("127.0.0.1:%d", 20000+rand.IntN(10000)) }
