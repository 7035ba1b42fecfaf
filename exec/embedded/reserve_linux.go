package embedded

import (
	"os"

	"github.com/moby/buildkit/util/disk"
	"golang.org/x/sys/unix"
)

// On a full disk even removing fails: BuildKit's databases write before they give anything back. So a part of the disk is
// kept in reserve, a file that whoever makes room removes first.
const (
	reserveSize  = 8 << 20
	reserveShare = 32 // at most this part of a small disk
)

// Reserve sets a part of the disk aside, if it has room and the file system can. [Release] gives it back.
func Reserve(cfg Config) {
	if cfg, err := cfg.complete(); err == nil {
		reserve(newLayout(cfg.StateDir))
	}
}

// Release gives back what [Reserve] set aside.
func Release(cfg Config) {
	if cfg, err := cfg.complete(); err == nil {
		os.Remove(newLayout(cfg.StateDir).reserve) // it need not be there
	}
}

func reserve(l layout) {
	st, err := disk.GetDiskStat(l.root)
	if err != nil {
		return
	}
	size := min(reserveSize, st.Total/reserveShare)
	if st, err := os.Stat(l.reserve); err == nil && st.Size() == size {
		return
	}
	f, err := os.OpenFile(l.reserve, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	if unix.Fallocate(int(f.Fd()), 0, 0, size) != nil {
		os.Remove(l.reserve) // half of it would look like all
	}
}
