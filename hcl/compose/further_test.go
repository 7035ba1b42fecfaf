//go:build !windows

package compose_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/xbuild/xbuild/hcl/compose"
	"github.com/xbuild/xbuild/internal/regular"
)

// ways are how a compose file has another file read. FILE stands for that file.
var ways = map[string]map[string]string{
	"include":                      {"compose.yaml": "include: [FILE]\n"},
	"include with a path":          {"compose.yaml": "include: [{path: FILE}]\n"},
	"include with several paths":   {"compose.yaml": "include: [{path: [empty.yaml, FILE]}]\n"},
	"include of a variable":        {"compose.yaml": "include: [\"${NAME}\"]\n"},
	"include by an included file":  {"compose.yaml": "include: [sub/more.yaml]\n", "sub/more.yaml": "include: [../FILE]\n"},
	"include in another directory": {"compose.yaml": "include: [{path: more.yaml, project_directory: .}]\n", "more.yaml": "include: [FILE]\n"},
	"env_file of an include":       {"compose.yaml": "include: [{path: empty.yaml, env_file: FILE}]\n"},
	"env_files of an include":      {"compose.yaml": "include: [{path: empty.yaml, env_file: [good, FILE]}]\n"},
	"extends":                      {"compose.yaml": "services: {a: {extends: {file: FILE, service: a}}}\n"},
	"extends of a variable":        {"compose.yaml": "services: {a: {extends: {file: \"${NAME}\", service: a}}}\n"},
	"extends by an extended file":  {"compose.yaml": "services: {a: {extends: {file: sub/more.yaml, service: a}}}\n", "sub/more.yaml": "services: {a: {extends: {file: ../FILE, service: a}}}\n"},
	"extends in an included file":  {"compose.yaml": "include: [sub/more.yaml]\n", "sub/more.yaml": "services: {a: {extends: {file: ../FILE, service: a}}}\n"},
	"env_file of a service":        {"compose.yaml": "services: {a: {build: ., env_file: FILE}}\n"},
}

// TestFurtherFiles: every file that a compose file has read is a regular file of bounded size and nesting, or an error at once.
func TestFurtherFiles(t *testing.T) {
	kinds := map[string]struct {
		make func(path string) error
		want string
	}{
		"named pipe": {func(p string) error { return syscall.Mkfifo(p, 0o600) }, "is a named pipe"},
		"large":      {func(p string) error { return os.WriteFile(p, make([]byte, regular.Limit+1), 0o600) }, "is larger than"},
		"device":     {func(p string) error { return os.Symlink("/dev/zero", p) }, "is a device"},
		"deep":       {func(p string) error { return os.WriteFile(p, []byte(deep("[", "]", 1001)), 0o600) }, "nested more than 1000"},
		"good": {func(p string) error {
			return os.WriteFile(p, []byte("services: {a: {build: .}}\n"), 0o600)
		}, ""},
	}
	for way, files := range ways {
		for kind, k := range kinds {
			env := strings.Contains(way, "env_file")
			if env && (kind == "deep" || kind == "good") { // these are no compose files
				continue
			}
			t.Run(way+"/"+kind, func(t *testing.T) {
				dir := t.TempDir()
				write(t, dir, "empty.yaml", "services: {}\n")
				write(t, dir, "good", "A=1\n")
				for name, text := range files {
					write(t, dir, name, strings.ReplaceAll(text, "FILE", "other.yaml"))
				}
				if err := k.make(filepath.Join(dir, "other.yaml")); err != nil {
					t.Fatal(err)
				}
				text, err := os.ReadFile(filepath.Join(dir, "compose.yaml"))
				if err != nil {
					t.Fatal(err)
				}
				done := make(chan error, 1)
				go func() {
					_, err := compose.Read([]compose.File{{Name: "compose.yaml", Bytes: text}}, compose.Env{Dir: dir, Vars: map[string]string{"NAME": "other.yaml"}})
					done <- err
				}()
				select {
				case err = <-done:
				case <-time.After(10 * time.Second):
					t.Fatal("it waits")
				}
				if k.want == "" && err != nil || k.want != "" && (err == nil || !strings.Contains(err.Error(), k.want) || !strings.Contains(err.Error(), "other.yaml")) {
					t.Errorf("error %v, want %q of other.yaml", err, k.want)
				}
			})
		}
	}
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	p := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// deep is a value in n levels.
func deep(begin, end string, n int) string {
	return strings.Repeat(begin, n) + "x" + strings.Repeat(end, n)
}

// TestNesting: a compose file is nested at most 1,000 levels deep, however that is written.
func TestNesting(t *testing.T) {
	block := func(line string) func(int) string {
		return func(n int) string {
			var b strings.Builder
			for i := range n {
				b.WriteString(strings.Repeat(" ", i) + line + "\n")
			}
			return "x-deep:\n " + strings.ReplaceAll(strings.TrimSuffix(b.String(), "\n"), "\n", "\n ") + " x\n"
		}
	}
	for name, text := range map[string]func(n int) string{ // n levels below the key
		"flow lists":     func(n int) string { return "x-deep: " + deep("[", "]", n) + "\n" },
		"flow mappings":  func(n int) string { return "x-deep: " + deep("{a: ", "}", n) + "\n" },
		"block lists":    func(n int) string { return "x-deep:\n  " + strings.Repeat("- ", n) + "x\n" },
		"block mappings": block("a:"),
		"aliases": func(n int) string {
			var b strings.Builder
			b.WriteString("x-0: &a0 [x]\n")
			for i := 1; i < n; i++ {
				fmt.Fprintf(&b, "x-%d: &a%d [*a%d]\n", i, i, i-1)
			}
			return b.String()
		},
	} {
		t.Run(name, func(t *testing.T) {
			for levels, bad := range map[int]bool{10: false, 999: false, 1000: true} {
				if levels == 999 && name != "flow lists" {
					continue // compose-go is slow with so many, and YAML has a limit of its own for aliases
				}
				text := text(levels) + "services: {a: {build: .}}\n"
				_, err := compose.Read([]compose.File{{Name: "compose.yaml", Bytes: []byte(text)}}, compose.Env{Dir: t.TempDir()})
				if refused := err != nil && strings.Contains(err.Error(), "nested more than 1000"); refused != bad || err != nil && !bad {
					t.Errorf("%d levels: %v", levels, err)
				}
			}
		})
	}
}
