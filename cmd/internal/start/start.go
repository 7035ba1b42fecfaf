// Package start makes the process start faster: it puts off garbage collection while packages initialize and build files
// are read, which takes a few milliseconds of a start and would free next to nothing.
//
// In: nothing; importing it is enough. It imports little, so that it is initialized before most of the program. Out:
// [Done], which must be called before anything that works for long, and [Frugal]. Promised: a GOGC of the user's counts
// from the first moment.
package start

import (
	"os"
	"runtime"
	"runtime/debug"
	"sync/atomic"
)

const (
	// patient makes the first collection happen at a heap of 16 MB instead of 4.
	patient = 400
	early   = 300 // at 12 MB
	reading = 200 // from then on, while a large build is read and planned
	usual   = 100 // the default of Go
	// frugal saves a tenth of the memory of a large run. The time that it takes is spent while the daemon works.
	frugal = 50
	large  = 50 // builds
)

// then is what counts after the first collection.
var then atomic.Int64

func init() {
	set(patient)
	then.Store(reading)
	runtime.AddCleanup(&first{}, func(int) { set(int(then.Load())) }, 0)
}

// first is freed by the first collection. The pointer keeps it from sharing its place with others.
type first struct{ _ *int }

// Done ends the start. From now on garbage is collected as usual, and more often in a run of many builds.
func Done(builds int) {
	percent := usual
	if builds >= large {
		percent = frugal
	}
	then.Store(int64(percent))
	set(percent)
}

// Frugal is for a command that needs memory for garbage and syntax, of which collecting it earlier gives much back.
func Frugal() {
	then.Store(usual)
	set(early)
}

func set(percent int) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
}
