package embedded

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Command is the first argument with which a program that uses this package starts itself as the daemon. It must then
// call [Main] with the arguments after it.
const Command = "__daemon"

// CacheTypes are the types of caches that the daemon can read and write. The others are not in the program, which would be
// much larger with them.
func CacheTypes() []string { return []string{"registry", "local", "inline"} }

// DefaultIdle is how long a daemon stays without a call unless [Config.Idle] says otherwise.
const DefaultIdle = 10 * time.Minute

// Config says where the daemon keeps everything and how long it stays. The zero value of a field means its default;
// [DefaultConfig] also heeds the environment.
type Config struct {
	// StateDir is the directory of all that is kept. Default: /var/lib/xbuild for root, else ~/.local/share/xbuild. If it is not for
	// this user alone and cannot be made so, its subdirectory xbuild-UID takes its place.
	StateDir string
	// Idle is the time without a call after which the daemon stops. Default: [DefaultIdle]. It counts for a daemon that
	// is started; one that runs keeps the time it was started with.
	Idle time.Duration
	// ConfigFile is the registry configuration. Empty means the default place, which need not exist; a file that is
	// named must.
	ConfigFile string

	// fallbackFile is the default place of the configuration file.
	fallbackFile string
	// invalid is what was wrong in the environment. It is reported where the value would be used, by Ensure.
	invalid error
}

// DefaultConfig reads the environment: XBUILD_STATE_DIR, XBUILD_DAEMON_IDLE (a Go duration, such as 30m), XBUILD_CONFIG,
// and the XDG_DATA_HOME, XDG_CONFIG_HOME and HOME behind the defaults.
func DefaultConfig(getenv func(string) string) Config {
	cfg := Config{StateDir: getenv("XBUILD_STATE_DIR"), ConfigFile: getenv("XBUILD_CONFIG"), Idle: DefaultIdle}
	root := os.Geteuid() == 0
	if cfg.StateDir == "" {
		cfg.StateDir = "/var/lib/xbuild"
		if !root {
			cfg.StateDir = xdg(getenv, "XDG_DATA_HOME", ".local/share")
		}
	}
	cfg = cfg.private()
	cfg.fallbackFile = "/etc/xbuild/buildkitd.toml"
	if !root {
		cfg.fallbackFile = filepath.Join(xdg(getenv, "XDG_CONFIG_HOME", ".config"), "buildkitd.toml")
	}
	if text := getenv("XBUILD_DAEMON_IDLE"); text != "" && cfg.invalid == nil {
		idle, err := time.ParseDuration(text)
		if err != nil || idle <= 0 {
			cfg.invalid = fmt.Errorf("XBUILD_DAEMON_IDLE is %q, which is no duration above zero; write for example 10m", text)
		} else {
			cfg.Idle = idle
		}
	}
	return cfg
}

// Err is what is wrong with the configuration, nil if it can be used. Whoever uses the state directory without [Ensure] asks for it.
func (c Config) Err() error { return c.invalid }

// private makes the state directory one that only the user can enter, or takes another one.
func (c Config) private() Config {
	dir, err := privateDir(c.StateDir, os.Geteuid())
	if err != nil {
		c.invalid = fmt.Errorf("the state directory %s cannot be used: %w; set XBUILD_STATE_DIR to a directory of your own", c.StateDir, err)
		return c
	}
	c.StateDir = dir
	return c
}

// storeRoot is the name of the daemon's store in the state directory; see storeFormat.
const storeRoot = "buildkit-v1"

func xdg(getenv func(string) string, name, below string) string {
	base := getenv(name)
	if base == "" {
		base = filepath.Join(getenv("HOME"), below)
	}
	return filepath.Join(base, "xbuild")
}

// complete fills in the defaults and makes the paths absolute, since the daemon works in another folder.
func (c Config) complete() (Config, error) {
	if c.invalid != nil {
		return c, c.invalid
	}
	def := DefaultConfig(os.Getenv)
	if c.StateDir == "" {
		c.StateDir = def.StateDir
	}
	if c.Idle <= 0 {
		c.Idle = DefaultIdle
	}
	if c.fallbackFile == "" {
		c.fallbackFile = def.fallbackFile
	}
	var err error
	if c.StateDir, err = filepath.Abs(c.StateDir); err != nil {
		return c, fmt.Errorf("state folder %s: %w", c.StateDir, err)
	}
	if c = c.private(); c.invalid != nil {
		return c, c.invalid
	}
	if c.ConfigFile != "" {
		if c.ConfigFile, err = filepath.Abs(c.ConfigFile); err != nil {
			return c, fmt.Errorf("configuration file %s: %w", c.ConfigFile, err)
		}
	}
	return c, nil
}

// Info describes the daemon of one state folder.
type Info struct {
	// Running says that it answers. Without it only Socket, Root and Log are set.
	Running bool `json:"running"`
	// PID as seen from the caller; 0 if the daemon runs in a PID namespace that the caller cannot see.
	PID int `json:"pid,omitempty"`
	// Socket, Root and Log are paths: the control socket, the store, the log.
	Socket string `json:"socket"`
	Root   string `json:"root"`
	Log    string `json:"log"`
	// BuildKit is the version inside, as in "v0.34.2".
	BuildKit string    `json:"buildkit,omitempty"`
	Started  time.Time `json:"started,omitzero"`
	// Idle is the time without a call after which it stops.
	Idle time.Duration `json:"idle,omitempty"`
	// Calls is how many calls it is serving; 0 means that it has nothing to do.
	Calls int `json:"calls"`
	// ConfigFile is the registry configuration it started with; empty if there was none.
	ConfigFile string `json:"config_file,omitempty"`
}

// String gives one "name: value" line a property.
func (i Info) String() string {
	var b strings.Builder
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%-9s %s\n", name+":", value)
		}
	}
	if !i.Running {
		line("state", "not running")
	} else {
		line("state", fmt.Sprintf("running for %s, %s", time.Since(i.Started).Round(time.Second), i.work()))
		if i.PID != 0 {
			line("pid", fmt.Sprint(i.PID))
		}
		line("buildkit", i.BuildKit)
	}
	line("socket", i.Socket)
	line("root", i.Root)
	line("log", i.Log)
	line("config", i.ConfigFile)
	return b.String()
}

func (i Info) work() string {
	if i.Calls > 0 {
		return fmt.Sprintf("serving %d calls", i.Calls)
	}
	return fmt.Sprintf("idle, stops after %s without a call", i.Idle)
}
