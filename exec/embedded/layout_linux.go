package embedded

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
)

// protocol is the version of what clients and daemon say to each other besides BuildKit's own API. It is part of the
// socket's name: a client never works with a daemon of another protocol, it starts its own. The call Acquire is the same in
// all of them, so that one can ask the other to let go of the store; see [displace]. A variable only for the tests.
var protocol = "1"

// storeFormat names the root. It changes when a BuildKit cannot read an older store or would spoil it. A variable only for
// the tests.
var storeFormat = storeRoot

// maxSocketPath is what fits into sockaddr_un, with its final zero.
const maxSocketPath = 107

// layout is where the daemon of one state directory keeps its files.
type layout struct {
	state, root, tmp, log string
	run, socket           string
	spawnLock, rootLock   string
	reserve               string
	endMark               string
}

func newLayout(state string) layout {
	l := layout{
		state: state,
		root:  filepath.Join(state, storeFormat),
		log:   filepath.Join(state, "daemon.log"),
		run:   filepath.Join(state, "run"),
	}
	l.tmp = filepath.Join(l.root, "tmp")
	l.socket = socketIn(l.run)
	if len(l.socket) > maxSocketPath {
		// The directory that a login session gives an ordinary user, if there is one; see make.
		base := "/run"
		if os.Geteuid() != 0 {
			base = cmp.Or(os.Getenv("XDG_RUNTIME_DIR"), l.state)
		}
		l.run = filepath.Join(base, "xbuild", shortHash(l.state))
		l.socket = socketIn(l.run)
	}
	l.spawnLock = filepath.Join(l.run, "spawn.lock")
	l.reserve = filepath.Join(l.state, "reserve")
	l.endMark = filepath.Join(l.root, "ended")
	l.rootLock = filepath.Join(l.root, "buildkitd.lock")
	return l
}

func socketIn(run string) string { return filepath.Join(run, "xbuild-"+protocol+".sock") }

// make creates the directories. Nobody else can enter them: the socket gives whoever reaches it all that the daemon can do.
func (l layout) make() error {
	if len(l.socket) > maxSocketPath {
		return fmt.Errorf("%s is longer than the %d characters that the path of a socket can have", l.socket, maxSocketPath)
	}
	if err := makePrivate(l.state, l.root, l.tmp); err != nil {
		return err
	}
	above := filepath.Dir(l.run)
	if above == l.state {
		return makePrivate(l.run)
	}
	// The path is short since it lies elsewhere, where another user may have been first.
	base := filepath.Dir(above)
	if err := os.MkdirAll(base, 0o700); err != nil {
		return err
	}
	if err := trustedBase(base, os.Geteuid()); err != nil {
		return err
	}
	return makePrivate(above, l.run)
}

// makePrivate makes directories that only the user can enter, one after the other.
func makePrivate(dirs ...string) error {
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		if err := checkPrivate(dir, os.Geteuid()); err != nil {
			return err
		}
	}
	return nil
}

// runtimeState is where runc keeps its containers. There is no way to tell BuildKit another place.
func (l layout) runtimeState(rootless bool) string {
	if rootless {
		return filepath.Join(l.run, "runtime", "runc")
	}
	return "/run/runc"
}

func (l layout) addr() string { return "unix://" + l.socket }

// cgroup is the control group above those of the daemon's steps; no two daemons that run at once have the same.
func (l layout) cgroup() string { return "xbuild-" + shortHash(l.root) }

func shortHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:6])
}
