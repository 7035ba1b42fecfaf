// Package start makes the process start faster: it puts off garbage collection while packages initialize and build files
// are read, which takes a few milliseconds of a start and would free next to nothing.
//
// In: nothing; importing it is enough. It imports little, so that it is initialized before most of the program. Out:
// [Done], [Frugal], [Planning] and [Daemon], one of which must be called before anything that works for long. Promised: a
// GOGC of the user's counts from the first moment.
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
	large   = 50  // targets
)

func init() {
	set(patient)
	after(reading)
}

// then is what counts after the next collection.
var then atomic.Int64

// after sets what counts after the next collection.
func after(percent int) {
	then.Store(int64(percent))
	runtime.AddCleanup(&next{}, func(int) { set(int(then.Load())) }, 0)
}

// next is freed by the next collection. The pointer keeps it from sharing its place with others.
type next struct{ _ *int }

// Planning is for a run that a daemon will take longer for than this process: of many targets the plan is the largest thing in
// memory, and most of what it is made of is garbage soon.
func Planning(targets int) {
	if targets >= large {
		after(usual)
		set(usual)
	}
}

// Done ends the start: from the next collection on garbage is collected as usual. A small run has no collection at all.
func Done() { after(usual) }

// Daemon ends the start of a process that stays.
func Daemon() {
	after(usual)
	set(usual)
}

// Frugal is for a command that needs memory for garbage and syntax, of which collecting it earlier gives much back.
func Frugal() {
	after(usual)
	set(early)
}

func set(percent int) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
}
