package trees

import (
	"archive/tar"
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// stamp is the time of everything in a result.
var stamp = time.Unix(1500000000, 0)

// tree makes the archive of a result.
type tree struct {
	t   *testing.T
	buf bytes.Buffer
	w   *tar.Writer
}

func newTree(t *testing.T) *tree {
	tr := &tree{t: t}
	tr.w = tar.NewWriter(&tr.buf)
	return tr
}

func (tr *tree) add(h tar.Header, content string) {
	tr.t.Helper()
	if h.ModTime.IsZero() {
		h.ModTime = stamp
	}
	if h.Mode == 0 {
		h.Mode = 0o644
	}
	h.Size, h.Format = int64(len(content)), tar.FormatPAX
	if err := tr.w.WriteHeader(&h); err != nil {
		tr.t.Fatal(err)
	}
	if _, err := tr.w.Write([]byte(content)); err != nil {
		tr.t.Fatal(err)
	}
}

func (tr *tree) dir(name string, mode int64) {
	tr.add(tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: mode}, "")
}
func (tr *tree) file(name string, mode int64, content string) {
	tr.add(tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: mode}, content)
}
func (tr *tree) link(name, target string) {
	tr.add(tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: target, Mode: 0o777}, "")
}
func (tr *tree) hard(name, of string) {
	tr.add(tar.Header{Name: name, Typeflag: tar.TypeLink, Linkname: of}, "")
}

func (tr *tree) bytes() []byte {
	tr.t.Helper()
	if err := tr.w.Close(); err != nil {
		tr.t.Fatal(err)
	}
	return tr.buf.Bytes()
}

// results are the contents by name. A second generation of them differs in content, modes and links.
func results(t *testing.T, generation int) map[string][]byte {
	again := fmt.Sprint(generation)
	out := map[string][]byte{}
	for name, fill := range map[string]func(*tree){
		"empty": func(*tree) {},
		"file":  func(tr *tree) { tr.file("f", 0o644, again) },
		"modes": func(tr *tree) { tr.file("a", 0o600, "a"); tr.file("b", 0o755, "b"); tr.file("c", 0o444, again) },
		"folders": func(tr *tree) {
			tr.dir("d", 0o750)
			tr.dir("d/e", 0o500)
			tr.file("d/e/f", 0o640, again)
			tr.dir("empty", 0o711)
		},
		"folder mode": func(tr *tree) { tr.dir("d", 0o700+int64(generation)); tr.file("d/f", 0o644, "same") },
		"sticky":      func(tr *tree) { tr.dir("tmp", 0o1777); tr.file("tmp/f", 0o644, again) },
		"setuid":      func(tr *tree) { tr.file("su", 0o4755, again); tr.file("sg", 0o2755, again); tr.dir("d", 0o2775) },
		"absolute": func(tr *tree) {
			tr.dir("d", 0o755)
			tr.file("d/f", 0o644, again)
			tr.link("l", "/d/f")
			tr.link("d/up", "/")
		},
		"relative": func(tr *tree) {
			tr.dir("d", 0o755)
			tr.file("d/f", 0o644, again)
			tr.link("l", "d/f")
			tr.link("d/l", "../d/f")
		},
		"dangling": func(tr *tree) {
			tr.link("none"+again, "nowhere")
			tr.link("out", "../../etc/passwd")
			tr.link("abs", "/nowhere/else")
		},
		"new target": func(tr *tree) { tr.file("1", 0o644, "one"); tr.file("2", 0o644, "two"); tr.link("l", "/"+again) },
		"hard":       func(tr *tree) { tr.file("a", 0o644, again); tr.hard("b", "a"); tr.dir("d", 0o755); tr.hard("d/c", "a") },
		"two groups": func(tr *tree) {
			tr.file("a", 0o644, "x")
			tr.hard("b", "a")
			tr.file("c", 0o644, "x")
			tr.hard("d", "c")
		},
		"fifo": func(tr *tree) {
			tr.add(tar.Header{Name: "p", Typeflag: tar.TypeFifo}, "")
			tr.file("f", 0o644, again)
		},
		"attributes": func(tr *tree) {
			tr.add(tar.Header{Name: "f", Typeflag: tar.TypeReg, PAXRecords: map[string]string{"SCHILY.xattr.user.k": again}}, "same")
			tr.file("g", 0o644, again)
		},
		"names": func(tr *tree) {
			tr.file("a b", 0o644, again)
			tr.file("-rf", 0o644, again)
			tr.file("ü\x01", 0o644, again)
		},
		"own key": func(tr *tree) {
			tr.dir("o0", 0o755)
			tr.file("o0/f", 0o644, again)
			tr.link("l", "/o0/f")
			tr.link("m", "/o0x")
		},
		"to folder": func(tr *tree) {
			tr.dir("usr", 0o755)
			tr.dir("usr/lib", 0o755)
			tr.link("lib", "usr/lib")
			tr.file("usr/lib/x", 0o644, again)
		},
		"old and new":   func(tr *tree) { tr.file("same", 0o644, "same"); tr.file("new", 0o644, again) },
		"large":         func(tr *tree) { tr.file("big", 0o644, string(bytes.Repeat([]byte(again+"xyz"), 100000))) },
		"provenance":    func(tr *tree) { tr.file("provenance.json", 0o644, again); tr.file("f", 0o644, again) },
		"hard to a set": func(tr *tree) { tr.file("su", 0o4711, "x"); tr.hard("su2", "su") },
	} {
		tr := newTree(t)
		fill(tr)
		out[name] = tr.bytes()
	}
	for seed := range 10 {
		out[fmt.Sprint("random ", seed)] = random(t, uint64(seed), generation)
	}
	return out
}

// random is a tree of a few dozen entries.
func random(t *testing.T, seed uint64, generation int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	tr := newTree(t)
	dirs, files := []string{""}, []string{}
	for i := range 30 {
		dir := dirs[r.IntN(len(dirs))]
		name := fmt.Sprintf("%sn%d", dir, i)
		kind, mode := r.IntN(6), int64(r.IntN(0o1000))|0o400
		content := fmt.Sprint(name, r.IntN(3)*generation)
		switch {
		case kind == 0:
			tr.dir(name, mode|0o700)
			dirs = append(dirs, name+"/")
		case kind == 1:
			tr.link(name, []string{"/", "/n1", "n2", "../n3", "/n0/n5", "nowhere"}[r.IntN(6)])
		case kind == 2 && len(files) > 0:
			tr.hard(name, files[r.IntN(len(files))])
		default:
			tr.file(name, mode, content)
			files = append(files, name)
		}
	}
	return tr.bytes()
}
