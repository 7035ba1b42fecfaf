package cli

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/exec/progress"
	"github.com/xbuild/xbuild/internal/printable"
	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema/diag"
)

// speak sets the app's way to talk to whoever reads the output of a run. Where a program does, every line on stderr is an
// event, and nobody is asked anything.
func (a *app) speak(mode progress.Mode) {
	a.github = mode == progress.GitHub
	a.whole = "the others are above"
	if mode == progress.TTY || mode == progress.Quiet || mode == progress.Auto && a.progressOptions(a.err).IsTerminal {
		a.whole = "--progress plain prints all"
	}
	if mode.ForPrograms() {
		a.errIsTerminal = false
	}
	if mode == progress.JSON {
		a.err = progress.Messages(a.err, time.Now)
	}
}

// annotate makes GitHub mark the lines of a change that diagnostics are about. log is what to add to the text of the last one.
func (a *app) annotate(l diag.List, log []string) {
	if !a.github {
		return
	}
	dir, err := os.Getwd()
	if err != nil {
		return
	}
	out := a.inWorkspace(l, dir)
	for i := range out {
		if r := l[i].Related; out[i].Subject == nil && len(r) > 0 { // such as the target that has its Dockerfile inline
			at := a.inWorkspace(diag.List{{Subject: &r[0].Range}}, dir)
			out[i].Subject = at[0].Subject
		}
	}
	if n := len(out) - 1; n >= 0 && len(log) > 0 {
		out[n].Detail = strings.TrimSpace(out[n].Detail + "\n" + strings.Join(log, "\n"))
	}
	fmt.Fprint(printable.Raw(a.err), diag.GitHub(out))
}

// summarize adds the report to the page that GitHub shows for the job. A run does not fail because that cannot be done.
func (a *app) summarize(rep *exec.Report, p *plan.Plan) {
	path := a.getenv("GITHUB_STEP_SUMMARY")
	if path == "" {
		return
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = f.WriteString(a.hidden.Mask(progress.Markdown(p, rep)))
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}
	if err != nil {
		fmt.Fprintf(a.err, "note: the job's summary cannot be written: %v\n", errText(err))
	}
}
