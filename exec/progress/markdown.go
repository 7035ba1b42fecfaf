package progress

import (
	"fmt"
	"slices"
	"strings"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/plan"
)

// Markdown is the report of a run of p as a page of Markdown: a table of the targets, one of what was written, and the causes
// of failures.
func Markdown(p *plan.Plan, rep *exec.Report) string {
	var b strings.Builder
	row := func(cells ...string) { b.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	title := "succeeded"
	switch {
	case rep.Interrupted:
		title = "was interrupted"
	case rep.Err != nil:
		title = "failed"
	}
	t := totalsOf(p, rep)
	fmt.Fprintf(&b, "### xbuild %s in %s\n\n%s\n\n", title, short(rep.Wall), t)
	if targets := requested(p); len(targets) > 0 {
		row("target", "platforms", "result", "stages")
		b.WriteString("| --- | --- | --- | --- |\n")
		states := statesOf(rep)
		for _, x := range targets {
			n := countsOf(p, x, states)
			row(cell(x.Name), cell(strings.Join(x.Platforms, ", ")), result(x, rep, n), n.String())
		}
		b.WriteByte('\n')
	}
	if len(rep.Outputs) > 0 {
		row("target", "output", "digest", "size")
		b.WriteString("| --- | --- | --- | --- |\n")
		for _, o := range rep.Outputs {
			size := ""
			if o.Bytes > 0 {
				size = Size(o.Bytes)
			}
			row(cell(o.Target), cell(o.Dest), cell(o.Digest), size)
			for _, q := range sortedKeys(o.Platforms) {
				if o.Platforms[q] != o.Digest {
					row("", cell(q), cell(o.Platforms[q]), "")
				}
			}
		}
		b.WriteByte('\n')
	}
	for _, f := range slices.Concat(rep.Failures, rep.Missing) {
		at := ""
		if f.At != nil {
			at = " at " + cell(f.At.String())
		}
		fmt.Fprintf(&b, "**%s**%s: %s\n\n", f.Kind, at, cell(f.Err.Error()))
		if len(f.Log) > 0 {
			fence := "```"
			for strings.Contains(strings.Join(f.Log, "\n"), fence) {
				fence += "`"
			}
			b.WriteString(fence + "\n")
			for _, l := range f.Log {
				b.WriteString(clean(l) + "\n")
			}
			b.WriteString(fence + "\n\n")
		}
	}
	return b.String()
}

func sortedKeys(m map[string]string) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// result says in a word or two how a target ended.
func result(t *plan.Target, rep *exec.Report, n counts) string {
	switch outcome(t, rep, n) {
	case bad:
		return "failed"
	case good:
		return "done"
	}
	if m := missing(t, rep); rep.Err == nil && m != "" {
		return "done, without " + m
	}
	return "not written"
}

// cell is text as code in a cell of a table; nothing stays nothing.
func cell(s string) string {
	s = clean(s)
	if s == "" {
		return ""
	}
	fence := "`"
	for strings.Contains(s, fence) {
		fence += "`"
	}
	if len(fence) > 1 {
		s = " " + s + " "
	}
	return fence + strings.ReplaceAll(s, "|", `\|`) + fence
}
