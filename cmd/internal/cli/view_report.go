package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/term"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/exec/progress"
	"github.com/xbuild/xbuild/internal/printable"
	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

func isTerminal(w io.Writer) bool {
	f, ok := printable.Unwrap(w).(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// color reports whether w wants ANSI colours.
func (a *app) color(w io.Writer) bool {
	return isTerminal(w) && a.getenv("NO_COLOR") == "" && a.getenv("TERM") != "dumb"
}

func (a *app) progressOptions(w io.Writer) progress.Options {
	opt := progress.DefaultOptions(w)
	opt.Color = a.color(w)
	opt.ASCII = !progress.UTF8(a.getenv)
	opt.IsTerminal = opt.IsTerminal && a.getenv("CI") == ""
	return opt
}

// failureDiagnostic is one cause: what failed, where, what it stopped, what to do.
func failureDiagnostic(f *exec.Failure, severity diag.Severity, p *plan.Plan) diag.Diagnostic {
	d := diag.Diagnostic{Severity: severity, Code: string(f.Kind), Subject: f.At, Advice: f.Hint}
	switch {
	case f.Kind == exec.StepFailed:
		d.Summary = fmt.Sprintf("%s failed with exit code %d", oneLine(f.Step), f.ExitCode)
	case f.Step != "":
		d.Summary, d.Detail = oneLine(f.Step)+" failed", f.Err.Error()
	default:
		d.Summary = f.Err.Error()
	}
	if s := p.Stage(f.Stage); s != nil && len(f.Uses) > 0 {
		d.Detail = strings.TrimSpace(d.Detail + fmt.Sprintf("\nstage %s (%s); stops %s", s.Stage, s.Kind, usesText(f.Uses)))
	} else if len(f.Uses) > 0 {
		d.Detail = strings.TrimSpace(d.Detail + "\nstops " + usesText(f.Uses))
	}
	seen := map[string]bool{}
	for _, u := range f.Uses {
		if t := p.Target(u.Target); t != nil && !seen[u.Target] {
			seen[u.Target] = true
			d.Related = append(d.Related, diag.Related{Range: t.Range, Message: "target " + u.Target})
		}
	}
	return d
}

// failureText renders one cause, with the end of its log.
func (a *app) failureText(f *exec.Failure, severity diag.Severity, p *plan.Plan, src diag.Sources) string {
	d := failureDiagnostic(f, severity, p)
	sources := diag.Sources{}
	for k, v := range src {
		sources[k] = v
	}
	if f.At != nil && f.Source != nil {
		sources[f.At.Filename] = f.Source
	}
	text := diag.Text(diag.List{d}, sources)
	if len(f.Log) > 0 {
		title := "  log:"
		if f.LogLines > len(f.Log) {
			title = fmt.Sprintf("  log, the last %d of %d lines; %s:", len(f.Log), f.LogLines, a.whole)
		}
		text += title + "\n    " + strings.Join(f.Log, "\n    ") + "\n"
	}
	if a.github {
		return progress.NoCommands(text)
	}
	return text
}

func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > 100 {
		s = s[:97] + "..."
	}
	return s
}

// usesText groups uses by target: "binaries on linux/amd64, linux/arm64".
func usesText(uses []plan.Use) string {
	var names []string
	by := map[string][]string{}
	for _, u := range uses {
		if by[u.Target] == nil {
			names = append(names, u.Target)
		}
		by[u.Target] = append(by[u.Target], u.Platform)
	}
	for i, n := range names {
		names[i] = n + " on " + strings.Join(by[n], ", ")
	}
	return strings.Join(names, "; ")
}

// pathsText says which Dockerfiles did not take the usual way to BuildKit, and why.
func pathsText(rep *exec.Report) string {
	builds := map[string][]string{}
	var reasons []string
	for _, b := range rep.Builds {
		if b.Path == "client" {
			continue
		}
		if builds[b.Why] == nil {
			reasons = append(reasons, b.Why)
		}
		builds[b.Why] = append(builds[b.Why], b.Target+" on "+b.Platform)
	}
	var s strings.Builder
	for _, why := range reasons {
		fmt.Fprintf(&s, "%s: by the daemon's frontend, since %s\n", strings.Join(builds[why], ", "), why)
	}
	return s.String()
}

// fallbackText says which builds were not made as planned.
func fallbackText(rep *exec.Report) string {
	var s strings.Builder
	for _, b := range rep.Builds {
		if b.Fallback != "" {
			fmt.Fprintf(&s, "%s on %s: built as the Dockerfile is written, by emulation, since %s; strategy = \"emulate\" saves the attempt\n", b.Target, b.Platform, b.Fallback)
		}
	}
	return s.String()
}

// notesText says what is worth knowing of the files that were written.
func notesText(rep *exec.Report) string {
	var s strings.Builder
	for _, o := range rep.Outputs {
		for _, n := range o.Notes {
			fmt.Fprintf(&s, "%s: %s: %s\n", o.Target, relative(o.Dest), n)
		}
	}
	return s.String()
}

// withheldText says which targets were built whose outputs were not written because another target failed.
func withheldText(rep *exec.Report, p *plan.Plan) string {
	states := map[string]exec.State{}
	for _, o := range rep.Outcomes {
		states[o.Stage] = o.State
	}
	var b strings.Builder
	for _, t := range p.Targets {
		written := slices.ContainsFunc(rep.Outputs, func(o exec.OutputResult) bool { return o.Target == t.Name })
		if !t.Requested || len(t.Outputs) == 0 || written || !built(p, t.Name, states) {
			continue
		}
		var places []string
		for _, o := range t.Outputs {
			switch {
			case o.Dest != "":
				places = append(places, relative(o.Dest))
			case len(t.Tags) > 0:
				places = append(places, t.Tags...)
			default:
				places = append(places, string(o.Type))
			}
		}
		fmt.Fprintf(&b, "%s was built and is not written, since the run failed: %s\n", t.Name, strings.Join(slices.Compact(places), ", "))
	}
	return b.String()
}

// built reports whether every stage of a target was done.
func built(p *plan.Plan, target string, states map[string]exec.State) bool {
	some := false
	for _, s := range p.Stages {
		if !slices.ContainsFunc(s.For, func(u plan.Use) bool { return u.Target == target }) {
			continue
		}
		some = true
		switch states[s.ID] {
		case exec.Done, exec.CachedOut, exec.Unchanged:
		default:
			return false
		}
	}
	return some
}

// resultsText lists what was written, one line an output and name of an image.
func resultsText(rep *exec.Report, p *plan.Plan) string {
	var b strings.Builder
	for _, o := range rep.Outputs {
		places := []string{o.Dest}
		switch {
		case o.Type == string(schema.OutputLocal):
			places[0] = plural(o.Files, "file") + " in " + relative(o.Dest)
		case o.Type == string(schema.OutputImage):
			if len(o.Names) > 0 {
				places = slices.Clone(o.Names)
			}
			for i := range places {
				if o.Digest != "" {
					places[i] = strings.TrimPrefix(places[i]+"@"+o.Digest, "@") // an image may have no name
				}
			}
		case o.Dest == schema.Stdout:
			places[0] = "standard output"
		case o.Files == 0:
			places[0] += " loaded into the Docker Engine"
		default:
			places[0] = relative(o.Dest)
		}
		for _, place := range places {
			fmt.Fprintf(&b, "%s: %s", o.Target, place)
			if o.Bytes > 0 {
				b.WriteString(", " + progress.Size(o.Bytes))
			}
			if o.Unchanged {
				b.WriteString(" (unchanged)")
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// relative shortens a path below the working directory.
func relative(path string) string {
	dir, err := os.Getwd()
	if err != nil {
		return path
	}
	if rel, err := filepath.Rel(dir, path); err == nil && len(rel) < len(path) {
		return rel
	}
	return path
}
