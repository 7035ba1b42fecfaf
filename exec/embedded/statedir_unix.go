//go:build unix

package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// What lies in the state directory is believed: journals, what was built, the socket. So it belongs to the user, and nobody else
// can enter it.

// privateDir returns the state directory to use for dir: dir itself if it belongs to the user and nobody else can enter it, or can be
// made so; else the subdirectory xbuild-UID of it. A directory that is not there yet is taken as it is: [layout.make] makes it.
func privateDir(dir string, uid int) (string, error) {
	if err := ownLink(dir, uid); err != nil {
		return "", err
	}
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return dir, nil
	}
	if err != nil {
		return "", err
	}
	if !info.IsDir() {
		return "", &fs.PathError{Op: "use", Path: dir, Err: syscall.ENOTDIR}
	}
	if ownedBy(info, uid) && (private(info) || ours(dir) && os.Chmod(dir, 0o700) == nil) {
		return dir, nil
	}
	sub := filepath.Join(dir, "xbuild-"+strconv.Itoa(uid))
	if err := os.Mkdir(sub, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("%s is not for this user alone, and no directory for it can be made there: %w", dir, err)
	}
	return sub, checkPrivate(sub, uid)
}

// checkPrivate makes a directory one that only the user can enter. A link, or a directory of another user, is an error.
func checkPrivate(dir string, uid int) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	switch {
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory", dir)
	case !ownedBy(info, uid):
		return fmt.Errorf("%s belongs to another user", dir)
	case private(info):
		return nil
	}
	return os.Chmod(dir, 0o700)
}

// trustedBase refuses a directory in which another user could put another directory in place of one of this user: it belongs to
// neither this user nor root, others may change its entries, or a link of another user leads there.
func trustedBase(dir string, uid int) error {
	if err := ownLink(dir, uid); err != nil {
		return err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	switch {
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory", dir)
	case !ownedBy(info, uid) && !ownedBy(info, 0):
		return fmt.Errorf("%s belongs to another user; set XBUILD_STATE_DIR to a directory with a shorter path", dir)
	case info.Mode().Perm()&0o022 != 0 && info.Mode()&fs.ModeSticky == 0:
		return fmt.Errorf("others may write in %s; set XBUILD_STATE_DIR to a directory with a shorter path", dir)
	}
	return nil
}

// ownLink refuses a path that leads through a symlink of another user, who could make it lead elsewhere.
func ownLink(path string, uid int) error {
	for p := path; ; p = filepath.Dir(p) {
		info, err := os.Lstat(p)
		if err == nil && info.Mode()&fs.ModeSymlink != 0 && !ownedBy(info, uid) && !ownedBy(info, 0) {
			return fmt.Errorf("%s is a link of another user", p)
		}
		if p == filepath.Dir(p) {
			return nil
		}
	}
}

// ours reports whether a directory is only a state directory, and may be closed for others: it is empty, or has what xbuild keeps
// there. Directories like /tmp or the home directory are for other things too.
func ours(dir string) bool {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	known := func(e fs.DirEntry) bool { return slices.Contains(stateEntries, e.Name()) }
	return len(entries) == 0 || slices.ContainsFunc(entries, known)
}

// stateEntries are names by which a state directory is known.
var stateEntries = []string{storeRoot, "unchanged", "daemon.log"}

func ownedBy(info fs.FileInfo, uid int) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == uid
}

func private(info fs.FileInfo) bool { return info.Mode().Perm()&0o077 == 0 }
