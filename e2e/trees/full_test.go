package trees

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestFullOutputDisk: a disk that is too small for an output is said to be full, in whatever form the output is received, and
// nothing is left on it.
func TestFullOutputDisk(t *testing.T) {
	s := newSite(t)
	small := t.TempDir()
	if err := syscall.Mount("none", small, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("a small file system cannot be mounted: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(small, syscall.MNT_DETACH) }) // the machine forgets it otherwise, too
	big := make([]byte, 3<<20)
	if _, err := rand.Read(big); err != nil { // so that no compression makes it fit
		t.Fatal(err)
	}
	s.write(t, "big", big)
	s.write(t, "docker-bake.hcl", []byte("target \"default\" {\n  dockerfile-inline = \"FROM scratch\\nCOPY big /\\n\"\n  tags = [\"x:1\"]\n}\n"))
	for _, output := range []string{"type=local,dest=DIR", "type=tar,dest=DIR", "type=oci,dest=DIR", "type=oci,tar=false,dest=DIR"} {
		dest := filepath.Join(small, "out")
		out, err := s.try(s.dir, nil, s.xbuild, "run", "--progress", "plain", "--allow", "fs=*", "--set", "default.output="+strings.ReplaceAll(output, "DIR", dest))
		if want := "the disk of the output is full: " + dest + " cannot be written: no space left on device"; err == nil || !strings.Contains(out, want) {
			t.Errorf("%s: %v, want %q\n%s", output, err, want, out)
		}
		if left, err := os.ReadDir(small); err != nil || len(left) > 0 {
			t.Errorf("%s left %v, %v", output, left, err)
		}
	}
	// The first of two is on a large disk; the second is copied when both have come.
	out, err := s.try(s.dir, nil, s.xbuild, "run", "--progress", "plain", "--allow", "fs=*", "--set", "default.output=near", "--set", "default.output+=type=local,dest="+filepath.Join(small, "far"))
	if err == nil || !strings.Contains(out, "the disk of the output is full: ") {
		t.Errorf("a copy: %v\n%s", err, out)
	}
	if _, err := os.Stat(filepath.Join(s.dir, "near")); err == nil {
		t.Error("one of two outputs was written")
	}
}
