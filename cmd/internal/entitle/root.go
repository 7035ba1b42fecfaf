package entitle

import (
	"os"
	"path/filepath"
	"slices"
)

// ProjectRoot is the directory that a build file may use freely: the root of the repository that holds the file, else the
// directory of the file. It is never one of the directories in never, which are home directories, nor the root of the file
// system: the directory of the file is taken in place of such a one, and nothing, the empty string, where that is one too.
func ProjectRoot(file string, never []string) string {
	dir := realOnce(filepath.Dir(file))
	off := []string{string(filepath.Separator)}
	for _, d := range never {
		if d != "" {
			off = append(off, realOnce(d))
		}
	}
	for _, root := range []string{repositoryRoot(dir), dir} {
		if root != "" && !slices.Contains(off, root) {
			return root
		}
	}
	return ""
}

// repositoryRoot is the nearest directory, upwards from dir, that holds .git; empty if there is none.
func repositoryRoot(dir string) string {
	for {
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			return ""
		}
		dir = up
	}
}

// realOnce is RealPaths for one path.
func realOnce(p string) string { return RealPaths()(p) }

// RealPaths gives a function for [World.Real]: an absolute path without the links in the part of it that exists. It
// remembers what it saw, so it is for one command. The function is not for several goroutines.
func RealPaths() func(string) string {
	seen := map[string]string{}
	var real func(string) string
	real = func(p string) string {
		if r, ok := seen[p]; ok {
			return r
		}
		dir := filepath.Dir(p)
		if dir == p {
			return p
		}
		full := filepath.Join(real(dir), filepath.Base(p))
		if st, err := os.Lstat(full); err == nil && st.Mode()&os.ModeSymlink != 0 {
			full = followed(full)
		}
		seen[p] = full
		return full
	}
	return func(p string) string { return real(filepath.Clean(p)) }
}

// followed is where a link leads, also one to something that does not exist yet: whoever writes there follows it.
func followed(link string) string {
	if full, err := filepath.EvalSymlinks(link); err == nil {
		return full
	}
	for range 40 { // as many links as the kernel follows
		to, err := os.Readlink(link)
		if err != nil {
			return link
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(link), to)
		}
		if _, err := os.Lstat(filepath.Dir(to)); err != nil {
			return filepath.Clean(to)
		}
		link = filepath.Join(realDir(filepath.Dir(to)), filepath.Base(to))
	}
	return link
}

// realDir is a directory that exists, without links.
func realDir(dir string) string {
	if full, err := filepath.EvalSymlinks(dir); err == nil {
		return full
	}
	return filepath.Clean(dir)
}
