package progress

import (
	"bytes"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/mattn/go-runewidth"

	"github.com/xbuild/xbuild/internal/lazyre"
	"github.com/xbuild/xbuild/internal/printable"
)

// cells measures characters in columns of a terminal, whatever the locale.
var cells = &runewidth.Condition{}

// columnsOf is how wide text is. It adds up characters: a terminal that joins several to one, as some do with emoji,
// shows less, but none shows more.
func columnsOf(s string) int {
	if isPlain(s) {
		return len(s)
	}
	n := 0
	for _, r := range s {
		n += cellsOf(r)
	}
	return n
}

// cellsOf is how wide a character is. The library makes a table of all characters when it is first asked, which takes
// longer than the rest of a summary; most runs need it for nothing but the signs that are our own.
func cellsOf(r rune) int {
	switch r {
	case '✓', '✗', '…':
		return 1
	}
	return cells.RuneWidth(r)
}

// first returns as much of the beginning of text as fits into a width.
func first(s string, width int) string {
	for i, r := range s {
		if width -= cellsOf(r); width < 0 {
			return s[:i]
		}
	}
	return s
}

// escapes are the sequences by which a program controls a terminal.
var escapes = lazyre.New(`\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[PX^_][^\x1b]*(?:\x1b\\)?|[ -/]*[0-~])`)

// clean makes text from outside safe to show: valid UTF-8 on one line, without escape sequences and invisible controls.
func clean(s string) string {
	if isPlain(s) {
		return s
	}
	s = escapes().ReplaceAllString(strings.ToValidUTF8(s, "\uFFFD"), "")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\n':
			return ' '
		case unicode.IsControl(r), r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069: // and changes of direction
			return -1
		}
		return r
	}, s)
}

func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// tailLines is how many lines of a log the live view can show.
const tailLines = 5

// maxLine bounds how much of a line that does not end is kept.
const maxLine = 16 << 10

// logLines joins the chunks of a log to lines and keeps the last ones.
type logLines struct {
	partial []byte
	tail    []string
}

// add takes a chunk and returns the lines that it completes.
func (l *logLines) add(chunk []byte) []string {
	var out []string
	for len(chunk) > 0 {
		part, rest, whole := bytes.Cut(chunk, []byte{'\n'})
		l.partial = append(l.partial, part...)
		chunk = rest
		if whole || len(l.partial) > maxLine {
			out = append(out, l.flush()...)
		}
	}
	return out
}

// flush ends the line that is not complete, if there is one.
func (l *logLines) flush() []string {
	if len(l.partial) == 0 {
		return nil
	}
	line := lastVersion(string(l.partial))
	l.partial = l.partial[:0]
	if strings.TrimSpace(line) == "" {
		return nil
	}
	l.tail = append(l.tail, line)
	if n := len(l.tail) - tailLines; n > 0 {
		l.tail = append(l.tail[:0], l.tail[n:]...)
	}
	return []string{line}
}

// recent returns the last n lines, the one that is not complete included.
func (l *logLines) recent(n int) []string {
	lines := l.tail
	if p := lastVersion(string(l.partial)); strings.TrimSpace(p) != "" {
		lines = append(lines[:len(lines):len(lines)], p)
	}
	return lines[max(0, len(lines)-n):]
}

// lastVersion is what a terminal shows of a line that was overwritten from its start, as progress bars do.
func lastVersion(s string) string {
	s = strings.TrimRight(s, "\r")
	if i := strings.LastIndexByte(s, '\r'); i >= 0 {
		s = s[i+1:]
	}
	return strings.TrimRight(clean(s), " ")
}

// short writes a duration in at most six columns: 0.4s, 59.9s, 2m05s, 1h02m, 120h.
func short(d time.Duration) string {
	d = max(d, 0)
	switch t := d.Truncate(100 * time.Millisecond); {
	case t < time.Minute:
		return fmt.Sprintf("%.1fs", t.Seconds())
	case t < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(t.Minutes()), int(t.Seconds())%60)
	case t < 100*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(t.Hours()), int(t.Minutes())%60)
	}
	return fmt.Sprintf("%dh", int(d.Hours()))
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// style is a way to print text, as the parameter of ANSI's SGR sequence.
type style string

const (
	normal  style = ""
	bold    style = "1"
	dim     style = "2"
	red     style = "31"
	green   style = "32"
	yellow  style = "33"
	blue    style = "34"
	magenta style = "35"
	cyan    style = "36"
)

// line is a line of text that never gets wider than max columns.
type line struct {
	b     strings.Builder
	width int
	max   int
	opt   *Options
}

func (o *Options) line(max int) *line { return &line{max: max, opt: o} }

// add appends text, cut off where the line is full. It is the only way into a line, so nothing on one controls the terminal.
func (l *line) add(st style, s string) *line {
	s = l.opt.cut(printable.Line(clean(s)), l.max-l.width)
	if s == "" {
		return l
	}
	l.width += columnsOf(s)
	if st == normal || !l.opt.Color {
		l.b.WriteString(s)
	} else {
		fmt.Fprintf(&l.b, "\x1b[%sm%s\x1b[0m", st, s)
	}
	return l
}

// pad appends text in a column of a fixed width; right moves it to the column's right edge.
func (l *line) pad(st style, s string, width int, right bool) *line {
	s = l.opt.cut(s, width)
	fill := strings.Repeat(" ", max(0, width-columnsOf(s)))
	if right {
		return l.add(normal, fill).add(st, s)
	}
	return l.add(st, s).add(normal, fill)
}

func (l *line) String() string { return l.b.String() }

// cut shortens text to a width and marks that it did.
func (o *Options) cut(s string, width int) string {
	if width <= 0 {
		return ""
	}
	if columnsOf(s) <= width {
		return s
	}
	mark := "…"
	if o.ASCII {
		mark = "..."
	}
	if width <= columnsOf(mark) {
		return first(s, width)
	}
	return first(s, width-columnsOf(mark)) + mark
}
