package diag

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/xbuild/xbuild/internal/printable"
)

// Sources maps a file name, as it stands in a [Range], to the file's text. A missing entry only costs the excerpt.
type Sources map[string][]byte

// Text renders the list for a terminal or a log: one block a diagnostic, with the source line and carets under the
// subject. The result ends in a newline unless the list is empty.
func Text(l List, src Sources) string {
	var b strings.Builder
	for i, d := range l {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s: %s [%s]\n", d.Severity, printable.Text(d.Summary), d.Code)
		if d.Subject != nil {
			fmt.Fprintf(&b, "  --> %s\n", printable.Line(d.Subject.String()))
			excerpt(&b, *d.Subject, src)
		}
		for _, s := range nonEmpty(d.Detail) {
			fmt.Fprintf(&b, "  %s\n", s)
		}
		for _, r := range d.Related {
			fmt.Fprintf(&b, "  %s: %s\n", printable.Line(r.Range.String()), printable.Text(r.Message))
		}
		for n, s := range nonEmpty(d.Advice) {
			if n == 0 {
				s = "help: " + s
			}
			fmt.Fprintf(&b, "  %s\n", s)
		}
	}
	return b.String()
}

func nonEmpty(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(strings.TrimRight(printable.Text(s), "\n"), "\n")
}

// excerpt writes the first line of r with carets below the part that r covers.
func excerpt(b *strings.Builder, r Range, src Sources) {
	text, ok := src[r.Filename]
	if !ok || r.Start.Line == 0 {
		return
	}
	lines := strings.Split(string(text), "\n")
	if r.Start.Line > len(lines) {
		return
	}
	line := strings.TrimRight(lines[r.Start.Line-1], "\r")
	fmt.Fprintf(b, "%5d | %s\n", r.Start.Line, printable.Line(line))
	if r.Start.Column == 0 {
		return
	}
	width := utf8.RuneCountInString(line) - r.Start.Column + 1
	if r.End.Line == r.Start.Line {
		width = r.End.Column - r.Start.Column
	}
	// Tabs are kept in the margin, so that the carets stand under the subject whatever the tab width.
	var pad strings.Builder
	before := []rune(line)
	for _, c := range printable.Line(string(before[:min(r.Start.Column-1, len(before))])) {
		if c == '\t' {
			pad.WriteByte('\t')
		} else {
			pad.WriteByte(' ')
		}
	}
	fmt.Fprintf(b, "      | %s%s\n", pad.String(), strings.Repeat("^", max(width, 1)))
}

// JSON renders the list as one JSON array, indented, with a final newline.
func JSON(l List) []byte {
	if l == nil {
		l = List{}
	}
	b, err := json.MarshalIndent(l, "", "  ")
	if err != nil { // only strings and integers inside: cannot happen
		panic(err)
	}
	return append(b, '\n')
}

// GitHub renders workflow commands that make GitHub annotate the lines of a change.
func GitHub(l List) string {
	var b strings.Builder
	for _, d := range l {
		kind := map[Severity]string{Error: "error", Warning: "warning", Note: "notice"}[d.Severity]
		b.WriteString("::" + kind + " ")
		if r := d.Subject; r != nil {
			fmt.Fprintf(&b, "file=%s,line=%d,", property(r.Filename), r.Start.Line)
			if r.Start.Column > 0 {
				fmt.Fprintf(&b, "col=%d,", r.Start.Column)
			}
			if r.End.Line > 0 {
				fmt.Fprintf(&b, "endLine=%d,", r.End.Line)
			}
			// The last column that is marked: ours is the one after it.
			if r.End.Line == r.Start.Line && r.End.Column > r.Start.Column {
				fmt.Fprintf(&b, "endColumn=%d,", r.End.Column-1)
			}
		}
		fmt.Fprintf(&b, "title=%s::%s\n", property(d.Summary+" ["+d.Code+"]"), message(annotation(d)))
	}
	return b.String()
}

// annotation is the text of a workflow command; it may not be empty.
func annotation(d Diagnostic) string {
	parts := nonEmpty(d.Detail)
	for _, r := range d.Related {
		parts = append(parts, fmt.Sprintf("%s: %s", printable.Line(r.Range.String()), r.Message))
	}
	if parts = append(parts, nonEmpty(d.Advice)...); len(parts) == 0 {
		return d.Summary
	}
	return strings.Join(parts, "\n")
}

var (
	messageEscapes  = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	propertyEscapes = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

func message(s string) string  { return messageEscapes.Replace(printable.Text(s)) }
func property(s string) string { return propertyEscapes.Replace(printable.Text(s)) }
