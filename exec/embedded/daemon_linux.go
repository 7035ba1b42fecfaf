package embedded

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/gofrs/flock"
	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"
)

const (
	// drainLimit is how long a build that is running may go on after the daemon was told to stop.
	drainLimit = 10 * time.Second
	// closeLimit is how long closing the databases may take. Nothing is lost if it is cut short: they are transactional.
	closeLimit = 5 * time.Second
	// lockLimit is how long a new daemon waits for one that is stopping.
	lockLimit = drainLimit + closeLimit + 5*time.Second
)

// daemonFlags are what [spawn] tells the daemon.
type daemonFlags struct {
	state, socket, config, settings string
	idle                            time.Duration
	rootless                        bool
}

// Main is the daemon. args are the arguments after [Command]; the result is the exit status. It is of use only to
// [Ensure], which starts it in namespaces of its own and with a pipe to report on.
func Main(args []string) int {
	if len(args) > 0 && args[0] == Command {
		args = args[1:]
	}
	var f daemonFlags
	set := flag.NewFlagSet(Command, flag.ContinueOnError)
	set.StringVar(&f.state, "state", "", "state folder")
	set.StringVar(&f.socket, "socket", "", "control socket")
	set.BoolVar(&f.rootless, "rootless", false, "wait until an ordinary user's ids are mapped, and do without what only the machine's root may")
	set.StringVar(&f.config, "config", "", "registry configuration file")
	set.StringVar(&f.settings, "settings", "", "hash of what the caller wants the daemon to be like")
	set.DurationVar(&f.idle, "idle", DefaultIdle, "time without a call after which it stops")
	if err := set.Parse(args); err != nil {
		return 2
	}
	if os.Getpid() != 1 || f.state == "" {
		fmt.Fprintln(os.Stderr, "xbuild starts this by itself when it needs its BuildKit; see xbuild daemon --help")
		return 2
	}
	if f.rootless && !awaitMapped() {
		return 1 // the client has said why
	}
	closeInherited()
	ready := os.NewFile(readyFD, "ready")
	logrus.SetFormatter(&logrus.TextFormatter{FullTimestamp: true, DisableColors: true})
	if err := serve(f, ready); err != nil {
		logrus.Error(err)
		fmt.Fprint(ready, oneLine(err)) // nobody listens any more if it had been ready
		return 1
	}
	return 0
}

// closeInherited closes what the client had itself been given and passed on without knowing: a pipe that the daemon
// held would keep whoever reads it waiting. Files that this process opened are told apart by being close-on-exec.
func closeInherited() {
	syscall.CloseOnExec(readyFD)
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		fd, err := strconv.Atoi(e.Name())
		if err != nil || fd <= readyFD {
			continue
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			unix.Close(fd)
		}
	}
}

// oneLine makes an error one line that fits into the pipe.
func oneLine(err error) string {
	text := strings.ReplaceAll(err.Error(), "\n", "; ")
	return text[:min(len(text), 4000)]
}

// serve is the daemon's life: lock, prepare, open the socket last, wait for an end, close in the reverse order.
func serve(f daemonFlags, ready *os.File) error {
	// Before all else: as process 1 the daemon would not be ended by a signal that it does not catch.
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	signal.Ignore(syscall.SIGHUP)

	l := newLayout(f.state)
	// Which the client may have found by its environment.
	l.run, l.socket = filepath.Dir(f.socket), f.socket
	lock, err := lockRoot(l)
	if errors.Is(err, errOther) {
		_, err := ready.WriteString(readyWord)
		return err
	}
	if err != nil {
		return err
	}
	defer lock.Unlock()
	if err := prepare(l, f.rootless); err != nil {
		return err
	}
	if !f.rootless {
		defer removeCgroups(l)
	}

	s, err := newServer(l, f)
	if err != nil {
		return err
	}
	defer func() {
		if s.close() {
			markEnd(l)
		}
	}()
	listener, err := listen(l.socket)
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- s.grpc.Serve(listener) }()
	if _, err := ready.WriteString(readyWord); err != nil {
		logrus.Warnf("the client that started this daemon is gone: %v", err)
	}
	ready.Close()
	reserve(l)
	logrus.Infof("ready on %s", l.socket)

	go reap()
	select {
	case err := <-served:
		return fmt.Errorf("the socket failed: %w", err)
	case sig := <-signals:
		logrus.Infof("stopping: %s", sig)
	case <-s.activity.ended(f.idle):
		logrus.Infof("stopping: %s", s.activity.reason())
	}
	s.drain(signals)
	return nil
}

var errOther = errors.New("another daemon serves this state folder")

// lockRoot waits for the root's lock while a predecessor stops. A predecessor that serves instead means that two
// clients started one each, which can happen if the first of them was killed; then this one is not needed.
func lockRoot(l layout) (*flock.Flock, error) {
	// The file is never removed: a lock on a removed file would exclude nobody.
	lock := flock.New(l.rootLock)
	for end := time.Now().Add(lockLimit); ; time.Sleep(poll) {
		ok, err := lock.TryLock()
		if ok || err != nil {
			return lock, err
		}
		if conn, err := net.Dial("unix", l.socket); err == nil {
			conn.Close()
			return nil, errOther
		}
		if time.Now().After(end) {
			return nil, fmt.Errorf("%s is held by another process, which does not answer on %s; end that process (fuser %s finds it), or set XBUILD_STATE_DIR to another folder",
				l.rootLock, l.socket, l.rootLock)
		}
	}
}

// listen opens the socket. What a killed daemon left at its place is removed; the lock says that it is dead.
func listen(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		listener.Close()
		return nil, err
	}
	return listener, nil
}

// drain lets the calls that are being served finish, for a while; a second signal ends them at once.
func (s *server) drain(signals <-chan os.Signal) {
	s.activity.stop("told to")
	done := make(chan struct{})
	go func() { s.grpc.GracefulStop(); close(done) }()
	select {
	case <-done:
		return
	case <-signals:
	case <-time.After(drainLimit):
	}
	logrus.Warn("cutting off the calls that are still being served")
	s.grpc.Stop()
	<-done
}

// close ends the builds and closes the databases. It does not wait for ever: the process's end closes the rest, and the
// result says whether that is so.
func (s *server) close() (ended bool) {
	s.cancel(errors.New("the daemon stops"))
	done := make(chan error, 1)
	go func() { done <- s.controller.Close() }()
	select {
	case err := <-done:
		if err != nil {
			logrus.Warnf("closing: %v", err)
		}
		return err == nil
	case <-time.After(closeLimit):
		logrus.Warnf("closing took more than %s", closeLimit)
		return false
	}
}

// newServer reads the settings again, since a hash is no settings, and builds BuildKit from them.
func newServer(l layout, f daemonFlags) (*server, error) {
	cfg := Config{StateDir: f.state, ConfigFile: f.config, fallbackFile: os.DevNull}
	file, err := readSettings(cfg, nil)
	if err != nil {
		return nil, err
	}
	if level := file.settings.Log.Level; level != "" {
		parsed, err := logrus.ParseLevel(level)
		if err != nil {
			return nil, err
		}
		logrus.SetLevel(parsed)
	}
	runtime, ok := thisMachine().runtime()
	if !ok {
		return nil, errors.New("runc is no longer there")
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	s := &server{cancel: cancel, activity: newActivity(f.settings), info: Info{
		Socket: l.socket, Root: l.root, Log: l.log, Started: time.Now(), Idle: f.idle, ConfigFile: f.config,
	}}
	if err := s.build(ctx, l, f.rootless, file.settings, runtime); err != nil {
		cancel(err)
		return nil, err
	}
	return s, nil
}
