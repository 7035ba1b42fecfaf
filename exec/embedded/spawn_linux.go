package embedded

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// startLimit is how long a daemon may take to be ready. Most of it is for a predecessor that is still draining.
	startLimit = time.Minute
	maxLog     = 10 << 20
	readyFD    = 3
	readyWord  = "ready"
)

// proxyVariables (in capitals; both spellings are kept) reach the daemon, since it is the one that pulls and pushes.
var proxyVariables = []string{"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"}

// keptVariables are all else that the daemon gets of its caller's environment.
var keptVariables = []string{"PATH", "HOME", "SSL_CERT_FILE", "SSL_CERT_DIR"}

// spawn starts the daemon and waits until it is ready or says why it cannot be. The caller holds the spawn lock.
func spawn(ctx context.Context, l layout, cfg Config, file *settingsFile) error {
	log, err := openLog(l.log)
	if err != nil {
		return fmt.Errorf("the log of the built-in BuildKit: %w", err)
	}
	defer log.Close()
	ready, tell, err := os.Pipe()
	if err != nil {
		return err
	}
	defer ready.Close()
	m := thisMachine()
	cmd := daemonCommand(l, m, cfg, file, log, tell)
	if m.uid == 0 {
		if err = cmd.Start(); err != nil {
			err = startError(err, m)
		}
	} else {
		err = startMapped(ctx, m, cmd)
	}
	tell.Close()
	if err != nil {
		return err
	}
	// Only so that it is no zombie if it ends before this process does.
	go cmd.Wait()
	return awaitReady(ctx, ready, cmd.Process.Pid, l.log)
}

func daemonCommand(l layout, m machine, cfg Config, file *settingsFile, log, tell *os.File) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", "--state", l.state, "--socket", l.socket, "--idle", cfg.Idle.String(), "--config", file.path,
		"--settings", file.hash, "--rootless="+strconv.FormatBool(m.uid != 0))
	cmd.Args = slices.Insert(cmd.Args, 1, Command)
	cmd.Args[0] = os.Args[0] // what ps shows
	cmd.Dir = "/"
	cmd.Env = daemonEnviron(l, os.Environ())
	if m.uid != 0 {
		// Told that it is not called by the machine's root, runc keeps its containers in the second.
		cmd.Env = append(cmd.Env, "USER="+m.name, "XDG_RUNTIME_DIR="+filepath.Dir(l.runtimeState(true)))
	}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{tell} // becomes readyFD
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setsid: true,
		// As process 1 of its PID namespace the daemon takes everything it started with it, however it dies; and the
		// mounts go with the last process of the mount namespace.
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID,
	}
	return cmd
}

func daemonEnviron(l layout, environ []string) []string {
	env := []string{"TMPDIR=" + l.tmp}
	for _, kv := range environ {
		name, _, _ := strings.Cut(kv, "=")
		if slices.Contains(keptVariables, name) || slices.Contains(proxyVariables, strings.ToUpper(name)) {
			env = append(env, kv)
		}
	}
	return env
}

// openLog opens the log for appending. One that has grown large is moved aside, where it replaces the one before it.
func openLog(path string) (*os.File, error) {
	if st, err := os.Stat(path); err == nil && st.Size() > maxLog {
		if err := os.Rename(path, path+".1"); err != nil {
			return nil, err
		}
	}
	return os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
}

// awaitReady reads the daemon's one word: ready, or the reason why it is not.
func awaitReady(ctx context.Context, ready *os.File, pid int, log string) error {
	said := make(chan string, 1)
	go func() {
		data, _ := io.ReadAll(io.LimitReader(bufio.NewReader(ready), 64<<10))
		said <- strings.TrimSpace(string(data))
	}()
	select {
	case text := <-said:
		switch text {
		case readyWord:
			return nil
		case "":
			return fmt.Errorf("the built-in BuildKit ended while it started; see the end of %s", log)
		}
		return fmt.Errorf("the built-in BuildKit cannot start: %s", text)
	case <-ctx.Done():
		return context.Cause(ctx) // the daemon goes on, and ends by itself if nobody calls it
	case <-time.After(startLimit):
		return fmt.Errorf("the built-in BuildKit (process %d) was not ready after %s; see the end of %s", pid, startLimit, log)
	}
}
