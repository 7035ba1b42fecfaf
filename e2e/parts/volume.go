package parts

import (
	"fmt"
	"os"
	"strconv"
)

// Volume is the number of cases that a test tries: usual if nothing is set, soak in a soak (XBUILD_TEST_VOLUME=soak), or the
// number that was asked for. It is what internal/volume is for the other module, of which this one imports nothing.
func Volume(usual, soak int) int {
	switch s := os.Getenv("XBUILD_TEST_VOLUME"); s {
	case "":
		return usual
	case "soak":
		return soak
	default:
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			panic(fmt.Sprintf("XBUILD_TEST_VOLUME=%q: want \"soak\" or a number of at least 1", s))
		}
		return n
	}
}

// Soak reports whether this is a soak, where a test may take many minutes.
func Soak() bool { return os.Getenv("XBUILD_TEST_VOLUME") != "" }
