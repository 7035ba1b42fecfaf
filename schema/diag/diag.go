// Package diag describes problems in the files a user writes: what is wrong, where, and what to do about it.
//
// In: positions and sentences from the front end and the planner. Out: a [List] that is rendered as text with a source
// excerpt ([Text]), as JSON ([JSON]) or as CI annotations ([GitHub]). The package knows no file format. Texts are rendered
// as package printable shows them, so that what a file says cannot give orders to a terminal or a CI service. Start with [Diagnostic].
//
// Functions that can find several problems return a List, never only the first one. Go errors stay reserved for
// trouble with the outside world: files, networks, daemons.
package diag

import (
	"cmp"
	"fmt"
	"slices"
)

// Pos is a place in a source file.
type Pos struct {
	Line   int `json:"line"`   // 1-based; 0 means unknown
	Column int `json:"column"` // 1-based, counted in user-perceived characters; 0 means the whole line
	Byte   int `json:"byte"`   // 0-based offset into the file
}

// Range is a half-open stretch of one source file.
type Range struct {
	Filename string `json:"filename"`
	Start    Pos    `json:"start"`
	End      Pos    `json:"end"`
}

// LineRange covers one whole line of a file whose columns are not known, as in a Dockerfile.
func LineRange(filename string, line int) *Range {
	return &Range{Filename: filename, Start: Pos{Line: line}, End: Pos{Line: line}}
}

// String renders file:line:column, leaving out what is unknown.
func (r Range) String() string {
	switch {
	case r.Start.Line == 0:
		return r.Filename
	case r.Start.Column == 0:
		return fmt.Sprintf("%s:%d", r.Filename, r.Start.Line)
	}
	return fmt.Sprintf("%s:%d:%d", r.Filename, r.Start.Line, r.Start.Column)
}

// Severity says whether work may go on.
type Severity string

// The three severities, worst first. An Error stops the command; a Note explains a decision.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
	Note    Severity = "note"
)

// Diagnostic is one problem, told to the author of the file.
type Diagnostic struct {
	Severity Severity `json:"severity"`
	// Code is a stable kebab-case identifier of the kind of problem.
	Code string `json:"code"`
	// Summary is one line without user text in a fixed wording where possible.
	Summary string `json:"summary"`
	// Detail is full sentences: what was found, and why it is wrong. May be empty.
	Detail string `json:"detail,omitempty"`
	// Advice says what to do. May be empty.
	Advice string `json:"advice,omitempty"`
	// Subject is the narrowest range that holds the problem; nil where there is no file to point at.
	Subject *Range `json:"subject,omitempty"`
	// Related points at the other places that take part, in the order a reader should visit them.
	Related []Related `json:"related,omitempty"`
}

// Related is a second place of a diagnostic, with its role.
type Related struct {
	Range   Range  `json:"range"`
	Message string `json:"message"`
}

// Error makes a single diagnostic usable where an API wants an error.
func (d Diagnostic) Error() string {
	s := d.Summary
	if d.Detail != "" {
		s += ": " + d.Detail
	}
	if d.Subject != nil {
		s = d.Subject.String() + ": " + s
	}
	return s
}

// List is every problem found so far.
type List []Diagnostic

// HasErrors reports whether any entry stops the command.
func (l List) HasErrors() bool {
	return slices.ContainsFunc(l, func(d Diagnostic) bool { return d.Severity == Error })
}

// Errorf appends an error and returns the longer list.
func (l List) Errorf(code string, at *Range, summary, detail string, args ...any) List {
	return append(l, Diagnostic{Severity: Error, Code: code, Summary: summary, Detail: fmt.Sprintf(detail, args...), Subject: at})
}

// Sorted returns a copy ordered by file, position, severity and code, without exact repetitions.
func (l List) Sorted() List {
	out := slices.Clone(l)
	slices.SortStableFunc(out, func(a, b Diagnostic) int {
		ra, rb := rangeOf(a), rangeOf(b)
		return cmp.Or(cmp.Compare(ra.Filename, rb.Filename), cmp.Compare(ra.Start.Line, rb.Start.Line),
			cmp.Compare(ra.Start.Column, rb.Start.Column), cmp.Compare(a.Severity, b.Severity),
			cmp.Compare(a.Code, b.Code), cmp.Compare(a.Detail, b.Detail))
	})
	return slices.CompactFunc(out, func(a, b Diagnostic) bool {
		return rangeOf(a) == rangeOf(b) && a.Code == b.Code && a.Summary == b.Summary && a.Detail == b.Detail
	})
}

func rangeOf(d Diagnostic) Range {
	if d.Subject == nil {
		return Range{}
	}
	return *d.Subject
}
