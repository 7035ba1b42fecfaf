package output

import (
	"bytes"
	"debug/elf"
	"debug/macho"
	"debug/pe"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/xbuild/xbuild/schema"
)

// Machine tells what machine an executable, library or object file is for: an operating system and an architecture in
// Go's words. ok is false for everything else: scripts, data, archives, and code for processors that no platform names,
// such as eBPF. The operating system is empty if the file does not say: most ELF files fit several. Of a universal
// Mach-O file it tells the first part; [Check] looks at all of them.
func Machine(r io.ReaderAt) (os, arch string, ok bool) {
	ms := machines(r)
	if len(ms) == 0 {
		return "", "", false
	}
	return ms[0].os, ms[0].arch, true
}

// machine is one machine that a file runs on.
type machine struct {
	format   string // ELF, Mach-O or PE
	os, arch string
}

// Mismatch is the error for a file that is for another machine than the platform it was built for.
type Mismatch struct {
	// Path is the file as it was given to [Check].
	Path string
	// Found is what the file is for, such as "ELF amd64".
	Found string
	Want  schema.Platform
}

func (m *Mismatch) Error() string {
	return fmt.Sprintf("%s is for another machine: it is %s, and was built for %s", m.Path, m.Found, m.Want)
}

// Check returns a [*Mismatch] if the file is machine code for another machine than p. Scripts, data and links pass, and
// so does code that is legal everywhere: eBPF, .NET assemblies without a machine, EFI programs of the architecture. Of
// an ELF file only the architecture counts, on the systems that use ELF. Other errors mean that the file could not be
// read.
func Check(path string, p schema.Platform) error {
	fi, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !fi.Mode().IsRegular() {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return CheckContent(path, f, p)
}

// CheckContent is [Check] for the content of a file that is not on this machine; path is for the error only.
func CheckContent(path string, r io.ReaderAt, p schema.Platform) error {
	ms := machines(r)
	if len(ms) == 0 || slices.ContainsFunc(ms, func(m machine) bool { return m.fits(p) }) {
		return nil
	}
	var arches []string
	for _, m := range ms {
		arches = append(arches, m.arch)
	}
	return &Mismatch{Path: path, Found: ms[0].format + " " + strings.Join(arches, "+"), Want: p}
}

// fits reports whether the machine can be that of p. Variants are not told apart: no header says them reliably.
func (m machine) fits(p schema.Platform) bool {
	if m.arch != p.Arch {
		return false
	}
	switch m.format {
	case "ELF":
		return !slices.Contains([]string{"aix", "darwin", "ios", "js", "plan9", "wasip1", "windows"}, p.OS)
	case "Mach-O":
		return p.OS == "darwin" || p.OS == "ios"
	}
	return m.os == "" || m.os == p.OS
}

// machines lists what the file can run on. It reads headers only, so that stripped and packed files are judged too.
func machines(r io.ReaderAt) []machine {
	head := make([]byte, 64)
	n, err := r.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return nil
	}
	head = head[:n]
	switch {
	case bytes.HasPrefix(head, []byte(elf.ELFMAG)):
		return elfMachine(head)
	case bytes.HasPrefix(head, []byte("MZ")):
		return peMachine(r, head)
	case len(head) >= 8:
		return machoMachines(r, head)
	}
	return nil
}

func elfMachine(head []byte) []machine {
	if len(head) < 20 {
		return nil
	}
	var order binary.ByteOrder = binary.LittleEndian
	little := elf.Data(head[elf.EI_DATA]) == elf.ELFDATA2LSB
	if !little {
		order = binary.BigEndian
	}
	arch := elfArch(elf.Machine(order.Uint16(head[18:])), elf.Class(head[elf.EI_CLASS]) == elf.ELFCLASS64, little)
	if arch == "" || elf.Type(order.Uint16(head[16:])) == elf.ET_CORE {
		return nil
	}
	system := map[elf.OSABI]string{elf.ELFOSABI_LINUX: "linux", elf.ELFOSABI_FREEBSD: "freebsd", elf.ELFOSABI_NETBSD: "netbsd",
		elf.ELFOSABI_OPENBSD: "openbsd", elf.ELFOSABI_SOLARIS: "solaris"}[elf.OSABI(head[elf.EI_OSABI])]
	return []machine{{"ELF", system, arch}}
}

// elfArch is empty for processors that are not the machine of any platform: those of GPUs, eBPF, microcontrollers.
func elfArch(m elf.Machine, wide, little bool) string {
	pick := func(cond bool, yes, no string) string {
		if cond {
			return yes
		}
		return no
	}
	end := pick(little, "le", "")
	switch m {
	case elf.EM_386:
		return "386"
	case elf.EM_X86_64:
		return "amd64"
	case elf.EM_ARM:
		return "arm"
	case elf.EM_AARCH64:
		return "arm64"
	case elf.EM_LOONGARCH:
		return pick(wide, "loong64", "")
	case elf.EM_MIPS:
		return pick(wide, "mips64", "mips") + end
	case elf.EM_PPC64:
		return "ppc64" + end
	case elf.EM_RISCV:
		return pick(wide, "riscv64", "")
	case elf.EM_S390:
		return pick(wide, "s390x", "")
	}
	return ""
}

// The layout of universal Mach-O files, whose numbers are big-endian.
const (
	fatMagic32, fatMagic64 = 0xcafebabe, 0xcafebabf
	fatEntry32, fatEntry64 = 20, 32
	// The magic is also that of a Java class, whose next number is a version from 45 on.
	fatMax = 30
)

func machoMachines(r io.ReaderAt, head []byte) []machine {
	magic := binary.BigEndian.Uint32(head)
	if magic == fatMagic32 || magic == fatMagic64 {
		return fatMachines(r, magic, binary.BigEndian.Uint32(head[4:]))
	}
	var order binary.ByteOrder = binary.LittleEndian
	if magic == macho.Magic32 || magic == macho.Magic64 {
		order = binary.BigEndian
	} else if m := order.Uint32(head); m != macho.Magic32 && m != macho.Magic64 {
		return nil
	}
	return machoMachine(order.Uint32(head[4:]))
}

func fatMachines(r io.ReaderAt, magic, count uint32) []machine {
	if count == 0 || count > fatMax {
		return nil
	}
	size := fatEntry32
	if magic == fatMagic64 {
		size = fatEntry64
	}
	table := make([]byte, size*int(count))
	if n, _ := r.ReadAt(table, 8); n < len(table) {
		return nil
	}
	var ms []machine
	for i := range int(count) {
		ms = append(ms, machoMachine(binary.BigEndian.Uint32(table[i*size:]))...)
	}
	return ms
}

func machoMachine(cpu uint32) []machine {
	arch := map[macho.Cpu]string{macho.Cpu386: "386", macho.CpuAmd64: "amd64", macho.CpuArm: "arm", macho.CpuArm64: "arm64",
		macho.CpuPpc64: "ppc64"}[macho.Cpu(cpu)]
	if arch == "" {
		return nil
	}
	return []machine{{"Mach-O", "darwin", arch}}
}

// Offsets in a PE file.
const (
	peHeaderAt   = 0x3c // where the DOS header says where the PE header is
	peOptionalAt = 24   // from the PE header to the optional header
	peSubsystem  = 68   // in the optional header, of either size
)

func peMachine(r io.ReaderAt, head []byte) []machine {
	if len(head) < peHeaderAt+4 {
		return nil
	}
	at := int64(binary.LittleEndian.Uint32(head[peHeaderAt:]))
	header := make([]byte, peOptionalAt+peSubsystem+2)
	if n, _ := r.ReadAt(header, at); n < peOptionalAt || !bytes.HasPrefix(header, []byte("PE\x00\x00")) {
		return nil
	}
	arch := map[uint16]string{pe.IMAGE_FILE_MACHINE_I386: "386", pe.IMAGE_FILE_MACHINE_AMD64: "amd64",
		pe.IMAGE_FILE_MACHINE_ARMNT: "arm", pe.IMAGE_FILE_MACHINE_ARM64: "arm64",
		pe.IMAGE_FILE_MACHINE_RISCV64: "riscv64", pe.IMAGE_FILE_MACHINE_LOONGARCH64: "loong64"}[binary.LittleEndian.Uint16(header[4:])]
	if arch == "" || anyCPU(r) {
		return nil
	}
	switch binary.LittleEndian.Uint16(header[peOptionalAt+peSubsystem:]) {
	case pe.IMAGE_SUBSYSTEM_EFI_APPLICATION, pe.IMAGE_SUBSYSTEM_EFI_BOOT_SERVICE_DRIVER,
		pe.IMAGE_SUBSYSTEM_EFI_RUNTIME_DRIVER, pe.IMAGE_SUBSYSTEM_EFI_ROM:
		return []machine{{"PE", "", arch}} // boot loaders, kernels
	}
	return []machine{{"PE", "windows", arch}}
}

// The .NET header, and the flags in it that say for which machine an assembly is.
const (
	netFlagsAt     = 16
	netILOnly      = 1
	net32BitNeeded = 2
)

// anyCPU reports whether a PE file is a .NET assembly that runs on any machine and system.
func anyCPU(r io.ReaderAt) bool {
	f, err := pe.NewFile(r)
	if err != nil {
		return false
	}
	var dir pe.DataDirectory
	switch h := f.OptionalHeader.(type) {
	case *pe.OptionalHeader32:
		dir = h.DataDirectory[pe.IMAGE_DIRECTORY_ENTRY_COM_DESCRIPTOR]
	case *pe.OptionalHeader64:
		dir = h.DataDirectory[pe.IMAGE_DIRECTORY_ENTRY_COM_DESCRIPTOR]
	}
	for _, s := range f.Sections {
		if dir.VirtualAddress < s.VirtualAddress || dir.VirtualAddress >= s.VirtualAddress+s.Size || dir.Size < netFlagsAt+4 {
			continue
		}
		var flags [4]byte
		if _, err := s.ReadAt(flags[:], int64(dir.VirtualAddress-s.VirtualAddress)+netFlagsAt); err != nil {
			return false
		}
		return binary.LittleEndian.Uint32(flags[:])&(netILOnly|net32BitNeeded) == netILOnly
	}
	return false
}
