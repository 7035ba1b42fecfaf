package e2e

import (
	"bytes"
	"debug/elf"
	"debug/macho"
	"debug/pe"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/xbuild/xbuild/e2e/parts"
)

// machine says what a program was made for: "ELF x86-64", "Mach-O arm64", "PE32+ x86-64".
func machine(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r := bytes.NewReader(data)
	if f, err := elf.NewFile(r); err == nil {
		name := map[elf.Machine]string{elf.EM_X86_64: "x86-64", elf.EM_AARCH64: "aarch64", elf.EM_ARM: "arm"}[f.Machine]
		if name == "" {
			name = f.Machine.String()
		}
		return "ELF " + name
	}
	if f, err := macho.NewFile(r); err == nil {
		return "Mach-O " + map[macho.Cpu]string{macho.CpuArm64: "arm64", macho.CpuAmd64: "x86-64"}[f.Cpu]
	}
	if f, err := pe.NewFile(r); err == nil {
		if _, plus := f.OptionalHeader.(*pe.OptionalHeader64); plus && f.Machine == pe.IMAGE_FILE_MACHINE_AMD64 {
			return "PE32+ x86-64"
		}
		return fmt.Sprintf("PE machine %#x", f.Machine)
	}
	return "no program"
}

// machines are the answers for the platforms of the examples.
var machines = map[string]string{
	"linux_amd64": "ELF x86-64", "linux_arm64": "ELF aarch64", "linux_arm_v7": "ELF arm",
	"darwin_arm64": "Mach-O arm64", "windows_amd64": "PE32+ x86-64",
}

// left fails the test if, some seconds from now, a process still knows dir or a mount is still below it.
func left(t *testing.T, dir string) {
	t.Helper()
	if !parts.Within(10*time.Second, func() bool { return len(parts.Running(dir)) == 0 && len(parts.Mounts(dir)) == 0 }) {
		t.Errorf("left behind: processes %q, mounts %q", parts.Running(dir), parts.Mounts(dir))
	}
}
