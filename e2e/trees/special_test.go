package trees

import (
	"archive/tar"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// specialTree has what a build leaves only as root.
func specialTree(t *testing.T, devices bool) []byte {
	tr := newTree(t)
	tr.file("su", 0o4755, "x")
	tr.dir("g", 0o2775)
	if devices {
		tr.add(tar.Header{Name: "blk", Typeflag: tar.TypeBlock, Devmajor: 7, Devminor: 200}, "")
		tr.add(tar.Header{Name: "chr", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3}, "")
	}
	return tr.bytes()
}

const specialFile = `target "devices" {
  dockerfile-inline = "FROM scratch\nADD devices.tar /\n"
  output            = [OUT != "" ? OUT : "out"]
}
target "setuid" {
  inherits          = ["devices"]
  dockerfile-inline = "FROM scratch\nADD setuid.tar /\n"
}
variable "OUT" { default = "" }
`

// TestSpecialFiles: an output makes device nodes only if it says special=true, and xbuild.hcl keeps setuid bits only then, which
// Bake files always do. Archives keep everything.
func TestSpecialFiles(t *testing.T) {
	s := newSite(t)
	s.write(t, "devices.tar", specialTree(t, true))
	s.write(t, "setuid.tar", specialTree(t, false))
	s.write(t, "xbuild.hcl", []byte(specialFile))
	s.write(t, "docker-bake.hcl", []byte(specialFile))
	const nodes = "Drw-r--r-- blk\nDcrw-r--r-- chr\n"
	for _, tt := range []struct {
		file, target, output string
		want                 string // of the folder; empty if it is refused
		says                 string
	}{
		{"xbuild.hcl", "devices", "a", "", "special=true"},
		{"docker-bake.hcl", "devices", "b", "", "/blk, /chr"},
		{"xbuild.hcl", "devices", "type=local,dest=c,special=true", nodes + "dgrwxrwxr-x g\nurwxr-xr-x su\n", "bits are set on /g, /su"},
		{"xbuild.hcl", "setuid", "d", "drwxrwxr-x g\n-rwxr-xr-x su\n", "bits were taken from /g, /su; special=true keeps them"},
		{"docker-bake.hcl", "setuid", "e", "dgrwxrwxr-x g\nurwxr-xr-x su\n", "bits are set on /g, /su"},
	} {
		out, err := s.try(s.dir, []string{"OUT=" + tt.output}, s.xbuild, "run", "--progress", "plain", "-f", tt.file, tt.target)
		if (err == nil) != (tt.want != "") || !strings.Contains(out, tt.says) {
			t.Errorf("%+v: %v\n%s", tt, err, out)
		}
		dir := filepath.Join(s.dir, strings.TrimSuffix(strings.TrimPrefix(tt.output, "type=local,dest="), ",special=true"))
		if got := modes(t, dir); got != tt.want {
			t.Errorf("%+v: got\n%s", tt, got)
		}
	}
	s.run(t, s.dir, []string{"OUT=type=tar,dest=all.tar"}, s.xbuild, "run", "-f", "xbuild.hcl", "devices")
	if got, want := archived(t, filepath.Join(s.dir, "all.tar")), "blk 4 7 200 644\nchr 3 1 3 644\ng/ 5 0 0 2775\nsu 0 0 0 4755\n"; got != want {
		t.Errorf("the archive has\n%s", got)
	}
}

func modes(t *testing.T, dir string) string {
	t.Helper()
	var out string
	tree := map[string]entry{}
	if _, err := os.Stat(dir); err == nil {
		tree = look(t, dir)
	}
	var names []string
	for name := range tree {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		out += tree[name].kind + " " + name + "\n"
	}
	return out
}

func archived(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out string
	r := tar.NewReader(f)
	for h, err := r.Next(); err == nil; h, err = r.Next() {
		out += fmt.Sprintf("%s %c %d %d %o\n", h.Name, h.Typeflag, h.Devmajor, h.Devminor, h.Mode)
	}
	return out
}

// TestEpochOfEnvironment: SOURCE_DATE_EPOCH in the environment is the time of local files, in both dialects as with the peer.
func TestEpochOfEnvironment(t *testing.T) {
	s := newSite(t)
	s.write(t, "setuid.tar", specialTree(t, false))
	s.write(t, "xbuild.hcl", []byte(specialFile))
	s.write(t, "docker-bake.hcl", []byte(specialFile))
	for _, command := range [][]string{{s.buildx, "bake", "-f", "docker-bake.hcl"}, {s.xbuild, "run", "-f", "docker-bake.hcl"}, {s.xbuild, "run", "-f", "xbuild.hcl"}} {
		out := fmt.Sprint("out", len(command[0]), filepath.Base(command[3]))
		s.run(t, s.dir, []string{"SOURCE_DATE_EPOCH=1650000000", "OUT=" + out}, command[0], append(command[1:], "setuid")...)
		for name, e := range look(t, filepath.Join(s.dir, out)) {
			if e.time != time.Unix(1650000000, 0).UnixNano() {
				t.Errorf("%v: %s has the time %v", command, name, time.Unix(0, e.time))
			}
		}
	}
}
