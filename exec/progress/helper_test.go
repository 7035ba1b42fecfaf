package progress

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/plan"
)

// clock is a clock that tests set.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

// at sets the clock to some seconds after the start of the run.
func (c *clock) at(s float64) { c.t = start.Add(seconds(s)) }

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// start is when every run of the tests begins, here; daemonSkew is how far the daemon's clock is off.
var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const daemonSkew = -90 * time.Minute

// stageOf makes a stage; its id is name@platforms. A need is "via id".
func stageOf(kind plan.Kind, name, target, platforms string, needs ...string) plan.Stage {
	s := plan.Stage{ID: name + "@" + platforms, Stage: name, Kind: kind}
	for _, t := range strings.Split(target, ",") {
		for _, p := range strings.Split(platforms, ",") {
			s.For = append(s.For, plan.Use{Target: t, Platform: p})
		}
	}
	for _, n := range needs {
		via, id, _ := strings.Cut(n, " ")
		s.Needs = append(s.Needs, plan.Need{ID: id, Via: via})
	}
	return s
}

const three = "linux/amd64,linux/arm64,darwin/arm64"

// guide is a plan in the shape of the Docker guide: a shared base, cross-compiled build stages, files put together.
func guide() *plan.Plan {
	p := &plan.Plan{Targets: []plan.Target{{Name: "binaries", Platforms: strings.Split(three, ","), Requested: true,
		Outputs: []plan.Output{{Type: "local", Dest: "/p/bin"}}}}}
	p.Stages = append(p.Stages, stageOf(plan.Shared, "base", "binaries", three))
	for _, pf := range strings.Split(three, ",") {
		p.Stages = append(p.Stages,
			stageOf(plan.Cross, "build-client", "binaries", pf, "from base@"+three),
			stageOf(plan.Cross, "build-server", "binaries", pf, "from base@"+three),
			stageOf(plan.Assembled, "binaries", "binaries", pf, "copy build-client@"+pf, "copy build-server@"+pf))
	}
	return p
}

// player sends events to a display, with the times of a daemon whose clock is wrong.
type player struct {
	d     Display
	c     *clock
	began map[string]time.Time
}

func newPlayer(d Display, c *clock) *player {
	return &player{d: d, c: c, began: map[string]time.Time{}}
}

func (p *player) daemon() time.Time { return p.c.t.Add(daemonSkew) }

func (p *player) begin(name string, stages ...string) {
	p.began[name] = p.daemon()
	p.d.Event(exec.Event{Type: exec.StepStarted, Time: p.daemon(), Step: "id " + name, Name: name, Stages: stages})
}

func (p *player) end(name, err string, stages ...string) {
	p.d.Event(exec.Event{Type: exec.StepDone, Time: p.daemon(), Started: p.began[name], Step: "id " + name, Name: name, Stages: stages, Err: err})
}

func (p *player) cached(name string, stages ...string) {
	p.d.Event(exec.Event{Type: exec.StepDone, Time: p.daemon(), Started: p.daemon(), Step: "id " + name, Name: name, Stages: stages, Cached: true})
}

func (p *player) log(name, data string, stages ...string) {
	p.d.Event(exec.Event{Type: exec.StepLog, Time: p.daemon(), Step: "id " + name, Name: name, Stages: stages, Data: []byte(data)})
}

func (p *player) say(t exec.EventType, text string) {
	p.d.Event(exec.Event{Type: t, Time: p.daemon(), Name: text})
}

// report gives every stage the same outcome, but for the ones named.
func report(p *plan.Plan, wall float64, all exec.State, but map[string]exec.State) *exec.Report {
	r := &exec.Report{Wall: seconds(wall)}
	for _, s := range p.Stages {
		o := exec.Outcome{Stage: s.ID, State: all}
		if st, ok := but[s.ID]; ok {
			o.State = st
		}
		r.Outcomes = append(r.Outcomes, o)
	}
	return r
}

var errTest = errors.New("it failed")

// visible replaces the terminal's sequences by names.
var visible = strings.NewReplacer("\x1b[K\n", "\n", "\x1b[J", "<erase below>", "\x1b[0m", "</>", "\r", "<left>")

func readable(s string) string {
	s = visible.Replace(s)
	for i := range 60 {
		s = strings.ReplaceAll(s, fmt.Sprintf("\x1b[%dA", i), fmt.Sprintf("<up %d>", i))
	}
	for code, name := range map[style]string{bold: "bold", dim: "dim", red: "red", green: "green", yellow: "yellow", blue: "blue", magenta: "magenta", cyan: "cyan"} {
		s = strings.ReplaceAll(s, "\x1b["+string(code)+"m", "<"+name+">")
	}
	return s
}

// golden compares with a file in testdata; XBUILD_UPDATE=1 writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("XBUILD_UPDATE") == "1" {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, []byte(got)) {
		t.Errorf("%s differs; XBUILD_UPDATE=1 rewrites it. got:\n%s", path, got)
	}
}
