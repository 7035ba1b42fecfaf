package embedded

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/util/archutil"
	"github.com/moby/buildkit/worker/base"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// platformWorker is BuildKit's worker with another answer to what it can run: the machine's own platform first, then
// all that the kernel can emulate at this moment, then what a buildkit-qemu program on PATH can. BuildKit's own answer
// is up to 20 seconds old, never forgets a platform, and does not know of those programs, although it runs them.
type platformWorker struct {
	*base.Worker

	mu     sync.Mutex
	known  []ocispecs.Platform
	source string // what known was found from
}

// Platforms returns what can be run; with refresh, what can be run now. The list belongs to the caller.
func (w *platformWorker) Platforms(refresh bool) []ocispecs.Platform {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.known == nil || refresh {
		if source := emulatorState(); w.known == nil || source != w.source {
			w.known, w.source = probePlatforms(), source
		}
	}
	return slices.Clone(w.known)
}

// newPlatformWorker must be called before anything asks BuildKit for platforms.
func newPlatformWorker(w *base.Worker) *platformWorker {
	archutil.CacheMaxAge = 0 // it is known here when an answer is old
	return &platformWorker{Worker: w}
}

// probePlatforms runs a tiny program of each architecture, which takes some 50 ms.
func probePlatforms() []ocispecs.Platform {
	var list []ocispecs.Platform
	add := func(p ocispecs.Platform) {
		p = platforms.Normalize(p)
		if !slices.ContainsFunc(list, func(o ocispecs.Platform) bool { return platforms.Format(o) == platforms.Format(p) }) {
			list = append(list, p)
		}
	}
	for _, p := range archutil.SupportedPlatforms(true) {
		add(p)
	}
	for _, arch := range slices.Sorted(maps.Keys(qemuNames)) {
		if _, err := exec.LookPath("buildkit-qemu-" + qemuNames[arch]); err == nil {
			add(ocispecs.Platform{OS: "linux", Architecture: arch})
		}
	}
	return list
}

// qemuNames maps architectures to the names of BuildKit's emulators, buildkit-qemu-NAME.
var qemuNames = map[string]string{
	"arm64": "aarch64", "amd64": "x86_64", "riscv64": "riscv64", "arm": "arm", "s390x": "s390x", "ppc64le": "ppc64le", "386": "i386",
}

// emulatorState changes whenever an emulator is registered with the kernel, enabled, disabled or removed, or a
// buildkit-qemu program comes or goes.
func emulatorState() string {
	mountBinfmt()
	var b strings.Builder
	entries, _ := os.ReadDir(binfmtDir) // none without the file system, and then nothing is registered
	for _, e := range entries {
		if e.Name() == "register" {
			continue
		}
		text, _ := os.ReadFile(filepath.Join(binfmtDir, e.Name()))
		b.WriteString(e.Name() + "\n")
		if st, err := e.Info(); err == nil {
			b.WriteString(st.ModTime().String() + "\n")
		}
		b.Write(text)
	}
	for _, arch := range slices.Sorted(maps.Keys(qemuNames)) {
		if path, err := exec.LookPath("buildkit-qemu-" + qemuNames[arch]); err == nil {
			b.WriteString(path + "\n")
		}
	}
	return b.String()
}
