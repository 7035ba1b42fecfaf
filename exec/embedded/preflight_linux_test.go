package embedded

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// machineWith is a machine of which only these files are there, and these programs.
func machineWith(t *testing.T, uid int, files map[string]string, programs ...string) machine {
	t.Helper()
	m := machine{root: t.TempDir(), uid: uid, name: "ada", look: func(name string) (string, error) {
		if slices.Contains(programs, name) {
			return "/bin/" + name, nil
		}
		return "", errors.New("not there")
	}}
	for name, text := range files {
		path := filepath.Join(m.root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func TestProblems(t *testing.T) {
	all := []string{"runc", "newuidmap", "newgidmap"}
	ids := map[string]string{"etc/subuid": "eve:100000:65536\nada:165536:65536\n", "etc/subgid": "1000:165536:65536\n"}
	with := func(name, text string) map[string]string {
		out := map[string]string{name: text}
		for k, v := range ids {
			if _, ok := out[k]; !ok {
				out[k] = v
			}
		}
		return out
	}
	for _, c := range []struct {
		name     string
		uid      int
		files    map[string]string
		programs []string
		want     string // the end of the only problem; empty for none
	}{
		{"root", 0, nil, []string{"runc"}, ""},
		{"root without runc", 0, nil, nil, "needs runc to run build steps, not found on PATH; install with: apt-get install -y runc"},
		{"the other name of runc", 0, nil, []string{"buildkit-runc"}, ""},
		{"a user", 1000, ids, all, ""},
		{"nothing installed", 1000, ids, nil, "; install with: apt-get install -y runc uidmap"},
		{"half of uidmap", 1000, ids, []string{"runc", "newuidmap"}, "; install with: apt-get install -y uidmap"},
		{"no files", 1000, nil, all, "as root, add this line to /etc/subuid and to /etc/subgid: ada:100000:65536"},
		{"one file", 1000, with("etc/subgid", "eve:100000:65536\nbad line\nada:x:3\n"), all, "add this line to /etc/subgid: ada:231072:65536"},
		{"Debian's switch", 1000, with("proc/sys/kernel/unprivileged_userns_clone", "0\n"), all, "sudo sysctl -w kernel.unprivileged_userns_clone=1"},
		{"Debian's switch is on", 1000, with("proc/sys/kernel/unprivileged_userns_clone", "1\n"), all, ""},
		{"the kernel's limit", 1000, with("proc/sys/user/max_user_namespaces", "0\n"), all, "sudo sysctl -w user.max_user_namespaces=15000"},
		{"the kernel's limit is of no concern to root", 0, with("proc/sys/user/max_user_namespaces", "0\n"), all, ""},
	} {
		t.Run(c.name, func(t *testing.T) { expectProblem(t, machineWith(t, c.uid, c.files, c.programs...), c.want) })
	}
	t.Run("AppArmor", func(t *testing.T) {
		files := with("proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n")
		files["proc/self/attr/current"] = "unconfined\n"
		expectProblem(t, machineWith(t, 1000, files, all...), "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0")
		files["proc/self/attr/current"] = "xbuild (unconfined)\n"
		expectProblem(t, machineWith(t, 1000, files, all...), "")
	})
	t.Run("several", func(t *testing.T) {
		m := machineWith(t, 1000, map[string]string{"proc/sys/user/max_user_namespaces": "0\n"})
		if got := m.problems(); len(got) != 3 {
			t.Errorf("got %v, want packages, ids and the switch", got)
		}
	})
}

func expectProblem(t *testing.T, m machine, want string) {
	t.Helper()
	got := m.problems()
	switch {
	case want == "" && len(got) == 0:
	case want == "" || len(got) != 1 || !strings.HasSuffix(got[0].Error(), want) || strings.Contains(got[0].Error(), "\n"):
		t.Errorf("got %q, want one line that ends with %q", got, want)
	}
}

func TestSubordinates(t *testing.T) {
	m := machineWith(t, 1000, map[string]string{
		"etc/subuid": "ada:300000:10\neve:100000:65536\n1000:400000:65536\n", "etc/subgid": "ada:500000:5\n",
	})
	uids, gids, err := m.subordinates()
	if err != nil || !slices.Equal(uids, []idRange{{300000, 10}, {400000, 65536}}) || !slices.Equal(gids, []idRange{{500000, 5}}) {
		t.Errorf("got %v, %v, %v", uids, gids, err)
	}
}

// What newuidmap says reaches the user, with where to look.
func TestMappingIsRefused(t *testing.T) {
	m := machineWith(t, 1000, map[string]string{"etc/subuid": "ada:1:2\n", "etc/subgid": "ada:1:2\n"})
	program := filepath.Join(m.root, "newuidmap")
	if err := os.WriteFile(program, []byte("#!/bin/sh\necho \"$0: write to uid_map failed: $*\" >&2; exit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	m.look = func(string) (string, error) { return program, nil }
	var told strings.Builder
	err := mapIDs(t.Context(), m, 77, &told)
	if err == nil || !strings.Contains(err.Error(), "write to uid_map failed: 77 0 1000 1 1 1 2") || !strings.Contains(err.Error(), "see that /etc/subuid is right") {
		t.Errorf("got %v", err)
	}
	if told.Len() > 0 {
		t.Error("the daemon was told that its ids are mapped")
	}
}

// Ensure looks before it writes.
func TestNoRuntime(t *testing.T) {
	defer func(before []string) { systemFolders = before }(systemFolders)
	systemFolders = nil
	t.Setenv("PATH", t.TempDir())
	cfg := Config{StateDir: t.TempDir()}
	_, err := Ensure(t.Context(), cfg)
	if err == nil || !strings.Contains(err.Error(), ": apt-get install -y runc") {
		t.Errorf("Ensure = %v, want the line that installs runc", err)
	}
	if problems := Check(cfg); len(problems) == 0 || problems[0].Error() != err.Error() {
		t.Errorf("Check = %v, want %v first", problems, err)
	}
	if entries, _ := os.ReadDir(cfg.StateDir); len(entries) > 0 {
		t.Errorf("something was written: %v", entries)
	}
}
