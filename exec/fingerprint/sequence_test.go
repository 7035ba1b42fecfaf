package fingerprint

import (
	"context"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/xbuild/xbuild/internal/volume"
)

// The times of the tests: long enough for the clock of change times of any kernel, short enough for thousands of steps.
const (
	testRacy = 15 * time.Millisecond
	testTick = 12 * time.Millisecond
)

// TestSequences makes random edits of everything that a build reads and writes, in random order, also while it runs. After
// each, whatever is called unchanged must be what a build would make now.
func TestSequences(t *testing.T) {
	n := volume.Of(100, 1000)
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("XBUILD_TEST_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("XBUILD_TEST_SEED=%d", seed)
	root := t.TempDir()
	var skipped, ran, failed atomic.Int64
	var group sync.WaitGroup
	slots := make(chan struct{}, 48) // most of the time each of them sleeps
	for i := range n {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			dir := filepath.Join(root, strconv.Itoa(i))
			s := &sequence{rand: rand.New(rand.NewPCG(seed, uint64(i))), project: newProject(dir)}
			s.push = i%3 == 0
			if err := s.run(); err != nil && failed.Add(1) <= 5 {
				t.Errorf("sequence %d: %v\n  %s", i, err, strings.Join(s.log, "\n  "))
			}
			skipped.Add(s.skipped)
			ran.Add(s.ran)
			if err := os.RemoveAll(dir); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	t.Logf("%d sequences: %d builds ran, %d were unchanged", n, ran.Load(), skipped.Load())
	if skipped.Load()*20 < ran.Load() {
		t.Errorf("only %d of %d builds were unchanged: the test shows little", skipped.Load(), ran.Load()+skipped.Load())
	}
}

// sequence is one run of random edits and builds.
type sequence struct {
	*project
	rand         *rand.Rand
	log          []string
	skipped, ran int64
}

func (s *sequence) run() error {
	for range 3 + s.rand.IntN(5) {
		for range s.rand.IntN(3) {
			s.edit()
		}
		if s.rand.IntN(4) > 0 {
			time.Sleep(testRacy + time.Millisecond)
		}
		if err := s.step(); err != nil {
			return err
		}
		if s.rand.IntN(2) == 0 { // and once more, with nothing done
			time.Sleep(testRacy + time.Millisecond)
			if err := s.step(); err != nil {
				return err
			}
		}
	}
	return nil
}

// step builds as the command does: what is unchanged is not built.
func (s *sequence) step() error {
	m := s.open()
	p := s.plan()
	id, err := Hash(p.Builds, s.dockerText, s.baseDigest, s.pinned, s.node)
	if err != nil {
		return err
	}
	d := m.Recall(context.Background(), id, s.world())
	if d == nil || len(d.Why) > 0 { // as the command does
		d = m.Check(context.Background(), p, id, s.world())
	}
	for _, u := range d.Unchanged {
		s.skipped++
		s.log = append(s.log, "unchanged: "+u.Platform)
		if err := s.verify(u.Platform); err != nil {
			return fmt.Errorf("%s is called unchanged, but %w", u.Platform, err)
		}
	}
	if len(d.Why) == 0 {
		return nil
	}
	for u, why := range d.Why {
		s.ran++
		s.log = append(s.log, "runs: "+u.Platform+": "+why)
	}
	planned := *s.project // a run keeps to what it was planned with, but for files and tags
	planned.args, planned.labels = maps.Clone(s.args), maps.Clone(s.labels)
	meanwhile := func() {
		if s.rand.IntN(6) == 0 {
			s.log = append(s.log, "while it runs:")
			s.edit()
		}
		if !planned.pinned {
			planned.baseDigest = s.baseDigest
		}
	}
	rep, err := planned.build(d, p.Without(d.Unchanged), meanwhile)
	if err != nil {
		return err
	}
	if s.rand.IntN(8) == 0 {
		s.log = append(s.log, "after it ran:")
		s.edit()
	}
	if s.rand.IntN(10) == 0 {
		rep.Err = fmt.Errorf("made up")
		s.log = append(s.log, "it fails in the end")
	}
	return d.Remember(rep)
}

// edit does one random thing to the project.
func (s *sequence) edit() {
	all := []func() string{
		s.write, s.write, s.sameSize, s.sameSizeSameTime, s.sameSizeSameTime, s.inPlace, s.chmod, s.rename, s.swap, s.touch, s.create, s.remove,
		s.link, s.hardLink, s.folderMode, s.moveFolder, s.ignore, s.ignore, s.ownIgnore, s.argument, s.label, s.dockerfile, s.moveTag, s.moveTag, s.pin,
		s.newProgram, s.named, s.named, s.stage, s.output, s.output, s.output, s.registry, s.emulation, s.secret,
	}
	what := all[s.rand.IntN(len(all))]()
	if what != "" {
		s.log = append(s.log, what)
	}
}

// pick is a random file below a folder; empty if there is none.
func (s *sequence) pick(dir string) string {
	var files []string
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files = append(files, path)
		}
		return nil
	})
	if len(files) == 0 {
		return ""
	}
	return files[s.rand.IntN(len(files))]
}

func (s *sequence) text(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('a' + s.rand.IntN(26))
	}
	return b
}

// did tells what was done, "" if it could not be.
func did(err error, format string, args ...any) string {
	if err != nil {
		return ""
	}
	return fmt.Sprintf(format, args...)
}

func (s *sequence) write() string {
	f := s.pick(s.context)
	if f == "" {
		return ""
	}
	return did(os.WriteFile(f, s.text(1+s.rand.IntN(20)), 0o644), "write %s", f)
}

func (s *sequence) sameSize() string {
	f := s.pick(s.context)
	st, err := os.Lstat(f)
	if err != nil {
		return ""
	}
	return did(os.WriteFile(f, s.text(int(st.Size())), 0o644), "overwrite %s with the same size", f)
}

func (s *sequence) sameSizeSameTime() string {
	return forge(s.pick(s.context), s.text)
}

// forge gives a file other content with the same size, and sets its time back.
func forge(f string, text func(int) []byte) string {
	st, err := os.Lstat(f)
	if err != nil {
		return ""
	}
	if err := os.WriteFile(f, text(int(st.Size())), 0o644); err != nil {
		return ""
	}
	return did(os.Chtimes(f, st.ModTime(), st.ModTime()), "overwrite %s with the same size and time", f)
}

func (s *sequence) inPlace() string {
	f := s.pick(s.context)
	w, err := os.OpenFile(f, os.O_WRONLY, 0)
	if err != nil {
		return ""
	}
	defer w.Close()
	_, err = w.WriteAt(s.text(1), 0)
	return did(err, "change a byte of %s", f)
}

func (s *sequence) chmod() string {
	f := s.pick(s.context)
	mode := []fs.FileMode{0o644, 0o755, 0o600}[s.rand.IntN(3)]
	return did(os.Chmod(f, mode), "chmod %o %s", mode, f)
}

func (s *sequence) rename() string {
	f := s.pick(s.context)
	to := filepath.Join(filepath.Dir(f), "r"+strconv.Itoa(s.rand.IntN(9)))
	return did(os.Rename(f, to), "rename %s to %s", f, to)
}

func (s *sequence) swap() string {
	a, b := s.pick(s.context), s.pick(s.context)
	tmp := a + ".tmp"
	if a == b || os.Rename(a, tmp) != nil || os.Rename(b, a) != nil {
		return "half a swap of " + a + " and " + b
	}
	return did(os.Rename(tmp, b), "swap %s and %s", a, b)
}

func (s *sequence) touch() string {
	f := s.pick(s.context)
	at := time.Now().Add(time.Duration(s.rand.IntN(3)-1) * time.Hour)
	return did(os.Chtimes(f, at, at), "touch %s", f)
}

func (s *sequence) folders() []string {
	dirs := []string{s.context}
	_ = filepath.WalkDir(s.context, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, path)
		}
		return nil
	})
	return dirs
}

func (s *sequence) anyFolder() string {
	dirs := s.folders()
	return dirs[s.rand.IntN(len(dirs))]
}

func (s *sequence) create() string {
	f := filepath.Join(s.anyFolder(), []string{"new", "x.log", "keep.log", "sub/deep", "main.go"}[s.rand.IntN(5)])
	if os.MkdirAll(filepath.Dir(f), 0o755) != nil {
		return ""
	}
	return did(os.WriteFile(f, s.text(4), 0o644), "create %s", f)
}

func (s *sequence) remove() string {
	f := s.pick(s.context)
	return did(os.Remove(f), "remove %s", f)
}

func (s *sequence) link() string {
	at := filepath.Join(s.anyFolder(), "link")
	_ = os.Remove(at) // it may be there
	to := []string{"a.txt", "b.txt", "nowhere", "../b"}[s.rand.IntN(4)]
	return did(os.Symlink(to, at), "link %s to %s", at, to)
}

func (s *sequence) hardLink() string {
	f := s.pick(s.context)
	at := filepath.Join(s.anyFolder(), "hard")
	_ = os.Remove(at) // it may be there
	return did(os.Link(f, at), "hard link %s to %s", at, f)
}

func (s *sequence) folderMode() string {
	d := s.anyFolder()
	mode := []fs.FileMode{0o755, 0o700}[s.rand.IntN(2)]
	return did(os.Chmod(d, mode), "chmod %o %s", mode, d)
}

func (s *sequence) moveFolder() string {
	d := s.anyFolder()
	if d == s.context {
		return ""
	}
	to := d + strconv.Itoa(s.rand.IntN(3))
	return did(os.Rename(d, to), "rename %s to %s", d, to)
}

func (s *sequence) ignore() string {
	text := []string{"", "*.log\n", "**/*.log\n!**/keep.log\n", "sub\n", "sub\n!sub/deep\n", "**/*.txt\n!a.txt\n", "*\n!main.go\n"}[s.rand.IntN(7)]
	return did(os.WriteFile(filepath.Join(s.context, ".dockerignore"), []byte(text), 0o644), "ignore %q", text)
}

func (s *sequence) ownIgnore() string {
	f := s.file + ".dockerignore"
	if s.rand.IntN(2) == 0 {
		return did(os.Remove(f), "no ignore file of the Dockerfile's own")
	}
	return did(os.WriteFile(f, []byte("b.txt\n"), 0o644), "an ignore file of the Dockerfile's own")
}

func (s *sequence) argument() string {
	s.args["V"] = strconv.Itoa(s.rand.IntN(3))
	return "argument " + s.args["V"]
}

func (s *sequence) secret() string {
	s.secretID = []string{"a", "b"}[s.rand.IntN(2)]
	return "secret " + s.secretID
}

func (s *sequence) label() string {
	s.labels["l"] = strconv.Itoa(s.rand.IntN(3))
	return "label " + s.labels["l"]
}

func (s *sequence) dockerfile() string {
	s.dockerText = "FROM base\n# " + strconv.Itoa(s.rand.IntN(3)) + "\n"
	return "another Dockerfile"
}

// moveTag lets the base be another image, sometimes one that it was before.
func (s *sequence) moveTag() string {
	s.baseDigest = "sha256:" + strings.Repeat(strconv.Itoa(s.rand.IntN(3)), 64)
	return "the base is " + s.baseDigest[:12]
}

func (s *sequence) pin() string {
	s.pinned = !s.pinned
	return fmt.Sprint("base pinned: ", s.pinned)
}

func (s *sequence) newProgram() string {
	s.program = []string{"1", "2"}[s.rand.IntN(2)]
	return "program " + s.program
}

func (s *sequence) emulation() string {
	s.node = []string{"linux/amd64", "linux/arm64"}[s.rand.IntN(2)]
	return "node " + s.node
}

func (s *sequence) stage() string {
	s.stageName = []string{"", "one", "two"}[s.rand.IntN(3)]
	return "stage " + s.stageName
}

func (s *sequence) named() string {
	f := s.pick(s.extra)
	if s.rand.IntN(3) == 0 {
		return forge(f, s.text)
	}
	return did(os.WriteFile(f, s.text(3), 0o644), "write %s in the named context", f)
}

// output does something to what a build wrote.
func (s *sequence) output() string {
	f := s.pick(s.dest)
	if f == "" {
		return ""
	}
	switch s.rand.IntN(7) {
	case 0:
		return did(os.Remove(f), "remove output %s", f)
	case 5:
		to := fmt.Sprint(s.dest, s.rand.IntN(3))
		if os.Rename(s.dest, to) != nil && os.Remove(s.dest) != nil {
			return ""
		}
		if to = fmt.Sprint(s.dest, s.rand.IntN(3)); os.MkdirAll(to, 0o755) != nil {
			return ""
		}
		return did(os.Symlink(to, s.dest), "the output folder becomes a link to %s", to)
	case 1:
		return did(os.WriteFile(f, s.text(5), 0o644), "edit output %s", f)
	case 2:
		return "output: " + forge(f, s.text)
	case 3:
		return did(os.Chmod(f, 0o700), "chmod output %s", f)
	case 4:
		if os.Rename(f, f+".moved") != nil {
			return ""
		}
		return did(os.Symlink(f+".moved", f), "output %s becomes a link", f)
	}
	return did(os.RemoveAll(filepath.Dir(f)), "remove output folder %s", filepath.Dir(f))
}

// registry does something to the tag that the build pushed.
func (s *sequence) registry() string {
	if len(s.tags) == 0 {
		return ""
	}
	if s.rand.IntN(2) == 0 {
		delete(s.tags, tagName)
		return "the tag is removed"
	}
	s.tags[tagName] = "sha256:" + hex.EncodeToString(s.text(32))
	return "the tag is moved"
}
