package hcl

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// fileNames are the names of a build file; the first one found in a folder wins.
var fileNames = []string{"xbuild.hcl", "xbuild.hcl.json"}

// Find returns the build file in dir or in the nearest folder above it, up to and including the repository root (a
// folder that holds .git) or the root of the file system. The error says what was looked for, where, and what to do.
func Find(dir string) (string, error) {
	start, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find a build file: %w", err)
	}
	for d := start; ; d = filepath.Dir(d) {
		for _, name := range fileNames {
			path := filepath.Join(d, name)
			st, err := os.Stat(path)
			switch {
			case err == nil && !st.IsDir():
				return path, nil
			case err != nil && !errors.Is(err, fs.ErrNotExist):
				return "", fmt.Errorf("find a build file: %w", err)
			}
		}
		_, err := os.Lstat(filepath.Join(d, ".git"))
		if err != nil && d != filepath.Dir(d) {
			continue
		}
		where := start
		if d != start {
			where += " or in a folder above it, up to " + d
		}
		return "", fmt.Errorf("there is no %s in %s: create xbuild.hcl there, or name a build file with -f",
			strings.Join(fileNames, " or "), where)
	}
}
