package buildkit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/moby/buildkit/client/llb"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/tonistiigi/fsutil"
	fstypes "github.com/tonistiigi/fsutil/types"

	"github.com/xbuild/xbuild/exec/output"
	"github.com/xbuild/xbuild/internal/regular"
)

// dirSource serves directories to the daemon by name. Directories may be added while the session runs.
type dirSource struct {
	// state is xbuild's own directory, which is in no context.
	state string

	mu   sync.Mutex
	dirs map[string]servedDir
}

type servedDir struct {
	path string
	fs   fsutil.FS
}

func newDirSource(state string) *dirSource {
	return &dirSource{state: state, dirs: map[string]servedDir{}}
}

// servedName is the name under which a session serves what a text stands for: the path of a directory, or what is read of directories.
func servedName(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:12])
}

// add makes a directory readable for the daemon and returns its name, which depends only on the path.
func (d *dirSource) add(path string) (string, error) {
	name := servedName(path)
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.dirs[name]; ok {
		return name, nil
	}
	if fi, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("context folder %s does not exist", path)
	} else if err == nil && !fi.IsDir() {
		return "", fmt.Errorf("context %s is not a folder", path)
	}
	f, err := fsutil.NewFS(path)
	if err != nil {
		return "", fmt.Errorf("context folder %s cannot be read: %w", path, err)
	}
	state := output.StateIn(d.state, path)
	// Neither the user's ids nor the staging directory of a run that is going on must enter cache keys.
	f, err = fsutil.NewFilterFS(f, &fsutil.FilterOpt{Map: func(p string, st *fstypes.Stat) fsutil.MapResult {
		if output.IsStaging(filepath.Base(p)) || state != "" && filepath.FromSlash(p) == state {
			return fsutil.MapResultSkipDir
		}
		st.Uid, st.Gid = 0, 0
		return fsutil.MapResultKeep
	}})
	if err != nil {
		return "", err
	}
	d.dirs[name] = servedDir{path, readable{f}}
	return name, nil
}

// readable is a directory in which a file that cannot be read is an error. What sends files would send an empty one in its place.
type readable struct{ fsutil.FS }

// Walk implements [fsutil.FS].
func (r readable) Walk(ctx context.Context, target string, visit fs.WalkDirFunc) error {
	return r.FS.Walk(ctx, target, func(path string, entry fs.DirEntry, err error) error {
		if entry != nil {
			entry = readableEntry{entry, r, path}
		}
		return visit(path, entry, err)
	})
}

type readableEntry struct {
	fs.DirEntry
	in   readable
	path string
}

// Info is asked for what will be sent, and not for what an ignore file leaves out. Most files are for everyone to read, which
// saves opening them.
func (e readableEntry) Info() (fs.FileInfo, error) {
	info, err := e.DirEntry.Info()
	if err != nil || !info.Mode().IsRegular() || info.Mode()&0o444 == 0o444 {
		return info, err
	}
	f, err := e.in.Open(e.path)
	if errors.Is(err, fs.ErrNotExist) {
		return info, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w; make it readable, or leave it out with an ignore file", err)
	}
	return info, f.Close()
}

// offer serves a directory under a name.
func (d *dirSource) offer(name string, dir servedDir) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dirs[name] = dir
}

// LookupDir implements filesync.DirSource.
func (d *dirSource) LookupDir(name string) (fsutil.FS, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f, ok := d.dirs[name]
	return f.fs, ok
}

// path returns the directory that was added under a name.
func (d *dirSource) path(name string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.dirs[name].path
}

// ignoreFile returns the text of the ignore file for a context: the Dockerfile's own one, if there is one, else that of
// the directory. No file is no text.
func ignoreFile(dir, dockerfile string) ([]byte, error) {
	names := []string{filepath.Join(dir, ".dockerignore")}
	if dockerfile != "" {
		names = append([]string{dockerfile + ".dockerignore"}, names...)
	}
	for _, name := range names {
		text, err := regular.ReadFile(name)
		if err == nil {
			return text, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return nil, nil
}

// diskRef answers as a result of the daemon would, with one file that was read here.
type diskRef struct {
	name string
	text []byte
}

var errDiskRef = errors.New("only one file of this folder can be read")

func (r *diskRef) ReadFile(_ context.Context, req gateway.ReadRequest) ([]byte, error) {
	if strings.TrimPrefix(req.Filename, "/") != r.name || r.text == nil {
		return nil, &fs.PathError{Op: "open", Path: req.Filename, Err: fs.ErrNotExist}
	}
	text := r.text
	if req.Range != nil {
		text = text[min(req.Range.Offset, len(text)):]
		if req.Range.Length > 0 {
			text = text[:min(req.Range.Length, len(text))]
		}
	}
	return text, nil
}

func (r *diskRef) StatFile(_ context.Context, req gateway.StatRequest) (*fstypes.Stat, error) {
	if strings.TrimPrefix(req.Path, "/") != r.name || r.text == nil {
		return nil, &fs.PathError{Op: "stat", Path: req.Path, Err: fs.ErrNotExist}
	}
	return &fstypes.Stat{Path: r.name, Mode: 0o644, Size: int64(len(r.text))}, nil
}

func (r *diskRef) ToState() (llb.State, error)    { return llb.State{}, errDiskRef }
func (r *diskRef) Evaluate(context.Context) error { return nil }
func (r *diskRef) ReadDir(context.Context, gateway.ReadDirRequest) ([]*fstypes.Stat, error) {
	return nil, errDiskRef
}
