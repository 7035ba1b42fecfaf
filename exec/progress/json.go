package progress

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/plan"
)

// EventsVersion of the JSON events. What is only added keeps it.
const EventsVersion = 1

// The events are a public format: docs/events.md describes every field, a test compares the two, and all keys are always
// there. Each has a head.
type head struct {
	Version int       `json:"version"`
	Type    string    `json:"type"`
	Time    time.Time `json:"time"`
}

type runEvent struct {
	head
	Targets []runTarget `json:"targets"`
	Stages  []runStage  `json:"stages"`
}

type runTarget struct {
	Name      string   `json:"name"`
	Platforms []string `json:"platforms"`
	Requested bool     `json:"requested"`
}

type runStage struct {
	ID         string     `json:"id"`
	Dockerfile string     `json:"dockerfile"`
	Stage      string     `json:"stage"`
	Line       int        `json:"line"`
	Kind       plan.Kind  `json:"kind"`
	Reason     string     `json:"reason"`
	For        []plan.Use `json:"for"`
}

type stageEvent struct {
	head
	Stage   string  `json:"stage"`
	State   string  `json:"state"`
	Final   bool    `json:"final"`
	Seconds float64 `json:"seconds"`
	Cause   string  `json:"cause"`
}

type stepStartedEvent struct {
	head
	Step   string   `json:"step"`
	Name   string   `json:"name"`
	Stages []string `json:"stages"`
	Line   int      `json:"line"`
}

type stepLogEvent struct {
	head
	Step   string   `json:"step"`
	Stages []string `json:"stages"`
	Lines  []string `json:"lines"`
}

type stepDoneEvent struct {
	head
	Step    string   `json:"step"`
	Name    string   `json:"name"`
	Stages  []string `json:"stages"`
	Line    int      `json:"line"`
	Cached  bool     `json:"cached"`
	Error   string   `json:"error"`
	Seconds float64  `json:"seconds"`
}

// textEvent is of type exporting or message.
type textEvent struct {
	head
	Text string `json:"text"`
}

type failureEvent struct {
	head
	Kind     exec.FailureKind `json:"kind"`
	Optional bool             `json:"optional"`
	Error    string           `json:"error"`
	Hint     string           `json:"hint"`
	Stage    string           `json:"stage"`
	Step     string           `json:"step"`
	ExitCode int              `json:"exit_code"`
	File     string           `json:"file"`
	Line     int              `json:"line"`
	Stops    []plan.Use       `json:"stops"`
	Log      []string         `json:"log"`
	LogLines int              `json:"log_lines"`
}

type buildEvent struct {
	head
	Target   string `json:"target"`
	Platform string `json:"platform"`
	Path     string `json:"path"`
	Why      string `json:"why"`
	Fallback string `json:"fallback"`
}

type warningEvent struct {
	head
	Target   string `json:"target"`
	Platform string `json:"platform"`
	Text     string `json:"text"`
}

type outputEvent struct {
	head
	Target    string            `json:"target"`
	Kind      string            `json:"kind"`
	Dest      string            `json:"dest"`
	Names     []string          `json:"names"`
	Digest    string            `json:"digest"`
	Platforms map[string]string `json:"platforms"`
	Files     int               `json:"files"`
	Bytes     int64             `json:"bytes"`
	Unchanged bool              `json:"unchanged"`
	Notes     []string          `json:"notes"`
}

type endEvent struct {
	head
	OK          bool           `json:"ok"`
	Interrupted bool           `json:"interrupted"`
	Error       string         `json:"error"`
	Seconds     float64        `json:"seconds"`
	Stages      map[string]int `json:"stages"`
}

// jsonDisplay prints events.
type jsonDisplay struct {
	p   *plan.Plan
	opt Options

	mu      sync.Mutex
	enc     *json.Encoder
	m       *model
	states  []state // that were told, by stage
	begun   bool
	settled time.Time
	closed  bool
}

func newJSON(w io.Writer, p *plan.Plan, opt Options) *jsonDisplay {
	d := &jsonDisplay{p: p, opt: opt, enc: json.NewEncoder(w), m: newModel(p, opt.Now()), states: make([]state, len(p.Stages))}
	d.enc.SetEscapeHTML(false)
	return d
}

func (d *jsonDisplay) head(typ string) head {
	return head{EventsVersion, typ, d.opt.Now().UTC()}
}

// begin tells what will run, once.
func (d *jsonDisplay) begin() {
	if d.begun {
		return
	}
	d.begun = true
	e := runEvent{head: d.head("run"), Targets: []runTarget{}, Stages: []runStage{}}
	for _, t := range d.p.Targets {
		e.Targets = append(e.Targets, runTarget{t.Name, full(t.Platforms), t.Requested})
	}
	for _, s := range d.p.Stages {
		path := s.Dockerfile
		if f := d.p.Dockerfile(s.Dockerfile); f != nil {
			path = f.Path
		}
		e.Stages = append(e.Stages, runStage{s.ID, path, s.Stage, s.Line, s.Kind, s.Reason, full(s.For)})
	}
	d.print(e)
}

// full is a list that JSON shows as one even if it is empty.
func full[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func (d *jsonDisplay) print(e any) { _ = d.enc.Encode(e) }

// Event prints the event, and the states of stages that have changed.
func (d *jsonDisplay) Event(e exec.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	d.begin()
	now := d.opt.Now()
	_, lines := d.m.apply(e, now)
	h, name := d.head(string(e.Type)), clean(strings.Join(strings.Fields(e.Name), " "))
	d.tellLines(e, lines)
	switch e.Type {
	case exec.StepStarted:
		d.print(stepStartedEvent{h, e.Step, name, full(e.Stages), e.Line})
	case exec.StepDone:
		d.print(stepDoneEvent{h, e.Step, name, full(e.Stages), e.Line, e.Cached, clean(e.Err), took(e).Seconds()})
	case exec.Exporting:
		d.print(textEvent{h, d.m.exporting})
	case exec.Message:
		d.print(textEvent{h, text(e)})
	}
	if e.Type != exec.StepLog || now.Sub(d.settled) >= settleTime {
		d.settle(now)
	}
}

func (d *jsonDisplay) tellLines(e exec.Event, lines []string) {
	if len(lines) > 0 {
		d.print(stepLogEvent{d.head(string(exec.StepLog)), e.Step, full(e.Stages), lines})
	}
}

// stateNames are those of the states that are seen while the run goes on; the report has more.
var stateNames = map[state]string{waiting: "waiting", running: "running", cached: string(exec.CachedOut), done: string(exec.Done), failed: string(exec.Failed)}

func (d *jsonDisplay) settle(now time.Time) {
	d.m.settle(now)
	d.settled = now
	for i, s := range d.m.stages {
		if s.state != d.states[i] {
			d.states[i] = s.state
			d.print(stageEvent{head: d.head("stage"), Stage: d.p.Stages[i].ID, State: stateNames[s.state]})
		}
	}
}

// Close prints how everything ended.
func (d *jsonDisplay) Close(rep *exec.Report) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || rep == nil {
		return
	}
	d.closed = true
	d.begin()
	end := endEvent{OK: rep.Err == nil, Interrupted: rep.Interrupted, Seconds: rep.Wall.Seconds(), Stages: map[string]int{}}
	if rep.Err != nil {
		end.Error = clean(rep.Err.Error())
	}
	for _, o := range rep.Outcomes {
		end.Stages[string(o.State)]++
		d.print(stageEvent{d.head("stage"), o.Stage, string(o.State), true, o.Duration.Seconds(), o.Cause})
	}
	for _, b := range rep.Builds {
		d.print(buildEvent{d.head("build"), b.Target, b.Platform, b.Path, b.Why, b.Fallback})
	}
	for _, w := range rep.Warnings {
		d.print(warningEvent{d.head("warning"), w.Target, w.Platform, clean(w.Text)})
	}
	for _, f := range rep.Failures {
		d.failure(f, false)
	}
	for _, f := range rep.Missing {
		d.failure(f, true)
	}
	for _, o := range rep.Outputs {
		platforms := o.Platforms
		if platforms == nil {
			platforms = map[string]string{}
		}
		d.print(outputEvent{d.head("output"), o.Target, o.Type, o.Dest, full(o.Names), o.Digest, platforms, o.Files, o.Bytes, o.Unchanged, full(o.Notes)})
	}
	end.head = d.head("end")
	d.print(end)
}

func (d *jsonDisplay) failure(f *exec.Failure, optional bool) {
	e := failureEvent{head: d.head("failure"), Kind: f.Kind, Optional: optional, Error: clean(f.Err.Error()), Hint: f.Hint, Stage: f.Stage, Step: f.Step,
		ExitCode: f.ExitCode, Stops: full(f.Uses), Log: full(f.Log), LogLines: f.LogLines}
	if f.At != nil {
		e.File, e.Line = f.At.Filename, f.At.Start.Line
	}
	d.print(e)
}

// Messages makes of every line that is written to it an event of type message: for what a command has to say before and after
// the run, where a program reads.
func Messages(w io.Writer, now func() time.Time) io.Writer {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return &messages{enc: enc, now: now}
}

type messages struct {
	mu      sync.Mutex
	enc     *json.Encoder
	now     func() time.Time
	partial []byte
}

func (m *messages) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := len(p)
	for {
		line, rest, whole := bytes.Cut(p, []byte{'\n'})
		m.partial = append(m.partial, line...)
		if !whole {
			return n, nil
		}
		p = rest
		s := clean(string(m.partial))
		m.partial = m.partial[:0]
		if s == "" {
			continue
		}
		if err := m.enc.Encode(textEvent{head{EventsVersion, string(exec.Message), m.now().UTC()}, s}); err != nil {
			return n, err
		}
	}
}

// types are those of the events, in the order of their first appearance, each with an example of its shape.
func types() []eventType {
	return []eventType{{"run", runEvent{}}, {"stage", stageEvent{}}, {string(exec.StepStarted), stepStartedEvent{}}, {string(exec.StepLog), stepLogEvent{}},
		{string(exec.StepDone), stepDoneEvent{}}, {string(exec.Exporting), textEvent{}}, {string(exec.Message), textEvent{}},
		{"build", buildEvent{}}, {"warning", warningEvent{}}, {"failure", failureEvent{}}, {"output", outputEvent{}}, {"end", endEvent{}}}
}

type eventType struct {
	name  string
	shape any
}
