// Package atomicfile writes files in one step.
//
// In: a path and what the file holds. Out: an error. Promised: whoever reads the path finds the old content or the new one, never a
// part; after an error the old file is there and no other. Start with [Write].
package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Write puts a file with the given content and permissions in the place of path. The directory has to exist. Nothing is flushed to
// the disk: after a crash of the machine the file may be the old one.
func Write(path string, data []byte, perm fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(perm)
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
