package buildkit

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
	digest "github.com/opencontainers/go-digest"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/internal/lazyre"
	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema/diag"
)

// steps knows what every step of a run belongs to, and turns the daemon's status stream into events.
//
// A step is known by its digest before it runs, so the mapping to stages is exact: the same digest in the definitions of
// several builds is one step of several stage instances.
type steps struct {
	emit  func(exec.Event)
	hide  func(held, data []byte, last bool) (out, rest []byte) // takes secrets out of logs; may be nil
	order map[string]int                                        // stage ids, by position in the plan
	raw   func(*client.SolveStatus)                             // takes the stream as it is, without secrets; may be nil

	// cacheParts are the references of caches that need not exist: a target's own part of one that may not be split.
	cacheParts map[string]bool

	mu    sync.Mutex
	known map[digest.Digest]*step
	said  []*client.VertexLog // what the message at hand makes known of logs, if raw is set
}

type step struct {
	id     string
	stages []string
	uses   []plan.Use // builds whose definition contains it
	name   string
	at     *diag.Range // in the user's file; nil if unknown
	source []byte      // that file's text
	lookup bool        // an image or a folder: the daemon looks it up first, and fetches it only if it must

	started, completed time.Time
	runs               int
	held               bool // looked up, nothing reported
	logs               tail
	unsaid             []byte        // the end of the log, in case that it is the beginning of a secret
	vertex             digest.Digest // under which the daemon reports it now
	stream             int           // that the log came from last
}

func newSteps(p *plan.Plan, emit func(exec.Event)) *steps {
	s := &steps{emit: emit, order: map[string]int{}, known: map[digest.Digest]*step{}}
	for i, st := range p.Stages {
		s.order[st.ID] = i
	}
	return s
}

// add registers the steps of a build's definition. Builds that a build links to must have been added before. It reads
// line numbers of the text as it is built, so it comes before [sourceFile.mapSources].
func (s *steps) add(b *build, def *llb.Definition, opaque bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	linked := map[plan.Use]bool{}
	for _, l := range b.links {
		linked[l.use()] = true
	}
	for _, raw := range def.Def {
		d := digest.FromBytes(raw)
		var op pb.Op
		if err := op.UnmarshalVT(raw); err != nil || op.Op == nil {
			continue // the last operation only marks the result
		}
		st := s.known[d]
		if st == nil {
			st = &step{id: string(d)}
			s.known[d] = st
			// The daemon runs a step that must ignore the cache under this other name if a cacheable twin is active.
			s.known[digest.FromString(string(d)+"-ignorecache")] = st
		}
		if !slices.Contains(st.uses, b.use()) {
			st.uses = append(st.uses, b.use())
		}
		title := def.Metadata[d].Description["llb.customname"]
		if st.name == "" {
			st.name = title
		}
		if src := op.GetSource(); src != nil {
			st.lookup = strings.HasPrefix(src.Identifier, "docker-image://") || strings.HasPrefix(src.Identifier, "local://")
		}
		first, last := b.lines(def, d)
		if first == 0 && !opaque {
			continue
		}
		if st.at == nil && first > 0 {
			st.at, st.source = b.file.userRange(first, last), []byte(b.file.plan.Text)
		}
		stage := b.ByIndex[b.file.stageAt(first)]
		if opaque {
			if isInternal(title) {
				continue
			}
			stage = b.Result
		}
		// A step that came in by a link belongs to the linked build's stages, even if this file has such a line too.
		fromLink := slices.ContainsFunc(st.uses, func(u plan.Use) bool { return linked[u] })
		if stage != "" && (!fromLink || len(st.stages) == 0) && !slices.Contains(st.stages, stage) {
			st.stages = append(st.stages, stage)
			slices.SortFunc(st.stages, func(x, y string) int { return s.order[x] - s.order[y] })
		}
		if stage != "" {
			st.name = stepText(st.name)
		}
	}
}

// lines finds a step in the text that b is built from; 0 if it does not come from there.
func (b *build) lines(def *llb.Definition, d digest.Digest) (first, last int) {
	if def.Source == nil {
		return 0, 0
	}
	for _, l := range def.Source.Locations[string(d)].GetLocations() {
		if i := int(l.SourceIndex); i < len(def.Source.Infos) && b.file.holds(def.Source.Infos[i]) {
			if first, last = span(l.Ranges); first > 0 {
				return first, last
			}
		}
	}
	return 0, 0
}

// find returns a known step.
func (s *steps) find(d digest.Digest) *step {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known[d]
}

// get returns a step, known or not yet.
func (s *steps) get(d digest.Digest) *step {
	st := s.known[d]
	if st == nil {
		st = &step{id: string(d)}
		s.known[d] = st
	}
	return st
}

// update turns one message of the status stream into events.
func (s *steps) update(m *client.SolveStatus) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range m.Vertexes {
		s.vertex(v)
	}
	for _, l := range m.Logs {
		st := s.get(l.Vertex)
		st.vertex, st.stream = l.Vertex, l.Stream
		s.log(st, l.Timestamp, l.Data, !st.completed.IsZero())
	}
	if s.raw != nil {
		s.passOn(m)
	}
}

// log reports what a step printed. With last set, nothing will follow.
func (s *steps) log(st *step, at time.Time, data []byte, last bool) {
	if s.hide != nil {
		data, st.unsaid = s.hide(st.unsaid, data, last)
	}
	if len(data) == 0 {
		return
	}
	st.logs.write(data)
	if s.raw != nil {
		s.said = append(s.said, &client.VertexLog{Vertex: st.vertex, Stream: st.stream, Data: data, Timestamp: at})
	}
	s.emit(exec.Event{Type: exec.StepLog, Time: at, Stages: st.stages, Step: st.id, Name: st.name, Line: st.line(), Data: data})
}

// vertex reports what is new in a vertex. The daemon repeats itself, and runs a step that has no input twice: once to
// look it up, and again if its content is needed.
func (s *steps) vertex(v *client.Vertex) {
	st := s.get(v.Digest)
	st.vertex = v.Digest
	if st.name == "" {
		st.name = v.Name
	}
	ev := exec.Event{Stages: st.stages, Step: st.id, Name: st.name, Line: st.line()}
	if v.Started != nil && v.Started.After(st.started) {
		st.started = *v.Started
		st.runs++
		st.held = st.lookup && st.runs == 1
		if !v.Cached && !st.held {
			ev.Type, ev.Time = exec.StepStarted, st.started
			s.emit(ev)
		}
	}
	if v.Completed == nil || !v.Completed.After(st.completed) {
		return
	}
	st.completed = *v.Completed
	if st.held && v.Error == "" && !v.Cached {
		return
	}
	st.held = false
	s.log(st, st.completed, nil, true)
	failed := bundlePath().ReplaceAllString(v.Error, "")
	if ref, ok := strings.CutPrefix(strings.TrimPrefix(st.name, "[internal] "), importing); ok && v.Error != "" {
		// A build without its cache is only slower, and that of a first run does not exist.
		why := "it does not exist"
		if !strings.HasSuffix(v.Error, "not found") {
			why = cleanMessage(errors.New(v.Error))
		}
		if missing := strings.HasSuffix(v.Error, "not found"); !missing || !s.cacheParts[ref] {
			s.emit(exec.Event{Type: exec.Message, Time: st.completed, Name: fmt.Sprintf("the cache %s was not read: %s", ref, why)})
		}
		failed = ""
	}
	ev.Type, ev.Time, ev.Started, ev.Cached, ev.Err = exec.StepDone, st.completed, st.started, v.Cached, failed
	if ev.Started.IsZero() {
		ev.Started = st.completed
	}
	s.emit(ev)
}

// importing begins the title of the step that looks for a cache.
const importing = "importing cache manifest from "

// flush reports the images that were looked up and never needed: what is built on them came from the cache.
func (s *steps) flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	var held []*step
	for _, st := range s.known {
		if st.held && !slices.Contains(held, st) {
			held = append(held, st)
		}
	}
	slices.SortFunc(held, func(x, y *step) int { return x.completed.Compare(y.completed) })
	for _, st := range held {
		st.held = false
		if len(st.stages) == 0 {
			continue
		}
		s.emit(exec.Event{Type: exec.StepDone, Time: st.completed, Started: st.started, Stages: st.stages, Step: st.id, Name: st.name,
			Line: st.line(), Cached: true})
	}
}

func (st *step) line() int {
	if st.at == nil {
		return 0
	}
	return st.at.Start.Line
}

var (
	titlePrefix = lazyre.New(`^\[[^\]]*\] `)
	titleDigest = lazyre.New(`@sha256:[0-9a-f]{64}`)
)

// stepText is a step's title without the platform, stage and number that BuildKit puts in front.
func stepText(title string) string {
	title = titleDigest().ReplaceAllString(titlePrefix().ReplaceAllString(title, ""), "")
	return recipeMount().ReplaceAllString(title, "")
}

// recipeMount is the cache that a recipe adds; the user's instruction does not have it.
var recipeMount = lazyre.New(`--mount=type=cache,id=xbuild-go-[0-9a-f]+,target=\S+ `)

// isInternal reports whether BuildKit's title marks a step as one of its own.
func isInternal(title string) bool {
	return strings.HasPrefix(title, "[") && strings.Contains(titlePrefix().FindString(title), "internal]")
}

// tail keeps the last lines of a log.
type tail struct {
	buf   []byte
	ended int // lines that were complete, of all that was written
}

const (
	tailLines = 20
	tailBytes = 16 << 10
)

func (t *tail) write(p []byte) {
	t.buf = append(t.buf, p...)
	t.ended += bytes.Count(p, []byte{'\n'})
	if n := len(t.buf) - tailBytes; n > tailBytes { // now and then, not for every chunk
		t.buf = append([]byte(nil), t.buf[n:]...)
	}
}

// count is how many lines were written.
func (t *tail) count() int {
	if n := len(t.buf); n > 0 && t.buf[n-1] != '\n' {
		return t.ended + 1
	}
	return t.ended
}

// lines returns the last lines that were written, the last one without a line end included.
func (t *tail) lines() []string {
	text := bytes.TrimRight(t.buf, "\r\n")
	if len(text) == 0 {
		return nil
	}
	lines := strings.Split(string(text), "\n")
	for i, l := range lines {
		l = strings.TrimSuffix(l, "\r")
		if j := strings.LastIndexByte(l, '\r'); j >= 0 { // what a terminal would show of a progress line
			l = l[j+1:]
		}
		lines[i] = l
	}
	return lines[max(0, len(lines)-tailLines):]
}
