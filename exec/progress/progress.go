// Package progress shows a run to its user while it goes on.
//
// In: the plan, then every [exec.Event] of the run, then its [exec.Report]. Out: text on one writer, in one of four
// modes: a live view for terminals, plain lines for logs, nothing, or what suits the writer. Promised: the live view
// never exceeds the terminal and leaves one line a target behind; a step that several targets or platforms share is
// shown once; nothing that a step prints can move the cursor or change a colour. A display does not repeat the log of a
// failed step at the end: the command prints failures.
//
// Start with [New]. The model (model.go) folds events into the state of every stage and knows no screen; the views turn
// it into lines.
package progress

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/plan"
)

// Mode is a way to show progress.
type Mode string

// The modes.
const (
	Auto  Mode = "auto"  // TTY on a terminal, else Plain
	TTY   Mode = "tty"   // a live view that is redrawn in place
	Plain Mode = "plain" // one line for every finished step and every line of its log
	Quiet Mode = "quiet" // nothing
)

// Modes lists the names of the modes, for help and errors.
func Modes() []string { return []string{string(Auto), string(TTY), string(Plain), string(Quiet)} }

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
	f, ok := w.(*os.File)
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
	switch mode {
	case TTY:
		return newTTY(w, p, opt), nil
	case Plain:
		return newPlain(w, p, opt), nil
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
