package embedded

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/cmd/buildkitd/config"
)

func TestParseSettings(t *testing.T) {
	good := `
[registry."docker.io"]
  mirrors = ["localhost:5000"]
[registry."localhost:5000"]
  http = true
[worker.oci]
  max-parallelism = 3
  maxUsedSpace = "5GB"
[history]
  maxEntries = 7
[log]
  level = "debug"
`
	s, err := parseSettings("b.toml", []byte(good))
	if err != nil {
		t.Fatal(err)
	}
	if r := s.Registries["localhost:5000"]; r.PlainHTTP == nil || !*r.PlainHTTP || s.Registries["docker.io"].Mirrors[0] != "localhost:5000" {
		t.Errorf("registries = %+v", s.Registries)
	}
	if s.Workers.OCI.MaxParallelism != 3 || s.Workers.OCI.GCMaxUsedSpace.Bytes != 5<<30 || *s.History.MaxEntries != 7 || s.Log.Level != "debug" {
		t.Errorf("settings = %+v", s)
	}

	for _, c := range []struct{ name, text, want string }{
		{"syntax", "[registry.\"x\"]\nmirrors = [", "b.toml:2:"},
		{"type", "\n[registry.\"x\"]\n  http = \"yes\"", "b.toml:3:10: "},
		{"typo", "[registry.\"x\"]\n  miror = [\"y\"]", "b.toml:2:3: the built-in BuildKit does not know the key registry.x.miror"},
		{"unused key", "[registry.\"x\"]\n[grpc]\n  address = []", "does not know the key grpc"},
		{"scheme of a mirror", "[registry.\"x\"]\nmirrors = [\"http://y:5000\"]", `b.toml: registry "x": write "y:5000" without the scheme`},
		{"scheme of a host", "[registry.\"https://x\"]\nhttp = true", `write "x" without the scheme`},
		{"log level", "[log]\nlevel = \"loud\"", `log level "loud" is unknown`},
	} {
		_, err := parseSettings("b.toml", []byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v\nwant one line with %q", c.name, err, c.want)
		}
	}
}

func TestReadSettings(t *testing.T) {
	path := filepath.Join(t.TempDir(), "buildkitd.toml")
	if _, err := readSettings(Config{ConfigFile: path}, nil); err == nil || !strings.Contains(err.Error(), path+" does not exist") {
		t.Errorf("a named file that is not there: %v", err)
	}
	none, err := readSettings(Config{fallbackFile: path}, nil)
	if err != nil || none.path != "" {
		t.Errorf("no file at the default place: %+v, %v", none, err)
	}
	if err := os.WriteFile(path, []byte("[log]\nlevel = \"info\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	hash := func(environ ...string) string {
		t.Helper()
		f, err := readSettings(Config{fallbackFile: path}, environ)
		if err != nil || f.path != path {
			t.Fatalf("%+v, %v", f, err)
		}
		return f.hash
	}
	base := hash()
	if base == none.hash {
		t.Error("the file is not in the hash")
	}
	if hash("TERM=xterm", "SECRET=1") != base {
		t.Error("the environment is in the hash")
	}
	if hash("https_proxy=http://p") == base || hash("HTTPS_PROXY=http://p") == base {
		t.Error("the proxy is not in the hash")
	}
}

func TestGCPolicy(t *testing.T) {
	rules := gcPolicy(config.GCConfig{}, t.TempDir())
	if len(rules) == 0 {
		t.Fatal("no limit")
	}
	last := rules[len(rules)-1]
	if !last.All || last.MaxUsedSpace <= 0 || last.MaxUsedSpace > storeLimit || last.ReservedSpace >= last.MaxUsedSpace {
		t.Errorf("the last rule is %+v; want all of the store below %d bytes", last, int64(storeLimit))
	}
	off := false
	if rules := gcPolicy(config.GCConfig{GC: &off}, t.TempDir()); len(rules) != 0 {
		t.Errorf("switched off: %+v", rules)
	}
	own := config.GCConfig{GCMaxUsedSpace: config.DiskSpace{Bytes: 123}}
	if rules := gcPolicy(own, t.TempDir()); rules[len(rules)-1].MaxUsedSpace != 123 {
		t.Errorf("the file's own limit: %+v", rules)
	}
}

func TestDaemonEnviron(t *testing.T) {
	got := daemonEnviron(layout{tmp: "/s/tmp"}, []string{
		"PATH=/bin", "TOKEN=x", "http_proxy=a", "NO_PROXY=b", "TMPDIR=/elsewhere", "SSL_CERT_FILE=/ca", "DOCKER_CONFIG=/secret",
	})
	want := []string{"TMPDIR=/s/tmp", "PATH=/bin", "http_proxy=a", "NO_PROXY=b", "SSL_CERT_FILE=/ca"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestActivity(t *testing.T) {
	t.Run("a call keeps it", func(t *testing.T) {
		a := newActivity("s")
		ended := a.ended(20 * time.Millisecond)
		if err := a.begin(); err != nil {
			t.Fatal(err)
		}
		select {
		case <-ended:
			t.Fatal("ended during a call")
		case <-time.After(200 * time.Millisecond):
		}
		a.end()
		<-ended
		if err := a.begin(); err == nil {
			t.Error("a call began after the end")
		}
	})
	t.Run("other settings", func(t *testing.T) {
		a := newActivity("s")
		if v, _, _ := a.acquire("t"); v != wait {
			t.Errorf("just after a promise: %s", v)
		}
		a.last = time.Now().Add(-2 * grace)
		if v, _, _ := a.acquire(""); v != use {
			t.Errorf("only looking: %s", v)
		}
		if err := a.begin(); err != nil {
			t.Fatal(err)
		}
		if v, calls, _ := a.acquire("t"); v != use || calls != 1 {
			t.Errorf("while busy: %s, %d calls", v, calls)
		}
		a.end()
		a.last = time.Now().Add(-2 * grace)
		if v, _, _ := a.acquire("t"); v != retiring {
			t.Errorf("idle: %s", v)
		}
		if _, _, err := a.acquire("s"); err == nil {
			t.Error("promised after it retired")
		}
	})
}

func TestDeadChildren(t *testing.T) {
	cmd := exec.Command("/proc/self/exe", "-test.run=^$")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); !slices.Contains(deadChildren(), cmd.Process.Pid); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("a child that ended is not found")
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if slices.Contains(deadChildren(), cmd.Process.Pid) {
		t.Error("a child that was waited for is found")
	}
}
