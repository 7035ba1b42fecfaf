package progress

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/plan"
)

// newTest makes a live display that draws only when told to.
func newTest(t testing.TB, w interface{ Write([]byte) (int, error) }, p *plan.Plan, opt Options) (*tty, *player) {
	t.Helper()
	c := &clock{start}
	opt.Now, opt.Interval = c.now, -1
	d, err := New(TTY, w, p, opt)
	if err != nil {
		t.Fatal(err)
	}
	return d.(*tty), newPlayer(d, c)
}

func size(width, height int) Options {
	return Options{Width: func() int { return width }, Height: func() int { return height }}
}

// film plays one run. show is called where a drawing is due.
func film(p *player, show func(title string)) {
	show("before anything")
	p.c.at(0.1)
	p.begin("load build context")
	p.c.at(1.3)
	show("an internal step is slow")
	p.end("load build context", "")
	p.cached("FROM golang:1.26-alpine", "base@"+three)
	p.begin("RUN go mod download", "base@"+three)
	p.log("RUN go mod download", "go: downloading golang.org/x/sys v0.48.0\ngo: down", "base@"+three)
	p.c.at(4.5)
	show("the shared stage runs")
	p.end("RUN go mod download", "", "base@"+three)
	p.begin("RUN go build -o /bin/client ./cmd/client", "build-client@linux/amd64")
	p.c.at(4.7)
	p.begin("RUN --mount=type=cache,target=/go/pkg/mod CGO_ENABLED=0 go build -ldflags '-s -w' -trimpath -o /bin/server ./cmd/server", "build-server@linux/arm64")
	p.log("RUN go build -o /bin/client ./cmd/client", "\x1b[31mred\x1b[0m\tinternal/abi\nruntime\n", "build-client@linux/amd64")
	p.c.at(65.2)
	show("two stages run")
	p.end("RUN go build -o /bin/client ./cmd/client", "", "build-client@linux/amd64")
	p.say(exec.Message, "warning: bin/app is for another machine")
	p.c.at(65.3)
	show("a pause between two steps, and a remark")
	p.c.at(66.0)
	p.end("RUN --mount=type=cache,target=/go/pkg/mod CGO_ENABLED=0 go build -ldflags '-s -w' -trimpath -o /bin/server ./cmd/server", "exit code: 1", "build-server@linux/arm64")
	show("one failed")
	p.say(exec.Exporting, "")
	show("exporting")
}

func TestFilm(t *testing.T) {
	for _, tt := range []struct {
		name          string
		width, height int
		color, ascii  bool
	}{
		{"film_120.txt", 120, 24, false, false},
		{"film_80_color.txt", 80, 24, true, false},
		{"film_40_ascii.txt", 40, 6, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			opt := size(tt.width, tt.height)
			opt.Color, opt.ASCII = tt.color, tt.ascii
			p := guide()
			d, player := newTest(t, &out, p, opt)
			var all strings.Builder
			film(player, func(title string) {
				d.draw()
				fmt.Fprintf(&all, "-- %s --\n%s\n", title, readable(out.String()))
				out.Reset()
			})
			rep := report(p, 66.4, exec.Canceled, map[string]exec.State{"base@" + three: exec.Done, "build-client@linux/amd64": exec.Done,
				"build-server@linux/arm64": exec.Failed, "binaries@linux/arm64": exec.Skipped})
			rep.Err = errTest
			d.Close(rep)
			d.Close(rep)
			player.begin("too late", "base@"+three)
			d.draw()
			fmt.Fprintf(&all, "-- the end --\n%s", readable(out.String()))
			golden(t, tt.name, all.String())
		})
	}
}

// On a real screen nothing remains of the live lines, whatever the width becomes in between.
func TestScreenIsLeftClean(t *testing.T) {
	for _, widths := range [][]int{{120}, {80, 40}, {50, 120}, {100, 31, 77}} {
		scr := newScreen(t, widths[0], 30)
		fmt.Fprintf(scr, "$ xbuild run\n")
		p := guide()
		opt := Options{Width: func() int { return scr.width }, Height: func() int { return scr.height }, Color: true}
		d, player := newTest(t, scr, p, opt)
		frames := 0
		film(player, func(string) {
			scr.resize(widths[frames%len(widths)])
			frames++
			d.draw()
			text := scr.String()
			if n := strings.Count(text, "xbuild: "); n != 1 || !strings.HasPrefix(text, "$ xbuild run\n") {
				t.Fatalf("widths %v, frame %d:\n%s", widths, frames, text)
			}
		})
		scr.resize(120)
		d.Close(report(p, 66.4, exec.Done, nil))
		want := "$ xbuild run\nwarning: bin/app is for another machine\n✓ binaries  3 platforms   1m06s  10 stages (1 shared): 10 run\n"
		if got := scr.String(); strings.Join(strings.Fields(got), " ") != strings.Join(strings.Fields(want), " ") || len(scr.scrolled) > 0 {
			t.Errorf("widths %v left:\n%s", widths, got)
		}
	}
}

// many is a plan of 50 targets on 6 platforms, with a shared stage and two stages for each platform.
func many() *plan.Plan {
	p := &plan.Plan{}
	platforms := []string{"linux/amd64", "linux/arm64", "linux/arm/v7", "darwin/arm64", "windows/amd64", "linux/mips64le"}
	for i := range 50 {
		name := fmt.Sprintf("target-%02d", i)
		p.Targets = append(p.Targets, plan.Target{Name: name, Platforms: platforms, Requested: true})
		base := stageOf(plan.Shared, fmt.Sprintf("base-%d", i), name, strings.Join(platforms, ","))
		p.Stages = append(p.Stages, base)
		for _, pf := range platforms {
			build := stageOf(plan.Emulated, fmt.Sprintf("build-%d", i), name, pf, "from "+base.ID)
			p.Stages = append(p.Stages, build, stageOf(plan.Assembled, fmt.Sprintf("out-%d", i), name, pf, "copy "+build.ID))
		}
	}
	return p
}

func randOf(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(1, seed)) }

// storm sends random events for the stages of a plan. Names and logs are long, wide and hostile.
func storm(p *plan.Plan, player *player, r *rand.Rand, n int) {
	texts := []string{"RUN go build ./...", "COPY --from=構築 /出力/プログラム /", "RUN " + strings.Repeat("x", 300), "RUN printf '\x1b[2J\x1b[H'", "", "RUN \u202eabc 🤷🏽‍♀️ e\u0301"}
	for i := range n {
		player.c.t = player.c.t.Add(time.Duration(r.IntN(200)) * time.Millisecond)
		s := p.Stages[r.IntN(len(p.Stages))].ID
		name := fmt.Sprintf("%s %d", texts[r.IntN(len(texts))], r.IntN(500))
		switch r.IntN(6) {
		case 0, 1, 2:
			player.begin(name, s)
		case 3:
			player.end(name, "", s)
		case 4:
			player.log(name, fmt.Sprintf("line %d\r50%%\r%s\x1b[1A\x1b]0;title\x07\x9b\xff\n\tpart", i, texts[r.IntN(len(texts))]), s)
		case 5:
			player.begin(fmt.Sprint("internal ", i%7))
		}
	}
}

// Whatever happens and however the size of the terminal changes, the view is neither wider nor taller than it, and nothing
// scrolls away while the size stays.
func TestNeverExceedsTheTerminal(t *testing.T) {
	for seed, p := range []*plan.Plan{many(), guide()} {
		for _, sz := range [][2]int{{200, 50}, {120, 40}, {80, 24}, {60, 10}, {59, 9}, {40, 24}, {40, 3}, {20, 5}, {10, 2}, {3, 2}, {1, 1}} {
			width, height := sz[0], sz[1]
			scr := newScreen(t, width, height)
			opt := Options{Width: func() int { return width }, Height: func() int { return height }, Color: true}
			d, player := newTest(t, scr, p, opt)
			r := randOf(uint64(100*width + seed))
			for i := range 60 {
				storm(p, player, r, 20)
				if i%10 == 9 { // another terminal, as far as the size goes
					width, height = 1+r.IntN(220), 1+r.IntN(60)
					scr = newScreen(t, width, height)
					d.w, d.drawn, d.widths = scr, nil, nil
				}
				checkFrame(t, d, width, height)
				d.draw()
				if len(scr.scrolled) > 0 && height > 1 {
					t.Fatalf("%dx%d: the screen scrolled by %q", width, height, scr.scrolled)
				}
			}
		}
	}
}

func checkFrame(t *testing.T, d *tty, width, height int) {
	t.Helper()
	now := d.opt.Now()
	d.m.settle(now)
	lines := frame(d.m, now, width, height, &d.opt)
	if len(lines) > max(1, height-1) {
		t.Fatalf("%dx%d: %d lines", width, height, len(lines))
	}
	for _, l := range lines {
		// The part between two styles is measured as a whole, as it is printed.
		plainText := escapes().ReplaceAllString(l.String(), "")
		if w := columnsOf(plainText); w > max(1, width-1) || l.width != w {
			t.Fatalf("%dx%d: %d columns, said to be %d: %q", width, height, w, l.width, l)
		}
	}
}

// A terminal that shows more rows is given more of them.
func TestFrameUsesTheHeight(t *testing.T) {
	p := many()
	d, player := newTest(t, &bytes.Buffer{}, p, Options{})
	for i := range 40 {
		s := p.Stages[13*i+1]
		player.begin("RUN "+s.ID, s.ID)
		player.log("RUN "+s.ID, "1\n2\n3\n4\n5\n6\n7\n", s.ID)
	}
	d.m.settle(player.c.t)
	for _, tt := range []struct {
		height int
		want   string // header, rows, "and more", folded, log
	}{
		{2, "1 0 0 0 0"}, {3, "1 0 1 0 0"}, {4, "1 0 1 1 0"}, {5, "1 0 1 1 1"}, {24, "1 15 1 1 4"},
		{42, "1 32 1 1 5"}, {49, "1 40 0 1 5"}, {60, "1 40 0 1 5"},
	} {
		var n [5]int
		for _, l := range frame(d.m, player.c.t, 100, tt.height, &d.opt) {
			switch s := l.String(); {
			case strings.HasPrefix(s, "xbuild: "):
				n[0]++
			case strings.HasPrefix(s, "  emulated"):
				n[1]++
			case strings.HasPrefix(s, "  and "):
				n[2]++
			case strings.HasPrefix(s, "  waiting: 10 targets"):
				n[3]++
			case strings.HasPrefix(s, "  | "):
				n[4]++
			}
		}
		if got := strings.Trim(fmt.Sprint(n), "[]"); got != tt.want {
			t.Errorf("height %d: got %s, want %s", tt.height, got, tt.want)
		}
	}
}

// The ticker draws at most ten times a second, and Close ends it. Run with the race detector.
func TestTicker(t *testing.T) {
	w := &countingWriter{}
	d, err := New(TTY, w, guide(), Options{Interval: time.Microsecond})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 200 {
				d.Event(exec.Event{Type: exec.StepStarted, Step: fmt.Sprint(g, i), Name: fmt.Sprint(i), Stages: []string{"base@" + three}})
				time.Sleep(time.Millisecond)
			}
		})
	}
	wg.Wait()
	d.Close(nil)
	most := int(time.Since(began)/minInterval) + 2
	n := w.count()
	if n == 0 || n > most {
		t.Errorf("%d writes, want 1 to %d", n, most)
	}
	time.Sleep(2 * minInterval)
	if w.count() != n {
		t.Error("it went on after Close")
	}
}

type countingWriter struct {
	mu sync.Mutex
	n  int
}

func (w *countingWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.n++
	return len(p), nil
}

func (w *countingWriter) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.n
}

// One redraw of a plan of 300 stages that all run and print, on a large terminal, after an event that changes every line of
// it. The view is drawn at most ten times a second, so a redraw may take 2 ms if the view is to cost less than 2 % of a core:
// 10/s * 2 ms = 20 ms/s. Here it takes 0.2 ms: 10/s * 0.2 ms = 2 ms/s, or 0.2 %.
func BenchmarkRedraw300(b *testing.B) {
	p := many()
	p.Stages = p.Stages[:300]
	d, player := newTest(b, &countingWriter{}, p, size(200, 50))
	for i := range p.Stages {
		id := p.Stages[i].ID
		name := fmt.Sprintf("RUN make -j4 all test install PREFIX=/opt/target # %d", i)
		player.begin(name, id)
		player.log(name, strings.Repeat("cc -c main.c\n", 10), id)
	}
	for b.Loop() {
		player.c.t = player.c.t.Add(minInterval) // every row's time changes
		player.log("RUN make -j4 all test install PREFIX=/opt/target # 0", "one more line\n", p.Stages[0].ID)
		d.draw()
	}
}

// One event and one drawing of a large plan.
func BenchmarkEventAndDraw(b *testing.B) {
	p := many()
	d, player := newTest(b, &countingWriter{}, p, size(120, 50))
	r := rand.New(rand.NewPCG(1, 2))
	storm(p, player, r, 2000)
	for b.Loop() {
		storm(p, player, r, 1)
		d.draw()
	}
}

func BenchmarkEvent(b *testing.B) {
	p := many()
	_, player := newTest(b, &countingWriter{}, p, size(120, 50))
	r := rand.New(rand.NewPCG(1, 2))
	for b.Loop() {
		storm(p, player, r, 1)
	}
}
