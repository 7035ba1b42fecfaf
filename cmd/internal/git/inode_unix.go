//go:build unix

package git

import "syscall"

// inode is the number of the file, from what os.FileInfo.Sys returns.
func inode(sys any) (uint64, bool) {
	st, ok := sys.(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return uint64(st.Ino), true //nolint:unconvert // another type on some systems
}
