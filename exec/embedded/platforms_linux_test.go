package embedded_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/containerd/platforms"
)

func TestPlatformsFollowTheEmulators(t *testing.T) {
	cfg := newConfig(t)
	qemu, err := exec.LookPath("qemu-riscv64-static")
	if err != nil {
		missing(t, "no qemu-riscv64-static: apt-get install -y qemu-user-static")
	}
	bin := t.TempDir()
	t.Setenv("PATH", os.Getenv("PATH")+string(filepath.ListSeparator)+bin)
	addr := ensure(t, cfg)
	list := workerPlatforms(t, addr)
	if list[0] != platforms.Format(platforms.DefaultSpec()) {
		t.Errorf("platforms = %v, want the own one first", list)
	}
	if slices.Contains(list, "linux/riscv64") {
		disableRISCV(t)
		if list := workerPlatforms(t, addr); slices.Contains(list, "linux/riscv64") {
			t.Fatalf("with its emulator disabled, platforms = %v", list)
		}
	}

	t.Run("program", func(t *testing.T) {
		name := filepath.Join(bin, "buildkit-qemu-riscv64")
		if err := os.Symlink(qemu, name); err != nil {
			t.Fatal(err)
		}
		if list := workerPlatforms(t, addr); !slices.Contains(list, "linux/riscv64") {
			t.Errorf("with buildkit-qemu-riscv64 on PATH, platforms = %v", list)
		}
		assertRunsRISCV(t, addr)
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
		if list := workerPlatforms(t, addr); slices.Contains(list, "linux/riscv64") {
			t.Errorf("after its removal, platforms = %v", list)
		}
	})
	t.Run("kernel", func(t *testing.T) {
		unregister := registerRISCV(t, qemu)
		if list := workerPlatforms(t, addr); !slices.Contains(list, "linux/riscv64") {
			t.Errorf("with an emulator registered, platforms = %v", list)
		}
		assertRunsRISCV(t, addr, "again")
		unregister()
		if list := workerPlatforms(t, addr); slices.Contains(list, "linux/riscv64") {
			t.Errorf("after its removal, platforms = %v", list)
		}
	})
}

func assertRunsRISCV(t *testing.T, addr string, args ...string) {
	t.Helper()
	dir, err := runStep(t.Context(), t, addr, "riscv64", append([]string{"arch"}, args...)...)
	if err != nil {
		t.Fatalf("the emulated build: %v", err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "arch")); err != nil || string(got) != "riscv64" {
		t.Errorf("the step ran on %q, %v", got, err)
	}
}

const binfmt = "/proc/sys/fs/binfmt_misc"

// disableRISCV switches the machine's own emulator off for the time of the test, so that it can be seen to come.
func disableRISCV(t *testing.T) {
	t.Helper()
	entries, err := filepath.Glob(filepath.Join(binfmt, "*riscv64*"))
	if err != nil || len(entries) == 0 {
		missing(t, "riscv64 is emulated, but no emulator of that name is registered that could be switched off")
	}
	for _, entry := range entries {
		if err := os.WriteFile(entry, []byte("0"), 0); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := os.WriteFile(entry, []byte("1"), 0); err != nil {
				t.Error(err)
			}
		})
	}
}

// registerRISCV registers an emulator with the kernel for the time of the test.
func registerRISCV(t *testing.T, qemu string) (unregister func()) {
	t.Helper()
	const name = "xbuild-test-riscv64"
	magic := `\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xf3\x00`
	mask := `\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff`
	err := os.WriteFile(filepath.Join(binfmt, "register"), []byte(":"+name+":M::"+magic+":"+mask+":"+qemu+":F"), 0)
	if err != nil {
		missing(t, "the kernel takes no emulator ("+err.Error()+"): mount -t binfmt_misc binfmt_misc "+binfmt)
	}
	unregister = sync.OnceFunc(func() {
		if err := os.WriteFile(filepath.Join(binfmt, name), []byte("-1"), 0); err != nil {
			t.Errorf("unregistering: %v", err)
		}
	})
	t.Cleanup(unregister)
	return unregister
}

func workerPlatforms(t *testing.T, addr string) []string {
	t.Helper()
	workers, err := connect(t, addr).ListWorkers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, p := range workers[0].Platforms {
		list = append(list, platforms.Format(p))
	}
	return list
}
