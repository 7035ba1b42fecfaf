package compose

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/xbuild/xbuild/internal/regular"
)

// readableEnvFiles refuses environment files of services that are no regular files or too large: compose-go opens them itself,
// and waits where there is a named pipe. What is not there is left to it.
func (l *load) readableEnvFiles(model map[string]any) error {
	services, _ := model["services"].(map[string]any)
	for name, s := range services {
		part, _ := s.(map[string]any)
		for _, path := range envFiles(part["env_file"]) {
			file := path
			if !filepath.IsAbs(file) {
				file = filepath.Join(l.env.Dir, file)
			}
			if _, err := regular.ReadFile(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return &pathError{[]string{"services", name, "env_file"}, fmt.Sprintf("services.%s.env_file: %s cannot be read: %s", name, path, cause(err))}
			}
		}
	}
	return nil
}

// envFiles is the paths of an env_file, in all its forms: a path, an object with a path, or a list of these.
func envFiles(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case map[string]any:
		return envFiles(v["path"])
	case []any:
		var out []string
		for _, e := range v {
			out = append(out, envFiles(e)...)
		}
		return out
	}
	return nil
}
