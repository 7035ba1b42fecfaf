package buildkit

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/xbuild/xbuild/exec/output"
	"github.com/xbuild/xbuild/internal/lazyre"
	"github.com/xbuild/xbuild/schema"
)

// fullOutput says that the disk of a destination is full, and not that of BuildKit's store.
type fullOutput struct {
	dests []string
	err   error
}

func (e *fullOutput) Error() string {
	return "the disk of the output is full: " + strings.Join(e.dests, ", ") + " cannot be written: " + noRoom().FindString(e.err.Error())
}

func (e *fullOutput) Unwrap() error { return e.err }

// noRoom is what systems say of a disk that is full, or of a user's share of it.
var noRoom = lazyre.New(`(?i)no space left on device|disk quota exceeded|there is not enough space on the disk`)

// stagingPath is a path in a staging folder: what fails there fails on the disk of an output.
var stagingPath = lazyre.New(`[/\\]` + output.StagePrefix + `[a-z0-9]+`)

// outputDisk tells a full disk of an output from all other errors, which it returns as they are.
func (r *run) outputDisk(err error, builds []*build) error {
	var full *fullOutput
	if text := err.Error(); errors.As(err, &full) || !noRoom().MatchString(text) || !stagingPath().MatchString(text) {
		return err
	}
	full = &fullOutput{err: err}
	add := func(dest string) {
		if !slices.Contains(full.dests, dest) {
			full.dests = append(full.dests, dest)
		}
	}
	for _, it := range r.export.items {
		for _, d := range it.dests {
			if slices.Contains(builds, it.build) {
				add(d.output)
			}
		}
	}
	for _, e := range r.exports {
		if e.output.Place() != schema.NoPlace && !e.toStdout() && slices.ContainsFunc(e.builds, func(b *build) bool { return slices.Contains(builds, b) }) {
			add(e.output.Dest)
		}
	}
	return full
}

// localTrouble keeps the first error of the file system on this side of a transfer. The daemon learns only that the transfer broke
// off.
type localTrouble struct {
	mu  sync.Mutex
	err error
}

func (t *localTrouble) note(err error) {
	var path *fs.PathError
	var link *os.LinkError
	var errno syscall.Errno
	if err == nil || !errors.As(err, &path) && !errors.As(err, &link) && !errors.As(err, &errno) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err == nil {
		t.err = err
	}
}

// take returns the error, and forgets it: what is tried again may work.
func (t *localTrouble) take() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	err := t.err
	t.err = nil
	return err
}
