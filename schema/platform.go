package schema

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/containerd/platforms"
)

// Platform is an operating system, an architecture and a variant in normal form: "linux/arm/v7", not "linux/armhf". It
// is comparable, so it can be a map key.
type Platform struct {
	OS, Arch, Variant string
}

// ParsePlatform reads "os/arch[/variant]" and the short forms that container tools accept ("arm64", "linux/armhf").
func ParsePlatform(s string) (Platform, error) {
	p, err := platforms.Parse(s)
	if err != nil {
		return Platform{}, fmt.Errorf("%q is not a platform: want os/arch or os/arch/variant, like linux/arm64", s)
	}
	p = platforms.Normalize(p)
	q := Platform{p.OS, p.Architecture, p.Variant}
	if !slices.Contains(knownOS, q.OS) {
		return Platform{}, fmt.Errorf("%q is not a platform: unknown operating system %q", s, q.OS)
	}
	if !slices.Contains(knownArch, q.Arch) {
		return Platform{}, fmt.Errorf("%q is not a platform: unknown architecture %q", s, q.Arch)
	}
	return q, nil
}

// The operating systems and architectures that the Go toolchain and OCI images name. Anything else is a typing error.
var (
	knownOS   = strings.Fields("aix android darwin dragonfly freebsd illumos ios js linux netbsd openbsd plan9 solaris wasip1 windows")
	knownArch = strings.Fields("386 amd64 arm arm64 loong64 mips mips64 mips64le mipsle ppc64 ppc64le riscv64 s390x wasm")
)

// MustPlatform is [ParsePlatform] for constants; it panics on a bad one.
func MustPlatform(s string) Platform {
	p, err := ParsePlatform(s)
	if err != nil {
		panic(err)
	}
	return p
}

// String gives "os/arch" or "os/arch/variant".
func (p Platform) String() string {
	s := p.OS + "/" + p.Arch
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	return s
}

// Slug is the platform as a folder name: "linux_arm_v7".
func (p Platform) Slug() string { return strings.ReplaceAll(p.String(), "/", "_") }

// Exe is the suffix of executables: ".exe" on windows, else empty.
func (p Platform) Exe() string {
	if p.OS == "windows" {
		return ".exe"
	}
	return ""
}

// GOARM is the value of Go's GOARM variable for 32-bit arm ("7" for v7), else empty.
func (p Platform) GOARM() string {
	if p.Arch != "arm" {
		return ""
	}
	return strings.TrimPrefix(p.Variant, "v")
}

// Triple is the GNU triple that names cross compilers and libraries on Debian, empty where there is no usual one.
func (p Platform) Triple() string {
	if p.OS != "linux" {
		return ""
	}
	switch p.Arch {
	case "arm":
		if p.Variant == "v5" || p.Variant == "v6" {
			return "arm-linux-gnueabi"
		}
		return "arm-linux-gnueabihf"
	case "mips64le":
		return "mips64el-linux-gnuabi64"
	}
	return map[string]string{"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu", "386": "i686-linux-gnu",
		"ppc64le": "powerpc64le-linux-gnu", "riscv64": "riscv64-linux-gnu", "s390x": "s390x-linux-gnu",
		"loong64": "loongarch64-linux-gnu"}[p.Arch]
}

// Executes reports whether a machine of platform p runs programs built for q without emulation: its own platform, older
// variants of it, and on amd64 every amd64 variant and 386. A 64-bit arm machine does not promise 32-bit arm.
func (p Platform) Executes(q Platform) bool {
	switch {
	case p.OS != q.OS:
		return false
	case p.Arch == "amd64":
		return q.Arch == "amd64" || q.Arch == "386"
	case p.Arch != q.Arch:
		return false
	}
	return variantRank(q) <= variantRank(p)
}

// variantRank orders the variants of one architecture; the unnamed one is the common baseline.
func variantRank(p Platform) string {
	if p.Variant != "" {
		return p.Variant
	}
	return map[string]string{"arm64": "v8", "arm": "v7"}[p.Arch]
}

// taken are the answers of Takes: planning asks the same few thousands of times.
var taken sync.Map // [2]Platform -> bool

// Takes reports whether a container of platform p may be made from an image of platform q, by the rule that container
// engines use to choose from an index.
func (p Platform) Takes(q Platform) bool {
	pair := [2]Platform{p, q}
	if takes, ok := taken.Load(pair); ok {
		return takes.(bool)
	}
	spec := func(x Platform) platforms.Platform {
		return platforms.Platform{OS: x.OS, Architecture: x.Arch, Variant: x.Variant}
	}
	takes := platforms.Only(spec(p)).Match(spec(q))
	taken.Store(pair, takes)
	return takes
}
