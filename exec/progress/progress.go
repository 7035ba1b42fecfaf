// Package progress shows a run to its user while it goes on.
//
// In: the plan, then every [exec.Event] of the run, then its [exec.Report]. Out: text on one writer, in one of the
// [Mode]s: a live view for terminals, plain lines for logs, the same in groups for CI services, events as JSON for
// programs, BuildKit's own stream, or nothing. Promised: the live view never exceeds the terminal and leaves one line a
// target behind; a step that several targets or platforms share is shown once; nothing that a step prints can move the
// cursor, change a colour or give orders to a CI service. A display does not repeat the log of a failed step at the end:
// the command prints failures, except where it prints JSON.
//
// Start with [New], and with [FromEnv] for the mode. The model (model.go) folds events into the state of every stage and
// knows no screen; the views turn it into lines. json.go has the events for programs, which docs/events.md describes.
package progress

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/internal/printable"
	"github.com/xbuild/xbuild/plan"
)

// Mode is a way to show progress.
type Mode string

// The modes.
const (
	Auto    Mode = "auto"    // TTY on a terminal, else Plain
	TTY     Mode = "tty"     // a live view that is redrawn in place
	Plain   Mode = "plain"   // one line for every finished step and every line of its log
	Quiet   Mode = "quiet"   // nothing
	JSON    Mode = "json"    // events, one JSON object a line; see docs/events.md
	RawJSON Mode = "rawjson" // BuildKit's status stream, one JSON object a line, as docker buildx prints it
	GitHub  Mode = "github"  // Plain in groups that GitHub Actions folds, one a stage
	GitLab  Mode = "gitlab"  // Plain in sections that GitLab folds, one a stage
)

// Modes lists the names of the modes, for help and errors.
func Modes() []string {
	return []string{string(Auto), string(TTY), string(Plain), string(Quiet), string(JSON), string(RawJSON), string(GitHub), string(GitLab)}
}

// none is what docker buildx calls [Quiet] too.
const none Mode = "none"

// ForPrograms reports whether the output of a mode is read by programs, so that no text for people may come between.
func (m Mode) ForPrograms() bool { return m == JSON || m == RawJSON }

// FromEnv is the mode for what the user asked for. In place of Auto it takes BUILDKIT_PROGRESS, as docker buildx does, else
// that of the CI service whose job this is. The error says what is not a mode.
func FromEnv(asked string, getenv func(string) string) (Mode, error) {
	m, from := Mode(asked), "--progress"
	if v := getenv("BUILDKIT_PROGRESS"); m == Auto && v != "" {
		m, from = Mode(v), "BUILDKIT_PROGRESS"
	}
	switch {
	case m == none:
		return Quiet, nil
	case !slices.Contains(Modes(), string(m)):
		return "", fmt.Errorf("%s %s: want one of %s", from, m, strings.Join(Modes(), ", "))
	case m != Auto:
		return m, nil
	case getenv("GITHUB_ACTIONS") == "true":
		return GitHub, nil
	case getenv("GITLAB_CI") != "":
		return GitLab, nil
	}
	return Auto, nil
}

// Options of a display. The zero value works: no colour, no terminal, 80 columns and 24 lines.
type Options struct {
	// Width and Height give the size of the terminal, each time it is drawn to. Nil means 80 and 24.
	Width, Height func() int
	// Now is the clock; nil means time.Now. The times of events come from the daemon's clock and are only compared
	// with each other.
	Now func() time.Time
	// Color turns colours on.
	Color bool
	// ASCII avoids every other character in what the display itself writes; see [UTF8].
	ASCII bool
	// IsTerminal makes Auto choose TTY. A terminal of a CI system is none.
	IsTerminal bool
	// Interval between two drawings of the live view; 0 means 100 ms, and shorter ones are lengthened to that. A
	// negative one draws only at the end.
	Interval time.Duration
}

const minInterval = 100 * time.Millisecond

// DefaultOptions are the options for w as far as w itself tells: whether it is a terminal, and of which size.
func DefaultOptions(w io.Writer) Options {
	f, ok := printable.Unwrap(w).(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return Options{}
	}
	size := func() (int, int) {
		width, height, err := term.GetSize(int(f.Fd()))
		if err != nil || width <= 0 || height <= 0 {
			return 80, 24
		}
		return width, height
	}
	return Options{
		IsTerminal: true,
		Width:      func() int { w, _ := size(); return w },
		Height:     func() int { _, h := size(); return h },
	}
}

// UTF8 reports whether the locale that the environment names can show more than ASCII. Without any locale it cannot.
func UTF8(getenv func(string) string) bool {
	for _, k := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToLower(getenv(k)); v != "" {
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return false
}

// Display shows one run. Its methods may be called from several goroutines.
type Display interface {
	// Event shows one event.
	Event(exec.Event)
	// Close ends the display and prints one line a target; nil leaves that out. Events after it are ignored.
	Close(*exec.Report)
}

// RawDisplay is a display that wants BuildKit's own stream, which [exec.Options] can deliver.
type RawDisplay interface {
	Display
	// Status shows one message of the stream.
	Status(line []byte)
}

// New makes the display of a run of p. Nothing is written before the first event. Write errors are ignored: a run does
// not fail because nobody watches it.
func New(mode Mode, w io.Writer, p *plan.Plan, opt Options) (Display, error) {
	if !slices.Contains(Modes(), string(mode)) {
		return nil, fmt.Errorf("%q is not a way to show progress: want one of %s", mode, strings.Join(Modes(), ", "))
	}
	if mode == Auto {
		if mode = Plain; opt.IsTerminal {
			mode = TTY
		}
	}
	opt = opt.withDefaults()
	w = printable.NewWriter(w) // a view that moves a cursor or marks groups takes printable.Raw of it for that
	switch mode {
	case TTY:
		return newTTY(w, p, opt), nil
	case Plain:
		return newPlain(w, p, opt), nil
	case JSON:
		return newJSON(w, p, opt), nil
	case RawJSON:
		return &raw{w: w}, nil
	case GitHub, GitLab:
		return newGroups(w, p, opt, mode), nil
	}
	return quiet{}, nil
}

func (o Options) withDefaults() Options {
	if o.Width == nil {
		o.Width = func() int { return 80 }
	}
	if o.Height == nil {
		o.Height = func() int { return 24 }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Interval >= 0 {
		o.Interval = max(o.Interval, minInterval)
	}
	return o
}

// quiet shows nothing.
type quiet struct{}

func (quiet) Event(exec.Event)   {}
func (quiet) Close(*exec.Report) {}

// raw prints BuildKit's stream.
type raw struct {
	quiet
	mu sync.Mutex
	w  io.Writer
}

func (r *raw) Status(line []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, _ = r.w.Write(append(slices.Clip(line), '\n'))
}
