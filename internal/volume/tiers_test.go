package volume

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// script runs ./test with a PATH that has no Go, so that it cannot get further than its arguments.
func script(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := exec.Command("./test", args...)
	cmd.Dir, cmd.Env = "../..", []string{"PATH=" + withoutGo(t), "HOME=" + t.TempDir()}
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), string(out), string(exit.Stderr)
	}
	if err != nil {
		t.Fatal(err)
	}
	return 0, string(out), ""
}

// withoutGo is a directory with the few programs that ./test needs to print its forms.
func withoutGo(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"bash", "env", "cat", "dirname"} {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Skip(err)
		}
		if err := os.Symlink(path, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestForms(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"-h"}, {"soak", "--help"}} {
		code, stdout, stderr := script(t, args...)
		if code != 0 || stderr != "" || !strings.HasPrefix(stdout, "./test  ") {
			t.Errorf("./test %s: exit code %d\n%s%s", strings.Join(args, " "), code, stdout, stderr)
		}
	}
	for _, text := range []string{"unit", "--helpp", "quick x", "soak nothing", "soak kills crowd", "soak -n", "soak -n 0", "soak kills -n 1x"} {
		code, stdout, stderr := script(t, strings.Fields(text)...)
		if code != 2 || stdout != "" || !strings.Contains(stderr, "./test soak [NAME] [-n N]") {
			t.Errorf("./test %s: exit code %d, want 2 and the forms\n%s%s", text, code, stdout, stderr)
		}
	}
}

// TestNames: every test that ./test names exists, and --help and the script have the same names of soaks.
func TestNames(t *testing.T) {
	text, err := os.ReadFile("../../test")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("git", "-C", "../..", "grep", "-hoE", `^func (Test|Fuzz)[A-Za-z0-9]+\(`).Output()
	if err != nil {
		t.Fatalf("git grep: %v", err)
	}
	tests := strings.Fields(regexp.MustCompile(`func (\w+)\(`).ReplaceAllString(string(out), "$1"))
	named := regexp.MustCompile(`\bTest[A-Z]\w+\b`).FindAllString(string(text), -1)
	if len(named) < 10 {
		t.Fatalf("./test names only %v", named)
	}
	for _, name := range named {
		if !slices.ContainsFunc(tests, func(n string) bool { return n == name || name == "TestDifference" && strings.HasPrefix(n, name) }) {
			t.Errorf("./test names %s, which does not exist", name)
		}
	}
	list := regexp.MustCompile(`(?m)^soaks="(.*)"$`).FindSubmatch(text)
	if list == nil {
		t.Fatal("./test has no list of soaks")
	}
	for _, name := range strings.Fields(string(list[1])) {
		if n := len(regexp.MustCompile(`(?m)^    `+name+`\) `).FindAll(text, -1)) + strings.Count(string(text), "\n    "+name+")\n"); n != 1 {
			t.Errorf("soak %s stands %d times among the cases of the script", name, n)
		}
		if !strings.Contains(string(text), "\n  "+name+" ") {
			t.Errorf("--help does not have soak %s", name)
		}
	}
}
