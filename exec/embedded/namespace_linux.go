package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/moby/sys/mountinfo"
	"github.com/sirupsen/logrus"
	fscopy "github.com/tonistiigi/fsutil/copy"
	"golang.org/x/sys/unix"
)

// prepare makes the daemon's namespaces its own and clears away what a killed predecessor left in the folders.
func prepare(l layout, rootless bool) error {
	// BuildKit creates the files of images with the modes they shall have.
	syscall.Umask(0)
	fscopy.UmaskIsZero = true

	// Mounts made here must not reach the machine; mounts and unmounts made there may come here.
	if err := unix.Mount("", "/", "", unix.MS_SLAVE|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("separating the mounts: %w", err)
	}
	if err := mountProc(rootless); err != nil {
		return err
	}
	state := l.runtimeState(rootless)
	if err := os.MkdirAll(state, 0o700); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", state, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=0700"); err != nil {
		return fmt.Errorf("mounting %s: %w", state, err)
	}
	if err := clearLeftovers(l); err != nil {
		return err
	}
	if !rootless {
		removeCgroups(l)
	}
	return nil
}

// mountProc shows the daemon its own processes, and the kernel's list of emulators.
func mountProc(rootless bool) error {
	if rootless {
		// Without root a file system of its own would have a list of its own, an empty one, which the kernel would then
		// go by. So the machine's is read, through the /proc that is about to be covered.
		old, err := unix.Open("/proc", unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		binfmtDir = fmt.Sprintf("/proc/self/fd/%d/sys/fs/binfmt_misc", old)
	}
	err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	if rootless && errors.Is(err, unix.EPERM) {
		return errors.New("/proc is partly hidden, as is usual inside a container, so steps could not have a /proc of their own; run the container with --security-opt systempaths=unconfined, run xbuild as root, or set BUILDKIT_HOST to the address of a running buildkitd")
	}
	if err != nil {
		return fmt.Errorf("mounting /proc: %w", err)
	}
	mountBinfmt()
	return nil
}

// machineBinfmt is where the kernel's list of emulators usually is.
const machineBinfmt = "/proc/sys/fs/binfmt_misc"

// binfmtDir is where this process sees that list.
var binfmtDir = machineBinfmt

// mountBinfmt makes the kernel's list of emulators visible, which the new /proc covers. It is tried again and again,
// since the kernel's module can come with the emulators; without it there are none.
func mountBinfmt() {
	if binfmtDir != machineBinfmt {
		return
	}
	if _, err := os.Stat(filepath.Join(binfmtDir, "status")); errors.Is(err, fs.ErrNotExist) {
		_ = unix.Mount("binfmt_misc", binfmtDir, "binfmt_misc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	}
}

// clearLeftovers unmounts and removes what only a running step can need. The snapshots and the content stay.
func clearLeftovers(l layout) error {
	executors, err := filepath.Glob(filepath.Join(l.root, "runc-*", "executor"))
	if err != nil {
		return err
	}
	caches, err := filepath.Glob(filepath.Join(l.root, "runc-*", "cachemounts"))
	if err != nil {
		return err
	}
	for _, dir := range append(append(executors, caches...), l.tmp) {
		if err := unmountBelow(dir); err != nil {
			return err
		}
	}
	for _, dir := range executors {
		clearExecutor(dir)
	}
	entries, err := os.ReadDir(l.tmp)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(l.tmp, e.Name())); err != nil {
			return fmt.Errorf("clearing the daemon's temporary files: %w", err)
		}
	}
	return nil
}

// unmountBelow unmounts everything below the folder, the innermost first. A daemon that had no namespace of its own
// may have left it.
func unmountBelow(dir string) error {
	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(dir))
	if err != nil {
		return err
	}
	for i := len(mounts) - 1; i >= 0; i-- {
		if mounts[i].Mountpoint == dir {
			continue
		}
		if err := unix.Unmount(mounts[i].Mountpoint, unix.MNT_DETACH); err != nil {
			return fmt.Errorf("unmounting %s, which an earlier daemon left: %w", mounts[i].Mountpoint, err)
		}
	}
	return nil
}

// clearExecutor removes the bundles of steps that are gone. It never descends: if a root were still mounted in one,
// removing it whole would empty a snapshot.
func clearExecutor(dir string) {
	bundles, _ := os.ReadDir(dir)
	for _, b := range bundles {
		if !b.IsDir() {
			continue
		}
		bundle := filepath.Join(dir, b.Name())
		files, _ := os.ReadDir(bundle)
		for _, f := range files {
			_ = os.Remove(filepath.Join(bundle, f.Name()))
		}
		if err := os.Remove(bundle); err != nil {
			logrus.Warnf("an earlier daemon's step left %v", err)
		}
	}
}

// removeCgroups removes the control groups of steps. Those of steps that were killed with a daemon stay until then;
// they are empty, and hold nothing but a name. On version 1 every controller has its own tree.
func removeCgroups(l layout) {
	for _, pattern := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/*"} {
		tops, _ := filepath.Glob(filepath.Join(pattern, l.cgroup()))
		for _, top := range tops {
			removeCgroup(top)
		}
	}
}

func removeCgroup(dir string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if e.IsDir() {
			removeCgroup(filepath.Join(dir, e.Name()))
		}
	}
	_ = os.Remove(dir) // refused while a process is in it
}

// reapEvery is long compared to the time in which a parent that cares waits for its child.
const reapEvery = 15 * time.Second

// reap collects the orphans that process 1 inherits: the container of a runtime that was killed, a helper of git.
// Waiting for any child would take their status away from those who started them, so only children that have been dead
// for two rounds are collected.
func reap() {
	seen := map[int]bool{}
	for range time.Tick(reapEvery) {
		dead := map[int]bool{}
		for _, pid := range deadChildren() {
			if seen[pid] {
				_, _ = syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
			} else {
				dead[pid] = true
			}
		}
		seen = dead
	}
}

// deadChildren returns the children of this process that ended and that nobody has waited for.
func deadChildren() []int {
	entries, _ := os.ReadDir("/proc")
	var out []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		text, err := os.ReadFile(filepath.Join("/proc", e.Name(), "stat"))
		if err != nil {
			continue
		}
		// "PID (NAME) STATE PPID ...", and NAME may contain anything.
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		if len(fields) > 1 && fields[0] == "Z" && fields[1] == strconv.Itoa(os.Getpid()) {
			out = append(out, pid)
		}
	}
	return out
}
