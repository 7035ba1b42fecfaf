package output

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// plantJournals puts staging folders that xbuild did not make into a folder, in the form of every version so far. They
// would write outside if they were believed.
func plantJournals(t *testing.T, dir, outside string) []string {
	t.Helper()
	var out []string
	for i, text := range []string{
		`{"version":1,"files":[{"from":"NAME/evil","to":"OUTSIDE/planted"}]}`,
		`{"version":1,"files":[{"from":"NAME/evil","to":"../outside/planted"}]}`,
		`{"version":2,"committed":true,"stages":[{"path":"DIR/NAME","id":{"dev":0,"ino":0}}],"roots":[{"path":"OUTSIDE"}],"files":[{"from":"evil","to":"planted"}]}`,
	} {
		name := fmt.Sprintf("%strap%d", StagePrefix, i)
		text = strings.NewReplacer("NAME", name, "OUTSIDE", outside, "DIR", dir).Replace(text)
		tree{"evil": "evil", "files/evil": "evil", "lock": "", "journal.json": text}.write(t, filepath.Join(dir, name))
		out = append(out, filepath.Join(dir, name))
	}
	return out
}

// A staging folder with a journal that lies in a project, before, beside or in a destination, is neither carried out nor
// removed. It is said once, with the command that removes it.
func TestPlantedJournal(t *testing.T) {
	for _, place := range []string{"", "bin"} {
		root, outside, state := t.TempDir(), t.TempDir(), t.TempDir()
		tree{"project/bin/app": "old"}.write(t, root)
		project := filepath.Join(root, "project")
		traps := plantJournals(t, filepath.Join(project, place), outside)
		before := list(t, project)
		dest := filepath.Join(project, "bin")
		if errs := Recover(state, Owner{}); len(errs) > 0 {
			t.Error(errs)
		}
		s, err := NewStaging(state, []string{dest}, Owner{})
		must(t, err)
		got := strings.Join(s.Warnings(), "\n")
		if len(s.Warnings()) != len(traps) {
			t.Errorf("got %q", got)
		}
		for _, trap := range traps {
			if !strings.Contains(got, "rm -r "+trap) {
				t.Errorf("%s is not named in %q", trap, got)
			}
		}
		fill(t, s, tree{"m/app": "new"})
		commit1(t, s, Move{From: "m", Dest: dest})
		must(t, s.Close())
		equal(t, list(t, project), strings.Replace(before, "bin/app \"old\" old", "bin/app \"new\"", 1))
		equal(t, list(t, outside), "")
	}
}

// A journal is for the folders that it was written for, and for no others that stand there later.
func TestJournalOfOtherFolders(t *testing.T) {
	for _, tt := range []string{"stage", "destination", "link", "path"} {
		t.Run(tt, func(t *testing.T) {
			root, outside, state := t.TempDir(), t.TempDir(), t.TempDir()
			dest, stage := filepath.Join(root, "bin"), filepath.Join(root, StagePrefix+"x")
			tree{"bin/": ""}.write(t, root)
			tree{"files/app": "new"}.write(t, stage)
			sid, err := identify(stage)
			must(t, err)
			did, err := identify(dest)
			must(t, err)
			j := journal{Version: journalVersion, Committed: true, Stages: []stageRef{{stage, sid}}, Roots: []rootRef{{dest, did}},
				Files: []journalFile{{0, "files/app", 0, "app"}}}
			switch tt {
			case "stage":
				must(t, os.Rename(stage, stage+"-moved"))
				tree{"files/app": "foreign"}.write(t, stage)
			case "destination":
				must(t, os.Remove(dest))
				must(t, os.Symlink(outside, dest))
			case "link":
				j.Files[0].To = "d/app"
				must(t, os.Symlink(outside, filepath.Join(dest, "d")))
			case "path":
				j.Files[0].To = "../../app"
			}
			p, err := newPage(state)
			must(t, err)
			must(t, j.save(p.path, true))
			must(t, p.release())
			errs := Recover(state, Owner{})
			equal(t, list(t, outside), "")
			if _, err := os.Lstat(filepath.Join(root, "..", "app")); err == nil {
				t.Error("a file was written above the destination")
			}
			if data, _ := os.ReadFile(filepath.Join(stage, "files/app")); len(data) == 0 {
				t.Error("the staging folder was used up")
			}
			if refused := len(errs) == 1; refused != (tt != "stage") {
				t.Errorf("got %v", errs)
			}
		})
	}
}

func TestReservedNames(t *testing.T) {
	for _, name := range []string{StagePrefix + "abc/journal.json", "usr/" + StagePrefix + "x/f", "a/" + StagePrefix + "file"} {
		root := t.TempDir()
		dest := filepath.Join(root, "bin")
		s := stage(t, tree{"m/ok": "x", "m/" + name: "x"}, dest)
		_, err := s.Commit([]Move{{From: "m", Dest: dest}})
		if err == nil || !strings.Contains(err.Error(), "give it another name") {
			t.Errorf("%s: %v", name, err)
		}
		must(t, s.Close())
		equal(t, list(t, root), "")
	}
}

// Random results are committed to random destinations that hold links in every direction, and planted journals. Whatever
// happens, nothing outside of the destination changes.
func TestNothingOutsideChanges(t *testing.T) {
	rounds := 300
	if testing.Short() {
		rounds = 30
	}
	for seed := range rounds {
		r := rand.New(rand.NewPCG(uint64(seed), 7))
		root, state := t.TempDir(), filepath.Join(t.TempDir(), "state")
		tree{"out/secret": "s", "out/d/x": "x", "project/src/main.go": "m", "project/bin/": ""}.write(t, root)
		dest := filepath.Join(root, "project/bin")
		randomTree(t, r, dest, root)
		if r.IntN(3) == 0 {
			plantJournals(t, dest, filepath.Join(root, "out"))
		}
		if r.IntN(3) == 0 {
			plantJournals(t, filepath.Dir(dest), filepath.Join(root, "out"))
		}
		outside := func() string {
			return list(t, filepath.Join(root, "out")) + withoutBin(list(t, filepath.Join(root, "project")))
		}
		before := outside()
		s, err := NewStaging(state, []string{dest}, Owner{})
		must(t, err)
		randomTree(t, r, filepath.Join(s.Dir(), "m"), root)
		_, err = s.Commit([]Move{{From: "m", Dest: dest}})
		must(t, s.Close())
		if after := outside(); after != before {
			t.Fatalf("seed %d (%v): before:\n%s\nafter:\n%s", seed, err, before, after)
		}
		if left := pages(state); len(left) > 0 {
			t.Fatalf("seed %d (%v): journals are left: %v", seed, err, left)
		}
	}
}

func withoutBin(listing string) string {
	var b strings.Builder
	for line := range strings.Lines(listing) {
		if !strings.Contains(line, " bin/") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// randomTree fills a folder with files, folders and links of hostile names and targets.
func randomTree(t *testing.T, r *rand.Rand, dir, root string) {
	t.Helper()
	names := []string{"a", "b", "d", "e", "...", "-rf", "x\ty\r", "\x1b[2J", "..a", StagePrefix, StagePrefix + "z", "journal.json", "secret"}
	targets := []string{"..", "../..", "../../out", "/", root + "/out", root + "/out/secret", "a", "d", ".", "../src", "../../out/d", "nowhere", "/etc/passwd"}
	must(t, os.MkdirAll(dir, 0o755))
	dirs := []string{dir}
	for range 3 + r.IntN(8) {
		name := names[r.IntN(len(names))]
		if r.IntN(6) > 0 { // or nearly every result is refused
			name = names[r.IntN(9)]
		}
		path := filepath.Join(dirs[r.IntN(len(dirs))], name)
		switch r.IntN(4) { // what is there already stays
		case 0:
			_ = os.Symlink(targets[r.IntN(len(targets))], path)
		case 1:
			if os.Mkdir(path, 0o755) == nil {
				dirs = append(dirs, path)
			}
		default:
			if f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644); err == nil {
				text, err := json.Marshal(journal{Version: 1})
				must(t, err)
				_, err = f.Write(append(text, byte(r.IntN(256))))
				must(t, err)
				must(t, f.Close())
			}
		}
	}
}
