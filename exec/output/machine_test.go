package output

import (
	"bytes"
	"debug/elf"
	"debug/macho"
	"debug/pe"
	"encoding/binary"
	"errors"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xbuild/xbuild/internal/volume"
	"github.com/xbuild/xbuild/schema"
)

// What the Go toolchain makes for a platform is for that platform and for no other. Without a soak two are compiled: for the others the
// standard library must be compiled first. [TestCheck] has headers of all.
func TestCheckGoPrograms(t *testing.T) {
	dir := t.TempDir()
	src := filepath.Join(dir, "main.go")
	must(t, os.WriteFile(src, []byte("package main\n\nfunc main() {}\n"), 0o644))
	list := []string{"linux/amd64", "windows/amd64", "linux/arm64", "linux/386", "darwin/arm64"}
	for _, built := range list[:min(volume.Of(2, 5), 5)] {
		goos, goarch, _ := strings.Cut(built, "/")
		path := filepath.Join(dir, goos+"_"+goarch)
		cmd := osexec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, src)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+goos, "GOARCH="+goarch, "GOFLAGS=")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go build for %s: %v\n%s", built, err, out)
		}
		f, err := os.Open(path)
		must(t, err)
		gotOS, gotArch, ok := Machine(f)
		f.Close()
		if !ok || gotArch != goarch || gotOS != goos && !(gotOS == "" && goos == "linux") {
			t.Errorf("%s: got %q %q %v", built, gotOS, gotArch, ok)
		}
		for _, p := range list {
			err := Check(path, schema.MustPlatform(p))
			var m *Mismatch
			if (p == built) != (err == nil) || err != nil && (!errors.As(err, &m) || m.Path != path) {
				t.Errorf("a program for %s, checked for %s: %v", built, p, err)
			}
		}
	}
}

// elfFile is an ELF header.
func elfFile(class elf.Class, data elf.Data, abi elf.OSABI, typ elf.Type, m elf.Machine) []byte {
	b := append([]byte(elf.ELFMAG), byte(class), byte(data), 1, byte(abi))
	b = append(b, make([]byte, 48)...)
	var order binary.ByteOrder = binary.LittleEndian
	if data == elf.ELFDATA2MSB {
		order = binary.BigEndian
	}
	order.PutUint16(b[16:], uint16(typ))
	order.PutUint16(b[18:], uint16(m))
	return b
}

func exe(m elf.Machine) []byte {
	return elfFile(elf.ELFCLASS64, elf.ELFDATA2LSB, elf.ELFOSABI_NONE, elf.ET_DYN, m)
}

// fat is a universal Mach-O file's table.
func fat(cpus ...macho.Cpu) []byte {
	b := binary.BigEndian.AppendUint32(nil, fatMagic32)
	b = binary.BigEndian.AppendUint32(b, uint32(len(cpus)))
	for _, c := range cpus {
		for _, v := range []uint32{uint32(c), 0, 4096, 4096, 12} {
			b = binary.BigEndian.AppendUint32(b, v)
		}
	}
	return b
}

func thin(order binary.AppendByteOrder, cpu macho.Cpu) []byte {
	b := order.AppendUint32(nil, macho.Magic64)
	return append(order.AppendUint32(b, uint32(cpu)), make([]byte, 24)...)
}

// peFile is a PE32 file with one section, which holds a .NET header with the given flags if net is not zero.
func peFile(t testing.TB, machine uint16, subsystem uint16, net uint32) []byte {
	t.Helper()
	var b bytes.Buffer
	dos := make([]byte, 0x80)
	copy(dos, "MZ")
	dos[peHeaderAt] = 0x80
	b.Write(dos)
	b.WriteString("PE\x00\x00")
	opt := pe.OptionalHeader32{Magic: 0x10b, Subsystem: subsystem, NumberOfRvaAndSizes: 16}
	if net != 0 {
		opt.DataDirectory[pe.IMAGE_DIRECTORY_ENTRY_COM_DESCRIPTOR] = pe.DataDirectory{VirtualAddress: 0x2008, Size: 72}
	}
	for _, part := range []any{
		pe.FileHeader{Machine: machine, NumberOfSections: 1, SizeOfOptionalHeader: uint16(binary.Size(opt))}, opt,
		pe.SectionHeader32{Name: [8]uint8{'.', 't', 'e', 'x', 't'}, VirtualSize: 0x200, VirtualAddress: 0x2000, SizeOfRawData: 0x200, PointerToRawData: 0x400},
	} {
		must(t, binary.Write(&b, binary.LittleEndian, part))
	}
	b.Write(make([]byte, 0x400-b.Len()))
	section := make([]byte, 0x200)
	binary.LittleEndian.PutUint32(section[8+netFlagsAt:], net)
	b.Write(section)
	return b.Bytes()
}

func TestCheck(t *testing.T) {
	const windowsCUI, efi = 3, 10
	for _, tt := range []struct {
		name     string
		data     []byte
		good     string // platforms that must pass
		bad      string // and that must not
		found    string
		os, arch string // what Machine says; empty arch: not machine code
	}{
		{"elf amd64", exe(elf.EM_X86_64), "linux/amd64 linux/amd64/v3 freebsd/amd64", "linux/arm64 linux/386 darwin/amd64 windows/amd64", "ELF amd64", "", "amd64"},
		{"elf arm64", exe(elf.EM_AARCH64), "linux/arm64 linux/arm64/v9 android/arm64", "linux/arm/v7 linux/amd64", "ELF arm64", "", "arm64"},
		{"elf arm", elfFile(elf.ELFCLASS32, elf.ELFDATA2LSB, 0, elf.ET_EXEC, elf.EM_ARM), "linux/arm/v6 linux/arm/v7", "linux/arm64", "ELF arm", "", "arm"},
		{"elf 386", elfFile(elf.ELFCLASS32, elf.ELFDATA2LSB, 0, elf.ET_EXEC, elf.EM_386), "linux/386", "linux/amd64", "ELF 386", "", "386"},
		{"elf riscv64", exe(elf.EM_RISCV), "linux/riscv64", "linux/amd64", "ELF riscv64", "", "riscv64"},
		{"elf loong64", exe(elf.EM_LOONGARCH), "linux/loong64", "linux/amd64", "ELF loong64", "", "loong64"},
		{"elf ppc64le", exe(elf.EM_PPC64), "linux/ppc64le", "linux/ppc64", "ELF ppc64le", "", "ppc64le"},
		{"elf s390x", elfFile(elf.ELFCLASS64, elf.ELFDATA2MSB, 0, elf.ET_EXEC, elf.EM_S390), "linux/s390x", "linux/amd64", "ELF s390x", "", "s390x"},
		{"elf mips", elfFile(elf.ELFCLASS32, elf.ELFDATA2MSB, 0, elf.ET_EXEC, elf.EM_MIPS), "linux/mips", "linux/mipsle linux/mips64", "ELF mips", "", "mips"},
		{"elf mips64le", elfFile(elf.ELFCLASS64, elf.ELFDATA2LSB, 0, elf.ET_EXEC, elf.EM_MIPS), "linux/mips64le", "linux/mipsle linux/mips64", "ELF mips64le", "", "mips64le"},
		{"elf object", elfFile(elf.ELFCLASS64, elf.ELFDATA2LSB, 0, elf.ET_REL, elf.EM_X86_64), "linux/amd64", "linux/arm64", "ELF amd64", "", "amd64"},
		{"elf core dump", elfFile(elf.ELFCLASS64, elf.ELFDATA2LSB, 0, elf.ET_CORE, elf.EM_X86_64), "linux/arm64", "", "", "", ""},
		{"elf freebsd", elfFile(elf.ELFCLASS64, elf.ELFDATA2LSB, elf.ELFOSABI_FREEBSD, elf.ET_EXEC, elf.EM_X86_64), "freebsd/amd64 linux/amd64", "freebsd/arm64", "ELF amd64", "freebsd", "amd64"},
		{"eBPF", elfFile(elf.ELFCLASS64, elf.ELFDATA2LSB, 0, elf.ET_REL, elf.EM_BPF), "linux/amd64 linux/arm64", "", "", "", ""},
		{"GPU code", exe(elf.EM_CUDA), "linux/amd64", "", "", "", ""},
		{"truncated elf", exe(elf.EM_AARCH64)[:19], "linux/amd64", "", "", "", ""},
		{"mach-o", thin(binary.LittleEndian, macho.CpuArm64), "darwin/arm64 ios/arm64", "darwin/amd64 linux/arm64 windows/arm64", "Mach-O arm64", "darwin", "arm64"},
		{"mach-o big-endian", thin(binary.BigEndian, macho.CpuPpc64), "darwin/ppc64", "darwin/arm64", "Mach-O ppc64", "darwin", "ppc64"},
		{"universal", fat(macho.CpuAmd64, macho.CpuArm64), "darwin/amd64 darwin/arm64", "linux/amd64 darwin/386", "Mach-O amd64+arm64", "darwin", "amd64"},
		{"universal, truncated", fat(macho.CpuAmd64, macho.CpuArm64)[:40], "linux/amd64", "", "", "", ""},
		{"java class", []byte("\xca\xfe\xba\xbe\x00\x00\x00\x3d and so on, and so on"), "linux/amd64 darwin/arm64", "", "", "", ""},
		{"pe amd64", peFile(t, pe.IMAGE_FILE_MACHINE_AMD64, windowsCUI, 0), "windows/amd64", "windows/arm64 linux/amd64", "PE amd64", "windows", "amd64"},
		{"pe arm64", peFile(t, pe.IMAGE_FILE_MACHINE_ARM64, windowsCUI, 0), "windows/arm64", "windows/amd64", "PE arm64", "windows", "arm64"},
		{"pe 386", peFile(t, pe.IMAGE_FILE_MACHINE_I386, windowsCUI, 0), "windows/386", "windows/amd64", "PE 386", "windows", "386"},
		{".NET, any machine", peFile(t, pe.IMAGE_FILE_MACHINE_I386, windowsCUI, netILOnly), "windows/amd64 linux/arm64", "", "", "", ""},
		{".NET, 32 bits needed", peFile(t, pe.IMAGE_FILE_MACHINE_I386, windowsCUI, netILOnly|net32BitNeeded), "windows/386", "linux/arm64", "PE 386", "windows", "386"},
		{".NET, mixed code", peFile(t, pe.IMAGE_FILE_MACHINE_AMD64, windowsCUI, 16), "windows/amd64", "windows/arm64", "PE amd64", "windows", "amd64"},
		{"EFI program", peFile(t, pe.IMAGE_FILE_MACHINE_AMD64, efi, 0), "linux/amd64 windows/amd64", "linux/arm64", "PE amd64", "", "amd64"},
		{"DOS program", append([]byte("MZ"), make([]byte, 200)...), "linux/amd64", "", "", "", ""},
		{"script", []byte("#!/bin/sh\necho hello\n"), "linux/amd64 windows/arm64", "", "", "", ""},
		{"text", []byte("MZ"), "linux/amd64", "", "", "", ""},
		{"empty", nil, "linux/amd64", "", "", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "file")
			must(t, os.WriteFile(path, tt.data, 0o755))
			gotOS, gotArch, ok := Machine(bytes.NewReader(tt.data))
			if gotOS != tt.os || gotArch != tt.arch || ok != (tt.arch != "") {
				t.Errorf("Machine says %q %q %v", gotOS, gotArch, ok)
			}
			for _, p := range strings.Fields(tt.good) {
				if err := Check(path, schema.MustPlatform(p)); err != nil {
					t.Errorf("%s: %v", p, err)
				}
			}
			for _, p := range strings.Fields(tt.bad) {
				var m *Mismatch
				if err := Check(path, schema.MustPlatform(p)); !errors.As(err, &m) || m.Found != tt.found {
					t.Errorf("%s: got %v, want found %q", p, err, tt.found)
				}
			}
		})
	}
}

func TestCheckOtherFiles(t *testing.T) {
	dir := t.TempDir()
	p := schema.MustPlatform("linux/arm64")
	must(t, os.WriteFile(filepath.Join(dir, "app"), exe(elf.EM_X86_64), 0o755))
	must(t, os.Symlink("app", filepath.Join(dir, "link")))
	if err := Check(filepath.Join(dir, "link"), p); err != nil {
		t.Errorf("a link was judged: %v", err)
	}
	if err := Check(dir, p); err != nil {
		t.Errorf("a folder was judged: %v", err)
	}
	if err := Check(filepath.Join(dir, "none"), p); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	want := filepath.Join(dir, "app") + " is for another machine: it is ELF amd64, and was built for linux/arm64"
	if err := Check(filepath.Join(dir, "app"), p); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// No header makes the reader panic or read without end.
func FuzzMachine(f *testing.F) {
	f.Add(exe(elf.EM_X86_64))
	f.Add(fat(macho.CpuAmd64, macho.CpuArm64))
	f.Add(thin(binary.LittleEndian, macho.CpuArm64))
	f.Add(peFile(f, pe.IMAGE_FILE_MACHINE_I386, 3, netILOnly))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, arch, ok := Machine(bytes.NewReader(data)); ok != (arch != "") {
			t.Errorf("%q %v", arch, ok)
		}
	})
}
