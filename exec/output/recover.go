package output

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Recover completes what killed runs left half written, according to the journals in the state directory, and removes
// their staging folders. Every run must call it before it looks at any file, also one that will write nothing. The errors
// are one for each run that could not be completed; its journal stays.
func Recover(state string, owner Owner) []error {
	var errs []error
	for _, b := range recoverAll(state, owner, func(string) {}) {
		errs = append(errs, b.err)
	}
	return errs
}

// blocked is a journal that could not be carried out.
type blocked struct {
	journal *journal // nil if it cannot be read
	err     error
}

func recoverAll(state string, owner Owner, hook func(string)) []blocked {
	var out []blocked
	for _, path := range pages(state) {
		if j, err := recoverPage(path, owner, hook); err != nil {
			giveUp := path
			if j != nil && len(j.Stages) > 0 {
				giveUp = j.Stages[0].Path
			}
			out = append(out, blocked{j, fmt.Errorf("a killed run left its output half written, and it cannot be completed: %w; "+
				"remove the cause and run again, or give that output up by removing %s", err, giveUp)})
		}
	}
	return out
}

// recoverFor is recoverAll for a run with these destinations: an error about one of them stops it.
func recoverFor(state string, dests []string, owner Owner, hook func(string)) error {
	for _, b := range recoverAll(state, owner, hook) {
		if b.journal == nil || b.journal.touches(dests) {
			return b.err
		}
	}
	return nil
}

// recoverPage completes or rolls back one run, unless it is alive.
func recoverPage(path string, owner Owner, hook func(string)) (*journal, error) {
	p, err := tryLock(path)
	if p == nil {
		return nil, ignoreGone(err)
	}
	j, err := loadJournal(path)
	if err != nil {
		return nil, errors.Join(err, p.release())
	}
	if j == nil { // killed before it made anything
		return nil, p.remove()
	}
	if !j.Owner.Set {
		j.Owner = owner
	}
	if j.Committed && !abandoned(j.Stages[0]) {
		if _, err := j.apply(hook); err != nil {
			return j, errors.Join(err, p.release())
		}
	}
	if err := p.rollBack(j); err != nil {
		return j, errors.Join(err, p.release())
	}
	hook("recovered")
	return j, p.remove()
}

// abandoned reports whether a staging folder is not there any more: the user gave it up, or moved the project.
func abandoned(s stageRef) bool {
	now, err := identify(s.Path)
	return errors.Is(err, fs.ErrNotExist) || err == nil && now != s.ID
}

// rollBack removes the staging folders of a journal with nothing left to do. The journal says so first, so that a later run
// cannot carry it out again over newer files.
func (p *page) rollBack(j *journal) error {
	if j.Committed {
		j.Committed = false
		if err := j.save(p.path, true); err != nil {
			return err
		}
	}
	for _, s := range slices.Backward(j.Stages) {
		if err := removePlace(s.Path, s.ID); err != nil {
			return err
		}
	}
	return nil
}

// Unknown lists the staging folders at the given destinations that no journal in the state directory names: those of a
// project that was moved, of a state directory that was lost, or of nobody at all. They are neither carried out nor
// removed. One in which another process works is left out.
func Unknown(state string, dests []string) []string {
	var known []*journal
	for _, path := range pages(state) {
		if j, err := loadJournal(path); err == nil && j != nil {
			known = append(known, j)
		}
	}
	var dirs, out []string
	for _, dest := range dests {
		if d, err := filepath.EvalSymlinks(dest); err == nil {
			dest = d
		}
		dirs = append(dirs, dest, filepath.Dir(dest))
	}
	slices.Sort(dirs)
	for _, dir := range slices.Compact(dirs) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue // not there, or not readable
		}
		for _, e := range entries {
			path := filepath.Join(dir, e.Name())
			if !IsStaging(e.Name()) || !e.IsDir() || busy(path) {
				continue
			}
			id, err := identify(path)
			if err == nil && !slices.ContainsFunc(known, func(j *journal) bool { return j.names(path, id) }) {
				out = append(out, path)
			}
		}
	}
	return out
}

func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
