// Package mask takes values that must not be shown out of text.
//
// In: the values, then text, whole or in pieces. Out: the text with stars in place of each value, also where it stands in base64
// or as in a URL. Start with [New].
package mask

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
)

// Shortest is the length in bytes from which a sensitive value is masked: what is shorter stands in every log by accident.
const Shortest = 6

// Stars are printed in place of a value.
const Stars = "***"

// Masker knows what to take out. The zero value and nil know nothing. It is not changed once it is made.
type Masker struct {
	words []string // longest first
	first [256]bool
}

// New makes a masker for values and what programs commonly make of them: each line of a long one, base64, URL and JSON escapes.
// Values with fewer than [Shortest] bytes are left out.
func New(values ...string) *Masker {
	var words []string
	for _, v := range values {
		for _, w := range linesOf(v) {
			words = append(words, forms(w)...)
		}
	}
	return Exactly(words...)
}

// Exactly makes a masker for words as they are, whatever their length.
func Exactly(words ...string) *Masker {
	m := &Masker{words: slices.DeleteFunc(slices.Clone(words), func(s string) bool { return s == "" })}
	slices.SortFunc(m.words, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	m.words = slices.Compact(m.words)
	for _, w := range m.words {
		m.first[w[0]] = true
	}
	return m
}

// And is a masker for what both know.
func (m *Masker) And(o *Masker) *Masker { return Exactly(slices.Concat(m.list(), o.list())...) }

func (m *Masker) list() []string {
	if m == nil {
		return nil
	}
	return m.words
}

// Empty reports whether there is nothing to take out.
func (m *Masker) Empty() bool { return len(m.list()) == 0 }

// linesOf is a value, without the space around it, and its lines if it has several.
func linesOf(v string) []string {
	out := []string{v}
	if t := strings.TrimSpace(v); t != v {
		out = append(out, t)
	}
	if strings.Contains(v, "\n") {
		for l := range strings.Lines(v) {
			out = append(out, strings.TrimSpace(l))
		}
	}
	return slices.DeleteFunc(out, func(s string) bool { return len(s) < Shortest })
}

// forms are the ways in which a value may stand in a text.
func forms(v string) []string {
	query, path := url.QueryEscape(v), url.PathEscape(v)
	out := []string{v, query, path, smallHex(query), smallHex(path)}
	if quoted, err := json.Marshal(v); err == nil {
		out = append(out, string(quoted[1:len(quoted)-1]))
	}
	var plain bytes.Buffer
	enc := json.NewEncoder(&plain)
	enc.SetEscapeHTML(false)
	if enc.Encode(v) == nil {
		out = append(out, strings.TrimSuffix(plain.String()[1:], "\"\n"))
	}
	for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		out = append(out, e.EncodeToString([]byte(v)))
		for lead := range 3 {
			out = append(out, inBase64(e, v, lead))
		}
	}
	return out
}

// smallHex writes the numbers of the bytes in a URL with small letters.
func smallHex(s string) string {
	b := []byte(s)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:], strings.ToLower(s[i+1:i+3]))
			i += 2
		}
	}
	return string(b)
}

// inBase64 is what stands for v in the base64 of a longer text, of which lead bytes modulo 3 come before v: the digits that v alone
// decides.
func inBase64(e *base64.Encoding, v string, lead int) string {
	s := e.EncodeToString([]byte(strings.Repeat("\x00", lead) + v))
	if (lead+len(v))%3 != 0 {
		s = s[:len(s)-1] // its last digit depends on what follows
	}
	return s[[]int{0, 2, 3}[lead]:]
}

// Mask returns text without the values.
func (m *Masker) Mask(s string) string {
	if m.Empty() {
		return s
	}
	out, _ := m.Part("", s, true)
	return out
}

// Part takes the values out of a piece of a text that arrives in pieces. held is what the last piece left over; rest is what this
// one leaves, since a value may go on in the next piece. With last set, nothing follows and nothing is left.
func (m *Masker) Part(held, piece string, last bool) (out, rest string) {
	s := held + piece
	if m.Empty() {
		return s, ""
	}
	var b strings.Builder
	from := 0
	for i := 0; i < len(s); {
		if !m.first[s[i]] {
			i++
			continue
		}
		w, more := m.at(s[i:])
		switch {
		case more && !last:
			b.WriteString(s[from:i])
			return b.String(), s[i:]
		case w > 0:
			b.WriteString(s[from:i])
			b.WriteString(Stars)
			i += w
			from = i
		default:
			i++
		}
	}
	b.WriteString(s[from:])
	return b.String(), ""
}

// at is the length of the longest word with which s begins, 0 if there is none; more says that s may be the beginning of a longer
// one.
func (m *Masker) at(s string) (length int, more bool) {
	for _, w := range m.words {
		if strings.HasPrefix(s, w) {
			return len(w), more
		}
		more = more || strings.HasPrefix(w, s)
	}
	return 0, more
}
