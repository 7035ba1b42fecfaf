package output

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// recoverAll looks for the staging folders of killed runs where a run for these destinations, or for a folder above
// or directly below one of them, would have put them. Those with a journal are completed, the others removed.
func recoverAll(dests []string, owner Owner, hook func(string)) error {
	seen := map[string]bool{}
	for _, dest := range dests {
		for dir := dest; !seen[dir]; dir = filepath.Dir(dir) {
			seen[dir] = true
			if err := recoverIn(dir, owner, hook); err != nil {
				return err
			}
		}
	}
	return nil
}

func recoverIn(dir string, owner Owner, hook func(string)) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil // not there, or not readable: then nothing of this user's was put there
	}
	for _, e := range entries {
		if !IsStaging(e.Name()) || !e.IsDir() {
			continue
		}
		path := filepath.Join(dir, e.Name())
		if err := recoverStage(path, owner, hook); err != nil {
			return fmt.Errorf("a killed run left its output half written, and it cannot be completed: %w; "+
				"remove the cause and run again, or give that output up by removing %s", err, path)
		}
	}
	return nil
}

// recoverStage completes or removes one staging folder, unless a live process works in it.
func recoverStage(path string, owner Owner, hook func(string)) error {
	fi, err := os.Lstat(path)
	if err != nil || !fi.IsDir() || !trusted(fi, owner) {
		return nil
	}
	f, err := tryLock(path)
	if f == nil {
		return ignoreGone(err)
	}
	if data, err := os.ReadFile(filepath.Join(path, primaryName)); err == nil {
		primary := abs(filepath.Dir(path), strings.TrimSpace(string(data)))
		if err := recoverStage(primary, owner, hook); err != nil {
			return errors.Join(err, f.lock.Close())
		}
		if !gone(primary) {
			return f.lock.Close()
		}
		return f.remove()
	}
	j, err := loadJournal(path)
	if err == nil && j != nil {
		if !j.Owner.Set {
			j.Owner = owner // root completes what the user began
		}
		_, err = j.apply(path, hook)
	}
	if err != nil {
		return errors.Join(err, f.lock.Close())
	}
	if j != nil {
		if err := finish(path, j); err != nil {
			return errors.Join(err, f.lock.Close())
		}
	}
	hook("recovered")
	return f.remove()
}

// finish removes what a journal that was carried out leaves, the journal first, so that a later run cannot carry it out
// again over newer files.
func finish(stage string, j *journal) error {
	if err := os.Remove(filepath.Join(stage, journalName)); err != nil {
		return err
	}
	for _, a := range j.Annexes {
		_ = removeTree(abs(filepath.Dir(stage), a)) // the search removes it if this fails
	}
	return nil
}

func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
