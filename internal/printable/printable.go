// Package printable makes text that comes from files, builds, registries and daemons safe to show on a terminal and in the log
// of a CI service.
//
// In: any bytes. Out: the same text, in which control characters and changes of the direction of writing are visible escapes,
// and no line of which is a command to a CI service. Promised: ordinary text passes unchanged, the result is printed unchanged
// when it passes again, and JSON stays JSON of the same value, since the escapes are those of JSON.
//
// Start with [Writer], through which a command prints everything. What draws on a terminal or gives commands to a CI service
// itself writes to [Styled] or [Raw], after it has applied [Text] or [Line] to what is not its own.
package printable

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text makes text of several lines safe to show. Line ends and tabs stay as they are.
func Text(s string) string { return escape(s, true) }

// Line makes text safe to show within one line: like [Text], but line ends become spaces.
func Line(s string) string {
	if strings.ContainsAny(s, "\r\n") {
		s = strings.NewReplacer("\r\n", " ", "\n", " ").Replace(s)
	}
	return escape(s, false)
}

// escape does what [Text] says. atStart tells whether s begins a line.
func escape(s string, atStart bool) string {
	if s = controls(s); mayCommand(s) {
		s = commands(s, atStart)
	}
	return s
}

// controls replaces what a terminal would not show as a character.
func controls(s string) string {
	i := firstUnsafe(s)
	if i < 0 {
		return s
	}
	var b strings.Builder
	for i >= 0 {
		b.WriteString(s[:i])
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			fmt.Fprintf(&b, `\x%02x`, s[i])
		} else {
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		s = s[i+n:]
		i = firstUnsafe(s)
	}
	b.WriteString(s)
	return b.String()
}

// firstUnsafe is where the first character stands that may not reach a terminal, or -1.
func firstUnsafe(s string) int {
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			if c < ' ' && c != '\n' && c != '\t' && !(c == '\r' && i+1 < len(s) && s[i+1] == '\n') || c == 0x7f {
				return i
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 || unsafeRune(r) {
			return i
		}
		i += n
	}
	return -1
}

// unsafeRune reports whether a character outside ASCII is a control, a change of direction, or a line end that only some
// programs know.
func unsafeRune(r rune) bool {
	switch {
	case unicode.IsControl(r), r == 0x061c, r == 0x200e, r == 0x200f, r >= 0x2028 && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
		return true
	}
	return false
}

// mayCommand is a quick check for what [commands] could change.
func mayCommand(s string) bool {
	return strings.Contains(s, "::") || strings.Contains(s, "##") || strings.Contains(s, "section_")
}

// The beginnings of commands to CI services that count anywhere in a line: those of Azure Pipelines, which GitHub's runner obeys
// too, of TeamCity and of GitLab. Each is broken after its first character.
var anywhere = strings.NewReplacer(
	"##[", `#\u0023[`,
	"##vso[", `#\u0023vso[`,
	"##teamcity[", `#\u0023teamcity[`,
	"section_start:", `section_start\u003a`,
	"section_end:", `section_end\u003a`,
)

// commands breaks what a CI service would take for a command. GitHub's runner obeys "::" as the first thing of a line.
func commands(s string, atStart bool) string {
	s = anywhere.Replace(s)
	if !strings.Contains(s, "::") {
		return s
	}
	lines := strings.SplitAfter(s, "\n")
	for i, l := range lines {
		if i == 0 && !atStart {
			continue
		}
		if text := strings.TrimLeftFunc(l, unicode.IsSpace); strings.HasPrefix(text, "::") {
			lines[i] = l[:len(l)-len(text)] + `\u003a` + text[1:]
		}
	}
	return strings.Join(lines, "")
}
