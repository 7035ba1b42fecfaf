package output

import (
	"io/fs"
	"os"
	"strconv"
)

// Owner is who gets the files that are written. The zero value leaves ownership as it comes.
type Owner struct {
	UID, GID int
	Set      bool
}

// OwnerFromEnv returns the user who called sudo, if this process runs as root under sudo; else the zero Owner.
func OwnerFromEnv(getenv func(string) string, euid int) Owner {
	if euid != 0 {
		return Owner{}
	}
	uid, err1 := strconv.Atoi(getenv("SUDO_UID"))
	gid, err2 := strconv.Atoi(getenv("SUDO_GID"))
	if err1 != nil || err2 != nil || uid <= 0 || gid < 0 {
		return Owner{}
	}
	return Owner{UID: uid, GID: gid, Set: true}
}

// give makes o the owner of path, not of what it links to. The mode stays.
func (o Owner) give(path string) error {
	if !o.Set {
		return nil
	}
	fi, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if err := os.Lchown(path, o.UID, o.GID); err != nil {
		return err
	}
	// A change of owner clears these bits.
	if fi.Mode()&(fs.ModeSetuid|fs.ModeSetgid) != 0 && fi.Mode()&fs.ModeSymlink == 0 {
		return os.Chmod(path, fi.Mode())
	}
	return nil
}
