package dockerfile

import "slices"

// Reach is what a variable that forks a stage costs.
type Reach struct {
	// Steps is how many steps of the stage differ between platforms because of it, the forking one included.
	Steps int
	// Shared is how many of them would be the same for all platforms if the variable were declared after the line Below, right
	// before the first step that may need it. Both are 0 if nothing is to be gained.
	Shared, Below int
}

// Reach says how far a fork by a variable of the file reaches. other is the stage that [Node.Fork] compared with. A RUN
// counts as one that needs the variable unless its text does not name it and its commands are known to take no notice.
func (n *Node) Reach(f *Fork, other *Node) Reach {
	first := slices.IndexFunc(n.Steps, func(s Step) bool { return s.Line == f.Line })
	if f.Declared == 0 || first < 0 {
		return Reach{}
	}
	r := Reach{Steps: len(n.Steps) - first}
	names, limit := n.derived(f, other)
	use := first
	for use < len(n.Steps) && n.Steps[use].Line < limit && !n.needs(n.Steps[use], names) {
		use++
	}
	if r.Shared = use - first; r.Shared == 0 {
		return r
	}
	last := n.Steps[use-1]
	r.Below = last.Line
	if run := n.runAt(last.Line); run != nil {
		r.Below = run.EndLine
	}
	return r
}

// derived are the variable and those that follow from it, and the first line after its declaration that sets one of them.
func (n *Node) derived(f *Fork, other *Node) (names []string, limit int) {
	names, limit = []string{f.By}, 1<<30
	for _, k := range n.Env.Keys() {
		a, _ := n.Env.Get(k)
		if b, _ := other.Env.Get(k); a == b || k == f.By {
			continue
		}
		names = append(names, k)
		if l := n.Env.find(k).line; l > f.Declared {
			limit = min(limit, l)
		}
	}
	return names, limit
}

// needs reports whether a step may look at one of the variables.
func (n *Node) needs(s Step, names []string) bool {
	if r := n.runAt(s.Line); r != nil {
		return r.names(names) || !r.neutral(n)
	}
	return slices.ContainsFunc(names, func(k string) bool { return s.env != nil && s.env.find(k) != nil })
}

// runAt is the RUN at a line, or nil. ONBUILD triggers, which all stand at the FROM, have none.
func (n *Node) runAt(line int) *Run {
	for _, r := range n.Runs {
		if r.Line == line && line > n.Line {
			return r
		}
	}
	return nil
}
