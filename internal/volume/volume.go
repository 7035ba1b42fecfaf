// Package volume says how much a test tries.
//
// In: the environment variable XBUILD_TEST_VOLUME. Out: a number of cases. Promised: without the variable, as in ./test, each
// test gets its usual number, which takes seconds; ./test soak sets the variable to "soak" or, with -n, to a number.
// Only tests import it.
//
// Start with [Of].
package volume

import (
	"fmt"
	"os"
	"strconv"
)

const variable = "XBUILD_TEST_VOLUME"

// Of is the number of cases to try: usual if nothing is set, soak in a soak, or the number that was asked for. It panics if the
// variable holds something else, so that a mistyped number is no short test.
func Of(usual, soak int) int {
	switch s := os.Getenv(variable); s {
	case "":
		return usual
	case "soak":
		return soak
	default:
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			panic(fmt.Sprintf("%s=%q: want \"soak\" or a number of at least 1", variable, s))
		}
		return n
	}
}

// Soak reports whether this is a soak, where a test may take many minutes.
func Soak() bool { return os.Getenv(variable) != "" }

// Spread picks count of the numbers below n, evenly and always the same; all of them if count is not smaller than n.
func Spread(count, n int) []int {
	count = min(count, n)
	out := make([]int, count)
	for i := range out {
		out[i] = i * n / count
	}
	return out
}
