//go:build unix

package cli

import (
	"os"
	"syscall"
)

// keepOwner gives f the owner of the file that it replaces, which matters under sudo.
func keepOwner(f *os.File, fi os.FileInfo) error {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok || int(st.Uid) == os.Geteuid() && int(st.Gid) == os.Getegid() {
		return nil
	}
	if err := f.Chown(int(st.Uid), int(st.Gid)); err != nil && os.Geteuid() == 0 {
		return err
	}
	return nil // a user may not give files away; the file stays theirs
}
