//go:build !windows

package guards

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long a command may take to refuse a file that is none to read, or to end when it is interrupted.
const patience = 10 * time.Second

// TestSpecialFiles: whatever is read as text is a regular file; a named pipe or a device is an error that names it, at once.
func TestSpecialFiles(t *testing.T) {
	const compose = "services: {default: {build: {dockerfile_inline: FROM scratch}}}\n"
	hcl := "target \"default\" {\n  output = [\"type=cacheonly\"]\n}\n"
	kinds := []struct {
		name string
		// file is the special file, below the project.
		file  string
		files map[string]string
		args  []string // of print and run
		env   []string
		build bool // only a command that builds reads it
		found bool // it is found by its name, and a device, such as /dev/null, is taken for none
	}{
		{name: "build file", file: "xbuild.hcl"},
		{name: "build file of Bake", found: true, file: "docker-bake.hcl"},
		{name: "build file in JSON", found: true, file: "docker-bake.json"},
		{name: "named build file", file: "other.hcl", args: []string{"-f", "other.hcl"}},
		{name: "override", found: true, file: "xbuild.override.hcl", files: map[string]string{"xbuild.hcl": hcl}},
		{name: "override of Bake", found: true, file: "docker-bake.override.hcl", files: map[string]string{"docker-bake.hcl": hcl}},
		{name: "include", file: "more.hcl", files: map[string]string{"xbuild.hcl": "include = [\"more.hcl\"]\n" + hcl}},
		{name: "file()", file: "text", files: map[string]string{"xbuild.hcl": "target \"default\" {\n  args = { A = file(\"text\") }\n}\n"}},
		{name: "compose file", found: true, file: "compose.yaml"},
		{name: ".env of compose", file: ".env", files: map[string]string{"compose.yaml": compose}},
		{name: "include of compose", file: "more.yaml", files: map[string]string{"compose.yaml": "include: [more.yaml]\n" + compose}},
		{name: "extends of compose", file: "more.yaml", files: map[string]string{"compose.yaml": "services: {default: {extends: {file: more.yaml, service: a}}}\n"}},
		{name: "env_file of compose", file: "more.env", files: map[string]string{"compose.yaml": "services: {default: {env_file: more.env, build: .}}\n"}},
		{name: "Dockerfile", file: "Dockerfile", files: map[string]string{"xbuild.hcl": hcl}, build: true},
		{name: "ignore file", file: ".dockerignore", files: map[string]string{"xbuild.hcl": hcl, "Dockerfile": "FROM scratch\nCOPY x /x\n", "x": ""}, build: true},
		{name: "ignore file of a Dockerfile", file: "Dockerfile.dockerignore", files: map[string]string{"xbuild.hcl": hcl, "Dockerfile": "FROM scratch\nCOPY x /x\n", "x": ""}, build: true},
		{name: "configuration", file: "config.toml", files: map[string]string{"xbuild.hcl": hcl, "Dockerfile": "FROM scratch\nCOPY x /x\n", "x": ""}, env: []string{"XBUILD_CONFIG={project}/config.toml"}, build: true},
		{name: "source policy", file: "policy.json", files: map[string]string{"xbuild.hcl": hcl, "Dockerfile": "FROM scratch\nCOPY x /x\n", "x": ""}, env: []string{"EXPERIMENTAL_BUILDKIT_SOURCE_POLICY={project}/policy.json"}, build: true},
	}
	ways := map[string]struct {
		at   func(path string) error
		says string
	}{
		"named pipe": {func(p string) error { return syscall.Mkfifo(p, 0o600) }, "a named pipe"},
		"device":     {func(p string) error { return syscall.Mknod(p, syscall.S_IFCHR|0o600, 1<<8|5) }, "a device"}, // as /dev/zero
	}
	for _, k := range kinds {
		for what, m := range ways {
			if k.found && what == "device" {
				continue
			}
			t.Run(k.name+"/"+what, func(t *testing.T) {
				g := guard{name: k.name, files: k.files, env: k.env}
				s := newSite(t, &g, "unused.txt", "", local)
				if err := m.at(s.expand("{project}/" + k.file)); err != nil {
					t.Fatal(err)
				}
				verbs := []string{"run"}
				if !k.build {
					verbs = []string{"print", "run", "validate", "plan"}
				}
				for _, v := range verbs {
					c := s.start(t, nil, slices.Concat([]string{v}, k.args)...)
					r := c.wait(t)
					if r.code == 0 || !strings.Contains(r.stderr, m.says) || !strings.Contains(r.stderr, filepath.Base(k.file)) {
						t.Errorf("%s: exit code %d, want a failure that names %s as %s\n%s", v, r.code, k.file, m.says, r.stderr)
					}
				}
				c := s.start(t, nil, "__complete", "run", "")
				c.wait(t) // whatever it offers
			})
		}
	}
}

// TestSignals: a command that waits for a build file ends when it is interrupted or terminated, and says so.
func TestSignals(t *testing.T) {
	for _, args := range [][]string{{"print", "-f", "-"}, {"run", "-f", "-"}, {"plan", "-f", "-"}, {"validate", "-f", "-"}, {"fmt", "-"}} {
		for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
			for _, from := range []string{"a pipe", "a named pipe"} {
				t.Run(strings.Join(args, " ")+"/"+sig.String()+"/"+from, func(t *testing.T) {
					s := newSite(t, &guard{}, "unused.txt", "", local)
					in, err := openPipe(t, s, from)
					if err != nil {
						t.Fatal(err)
					}
					before := s.snapshot()
					c := s.start(t, in, args...)
					time.Sleep(300 * time.Millisecond) // until it reads; without that the signal ends it all the same
					if err := c.cmd.Process.Signal(sig); err != nil {
						t.Fatal(err)
					}
					if r := c.wait(t); r.code != 130 && r.code != 143 && r.code != 128+int(sig) {
						t.Errorf("exit code %d\n%s", r.code, r.stderr)
					}
					if d := diff(before, s.snapshot()); d != "" {
						t.Errorf("something was changed:\n%s", d)
					}
				})
			}
		}
	}
}

// openPipe is a standard input on which nothing comes.
func openPipe(t *testing.T, s *site, kind string) (io.Reader, error) {
	if kind == "a pipe" {
		r, w, err := os.Pipe()
		if err == nil {
			t.Cleanup(func() { r.Close(); w.Close() })
		}
		return r, err
	}
	p := s.expand("{root}/pipe")
	if err := syscall.Mkfifo(p, 0o600); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(p, os.O_RDWR, 0) // the test is the other end too, so that opening does not wait
	if err == nil {
		t.Cleanup(func() { f.Close() })
	}
	return f, err
}

// command is an xbuild that was started.
type command struct {
	cmd       *exec.Cmd
	args      []string
	out, errs bytes.Buffer
}

// start starts xbuild with a standard input of its own.
func (s *site) start(t *testing.T, stdin io.Reader, args ...string) *command {
	t.Helper()
	p, err := built()
	if err != nil {
		t.Fatal(err)
	}
	home := s.expand("{home}")
	c := &command{cmd: exec.Command(p, s.expandAll(args)...), args: args}
	c.cmd.Dir, c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = s.expand("{project}"), stdin, &c.out, &c.errs
	c.cmd.Env = slices.Concat([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "DOCKER_CONFIG=" + home, "LANG=C.UTF-8", "XBUILD_STATE_DIR=" + s.state}, s.expandAll(s.g.env))
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return c
}

// wait waits for the end, which must come soon.
func (c *command) wait(t *testing.T) *result {
	t.Helper()
	killed := time.AfterFunc(patience, func() { c.cmd.Process.Kill() })
	err := c.cmd.Wait()
	if !killed.Stop() {
		t.Fatalf("%v does not end within %s: %v\n%s", c.args, patience, err, &c.errs)
	}
	return &result{verb: strings.Join(c.args, " "), code: c.cmd.ProcessState.ExitCode(), stdout: c.out.String(), stderr: c.errs.String()}
}
