package embedded

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestDefaultConfig(t *testing.T) {
	getenv := func(env map[string]string) func(string) string { return func(k string) string { return env[k] } }
	cfg := DefaultConfig(getenv(map[string]string{"XBUILD_STATE_DIR": "/elsewhere", "XBUILD_DAEMON_IDLE": "90s", "XBUILD_CONFIG": "/etc/x.toml"}))
	if cfg.StateDir != "/elsewhere" || cfg.Idle != 90*time.Second || cfg.ConfigFile != "/etc/x.toml" || cfg.invalid != nil {
		t.Errorf("from the environment: %+v", cfg)
	}

	cfg = DefaultConfig(getenv(map[string]string{"HOME": "/home/u"}))
	state, file := filepath.FromSlash("/home/u/.local/share/xbuild"), filepath.FromSlash("/home/u/.config/xbuild/buildkitd.toml")
	if os.Geteuid() == 0 {
		state, file = "/var/lib/xbuild", "/etc/xbuild/buildkitd.toml"
	}
	if cfg.StateDir != state || cfg.fallbackFile != file || cfg.Idle != DefaultIdle || cfg.ConfigFile != "" {
		t.Errorf("defaults: %+v", cfg)
	}

	for _, text := range []string{"soon", "0", "-1m", "10"} {
		_, err := DefaultConfig(getenv(map[string]string{"XBUILD_DAEMON_IDLE": text})).complete()
		if err == nil || !strings.Contains(err.Error(), "XBUILD_DAEMON_IDLE is \""+text+"\"") {
			t.Errorf("XBUILD_DAEMON_IDLE=%s: %v", text, err)
		}
	}
}

func TestInfoString(t *testing.T) {
	info := Info{Socket: "/s", Root: "/r", Log: "/l"}
	if got, want := info.String(), "state:    not running\nsocket:   /s\nroot:     /r\nlog:      /l\n"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	info.Running, info.PID, info.Idle, info.Started, info.BuildKit = true, 7, time.Minute, time.Now().Add(-time.Hour), "v0.1.0"
	if got := info.String(); !strings.HasPrefix(got, "state:    running for 1h0m0s, idle, stops after 1m0s without a call\npid:      7\nbuildkit: v0.1.0\n") {
		t.Errorf("got\n%s", got)
	}
}
