package buildkit

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/buildkit/solver/pb"
	digest "github.com/opencontainers/go-digest"
	"github.com/tonistiigi/fsutil"
	fstypes "github.com/tonistiigi/fsutil/types"

	"github.com/xbuild/xbuild/internal/lazyre"
	"github.com/xbuild/xbuild/internal/parallel"
)

// A folder costs the daemon some milliseconds however small it is, for the records that it keeps of its copy. So the small
// folders of a run travel as the subfolders of one, and what a COPY copies gets the name of its subfolder in front. That is
// sound where the key of the step stays the same with it: the daemon makes a COPY's key of the content that is copied and of
// the last element of its path. It is not done for the whole folder, whose path has no such element, for patterns of
// what is left out, or for anything but a copy; nor where a link could lead out of its folder into another.

// A folder is small if what the run reads of it is. What is joined is sent anew when other folders are joined.
const (
	smallEntries = 64
	smallBytes   = 256 << 10
)

// bundle are folders that travel as one.
type bundle struct {
	name     string            // under which the session serves them
	prefixes map[string]string // by key of the folder
}

// source is the step that reads all of them.
func (u *bundle) source(session string) *pb.SourceOp {
	return &pb.SourceOp{Identifier: "local://" + u.name, Attrs: map[string]string{pb.AttrLocalSessionID: session, pb.AttrSharedKeyHint: u.name}}
}

const bundleMark = "bundle-"

// bundlePath is what joining puts in front of a path.
var bundlePath = lazyre.New(`/` + bundleMark + `[0-9a-f]{24}\b`)

// join decides which folders travel as one and offers them to the daemon; nil if fewer than two do. All definitions must
// have been collected.
func (l *locals) join(ctx context.Context) (*bundle, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var keys []string
	for key, f := range l.folders {
		if !f.apart {
			keys = append(keys, key)
		}
	}
	if len(keys) < 2 {
		return nil, nil
	}
	slices.Sort(keys)
	listings := make([]*listing, len(keys))
	parallel.Each(len(keys), func(i int) { listings[i] = l.folders[keys[i]].list(ctx, l.dirs) })
	u := &bundle{prefixes: map[string]string{}}
	var all strings.Builder
	var subs []fsutil.Dir
	for i, key := range keys {
		if listings[i] == nil {
			continue
		}
		prefix := bundleMark + servedName(key)
		u.prefixes[key] = prefix
		all.WriteString(prefix)
		subs = append(subs, fsutil.Dir{Stat: &fstypes.Stat{Path: prefix, Mode: uint32(os.ModeDir | 0o755)}, FS: listings[i]})
	}
	if len(subs) < 2 {
		return nil, nil
	}
	tree, err := fsutil.SubDirFS(subs)
	if err != nil {
		return nil, err
	}
	u.name = servedName(all.String())
	l.dirs.offer(u.name, servedDir{fs: tree})
	return u, nil
}

// list reads what the run wants of a folder; nil if it is not small, or has something else than files and folders.
func (f *folder) list(ctx context.Context, dirs *dirSource) *listing {
	dir, err := f.open(dirs)
	if err != nil {
		return nil
	}
	out := &listing{FS: dir}
	var size int64
	err = dir.Walk(ctx, "", func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		st, ok := info.Sys().(*fstypes.Stat)
		size += info.Size()
		if !ok || len(out.entries) == smallEntries || size > smallBytes || st.Linkname != "" || !info.IsDir() && !info.Mode().IsRegular() {
			return errNotSmall
		}
		out.entries = append(out.entries, st)
		return nil
	})
	if err != nil { // one that cannot be read is for the step that reads it alone to tell
		return nil
	}
	return out
}

var errNotSmall = errors.New("the folder is not small")

// listing is a folder as it was when it was listed.
type listing struct {
	fsutil.FS
	entries []*fstypes.Stat
}

// Walk implements [fsutil.FS].
func (l *listing) Walk(_ context.Context, _ string, visit fs.WalkDirFunc) error {
	for _, st := range l.entries {
		if err := visit(filepath.FromSlash(st.Path), &fsutil.DirEntryInfo{Stat: st.Clone()}, nil); err != nil {
			return err
		}
	}
	return nil
}

// standApart marks the folders that an operation reads in another way than by a copy that can be given another path. at has
// the folders of the definition by the digest of the step that reads them.
func standApart(op *pb.Op, at map[string]*folder) {
	file := op.GetFile()
	for i, in := range op.Inputs {
		f := at[in.Digest]
		if f == nil || f.apart {
			continue
		}
		f.apart = file == nil
		for _, a := range file.GetActions() {
			f.apart = f.apart || !movable(a, i)
		}
	}
}

// movable reports whether an action uses an input only as the source of a copy that can be given another path.
func movable(a *pb.FileAction, input int) bool {
	c := a.GetCopy()
	if a.Input == int64(input) || c == nil {
		return false
	}
	for _, u := range []*pb.UserOpt{c.GetOwner().GetUser(), c.GetOwner().GetGroup()} {
		if n := u.GetByName(); n != nil && n.Input == int64(input) {
			return false
		}
	}
	if a.SecondaryInput != int64(input) {
		return true
	}
	clean := path.Clean(c.Src)
	return strings.HasPrefix(clean, "/") && clean != "/" && strings.TrimSuffix(c.Src, "/") == clean &&
		len(c.IncludePatterns)+len(c.ExcludePatterns)+len(c.RequiredPaths) == 0
}

// move gives the copies of an operation the paths that they have where folders are joined. prefixes are by digest of the step
// that read the folder.
func move(op *pb.Op, prefixes map[digest.Digest]string) (changed bool) {
	for _, a := range op.GetFile().GetActions() {
		c := a.GetCopy()
		if c == nil || a.SecondaryInput < 0 || a.SecondaryInput >= int64(len(op.Inputs)) {
			continue
		}
		if prefix := prefixes[digest.Digest(op.Inputs[a.SecondaryInput].Digest)]; prefix != "" {
			c.Src, changed = "/"+prefix+c.Src, true
		}
	}
	return changed
}
