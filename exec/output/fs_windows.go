package output

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/windows"
)

// sameFS reports whether a rename from folder a to folder b can work.
func sameFS(a, b string) bool {
	return strings.EqualFold(filepath.VolumeName(a), filepath.VolumeName(b))
}

// writable cannot be told from a folder's access list without trying; the first rename tells.
func writable(string) error { return nil }

// trusted relies on the access lists of the state directory.
func trusted(fi fs.FileInfo) bool { return fi.IsDir() }

// identity returns what tells an open folder from all others.
func identity(f *os.File) (fileID, error) {
	var info windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(windows.Handle(f.Fd()), &info); err != nil {
		return fileID{}, &fs.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	return fileID{uint64(info.VolumeSerialNumber), uint64(info.FileIndexHigh)<<32 | uint64(info.FileIndexLow)}, nil
}

// rename moves a file from one place to another. Both folders were looked up without following a link that leads out.
func rename(src *place, from string, dst *place, to string) error {
	if _, err := dst.dir(to); err != nil {
		return err
	}
	return os.Rename(filepath.Join(src.path, from), filepath.Join(dst.path, to))
}

// work and busy do nothing: a folder cannot be locked here.
func work(string) io.Closer { return nil }
func busy(string) bool      { return false }

// linkID finds no links: files are not received as links here.
func linkID(string) (fileID, bool) { return fileID{}, false }

func sameXattrs(_, _ string) bool { return true }

// copyXattrs does nothing: files have none here.
func copyXattrs(_, _ *os.File) error { return nil }

// syncDir does nothing: folders cannot be flushed here.
func syncDir(string) error { return nil }

func crossDevice(err error) bool { return errors.Is(err, windows.ERROR_NOT_SAME_DEVICE) }
