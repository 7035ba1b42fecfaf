package dockerfile

import "slices"

// MayUseCgo reports whether it counts for the graph if Go files of its context import "C": whether a stage that gets them has
// the Go of an image where cgo may be on, and does not turn it off.
func (g *Graph) MayUseCgo() bool {
	for i, n := range g.Nodes {
		if !g.Reached[i] || len(n.Runs) == 0 || !isGolang(n.Root().Image) {
			continue
		}
		if !n.sent() {
			continue
		}
		off := func(r *Run) bool { v, _ := r.Env.Get("CGO_ENABLED"); return v == "0" }
		on := slices.ContainsFunc(n.Runs, func(r *Run) bool { return !off(r) })
		if on && (!noCompiler(n.Root().Image) || slices.ContainsFunc(n.Chain(), (*Node).installs)) {
			return true
		}
	}
	return false
}

// installs reports whether the stage may install packages.
func (n *Node) installs() bool {
	return slices.ContainsFunc(n.Runs, func(r *Run) bool { return r.names(packageManagers) })
}
