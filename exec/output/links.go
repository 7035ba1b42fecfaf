package output

import "os"

// linked is a file of the result that has several names.
type linked struct {
	same    []transfer // names that are there already, with the content
	written bool       // another name is written
}

// link notes a name of a file that has several. same says that the destination has such a file already.
func (c *commit) link(from, path string, same bool) {
	id, ok := linkID(from)
	if !ok {
		return
	}
	g := c.groups[id]
	if g == nil {
		g = &linked{}
		c.groups[id] = g
	}
	if same {
		g.same = append(g.same, transfer{from, path})
	} else {
		g.written = true
	}
}

// relink writes files that are there already but are not the links of one another that the result has. It returns how
// many.
func (c *commit) relink() (n int) {
	for _, g := range c.groups {
		if len(g.same) == 0 || !g.written && oneFile(g.same) {
			continue
		}
		for _, t := range g.same {
			c.write(t.from, t.to)
			c.forget(t.to)
			n++
		}
	}
	return n
}

// oneFile reports whether the destinations are names of one file.
func oneFile(list []transfer) bool {
	first, err := os.Lstat(list[0].to)
	if err != nil {
		return false
	}
	for _, t := range list[1:] {
		if fi, err := os.Lstat(t.to); err != nil || !os.SameFile(first, fi) {
			return false
		}
	}
	return true
}

// forget drops what was seen of a path that is written after all.
func (c *commit) forget(path string) {
	last := c.s.entries[c.current]
	for i := range last {
		if last[i].Path == path {
			last[i].Info = nil
		}
	}
}
