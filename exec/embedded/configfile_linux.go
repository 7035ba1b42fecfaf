package embedded

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/moby/buildkit/cmd/buildkitd/config"
	resolverconfig "github.com/moby/buildkit/util/resolver/config"
	"github.com/pelletier/go-toml/v2"
	"github.com/sirupsen/logrus"

	"github.com/xbuild/xbuild/internal/regular"
)

// settings are the parts of buildkitd.toml that mean something here, in buildkitd's own types.
type settings struct {
	Registries map[string]resolverconfig.RegistryConfig `toml:"registry"`
	DNS        *config.DNSConfig                        `toml:"dns"`
	History    *config.HistoryConfig                    `toml:"history"`
	Log        struct {
		Level string `toml:"level"`
	} `toml:"log"`
	Workers struct {
		OCI struct {
			config.GCConfig
			MaxParallelism int `toml:"max-parallelism"`
		} `toml:"oci"`
	} `toml:"worker"`
}

const settingsRead = "registry, dns, history, log.level, and of worker.oci the garbage collection and max-parallelism"

// settingsFile is a configuration file as it was read.
type settingsFile struct {
	// path is empty if there is no file.
	path     string
	settings settings
	// hash covers all that a daemon takes from its caller at its start and could be different for the next one.
	hash string
}

// readSettings reads the configuration file, and takes the proxy variables into the hash.
func readSettings(cfg Config, environ []string) (*settingsFile, error) {
	path, data, err := findSettings(cfg)
	if err != nil {
		return nil, err
	}
	f := &settingsFile{path: path, hash: settingsHash(path, data, environ)}
	f.settings, err = parseSettings(path, data)
	return f, err
}

func findSettings(cfg Config) (path string, data []byte, err error) {
	path = cfg.ConfigFile
	if path == "" {
		path = cfg.fallbackFile
	}
	if path != os.DevNull { // which says that there is none
		data, err = regular.ReadFile(path)
	}
	switch {
	case err == nil:
		return path, data, nil
	case cfg.ConfigFile == "" && errors.Is(err, fs.ErrNotExist):
		return "", nil, nil
	case errors.Is(err, fs.ErrNotExist):
		return "", nil, fmt.Errorf("the registry configuration %s does not exist; create it, or unset XBUILD_CONFIG", path)
	}
	return "", nil, fmt.Errorf("the registry configuration cannot be read: %w", err)
}

// settingsHash must stay what it is while the protocol does: a daemon and its clients can be of different versions.
func settingsHash(path string, data []byte, environ []string) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q\n%q\n", path, data)
	for _, kv := range environ {
		if name, _, _ := strings.Cut(kv, "="); slices.Contains(proxyVariables, strings.ToUpper(name)) {
			fmt.Fprintf(h, "%q\n", kv)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// parseSettings decodes strictly: a key that would have no effect is a mistake.
func parseSettings(path string, data []byte) (settings, error) {
	var s settings
	err := toml.NewDecoder(bytes.NewReader(data)).DisallowUnknownFields().Decode(&s)
	var unknown *toml.StrictMissingError
	var bad *toml.DecodeError
	switch {
	case errors.As(err, &unknown) && len(unknown.Errors) > 0:
		first := unknown.Errors[0]
		line, column := first.Position()
		return s, fmt.Errorf("%s:%d:%d: the built-in BuildKit does not know the key %s; remove it (it reads %s)",
			path, line, column, strings.Join(first.Key(), "."), settingsRead)
	case errors.As(err, &bad):
		line, column := bad.Position()
		return s, fmt.Errorf("%s:%d:%d: %s", path, line, column, strings.TrimPrefix(bad.Error(), "toml: "))
	case err != nil:
		return s, fmt.Errorf("%s: %w", path, err)
	}
	return s, s.check(path)
}

// check finds what decodes well and yet cannot work.
func (s settings) check(path string) error {
	for host, r := range s.Registries {
		for _, name := range append(slices.Clone(r.Mirrors), host) {
			if bare, found := cutScheme(name); found {
				return fmt.Errorf("%s: registry %q: write %q without the scheme; http = true in [registry.%q] makes it plain http",
					path, host, bare, bare)
			}
		}
	}
	if s.Log.Level != "" {
		if _, err := logrus.ParseLevel(s.Log.Level); err != nil {
			return fmt.Errorf("%s: log level %q is unknown; use debug, info, warning or error", path, s.Log.Level)
		}
	}
	return nil
}

func cutScheme(host string) (string, bool) {
	_, bare, found := strings.Cut(host, "://")
	return bare, found
}
