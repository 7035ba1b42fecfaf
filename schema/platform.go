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
	knownOS   = strings.Fields("aix android darwin dragonfly freebsd illumos ios js linux netbsd openbsd plan9 solaris wasi wasip1 windows")
	knownArch = strings.Fields("386 amd64 arm arm64 loong64 mips mips64 mips64le mipsle ppc64 ppc64le riscv64 s390x wasm wasm32")
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
	_, value := p.GoLevel()
	return value
}

// goLevels are the variables by which Go is given the instruction set level of an architecture.
var goLevels = map[string]string{"amd64": "GOAMD64", "arm": "GOARM", "arm64": "GOARM64", "ppc64": "GOPPC64", "ppc64le": "GOPPC64", "riscv64": "GORISCV64"}

// GoLevel is the variable by which Go is given the instruction set level of the platform's architecture, empty if it has none,
// and the value that stands for the variant, empty for Go's default.
func (p Platform) GoLevel() (name, value string) {
	name = goLevels[p.Arch]
	switch {
	case name == "":
		return "", ""
	case p.Arch == "arm" && p.Variant == "v8": // the 32-bit mode of a 64-bit machine; Go has no level above 7
		return name, "7"
	case p.Arch == "arm":
		return name, strings.TrimPrefix(p.Variant, "v")
	case p.Arch == "arm64" && p.Variant == "v9":
		return name, "v9.0"
	}
	return name, p.Variant
}

// AboveBaseline reports whether the variant asks for more than every machine of the architecture has, like linux/amd64/v3 and
// linux/arm64/v8.2. A compiler that is not given such a level makes programs for the baseline.
func (p Platform) AboveBaseline() bool {
	return p.Variant != "" && p.Arch != "arm" && goLevels[p.Arch] != ""
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

// Executes reports whether a machine of platform p runs the steps of a build for q without emulation: q is of the same
// architecture, or 386 where p is amd64. Variants make no difference, since a base image is for the baseline and BuildKit does not
// look at them; but 32-bit arm has no common baseline, so that v6 does not run v7. A 64-bit arm machine does not promise 32-bit arm.
func (p Platform) Executes(q Platform) bool {
	switch {
	case p.OS != q.OS:
		return false
	case p.Arch == "amd64" && q.Arch == "386":
		return true
	case p.Arch != q.Arch:
		return false
	}
	return p.Arch != "arm" || armVersion(q) <= armVersion(p)
}

// armVersion is the variant of 32-bit arm. In v8 a machine runs v7 programs, and images are made for them.
func armVersion(p Platform) string {
	if p.Variant == "" || p.Variant == "v8" {
		return "v7"
	}
	return p.Variant
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
