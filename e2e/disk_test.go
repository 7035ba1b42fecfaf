package e2e

import (
	"context"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestFullDisk fills the disk of the BuildKit inside xbuild, one of 64 MB: what it keeps is removed, and the build that
// did not fit is tried once more. One that cannot fit at all fails, and leaves what was there.
func TestFullDisk(t *testing.T) {
	dir := project(t, map[string]string{
		"Dockerfile": `FROM alpine:3.22 AS b
ARG NAME MB
RUN dd if=/dev/zero of=/big bs=1M count=$MB && echo $NAME > /said
FROM scratch
COPY --from=b /said /
`,
		"xbuild.hcl": `variable "NAME" {}
variable "MB" { default = "35" }
target "default" {
  args   = { NAME = NAME, MB = MB }
  output = ["out"]
}
target "copy" {
  dockerfile-inline = "FROM scratch\nCOPY big /\n"
  output            = ["copied"]
}
`})
	w := embedded(t, dir)
	// Left to itself the daemon makes room a second after a build, so that it would depend on the machine's speed which
	// build fills the disk.
	config := w.value("XBUILD_CONFIG")
	write(t, config, read(t, config)+"\n[worker.oci]\n  gc = false\n")
	small := w.value("XBUILD_STATE_DIR")
	if err := syscall.Mkdir(small, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", small, "tmpfs", 0, "size=64m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if r := w.xbuild(context.WithoutCancel(t.Context()), "daemon", "stop"); r.code != 0 {
			t.Error(r.stderr)
		}
		if err := syscall.Unmount(small, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	const told = "the disk is full; "
	build := func(name string) result { return w.ok(t, "run", "--progress", "plain", "--var", "NAME="+name) }
	if r := build("first"); strings.Contains(r.stderr, told) {
		t.Fatalf("the first build filled the disk:\n%s", r.stderr)
	}
	if r := build("second"); strings.Count(r.stderr, told) != 1 {
		t.Errorf("want %q once:\n%s", told, r.stderr)
	}
	if got := read(t, filepath.Join(dir, "out", "said")); got != "second\n" {
		t.Errorf("the second build left %q", got)
	}

	r := w.code(t, 1, "run", "--progress", "plain", "--var", "NAME=third", "--var", "MB=90")
	if strings.Count(r.stderr, told) != 1 || !strings.Contains(r.stderr, "No space left on device") {
		t.Errorf("want one retry and the step's own words:\n%s", r.stderr)
	}
	if got := read(t, filepath.Join(dir, "out", "said")); got != "second\n" {
		t.Errorf("the build that failed left %q", got)
	}

	// It is BuildKit's own work that fails.
	build("fourth")
	write(t, filepath.Join(dir, "big"), strings.Repeat("0123456789abcdef", 25<<20/16))
	if r := w.ok(t, "run", "copy", "--progress", "plain", "--var", "NAME=x"); strings.Count(r.stderr, told) != 1 {
		t.Errorf("want %q once:\n%s", told, r.stderr)
	}
	if sum(t, filepath.Join(dir, "big")) != sum(t, filepath.Join(dir, "copied", "big")) {
		t.Error("the copy differs")
	}
}
