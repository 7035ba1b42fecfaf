package progress

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/plan"
)

// own is what a display writes to a terminal or a CI service itself.
var own = regexp.MustCompile(`\x1b\[(0|1|2|3[1-6])m|\r\x1b\[\d+A|\x1b\[K|\x1b\[J|\x1b\[0Ksection_(start|end):\d+:xbuild_\d+(\[collapsed=(true|false)\])?\r\x1b\[0K|(?m:^::(group|endgroup)::)`)

// TestForeignText gives every display text that wants to be obeyed, in every place of a run that has text, in one chunk and byte by
// byte. Apart from the display's own marks, nothing of it is a control or a command.
func TestForeignText(t *testing.T) {
	const evil = "EVIL\x1b]0;t\a\x1b[2J\x1b[35;1m\u009b7m\u202e\x7f##[error]x ##vso[task.x]y \x1b[0Ksection_start:1:x\r\x1b[0Kz\n::error::EVIL\n ::set-env name=x::EVIL\n"
	for _, mode := range Modes() {
		for _, color := range []bool{false, true} {
			p := guide()
			p.Targets[0].Name, p.Targets[0].Platforms[0] = evil, "linux/"+evil
			for i := range p.Stages {
				p.Stages[i].Stage += evil
				for j := range p.Stages[i].For {
					p.Stages[i].For[j].Target = evil
				}
			}
			var out bytes.Buffer
			c := &clock{start}
			opt := Options{Now: c.now, Color: color, IsTerminal: color, Interval: -1}
			d, err := New(Mode(mode), &out, p, opt)
			if err != nil {
				t.Fatal(err)
			}
			pl := newPlayer(d, c)
			base := "base@" + three
			pl.begin("[internal] "+evil, "")
			pl.say(exec.Message, evil)
			pl.say(exec.Exporting, evil)
			pl.begin("RUN "+evil, base)
			pl.log("RUN "+evil, evil, base)
			for i := range len(evil) {
				pl.log("RUN "+evil, evil[i:i+1], base)
			}
			if live, ok := d.(*tty); ok {
				live.draw()
			}
			pl.c.at(9)
			pl.end("[internal] "+evil, evil, "")
			pl.end("RUN "+evil, evil, base)
			if r, ok := d.(RawDisplay); ok {
				r.Status([]byte(`{"name":"EVIL ##[error]` + "\u009b\u202e" + `"}`))
			}
			rep := report(p, 9.5, exec.Done, map[string]exec.State{base: exec.Failed})
			rep.Err = errors.New(evil)
			rep.Failures = []*exec.Failure{{Kind: exec.FailureKind("x"), Err: rep.Err, Step: evil, Hint: evil, Log: []string{evil}, Uses: []plan.Use{{Target: evil, Platform: evil}}}}
			rep.Builds = []exec.BuildResult{{Target: evil, Platform: evil, Why: evil, Fallback: evil}}
			rep.Outputs = []exec.OutputResult{{Target: evil, Type: evil, Dest: evil, Names: []string{evil}, Digest: evil}}
			d.Close(rep)
			if mode != string(Quiet) && !strings.Contains(out.String(), "EVIL") {
				t.Errorf("%s shows nothing of it", mode)
			}
			obeyed(t, mode, out.String())
			obeyed(t, "markdown", Markdown(p, rep))
		}
	}
}

func obeyed(t *testing.T, mode, text string) {
	t.Helper()
	rest := own.ReplaceAllString(text, "|")
	for _, r := range rest {
		if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e {
			t.Errorf("%s: the control %U stands in %q", mode, r, rest)
			break
		}
	}
	for l := range strings.Lines(rest) {
		if mode != "markdown" && mode != string(GitLab) && (strings.HasPrefix(strings.TrimSpace(l), "::") || strings.Contains(l, "##[")) {
			t.Errorf("%s: a runner would obey %q", mode, l)
		}
	}
}
