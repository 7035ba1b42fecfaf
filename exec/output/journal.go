package output

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// journalVersion changes when an older xbuild must not carry a journal out.
const journalVersion = 2

// journal names the staging folders of a run and, from the commit point on, lists everything that its Commit has still to
// do. Doing it twice is the same as doing it once. It lies in the state directory, where nothing but xbuild writes: a file in
// a project is never taken for one.
type journal struct {
	Version int        `json:"version"`
	Stages  []stageRef `json:"stages"`
	// Committed is set from the commit point until the work is done. Without it the staging folders are removed.
	Committed bool `json:"committed"`
	// Roots are the folders that were there before the commit. Dirs and Files lie below them, and are looked up there
	// without following a link that leads out.
	Roots []rootRef `json:"roots"`
	// Dirs are the folders to create, and those whose mode or time may change, parents first. Mode and time are set when
	// everything is in them.
	Dirs []journalDir `json:"dirs"`
	// Files are renamed in this order.
	Files []journalFile `json:"files"`
	Owner Owner         `json:"owner"`
}

// stageRef is a staging folder. One whose ID is zero was about to be created.
type stageRef struct {
	Path string `json:"path"`
	ID   fileID `json:"id"`
}

type rootRef struct {
	Path string `json:"path"`
	ID   fileID `json:"id"`
}

// fileID tells a folder from any other that stands at the same path later.
type fileID struct {
	Dev uint64 `json:"dev"`
	Ino uint64 `json:"ino"`
}

type journalDir struct {
	Root int         `json:"root"`
	Path string      `json:"path"` // relative to the root
	Mode fs.FileMode `json:"mode"`
	// Time is the time of the last change; zero leaves it.
	Time time.Time `json:"time,omitzero"`
	// Existed says that the folder was there before, so that only its mode and time may change.
	Existed bool `json:"existed,omitempty"`
}

type journalFile struct {
	Stage int    `json:"stage"`
	From  string `json:"from"` // relative to the staging folder
	Root  int    `json:"root"`
	To    string `json:"to"` // relative to the root
}

// names reports whether the folder at path, which is id now, is a staging folder of this journal.
func (j *journal) names(path string, id fileID) bool {
	return slices.ContainsFunc(j.Stages, func(s stageRef) bool { return s.Path == path && (s.ID == id || s.ID == fileID{}) })
}

// touches reports whether the journal writes into, above or below one of the destinations.
func (j *journal) touches(dests []string) bool {
	for _, d := range dests {
		for _, f := range j.Files {
			if to := filepath.Join(j.Roots[f.Root].Path, f.To); within(d, to) || within(filepath.Dir(to), d) {
				return true
			}
		}
	}
	return false
}

// valid reports an index or a path that could lead out of the folders that the journal names. Nobody else writes journals,
// but a damaged one must not do harm.
func (j *journal) valid() error {
	for _, d := range j.Dirs {
		if d.Root < 0 || d.Root >= len(j.Roots) || !filepath.IsLocal(d.Path) {
			return fmt.Errorf("it has the folder %q", d.Path)
		}
	}
	for _, f := range j.Files {
		if f.Root < 0 || f.Root >= len(j.Roots) || f.Stage < 0 || f.Stage >= len(j.Stages) || !filepath.IsLocal(f.From) || !filepath.IsLocal(f.To) {
			return fmt.Errorf("it has the file %q", f.To)
		}
	}
	return nil
}

// save writes the journal into the folder of its run. A journal that is durable has passed the commit point when save
// returns without an error.
func (j *journal) save(dir string, durable bool) error {
	data, err := json.MarshalIndent(j, "", " ")
	if err != nil {
		return err
	}
	name := filepath.Join(dir, journalName)
	f, err := os.OpenFile(name+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if _, err = f.Write(data); err == nil && durable {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(name+".new", name); err != nil || !durable {
		return err
	}
	return syncDir(dir)
}

// loadJournal reads the journal in the folder of a run. It is nil if there is none.
func loadJournal(dir string) (*journal, error) {
	name := filepath.Join(dir, journalName)
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	j := &journal{}
	if err := json.Unmarshal(data, j); err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", name, err)
	}
	if j.Version != journalVersion {
		return nil, fmt.Errorf("%s was written by another version of xbuild (format %d, this one knows %d)", name, j.Version, journalVersion)
	}
	if err := j.valid(); err != nil {
		return nil, fmt.Errorf("%s is damaged: %w", name, err)
	}
	return j, nil
}

// apply carries the journal out. It returns how many files it put in place.
func (j *journal) apply(hook func(string)) (done int, err error) {
	w, err := j.open()
	if err != nil {
		return 0, err
	}
	defer w.close()
	for _, d := range j.Dirs {
		if d.Existed {
			continue
		}
		if err := w.roots[d.Root].mkdir(d.Path, j.Owner); err != nil {
			return done, err
		}
		hook("made")
	}
	for i, f := range j.Files {
		from, to := w.stages[f.Stage], w.roots[f.Root]
		if _, err := from.root.Lstat(f.From); errors.Is(err, fs.ErrNotExist) {
			continue // done before the run was killed
		}
		err := rename(from, f.From, to, f.To)
		if crossDevice(err) {
			temp := filepath.Join(filepath.Dir(f.To), fmt.Sprintf("%s.%d", filepath.Base(j.Stages[f.Stage].Path), i))
			err = moveByCopy(from.root, f.From, to.root, temp, f.To, j.Owner)
		}
		if err != nil {
			return done, to.explain(f.To, err)
		}
		done++
		hook("renamed")
	}
	for _, d := range slices.Backward(j.Dirs) {
		if err := w.roots[d.Root].finish(d); err != nil {
			return done, err
		}
		hook("finished")
	}
	return done, nil
}

// undo removes the folders that apply created, if they are still empty.
func (j *journal) undo() {
	w, err := j.open()
	if err != nil {
		return // then nothing was created either
	}
	defer w.close()
	for _, d := range slices.Backward(j.Dirs) {
		if d.Existed {
			continue
		}
		_ = w.roots[d.Root].root.Remove(d.Path)
	}
}

// workplace is the folders of a journal, open.
type workplace struct{ stages, roots []*place }

// open opens the folders that the journal names, each of which must be the one that it was.
func (j *journal) open() (*workplace, error) {
	w := &workplace{}
	for _, s := range j.Stages {
		p, err := openPlace(s.Path, s.ID)
		if err != nil {
			w.close()
			return nil, err
		}
		w.stages = append(w.stages, p)
	}
	for _, r := range j.Roots {
		p, err := openPlace(r.Path, r.ID)
		if err != nil {
			w.close()
			return nil, err
		}
		w.roots = append(w.roots, p)
	}
	return w, nil
}

func (w *workplace) close() {
	for _, p := range slices.Concat(w.stages, w.roots) {
		p.close()
	}
}
