package hcl

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// fileNames are the names of a build file; the first one found in a folder wins.
var fileNames = []string{"xbuild.hcl", "xbuild.hcl.json"}

// bakeNames are the names that Bake reads, all of them that are there, in this order.
var bakeNames = []string{"compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml",
	"docker-bake.json", "docker-bake.hcl", "docker-bake.override.json", "docker-bake.override.hcl"}

// DefaultNames are the names under which build files are looked for in a folder.
func DefaultNames() []string { return slices.Concat(fileNames, bakeNames) }

// overrideNames are the names of a file beside the build file that changes what it says.
var overrideNames = []string{"xbuild.override.hcl", "xbuild.override.hcl.json"}

// FindAll returns the build files to read when none is named: the xbuild.hcl of dir; else what Bake reads in dir, which
// are all files of its names; else the xbuild.hcl of a folder above, as [Find] does. An xbuild.override.hcl beside an
// xbuild.hcl is read after it. ignored are Bake's files that an xbuild.hcl stands before. Files above dir must be trusted: for
// a file and its directory, trusted gives an error that says to whom they belong if it is nobody whose files are read
// unasked. Nil trusts everybody.
func FindAll(dir string, trusted func(path string) error) (files, ignored []string, err error) {
	for _, name := range bakeNames {
		if isFile(filepath.Join(dir, name)) {
			files = append(files, filepath.Join(dir, name))
		}
	}
	for _, name := range fileNames {
		if isFile(filepath.Join(dir, name)) {
			return withOverride(filepath.Join(dir, name)), files, nil
		}
	}
	if files != nil {
		return files, nil, nil
	}
	found, err := Find(dir)
	if err != nil {
		return nil, nil, err
	}
	files = withOverride(found)
	for _, f := range files {
		if trusted == nil || filepath.Dir(f) == filepath.Clean(dir) {
			continue
		}
		if err := trusted(f); err != nil {
			return nil, nil, err
		}
	}
	return files, nil, nil
}

func withOverride(path string) []string {
	out := []string{path}
	for _, name := range overrideNames {
		if p := filepath.Join(filepath.Dir(path), name); isFile(p) {
			out = append(out, p)
		}
	}
	return out
}

// isFile reports whether there is a file with something in it; Bake takes an empty one for none. A named pipe or a socket is for
// who reads it to refuse.
func isFile(path string) bool {
	st, err := os.Stat(path)
	return err == nil && !st.IsDir() && (st.Size() > 0 || st.Mode()&(fs.ModeNamedPipe|fs.ModeSocket) != 0)
}

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
		return "", fmt.Errorf("there is no %s and no file that Bake reads in %s: create xbuild.hcl there, or name a build file with -f",
			strings.Join(fileNames, " or "), where)
	}
}
