package schedule

// onCycles are the units from which a need leads back to them.
func (r *run) onCycles() []int {
	// What can be ordered is on no cycle: take away units without needs until none is left.
	waits := make([]int, len(r.units))
	copy(waits, r.waits)
	var free []int
	for i, n := range waits {
		if n == 0 {
			free = append(free, i)
		}
	}
	for len(free) > 0 {
		i := free[len(free)-1]
		free = free[:len(free)-1]
		for _, user := range r.users[i] {
			if waits[user]--; waits[user] == 0 {
				free = append(free, user)
			}
		}
	}
	var out []int
	for i, n := range waits {
		if n > 0 && r.cycleFrom(i) != nil {
			out = append(out, i)
		}
	}
	return out
}

// cycleFrom is the way along needs from a unit back to it, by names; nil if there is none.
func (r *run) cycleFrom(from int) []string {
	seen := map[int]bool{}
	var path []string
	var visit func(i int) bool
	visit = func(i int) bool {
		path = append(path, r.units[i].Name)
		for _, need := range r.units[i].Needs {
			if need.Unit == from {
				path = append(path, r.units[from].Name)
				return true
			}
			if !seen[need.Unit] {
				seen[need.Unit] = true
				if visit(need.Unit) {
					return true
				}
			}
		}
		path = path[:len(path)-1]
		return false
	}
	if visit(from) {
		return path
	}
	return nil
}
