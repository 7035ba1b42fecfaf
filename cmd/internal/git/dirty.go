package git

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/xbuild/xbuild/internal/lazyre"
)

// dirty reports whether files differ from the commit, in the submodules too. Files that git does not know count, unless they are
// ignored.
//
// Filters are programs, so they are not run. A path with a filter differs only if it is not the file that git wrote or last
// looked at, by its size, times and inode.
func (r *repository) dirty() (bool, error) {
	off, err := r.filters()
	if err != nil {
		return false, err
	}
	// Into submodules git would go with their own configuration.
	out, err := r.output(nil, off, "status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=normal", "--ignore-submodules=dirty")
	if err != nil {
		return false, err
	}
	var inquire []string // paths that differ by content only
	for entry := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		if entry == "" {
			continue
		}
		path, modified := strings.CutPrefix(entry, " M ")
		if !modified || len(off) == 0 {
			return true, nil
		}
		inquire = append(inquire, path)
	}
	if changed, err := r.anyChanged(off, inquire); changed || err != nil {
		return changed, err
	}
	return r.submodulesDirty(off)
}

// filterKey is a setting of a filter whose name needs no quoting.
var filterKey = lazyre.New(`^filter\.([A-Za-z0-9_.-]+)\.[A-Za-z0-9-]+$`)

// filters are the settings that turn off all filters which the configuration names; none if it names none.
func (r *repository) filters() ([]string, error) {
	out, err := r.output(nil, nil, "config", "-z", "--name-only", "--get-regexp", `^filter\.`)
	const none = 1
	if f := (*failure)(nil); errors.As(err, &f) && f.code == none {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var off []string
	for key := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		if strings.Count(key, ".") == 1 {
			continue // of no filter
		}
		m := filterKey().FindStringSubmatch(key)
		if m == nil {
			return nil, fmt.Errorf("the git configuration has a filter with an unusual name (%q), which cannot be turned off", key)
		}
		for _, s := range []string{".clean=", ".smudge=", ".process=", ".required=false"} {
			if s = "filter." + m[1] + s; !slices.Contains(off, s) {
				off = append(off, s)
			}
		}
	}
	return off, nil
}

// anyChanged reports whether a path is changed whose content git, without filters, finds changed.
func (r *repository) anyChanged(off, paths []string) (bool, error) {
	if len(paths) == 0 {
		return false, nil
	}
	var stdin bytes.Buffer
	for _, p := range paths {
		stdin.WriteString(p + "\x00")
	}
	out, err := r.output(&stdin, off, "check-attr", "-z", "--stdin", "filter")
	if err != nil {
		return false, err
	}
	fields := strings.Split(string(out), "\x00") // path, "filter", value
	for i := 0; i+2 < len(fields); i += 3 {
		if v := fields[i+2]; v == "unspecified" || v == "unset" || v == "set" { // only a text names a filter
			return true, nil
		}
	}
	top, err := r.top()
	if err != nil {
		return false, err
	}
	for chunk := range slices.Chunk(paths, 1000) { // arguments are limited
		known, err := r.output(nil, off, append([]string{"ls-files", "-z", "--debug", "--"}, chunk...)...)
		if err != nil {
			return false, err
		}
		stats, err := parseStats(string(known))
		if err != nil {
			return false, err
		}
		for _, p := range chunk {
			if s, ok := stats[p]; !ok || !s.of(filepath.Join(top, filepath.FromSlash(p))) {
				return true, nil
			}
		}
	}
	return false, nil
}

// indexStat is what the index holds of a file's status when git last looked at it.
type indexStat struct{ size, mtimeSec, mtimeNsec, ino int64 }

// debugLine finds the numbers in what ls-files --debug prints of a path.
var debugLine = lazyre.New(`\A  ctime: \d+:\d+\n  mtime: (\d+):(\d+)\n  dev: \d+\tino: (\d+)\n  uid: \d+\tgid: \d+\n  size: (\d+)\tflags: [0-9a-f]+\n`)

// parseStats reads the output of ls-files -z --debug: a path, NUL, and five lines.
func parseStats(out string) (map[string]indexStat, error) {
	stats := map[string]indexStat{}
	for out != "" {
		path, rest, _ := strings.Cut(out, "\x00")
		m := debugLine().FindStringSubmatch(rest)
		if m == nil {
			return nil, errors.New("git ls-files --debug prints something unknown")
		}
		var n [4]int64
		for i := range n {
			n[i], _ = strconv.ParseInt(m[i+1], 10, 64) // digits
		}
		stats[path] = indexStat{mtimeSec: n[0], mtimeNsec: n[1], ino: n[2], size: n[3]}
		out = rest[len(m[0]):]
	}
	return stats, nil
}

// of reports whether the file has this status. The index keeps 32 bits of each number.
func (s indexStat) of(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() || uint32(info.Size()) != uint32(s.size) {
		return false
	}
	t := info.ModTime()
	if uint32(t.Unix()) != uint32(s.mtimeSec) || s.mtimeNsec != 0 && int64(t.Nanosecond()) != s.mtimeNsec {
		return false
	}
	ino, ok := inode(info.Sys())
	return !ok || s.ino == 0 || uint32(ino) == uint32(s.ino)
}

// submodulesDirty looks into the submodules that are checked out, each with its own filters.
func (r *repository) submodulesDirty(off []string) (bool, error) {
	top, err := r.top()
	if err != nil {
		return false, err
	}
	out, err := r.output(nil, off, "ls-files", "-z", "--stage")
	if err != nil {
		return false, err
	}
	const submodule = "160000 "
	for entry := range strings.SplitSeq(string(out), "\x00") {
		_, path, _ := strings.Cut(entry, "\t")
		dir := filepath.Join(top, filepath.FromSlash(path))
		if !strings.HasPrefix(entry, submodule) {
			continue
		}
		if _, err := os.Lstat(filepath.Join(dir, ".git")); errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
			continue // not checked out
		}
		if changed, err := (&repository{dir: dir}).dirty(); changed || err != nil {
			return changed, err
		}
	}
	return false, nil
}
