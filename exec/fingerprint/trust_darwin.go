package fingerprint

import (
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"
)

func trusted(path string) bool {
	var fs unix.Statfs_t
	return unix.Statfs(path, &fs) == nil && unix.ByteSliceToString(fs.Fstypename[:]) == "apfs"
}

// stampIn is the stamp of a file that was looked at before.
func stampIn(fi fs.FileInfo) (stamp, bool) {
	if fi == nil {
		return stamp{}, false
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return stamp{}, false
	}
	return stamp{Mode: uint32(st.Mode), Size: st.Size, MTime: st.Mtimespec.Nano(), CTime: st.Ctimespec.Nano(), Inode: st.Ino, Dev: uint64(st.Dev)}, true
}
