package output

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/gofrs/flock"
)

// page is the folder of one run in the state directory: its journal, and a lock that the run holds as long as it lives.
type page struct {
	path string
	lock *flock.Flock
}

// journals is the folder in the state directory that the pages lie in.
func journals(state string) string { return filepath.Join(state, "journals") }

// newPage makes the folder of a new run and takes its lock.
func newPage(state string) (*page, error) {
	if state == "" {
		return nil, errors.New("there is none")
	}
	dir := journals(state)
	if err := os.MkdirAll(dir, privatePerm); err != nil {
		return nil, err
	}
	if fi, err := os.Lstat(dir); err != nil || !trusted(fi) {
		return nil, errors.Join(err, fmt.Errorf("%s is not a folder that only this user writes to", dir))
	}
	for range claimRetries {
		path := filepath.Join(dir, strings.ToLower(rand.Text()))
		if err := os.Mkdir(path, privatePerm); err != nil {
			return nil, err
		}
		// Another process that looks for what killed runs left may see the folder before it is locked, and remove it.
		p, err := tryLock(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			_ = os.RemoveAll(path)
			return nil, err
		}
		if p != nil {
			return p, nil
		}
	}
	return nil, fmt.Errorf("no folder could be kept in %s; other processes remove them", dir)
}

// tryLock takes the lock of an existing page. The result is nil if another process holds it, or held it and removed the
// page meanwhile.
func tryLock(path string) (*page, error) {
	name := filepath.Join(path, lockName)
	l := flock.New(name, flock.SetPermissions(0o600))
	ok, err := l.TryLock()
	if err != nil || !ok {
		_ = l.Close()
		return nil, err
	}
	held, err := l.Stat()
	if err == nil {
		var now os.FileInfo
		if now, err = os.Lstat(name); err == nil && os.SameFile(held, now) {
			return &page{path, l}, nil
		}
	}
	_ = l.Close()
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return nil, err
}

// remove deletes the page and gives the lock up.
func (p *page) remove() error {
	if runtime.GOOS == "windows" { // an open file cannot be removed there
		err := p.lock.Close()
		return errors.Join(err, removeAll(p.path))
	}
	err := removeAll(p.path)
	return errors.Join(err, p.lock.Close())
}

// removeAll is os.RemoveAll of a page, in which another process that looks for killed runs may make a lock meanwhile.
func removeAll(path string) (err error) {
	for range claimRetries {
		if err = os.RemoveAll(path); err == nil {
			return nil
		}
	}
	return err
}

// release gives the lock up and leaves the journal to the next run.
func (p *page) release() error { return p.lock.Close() }

// pages lists the folders of all runs that were killed or are alive. One that cannot be read has none of this user's.
func pages(state string) []string {
	if state == "" {
		return nil
	}
	dir := journals(state)
	if fi, err := os.Lstat(dir); err != nil || !trusted(fi) {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range entries {
		if e.IsDir() {
			out = append(out, filepath.Join(dir, e.Name()))
		}
	}
	return out
}
