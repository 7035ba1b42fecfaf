package embedded

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/gofrs/flock"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// Supported says whether this program carries a BuildKit.
const Supported = true

const (
	// answerLimit is how long a daemon that accepts a connection may take to answer.
	answerLimit = 10 * time.Second
	poll        = 20 * time.Millisecond
	// displaceLimit is how long a client waits for the builds of a daemon of another version.
	displaceLimit = time.Minute
)

// Ensure returns the address of a BuildKit that answers, as "unix:///PATH". It starts one if none runs for the state
// folder. The error says what to do about it: a missing runtime, missing rights, a mistake in the configuration file,
// or what the daemon had to say when it failed to start.
func Ensure(ctx context.Context, cfg Config) (addr string, err error) {
	cfg, err = cfg.complete()
	if err != nil {
		return "", err
	}
	file, err := readSettings(cfg, os.Environ())
	if err != nil {
		return "", err
	}
	l := newLayout(cfg.StateDir)
	ok, err := acquire(ctx, l, file.hash)
	if err == nil && !ok {
		err = start(ctx, l, cfg, file)
	}
	if err != nil {
		return "", err
	}
	return l.addr(), nil
}

// start starts a daemon unless another client has just done so.
func start(ctx context.Context, l layout, cfg Config, file *settingsFile) error {
	if problems := thisMachine().problems(); len(problems) > 0 {
		return problems[0]
	}
	if err := l.make(); err != nil {
		return fmt.Errorf("the state folder of the built-in BuildKit cannot be used: %w; XBUILD_STATE_DIR moves it", err)
	}
	unlock, err := lockSpawn(ctx, l)
	if err != nil {
		return err
	}
	defer unlock()
	// A daemon that was just started can have been stopped, or replaced for other settings, before it answered.
	for range 5 {
		if ok, err := acquire(ctx, l, file.hash); ok || err != nil {
			return err
		}
		if err := displace(ctx, l); err != nil {
			return err
		}
		if err := spawn(ctx, l, cfg, file); err != nil {
			return err
		}
	}
	return fmt.Errorf("the built-in BuildKit was started and stopped again by something else; see %s", l.log)
}

func lockSpawn(ctx context.Context, l layout) (unlock func(), err error) {
	lock := flock.New(l.spawnLock)
	if _, err := lock.TryLockContext(ctx, poll); err != nil {
		return nil, fmt.Errorf("waiting for another xbuild that is starting the built-in BuildKit: %w", cmp.Or(context.Cause(ctx), err))
	}
	return func() { lock.Unlock() }, nil
}

// displace makes daemons of other protocols let go of the store that is wanted, as soon as they have nothing to do. The
// caller holds the spawn lock, which all versions share.
func displace(ctx context.Context, l layout) error {
	sockets, err := filepath.Glob(filepath.Join(l.run, "xbuild-*.sock"))
	if err != nil {
		return err
	}
	for _, socket := range sockets {
		if socket == l.socket {
			continue
		}
		other := l
		other.socket = socket
		for began := time.Now(); ; {
			looked, err := ask(ctx, other, acquireRequest{})
			if err != nil {
				return err
			}
			if !looked.Info.Running || looked.Info.Root != l.root {
				break
			}
			if busy, err := acquire(ctx, other, "of protocol "+protocol); err != nil {
				return err
			} else if !busy {
				break
			}
			if time.Since(began) > displaceLimit {
				return fmt.Errorf("the BuildKit of another xbuild version (process %d) is building with the same store; run again when it is done, or set XBUILD_STATE_DIR to another folder",
					looked.Info.PID)
			}
			if err := sleep(ctx, 10*poll); err != nil {
				return err
			}
		}
	}
	return nil
}

// acquire asks the daemon, if there is one, to serve a client with these settings. False means that none will.
func acquire(ctx context.Context, l layout, settings string) (bool, error) {
	for {
		reply, err := ask(ctx, l, acquireRequest{Settings: settings})
		if err != nil || !reply.Info.Running {
			return false, err
		}
		switch reply.Verdict {
		case use:
			return true, nil
		case wait:
			if err := sleep(ctx, poll); err != nil {
				return false, err
			}
		default:
			return false, nil
		}
	}
}

// ask calls the daemon. A reply that is not Running means that none listens; an error, that one does but not as it should.
func ask(ctx context.Context, l layout, req acquireRequest) (acquireReply, error) {
	var reply acquireReply
	pid, err := peer(ctx, l)
	if err != nil || pid < 0 {
		return reply, err
	}
	limited, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	conn, err := grpc.NewClient("passthrough:///"+l.socket, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(dialOwn))
	if err != nil {
		return reply, err
	}
	defer conn.Close()
	reply, err = callAcquire(limited, conn, req)
	switch {
	case err == nil:
		reply.Info.PID, reply.Info.Running = pid, true
		return reply, nil
	case ctx.Err() != nil:
		return acquireReply{}, context.Cause(ctx)
	case status.Code(err) == codes.Unavailable:
		return acquireReply{}, nil // it was about to stop
	case limited.Err() != nil:
		return acquireReply{}, fmt.Errorf("the built-in BuildKit (process %d) does not answer; end it with kill -9 %d, and see %s", pid, pid, l.log)
	}
	return acquireReply{}, fmt.Errorf("the built-in BuildKit (process %d) gives an answer that makes no sense: %w", pid, err)
}

// peer returns the process that listens on the socket, as seen from here, or -1 if there is none.
func peer(ctx context.Context, l layout) (int, error) {
	conn, cred, err := dialSocket(ctx, l.socket)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return -1, nil
	}
	if err != nil {
		return -1, fmt.Errorf("the socket of the built-in BuildKit cannot be used: %w", cmp.Or(context.Cause(ctx), err))
	}
	defer conn.Close()
	return int(cred.Pid), nil
}

// Dial connects to the socket of a daemon, as [Ensure] returned it. It refuses a process of another user before anything is said,
// except root's.
func Dial(ctx context.Context, addr string) (net.Conn, error) {
	return dialOwn(ctx, strings.TrimPrefix(addr, "unix://"))
}

func dialOwn(ctx context.Context, path string) (net.Conn, error) {
	conn, _, err := dialSocket(ctx, path)
	return conn, err
}

// dialSocket connects to a socket behind which is a process of this user or of root.
func dialSocket(ctx context.Context, path string) (net.Conn, *unix.Ucred, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	if err != nil {
		return nil, nil, err
	}
	cred, err := peerOf(conn)
	if err == nil && cred.Uid != 0 && int(cred.Uid) != os.Geteuid() {
		err = fmt.Errorf("a process of another user (%d) listens on %s; set XBUILD_STATE_DIR to a directory of your own", cred.Uid, path)
	}
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return conn, cred, nil
}

// peerOf says whose the process at the other end of a socket is.
func peerOf(conn net.Conn) (cred *unix.Ucred, err error) {
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return nil, err
	}
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return nil, err
	}
	return cred, credErr
}

// Status looks after the daemon without starting one.
func Status(ctx context.Context, cfg Config) (Info, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return Info{}, err
	}
	l := newLayout(cfg.StateDir)
	reply, err := ask(ctx, l, acquireRequest{})
	if err != nil {
		return Info{}, err
	}
	// A daemon of another version with the same protocol can have another store.
	reply.Info.Socket, reply.Info.Root, reply.Info.Log = l.socket, cmp.Or(reply.Info.Root, l.root), l.log
	return reply.Info, nil
}

// Stop ends the daemon and waits until its process is gone. Builds that are running get ten seconds to finish. It is no
// error if none runs.
func Stop(ctx context.Context, cfg Config) error {
	cfg, err := cfg.complete()
	if err != nil {
		return err
	}
	l := newLayout(cfg.StateDir)
	if _, err := os.Stat(l.spawnLock); errors.Is(err, fs.ErrNotExist) {
		return nil // none was ever started
	}
	// One that is being started shall not escape.
	unlock, err := lockSpawn(ctx, l)
	if err != nil {
		return err
	}
	defer unlock()
	pid, err := peer(ctx, l)
	if err != nil || pid < 0 {
		return err
	}
	if pid == 0 {
		return errors.New("the built-in BuildKit runs in another PID namespace; stop it from there")
	}
	return terminate(ctx, pid)
}

// terminate ends the process and waits for it. A process file descriptor cannot come to mean another process, and tells
// a process that is gone from one whose parent has not looked yet.
func terminate(ctx context.Context, pid int) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("the built-in BuildKit (process %d) cannot be watched: %w", pid, err)
	}
	defer unix.Close(fd)
	if err := signalProcess(fd, pid, unix.SIGTERM); err != nil {
		return err
	}
	late := time.Now().Add(drainLimit + closeLimit + time.Second)
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(poll.Milliseconds()))
		switch {
		case err != nil && !errors.Is(err, unix.EINTR):
			return fmt.Errorf("waiting for the end of the built-in BuildKit (process %d): %w", pid, err)
		case n > 0:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("the built-in BuildKit (process %d) is still stopping: %w", pid, context.Cause(ctx))
		case time.Now().After(late):
			// It is frozen, or hangs. That is safe: it leaves nothing behind in any case.
			if err := signalProcess(fd, pid, unix.SIGKILL); err != nil {
				return err
			}
		}
	}
}

func signalProcess(fd, pid int, sig unix.Signal) error {
	if err := unix.PidfdSendSignal(fd, sig, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("the built-in BuildKit (process %d) cannot be stopped: %w", pid, err)
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
