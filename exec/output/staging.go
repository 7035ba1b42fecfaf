// Package output puts the files of a build where the user wants them, all of them or none.
//
// In: folders that a build filled, and the destination folders they belong to. Out: the destinations, with every
// file that differs replaced. Start with [NewStaging]; [Check] tells whether an executable suits its platform.
//
// Promised: a destination is not touched before [Staging.Commit], and by Commit only after everything that can be known
// to fail was looked at. Commit then writes a journal and renames file by file. A process that is killed before the
// journal is complete leaves the destination as it was; one that is killed later leaves a journal that the next
// [NewStaging] for an overlapping destination carries out to the end. Files with the same content and mode are not
// touched, so their time stamps stay. Files that the build did not make are never changed or removed.
//
// Not promised: the loss of power in the middle of a rename, and two runs that commit to one folder at the same moment
// (each file is then whole, but the set may be mixed).
package output

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/gofrs/flock"
)

// The names inside a staging folder.
const (
	stagePrefix  = ".xbuild-stage-"
	lockName     = "lock"         // held by the process that works here
	filesName    = "files"        // what the build writes
	copiesName   = "copies"       // files that cannot be renamed from where they are
	journalName  = "journal.json" // there from the commit point until the work is done
	primaryName  = "primary"      // in an annex: the path of the staging folder that it belongs to
	privatePerm  = 0o700
	createdPerm  = 0o755
	claimRetries = 100
)

// Staging is a folder beside the destinations, into which results are received before any of them is touched. It is
// not safe for concurrent use, except that anything may write into [Staging.Dir] until Commit is called.
type Staging struct {
	main    *folder
	annexes []*folder // beside the destinations that have another parent, or lie on another file system
	dests   []string  // absolute, without symbolic links
	owner   Owner
	made    []string // folders that were created to hold staging folders, outermost first
	pending bool     // a journal is on disk and not done
	closed  bool
	entries [][]Entry
	hook    func(string) // called at every point where a kill is of interest; for tests
}

// folder is a staging folder that this process holds the lock of.
type folder struct {
	path string
	lock *flock.Flock
}

// NewStaging makes a staging folder for results that will go to the given destinations, which are absolute paths of
// folders, and to single files, such as archives. None of them need exist. First it completes or removes what killed runs left for them. Everything that is created,
// here and later, gets the given owner. The caller must call [Staging.Close].
func NewStaging(dests []string, owner Owner, files ...string) (*Staging, error) {
	return newStaging(dests, owner, func(string) {}, files...)
}

func newStaging(dests []string, owner Owner, hook func(string), files ...string) (*Staging, error) {
	if len(dests)+len(files) == 0 {
		return nil, errors.New("a staging folder needs at least one destination")
	}
	s := &Staging{owner: owner, hook: hook}
	for _, d := range dests {
		r, err := resolve(d)
		if err != nil {
			return nil, err
		}
		s.dests = append(s.dests, r)
	}
	for _, f := range files {
		r, err := resolveFile(f)
		if err != nil {
			return nil, err
		}
		s.dests = append(s.dests, r)
	}
	if err := recoverAll(s.dests, owner, hook); err != nil {
		return nil, err
	}
	anchor, err := s.anchor(s.dests[0])
	if err == nil {
		s.main, err = claimNew(anchor, owner)
	}
	if err == nil {
		err = mkdirOwned(s.Dir(), owner)
	}
	if err != nil {
		s.Close()
		what, first := "file", slices.Concat(dests, files)[0]
		if len(dests) > 0 {
			what = "folder"
		}
		return nil, fmt.Errorf("output %s %s cannot be written: %w", what, first, err)
	}
	return s, nil
}

// Dir is the folder to write results into. It is empty at first.
func (s *Staging) Dir() string { return filepath.Join(s.main.path, filesName) }

// Close removes the staging folder and everything that is left in it. The one thing it leaves is the journal of a
// Commit that failed halfway, for the next run to complete. A second Close does nothing.
func (s *Staging) Close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	var errs []error
	for _, f := range append(slices.Clone(s.annexes), s.main) {
		switch {
		case f == nil:
		case s.pending:
			errs = append(errs, f.lock.Close())
		default:
			errs = append(errs, f.remove())
		}
	}
	for _, d := range slices.Backward(s.made) {
		_ = os.Remove(d) // succeeds only if nothing was put there, which is what is wanted
	}
	return errors.Join(errs...)
}

// anchor returns the folder that a staging folder for dest goes into, and creates it. That is the parent of dest, so
// that nothing appears inside dest; but dest itself where its parent is on another file system or cannot be written.
func (s *Staging) anchor(dest string) (string, error) {
	parent := filepath.Dir(dest)
	made, err := mkdirAll(parent, s.owner)
	s.made = append(s.made, made...)
	if err != nil {
		return "", err
	}
	if isDir(dest) && (!sameFS(parent, dest) || writable(parent) != nil) {
		return dest, nil
	}
	return parent, nil
}

// claimNew creates a staging folder with a new name.
func claimNew(anchor string, owner Owner) (*folder, error) {
	for range claimRetries {
		f, err := claim(filepath.Join(anchor, stagePrefix+strings.ToLower(rand.Text()[:12])), owner)
		if f != nil || err != nil {
			return f, err
		}
	}
	return nil, fmt.Errorf("no staging folder could be kept in %s; other processes remove them", anchor)
}

// claim creates the staging folder at path and takes its lock. Another process that looks for the leavings of killed
// runs may see the folder before it is locked and remove it; the result is then nil.
func claim(path string, owner Owner) (*folder, error) {
	if err := os.Mkdir(path, privatePerm); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil, nil
		}
		return nil, errors.Unwrap(err) // the caller's sentence names the folder that the user knows
	}
	if err := owner.give(path); err != nil {
		_ = os.Remove(path)
		return nil, err
	}
	f, err := tryLock(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		_ = os.RemoveAll(path)
		return nil, err
	}
	if f != nil {
		err = owner.give(filepath.Join(path, lockName))
	}
	return f, err
}

// tryLock takes the lock of an existing staging folder. The result is nil if another process holds it, or held it and
// removed the folder meanwhile.
func tryLock(path string) (*folder, error) {
	name := filepath.Join(path, lockName)
	l := flock.New(name, flock.SetPermissions(0o600))
	ok, err := l.TryLock()
	if err != nil || !ok {
		_ = l.Close()
		return nil, err
	}
	held, err := l.Stat()
	if err == nil {
		var now os.FileInfo
		if now, err = os.Lstat(name); err == nil && os.SameFile(held, now) {
			return &folder{path, l}, nil
		}
	}
	_ = l.Close()
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return nil, err
}

// remove deletes the folder and gives the lock up.
func (f *folder) remove() error {
	if runtime.GOOS == "windows" { // an open file cannot be removed there
		err := f.lock.Close()
		return errors.Join(err, removeTree(f.path))
	}
	err := removeTree(f.path)
	return errors.Join(err, f.lock.Close())
}

// resolve cleans an absolute path of a folder and follows the symbolic links in the part of it that exists.
func resolve(dest string) (string, error) {
	if !filepath.IsAbs(dest) {
		return "", fmt.Errorf("output folder %q is not an absolute path", dest)
	}
	dest = filepath.Clean(dest)
	rest := ""
	for p := dest; ; p = filepath.Dir(p) {
		fi, err := os.Lstat(p)
		if errors.Is(err, fs.ErrNotExist) {
			rest = filepath.Join(filepath.Base(p), rest)
			continue
		}
		var real string
		if err == nil {
			real, err = filepath.EvalSymlinks(p)
		}
		if err != nil {
			return "", fmt.Errorf("output folder %s cannot be used: %w", dest, err)
		}
		if !fi.IsDir() && !isDir(real) {
			return "", fmt.Errorf("output folder %s cannot be used: %s is not a folder", dest, p)
		}
		return filepath.Join(real, rest), nil
	}
}

// resolveFile is resolve for the path of a file, whose last part is taken as it is.
func resolveFile(path string) (string, error) {
	if !filepath.IsAbs(path) {
		return "", fmt.Errorf("output file %q is not an absolute path", path)
	}
	if isDir(path) {
		return "", fmt.Errorf("output file %s cannot be written: it is a folder", path)
	}
	dir, err := resolve(filepath.Dir(path))
	return filepath.Join(dir, filepath.Base(path)), err
}
