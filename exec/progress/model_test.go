package progress

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/plan"
)

// states are the states of all stages, in plan order.
func states(m *model, now time.Time) string {
	m.settle(now)
	var out []string
	for _, s := range m.stages {
		out = append(out, [...]string{"waiting", "running", "cached", "done", "failed"}[s.state])
	}
	return strings.Join(out, " ")
}

// A stage with its parts: an image stage, one FROM it without steps of its own, a compiler, and files put together of both.
func modelPlan() *plan.Plan {
	return &plan.Plan{Targets: []plan.Target{{Name: "t"}}, Stages: []plan.Stage{
		stageOf(plan.Shared, "base", "t", "p"),
		stageOf(plan.Assembled, "env", "t", "p", "from base@p"),
		stageOf(plan.Cross, "build", "t", "p", "from env@p"),
		stageOf(plan.Native, "final", "t", "p", "copy build@p"),
	}}
}

func TestStates(t *testing.T) {
	m := newModel(modelPlan(), start)
	c := &clock{start}
	pl := newPlayer(nil, c)
	pl.d = modelDisplay{m, c}
	check := func(what, want string) {
		t.Helper()
		if got := states(m, c.t); got != want {
			t.Errorf("%s: got %s, want %s", what, got, want)
		}
	}
	check("at first", "waiting waiting waiting waiting")
	pl.cached("FROM a", "final@p")
	c.at(1)
	check("a stage whose first step is over waits for what it copies", "waiting waiting waiting waiting")
	pl.begin("FROM b", "base@p")
	check("runs", "running waiting waiting waiting")
	c.at(2)
	pl.end("FROM b", "", "base@p")
	check("between two steps", "running waiting waiting waiting")
	c.at(2.1)
	pl.begin("RUN c", "build@p")
	check("reached through a stage without steps", "done cached running waiting")
	c.at(3)
	pl.end("RUN c", "", "build@p")
	c.at(3.6)
	check("after a pause", "done cached done cached")
	pl.begin("RUN d", "build@p", "final@p")
	check("a step of two stages", "done cached running running")
	pl.end("RUN d", "exit code: 1", "build@p", "final@p")
	check("failed", "done cached failed failed")
}

func TestCanceledIsNotFailed(t *testing.T) {
	m := newModel(modelPlan(), start)
	c := &clock{start}
	pl := newPlayer(modelDisplay{m, c}, c)
	pl.begin("RUN c", "base@p")
	pl.end("RUN c", "context canceled", "base@p")
	if got := states(m, c.t); strings.Contains(got, "failed") {
		t.Error(got)
	}
}

// modelDisplay feeds a model.
type modelDisplay struct {
	m *model
	c *clock
}

func (d modelDisplay) Event(e exec.Event) { d.m.apply(e, d.c.now()) }
func (modelDisplay) Close(*exec.Report)   {}

// What a step is to a stage may come to light after it began.
func TestStageOfARunningStepIsLearnt(t *testing.T) {
	m := newModel(modelPlan(), start)
	c := &clock{start}
	pl := newPlayer(modelDisplay{m, c}, c)
	pl.begin("RUN c", "base@p")
	pl.log("RUN c", "x\n", "base@p", "build@p")
	if got, want := states(m, c.t), "running cached running waiting"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	pl.end("RUN c", "", "base@p", "build@p")
	c.at(5)
	if got, want := states(m, c.t), "done cached done waiting"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestLogLines(t *testing.T) {
	var l logLines
	var got []string
	for _, chunk := range []string{"one\ntw", "o\r\n", "\n", "a\rb\rc\n", "\xe6\xa7", "\x8b\n", "\x1b[31", "mred\x1b[0m\n", "tab\there\x07\n", "bad \xff byte\n", "rest"} {
		got = append(got, l.add([]byte(chunk))...)
	}
	want := []string{"one", "two", "c", "構", "red", "tab here", "bad \uFFFD byte"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if r := l.recent(3); !slices.Equal(r, []string{"tab here", "bad \uFFFD byte", "rest"}) {
		t.Errorf("recent: %q", r)
	}
	if r := l.recent(2); !slices.Equal(r, []string{"bad \uFFFD byte", "rest"}) {
		t.Errorf("recent: %q", r)
	}
	if f := l.flush(); !slices.Equal(f, []string{"rest"}) || l.flush() != nil {
		t.Errorf("flush: %q", f)
	}
	if len(l.tail) != tailLines {
		t.Errorf("%d lines are kept", len(l.tail))
	}
}

// A log without line ends does not fill the memory.
func TestLogWithoutLineEnds(t *testing.T) {
	var l logLines
	n := 0
	for range 1000 {
		n += len(l.add(bytes.Repeat([]byte("x"), 1000)))
	}
	if n < 50 || cap(l.partial) > 4*maxLine {
		t.Errorf("%d lines, %d bytes kept", n, cap(l.partial))
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                                  "plain",
		"\x1b]8;;http://x\x1b\\link\x1b]8;;\x07": "link",
		"\x1b[2J\x1b[1;1Hx\x1b(B":                "x",
		"a\nb\tc":                                "a b c",
		"\u202eevil":                             "evil",
		"\u009b31m":                              "31m",
		"\x1b":                                   "",
	} {
		if got := clean(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestShort(t *testing.T) {
	for in, want := range map[float64]string{-1: "0.0s", 0: "0.0s", 0.06: "0.0s", 59.99: "59.9s", 60: "1m00s", 3599: "59m59s", 3600: "1h00m", 359999: "99h59m", 360000: "100h"} {
		if got := short(seconds(in)); got != want {
			t.Errorf("%v: got %s, want %s", in, got, want)
		}
	}
}

func TestCut(t *testing.T) {
	for _, tt := range []struct {
		in    string
		width int
		ascii bool
		want  string
	}{
		{"abcdef", 6, false, "abcdef"}, {"abcdef", 5, false, "abcd…"}, {"abcdef", 5, true, "ab..."}, {"abcdef", 2, true, "ab"},
		{"構築する", 8, false, "構築する"}, {"構築する", 6, false, "構築…"}, {"構築する", 1, false, ""}, {"e\u0301e\u0301", 1, false, "e\u0301"},
		{"x", 0, false, ""}, {"x", -1, false, ""},
	} {
		o := Options{ASCII: tt.ascii}
		if got := o.cut(tt.in, tt.width); got != tt.want {
			t.Errorf("%q to %d: got %q, want %q", tt.in, tt.width, got, tt.want)
		}
	}
}

func TestNew(t *testing.T) {
	_, err := New("fancy", &bytes.Buffer{}, guide(), Options{})
	if want := `"fancy" is not a way to show progress: want one of auto, tty, plain, quiet, json, rawjson, github, gitlab`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	for _, tt := range []struct {
		mode     Mode
		terminal bool
		want     string
	}{
		{Auto, false, "*progress.plain"}, {Auto, true, "*progress.tty"}, {TTY, false, "*progress.tty"},
		{Plain, true, "*progress.plain"}, {Quiet, true, "progress.quiet"},
	} {
		d, err := New(tt.mode, &bytes.Buffer{}, guide(), Options{IsTerminal: tt.terminal, Interval: -1})
		if err != nil || fmt.Sprintf("%T", d) != tt.want {
			t.Errorf("%s, %v: got %T, %v", tt.mode, tt.terminal, d, err)
		}
	}
}

func TestQuiet(t *testing.T) {
	var out bytes.Buffer
	p := guide()
	d, err := New(Quiet, &out, p, Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := &clock{start}
	film(newPlayer(d, c), func(string) {})
	d.Close(report(p, 1, exec.Done, nil))
	if out.Len() > 0 {
		t.Errorf("it said %q", out.String())
	}
}

func TestDefaultOptions(t *testing.T) {
	if o := DefaultOptions(&bytes.Buffer{}); o.IsTerminal {
		t.Error("a buffer is a terminal")
	}
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	o := DefaultOptions(f).withDefaults()
	if o.IsTerminal || o.Width() != 80 || o.Height() != 24 || o.Interval != minInterval {
		t.Errorf("got %+v", o)
	}
}

func TestUTF8(t *testing.T) {
	for env, want := range map[string]bool{"": false, "LANG=C": false, "LANG=en_US.UTF-8": true, "LANG=de_DE.utf8": true,
		"LC_ALL=C LANG=en_US.UTF-8": false, "LC_CTYPE=C.UTF-8 LANG=C": true} {
		get := func(k string) string {
			for _, kv := range strings.Fields(env) {
				if name, v, _ := strings.Cut(kv, "="); name == k {
					return v
				}
			}
			return ""
		}
		if got := UTF8(get); got != want {
			t.Errorf("%q: got %v", env, got)
		}
	}
}
