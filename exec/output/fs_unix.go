//go:build unix

package output

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// sameFS reports whether a rename from folder a to folder b can work. A mount of the same device elsewhere says yes
// and lets the rename fail, which the caller of rename handles.
func sameFS(a, b string) bool {
	var sa, sb unix.Stat_t
	return unix.Stat(a, &sa) == nil && unix.Stat(b, &sb) == nil && sa.Dev == sb.Dev
}

// writable returns nil if this process may create and remove entries of the folder.
func writable(dir string) error {
	if err := unix.Faccessat(unix.AT_FDCWD, dir, unix.W_OK|unix.X_OK, unix.AT_EACCESS); err != nil {
		return &fs.PathError{Op: "write", Path: dir, Err: err}
	}
	return nil
}

// trusted reports whether a folder belongs to this user, and nobody else writes to it.
func trusted(fi fs.FileInfo) bool {
	st, ok := fi.Sys().(*syscall.Stat_t)
	return ok && fi.IsDir() && int(st.Uid) == os.Geteuid() && fi.Mode()&0o022 == 0
}

// identity returns what tells an open folder from all others.
func identity(f *os.File) (fileID, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return fileID{}, &fs.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	return fileID{uint64(st.Dev), uint64(st.Ino)}, nil
}

// rename moves a file from one place to another, and follows no link on the way.
func rename(src *place, from string, dst *place, to string) error {
	a, err := src.dir(from)
	if err != nil {
		return err
	}
	b, err := dst.dir(to)
	if err != nil {
		return err
	}
	return unix.Renameat(int(a.Fd()), filepath.Base(from), int(b.Fd()), filepath.Base(to))
}

// work shows other processes that this one works in a folder, until the result is closed or the process ends. It is nil
// where the file system has no locks.
func work(dir string) io.Closer {
	f, err := os.Open(dir)
	if err != nil {
		return nil
	}
	if unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) != nil {
		f.Close()
		return nil
	}
	return f
}

// busy reports whether another process works in a folder.
func busy(dir string) bool {
	f, err := os.Open(dir)
	if err != nil {
		return false
	}
	defer f.Close()
	return errors.Is(unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB), unix.EWOULDBLOCK)
}

// linkID identifies a file that has several names.
func linkID(path string) (fileID, bool) {
	var st unix.Stat_t
	if unix.Lstat(path, &st) != nil || st.Nlink < 2 {
		return fileID{}, false
	}
	return fileID{uint64(st.Dev), uint64(st.Ino)}, true
}

// ofResult reports whether an extended attribute is one that a build sets; others are the system's.
func ofResult(name string) bool {
	return strings.HasPrefix(name, "user.") || name == "security.capability"
}

// sameXattrs reports whether two files have the same attributes, as far as they can be read.
func sameXattrs(a, b string) bool { return maps.Equal(xattrs(a), xattrs(b)) }

func xattrs(path string) map[string]string {
	if n, err := unix.Llistxattr(path, nil); err != nil || n == 0 {
		return nil // nearly always
	}
	names := make([]byte, 64<<10)
	n, err := unix.Llistxattr(path, names)
	if err != nil {
		return nil
	}
	out := map[string]string{}
	value := make([]byte, 64<<10)
	for name := range strings.SplitSeq(string(names[:n]), "\x00") {
		if !ofResult(name) {
			continue
		}
		if n, err := unix.Lgetxattr(path, name, value); err == nil {
			out[name] = string(value[:n])
		}
	}
	return out
}

// copyXattrs copies the attributes of a file that the file system of the copy takes.
func copyXattrs(from, to *os.File) error {
	names := make([]byte, 64<<10)
	n, err := unix.Flistxattr(int(from.Fd()), names)
	if err != nil {
		return ignoreUnsupported(err)
	}
	value := make([]byte, 64<<10)
	for name := range strings.SplitSeq(strings.TrimSuffix(string(names[:n]), "\x00"), "\x00") {
		if !ofResult(name) {
			continue
		}
		n, err := unix.Fgetxattr(int(from.Fd()), name, value)
		if err == nil {
			err = unix.Fsetxattr(int(to.Fd()), name, value[:n], 0)
		}
		if err := ignoreUnsupported(err); err != nil {
			return &fs.PathError{Op: "copy attribute " + name + " of", Path: from.Name(), Err: err}
		}
	}
	return nil
}

func ignoreUnsupported(err error) error {
	if errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENODATA) {
		return nil
	}
	return err
}

// syncDir sees the entries of a folder on the disk.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	err = d.Sync()
	// Some network file systems cannot sync a folder.
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP) {
		err = nil
	}
	return errors.Join(err, d.Close())
}

func crossDevice(err error) bool { return errors.Is(err, unix.EXDEV) }
