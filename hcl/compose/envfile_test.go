//go:build !windows

package compose_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/xbuild/xbuild/hcl/compose"
	"github.com/xbuild/xbuild/internal/regular"
)

// TestEnvFileKinds: an env_file that is a named pipe, a device or too large is an error at once, in each form of the key.
func TestEnvFileKinds(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "large"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(dir, "large"), regular.Limit+1); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "good"), []byte("A=1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{"pipe": "is a named pipe", "/dev/zero": "is a device", "large": "is larger than", "good": ""} {
		for _, form := range []string{"FILE", "[FILE]", "[{path: FILE, required: false}]"} {
			text := "services:\n  app:\n    build: .\n    env_file: " + strings.ReplaceAll(form, "FILE", file) + "\n"
			_, err := compose.Read([]compose.File{{Name: "compose.yaml", Bytes: []byte(text)}}, compose.Env{Dir: dir})
			if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("%s as %s: %v, want %q", file, form, err, want)
			}
		}
	}
}
