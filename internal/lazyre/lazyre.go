// Package lazyre compiles regular expressions when they are first needed: compiled at the start, those of this program would
// take half a millisecond of each run, of which most need none of them.
//
// In: the text of an expression. Out: a function that gives it compiled. Promised: it is compiled once, and a call is safe
// for concurrent use. A mistake in the text is a panic of the first call, so each expression has to be met by a test.
package lazyre

import (
	"regexp"
	"sync"
)

// New is [regexp.MustCompile], put off until the first call of what it returns.
func New(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}
