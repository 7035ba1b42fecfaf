package printable

import (
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/xbuild/xbuild/internal/mask"
)

// Writer passes on what is written to it as [Text], without what its masker hides. Each call should bring whole lines: a
// character that arrives in two pieces becomes escapes, and a value that does is not masked. It is safe for concurrent use.
type Writer struct {
	w io.Writer

	mu    sync.Mutex
	masks *mask.Masker
	lead  lead
	last  byte // the last byte that was passed on
}

// lead is how the line began that is being written.
type lead int

const (
	blank lead = iota // with nothing but space so far
	colon             // with one colon, so far
	other
)

// NewWriter returns a writer to w; one that already is a Writer is returned as it is.
func NewWriter(w io.Writer) *Writer {
	if p, ok := w.(*Writer); ok {
		return p
	}
	return &Writer{w: w}
}

// Hide makes the writer, and those that [Styled] and [Raw] make of it, replace values by stars from now on.
func (p *Writer) Hide(m *mask.Masker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.masks = m
}

// Write implements io.Writer. The count is that of data, whatever it became.
func (p *Writer) Write(data []byte) (int, error) {
	return p.pass(data, func(s string) string { return p.joined(escape(s, p.lead == blank)) })
}

// pass writes what change makes of data.
func (p *Writer) pass(data []byte, change func(s string) string) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := change(p.masks.Mask(string(data)))
	if s == "" {
		return len(data), nil
	}
	p.remember(s)
	if _, err := io.WriteString(p.w, s); err != nil {
		return 0, err
	}
	return len(data), nil
}

// remember keeps what [Writer.joined] must know of the text that is passed on.
func (p *Writer) remember(s string) {
	p.last = s[len(s)-1]
	line := s[strings.LastIndexByte(s, '\n')+1:]
	if len(line) < len(s) {
		p.lead = blank
	}
	switch line = strings.TrimSpace(line); {
	case line == "":
	case line == ":" && p.lead == blank:
		p.lead = colon
	default:
		p.lead = other
	}
}

// joined breaks a command whose first characters were written before.
func (p *Writer) joined(s string) string {
	switch {
	case s == "":
	case p.last == '#' && strings.IndexByte("#[vt", s[0]) >= 0, p.lead == colon && s[0] == ':':
		return fmt.Sprintf(`\u%04x`, s[0]) + s[1:]
	}
	return s
}

// Unwrap is the writer below w: for a [Writer] the one that it was made of, else w itself. It is for data that is not shown,
// such as an archive.
func Unwrap(w io.Writer) io.Writer {
	if p, ok := w.(*Writer); ok {
		return p.w
	}
	return w
}

// Raw is a writer to the same place that passes on every byte but what is masked, for who gives commands to a CI service or moves
// a cursor. What is not the caller's own must have passed [Text] or [Line].
func Raw(w io.Writer) io.Writer {
	if p, ok := w.(*Writer); ok {
		return raw{p}
	}
	return w
}

type raw struct{ p *Writer }

func (r raw) Write(data []byte) (int, error) {
	return r.p.pass(data, func(s string) string { return s })
}

// Styled is a writer to the same place that lets the colours of [Paint] pass, and nothing else that [Writer] does not.
func Styled(w io.Writer) io.Writer {
	if p, ok := w.(*Writer); ok {
		return styled{p}
	}
	return styled{NewWriter(w)}
}

type styled struct{ p *Writer }

func (st styled) Write(data []byte) (int, error) {
	return st.p.pass(data, func(s string) string {
		var b strings.Builder
		for {
			i, n := style(s)
			b.WriteString(escape(s[:i], b.Len() == 0 && st.p.lead == blank))
			if n == 0 {
				return b.String()
			}
			b.WriteString(s[i : i+n])
			s = s[i+n:]
		}
	})
}

// Paint gives text a colour or a weight of ANSI's SGR, such as "31" or "1". Controls in the text are
// made visible.
func Paint(code, s string) string { return "\x1b[" + code + "m" + controls(s) + "\x1b[0m" }

// style finds the first sequence that [Paint] writes: where it begins, and its length, 0 if there is none.
func style(s string) (at, length int) {
	for from := 0; ; {
		i := strings.Index(s[from:], "\x1b[")
		if i < 0 {
			return len(s), 0
		}
		from += i
		end := strings.IndexByte(s[from:], 'm')
		if end < 0 {
			return len(s), 0
		}
		switch code := s[from+2 : from+end]; code {
		case "0", "1", "2", "31", "32", "33", "34", "35", "36":
			return from, end + 1
		}
		from += 2
	}
}
