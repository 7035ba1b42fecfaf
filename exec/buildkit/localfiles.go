package buildkit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	fstypes "github.com/tonistiigi/fsutil/types"
)

// localFiles is what a local output does with the files of a result.
type localFiles struct {
	// special keeps device nodes, setuid the setuid and setgid bits: a build that ran as root must not leave root's tools behind
	// unless it is asked for them.
	special, setuid bool
	// linkRoot is put before the target of an absolute link, as BuildKit does where each platform has a folder of its own.
	linkRoot string
	// attestedFor is the platform whose name the files of attestations get, where several platforms share a folder.
	attestedFor string

	seen *seenFiles
}

// seenFiles are the paths that localFiles did something about. A transfer that is repeated finds them again.
type seenFiles struct {
	mu              sync.Mutex
	devices, setuid map[string]bool
}

func newSeenFiles() *seenFiles {
	return &seenFiles{devices: map[string]bool{}, setuid: map[string]bool{}}
}

// same reports whether the files of two outputs are the same.
func (f localFiles) same(g localFiles) bool {
	f.seen, g.seen = nil, nil
	return f == g
}

// The exporter's attribute for what the names of attestations begin with, and what they begin with here until it is known
// which file is one.
const (
	attestationPrefix = "attestation-prefix"
	attestationMark   = ".xbuild-attestation."
)

// receiver takes the files of the run's local outputs. The first part of a path there is the key of an item.
func (e *localExport) receiver(dir string) receiver {
	byKey := map[string]*localItem{}
	for _, it := range e.items {
		it.files.seen = newSeenFiles()
		byKey[it.key] = it
	}
	return receiver{dir: dir, trouble: &e.trouble, take: func(p string, st *fstypes.Stat) bool {
		key, rest, _ := strings.Cut(filepath.ToSlash(p), "/")
		it := byKey[key]
		return it == nil || it.files.take(key, rest, st)
	}}
}

// take looks at a path of the result below the folder key.
func (f *localFiles) take(key, rel string, st *fstypes.Stat) bool {
	mode := fs.FileMode(st.Mode)
	switch {
	case mode&fs.ModeSymlink != 0:
		if inside, ok := strings.CutPrefix(st.Linkname, "/"+key); ok && (inside == "" || inside[0] == '/') {
			st.Linkname = path.Join("/", f.linkRoot, inside)
		}
	case mode&fs.ModeDevice != 0 && !f.special:
		f.seen.note(f.seen.devices, rel)
		return false
	case mode&(fs.ModeSetuid|fs.ModeSetgid) != 0:
		if f.seen.note(f.seen.setuid, rel); !f.setuid {
			st.Mode = uint32(mode &^ (fs.ModeSetuid | fs.ModeSetgid))
		}
	}
	return true
}

func (s *seenFiles) note(set map[string]bool, path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	set[path] = true
}

// received looks at what has come into a folder.
func (f *localFiles) received(dir, dest string) error {
	if f.seen != nil && len(f.seen.devices) > 0 {
		return fmt.Errorf("the result for %s has %s, and an output does not make device nodes unless it says special=true; "+
			"leave them out of the stage, or add special=true to the output", dest, listFiles(f.seen.devices, "the device node", "the device nodes"))
	}
	if f.attestedFor == "" {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if name, ok := strings.CutPrefix(e.Name(), attestationMark); ok {
			ext := filepath.Ext(name)
			name = strings.TrimSuffix(name, ext) + "." + f.attestedFor + ext
			if err := os.Rename(filepath.Join(dir, e.Name()), filepath.Join(dir, name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// note is the line of the report about setuid bits; empty if there were none.
func (f *localFiles) note() string {
	switch {
	case f.seen == nil || len(f.seen.setuid) == 0:
		return ""
	case f.setuid:
		return "setuid or setgid bits are set on " + listFiles(f.seen.setuid, "", "")
	}
	return "setuid and setgid bits were taken from " + listFiles(f.seen.setuid, "", "") + "; special=true keeps them"
}

// listFiles names a few files of many.
func listFiles(set map[string]bool, one, many string) string {
	const shown = 5
	var names []string
	for name := range set {
		names = append(names, "/"+name)
	}
	slices.Sort(names)
	what := many
	if len(names) == 1 {
		what = one
	}
	more := ""
	if len(names) > shown {
		more = fmt.Sprintf(" and %d more", len(names)-shown)
		names = names[:shown]
	}
	return strings.TrimSpace(what + " " + strings.Join(names, ", ") + more)
}

// takeBool takes an attribute that is true or false out of a map.
func takeBool(attrs map[string]string, key string) (bool, error) {
	v, ok := attrs[key]
	if !ok {
		return false, nil
	}
	b, err := strconv.ParseBool(v)
	if err != nil {
		return false, errors.New(key + "=" + strconv.Quote(v) + " is neither true nor false")
	}
	delete(attrs, key)
	return b, nil
}
