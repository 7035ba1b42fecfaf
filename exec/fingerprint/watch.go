package fingerprint

import (
	"slices"
	"time"

	"github.com/xbuild/xbuild/internal/parallel"
)

// A file that comes while a build reads its context, and goes again, leaves no trace in the files that are there before and
// after; only the times of its directory tell. Those change with the run's own doings too, which is why they are not part of a
// key, and why the run says when it reads.

// Reading must be called when the run begins to read, before it reads anything.
func (d *Decision) Reading() {
	seen := map[folder]bool{}
	var folders []folder
	for u := range d.Why {
		for _, f := range d.judged[u].reads {
			if !seen[f] {
				seen[f], folders = true, append(folders, f)
			}
		}
	}
	d.watched, d.calm = watchAll(folders, d.memory.state), map[folder]bool{}
	newest := int64(0)
	for _, t := range d.watched {
		newest = max(newest, t.newestFolder)
	}
	// What happens next must give another time than what the run itself just did.
	if wait := d.memory.tick - time.Duration(time.Now().UnixNano()-newest); wait > 0 && len(folders) > 0 {
		time.Sleep(min(wait, d.memory.tick))
		d.watched = watchAll(folders, d.memory.state)
	}
}

// Read must be called when the run reads nothing any more, before its outputs are put in place.
func (d *Decision) Read() {
	var folders []folder
	for f := range d.watched {
		folders = append(folders, f)
	}
	for f, now := range watchAll(folders, d.memory.state) {
		then, first := d.watched[f], d.memory.trees[f.effective()]
		d.calm[f] = now.err == nil && then.err == nil && now.digest == then.digest && now.folders == then.folders && then.digest == first.digest
	}
}

func watchAll(folders []folder, state string) map[folder]tree {
	found := make([]tree, len(folders))
	parallel.EachOf(looksAtOnce, len(folders), func(i int) { found[i] = folders[i].watch(state) })
	out := map[folder]tree{}
	for i, f := range folders {
		out[f] = found[i]
	}
	return out
}

// undisturbed reports whether nothing came or went in what a build reads while it was read.
func (d *Decision) undisturbed(j *judged) bool {
	return d.calm != nil && !slices.ContainsFunc(j.reads, func(f folder) bool { return !d.calm[f] })
}
