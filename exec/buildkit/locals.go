package buildkit

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
	digest "github.com/opencontainers/go-digest"
	"github.com/tonistiigi/fsutil"
)

// locals makes all builds of a run read a folder through one and the same step. Each build by itself asks for just the
// paths that its COPY instructions name, which would be another step, and another upload, for every target and
// platform. So first [locals.collect] unites the paths over all definitions, then [locals.rewrite] puts the united step
// in place of each build's own. Small folders can even share a step, which [locals.join] decides. What a COPY depends on
// is the content of what it copies, so cache keys stay the same.
//
// Filters are applied here and do not go to the daemon, since the paths of all builds would be part of every definition.
type locals struct {
	session string
	dirs    *dirSource

	mu      sync.Mutex
	folders map[string]*folder // by key of the step
	served  map[string]*folder // by name of the common step
}

func newLocals(session string, dirs *dirSource) *locals {
	return &locals{session: session, dirs: dirs, folders: map[string]*folder{}, served: map[string]*folder{}}
}

// folder is what a run reads of a folder with one set of filters.
type folder struct {
	*localSource
	key   string
	paths map[string]bool
	whole bool // and not just paths
	apart bool // it cannot be joined with others
}

// localSource is a step that reads a folder.
type localSource struct {
	name  string // under which the session serves the folder
	attrs map[string]string
}

// asLocal returns the folder that an operation reads, or nil.
func asLocal(op *pb.Op) *localSource {
	src := op.GetSource()
	if src == nil {
		return nil
	}
	name, ok := strings.CutPrefix(src.Identifier, "local://")
	if !ok {
		return nil
	}
	// A session of the form prefix:id stands for another folder than the name says; see [shim].
	if prefix, _, ok := strings.Cut(src.Attrs[pb.AttrLocalSessionID], ":"); ok {
		name = prefix
	}
	return &localSource{name, src.Attrs}
}

// key tells apart what cannot be read by one step: folders, and filters of one folder.
func (s *localSource) key() string {
	var b strings.Builder
	b.WriteString(s.name)
	for _, k := range slices.Sorted(maps.Keys(s.attrs)) {
		if k != pb.AttrLocalSessionID && k != pb.AttrSharedKeyHint && k != pb.AttrFollowPaths {
			fmt.Fprintf(&b, "\x00%s=%s", k, s.attrs[k])
		}
	}
	return b.String()
}

// collect adds what a definition reads. Its folders can be joined with others only if alike is set.
func (l *locals) collect(def *llb.Definition, alike bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := map[string]*folder{}
	for _, raw := range def.Def { // inputs come before their users
		var op pb.Op
		if err := op.UnmarshalVT(raw); err != nil {
			return err
		}
		src := asLocal(&op)
		if src == nil {
			standApart(&op, at)
			continue
		}
		f := l.find(src)
		if f == nil {
			f = &folder{localSource: src, key: src.key(), paths: map[string]bool{}}
			l.folders[f.key] = f
		}
		f.apart = f.apart || !alike
		at[digest.FromBytes(raw).String()] = f
		if l.served[src.name] != nil {
			continue
		}
		if err := f.want(src); err != nil {
			return err
		}
	}
	return nil
}

// find returns the folder that a step reads, which may be a common step already: a definition that the daemon's frontend made
// has those that it was given. It is nil if no definition with that step was collected.
func (l *locals) find(src *localSource) *folder {
	if f := l.served[src.name]; f != nil {
		return f
	}
	return l.folders[src.key()]
}

// want adds what a step reads.
func (f *folder) want(src *localSource) error {
	follow, limited := src.attrs[pb.AttrFollowPaths]
	if !limited {
		f.whole = true
		return nil
	}
	var paths []string
	if err := json.Unmarshal([]byte(follow), &paths); err != nil {
		return err
	}
	for _, p := range paths {
		f.paths[p] = true
	}
	return nil
}

// united returns the common step for a folder.
func (l *locals) united(f *folder) *pb.SourceOp {
	name := servedName(f.key)
	if l.served[name] == nil {
		l.served[name] = f
		l.dirs.offer(name, servedDir{fs: filtered{l, f}})
	}
	attrs := maps.Clone(f.attrs)
	for _, filter := range []string{pb.AttrIncludePatterns, pb.AttrExcludePatterns, pb.AttrFollowPaths} {
		delete(attrs, filter)
	}
	attrs[pb.AttrLocalSessionID] = l.session
	// The daemon keeps the copy of a folder under its name and this hint, so each set of filters has a copy of its own.
	attrs[pb.AttrSharedKeyHint] = name
	if !f.whole {
		// Steps that differ in nothing are one, so one for which paths were added needs a difference: a pattern that leaves
		// nothing out.
		attrs[pb.AttrExcludePatterns] = fmt.Sprintf(`["xbuild-paths-%d"]`, len(f.paths))
	}
	return &pb.SourceOp{Identifier: "local://" + name, Attrs: attrs}
}

// filtered serves what the run reads of a folder. When the daemon asks it may be more than one step needs.
type filtered struct {
	locals *locals
	folder *folder
}

// Walk implements [fsutil.FS].
func (f filtered) Walk(ctx context.Context, target string, visit fs.WalkDirFunc) error {
	f.locals.mu.Lock()
	dir, err := f.folder.open(f.locals.dirs)
	f.locals.mu.Unlock()
	if err != nil {
		return err
	}
	return dir.Walk(ctx, target, visit)
}

// Open implements [fsutil.FS].
func (f filtered) Open(name string) (io.ReadCloser, error) {
	dir, ok := f.locals.dirs.LookupDir(f.folder.name)
	if !ok {
		return nil, fs.ErrNotExist
	}
	return dir.Open(name)
}

// open applies the filters.
func (f *folder) open(dirs *dirSource) (fsutil.FS, error) {
	dir, ok := dirs.LookupDir(f.name)
	if !ok {
		return nil, fmt.Errorf("the run reads no folder of the name %s", f.name)
	}
	opt := &fsutil.FilterOpt{}
	for key, to := range map[string]*[]string{pb.AttrIncludePatterns: &opt.IncludePatterns, pb.AttrExcludePatterns: &opt.ExcludePatterns} {
		if text, ok := f.attrs[key]; ok {
			if err := json.Unmarshal([]byte(text), to); err != nil {
				return nil, err
			}
		}
	}
	if !f.whole {
		opt.FollowPaths = slices.Sorted(maps.Keys(f.paths))
	}
	return fsutil.NewFilterFS(dir, opt)
}

// rewrite returns the definition, which must have been collected, with the common steps in place of its own. together may
// be nil.
func (l *locals) rewrite(def *llb.Definition, together *bundle) (*llb.Definition, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	prefixes := map[digest.Digest]string{}
	return rewriteOps(def, func(d digest.Digest, op *pb.Op) (bool, error) {
		src := asLocal(op)
		if src == nil {
			return move(op, prefixes), nil
		}
		f := l.find(src)
		if together != nil && together.prefixes[f.key] != "" {
			prefixes[d] = together.prefixes[f.key]
			op.Op = &pb.Op_Source{Source: together.source(l.session)}
		} else {
			op.Op = &pb.Op_Source{Source: l.united(f)}
		}
		return true, nil
	})
}
