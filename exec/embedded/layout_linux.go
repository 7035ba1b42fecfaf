package embedded

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
)

const (
	// protocol is the version of what clients and daemon say to each other besides BuildKit's own API. It is part of
	// the socket's name: a client never talks to a daemon of another protocol, it starts its own.
	protocol = "1"
	// storeFormat names the root. It changes when a BuildKit cannot read an older store or would spoil it.
	storeFormat = "buildkit-v1"
	// maxSocketPath is what fits into sockaddr_un, with its final zero.
	maxSocketPath = 107
)

// layout is where the daemon of one state folder keeps its files.
type layout struct {
	state, root, tmp, log string
	run, socket           string
	spawnLock, rootLock   string
	reserve               string
	// id tells apart the daemons of different state folders where they share a name space (control groups).
	id string
}

func newLayout(state string) layout {
	sum := sha256.Sum256([]byte(state))
	l := layout{
		state: state,
		root:  filepath.Join(state, storeFormat),
		tmp:   filepath.Join(state, "tmp"),
		log:   filepath.Join(state, "daemon.log"),
		run:   filepath.Join(state, "run"),
		id:    hex.EncodeToString(sum[:6]),
	}
	l.socket = socketIn(l.run)
	if len(l.socket) > maxSocketPath {
		// The folder that a login session gives an ordinary user, if there is one; see make.
		base := "/run"
		if os.Geteuid() != 0 {
			base = cmp.Or(os.Getenv("XDG_RUNTIME_DIR"), l.state)
		}
		l.run = filepath.Join(base, "xbuild", l.id)
		l.socket = socketIn(l.run)
	}
	l.spawnLock = filepath.Join(l.run, "spawn.lock")
	l.reserve = filepath.Join(l.state, "reserve")
	l.rootLock = filepath.Join(l.root, "buildkitd.lock")
	return l
}

func socketIn(run string) string { return filepath.Join(run, "xbuild-"+protocol+".sock") }

// make creates the folders. Nobody else can enter them: the socket gives whoever reaches it all that the daemon can do.
func (l layout) make() error {
	if len(l.socket) > maxSocketPath {
		return fmt.Errorf("%s is longer than the %d characters that the path of a socket can have", l.socket, maxSocketPath)
	}
	for _, dir := range []string{l.state, l.root, l.tmp, l.run} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	return os.Chmod(l.run, 0o700)
}

// runtimeState is where runc keeps its containers. There is no way to tell BuildKit another place.
func (l layout) runtimeState(rootless bool) string {
	if rootless {
		return filepath.Join(l.run, "runtime", "runc")
	}
	return "/run/runc"
}

func (l layout) addr() string { return "unix://" + l.socket }

func (l layout) cgroup() string { return "xbuild-" + l.id }
