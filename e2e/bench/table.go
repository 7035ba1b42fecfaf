package main

import (
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"
)

// printTable prints a line for each row, and reports whether every ratio is within its limit. old says that the other
// program is an earlier xbuild.
func printTable(out io.Writer, results []*result, old bool) bool {
	if old {
		return printOld(out, results)
	}
	ok := true
	fmt.Fprintf(out, "%s, %s, %d CPUs, medians; ratios are xbuild / bake, or what the row compares with, with the lowest and highest of a round\n\n",
		time.Now().Format("2006-01-02"), runtime.Version(), runtime.NumCPU())
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "work\txbuild ms\tbake ms\tratio\tat most\t\tclient CPU ms\tdaemon CPU ms\tpeak MB\tflushes\tsent kB")
	for _, r := range results {
		mark := ""
		ratio, low, high := r.ratio(wallOf)
		text := "-"
		if !r.solo {
			text = fmt.Sprintf("%.3f (%.3f-%.3f)", ratio, low, high)
			switch mem, _, _ := r.ratio(memoryOf); {
			case r.limit > 0 && ratio > r.limit:
				mark, ok = "MISSED", false
			case r.memory > 0 && mem > r.memory:
				mark, ok = fmt.Sprintf("MEMORY %.2f > %.2f", mem, r.memory), false
			case r.limit > 0:
				mark = "met"
			}
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.name, r.one(mine, wallOf, 1), r.one(theirs, wallOf, 1), text, r.limitText(), mark,
			r.pair(clientOf), r.pair(daemonOf), r.pair(memoryOf), r.flushText(), r.sentText())
	}
	w.Flush()
	return ok
}

// The most that xbuild may take more than an earlier one: the median of the ratios of the pairs, or the difference of the
// medians.
const (
	oldRatio      = 1.05
	oldDifference = 1.0 // milliseconds
)

// printOld is printTable for an earlier xbuild.
func printOld(out io.Writer, results []*result) bool {
	ok := true
	fmt.Fprintf(out, "%s, %s, %d CPUs; ratios are new / old, medians of the ratios of pairs, with quartiles\n\n", time.Now().Format("2006-01-02"), runtime.Version(), runtime.NumCPU())
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "work\tpairs\tnew ms\told ms\tratio\t\tclient CPU ratio\tpeak MB ratio")
	for _, r := range results {
		mark := "met"
		low, mid, high := quartiles(r.ratios(wallOf))
		if mid > oldRatio && median(r.values(mine, wallOf))-median(r.values(theirs, wallOf)) > oldDifference {
			mark, ok = "MISSED", false
		}
		_, cpu, _ := quartiles(r.ratios(clientOf))
		_, memory, _ := quartiles(r.ratios(memoryOf))
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%.3f (%.3f-%.3f)\t%s\t%.3f\t%.3f\n", r.name, len(r.samples[mine]), r.one(mine, wallOf, 1), r.one(theirs, wallOf, 1),
			mid, low, high, mark, cpu, memory)
	}
	w.Flush()
	return ok
}

func quartiles(v []float64) (low, mid, high float64) {
	mid = median(v) // sorts
	return v[len(v)/4], mid, v[len(v)*3/4]
}

func wallOf(s sample) float64   { return s.wall.Seconds() * 1000 }
func clientOf(s sample) float64 { return s.client.Seconds() * 1000 }
func daemonOf(s sample) float64 { return s.daemon.Seconds() * 1000 }
func memoryOf(s sample) float64 { return float64(s.memory) / 1e6 }
func sentOf(s sample) float64   { return float64(s.sent) / 1e3 }

func median(v []float64) float64 {
	slices.Sort(v)
	n := len(v)
	if n%2 == 1 {
		return v[n/2]
	}
	return (v[n/2-1] + v[n/2]) / 2
}

func (r *result) values(p int, of func(sample) float64) []float64 {
	var v []float64
	for _, s := range r.samples[p] {
		v = append(v, of(s))
	}
	return v
}

// ratio is that of the medians, and the lowest and highest of one round.
func (r *result) ratio(of func(sample) float64) (mid, low, high float64) {
	each := r.ratios(of)
	if len(each) == 0 {
		return 0, 0, 0
	}
	return median(r.values(mine, of)) / median(r.values(theirs, of)), slices.Min(each), slices.Max(each)
}

// ratios are those of the pairs.
func (r *result) ratios(of func(sample) float64) []float64 {
	a, b := r.values(mine, of), r.values(theirs, of)
	var each []float64
	for i := range min(len(a), len(b)) {
		each = append(each, a[i]/b[i])
	}
	return each
}

func (r *result) one(p int, of func(sample) float64, digits int) string {
	v := r.values(p, of)
	if len(v) == 0 {
		return "-"
	}
	return strconv.FormatFloat(median(v), 'f', digits, 64)
}

func (r *result) pair(of func(sample) float64) string {
	return r.one(mine, of, 0) + " / " + r.one(theirs, of, 0)
}

func (r *result) flushText() string {
	text := func(n int) string {
		if n < 0 {
			return "-"
		}
		return strconv.Itoa(n)
	}
	return text(r.flushes[mine]) + " / " + text(r.flushes[theirs])
}

func (r *result) sentText() string {
	if !r.first {
		return ""
	}
	return r.pair(sentOf)
}

// writeCSV writes one line for each run.
func writeCSV(path string, progs [2]*program, results []*result) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w := csv.NewWriter(f)
	lines := [][]string{{"row", "program", "round", "wall_ms", "client_cpu_ms", "daemon_cpu_ms", "peak_bytes", "sent_bytes", "flushes_in_one_run"}}
	for _, r := range results {
		for p, prog := range progs {
			for i, s := range r.samples[p] {
				lines = append(lines, []string{r.name, prog.name, strconv.Itoa(i + 1), fmt.Sprintf("%.3f", wallOf(s)), fmt.Sprintf("%.3f", clientOf(s)),
					fmt.Sprintf("%.3f", daemonOf(s)), strconv.FormatInt(s.memory, 10), strconv.FormatInt(s.sent, 10), strconv.Itoa(r.flushes[p])})
			}
		}
	}
	return w.WriteAll(lines)
}
