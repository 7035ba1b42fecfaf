package output

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// modeBits are the bits of a mode that are part of a result.
const modeBits = fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky

func isDir(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.IsDir()
}

// within reports whether path is dir or lies below it. Both are clean and absolute.
func within(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}

func mkdirOwned(path string, owner Owner) error {
	if err := os.Mkdir(path, createdPerm); err != nil {
		return err
	}
	return owner.give(path)
}

// mkdirAll creates path and its parents, and returns what it created, outermost first, also if it failed later.
func mkdirAll(path string, owner Owner) (made []string, err error) {
	if isDir(path) {
		return nil, nil
	}
	if parent := filepath.Dir(path); parent != path {
		if made, err = mkdirAll(parent, owner); err != nil {
			return made, err
		}
	}
	err = mkdirOwned(path, owner)
	if errors.Is(err, fs.ErrExist) && isDir(path) {
		return made, nil
	}
	if err == nil {
		made = append(made, path)
	}
	return made, err
}

// sameFile reports whether two files are the same to a user: type, mode and content, or the target of a link. A file
// that cannot be read is different.
func sameFile(a, b string, ai, bi fs.FileInfo) bool {
	if ai.Mode().Type() != bi.Mode().Type() {
		return false
	}
	switch {
	case ai.Mode()&fs.ModeSymlink != 0:
		la, err1 := os.Readlink(a)
		lb, err2 := os.Readlink(b)
		return err1 == nil && err2 == nil && la == lb
	case !ai.Mode().IsRegular():
		return false
	}
	return ai.Mode()&modeBits == bi.Mode()&modeBits && ai.Size() == bi.Size() && sameContent(a, b) && sameXattrs(a, b)
}

func sameContent(a, b string) bool {
	fa, err := os.Open(a)
	if err != nil {
		return false
	}
	defer fa.Close()
	fb, err := os.Open(b)
	if err != nil {
		return false
	}
	defer fb.Close()
	const chunk = 128 << 10
	ba, bb := make([]byte, chunk), make([]byte, chunk)
	for {
		na, errA := io.ReadFull(fa, ba)
		nb, errB := io.ReadFull(fb, bb)
		if !bytes.Equal(ba[:na], bb[:nb]) {
			return false
		}
		if errA != nil || errB != nil {
			return atEnd(errA) && atEnd(errB)
		}
	}
}

func atEnd(err error) bool { return err == io.EOF || err == io.ErrUnexpectedEOF }

// copyFile copies a regular file or a link with its mode, time, attributes and owner, and sees it on the disk.
func copyFile(from, to string, owner Owner) error {
	src, err := os.OpenRoot(filepath.Dir(from))
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenRoot(filepath.Dir(to))
	if err != nil {
		return err
	}
	defer dst.Close()
	return copyBetween(src, filepath.Base(from), dst, filepath.Base(to), owner)
}

// nearest is the innermost directory on the way to path that exists.
func nearest(path string) string {
	for !isDir(path) && path != filepath.Dir(path) {
		path = filepath.Dir(path)
	}
	return path
}

// IsStaging reports whether a file name is that of a staging directory. Whoever reads a directory in which a destination
// lies, such as a build context, must leave these out: their names differ from run to run.
func IsStaging(name string) bool { return strings.HasPrefix(name, StagePrefix) }

// StateIn is the path of xbuild's state directory below a directory that is read, such as a build context; empty if it does not lie
// in it. Whoever reads such a directory must leave it out: it changes with every run, and is no part of the project.
func StateIn(state, dir string) string {
	if state == "" {
		return ""
	}
	realDir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return ""
	}
	if state, err = filepath.Abs(state); err != nil {
		return ""
	}
	above, missing := state, "" // the first run makes it
	for {
		real, err := filepath.EvalSymlinks(above)
		if err == nil {
			state = filepath.Join(real, missing)
			break
		}
		if above == filepath.Dir(above) {
			return ""
		}
		above, missing = filepath.Dir(above), filepath.Join(filepath.Base(above), missing)
	}
	rel, err := filepath.Rel(realDir, state)
	if err != nil || !filepath.IsLocal(rel) || rel == "." {
		return ""
	}
	return rel
}
