package fingerprint

import "golang.org/x/sys/unix"

func trusted(path string) bool {
	var fs unix.Statfs_t
	return unix.Statfs(path, &fs) == nil && unix.ByteSliceToString(fs.Fstypename[:]) == "apfs"
}
