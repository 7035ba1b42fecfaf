package printable_test

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/xbuild/xbuild/internal/mask"
	"github.com/xbuild/xbuild/internal/printable"
)

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"": "",
		"plain\ttext\n\nä€ 日本 👩‍🔬\r\nend\n": "plain\ttext\n\nä€ 日本 👩‍🔬\r\nend\n",
		"a\x1b[31mb":                         `a\u001b[31mb`,
		"over\rwritten":                      `over\u000dwritten`,
		"bell\a del\x7f c1\u009b bidi\u202e": `bell\u0007 del\u007f c1\u009b bidi\u202e`,
		"bad\x9butf8":                        `bad\x9butf8`,
		"::error::x":                         `\u003a:error::x`,
		"a\n  ::error::x\nstd::string":       "a\n  \\u003a:error::x\nstd::string",
		"a\n\u00a0::error::x":                "a\n\u00a0\\u003a:error::x",
		"in ##[error] line":                  `in #\u0023[error] line`,
		"###[x]":                             `##\u0023[x]`,
		"##vso[task.setvariable]":            `#\u0023vso[task.setvariable]`,
		"section_start:1:x\r\x1b[0K":         `section_start\u003a1:x\u000d\u001b[0K`,
		"## heading section_start a::b":      `## heading section_start a::b`,
	} {
		got := printable.Text(in)
		if got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
		if again := printable.Text(got); again != got {
			t.Errorf("%q changes when it passes again: %q", got, again)
		}
	}
	if got := printable.Line("a\nb\r\nc"); got != "a b c" {
		t.Errorf("got %q", got)
	}
}

// random is text that is made of what hurts.
func random(rnd *rand.Rand) string {
	parts := []string{"\x1b", "[31m", "\r", "\n", "\a", ":", "::", "#", "##", "[", "##[", "vso[", "section_start:", "1:", " ", "\t", "x", "\u009b", "\u202e", "\xff", "ä"}
	var b strings.Builder
	for range rnd.IntN(12) {
		b.WriteString(parts[rnd.IntN(len(parts))])
	}
	return b.String()
}

// bad says what is wrong with text that reaches a terminal or a CI service.
func bad(s string) string {
	for _, r := range strings.ReplaceAll(s, "\r\n", "\n") {
		if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 || r == 0x202e {
			return "a control"
		}
	}
	switch {
	case !utf8.ValidString(s):
		return "bad UTF-8"
	case strings.Contains(s, "##["), strings.Contains(s, "##vso["), strings.Contains(s, "section_start:"):
		return "a command"
	}
	for l := range strings.Lines(s) {
		if strings.HasPrefix(strings.TrimSpace(l), "::") {
			return "a command at the start of a line"
		}
	}
	return ""
}

// TestWriter writes random texts in random calls, whole or between own marks.
func TestWriter(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 20000 {
		var out strings.Builder
		w := printable.NewWriter(&out)
		var in []string
		for range 1 + rnd.IntN(3) {
			s := random(rnd)
			in = append(in, s)
			if n, err := w.Write([]byte(s)); n != len(s) || err != nil {
				t.Fatal(n, err)
			}
		}
		if why := bad(out.String()); why != "" && !strings.Contains(strings.Join(in, ""), "section_") {
			t.Fatalf("%s: %q gives %q", why, in, out.String())
		}
		if why := bad(printable.Text(strings.Join(in, ""))); why != "" {
			t.Fatalf("%s: Text(%q)", why, in)
		}
	}
}

// TestJSON shows that JSON keeps its value.
func TestJSON(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for range 5000 {
		in := strings.ToValidUTF8(random(rnd), "?")
		text, err := json.Marshal(map[string]string{in: in})
		if err != nil {
			t.Fatal(err)
		}
		var back map[string]string
		if err := json.Unmarshal([]byte(printable.Text(string(text))), &back); err != nil || back[in] != in {
			t.Fatalf("%q: %q, %v", in, printable.Text(string(text)), err)
		}
	}
}

func TestStyled(t *testing.T) {
	var out strings.Builder
	w := printable.NewWriter(&out)
	w.Hide(mask.New("hunter2"))
	s := printable.Styled(w)
	_, _ = s.Write([]byte(printable.Paint("31", "red\x1b]0;t\a hunter2") + " \x1b[8mhidden\x1b[2Jx\n::error\n"))
	_, _ = printable.Raw(w).Write([]byte("::group::hunter2\n"))
	_, _ = w.Write([]byte("::group::hunter2\n"))
	_, _ = printable.Unwrap(w).Write([]byte("\x00hunter2"))
	want := "\x1b[31mred" + `\u001b]0;t\u0007` + " ***\x1b[0m " + `\u001b[8mhidden\u001b[2Jx` + "\n\\u003a:error\n::group::***\n\\u003a:group::***\n\x00hunter2"
	if out.String() != want {
		t.Errorf("got\n%q, want\n%q", out.String(), want)
	}
	if printable.NewWriter(w) != w {
		t.Error("a writer is wrapped twice")
	}
}
