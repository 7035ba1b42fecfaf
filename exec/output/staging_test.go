package output

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	osexec "os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// The children of the tests are this binary again: TestMain runs the named part instead of the tests.
func TestMain(m *testing.M) {
	switch os.Getenv("OUTPUT_TEST_CHILD") {
	case "":
		os.Exit(m.Run())
	case "commit":
		childCommit()
	case "readonly":
		childReadOnly()
	}
}

// old is when everything that stands at a destination before a test was made.
var old = time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)

// tree is a set of files: path to content. A path that ends in "/" is a folder; content "-> x" is a link to x; a
// leading "0755 " sets the mode.
type tree map[string]string

func (tr tree) write(t testing.TB, dir string) {
	t.Helper()
	must(t, os.MkdirAll(dir, 0o755))
	for _, name := range sortedKeys(tr) {
		path, content := filepath.Join(dir, name), tr[name]
		mode := fs.FileMode(0o644)
		if n, rest, ok := strings.Cut(content, " "); ok && len(n) == 4 && n[0] == '0' {
			fmt.Sscanf(n, "%o", &mode)
			content = rest
		}
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		target, link := strings.CutPrefix(content, "-> ")
		switch {
		case strings.HasSuffix(name, "/"):
			must(t, os.MkdirAll(path, 0o755))
			must(t, os.Chmod(path, mode|0o111))
		case link:
			must(t, os.Symlink(target, path))
		default:
			must(t, os.WriteFile(path, []byte(content), mode))
			must(t, os.Chmod(path, mode))
			must(t, os.Chtimes(path, old, old))
		}
	}
}

// list describes everything below dir, one line an entry, so that two states can be compared. Files from before the
// test are marked "old".
func list(t testing.TB, dir string) string {
	t.Helper()
	var b strings.Builder
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		fi, err := d.Info()
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%v %s", fi.Mode(), filepath.ToSlash(rel))
		switch {
		case fi.Mode().IsRegular():
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, " %q", data)
			if fi.ModTime().Equal(old) {
				b.WriteString(" old")
			}
		case fi.Mode()&fs.ModeSymlink != 0:
			target, _ := os.Readlink(path)
			fmt.Fprintf(&b, " -> %s", target)
		}
		b.WriteByte('\n')
		return nil
	}))
	return b.String()
}

func sortedKeys(m tree) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal(t testing.TB, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// stage makes a Staging and fills its folder. Files in it look newer than old.
func stage(t testing.TB, tr tree, dests ...string) *Staging {
	t.Helper()
	s, err := NewStaging(t.TempDir(), dests, Owner{})
	must(t, err)
	t.Cleanup(func() { s.Close() })
	fill(t, s, tr)
	return s
}

func fill(t testing.TB, s *Staging, tr tree) {
	t.Helper()
	tr.write(t, s.Dir())
	must(t, filepath.WalkDir(s.Dir(), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			err = os.Chtimes(path, old.Add(time.Hour), old.Add(time.Hour))
		}
		return err
	}))
}

func commit1(t testing.TB, s *Staging, moves ...Move) []Result {
	t.Helper()
	r, err := s.Commit(moves)
	must(t, err)
	return r
}

func TestCommit(t *testing.T) {
	for _, tt := range []struct {
		name         string
		before, made tree
		want         Result
		after        string
	}{
		{"new folder", nil, tree{"app": "0755 x", "d/e/f": "y"}, Result{2, 2, 2},
			"drwxr-xr-x bin\n-rwxr-xr-x bin/app \"x\"\ndrwxr-xr-x bin/d\ndrwxr-xr-x bin/d/e\n-rw-r--r-- bin/d/e/f \"y\"\n"},
		{"unchanged is not touched", tree{"bin/app": "0755 x"}, tree{"app": "0755 x"}, Result{1, 1, 0},
			"drwxr-xr-x bin\n-rwxr-xr-x bin/app \"x\" old\n"},
		{"changed is replaced, others stay", tree{"bin/app": "x", "bin/mine": "m"}, tree{"app": "y"}, Result{1, 1, 1},
			"drwxr-xr-x bin\n-rw-r--r-- bin/app \"y\"\n-rw-r--r-- bin/mine \"m\" old\n"},
		{"mode", tree{"bin/app": "0644 x"}, tree{"app": "0755 x"}, Result{1, 1, 1},
			"drwxr-xr-x bin\n-rwxr-xr-x bin/app \"x\"\n"},
		{"same size, other content", tree{"bin/app": strings.Repeat("x", 300)}, tree{"app": strings.Repeat("x", 299) + "y"}, Result{1, 300, 1},
			"drwxr-xr-x bin\n-rw-r--r-- bin/app \"" + strings.Repeat("x", 299) + "y\"\n"},
		{"links", tree{"bin/same": "-> a", "bin/other": "-> a", "bin/file": "x", "bin/a": "k"},
			tree{"same": "-> a", "other": "-> b", "file": "-> a", "out": "-> /etc/passwd"}, Result{4, 0, 3},
			"drwxr-xr-x bin\n-rw-r--r-- bin/a \"k\" old\nLrwxrwxrwx bin/file -> a\nLrwxrwxrwx bin/other -> b\nLrwxrwxrwx bin/out -> /etc/passwd\nLrwxrwxrwx bin/same -> a\n"},
		{"a file over a link leaves the link's target alone", tree{"bin/app": "-> real", "bin/real": "r"}, tree{"app": "x"}, Result{1, 1, 1},
			"drwxr-xr-x bin\n-rw-r--r-- bin/app \"x\"\n-rw-r--r-- bin/real \"r\" old\n"},
		{"a folder through a link that stays inside", tree{"bin/lib": "-> usr/lib", "bin/usr/lib/a": "a"}, tree{"lib/b": "b"}, Result{1, 1, 1},
			"drwxr-xr-x bin\nLrwxrwxrwx bin/lib -> usr/lib\ndrwxr-xr-x bin/usr\ndrwxr-xr-x bin/usr/lib\n-rw-r--r-- bin/usr/lib/a \"a\" old\n-rw-r--r-- bin/usr/lib/b \"b\"\n"},
		{"folders without write permission", nil, tree{"ro/": "0555 ", "ro/f": "x"}, Result{1, 1, 1},
			"drwxr-xr-x bin\ndr-xr-xr-x bin/ro\n-rw-r--r-- bin/ro/f \"x\"\n"},
		{"empty result", nil, tree{"d/": "0755 "}, Result{},
			"drwxr-xr-x bin\ndrwxr-xr-x bin/d\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			tt.before.write(t, root)
			s := stage(t, nil, filepath.Join(root, "bin"))
			must(t, os.MkdirAll(filepath.Join(s.Dir(), "r"), 0o755))
			sub := tree{}
			for k, v := range tt.made {
				sub["r/"+k] = v
			}
			fill(t, s, sub)
			if d := filepath.Join(s.Dir(), "r/ro"); isDir(d) {
				must(t, os.Chmod(d, 0o555))
			}
			got := commit1(t, s, Move{From: "r", Dest: filepath.Join(root, "bin")})
			if got[0] != tt.want {
				t.Errorf("got %+v, want %+v", got[0], tt.want)
			}
			must(t, s.Close())
			equal(t, list(t, root), tt.after)
		})
	}
}

func TestCommitRefuses(t *testing.T) {
	for _, tt := range []struct {
		name         string
		before, made tree
		want         string // ROOT stands for the test's folder
	}{
		{"folder in the way", tree{"bin/app/x": "x"}, tree{"a": "1", "app": "y"},
			"ROOT/bin/app is a folder, and the result has a file of that name; remove the folder"},
		{"file in the way", tree{"bin/app": "x"}, tree{"a": "1", "app/x": "y"},
			"ROOT/bin/app is a file, and the result has a folder of that name; remove the file"},
		{"link that leads outside", tree{"bin/lib": "-> ../other", "other/": "0755 "}, tree{"a": "1", "lib/x": "y"},
			"ROOT/bin/lib is a symbolic link to ROOT/other, outside of the output folder ROOT/bin; remove the link"},
		{"link that leads nowhere", tree{"bin/lib": "-> gone"}, tree{"a": "1", "lib/x": "y"},
			"ROOT/bin/lib is a symbolic link that leads to no folder, and the result has a folder of that name; remove the link"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			tt.before.write(t, root)
			before := list(t, root)
			s := stage(t, tt.made, filepath.Join(root, "bin"))
			_, err := s.Commit([]Move{{From: ".", Dest: filepath.Join(root, "bin")}})
			if err == nil || err.Error() != strings.ReplaceAll(tt.want, "ROOT", root) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			must(t, s.Close())
			equal(t, list(t, root), before)
		})
	}
}

func TestCommitRefusesMoves(t *testing.T) {
	root := t.TempDir()
	bin := filepath.Join(root, "bin")
	tree{"bin/link": "-> ../elsewhere", "elsewhere/": "0755 ", "file": "x"}.write(t, root)
	before := list(t, root)
	s := stage(t, tree{"a/f": "1", "b/f": "2", "c/f/x": "3"}, bin)
	for _, tt := range []struct {
		name  string
		moves []Move
		want  string
	}{
		{"escape", []Move{{From: "../lock", Dest: bin}}, `"../lock" is not a folder of the staging folder`},
		{"missing", []Move{{From: "x", Dest: bin}}, "the build made no folder x for " + bin},
		{"undeclared", []Move{{From: "a", Dest: root}}, root + " leads to " + root + ", outside of the output folders of this run"},
		{"linked away", []Move{{From: "a", Dest: bin + "/link"}}, bin + "/link leads to " + root + "/elsewhere, outside of the output folders of this run"},
		{"same file twice", []Move{{From: "a", Dest: bin}, {From: "b", Dest: bin}}, "two results have a file " + bin + "/f"},
		{"file and folder", []Move{{From: "a", Dest: bin}, {From: "c", Dest: bin}}, "two results have a file " + bin + "/f"},
		{"folder and file", []Move{{From: "c", Dest: bin}, {From: "a", Dest: bin}}, "two results have a file " + bin + "/f"},
	} {
		if _, err := s.Commit(tt.moves); err == nil || err.Error() != tt.want {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.want)
		}
	}
	if _, err := NewStaging(t.TempDir(), []string{filepath.Join(root, "file/x")}, Owner{}); err == nil {
		t.Error("a destination below a file was accepted")
	}
	if _, err := NewStaging(t.TempDir(), []string{"bin"}, Owner{}); err == nil {
		t.Error("a relative destination was accepted")
	}
	must(t, s.Close())
	equal(t, list(t, root), before)
}

// TestLastMakerIsKept: of what moves of several makers have at one path, that of the last move is kept, whatever it is and
// whatever the runs before have left.
func TestLastMakerIsKept(t *testing.T) {
	root := t.TempDir()
	bin := filepath.Join(root, "bin")
	for _, tt := range []struct {
		order []string
		want  string
	}{
		{[]string{"a", "b", "c"}, "drwxr-xr-x bin\n-rw-r--r-- bin/a \"\"\n-rw-r--r-- bin/b \"\"\n-rw-r--r-- bin/c \"\"\n-rw-r--r-- bin/f \"3\"\n"},
		{[]string{"c", "b", "a"}, "drwxr-xr-x bin\n-rw-r--r-- bin/a \"\"\n-rw-r--r-- bin/b \"\"\n-rw-r--r-- bin/c \"\"\n-rw-r--r-- bin/f \"1\"\n"},
		{[]string{"d", "b"}, "drwxr-xr-x bin\n-rw-r--r-- bin/b \"\"\n-rw-r--r-- bin/f \"2\"\n"},
		{[]string{"b", "d"}, "drwxr-xr-x bin\n-rw-r--r-- bin/b \"\"\ndrwxr-xr-x bin/f\n-rw-r--r-- bin/f/x \"4\"\n"},
	} {
		if len(tt.order) == 2 { // no file gives way to a folder that is there already
			must(t, os.RemoveAll(bin))
		}
		for range 2 {
			s := stage(t, tree{"a/f": "1", "a/a": "", "b/f": "2", "b/b": "", "c/f": "3", "c/c": "", "d/f/x": "4"}, bin)
			var moves []Move
			for _, name := range tt.order {
				moves = append(moves, Move{Of: name, From: name, Dest: bin})
			}
			commit1(t, s, moves...)
			must(t, s.Close())
			equal(t, list(t, root), tt.want)
		}
	}
}

func TestSeveralDestinations(t *testing.T) {
	root := t.TempDir()
	a, b := filepath.Join(root, "p/bin"), filepath.Join(root, "q/r/out")
	s := stage(t, tree{"t0.linux_amd64/app": "1", "t0.linux_arm64/app": "2", "t1/x": "3"}, a, b)
	got := commit1(t, s, Move{From: "t0.linux_amd64", Dest: filepath.Join(a, "linux_amd64")}, Move{From: "t0.linux_arm64", Dest: filepath.Join(a, "linux_arm64")},
		Move{From: "t0.linux_arm64", Dest: filepath.Join(b, "copy")})
	if want := []Result{{1, 1, 1}, {1, 1, 1}, {1, 1, 1}}; !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	got = commit1(t, s, Move{From: "t1", Dest: b}) // a second Commit of the same Staging
	if want := (Result{1, 1, 1}); got[0] != want {
		t.Errorf("got %+v, want %+v", got[0], want)
	}
	must(t, s.Close())
	must(t, s.Close())
	equal(t, list(t, root), `drwxr-xr-x p
drwxr-xr-x p/bin
drwxr-xr-x p/bin/linux_amd64
-rw-r--r-- p/bin/linux_amd64/app "1"
drwxr-xr-x p/bin/linux_arm64
-rw-r--r-- p/bin/linux_arm64/app "2"
drwxr-xr-x q
drwxr-xr-x q/r
drwxr-xr-x q/r/out
drwxr-xr-x q/r/out/copy
-rw-r--r-- q/r/out/copy/app "2"
-rw-r--r-- q/r/out/x "3"
`)
}

func TestCloseWithoutCommit(t *testing.T) {
	root := t.TempDir()
	s := stage(t, tree{"a/b": "x", "ro/": "0555 "}, filepath.Join(root, "new/parents/bin"))
	if list(t, root) == "" {
		t.Fatal("nothing was staged")
	}
	must(t, s.Close())
	equal(t, list(t, root), "")
}

func TestIsStaging(t *testing.T) {
	s := stage(t, nil, filepath.Join(t.TempDir(), "bin"))
	if name := filepath.Base(filepath.Dir(s.Dir())); !IsStaging(name) {
		t.Errorf("%s is not recognised", name)
	}
	if IsStaging("stage") || IsStaging(".xbuild") {
		t.Error("an ordinary name is taken for a staging folder")
	}
}

func TestDestinationIsALink(t *testing.T) {
	root := t.TempDir()
	tree{"data/keep": "k", "project/bin": "-> ../data"}.write(t, root)
	s := stage(t, tree{"app": "x"}, filepath.Join(root, "project/bin"))
	commit1(t, s, Move{From: ".", Dest: filepath.Join(root, "project/bin")})
	must(t, s.Close())
	equal(t, list(t, root), "drwxr-xr-x data\n-rw-r--r-- data/app \"x\"\n-rw-r--r-- data/keep \"k\" old\ndrwxr-xr-x project\nLrwxrwxrwx project/bin -> ../data\n")
}

// A live run's staging folder must survive the start of another run, and its own commit must still work.
func TestLiveRunIsLeftAlone(t *testing.T) {
	root := t.TempDir()
	bin := filepath.Join(root, "bin")
	first := stage(t, tree{"app": "first"}, bin)
	second := stage(t, tree{"app": "second"}, bin)
	commit1(t, second, Move{From: ".", Dest: bin})
	must(t, second.Close())
	if !isDir(first.Dir()) {
		t.Fatal("the staging folder of a live run was removed")
	}
	commit1(t, first, Move{From: ".", Dest: bin})
	must(t, first.Close())
	equal(t, list(t, root), "drwxr-xr-x bin\n-rw-r--r-- bin/app \"first\"\n")
}

// Many runs start and end at once; none may remove the folder of another one.
func TestManyRunsAtOnce(t *testing.T) {
	root, state := t.TempDir(), t.TempDir()
	errs := make(chan error)
	const runs, rounds = 8, 20
	for i := range runs {
		go func() {
			dest := filepath.Join(root, fmt.Sprint("bin", i))
			for range rounds {
				s, err := NewStaging(state, []string{dest}, Owner{})
				if err == nil {
					err = os.WriteFile(filepath.Join(s.Dir(), "f"), []byte("x"), 0o644)
				}
				if err == nil {
					_, err = s.Commit([]Move{{From: ".", Dest: dest}})
				}
				if err == nil {
					err = s.Close()
				}
				if err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range runs {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	entries, err := os.ReadDir(root)
	must(t, err)
	if len(entries) != runs {
		t.Errorf("left behind:\n%s", list(t, root))
	}
}

func TestOwnerFromEnv(t *testing.T) {
	env := func(uid, gid string) func(string) string {
		return func(k string) string { return map[string]string{"SUDO_UID": uid, "SUDO_GID": gid}[k] }
	}
	for _, tt := range []struct {
		uid, gid string
		euid     int
		want     Owner
	}{
		{"1000", "1001", 0, Owner{1000, 1001, true}},
		{"1000", "1000", 1000, Owner{}}, // not root any more: sudo -u
		{"", "", 0, Owner{}},
		{"0", "0", 0, Owner{}},
		{"x", "1000", 0, Owner{}},
		{"1000", "-1", 0, Owner{}},
	} {
		if got := OwnerFromEnv(env(tt.uid, tt.gid), tt.euid); got != tt.want {
			t.Errorf("%+v: got %+v", tt, got)
		}
	}
}

// runChild runs this test binary as a child and returns the lines it printed.
func runChild(t *testing.T, bin string, sys func(*osexec.Cmd), env ...string) []string {
	t.Helper()
	cmd := osexec.Command(bin)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = os.Stderr
	if sys != nil {
		sys(cmd)
	}
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	var lines []string
	for sc := bufio.NewScanner(out); sc.Scan(); {
		lines = append(lines, sc.Text())
	}
	_ = cmd.Wait() // it may have killed itself
	return lines
}

// childReadOnly runs as an ordinary user: destinations that cannot be written, each printed with its error.
func childReadOnly() {
	root := os.Getenv("OUTPUT_TEST_ROOT")
	for _, dest := range []string{"ro/new", "ro/bin", "w/ro", "ro/w"} {
		s, err := NewStaging(os.Getenv("OUTPUT_TEST_STATE"), []string{filepath.Join(root, dest)}, Owner{})
		if err == nil {
			err = os.WriteFile(filepath.Join(s.Dir(), "app"), []byte("x"), 0o644)
		}
		if err == nil {
			_, err = s.Commit([]Move{{From: ".", Dest: filepath.Join(root, dest)}})
			if err2 := s.Close(); err == nil {
				err = err2
			}
		}
		fmt.Printf("%s: %v\n", dest, err)
	}
}
