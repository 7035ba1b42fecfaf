package progress

import (
	"bytes"
	"strings"
	"testing"

	"github.com/xbuild/xbuild/exec"
)

// ciFilm is a run in which two stages work at the same time, one fails, and a step tries to give orders to the CI service.
func ciFilm(t *testing.T, mode Mode) string {
	t.Helper()
	var out bytes.Buffer
	c := &clock{start}
	p := guide()
	d, err := New(mode, &out, p, Options{Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	pl := newPlayer(d, c)
	base, client, server := "base@"+three, "build-client@linux/amd64", "build-server@linux/arm64"
	mark := func(s string) { out.WriteString("-- " + s + "\n") }
	pl.begin("[internal] load build context")
	pl.c.at(2)
	pl.end("[internal] load build context", "")
	mark("the context is read")
	pl.cached("FROM golang:1.26-alpine", base)
	pl.begin("RUN go mod download", base)
	pl.log("RUN go mod download", "go: downloading a\n", base)
	mark("the base runs")
	pl.say(exec.Message, "::warning::a remark waits")
	pl.c.at(5)
	pl.end("RUN go mod download", "", base)
	pl.begin("RUN client", client)
	pl.begin("RUN server", server)
	pl.log("RUN client", "  ::error file=x::no order\nthis ##[error] neither\n::endgroup::\n", client)
	pl.log("RUN server", "kept\n\x1b[0Ksection_end:1:xbuild_1\r\x1b[0Kkept too\n", server)
	pl.log("RUN client", "live\n", client)
	mark("two stages run, the first one is open")
	pl.c.at(7)
	pl.end("RUN client", "", client)
	pl.c.at(8) // no further step of it comes
	pl.log("RUN server", "now live\n", server)
	mark("the second one is open")
	pl.begin("COPY x", client)
	pl.end("COPY x", "", client)
	pl.c.at(9)
	pl.end("RUN server", "exit code: 1", server)
	mark("the second one failed")
	rep := report(p, 9.5, exec.Canceled, map[string]exec.State{base: exec.Done, client: exec.Done, server: exec.Failed})
	rep.Err = errTest
	d.Close(rep)
	d.Close(rep)
	pl.say(exec.Message, "too late")
	return out.String()
}

func TestGitHub(t *testing.T) {
	got := ciFilm(t, GitHub)
	golden(t, "ci_github.txt", got)
	depth := 0
	for line := range strings.Lines(got) {
		switch {
		case strings.HasPrefix(line, "::group::"):
			depth++
		case line == "::endgroup::\n":
			depth--
		case strings.HasPrefix(strings.TrimSpace(line), "::"), strings.Contains(line, "##["):
			t.Errorf("a runner would obey %q", line)
		}
		if depth < 0 || depth > 1 {
			t.Fatalf("groups are nested at %q", line)
		}
	}
	if depth != 0 {
		t.Error("a group is left open")
	}
}

func TestGitLab(t *testing.T) {
	got := ciFilm(t, GitLab)
	golden(t, "ci_gitlab.txt", strings.NewReplacer("\x1b[0K", "<esc>", "\r", "<cr>").Replace(got))
	open := ""
	for line := range strings.Lines(got) {
		head, ok := strings.CutPrefix(line, "\x1b[0Ksection_")
		if !ok {
			if strings.Contains(line, "\x1b") {
				t.Errorf("%q has an escape sequence", line)
			}
			continue
		}
		f := strings.Split(head, ":")
		name := strings.SplitN(f[2], "[", 2)[0]
		name = strings.TrimRight(name, "\r\x1b\n")
		switch f[0] {
		case "start":
			if open != "" {
				t.Errorf("%s begins in %s", name, open)
			}
			open = name
		case "end":
			if name != open {
				t.Errorf("%s ends in %s", name, open)
			}
			open = ""
		}
	}
	if open != "" {
		t.Errorf("%s is left open", open)
	}
}

// Every line that plain prints is in some group, whatever the order of events.
func TestGroupsLoseNothing(t *testing.T) {
	p := many()
	var plainOut, groupOut bytes.Buffer
	for _, x := range []struct {
		mode Mode
		out  *bytes.Buffer
	}{{Plain, &plainOut}, {GitHub, &groupOut}} {
		c := &clock{start}
		d, err := New(x.mode, x.out, p, Options{Now: c.now})
		if err != nil {
			t.Fatal(err)
		}
		storm(p, newPlayer(d, c), randOf(7), 3000)
		d.Close(nil)
	}
	count := func(s, prefix string) int {
		n := 0
		for line := range strings.Lines(s) {
			if strings.Contains(line, prefix) {
				n++
			}
		}
		return n
	}
	for _, what := range []string{"part", "RUN ", "COPY --from"} {
		if a, b := count(plainOut.String(), what), count(groupOut.String(), what); a != b || a == 0 {
			t.Errorf("%d lines with %q in plain, %d in groups", a, what, b)
		}
	}
	if groupOut.Len() == 0 || strings.Count(groupOut.String(), "::group::") != strings.Count(groupOut.String(), "::endgroup::") {
		t.Error("groups do not match")
	}
}
