package main

import "fmt"

// row is one line of the table: a kind of work.
type row struct {
	name, what string
	// limit is the ratio of wall times that is allowed at most; 0: the row is only reported.
	limit float64
	// memory is the ratio of peak memory that is allowed at most; 0: only reported.
	memory float64
	work   work
	args   []string // of xbuild, beside those of every row
	// crowded runs each program's rounds one after the other without a pause, instead of in turns.
	crowded bool
	// edit changes one source file before each run.
	edit bool
	// first measures a run on work that the daemon has never seen, and the bytes that it is sent.
	first bool
	// solo leaves Bake out.
	solo bool
	// print only reads the build file and prints it; no daemon is asked.
	print bool
	// plan compares xbuild plan with xbuild print on one file; no daemon is asked.
	plan bool
	// platforms and way make a row of compile.go.
	platforms []string
	way       string
}

// still says that the daemon has no part in the row.
func (r *row) still() bool { return r.print || r.plan }

func (r *row) limitText() string {
	if r.limit == 0 {
		return "reported"
	}
	return fmt.Sprintf("<= %.3g", r.limit)
}

// rows is the whole table. Names are paths, so that -rows can take a part.
func rows() []*row {
	force := []string{"--force"}
	var out []*row
	add := func(r row) { out = append(out, &r) }
	for _, n := range []int{1, 10, 100} {
		limit, memory := map[int]float64{1: 0.45, 10: 0.25, 100: 0.25}[n], 0.0
		if n == 100 {
			memory = 0.6
		}
		for _, shared := range []bool{false, true} {
			kind := "own"
			if shared {
				kind = "shared"
			}
			add(row{name: fmt.Sprintf("noop/%s/%d", kind, n), what: "everything cached, no outputs, through BuildKit", limit: limit, memory: memory,
				work: work{targets: n, shared: shared}, args: force})
		}
	}
	add(row{name: "noop/whole/100", what: "the same, where each target copies its whole folder", limit: 0.25, work: work{targets: 100, whole: true}, args: force})
	for _, shared := range []bool{false, true} {
		kind := "own"
		if shared {
			kind = "shared"
		}
		add(row{name: "noop/" + kind + "/100/back-to-back", what: "the same, one run after the other without a pause", limit: 0.10,
			work: work{targets: 100, shared: shared}, args: force, crowded: true})
	}
	add(row{name: "noop/whole/100/back-to-back", what: "the same, where each target copies its whole folder", limit: 0.10, work: work{targets: 100, whole: true}, args: force, crowded: true})
	for _, n := range []int{1, 10, 100} {
		add(row{name: fmt.Sprintf("unchanged/local/%d", n), what: "nothing changed, local outputs, bases scratch",
			limit: map[int]float64{1: 0.25, 10: 0.08, 100: 0.015}[n], work: work{targets: n, output: "local"}})
	}
	add(row{name: "unchanged/local/20000-files", what: "nothing changed, one target over 20,000 files", limit: 0.15,
		work: work{targets: 1, output: "local", files: 20000}})
	add(row{name: "unchanged/push/100", what: "nothing changed, images in a registry", limit: 0.04, work: work{targets: 100, output: "push"}})
	add(row{name: "unchanged/unpinned/100", what: "nothing changed, local outputs, base by tag", work: work{targets: 100, output: "local", base: true}})
	add(row{name: "cached/local/100", what: "all cached, local outputs", limit: 0.30, work: work{targets: 100, output: "local"}, args: force})
	unrecorded := []string{"--force", "--history=false"}
	add(row{name: "cached/image/100", what: "all cached, images in BuildKit's store, without records in its history", limit: 0.20, work: work{targets: 100, output: "image"}, args: unrecorded})
	add(row{name: "cached/image/100/history", what: "the same with them", limit: 0.55, work: work{targets: 100, output: "image"}, args: force})
	add(row{name: "cached/push/100", what: "all cached, pushed images", limit: 0.30, work: work{targets: 100, output: "push"}, args: force})
	add(row{name: "print/1", what: "print one target that has parents, functions and caches", limit: 0.7, work: work{targets: 1, rich: true}, print: true})
	add(row{name: "print/1000", what: "print 1,000 such targets", limit: 0.2, memory: 0.6, work: work{targets: 1000, rich: true}, print: true})
	add(row{name: "print/10000", what: "print 10,000 such targets", work: work{targets: 10000, rich: true}, print: true, solo: true})
	for _, n := range []int{1000, 10000} {
		add(row{name: fmt.Sprintf("plan/%d", n), what: fmt.Sprintf("plan such targets over %d Dockerfiles, compared with printing them, both by xbuild", n/5),
			limit: map[int]float64{1000: 3}[n], work: work{targets: n, rich: true, dockerfiles: n / 5}, plan: true})
	}
	add(row{name: "edited/1-of-100", what: "one source file edited in one target, local outputs", limit: 0.25, work: work{targets: 100, output: "local"}, edit: true})
	for _, n := range []int{1, 10, 100} {
		add(row{name: fmt.Sprintf("first/shared/%d", n), what: "first run over one folder: bytes sent to the daemon", work: work{targets: n, shared: true}, first: true})
	}
	for _, n := range []int{10, 100, 1000} {
		add(row{name: fmt.Sprintf("scale/own/%d", n), what: "cost of a target as their number grows", work: work{targets: n}, args: force, solo: true})
	}
	compiles(add)
	return out
}
