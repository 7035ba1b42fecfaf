//go:build unix

package output

import (
	"errors"
	"io/fs"
	"os"
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

// trusted reports whether the folder was made by this user, or by the user on whose behalf sudo runs. The journal of
// anyone else, in a folder that all may write to, could say anything.
func trusted(fi fs.FileInfo, owner Owner) bool {
	st, ok := fi.Sys().(*syscall.Stat_t)
	return ok && (int(st.Uid) == os.Geteuid() || owner.Set && int(st.Uid) == owner.UID)
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
