// Package start makes the process start faster: it puts off garbage collection while packages initialize and build files
// are read, which takes a few milliseconds of a start and would free next to nothing.
//
// In: nothing; importing it is enough. It imports little, so that it is initialized before most of the program. Out:
// [Done], which must be called before anything that works for long or needs much memory. Promised: a GOGC of the user's
// counts from the first moment.
package start

import (
	"os"
	"runtime/debug"
)

const (
	// patient makes the first collection happen at a heap of 16 MB instead of 4.
	patient = 400
	usual   = 100 // the default of Go
)

func init() { set(patient) }

// Done goes back to usual garbage collection.
func Done() { set(usual) }

func set(percent int) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
}
