package output

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// journalVersion changes when an older xbuild must not carry a journal out.
const journalVersion = 1

// journal lists everything that a Commit has still to do. Doing it twice is the same as doing it once. All paths are
// relative to the folder that the staging folder stands in, so that a project that was moved takes its journal along.
type journal struct {
	Version int `json:"version"`
	// Dirs are the folders to create, parents first. Their mode is set when everything is in them.
	Dirs []journalDir `json:"dirs"`
	// Files are renamed in this order.
	Files []journalFile `json:"files"`
	// Annexes are the other staging folders of the run.
	Annexes []string `json:"annexes"`
	Owner   Owner    `json:"owner"`
}

type journalDir struct {
	Path string      `json:"path"`
	Mode fs.FileMode `json:"mode"`
}

type journalFile struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// save writes the journal into the staging folder. When it returns without an error, the commit point is passed.
func (j *journal) save(stage string) error {
	data, err := json.MarshalIndent(j, "", " ")
	if err != nil {
		return err
	}
	name := filepath.Join(stage, journalName)
	f, err := os.OpenFile(name+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if _, err = f.Write(data); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := j.Owner.give(name + ".new"); err != nil {
		return err
	}
	if err := os.Rename(name+".new", name); err != nil {
		return err
	}
	return syncDir(stage)
}

// loadJournal reads the journal of a staging folder. It is nil if there is none.
func loadJournal(stage string) (*journal, error) {
	name := filepath.Join(stage, journalName)
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
	return j, nil
}

// abs undoes the relative form of a journal's path.
func abs(base, path string) string {
	if path = filepath.FromSlash(path); filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(base, path)
}

// relative gives a path the form that a journal holds.
func relative(base, path string) string {
	if rel, err := filepath.Rel(base, path); err == nil {
		return filepath.ToSlash(rel)
	}
	return filepath.ToSlash(path) // another volume
}

// apply carries the journal of the staging folder out. It returns how many files it put in place.
func (j *journal) apply(stage string, hook func(string)) (done int, err error) {
	base := filepath.Dir(stage)
	for _, d := range j.Dirs {
		path := abs(base, d.Path)
		if err := mkdirOwned(path, j.Owner); err != nil && !(errors.Is(err, fs.ErrExist) && isDir(path)) {
			return done, err
		}
		hook("made")
	}
	for i, f := range j.Files {
		from, to := abs(base, f.From), abs(base, f.To)
		err := os.Rename(from, to)
		if crossDevice(err) {
			temp := filepath.Join(filepath.Dir(to), fmt.Sprintf("%s.%d", filepath.Base(stage), i))
			err = moveByCopy(from, temp, to, j.Owner)
		}
		if errors.Is(err, fs.ErrNotExist) && gone(from) {
			continue // done before the run was killed
		}
		if err != nil {
			return done, err
		}
		done++
		hook("renamed")
	}
	for i := len(j.Dirs) - 1; i >= 0; i-- {
		if err := os.Chmod(abs(base, j.Dirs[i].Path), j.Dirs[i].Mode); err != nil {
			return done, err
		}
		hook("finished")
	}
	return done, nil
}

// moveByCopy is a rename to another file system: the last step is a rename within it.
func moveByCopy(from, temp, to string, owner Owner) error {
	err := copyFile(from, temp, owner)
	if err == nil {
		err = os.Rename(temp, to)
	}
	if err != nil {
		_ = os.Remove(temp)
		return err
	}
	return os.Remove(from)
}

func gone(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// undo removes the folders that apply created, if they are still empty.
func (j *journal) undo(stage string) {
	for i := len(j.Dirs) - 1; i >= 0; i-- {
		_ = os.Remove(abs(filepath.Dir(stage), j.Dirs[i].Path))
	}
}
