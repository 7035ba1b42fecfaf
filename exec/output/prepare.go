package output

import (
	"path/filepath"
	"strconv"
)

// prepare writes the journal's entries, gives the files their owner, and copies those that a rename cannot move.
func (c *commit) prepare() error {
	s := c.s
	for _, d := range s.dests {
		if err := c.annex(d); err != nil {
			return err
		}
	}
	j := &s.journal
	j.Roots, j.Dirs, j.Files = nil, nil, nil // of a Commit before
	for _, r := range c.roots {
		id, err := identify(r)
		if err != nil {
			return err
		}
		j.Roots = append(j.Roots, rootRef{r, id})
	}
	for _, d := range c.dirs {
		if d.existed && !d.differs && !d.touched {
			continue
		}
		root, rel := c.below(d.path)
		j.Dirs = append(j.Dirs, journalDir{root, rel, d.mode, d.time, d.existed})
	}
	for i, f := range c.files {
		stage, from, err := c.ready(i, f)
		if err != nil {
			return err
		}
		root, rel := c.below(f.to)
		j.Files = append(j.Files, journalFile{stage.index, from, root, rel})
	}
	return nil
}

// ready makes a file ready for its rename, and returns the staging folder that it lies in and its path there.
func (c *commit) ready(i int, f transfer) (*folder, string, error) {
	s := c.s
	from, home := f.from, c.home(f.to)
	if home != s.main || c.moved[from] {
		from = filepath.Join(home.path, copiesName, strconv.Itoa(i))
		if _, err := mkdirAll(filepath.Dir(from), s.owner); err != nil {
			return nil, "", err
		}
		if err := copyFile(f.from, from, s.owner); err != nil {
			return nil, "", err
		}
	} else if err := s.owner.give(from); err != nil {
		return nil, "", err
	}
	c.moved[from] = true
	rel, err := filepath.Rel(home.path, from)
	return home, rel, err
}

// below returns the innermost root that a path lies in, and the path relative to it.
func (c *commit) below(path string) (root int, rel string) {
	for i, r := range c.roots {
		if got, err := filepath.Rel(r, path); err == nil && filepath.IsLocal(got) && (rel == "" || len(got) < len(rel)) {
			root, rel = i, got
		}
	}
	return root, rel
}

// annex makes a staging folder beside a destination that has another parent than the main one, to which files for another
// file system are copied.
func (c *commit) annex(dest string) error {
	s := c.s
	if sameFS(s.main.path, nearest(dest)) {
		return nil
	}
	anchor, err := s.anchor(dest)
	if err != nil {
		return err
	}
	for _, f := range s.annexes {
		if sameFS(f.path, anchor) {
			return nil
		}
	}
	f, err := s.claim(anchor)
	if err == nil {
		s.annexes = append(s.annexes, f)
	}
	return err
}

// home is the staging folder whose files a rename can move to path.
func (c *commit) home(path string) *folder {
	dir := nearest(filepath.Dir(path))
	for _, f := range append([]*folder{c.s.main}, c.s.annexes...) {
		if sameFS(f.path, dir) {
			return f
		}
	}
	return c.s.main // and apply copies
}
