package e2e

import (
	"bytes"
	"debug/elf"
	"debug/macho"
	"debug/pe"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
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

// running lists the processes of this machine, in whatever PID namespace, whose command line or environment has text.
func running(text string) []string {
	var out []string
	dirs, _ := filepath.Glob("/proc/[0-9]*") // the pattern is valid
	for _, d := range dirs {
		if d == "/proc/"+strconv.Itoa(os.Getpid()) {
			continue
		}
		cmdline, _ := os.ReadFile(d + "/cmdline") // a process may end at any time
		environ, _ := os.ReadFile(d + "/environ")
		if bytes.Contains(cmdline, []byte(text)) || bytes.Contains(environ, []byte(text)) {
			out = append(out, filepath.Base(d)+": "+strings.ReplaceAll(string(cmdline), "\x00", " "))
		}
	}
	return out
}

// mounts lists the mounts below dir that any process of this machine sees.
func mounts(dir string) []string {
	seen := map[string]bool{}
	var out []string
	files, _ := filepath.Glob("/proc/[0-9]*/mountinfo") // the pattern is valid
	for _, f := range files {
		data, _ := os.ReadFile(f) // a process may end at any time
		for _, l := range strings.Split(string(data), "\n") {
			if fields := strings.Fields(l); len(fields) > 4 && strings.HasPrefix(fields[4], dir) && !seen[fields[4]] {
				seen[fields[4]] = true
				out = append(out, fields[4])
			}
		}
	}
	return out
}

// left fails the test if, some seconds from now, a process still knows dir or a mount is still below it.
func left(t *testing.T, dir string) {
	t.Helper()
	if !within(10*time.Second, func() bool { return len(running(dir)) == 0 && len(mounts(dir)) == 0 }) {
		t.Errorf("left behind: processes %q, mounts %q", running(dir), mounts(dir))
	}
}

// within reports whether ok becomes true in time.
func within(limit time.Duration, ok func() bool) bool {
	for deadline := time.Now().Add(limit); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}
