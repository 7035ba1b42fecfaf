package e2e

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/xbuild/xbuild/e2e/parts"
)

// person is an ordinary user of this machine, made for a test and removed after it.
type person struct {
	*user.User
	uid, gid uint32
}

func newPerson(t *testing.T) *person {
	t.Helper()
	for _, program := range []string{"newuidmap", "useradd"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%s is not installed: apt-get install -y uidmap passwd", program)
		}
	}
	name := fmt.Sprintf("xbuild-e2e-%d", os.Getpid())
	home := filepath.Join(shortDir(t), "home")
	if err := os.Chmod(filepath.Dir(home), 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("useradd", "--create-home", "--home-dir", home, name).CombinedOutput(); err != nil {
		t.Fatalf("useradd %s: %v\n%s", name, err, out)
	}
	t.Cleanup(func() {
		var out []byte
		var err error
		// It is refused as long as a process that ended has not been waited for.
		if !parts.Within(20*time.Second, func() bool { out, err = exec.Command("userdel", name).CombinedOutput(); return err == nil }) {
			t.Errorf("userdel %s: %v\n%s", name, err, out)
		}
	})
	u, err := user.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	p := &person{User: u}
	for id, text := range map[*uint32]string{&p.uid: u.Uid, &p.gid: u.Gid} {
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		*id = uint32(n)
	}
	return p
}

// own gives everything below the folder to the person.
func (p *person) own(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, int(p.uid), int(p.gid))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// owns fails the test if something below the folder is not the person's.
func (p *person) owns(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if st := info.Sys().(*syscall.Stat_t); st.Uid != p.uid || st.Gid != p.gid {
			t.Errorf("%s belongs to %d:%d", path, st.Uid, st.Gid)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// rootless is a world in which an ordinary user starts xbuild, with the PATH that Debian gives one and the usual places
// for everything; its working directory is a copy of dir that belongs to the user.
func rootless(t *testing.T, dir string) (*world, *person) {
	t.Helper()
	b := aloneBed(t)
	p := newPerson(t)
	program, config := filepath.Join(p.HomeDir, "xbuild"), filepath.Join(p.HomeDir, "mirrors.toml")
	if err := os.Link(suite.xbuild, program); err != nil {
		t.Fatal(err)
	}
	write(t, config, b.RegistryConfig())
	work := filepath.Join(p.HomeDir, "work")
	if err := os.CopyFS(work, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	p.own(t, p.HomeDir)
	w := &world{dir: work, program: program, user: &syscall.Credential{Uid: p.uid, Gid: p.gid}, env: []string{
		"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=" + p.HomeDir, "USER=" + p.Username, "LANG=C.UTF-8", "XBUILD_CONFIG=" + config,
	}}
	t.Cleanup(func() {
		if r := w.xbuild(context.WithoutCancel(t.Context()), "daemon", "stop"); r.code != 0 {
			t.Errorf("xbuild daemon stop: exit code %d\n%s", r.code, r.stderr)
		}
		left(t, p.HomeDir)
	})
	return w, p
}

// TestUnreadableFile: a file that the user may not read fails the build, and is no obstacle where an ignore file leaves it out.
func TestUnreadableFile(t *testing.T) {
	w, _ := rootless(t, project(t, map[string]string{
		"Dockerfile": "FROM scratch\nCOPY . /\n", "a": "A", "secret": "S",
		"xbuild.hcl": "target \"default\" {\n  output = [\"out\"]\n}\n",
	}))
	secret := filepath.Join(w.dir, "secret")
	if err := os.Chown(secret, 0, 0); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(secret, 0o600); err != nil {
		t.Fatal(err)
	}
	r := w.code(t, 1, "run")
	if want := "open " + secret + ": permission denied; make it readable, or leave it out with an ignore file"; !strings.Contains(r.stderr, "  "+want+"\n") {
		t.Errorf("want %q:\n%s", want, r.stderr)
	}
	if _, err := os.Stat(filepath.Join(w.dir, "out")); !os.IsNotExist(err) {
		t.Errorf("the build that failed wrote files: %v", err)
	}
	write(t, filepath.Join(w.dir, ".dockerignore"), "secret\n")
	w.ok(t, "run")
	if got := read(t, filepath.Join(w.dir, "out", "a")); got != "A" {
		t.Errorf("a is %q", got)
	}
}

// TestRootless: an ordinary user builds without any image, and from the guide's Dockerfile.
func TestRootless(t *testing.T) {
	w, p := rootless(t, copyExample(t, "no-registry"))
	w.ok(t, "run", "binaries", "--platform", "linux/arm64,windows/amd64", "--var", "GOROOT="+runtime.GOROOT(), "--allow", "fs.read="+runtime.GOROOT(), "--progress", "plain")
	for slug, name := range map[string]string{"linux_arm64": "hello", "windows_amd64": "hello.exe"} {
		if got := machine(t, filepath.Join(w.dir, "bin", slug, name)); got != machines[slug] {
			t.Errorf("bin/%s/%s is %s, want %s", slug, name, got, machines[slug])
		}
	}
	p.owns(t, w.dir)
	doctor := w.ok(t, "doctor").stdout
	for name, want := range map[string]string{"the one inside xbuild": p.HomeDir, "natively": "linux/amd64", "under emulation": "linux/arm64"} {
		if !strings.Contains(field(doctor, "  "+name), want) {
			t.Errorf("doctor does not say %q of %s:\n%s", want, name, doctor)
		}
	}
	status := w.ok(t, "daemon", "status").stdout
	if want := filepath.Join(p.HomeDir, ".local/share/xbuild/buildkit-v1"); field(status, "root:") != want {
		t.Errorf("the store is not %s:\n%s", want, status)
	}
	process(t, field(status, "pid:"), p)

	guide := filepath.Join(p.HomeDir, "guide")
	if err := os.CopyFS(guide, os.DirFS(copyExample(t, "guide"))); err != nil {
		t.Fatal(err)
	}
	p.own(t, guide)
	w.dir = guide
	w.ok(t, "run", "binaries", "--platform", "linux/arm64", "--progress", "plain")
	for _, name := range []string{"client", "server"} {
		if got := machine(t, filepath.Join(guide, "bin/linux_arm64", name)); got != machines["linux_arm64"] {
			t.Errorf("bin/linux_arm64/%s is %s, want %s", name, got, machines["linux_arm64"])
		}
	}
	p.owns(t, guide)
}

// process checks that the process is the person's in every respect.
func process(t *testing.T, pid string, p *person) {
	t.Helper()
	status, err := os.ReadFile(filepath.Join("/proc", pid, "status"))
	if err != nil {
		t.Fatal(err)
	}
	for name, id := range map[string]uint32{"Uid:": p.uid, "Gid:": p.gid} {
		for _, got := range strings.Fields(field(string(status), name)) {
			if got != fmt.Sprint(id) {
				t.Errorf("the daemon runs with %s %s", name, field(string(status), name))
			}
		}
	}
}

// TestRootlessSteps: owners within images, foreign steps, and a user who is not root in a step.
func TestRootlessSteps(t *testing.T) {
	w, p := rootless(t, project(t, map[string]string{
		"Dockerfile": `FROM alpine:3.22 AS b
RUN uname -m > /facts && echo x > /f && chown 1234:65533 /f && ls -ln /f | cut -c 1-40 >> /facts
USER 777
RUN id -u | grep -x 777
FROM scratch
COPY --from=b /facts /f /
`,
		"xbuild.hcl": `target "default" {
  platforms = ["linux/amd64", "linux/arm64"]
  output    = ["out"]
}
`}))
	w.ok(t, "run", "--progress", "plain")
	for slug, arch := range map[string]string{"linux_amd64": "x86_64", "linux_arm64": "aarch64"} {
		facts := read(t, filepath.Join(w.dir, "out", slug, "facts"))
		if !strings.HasPrefix(facts, arch+"\n") || !strings.Contains(facts, "1234") || !strings.Contains(facts, "65533") {
			t.Errorf("%s: %q", slug, facts)
		}
	}
	p.owns(t, w.dir)
}

// TestRootlessKilled kills the user's processes, all of them or only the daemon, in the middle of a step.
func TestRootlessKilled(t *testing.T) {
	for _, victims := range []string{"daemon", "everything"} {
		t.Run(victims, func(t *testing.T) {
			var person *person
			p := newPausing(t, func(t *testing.T, dir string) *world {
				w, who := rootless(t, dir)
				person = who
				return w
			})
			cmd, _ := p.start(t)
			pids := []string{field(p.w.ok(t, "daemon", "status").stdout, "pid:")}
			if victims == "everything" {
				pids = processesOf(t, person.uid)
			}
			for _, pid := range pids {
				n, err := strconv.Atoi(pid)
				if err != nil {
					t.Fatal(err)
				}
				syscall.Kill(n, syscall.SIGKILL) // one that ended with another one is as good
			}
			cmd.Wait() // an error, or killed
			left(t, filepath.Join(person.HomeDir, ".local"))
			p.intact(t, true)
			person.owns(t, p.w.dir)
		})
	}
}

// processesOf lists the processes of a user, whatever they are called inside its namespaces.
func processesOf(t *testing.T, uid uint32) (pids []string) {
	t.Helper()
	dirs, _ := filepath.Glob("/proc/[0-9]*") // the pattern is valid
	for _, d := range dirs {
		if info, err := os.Stat(d); err == nil && info.Sys().(*syscall.Stat_t).Uid == uid {
			pids = append(pids, filepath.Base(d))
		}
	}
	if len(pids) < 3 {
		t.Fatalf("processes of user %d: %v; want the client, the daemon and the step", uid, pids)
	}
	return pids
}

// TestRootlessWithoutIDs: a user who has no subordinate ids is told the lines to add, by doctor and by run.
func TestRootlessWithoutIDs(t *testing.T) {
	w, p := rootless(t, copyExample(t, "no-registry"))
	if out, err := exec.Command("usermod", "--del-subuids", "1-4294967294", p.Username).CombinedOutput(); err != nil {
		t.Fatalf("usermod: %v\n%s", err, out)
	}
	want := "as root, add this line to /etc/subuid: " + p.Username + ":"
	if r := w.code(t, 4, "doctor"); !strings.Contains(r.stdout, want) {
		t.Errorf("doctor does not say %q:\n%s", want, r.stdout)
	}
	if r := w.code(t, 4, "run", "binaries", "--var", "GOROOT="+runtime.GOROOT(), "--allow", "fs.read="+runtime.GOROOT()); !strings.Contains(r.stderr, want) || strings.Count(r.stderr, "\n") != 1 {
		t.Errorf("run does not say %q:\n%s", want, r.stderr)
	}
	if _, err := os.Stat(filepath.Join(p.HomeDir, ".local")); err == nil {
		t.Error("something was written")
	}
}
