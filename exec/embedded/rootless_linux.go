package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// Without root the daemon is root of a user namespace: the user is its root, and the user's subordinate ids are the
// others. Only newuidmap and newgidmap may set that up, from outside, when the process is there already.

// mappedFD is where a daemon without root learns that its ids are mapped.
const mappedFD = readyFD + 1

// unprivileged makes the command start in a user namespace of its own. It is all-powerful there from the first moment,
// although it is nobody until its ids are mapped.
func unprivileged(cmd *exec.Cmd, m machine, mapped *os.File) {
	cmd.ExtraFiles = append(cmd.ExtraFiles, mapped) // becomes mappedFD
	attr := cmd.SysProcAttr
	attr.Cloneflags |= syscall.CLONE_NEWUSER
	last, err := strconv.Atoi(m.sysctl("kernel.cap_last_cap"))
	if err != nil {
		last = 37 // of the oldest kernels with ambient capabilities
	}
	for c := range last + 1 {
		attr.AmbientCaps = append(attr.AmbientCaps, uintptr(c))
	}
}

// mapIDs gives the process its ids, and tells it so.
func mapIDs(ctx context.Context, m machine, pid int, tell io.Writer) error {
	uids, gids, err := m.subordinates()
	if err != nil {
		return err
	}
	if err := mapWith(ctx, m, "newuidmap", "/etc/subuid", pid, m.uid, uids); err != nil {
		return err
	}
	if err := mapWith(ctx, m, "newgidmap", "/etc/subgid", pid, os.Getegid(), gids); err != nil {
		return err
	}
	_, err = tell.Write([]byte{1})
	return err
}

func mapWith(ctx context.Context, m machine, program, file string, pid, own int, others []idRange) error {
	path, err := m.look(program)
	if err != nil {
		return m.packages()
	}
	args := []string{strconv.Itoa(pid), "0", strconv.Itoa(own), "1"}
	inside := 1
	for _, r := range others {
		args = append(args, strconv.Itoa(inside), strconv.Itoa(r.first), strconv.Itoa(r.count))
		inside += r.count
	}
	out, err := exec.CommandContext(ctx, path, args...).CombinedOutput()
	if err == nil {
		return nil
	}
	said := strings.Join(strings.Fields(string(out)), " ")
	if said == "" {
		said = err.Error()
	}
	return fmt.Errorf("%s refuses to map the ids of user %s (%s); see that %s is right and that %s belongs to root with mode u+s, as package uidmap installs it",
		program, m.name, said, file, path)
}

// awaitMapped waits, in the daemon, until its ids are mapped. False means that they will not be.
func awaitMapped() bool {
	f := os.NewFile(mappedFD, "mapped")
	defer f.Close()
	n, err := f.Read(make([]byte, 1))
	return err == nil && n == 1
}

// startError explains why the daemon's process cannot be made.
func startError(err error, m machine) error {
	denied := errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES)
	switch {
	case denied && m.uid == 0:
		return errors.New("the built-in BuildKit needs CAP_SYS_ADMIN to make its namespaces, and root does not have it here; use a privileged container, or set BUILDKIT_HOST to the address of a running buildkitd")
	case denied:
		return errors.New("the built-in BuildKit may not make a user namespace here, as is usual inside a container; run xbuild as root, or set BUILDKIT_HOST to the address of a running buildkitd")
	case errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EUSERS):
		return errors.New("the built-in BuildKit cannot make a user namespace, there are too many of them; allow more with: sudo sysctl -w user.max_user_namespaces=15000")
	}
	return fmt.Errorf("starting the built-in BuildKit: %w", err)
}

// startMapped starts the command in a user namespace of its own and gives it its ids. If that fails it does not run.
func startMapped(ctx context.Context, m machine, cmd *exec.Cmd) error {
	mapped, tell, err := os.Pipe()
	if err != nil {
		return err
	}
	defer tell.Close()
	unprivileged(cmd, m, mapped)
	err = cmd.Start()
	mapped.Close()
	if err != nil {
		return startError(err, m)
	}
	if err := mapIDs(ctx, m, cmd.Process.Pid, tell); err != nil {
		cmd.Process.Kill() // if it did not end already
		cmd.Wait()
		return err
	}
	return nil
}
