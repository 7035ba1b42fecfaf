package progress

import (
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// screen is a terminal that knows what the live view uses: line breaks, wrapping at the right edge, scrolling, and the
// sequences for cursor up, erase to the end of the line, erase to the end of the screen, and styles.
type screen struct {
	width, height int
	rows          [][]rune
	x, y          int
	scrolled      []string // what left the screen at the top
	t             testing.TB
}

func newScreen(t testing.TB, width, height int) *screen {
	return &screen{width: width, height: height, rows: make([][]rune, height), t: t}
}

func (s *screen) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		switch p[0] {
		case '\r':
			s.x = 0
		case '\n':
			s.x = 0
			s.down()
		case 0x1b:
			p = p[s.escape(string(p)):]
			continue
		default:
			r, size := utf8.DecodeRune(p)
			if r < ' ' || r == utf8.RuneError && size == 1 {
				s.t.Errorf("%q was written to the terminal", r)
			}
			s.put(r)
			p = p[size:]
			continue
		}
		p = p[1:]
	}
	return n, nil
}

func (s *screen) put(r rune) {
	w := cells.RuneWidth(r)
	if w == 0 {
		return // it changes the character before it
	}
	if s.x+w > s.width {
		s.x = 0
		s.down()
	}
	row := s.rows[s.y]
	for len(row) < s.x+w {
		row = append(row, ' ')
	}
	row[s.x] = r
	if w == 2 {
		row[s.x+1] = -1 // the right half
	}
	s.rows[s.y] = row
	s.x += w
}

func (s *screen) down() {
	if s.y++; s.y == s.height {
		s.y--
		s.scrolled = append(s.scrolled, rowText(s.rows[0]))
		s.rows = append(s.rows[1:], nil)
	}
}

func (s *screen) escape(p string) int {
	end := strings.IndexAny(p, "AKJm")
	if !strings.HasPrefix(p, "\x1b[") || end < 0 {
		s.t.Fatalf("unknown sequence %q", p[:min(10, len(p))])
	}
	arg, _ := strconv.Atoi(p[2:end])
	switch p[end] {
	case 'A':
		s.y = max(0, s.y-arg)
	case 'K':
		s.rows[s.y] = s.rows[s.y][:min(s.x, len(s.rows[s.y]))]
	case 'J':
		s.rows[s.y] = s.rows[s.y][:min(s.x, len(s.rows[s.y]))]
		for y := s.y + 1; y < s.height; y++ {
			s.rows[y] = nil
		}
	}
	return end + 1
}

// resize changes the width as terminals do that break long lines anew; the cursor stays with its text.
func (s *screen) resize(width int) {
	old, y := s.rows, s.y
	s.width, s.rows, s.y = width, nil, 0
	for i, row := range old {
		if i == y {
			s.y = len(s.rows)
		}
		if i > y {
			break
		}
		for len(row) > width {
			s.rows = append(s.rows, row[:width:width])
			row = row[width:]
		}
		s.rows = append(s.rows, row)
	}
	for len(s.rows) > s.height {
		s.scrolled = append(s.scrolled, rowText(s.rows[0]))
		s.rows, s.y = s.rows[1:], s.y-1
	}
	for len(s.rows) < s.height {
		s.rows = append(s.rows, nil)
	}
}

func rowText(row []rune) string {
	var b strings.Builder
	for _, r := range row {
		if r >= 0 {
			b.WriteRune(r)
		}
	}
	return strings.TrimRight(b.String(), " ")
}

// String is what the user sees, without empty lines at the end.
func (s *screen) String() string {
	var b strings.Builder
	for _, r := range s.rows {
		b.WriteString(rowText(r) + "\n")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}
