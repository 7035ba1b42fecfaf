//go:build unix

package cli

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"github.com/xbuild/xbuild/exec/output"
)

// trusted refuses a build file that was found in a directory above, if it or its directory belongs to neither this user,
// nor root, nor whoever called sudo: anybody may put a file into a directory like /tmp.
func (a *app) trusted(path string) error {
	ours := []int{os.Geteuid(), 0}
	if o := output.OwnerFromEnv(a.getenv, os.Geteuid()); o.Set {
		ours = append(ours, o.UID)
	}
	for _, p := range []string{path, filepath.Dir(path)} {
		for _, stat := range []func(string) (os.FileInfo, error){os.Lstat, os.Stat} { // a link, and what it leads to
			fi, err := stat(p)
			if err != nil {
				return errText(err)
			}
			st, ok := fi.Sys().(*syscall.Stat_t)
			if ok && !slices.Contains(ours, int(st.Uid)) {
				return fmt.Errorf("the build file %s is not read unasked, since %s belongs to %s: name it with -f %s if you trust it",
					path, p, userName(int(st.Uid)), relative(path))
			}
		}
	}
	return nil
}

// userName is the name of a user, or the number of one without a name.
func userName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return "the user " + strconv.Itoa(uid)
}

// homes are the home directories of this user and of whoever called sudo.
func (a *app) homes() []string {
	out := []string{a.getenv("HOME")}
	ids := []int{os.Geteuid()}
	if o := output.OwnerFromEnv(a.getenv, os.Geteuid()); o.Set {
		ids = append(ids, o.UID)
	}
	for _, id := range ids {
		if u, err := user.LookupId(strconv.Itoa(id)); err == nil {
			out = append(out, u.HomeDir)
		}
	}
	return out
}
