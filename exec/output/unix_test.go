//go:build unix

package output

import (
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func uidOf(t *testing.T, path string) int {
	t.Helper()
	fi, err := os.Lstat(path)
	must(t, err)
	return int(fi.Sys().(*syscall.Stat_t).Uid)
}

func TestOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away; run the tests as root")
	}
	root := t.TempDir()
	tree{"p/mine": "m"}.write(t, root)
	bin := filepath.Join(root, "p/new/bin")
	s, err := NewStaging(t.TempDir(), []string{bin}, Owner{1000, 1000, true})
	must(t, err)
	tree{"d/app": "0755 x", "ln": "-> d/app", "suid": "x"}.write(t, s.Dir())
	must(t, os.Chmod(filepath.Join(s.Dir(), "suid"), 0o755|os.ModeSetuid))
	commit1(t, s, Move{From: ".", Dest: bin})
	must(t, s.Close())
	for _, p := range []string{"p/new", "p/new/bin", "p/new/bin/d", "p/new/bin/d/app", "p/new/bin/ln", "p/new/bin/suid"} {
		if got := uidOf(t, filepath.Join(root, p)); got != 1000 {
			t.Errorf("%s belongs to %d", p, got)
		}
	}
	for _, p := range []string{"p", "p/mine"} {
		if got := uidOf(t, filepath.Join(root, p)); got != 0 {
			t.Errorf("%s was given away to %d", p, got)
		}
	}
	if fi, _ := os.Lstat(filepath.Join(bin, "suid")); fi.Mode()&os.ModeSetuid == 0 {
		t.Error("the change of owner cost the setuid bit")
	}
}

func TestReadOnlyDestination(t *testing.T) {
	root, err := os.MkdirTemp("", "readonly")
	must(t, err)
	defer os.RemoveAll(root)
	must(t, os.Chmod(root, 0o755))
	self, err := os.Executable()
	must(t, err)
	bin := filepath.Join(root, "test.bin") // where an ordinary user can reach it
	must(t, copyFile(self, bin, Owner{}))
	must(t, os.Mkdir(filepath.Join(root, "state"), 0o777))
	must(t, os.Chmod(filepath.Join(root, "state"), 0o777))
	work := filepath.Join(root, "work")
	tree{"ro/bin/app": "old", "ro/w/": "0755 ", "w/ro/app": "old"}.write(t, work)
	before := list(t, work)
	sys := func(cmd *osexec.Cmd) {
		if os.Geteuid() == 0 {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 1000, Gid: 1000}}
			for _, d := range []string{"w", "ro/w"} {
				must(t, os.Chown(filepath.Join(work, d), 1000, 1000))
			}
		}
	}
	for _, d := range []string{"ro", "ro/bin", "w/ro"} {
		must(t, os.Chmod(filepath.Join(work, d), 0o555))
	}
	before = strings.ReplaceAll(before, "drwxr-xr-x ro\n", "dr-xr-xr-x ro\n")
	before = strings.ReplaceAll(before, "drwxr-xr-x ro/bin\n", "dr-xr-xr-x ro/bin\n")
	before = strings.ReplaceAll(before, "drwxr-xr-x w/ro\n", "dr-xr-xr-x w/ro\n")
	said := runChild(t, bin, sys, "OUTPUT_TEST_CHILD=readonly", "OUTPUT_TEST_ROOT="+work, "OUTPUT_TEST_STATE="+filepath.Join(root, "state"), "TMPDIR="+root)
	want := strings.ReplaceAll(`ro/new: output folder ROOT/ro/new cannot be written: permission denied
ro/bin: output folder ROOT/ro/bin cannot be written: permission denied
w/ro: output folder ROOT/w/ro cannot be written: permission denied
ro/w: <nil>
`, "ROOT", work)
	equal(t, strings.Join(said, "\n")+"\n", want)
	after := list(t, work)
	after = strings.Replace(after, "-rw-r--r-- ro/w/app \"x\"\n", "", 1)
	equal(t, after, before)
}

// otherFS returns a new folder on another file system than dir.
func otherFS(t *testing.T, dir string) string {
	t.Helper()
	for _, base := range []string{"/dev/shm", "/run", "/var/tmp", os.Getenv("HOME")} {
		if base == "" || sameFS(base, dir) || !isDir(base) {
			continue
		}
		if d, err := os.MkdirTemp(base, "output-test"); err == nil {
			t.Cleanup(func() { os.RemoveAll(d) })
			return d
		}
	}
	t.Skip("there is no second file system to write to; mount a tmpfs on /dev/shm")
	return ""
}

// Destinations on two file systems: the files are copied beside the second one before the commit point.
func TestOtherFileSystem(t *testing.T) {
	a := t.TempDir()
	b := otherFS(t, a)
	tree{"bin/app": "old", "bin/same": "s"}.write(t, b)
	s, err := NewStaging(t.TempDir(), []string{filepath.Join(a, "bin"), filepath.Join(b, "bin")}, Owner{})
	must(t, err)
	fill(t, s, tree{"m/app": "0755 new", "m/same": "s", "m/ln": "-> app"})
	got := commit1(t, s, Move{From: "m", Dest: filepath.Join(a, "bin")}, Move{From: "m", Dest: filepath.Join(b, "bin")})
	if got[0] != (Result{3, 4, 3}) || got[1] != (Result{3, 4, 2}) {
		t.Errorf("got %+v", got)
	}
	fi, err := os.Stat(filepath.Join(b, "bin/app"))
	must(t, err)
	if !fi.ModTime().After(old) || fi.ModTime().After(old.AddDate(0, 0, 1)) {
		t.Errorf("the copy has the time %v, not that of the result", fi.ModTime())
	}
	must(t, s.Close())
	equal(t, list(t, b), "drwxr-xr-x bin\n-rwxr-xr-x bin/app \"new\"\nLrwxrwxrwx bin/ln -> app\n-rw-r--r-- bin/same \"s\" old\n")
	equal(t, list(t, a), "drwxr-xr-x bin\n-rwxr-xr-x bin/app \"new\"\nLrwxrwxrwx bin/ln -> app\n-rw-r--r-- bin/same \"s\"\n")
}

// A rename that turns out to cross file systems only when it is done, as at a mount point inside the destination.
func TestRenameFallsBackToCopy(t *testing.T) {
	a := t.TempDir()
	b := otherFS(t, a)
	stage := filepath.Join(a, StagePrefix+"x")
	tree{"files/app": "0755 new", "files/gone": "x"}.write(t, stage)
	tree{"app": "old"}.write(t, b)
	from, err := identify(stage)
	must(t, err)
	to, err := identify(b)
	must(t, err)
	j := journal{Version: journalVersion, Stages: []stageRef{{stage, from}}, Roots: []rootRef{{b, to}},
		Files: []journalFile{{0, "files/app", 0, "app"}, {0, "files/done", 0, "done"}}}
	done, err := j.apply(func(string) {})
	must(t, err)
	if done != 1 {
		t.Errorf("%d files done, want 1", done)
	}
	equal(t, list(t, b), "-rwxr-xr-x app \"new\" old\n")
	equal(t, list(t, stage), "drwxr-xr-x files\n-rw-r--r-- files/gone \"x\" old\n")
}

// A destination that is a mount point: nothing can be renamed into it from beside it.
func TestDestinationIsAMount(t *testing.T) {
	b := otherFS(t, t.TempDir())
	s := &Staging{}
	mount := filepath.Dir(b) // the root of that file system
	if sameFS(filepath.Dir(mount), mount) {
		t.Skipf("%s is not a mount point", mount)
	}
	if got, err := s.anchor(mount); err != nil || got != mount {
		t.Errorf("got %s, %v", got, err)
	}
	if got, err := s.anchor(b); err != nil || got != mount {
		t.Errorf("got %s, %v", got, err)
	}
}
