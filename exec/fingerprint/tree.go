package fingerprint

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"github.com/xbuild/xbuild/exec/output"
	"github.com/xbuild/xbuild/internal/regular"
)

// stamp is what a file is known by.
type stamp struct {
	Mode  uint32
	Size  int64
	MTime int64 // nanoseconds
	CTime int64
	Inode uint64
	Dev   uint64
}

// append adds the stamp to what is hashed.
func (s *stamp) append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, s.Mode)
	for _, v := range []uint64{uint64(s.Size), uint64(s.MTime), uint64(s.CTime), s.Inode, s.Dev} {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	return b
}

// tree is a directory as it was found.
type tree struct {
	digest [sha256.Size]byte
	// newest is the latest change time of a file.
	newest int64
	// directories identifies the times of all directories, newestFolder is the latest of them. They tell that a file came and went.
	folders      [sha256.Size]byte
	newestFolder int64
	err          error // why it cannot be looked at, or not be trusted
}

// errUntrusted says that a file system may change a file without another change time.
var errUntrusted = errors.New("it is on a file system whose time stamps are not reliable enough")

// walker looks at one directory, with several goroutines.
type walker struct {
	root   string
	state  string                         // below root; empty if it is not there
	ignore *patternmatcher.PatternMatcher // nil: nothing is ignored
	slots  chan struct{}                  // for goroutines beside the first

	mu    sync.Mutex
	found tree
	devs  map[uint64]bool // file systems, true for those to be trusted
}

// look reads a directory and all below it but what the ignore file excludes, and xbuild's own directory, state.
func look(root string, ignoreText []byte, state string) tree {
	patterns, err := ignorefile.ReadAll(bytes.NewReader(ignoreText))
	if err != nil {
		return tree{err: fmt.Errorf("its ignore file cannot be parsed: %w", err)}
	}
	w := &walker{root: root, state: output.StateIn(state, root), slots: make(chan struct{}, 2*runtime.GOMAXPROCS(0)), devs: map[uint64]bool{}}
	if len(patterns) > 0 {
		if w.ignore, err = patternmatcher.New(patterns); err != nil {
			return tree{err: fmt.Errorf("its ignore file cannot be used: %w", err)}
		}
	}
	top, err := stampOf(root + string(filepath.Separator)) // of what a link leads to
	if err != nil {
		return tree{err: err}
	}
	w.saw("", &top)
	digest, _ := w.folder("", patternmatcher.MatchInfo{}, false)
	w.found.digest = digest
	return w.found
}

// saw notes the times of a directory. The order does not count.
func (w *walker) saw(rel string, s *stamp) {
	sum := hashOf(rel, string(s.append(nil)))
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range sum {
		w.found.folders[i] ^= sum[i]
	}
	w.found.newestFolder = max(w.found.newestFolder, s.CTime, s.MTime)
}

func (w *walker) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.found.err == nil {
		w.found.err = err
	}
}

// child is an entry of a directory.
type child struct {
	name   string
	stamp  stamp
	folder bool
	link   bool
	info   patternmatcher.MatchInfo
	out    bool // the ignore file excludes it; of a directory something may be left in it
	digest [sha256.Size]byte
	empty  bool
}

// directory hashes the entries of one directory, by name. empty reports that nothing is in it that counts.
func (w *walker) folder(rel string, info patternmatcher.MatchInfo, out bool) (digest [sha256.Size]byte, empty bool) {
	path := filepath.Join(w.root, rel)
	children, err := list(path, rel == "")
	if err != nil {
		w.fail(err)
		return digest, true
	}
	children = slices.DeleteFunc(children, func(c child) bool {
		return output.IsStaging(c.name) || w.state != "" && filepath.Join(rel, c.name) == w.state
	})
	slices.SortFunc(children, func(a, b child) int { return cmpString(a.name, b.name) })
	var group sync.WaitGroup
	var dev uint64 // the last one that was trusted
	for i := range children {
		c := &children[i]
		at := filepath.Join(rel, c.name)
		if err := w.judge(c, at, info); err != nil {
			w.fail(err)
			break
		}
		if c.out && (!c.folder || !w.ignore.Exclusions()) {
			continue
		}
		if c.stamp.Dev != dev || i == 0 {
			if err := w.trust(path, c); err != nil {
				w.fail(err)
				break
			}
			dev = c.stamp.Dev
		}
		if !c.folder {
			continue
		}
		w.saw(at, &c.stamp)
		visit := func() { c.digest, c.empty = w.folder(at, c.info, c.out) }
		select {
		case w.slots <- struct{}{}:
			group.Go(func() { visit(); <-w.slots })
		default:
			visit()
		}
	}
	group.Wait()
	return w.sum(children)
}

// judge asks the ignore file about an entry.
func (w *walker) judge(c *child, at string, parent patternmatcher.MatchInfo) (err error) {
	if w.ignore != nil {
		w.mu.Lock() // the matcher compiles its patterns when it first needs them
		defer w.mu.Unlock()
		c.out, c.info, err = w.ignore.MatchesUsingParentResults(filepath.ToSlash(at), parent)
	}
	return err
}

// sum hashes what counts of the entries of a directory. Times of directories do not: what is in them tells.
func (w *walker) sum(children []child) (digest [sha256.Size]byte, empty bool) {
	var newest int64
	buf := make([]byte, 0, len(children)*64)
	for i := range children {
		c := &children[i]
		if c.out && (!c.folder || !w.ignore.Exclusions() || c.empty) {
			continue
		}
		buf = binary.LittleEndian.AppendUint32(buf, uint32(len(c.name)))
		buf = append(buf, c.name...)
		if c.folder {
			buf = binary.LittleEndian.AppendUint32(buf, c.stamp.Mode)
			buf = append(buf, c.digest[:]...)
			continue
		}
		buf = c.stamp.append(buf)
		newest = max(newest, c.stamp.CTime)
	}
	w.mu.Lock()
	w.found.newest = max(w.found.newest, newest)
	w.mu.Unlock()
	return sha256.Sum256(buf), len(buf) == 0
}

// trust refuses file systems that are not to be trusted. An entry may lie on another one than its directory.
func (w *walker) trust(folder string, c *child) error {
	path := filepath.Join(folder, c.name)
	if c.link {
		path = folder
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	ok, known := w.devs[c.stamp.Dev]
	if !known {
		ok = trusted(path)
		w.devs[c.stamp.Dev] = ok
	}
	if !ok {
		return fmt.Errorf("%s: %w", path, errUntrusted)
	}
	return nil
}

func cmpString(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// ignoreText is the text of the ignore file that holds for a context: the Dockerfile's own one if there is one, else that
// of the directory.
func ignoreText(dir, dockerfile string) ([]byte, error) {
	if dockerfile != "" {
		text, err := regular.ReadFile(dockerfile + ".dockerignore")
		if err == nil || !errors.Is(err, os.ErrNotExist) {
			return text, err
		}
	}
	text, err := regular.ReadFile(filepath.Join(dir, ".dockerignore"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return text, err
}

// racy is how long a file must have been left alone before it was looked at. Change times come from a clock that stands
// still for up to 10 ms, on old file systems for a second; within that time a second change leaves no trace.
const racy = 2 * time.Second
