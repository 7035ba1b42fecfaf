// Package regular reads files that a user's tree names: build files, Dockerfiles, ignore files and the like.
//
// In: a path. Out: the text. Promised: only regular files are opened, so nothing waits for the other end of a named pipe and
// no device is touched, and nothing above a limit is read into memory. Start with [ReadFile]; whatever reads a file that
// xbuild did not write itself calls it in place of os.ReadFile.
package regular

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// Limit is the size in bytes of the largest file that [ReadFile] reads.
const Limit = 16 << 20

// ReadFile is os.ReadFile for a regular file, or a symlink to one, of at most [Limit] bytes. Errors are *fs.PathError.
func ReadFile(path string) ([]byte, error) {
	// Opening can wait or, for a device, do something; so it is looked at first, and again once it is open.
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if err := check(path, info); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readOpen(f, path)
}

// ReadIn is [ReadFile] for a file of a directory, named relative to it. Links that lead out of the directory are errors,
// also if they are put there meanwhile.
func ReadIn(dir, name string) ([]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	info, err := root.Stat(name)
	if err == nil {
		err = check(name, info)
	}
	if err != nil {
		return nil, err
	}
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readOpen(f, name)
}

// readOpen reads a file that was just opened.
func readOpen(f *os.File, path string) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := check(path, info); err != nil {
		return nil, err
	}
	return Read(f, path, info.Size())
}

// Read reads all of a stream and refuses more than [Limit] bytes. The name is for the error; size, if it is not 0, is how much is
// expected.
func Read(r io.Reader, name string, size int64) ([]byte, error) {
	text := make([]byte, 0, min(max(size, 512), Limit)+1) // one more, to see the end without growing
	limited := io.LimitReader(r, Limit+1)
	for {
		if len(text) == cap(text) {
			text = append(text, 0)[:len(text)]
		}
		n, err := limited.Read(text[len(text):cap(text)])
		text = text[:len(text)+n]
		if len(text) > Limit {
			return nil, tooLarge(name)
		}
		if err == io.EOF {
			return text, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// check refuses what is not a regular file, and what is too large.
func check(path string, info fs.FileInfo) error {
	mode := info.Mode()
	switch {
	case mode.IsDir():
		return &fs.PathError{Op: "read", Path: path, Err: syscall.EISDIR}
	case !mode.IsRegular():
		return &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("is %s, not a regular file", kind(mode))}
	case info.Size() > Limit:
		return tooLarge(path)
	}
	return nil
}

func tooLarge(path string) error {
	return &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("is larger than %d MB, the limit for files that xbuild reads as text", Limit>>20)}
}

// kind is what a file is that is neither regular nor a directory.
func kind(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeDevice != 0:
		return "a device"
	}
	return "a special file"
}
