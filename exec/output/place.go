package output

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// place is an open folder. What lies below it is reached without following a link that leads out of it.
type place struct {
	path string
	root *os.Root
	// parent is the folder of the last rename, kept open since files of one folder come one after the other.
	parent     *os.File
	parentName string
}

// errReplaced says that another folder stands where a journal's was.
var errReplaced = errors.New("it is another folder now")

// openPlace opens the folder at path, which must be the one with that identity.
func openPlace(path string, id fileID) (*place, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	now, err := rootID(root)
	if err == nil && now != id {
		err = &fs.PathError{Op: "open", Path: path, Err: errReplaced}
	}
	if err != nil {
		root.Close()
		return nil, err
	}
	return &place{path: path, root: root}, nil
}

func rootID(root *os.Root) (fileID, error) {
	f, err := root.Open(".")
	if err != nil {
		return fileID{}, err
	}
	defer f.Close()
	return identity(f)
}

// identify returns the identity of the folder at path.
func identify(path string) (fileID, error) {
	f, err := os.Open(path)
	if err != nil {
		return fileID{}, err
	}
	defer f.Close()
	return identity(f)
}

func (p *place) close() {
	if p.parent != nil {
		p.parent.Close()
	}
	p.root.Close()
}

// mkdir creates a folder if it is not there.
func (p *place) mkdir(name string, owner Owner) error {
	err := p.root.Mkdir(name, createdPerm)
	if errors.Is(err, fs.ErrExist) {
		if fi, err := p.root.Stat(name); err == nil && fi.IsDir() {
			return nil
		}
	}
	if err == nil && owner.Set {
		err = p.root.Lchown(name, owner.UID, owner.GID)
	}
	return p.explain(name, err)
}

// finish gives a folder its mode and time. One that was there before may belong to somebody else.
func (p *place) finish(d journalDir) error {
	err := p.root.Chmod(d.Path, d.Mode)
	if d.Existed && errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err == nil && !d.Time.IsZero() {
		err = p.root.Chtimes(d.Path, d.Time, d.Time)
	}
	return p.explain(d.Path, err)
}

// dir opens the folder that a name lies in.
func (p *place) dir(name string) (*os.File, error) {
	parent := filepath.Dir(name)
	if p.parent != nil && p.parentName == parent {
		return p.parent, nil
	}
	f, err := p.root.Open(parent)
	if err != nil {
		return nil, err
	}
	if p.parent != nil {
		p.parent.Close()
	}
	p.parent, p.parentName = f, parent
	return f, nil
}

// explain gives an error about something in the folder its whole path.
func (p *place) explain(name string, err error) error {
	if err == nil {
		return nil
	}
	var pe *fs.PathError
	var le *os.LinkError
	switch {
	case errors.As(err, &pe):
		err = pe.Err
	case errors.As(err, &le):
		err = le.Err
	}
	return fmt.Errorf("%s: %w", filepath.Join(p.path, name), err)
}

// moveByCopy is a rename to another file system: the last step is a rename within it.
func moveByCopy(src *os.Root, from string, dst *os.Root, temp, to string, owner Owner) error {
	err := copyBetween(src, from, dst, temp, owner)
	if err == nil {
		err = dst.Rename(temp, to)
	}
	if err != nil {
		_ = dst.Remove(temp)
		return err
	}
	return src.Remove(from)
}

// copyBetween copies a regular file or a link with its mode, time, attributes and owner, and sees it on the disk.
func copyBetween(src *os.Root, from string, dst *os.Root, to string, owner Owner) error {
	fi, err := src.Lstat(from)
	if err != nil {
		return err
	}
	if err := dst.Remove(to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	switch {
	case fi.Mode()&fs.ModeSymlink != 0:
		target, err := src.Readlink(from)
		if err == nil {
			err = dst.Symlink(target, to)
		}
		if err == nil && owner.Set {
			err = dst.Lchown(to, owner.UID, owner.GID)
		}
		return err
	case !fi.Mode().IsRegular():
		return fmt.Errorf("%s is neither a file nor a link, and cannot be copied to another file system", from)
	}
	r, err := src.Open(from)
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := dst.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err = io.Copy(w, r); err == nil && owner.Set {
		err = w.Chown(owner.UID, owner.GID)
	}
	if err == nil {
		err = copyXattrs(r, w)
	}
	if err == nil {
		err = w.Chmod(fi.Mode() & modeBits)
	}
	if err == nil {
		err = w.Sync()
	}
	if err = errors.Join(err, w.Close()); err != nil {
		return err
	}
	return dst.Chtimes(to, fi.ModTime(), fi.ModTime())
}

// removePlace removes the folder at path with everything in it, if it is still the one with that identity, and a folder
// without an identity if it is empty.
func removePlace(path string, id fileID) error {
	if id == (fileID{}) {
		_ = os.Remove(path) // it was never filled; anything else that stands there is not ours
		return nil
	}
	p, err := openPlace(path, id)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errReplaced) {
		return nil
	}
	if err != nil {
		return err
	}
	err = emptyRoot(p.root)
	p.close()
	if err != nil {
		return fmt.Errorf("%s cannot be removed: %w", path, err)
	}
	return ignoreGone(os.Remove(path))
}

// emptyRoot removes everything below an open folder, also from folders without write permission.
func emptyRoot(root *os.Root) error {
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if root.RemoveAll(e.Name()) == nil {
			continue
		}
		_ = fs.WalkDir(root.FS(), e.Name(), func(p string, d fs.DirEntry, err error) error {
			if d != nil && d.IsDir() {
				_ = root.Chmod(p, privatePerm)
			}
			return nil
		})
		if err := root.RemoveAll(e.Name()); err != nil {
			return err
		}
	}
	return nil
}
