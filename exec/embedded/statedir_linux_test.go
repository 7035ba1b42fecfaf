package embedded

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestPrivateDir: the state directory is one that only the user can enter, or a subdirectory that is, or an error. Directories that
// are for other things too keep their mode.
func TestPrivateDir(t *testing.T) {
	me := os.Geteuid()
	if me != 0 {
		t.Fatal("this test gives files to other users, and so needs root")
	}
	const other = 12345
	for name, c := range map[string]struct {
		make     func(t *testing.T, dir string)
		uid      int
		sub, bad bool
		mode     os.FileMode // of dir itself afterwards
	}{
		"missing":           {make: func(t *testing.T, dir string) {}},
		"private":           {make: mkdir(0o700, me), mode: 0o700},
		"wide and empty":    {make: mkdir(0o755, me), mode: 0o700},
		"wide and used":     {make: both(mkdir(0o777, me), file(storeRoot)), mode: 0o700},
		"like /tmp":         {make: both(mkdir(0o1777, me), file("theirs")), sub: true, mode: 0o777},
		"like a home":       {make: both(mkdir(0o755, me), file(".profile")), sub: true, mode: 0o755},
		"another's":         {make: mkdir(0o777, other), sub: true, mode: 0o777},
		"another's private": {make: mkdir(0o700, other), sub: true, mode: 0o700},
		"another's link":    {make: link(other), bad: true},
		"own link":          {make: link(me), mode: 0o700},
		"another's sub":     {make: both(mkdir(0o777, other), sub("xbuild-0", other)), bad: true},
		"link as sub":       {make: both(mkdir(0o777, other), linkBelow("xbuild-0")), bad: true},
		"wide sub":          {make: both(mkdir(0o777, other), sub("xbuild-0", me)), sub: true, mode: 0o777},
		"file":              {make: file(""), bad: true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "state")
			c.make(t, dir)
			got, err := privateDir(dir, me)
			if c.bad {
				if err == nil {
					t.Fatalf("%s is used", got)
				}
				return
			}
			want := dir
			if c.sub {
				want = filepath.Join(dir, "xbuild-0")
			}
			if err != nil || got != want {
				t.Fatalf("got %q, %v; want %q", got, err, want)
			}
			if c.mode != 0 {
				wantMode(t, dir, c.mode)
			}
			if c.sub {
				wantMode(t, got, 0o700)
			}
			if again, err := privateDir(got, me); err != nil || again != got {
				t.Errorf("the second time: %q, %v", again, err)
			}
		})
	}
}

// TestShortSocketPath: where the path of the socket is too long for one below the state directory, the directories that it lies in
// instead are the user's own, or the daemon is not started.
func TestShortSocketPath(t *testing.T) {
	const other = 12345
	long := "/" + strings.Repeat("long/", 30) + "state"
	for name, c := range map[string]struct {
		base maker // of what stands in for /run
		bad  bool
	}{
		"missing":              {base: func(*testing.T, string) {}},
		"own":                  {base: mkdir(0o755, 0)},
		"sticky":               {base: mkdir(0o1777, 0)},
		"another's":            {base: mkdir(0o755, other), bad: true},
		"others may write":     {base: mkdir(0o777, 0), bad: true},
		"another's link":       {base: link(other), bad: true},
		"another's xbuild":     {base: both(mkdir(0o1777, 0), sub("xbuild", other)), bad: true},
		"link as xbuild":       {base: both(mkdir(0o1777, 0), linkBelow("xbuild")), bad: true},
		"wide xbuild":          {base: both(mkdir(0o755, 0), sub("xbuild", 0))},
		"another's in xbuild":  {base: both(mkdir(0o755, 0), both(sub("xbuild", 0), sub("xbuild/id", other))), bad: true},
		"link in xbuild as id": {base: both(mkdir(0o755, 0), both(sub("xbuild", 0), linkBelow("xbuild/id"))), bad: true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			base := filepath.Join(dir, "run")
			c.base(t, base)
			l := newLayout(dir + long)
			if l.run != filepath.Join("/run", "xbuild", shortHash(l.state)) {
				t.Fatalf("the socket is in %s", l.run)
			}
			l.run = filepath.Join(base, "xbuild", "id")
			l.socket = "/short"
			err := l.make()
			if c.bad != (err != nil) {
				t.Fatalf("error %v", err)
			}
			if c.bad {
				if entries, _ := os.ReadDir(l.run); len(entries) > 0 {
					t.Error("something was written")
				}
				return
			}
			wantMode(t, filepath.Dir(l.run), 0o700)
			wantMode(t, l.run, 0o700)
		})
	}
}

func wantMode(t *testing.T, path string, want os.FileMode) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != want {
		t.Errorf("%s: %v, %v; want %v", path, info.Mode(), err, want)
	}
}

type maker = func(*testing.T, string)

func both(a, b maker) maker { return func(t *testing.T, dir string) { a(t, dir); b(t, dir) } }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func mkdir(mode uint32, uid int) maker {
	return func(t *testing.T, dir string) {
		must(t, os.Mkdir(dir, 0o700))
		must(t, os.Chown(dir, uid, uid))
		must(t, syscall.Chmod(dir, mode))
	}
}

func file(name string) maker {
	return func(t *testing.T, dir string) { must(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600)) }
}

func sub(name string, uid int) maker {
	return func(t *testing.T, dir string) { mkdir(0o755, uid)(t, filepath.Join(dir, name)) }
}

func link(uid int) maker {
	return func(t *testing.T, dir string) {
		mkdir(0o700, 0)(t, dir+".real")
		must(t, os.Symlink(dir+".real", dir))
		must(t, os.Lchown(dir, uid, uid))
	}
}

func linkBelow(name string) maker {
	return func(t *testing.T, dir string) {
		mkdir(0o700, 0)(t, dir+".real")
		must(t, os.Symlink(dir+".real", filepath.Join(dir, name)))
	}
}

// TestForeignSocket: nothing is said to a process of another user that listens on the socket.
func TestForeignSocket(t *testing.T) {
	if os.Getenv("XBUILD_TEST_LISTEN") != "" {
		listenForTest()
		return
	}
	dir, err := os.MkdirTemp("/tmp", "xb-")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o777))
	program := filepath.Join(dir, "test")
	text, err := os.ReadFile("/proc/self/exe")
	must(t, err)
	must(t, os.WriteFile(program, text, 0o755))
	socket := filepath.Join(dir, "s.sock")
	cmd := exec.CommandContext(t.Context(), program, "-test.run=^TestForeignSocket$")
	cmd.Dir, cmd.Env = dir, []string{"XBUILD_TEST_LISTEN=" + socket}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 12345, Gid: 12345}}
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	line := make([]byte, 64)
	if n, err := out.Read(line); err != nil || !strings.HasPrefix(string(line[:n]), "listening") {
		t.Fatalf("%q, %v", line[:n], err)
	}
	l := layout{socket: socket}
	if _, err := ask(t.Context(), l, acquireRequest{}); err == nil || !strings.Contains(err.Error(), "another user") {
		t.Errorf("ask: %v", err)
	}
	if conn, err := Dial(t.Context(), "unix://"+socket); err == nil {
		conn.Close()
		t.Error("the socket of another user can be dialed")
	}
	rest := make([]byte, 256)
	n, _ := out.Read(rest) // until it ends
	if strings.Contains(string(rest[:n]), "got") {
		t.Errorf("the server received data: %s", rest[:n])
	}
}

// listenForTest accepts connections for a while, and says what comes.
func listenForTest() {
	l, err := net.Listen("unix", os.Getenv("XBUILD_TEST_LISTEN"))
	if err != nil {
		os.Exit(1)
	}
	os.Chmod(os.Getenv("XBUILD_TEST_LISTEN"), 0o777)
	os.Stdout.WriteString("listening\n")
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	context.AfterFunc(ctx, func() { l.Close() })
	for {
		conn, err := l.Accept()
		if err != nil {
			os.Exit(0)
		}
		b := make([]byte, 16)
		if n, _ := conn.Read(b); n > 0 {
			os.Stdout.WriteString("got something\n")
		}
		conn.Close()
	}
}
