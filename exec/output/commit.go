package output

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Move says where a part of the results belongs.
type Move struct {
	// Of names who made the content. Where moves of several makers have one path, the last move is kept; two files of one
	// maker at one path are an error.
	Of string
	// From is a folder, or with File a file, relative to [Staging.Dir]; Commit uses it up. Two moves of one Commit may
	// name the same one.
	From string
	// Dest is the absolute folder that its content goes to: one of the destinations that [NewStaging] was given, or a
	// folder below one. It need not exist. With File it is the path of the file.
	Dest string
	File bool
	// Whole gives the destination folder itself the mode and the time of From.
	Whole bool
}

// Result tells what one [Move] did.
type Result struct {
	Files int   // files and links in the result
	Bytes int64 // size of the files in the result
	// Changed is how many files were written; the others were there already.
	Changed int
}

// Entries are the files, links and folders of what was committed, one list a move.
func (s *Staging) Entries() [][]Entry { return s.entries }

// Entry is one path of a result.
type Entry struct {
	Path string
	// Info is what was seen of the file or link right after it was put in place, or before it was found to be the same
	// already. Nil for a folder, and for a file that is gone again.
	Info   fs.FileInfo
	Folder bool
}

// Commit puts the results in place: one [Result] a move. Files are added and replaced, none is removed, and a file that
// is there already with the same content and mode is left alone. A folder of the result gets its mode, and its time if
// something in it is written; the destination itself keeps both.
//
// An error before the commit point leaves every destination as it was. After it, the error says so, and the next
// [NewStaging] for these destinations completes the work.
func (s *Staging) Commit(moves []Move) ([]Result, error) {
	if s.closed || s.pending {
		return nil, errors.New("this staging folder cannot be used any more")
	}
	// A run that was killed since NewStaging must not be completed over what is written now.
	if err := recoverFor(s.state, s.dests, s.owner, s.hook); err != nil {
		return nil, err
	}
	c := &commit{s: s, claims: map[string]claimed{}, moved: map[string]bool{}, checked: map[string]error{}}
	results := make([]Result, len(moves))
	s.entries = make([][]Entry, len(moves))
	for i, m := range slices.Backward(moves) { // the last one has precedence
		c.current, c.of = i, m.Of
		r, err := c.survey(m)
		if err != nil {
			return nil, err
		}
		results[i] = r
	}
	if err := c.prepare(); err != nil {
		return nil, fmt.Errorf("the output cannot be written: %w", err)
	}
	s.hook("prepared")
	if len(s.journal.Files) == 0 && len(s.journal.Dirs) == 0 {
		return results, nil
	}
	err := c.run()
	c.see()
	return results, err
}

// see looks at the files that were written.
func (c *commit) see() {
	for _, list := range c.s.entries {
		for i := range list {
			if list[i].Folder || list[i].Info != nil {
				continue
			}
			if fi, err := os.Lstat(list[i].Path); err == nil {
				list[i].Info = fi
			}
		}
	}
}

// entry notes a path of the move that is being surveyed.
func (c *commit) entry(e Entry) {
	c.s.entries[c.current] = append(c.s.entries[c.current], e)
}

// commit is one call of Commit, in three steps: survey looks and changes no destination, prepare makes everything
// ready in the staging folders, run does the work.
type commit struct {
	s       *Staging
	roots   []string // folders that are there, below which everything goes
	dirs    []newDir
	files   []transfer
	groups  map[fileID]*linked // files of the result that are hard links of one another
	current int                // the move that is surveyed
	of      string             // its maker
	claims  map[string]claimed // every destination path of the result
	moved   map[string]bool    // staged files that a journal entry renames away
	checked map[string]error   // folders that were tested for writing
}

// claimed says what of the result goes to a path.
type claimed struct {
	folder bool
	of     string
}

// newDir is a folder that has to be created, or that was there and gets another mode or time.
type newDir struct {
	path    string // absolute
	mode    fs.FileMode
	time    time.Time // zero for one that is not of the result
	existed bool
	// differs says that its mode is another one; touched that something in it is written.
	differs, touched bool
}

// transfer is a file that has to be written.
type transfer struct{ from, to string }

// survey compares one move with its destination and lists what has to be done.
func (c *commit) survey(m Move) (Result, error) {
	var r Result
	if !filepath.IsLocal(m.From) {
		return r, fmt.Errorf("%q is not a folder of the staging folder", m.From)
	}
	if m.File {
		return c.surveyFile(m)
	}
	dest, err := c.destination(m.Dest)
	if err != nil {
		return r, err
	}
	from := filepath.Join(c.s.Dir(), m.From)
	if !isDir(from) {
		return r, fmt.Errorf("the build made no folder %s for %s", m.From, m.Dest)
	}
	c.groups = map[fileID]*linked{}
	at := map[string]string{".": dest} // folder in the result -> where it goes
	err = filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		if IsStaging(fi.Name()) {
			return fmt.Errorf("the result for %s has %s, and names that begin with %s are those of xbuild's own folders; give it another name in the build", m.Dest, filepath.ToSlash(rel), StagePrefix)
		}
		if d.IsDir() {
			if fi.Mode()&privatePerm != privatePerm { // or its content could be neither read nor moved
				if err := os.Chmod(path, fi.Mode()|privatePerm); err != nil {
					return err
				}
			}
			if rel == "." && m.Whole {
				c.whole(dest, fi)
			}
			if rel == "." {
				return nil
			}
			at[rel], err = c.folder(dest, filepath.Join(at[filepath.Dir(rel)], fi.Name()), fi)
			if errors.Is(err, errLaterResult) {
				return fs.SkipDir
			}
			return err
		}
		r.Files++
		if fi.Mode().IsRegular() {
			r.Bytes += fi.Size()
		}
		changed, err := c.file(path, filepath.Join(at[filepath.Dir(rel)], fi.Name()), fi)
		if changed {
			r.Changed++
		}
		if errors.Is(err, errLaterResult) {
			return nil
		}
		return err
	})
	if err == nil {
		r.Changed += c.relink()
	}
	return r, err
}

// surveyFile is survey for a single file.
func (c *commit) surveyFile(m Move) (Result, error) {
	dest, err := resolveFile(m.Dest)
	if err != nil {
		return Result{}, err
	}
	if !slices.Contains(c.s.dests, dest) {
		return Result{}, fmt.Errorf("%s leads to %s, which is no output of this run", m.Dest, dest)
	}
	from := filepath.Join(c.s.Dir(), m.From)
	fi, err := os.Lstat(from)
	if err != nil || !fi.Mode().IsRegular() {
		return Result{}, fmt.Errorf("the build made no file for %s", m.Dest)
	}
	c.root(filepath.Dir(dest))
	if err := c.makeAll(filepath.Dir(dest)); err != nil {
		return Result{}, err
	}
	r := Result{Files: 1, Bytes: fi.Size()}
	changed, err := c.file(from, dest, fi)
	if changed {
		r.Changed = 1
	}
	if errors.Is(err, errLaterResult) {
		err = nil
	}
	return r, err
}

// destination resolves the folder of a move, checks it and lists the folders that are missing on the way.
func (c *commit) destination(dest string) (string, error) {
	d, err := resolve(dest)
	if err != nil {
		return "", err
	}
	ok := false
	for _, known := range c.s.dests {
		ok = ok || within(known, d)
	}
	if !ok {
		return "", fmt.Errorf("%s leads to %s, outside of the output folders of this run", dest, d)
	}
	c.root(d)
	return d, c.makeAll(d)
}

// root notes the innermost folder on the way to a destination that is there.
func (c *commit) root(dest string) {
	if dir := nearest(dest); !slices.Contains(c.roots, dir) {
		c.roots = append(c.roots, dir)
	}
}

// makeAll lists a folder and its parents as far as they are missing.
func (c *commit) makeAll(dir string) error {
	var missing []string
	for p := dir; !isDir(p); p = filepath.Dir(p) {
		missing = append(missing, p)
	}
	for i := len(missing) - 1; i >= 0; i-- {
		if err := c.newFolder(newDir{path: missing[i], mode: createdPerm}); err != nil {
			return err
		}
	}
	return nil
}

// folder handles a folder of the result that goes to path, and returns where its content goes.
func (c *commit) folder(dest, path string, staged fs.FileInfo) (string, error) {
	if was, ok := c.claims[path]; ok && !was.folder && was.of != c.of {
		return "", errLaterResult
	}
	c.entry(Entry{Path: path, Folder: true})
	fi, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return path, c.newFolder(newDir{path: path, mode: staged.Mode() & modeBits, time: staged.ModTime()})
	case err != nil:
		return "", err
	case fi.Mode()&fs.ModeSymlink != 0:
		real, err := filepath.EvalSymlinks(path)
		if err != nil || !isDir(real) {
			return "", fmt.Errorf("%s is a symbolic link that leads to no folder, and the result has a folder of that name; remove the link", path)
		}
		if !within(dest, real) {
			return "", fmt.Errorf("%s is a symbolic link to %s, outside of the output folder %s; remove the link", path, real, dest)
		}
		return real, c.claim(real, true)
	case !fi.IsDir():
		return "", fmt.Errorf("%s is a file, and the result has a folder of that name; remove the file", path)
	}
	if _, ok := c.claims[path]; !ok {
		mode := staged.Mode() & modeBits
		c.dirs = append(c.dirs, newDir{path: path, mode: mode, time: staged.ModTime(), existed: true, differs: mode != fi.Mode()&modeBits})
	}
	return path, c.claim(path, true)
}

// whole gives a destination the mode and time of the result's folder.
func (c *commit) whole(dest string, staged fs.FileInfo) {
	d := newDir{path: dest, mode: staged.Mode() & modeBits, time: staged.ModTime()}
	if i := slices.IndexFunc(c.dirs, func(d newDir) bool { return d.path == dest }); i >= 0 {
		if !c.dirs[i].time.IsZero() {
			return // a later move has given them
		}
		d.existed, d.touched = c.dirs[i].existed, c.dirs[i].touched
		c.dirs[i] = d
		return
	}
	fi, err := os.Stat(dest)
	d.existed, d.differs = true, err == nil && d.mode != fi.Mode()&modeBits
	c.dirs = append(c.dirs, d)
}

// touch notes that an entry of a folder is written.
func (c *commit) touch(dir string) {
	if i := slices.IndexFunc(c.dirs, func(d newDir) bool { return d.path == dir }); i >= 0 {
		c.dirs[i].touched = true
	}
}

func (c *commit) newFolder(d newDir) error {
	if was, ok := c.claims[d.path]; ok && was.folder {
		return nil // another move makes it
	}
	if err := c.claim(d.path, true); err != nil {
		return err
	}
	c.dirs = append(c.dirs, d)
	c.touch(filepath.Dir(d.path))
	return c.canWrite(filepath.Dir(d.path))
}

// file handles a file of the result that goes to path, and reports whether it has to be written.
func (c *commit) file(from, path string, staged fs.FileInfo) (bool, error) {
	if err := c.claim(path, false); err != nil {
		return false, err
	}
	fi, err := os.Lstat(path)
	switch {
	case err == nil && fi.IsDir():
		return false, fmt.Errorf("%s is a folder, and the result has a file of that name; remove the folder", path)
	case err == nil && sameFile(from, path, staged, fi):
		c.entry(Entry{Path: path, Info: fi})
		c.link(from, path, true)
		return false, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return false, err
	}
	c.link(from, path, false)
	c.write(from, path)
	c.entry(Entry{Path: path})
	return true, c.canWrite(filepath.Dir(path))
}

func (c *commit) write(from, path string) {
	c.files = append(c.files, transfer{from, path})
	c.touch(filepath.Dir(path))
}

// errLaterResult says that a later move of another maker has something at a path.
var errLaterResult = errors.New("a later result has this path")

// claim notes that something of the result goes to path. The error is errLaterResult if something of another maker goes there.
// Two files of one maker, or a file and a folder, cannot be at one path.
func (c *commit) claim(path string, folder bool) error {
	was, ok := c.claims[path]
	switch {
	case ok && was.folder && folder:
		return nil
	case ok && was.of != c.of:
		return errLaterResult
	case ok:
		return fmt.Errorf("two results have a file %s", path)
	}
	c.claims[path] = claimed{folder, c.of}
	return nil
}

// canWrite tests once whether an existing folder can be changed.
func (c *commit) canWrite(dir string) error {
	if c.claims[dir].folder && !isDir(dir) {
		return nil // made by this commit
	}
	err, ok := c.checked[dir]
	if !ok {
		if err = writable(dir); err != nil {
			err = fmt.Errorf("output folder %s cannot be written: %w", dir, errors.Unwrap(err))
		}
		c.checked[dir] = err
	}
	return err
}

// run passes the commit point and does the work.
func (c *commit) run() error {
	s := c.s
	s.journal.Committed = true
	if err := s.note(true); err != nil {
		s.journal.Committed = false
		return errors.Join(fmt.Errorf("the output cannot be written: %w", err), s.note(true))
	}
	s.hook("committed")
	done, err := s.journal.apply(s.hook)
	if err != nil && done == 0 {
		s.journal.undo()
		s.journal.Committed = false
		return errors.Join(fmt.Errorf("the output cannot be written: %w", err), s.note(true))
	}
	if err != nil {
		s.pending = s.page != nil
		next := "; the next run completes it"
		if !s.pending {
			next = ""
		}
		return fmt.Errorf("the output is written in part, %d of %d changed files: %w%s", done, len(s.journal.Files), err, next)
	}
	s.hook("done")
	s.journal.Committed = false
	if err := s.note(true); err != nil {
		s.pending = true
		return fmt.Errorf("the output is written, but %w", err)
	}
	return nil
}
