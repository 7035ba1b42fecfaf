package fingerprint

import (
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"
)

// The file systems of which it is known that every change of a file gives it another change time, seen at once by all
// processes. Network file systems and those of programs (FUSE) keep attributes for seconds, or take times from another
// clock.
const (
	zfs      = 0x2fc12fc1
	bcachefs = 0xca451a4e
)

func trusted(path string) bool {
	var fs unix.Statfs_t
	if unix.Statfs(path, &fs) != nil {
		return false
	}
	switch uint32(fs.Type) { // the field's type and sign differ between architectures
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.TMPFS_MAGIC, unix.OVERLAYFS_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC,
		zfs, bcachefs:
		return true
	}
	return false
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
	return stamp{Mode: uint32(st.Mode), Size: st.Size, MTime: st.Mtim.Nano(), CTime: st.Ctim.Nano(), Inode: st.Ino, Dev: uint64(st.Dev)}, true
}
