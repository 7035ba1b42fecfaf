package trees

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Not equal, on purpose:
//
//   - the mode and time of the destination itself, which the peer makes for its user alone;
//   - device nodes, which an output of xbuild does not make unless it says special=true (TestSpecialFiles);
//   - the content of attestations, which hold random numbers and times, and their time where there is no SOURCE_DATE_EPOCH;
//   - the time of a file whose content did not change: xbuild does not touch it;
//   - the time of a folder that was there and in which something is written: the peer leaves that of the writing.

// entry is what is compared of one path.
type entry struct {
	kind, target, content string
	time                  int64
}

// look lists what lies below a folder.
func look(t *testing.T, dir string) map[string]entry {
	t.Helper()
	out := map[string]entry{}
	groups := map[uint64][]string{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == dir {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		rel := strings.TrimPrefix(p, dir+"/")
		e := entry{kind: fi.Mode().String() + xattrs(p), time: fi.ModTime().UnixNano()}
		st := fi.Sys().(*syscall.Stat_t)
		if st.Nlink > 1 && !fi.IsDir() {
			groups[st.Ino] = append(groups[st.Ino], rel)
		}
		switch {
		case fi.Mode()&fs.ModeSymlink != 0:
			e.target, err = os.Readlink(p)
		case fi.Mode()&fs.ModeDevice != 0:
			e.target = fmt.Sprint("device ", st.Rdev)
		case fi.Mode().IsRegular():
			var text []byte
			text, err = os.ReadFile(p)
			e.content = fmt.Sprintf("%x", sha256.Sum256(text))
		}
		out[rel] = e
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, names := range groups {
		slices.Sort(names)
		for _, n := range names {
			e := out[n]
			e.target = "linked: " + strings.Join(names, " ")
			out[n] = e
		}
	}
	return out
}

func xattrs(path string) string {
	buf := make([]byte, 64<<10)
	n, err := unix.Llistxattr(path, buf)
	if err != nil {
		return ""
	}
	var out string
	for name := range strings.SplitSeq(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00") {
		value := make([]byte, 4096)
		if n, err := unix.Lgetxattr(path, name, value); name != "" && err == nil {
			out += fmt.Sprintf(" %s=%q", name, value[:n])
		}
	}
	return out
}

// compare finds what differs, but for the exceptions. attested says that files named provenance are attestations, dated that
// their time is set, and before what the folder held before this build, if anything.
func compare(peer, ours, before map[string]entry, attested, dated bool) string {
	var out []string
	for p, want := range peer {
		got, ok := ours[p]
		if !ok {
			out = append(out, "missing: "+p)
			continue
		}
		if attested && strings.HasPrefix(filepath.Base(p), "provenance.") {
			want.content, got.content = "", ""
			if !dated {
				want.time, got.time = 0, 0
			}
		}
		if was, ok := before[p]; ok && (was.content == got.content && was.kind == got.kind && was.target == got.target || want.kind[0] == 'd') {
			want.time, got.time = 0, 0
		}
		if got != want {
			out = append(out, fmt.Sprintf("%s\n      peer:   %+v\n      xbuild: %+v", p, want, got))
		}
	}
	for p := range ours {
		if _, ok := peer[p]; !ok {
			out = append(out, "only xbuild has "+p)
		}
	}
	slices.Sort(out)
	return strings.Join(out, "\n    ")
}
