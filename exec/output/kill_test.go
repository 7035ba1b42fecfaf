package output

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The old state of a destination, what a run makes, and the new state. Two destinations with different parents, new and
// existing folders, an unchanged file, a link and a foreign file take part.
var (
	killBefore = tree{"p/bin/a": "old", "p/bin/keep": "k", "p/bin/same": "s", "q/x": "old"}
	killMade   = tree{"m/a": "0755 new", "m/same": "s", "m/d/e/f": "f", "m/ro/g": "g", "m/ln": "-> a", "n/x": "new", "n/y": "y"}
	killMoves  = []Move{{From: "m", Dest: "p/bin"}, {From: "n", Dest: "q"}, {From: "n", Dest: "r/s"}}
)

const killAfter = `drwxr-xr-x p
drwxr-xr-x p/bin
-rwxr-xr-x p/bin/a "new"
drwxr-xr-x p/bin/d
drwxr-xr-x p/bin/d/e
-rw-r--r-- p/bin/d/e/f "f"
-rw-r--r-- p/bin/keep "k" old
Lrwxrwxrwx p/bin/ln -> a
dr-xr-xr-x p/bin/ro
-rw-r--r-- p/bin/ro/g "g"
-rw-r--r-- p/bin/same "s" old
drwxr-xr-x q
-rw-r--r-- q/x "new"
-rw-r--r-- q/y "y"
drwxr-xr-x r
drwxr-xr-x r/s
-rw-r--r-- r/s/x "new"
-rw-r--r-- r/s/y "y"
`

func killDests(root string) []string {
	return []string{filepath.Join(root, "p/bin"), filepath.Join(root, "q"), filepath.Join(root, "r/s")}
}

// runCommit runs childCommit with a state directory, to be killed at a point.
func runCommit(t *testing.T, self, root, state string, kill int) []string {
	t.Helper()
	return runChild(t, self, nil, "OUTPUT_TEST_CHILD=commit", "OUTPUT_TEST_ROOT="+root, "OUTPUT_TEST_STATE="+state, fmt.Sprint("OUTPUT_TEST_KILL=", kill))
}

// childCommit makes a Staging for the destinations below OUTPUT_TEST_ROOT, and commits. It prints the name of every
// hook that it passes and kills itself at the one whose number is OUTPUT_TEST_KILL.
func childCommit() {
	var kill int
	fmt.Sscan(os.Getenv("OUTPUT_TEST_KILL"), &kill)
	n := 0
	hook := func(name string) {
		fmt.Println(name)
		if n == kill {
			self, _ := os.FindProcess(os.Getpid())
			_ = self.Kill()
			select {}
		}
		n++
	}
	if err := commitKillMoves(os.Getenv("OUTPUT_TEST_ROOT"), hook); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("end")
}

func commitKillMoves(root string, hook func(string)) error {
	s, err := newStaging(os.Getenv("OUTPUT_TEST_STATE"), killDests(root), Owner{}, hook)
	if err != nil {
		return err
	}
	defer s.Close()
	hook("staging")
	for name, content := range killMade {
		path := filepath.Join(s.Dir(), name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if target, ok := strings.CutPrefix(content, "-> "); ok {
			err = os.Symlink(target, path)
		} else if text, ok := strings.CutPrefix(content, "0755 "); ok {
			err = os.WriteFile(path, []byte(text), 0o755)
		} else {
			err = os.WriteFile(path, []byte(content), 0o644)
		}
		if err != nil {
			return err
		}
	}
	if err := os.Chmod(filepath.Join(s.Dir(), "m/ro"), 0o555); err != nil {
		return err
	}
	moves := slices.Clone(killMoves)
	for i := range moves {
		moves[i].Dest = filepath.Join(root, moves[i].Dest)
	}
	_, err = s.Commit(moves)
	return err
}

// A run is killed at every point in turn. Before the commit point the old set stands, after it the next run completes
// the new one, also if that run is killed while it does so.
func TestKilledAtEveryPoint(t *testing.T) {
	self, err := os.Executable()
	must(t, err)
	for kill := 0; ; kill++ {
		root, state := t.TempDir(), t.TempDir()
		killBefore.write(t, root)
		before := list(t, root)
		said := runCommit(t, self, root, state, kill)
		if len(said) == 0 {
			t.Fatal("the child said nothing")
		}
		if said[len(said)-1] == "end" {
			equal(t, list(t, root), killAfter)
			if !slices.Contains(said, "renamed") || kill < 15 {
				t.Fatalf("only %d points were tried: %v", kill, said)
			}
			return
		}
		if len(said) != kill+1 {
			t.Fatalf("killed at %d, but it passed %v", kill, said)
		}
		committed := slices.Contains(said, "committed")
		if !committed {
			equal(t, withoutStages(list(t, root)), withParents(before))
		}
		recoverAgain(t, self, root, state, before, committed)
	}
}

// recoverAgain starts the next run, in one of the ways that there are, and looks at the outcome.
func recoverAgain(t *testing.T, self, root, state, before string, committed bool) {
	t.Helper()
	want := withParents(before)
	if committed {
		want = killAfter
		// A run that is killed in the middle of completing, then another one.
		runCommit(t, self, root, state, 1)
	}
	if len(before)%2 == 0 || committed { // a run of which nothing changed writes nothing
		if errs := Recover(state, Owner{}); len(errs) > 0 {
			t.Error(errs)
		}
		equal(t, withParents(list(t, root)), want)
	}
	for _, dest := range killDests(root)[1:] {
		s, err := NewStaging(state, []string{dest}, Owner{})
		must(t, err)
		must(t, s.Close())
	}
	s, err := NewStaging(state, killDests(root), Owner{})
	must(t, err)
	if len(s.Warnings()) > 0 {
		t.Error(s.Warnings())
	}
	must(t, s.Close())
	equal(t, withParents(list(t, root)), want)
	if left := pages(state); len(left) > 0 {
		t.Errorf("journals are left: %v", left)
	}
}

// withoutStages leaves staging folders out of a listing.
func withoutStages(listing string) string {
	var b strings.Builder
	for line := range strings.Lines(listing) {
		if !strings.Contains(line, StagePrefix) {
			b.WriteString(line)
		}
	}
	return withParents(b.String())
}

// withParents adds the folder "r" that was made to hold a staging folder: a killed run may leave it, empty.
func withParents(listing string) string {
	if strings.Contains(listing, "drwxr-xr-x r\n") {
		return listing
	}
	return listing + "drwxr-xr-x r\n"
}

// A project that is moved between the kill and the next run keeps its staging folder, which is said; nothing of it is written.
func TestKilledThenMoved(t *testing.T) {
	self, err := os.Executable()
	must(t, err)
	top, state := t.TempDir(), t.TempDir()
	root := filepath.Join(top, "here")
	killBefore.write(t, root)
	said := runCommit(t, self, root, state, 10)
	if !slices.Contains(said, "committed") {
		t.Fatalf("killed too early: %v", said)
	}
	moved := filepath.Join(top, "there")
	must(t, os.Rename(root, moved))
	before := list(t, moved)
	s, err := NewStaging(state, killDests(moved), Owner{})
	must(t, err)
	if got := strings.Join(s.Warnings(), "\n"); len(s.Warnings()) != 1 || !strings.Contains(got, "rm -r "+filepath.Join(moved, "p", StagePrefix)) {
		t.Errorf("got %q", got)
	}
	must(t, s.Close())
	equal(t, list(t, moved), before)
	if _, err := os.Lstat(root); err == nil {
		t.Error("the old place of the project was written to")
	}
}

// A journal that cannot be carried out is an error that says what to do, and stays.
func TestBlockedRecovery(t *testing.T) {
	self, err := os.Executable()
	must(t, err)
	root, state := t.TempDir(), t.TempDir()
	killBefore.write(t, root)
	for kill := 0; ; kill++ {
		if said := runCommit(t, self, root, state, kill); said[len(said)-1] == "committed" {
			break
		}
	}
	must(t, os.Remove(filepath.Join(root, "q/x")))
	tree{"q/x/y": "in the way"}.write(t, root)
	_, err = NewStaging(state, killDests(root), Owner{})
	if err == nil || !strings.Contains(err.Error(), filepath.Join(root, "q/x")) || !strings.Contains(err.Error(), "remove the cause and run again") {
		t.Errorf("got %v", err)
	}
	if errs := Recover(state, Owner{}); len(errs) != 1 {
		t.Errorf("got %v", errs)
	}
	s, err := NewStaging(state, []string{filepath.Join(t.TempDir(), "elsewhere")}, Owner{})
	must(t, err) // which is not in the way of others
	must(t, s.Close())
	must(t, os.RemoveAll(filepath.Join(root, "q/x")))
	s, err = NewStaging(state, killDests(root), Owner{})
	must(t, err)
	must(t, s.Close())
	equal(t, list(t, root), killAfter)
}
