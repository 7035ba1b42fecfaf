// Package output puts the files of a build where the user wants them, all of them or none.
//
// In: folders that a build filled, and the destination folders they belong to. Out: the destinations, with every
// file that differs replaced. Start with [NewStaging]; [Check] tells whether an executable suits its platform.
//
// Promised: a destination is not touched before [Staging.Commit], and by Commit only after everything that can be known
// to fail was looked at. Commit then writes a journal into the state directory and renames file by file. A process that is
// killed before the journal is complete leaves the destination as it was; one that is killed later leaves a journal that
// the next [Recover] or [NewStaging] carries out to the end. Only the state directory says what is to be done: a staging
// folder that lies in a project and that no journal names is never carried out nor removed, see [Unknown]. Files with the
// same content and mode are not touched, so their time stamps stay. Files that the build did not make are never changed or
// removed, and nothing outside of the destinations is, whatever links lie in them or in the result.
//
// Not promised: the loss of power in the middle of a rename, and two runs that commit to one folder at the same moment
// (each file is then whole, but the set may be mixed).
package output

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// StagePrefix begins the names of staging folders.
const StagePrefix = ".xbuild-stage-"

// The names inside a staging folder and inside the folder of a run in the state directory.
const (
	filesName    = "files"        // what the build writes
	copiesName   = "copies"       // files that cannot be renamed from where they are
	lockName     = "lock"         // held by the process whose run it is
	journalName  = "journal.json" // there as long as there are staging folders
	privatePerm  = 0o700
	createdPerm  = 0o755
	claimRetries = 100
)

// Staging is a folder beside the destinations, into which results are received before any of them is touched. It is
// not safe for concurrent use, except that anything may write into [Staging.Dir] until Commit is called.
type Staging struct {
	state   string
	page    *page // nil if the state directory cannot be written
	journal journal
	main    *folder
	annexes []*folder // beside the destinations that have another parent, or lie on another file system
	dests   []string  // absolute, without symbolic links
	owner   Owner
	made    []string // folders that were created to hold staging folders, outermost first
	pending bool     // a journal is on disk and not done
	closed  bool
	entries [][]Entry
	hook    func(string) // called at every point where a kill is of interest; for tests

	warnings []string
}

// folder is a staging folder of this process.
type folder struct {
	path  string
	index int       // in the journal
	busy  io.Closer // shows other processes that somebody works here
}

// NewStaging makes a staging folder for results that will go to the given destinations, which are absolute paths of
// folders, and to single files, such as archives. None of them need exist. First it completes or removes what killed runs
// left. Journals are kept below the state directory. Everything that is created beside the destinations, here and later,
// gets the given owner. The caller must call [Staging.Close].
func NewStaging(state string, dests []string, owner Owner, files ...string) (*Staging, error) {
	return newStaging(state, dests, owner, func(string) {}, files...)
}

func newStaging(state string, dests []string, owner Owner, hook func(string), files ...string) (*Staging, error) {
	if len(dests)+len(files) == 0 {
		return nil, errors.New("a staging folder needs at least one destination")
	}
	s := &Staging{state: state, owner: owner, hook: hook, journal: journal{Version: journalVersion, Owner: owner}}
	if err := s.resolveAll(dests, files); err != nil {
		return nil, err
	}
	if err := recoverFor(state, s.dests, owner, hook); err != nil {
		return nil, err
	}
	for _, path := range Unknown(state, s.dests) {
		s.warnings = append(s.warnings, UnknownText(path))
	}
	var err error
	if s.page, err = newPage(state); err != nil {
		s.warnings = append(s.warnings, fmt.Sprintf("the state directory cannot be written (%v): a run that is killed while it writes its output leaves some files old and some new; "+
			"set XBUILD_STATE_DIR to a directory that can be written", err))
	}
	anchor, err := s.anchor(s.dests[0])
	if err == nil {
		s.main, err = s.claim(anchor)
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

// UnknownText is the warning about a staging folder that [Unknown] lists.
func UnknownText(path string) string {
	return fmt.Sprintf("%s has the name of a folder that a killed run leaves, but no run of this user made it here; it is left alone, and rm -r %s removes it", path, path)
}

func (s *Staging) resolveAll(dests, files []string) error {
	for _, d := range dests {
		r, err := resolve(d)
		if err != nil {
			return err
		}
		s.dests = append(s.dests, r)
	}
	for _, f := range files {
		r, err := resolveFile(f)
		if err != nil {
			return err
		}
		s.dests = append(s.dests, r)
	}
	return nil
}

// Warnings are sentences about what was found at the destinations or in the state directory.
func (s *Staging) Warnings() []string { return s.warnings }

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
		if f != nil && f.busy != nil {
			errs = append(errs, f.busy.Close())
		}
		if f != nil && !s.pending {
			errs = append(errs, removePlace(f.path, s.journal.Stages[f.index].ID))
		}
	}
	switch err := errors.Join(errs...); {
	case s.page == nil:
	case s.pending || err != nil: // the next run tries again
		errs = append(errs, s.page.release())
	default:
		errs = append(errs, s.page.remove())
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

// claim creates a staging folder with a new name. The journal names it before it is there, so that it is known for ours
// whenever this process is killed.
func (s *Staging) claim(anchor string) (*folder, error) {
	f := &folder{path: filepath.Join(anchor, StagePrefix+strings.ToLower(rand.Text()[:12])), index: len(s.journal.Stages)}
	s.journal.Stages = append(s.journal.Stages, stageRef{Path: f.path})
	if err := s.note(false); err != nil {
		return nil, err
	}
	s.hook("named")
	if err := os.Mkdir(f.path, privatePerm); err != nil {
		return nil, errors.Unwrap(err) // the caller's sentence names the folder that the user knows
	}
	s.hook("claimed")
	err := s.owner.give(f.path)
	if err == nil {
		s.journal.Stages[f.index].ID, err = identify(f.path)
	}
	if err == nil {
		err = s.note(false)
	}
	if err != nil {
		_ = os.Remove(f.path)
		return nil, err
	}
	f.busy = work(f.path)
	return f, nil
}

// note writes the journal, if there is a place for it.
func (s *Staging) note(durable bool) error {
	if s.page == nil {
		return nil
	}
	return s.journal.save(s.page.path, durable)
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

// CanWrite reports why an output cannot be written to a path, the way that [NewStaging] would, as far as that shows without
// writing. file says that it is a single file.
func CanWrite(path string, file bool) error {
	what, find := "folder", resolve
	if file {
		what, find = "file", resolveFile
	}
	dest, err := find(path)
	if err != nil {
		return err
	}
	if file {
		dest = filepath.Dir(dest)
	}
	if err := writable(nearest(dest)); err != nil {
		return fmt.Errorf("output %s %s cannot be written: %w", what, path, errors.Unwrap(err))
	}
	return nil
}
