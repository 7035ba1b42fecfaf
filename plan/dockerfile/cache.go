package dockerfile

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// addCaches gives every RUN that calls go build one build cache for all stages and platforms. Go names what it stores there by
// content and expects other go commands to use it at the same time, so it changes nothing but the time. The module cache is
// left alone: a mount would hide modules that a layer holds.
func (grp Group) addCaches(g *Graph, a *analysis, scope string, mounts, caches map[int]string) {
	for _, i := range grp.Stages {
		for _, r := range a.compile[i] {
			dir := goCache(g.Nodes[i], r)
			if dir == "" || r.Line <= g.Nodes[i].Line || a.files[i].touches(dir) || mounted(r, dir) {
				continue
			}
			id := "xbuild-go-" + Key(scope, g.Nodes[i].Root().Image)
			mounts[r.Line] = fmt.Sprintf("--mount=type=cache,id=%s,target=%s", id, dir)
			caches[i] = fmt.Sprintf("Go build cache at %s (%s)", dir, id)
		}
	}
}

// goCache is where the go command of a RUN keeps its build cache, "" if the text does not tell.
func goCache(n *Node, r *Run) string {
	if v, ok := r.Env.Get("GOCACHE"); ok {
		if path.IsAbs(v) && !strings.ContainsAny(v, ", ") {
			return path.Clean(v)
		}
		return ""
	}
	if _, ok := r.Env.Get("XDG_CACHE_HOME"); ok {
		return ""
	}
	home := "/root"
	if v, ok := r.Env.Get("HOME"); ok {
		home = v
	} else if n.user != "" && n.user != "root" && n.user != "0" {
		return ""
	}
	if !path.IsAbs(home) || strings.ContainsAny(home, ", ") {
		return ""
	}
	return path.Join(home, ".cache/go-build")
}

// touches reports whether a layer wrote to dir, which a mount would hide.
func (f *files) touches(dir string) bool {
	if f.unknown {
		return true
	}
	for _, w := range slices.Concat(f.neutral, f.foreign) {
		if w != "/" && (within(w, dir) || within(dir, w)) {
			return true
		}
	}
	return false
}

// mounted reports whether the RUN mounts something at dir, above or below it already.
func mounted(r *Run, dir string) bool {
	for _, m := range r.Mounts {
		target := path.Clean(m.Target)
		if !path.IsAbs(target) {
			target = path.Join(r.Workdir, target)
		}
		if within(target, dir) || within(dir, target) {
			return true
		}
	}
	return false
}
