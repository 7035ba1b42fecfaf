//go:build linux

package buildkit

import (
	"crypto/rand"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/schema"
)

// moved are instructions whose folders can travel with others.
var moved = []string{
	"COPY a /", "COPY a b /dst/", "COPY d /", "COPY d/ /x", "COPY d/sub/e a /y/", "COPY *.txt /", "COPY d/*.txt /z/", "COPY d?r /q/", "COPY /a /abs",
	"COPY d/sub/../f.txt /", "ADD a /added", "COPY --chmod=600 a /", "COPY --chown=1:2 d /", "COPY --link a /", "COPY [ \"a\", \"w s\", \"/\" ]",
	"COPY a /\nCOPY b /\nCOPY a /again",
}

// unmoved are instructions whose folders cannot.
var unmoved = []string{
	"COPY . /", "COPY / /x", "COPY d/.. /y", "COPY ./ /z", "COPY a /\nCOPY . /z",
	"COPY tool /\nRUN --mount=type=bind,source=d,target=/mnt [\"/tool\", \"copy\", \"/mnt/f.txt\", \"/f\"]",
}

// owners makes a target with a folder of its own for each instruction and returns their names. Contents differ by salt.
func (p *project) owners(salt string, instructions []string) []string {
	var out []string
	for i, text := range instructions {
		name := fmt.Sprintf("%s%d", salt, i)
		for file, content := range map[string]string{"a": "A", "b": "B", "t.txt": "T", "w s": "W", "d/f.txt": "F", "d/sub/e": "E", "dir/g": "G", ".dockerignore": "d/skipped\n",
			"d/skipped": "no"} {
			p.write(name+"/"+file, content+salt)
		}
		p.writeTool(name + "/tool")
		p.target(name, "linux/amd64", func(b *schema.Build) {
			b.Context, b.Outputs, b.DockerfileInline = filepath.Join(p.dir, name), p.local("out/"+name), "FROM scratch\n"+text+"\n"
		})
		out = append(out, name)
	}
	return out
}

// wantCopies checks how many folders the daemon has got copies of since a moment ago. It lists them a little after the run.
func (p *project) wantCopies(before map[string]bool, want int) {
	p.t.Helper()
	right := 0
	for began := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		now := p.copies()
		maps.DeleteFunc(now, func(name string, _ bool) bool { return before[name] })
		if len(now) != want {
			right = 0
		} else if right++; right == 3 {
			return
		}
		if time.Since(began) > time.Minute {
			p.t.Errorf("the daemon has got %d folders, want %d: %v", len(now), want, slices.Collect(maps.Keys(now)))
			return
		}
	}
}

// copies are the folders that the daemon has copies of.
func (p *project) copies() map[string]bool {
	p.t.Helper()
	usage, err := p.b.client.DiskUsage(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	out := map[string]bool{}
	for _, u := range usage {
		if u.RecordType == client.UsageRecordTypeLocalSource {
			out[u.Description] = true
		}
	}
	return out
}

// TestFoldersTravelTogether builds targets with folders of their own, all at once and one by one: what either has built the other
// finds in the cache, and the files are the same.
func TestFoldersTravelTogether(t *testing.T) {
	for _, tc := range []struct {
		name         string
		instructions []string
		copies       int // of folders that the daemon gets from a run of all
	}{{"moved", moved, 1}, {"unmoved", unmoved, len(unmoved)}} {
		t.Run(tc.name, func(t *testing.T) {
			p := newProject(t, nil)
			salt := "S" + rand.Text()[:8]
			together := p.owners(salt+"t", tc.instructions)
			apart := p.owners(salt+"a", tc.instructions)

			before := p.copies()
			p.mustRun(together...)
			p.wantCopies(before, tc.copies)
			for _, name := range together {
				first := p.tree("out/" + name)
				if err := os.RemoveAll(filepath.Join(p.dir, "out", name)); err != nil {
					t.Fatal(err)
				}
				p.mustRun(name).wantCached(t, name)
				if second := p.tree("out/" + name); len(first) == 0 || !maps.Equal(first, second) {
					t.Errorf("%s: together %v, alone %v", name, first, second)
				}
			}
			for _, name := range apart {
				p.mustRun(name)
			}
			p.mustRun(apart...).wantCached(t, "all of them")
		})
	}
}

// TestFoldersThatTravelAlone looks at folders that are not like those of [moved], although the instruction is.
func TestFoldersThatTravelAlone(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, dir string) error{
		"link": func(_ *testing.T, dir string) error {
			return os.Symlink("../../other/a", filepath.Join(dir, "d", "link"))
		},
		"many": func(_ *testing.T, dir string) error { return writeMany(filepath.Join(dir, "d"), smallEntries) },
		"large": func(_ *testing.T, dir string) error {
			return os.WriteFile(filepath.Join(dir, "d", "big"), make([]byte, smallBytes), 0o644)
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProject(t, nil)
			targets := p.owners("S"+rand.Text()[:8], []string{"COPY d /", "COPY d /x", "COPY d /y"})
			if err := change(t, filepath.Join(p.dir, targets[0])); err != nil {
				t.Fatal(err)
			}
			before := p.copies()
			p.mustRun(targets...)
			p.wantCopies(before, 2) // of the first target, and of the others
		})
	}
}

// TestFileIsNotThere reads what is said of a file that does not exist in a folder that travels with others.
func TestFileIsNotThere(t *testing.T) {
	p := newProject(t, nil)
	targets := p.owners("missing", []string{"COPY nope /", "COPY nope /"})
	o := p.runWith(timeout(t, time.Minute), p.plan(targets...), exec.Options{KeepGoing: true}, nil)
	fs := o.failures(t)
	if len(fs) != 2 {
		t.Fatalf("%d failures, want one of each target: %v", len(fs), o.err)
	}
	for _, f := range fs {
		want := `"/nope": not found in the context ` + filepath.Join(p.dir, f.Uses[0].Target) + "; an ignore file may exclude it"
		if f.Err.Error() != want || f.At == nil {
			t.Errorf("got  %s\nwant %s", f.Err, want)
		}
	}
	for _, e := range o.events {
		if strings.Contains(e.Err+e.Name+string(e.Data), bundleMark) {
			t.Errorf("an event shows how folders travel: %+v", e)
		}
	}
}

// TestApart checks of operations whether the folder that they read can be moved.
func TestApart(t *testing.T) {
	folder := llb.Local("x", llb.FollowPaths([]string{"a"}))
	image := llb.Image("docker.io/library/alpine:3.22")
	for name, tc := range map[string]struct {
		st    llb.State
		apart bool
	}{
		"copy":            {llb.Scratch().File(llb.Copy(folder, "/a", "/")), false},
		"onto an image":   {image.File(llb.Copy(folder, "/a", "/")), false},
		"the whole":       {llb.Scratch().File(llb.Copy(folder, "/", "/")), true},
		"relative":        {llb.Scratch().File(llb.Copy(folder, "a", "/")), false}, // the client roots it
		"include":         {llb.Scratch().File(llb.Copy(folder, "/a", "/", &llb.CopyInfo{IncludePatterns: []string{"*.c"}})), true},
		"exclude":         {llb.Scratch().File(llb.Copy(folder, "/a", "/", &llb.CopyInfo{ExcludePatterns: []string{"*.c"}})), true},
		"onto the folder": {folder.File(llb.Mkdir("/x", 0o755)), true},
		"its own copy":    {folder.File(llb.Copy(folder, "/a", "/b")), true},
		"the result":      {folder, true},
		"a mount":         {image.Run(llb.Shlex("true"), llb.AddMount("/src", folder)).Root(), true},
		"a merge":         {llb.Merge([]llb.State{image, folder}), true},
		"both ways":       {llb.Merge([]llb.State{llb.Scratch().File(llb.Copy(folder, "/a", "/")), folder}), true},
	} {
		t.Run(name, func(t *testing.T) {
			def, err := tc.st.Marshal(t.Context(), llb.LinuxAmd64)
			if err != nil {
				t.Fatal(err)
			}
			l := newLocals("s", newDirSource(""))
			if err := l.collect(def, true); err != nil {
				t.Fatal(err)
			}
			if len(l.folders) != 1 {
				t.Fatalf("%d folders, want 1", len(l.folders))
			}
			for _, f := range l.folders {
				if f.apart != tc.apart {
					t.Errorf("apart = %v, want %v", f.apart, tc.apart)
				}
			}
		})
	}
}

// TestPathsOfAllBuilds looks at what a run serves of a folder that several builds read: the paths of all, and another step where
// paths were added after the first was asked for.
func TestPathsOfAllBuilds(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a", "b", "c", "left-out"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	l := newLocals("s", newDirSource(""))
	name, err := l.dirs.add(dir)
	if err != nil {
		t.Fatal(err)
	}
	read := func(paths ...string) *llb.Definition {
		st := llb.Local(name, llb.SessionID("of the converter"), llb.FollowPaths(paths), llb.ExcludePatterns([]string{"left-out"}))
		def, err := llb.Scratch().File(llb.Copy(st, paths[0], "/")).Marshal(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return def
	}
	source := func(def *llb.Definition) *pb.SourceOp {
		def, err := l.rewrite(def, nil)
		if err != nil {
			t.Fatal(err)
		}
		var op pb.Op
		if err := op.UnmarshalVT(def.Def[0]); err != nil {
			t.Fatal(err)
		}
		return op.GetSource()
	}
	served := func(src *pb.SourceOp) []string {
		f, ok := l.dirs.LookupDir(strings.TrimPrefix(src.Identifier, "local://"))
		if !ok {
			t.Fatalf("%s is not served", src.Identifier)
		}
		var out []string
		if err := f.Walk(t.Context(), "", func(path string, _ os.DirEntry, err error) error { out = append(out, path); return err }); err != nil {
			t.Fatal(err)
		}
		return out
	}
	one, two, three := read("a"), read("b", "left-out"), read("c")
	for _, def := range []*llb.Definition{one, two} {
		if err := l.collect(def, true); err != nil {
			t.Fatal(err)
		}
	}
	first, second := source(one), source(two)
	if !first.EqualVT(second) {
		t.Errorf("two builds read a folder by two steps: %v and %v", first, second)
	}
	if got := served(first); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("served are %v, want a and b", got)
	}
	if err := l.collect(three, true); err != nil {
		t.Fatal(err)
	}
	third := source(three)
	if third.Identifier != first.Identifier || third.EqualVT(first) {
		t.Errorf("a later build with more paths reads by %v, want another step than %v of the same name", third, first)
	}
	again, err := l.rewrite(one, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.collect(again, true); err != nil {
		t.Fatal(err)
	}
	if fourth := source(again); !fourth.EqualVT(third) {
		t.Errorf("a common step becomes %v, want it to stay as it is", fourth)
	}
	if got := served(third); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("served are %v, want a, b and c", got)
	}
}

func writeMany(dir string, n int) error {
	for i := range n {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint("f", i)), nil, 0o644); err != nil {
			return err
		}
	}
	return nil
}
