package e2e

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// sharedBake is a Bake file with two targets, in an order, of which each makes a file of its own and one that both have.
func sharedBake(first, second, each string) string {
	text := ""
	for _, name := range []string{first, second} {
		text += fmt.Sprintf("target %q {\n  args = { NAME = %q }\n%s}\n", name, name, each)
	}
	return text + "group \"default\" { targets = [\"a\", \"z\"] }\n"
}

const sharedDockerfile = "FROM busybox AS work\nARG NAME\nRUN --network=none mkdir /r && echo $NAME > /r/both && touch /r/$NAME\nFROM scratch\nARG NAME\nCOPY --from=work /r /\nLABEL name=$NAME\n"

// TestBakeSharesPlaces: targets of a Bake file that write to one folder, archive or tag are built with one warning, and the last
// one in the order of the file wins: always, and also if only the other one was changed since.
func TestBakeSharesPlaces(t *testing.T) {
	tag := bed(t).Registry + "/parity/shared:1"
	for _, order := range [][2]string{{"a", "z"}, {"z", "a"}} {
		first, last := order[0], order[1]
		t.Run(first+" "+last, func(t *testing.T) {
			dir := project(t, map[string]string{"Dockerfile": sharedDockerfile, "docker-bake.hcl": sharedBake(first, last,
				"  tags = [\""+tag+"\"]\n  output = [\"out\", \"type=tar,dest=all.tar\", \"type=registry\"]\n")})
			w := external(t, dir)
			check := func(r result, wantBoth string) {
				t.Helper()
				if n := strings.Count(r.stderr, "warning: "); n != 1 || !strings.Contains(r.stderr, "Several targets write to the same place") {
					t.Errorf("want one warning, got %d:\n%s", n, r.stderr)
				}
				if got := read(t, filepath.Join(dir, "out", "both")); got != wantBoth+"\n" {
					t.Errorf("out/both is %q, want that of %s", got, wantBoth)
				}
				for _, name := range order {
					if _, err := os.Stat(filepath.Join(dir, "out", name)); err != nil {
						t.Error(err)
					}
				}
				if got := label(t, tag, "name"); got != wantBoth {
					t.Errorf("the tag names the image of %q, want that of %q", got, wantBoth)
				}
				if list := tarNames(t, filepath.Join(dir, "all.tar")); !strings.Contains(list, wantBoth+"\n") {
					t.Errorf("the archive holds\n%s, want that of %s", list, wantBoth)
				}
			}
			for range 3 {
				check(w.ok(t, "run", "--progress", "plain"), last)
			}
			check(w.ok(t, "run", "--progress", "plain", "--set", first+".label.x=y"), last)
			w.ok(t, "run", "--progress", "plain", first)
			check(w.ok(t, "run", "--progress", "plain"), last)
		})
	}
}

// TestBakeImageWithoutName: an image that neither has a name nor is pushed is made, as with docker buildx bake.
func TestBakeImageWithoutName(t *testing.T) {
	dir := project(t, map[string]string{"Dockerfile": sharedDockerfile, "docker-bake.hcl": "target \"default\" {\n  args = { NAME = \"x\" }\n  output = [\"type=image\"]\n}\n"})
	w := external(t, dir)
	if r := w.ok(t, "run"); !strings.Contains(r.stdout, "default: sha256:") {
		t.Errorf("the result is %q", r.stdout)
	}
	if r := w.code(t, 2, "run", "--set", "default.output=type=image,push=true"); !strings.Contains(r.stderr, "An image has no name") {
		t.Errorf("a push without a name: %s", r.stderr)
	}
}

// TestSameAnswerOnAnEngine: targets without an output go to the store of a Docker Engine, so plan and run say of two with one tag
// the same, the first time and later, and the last one has the tag.
func TestSameAnswerOnAnEngine(t *testing.T) {
	for _, containerd := range []bool{true, false} {
		e := engine(t, containerd)
		dir := project(t, map[string]string{"Dockerfile": sharedDockerfile, "docker-bake.hcl": sharedBake("z", "a", "  tags = [\"parity/same:1\"]\n")})
		w := newWorld(t, dir, "DOCKER_HOST="+e.Address)
		said := ""
		for i, args := range [][]string{{"plan"}, {"run"}, {"run"}, {"run", "a"}, {"run"}, {"plan"}} {
			r := w.ok(t, args...)
			_, warning, _ := strings.Cut(r.stderr, "warning: ")
			warning, _, _ = strings.Cut(warning, "help: ")
			if i == 0 {
				if said = warning; !strings.Contains(said, "z, a write the tag parity/same:1") {
					t.Errorf("containerd store %v: plan says %q", containerd, r.stderr)
				}
			} else if len(args) == 1 && warning != said {
				t.Errorf("containerd store %v: command %d, %v, says\n%s\nthe first one said\n%s", containerd, i, args, warning, said)
			}
			if i == 0 {
				continue
			}
			if got := engineLabel(t, e, "parity/same:1"); got != "a" {
				t.Errorf("containerd store %v: after command %d the tag names the image of %q", containerd, i, got)
			}
		}
		w.env = append(w.env, "BUILDX_NO_DEFAULT_LOAD=1")
		if r := w.ok(t, "run", "--force"); strings.Contains(r.stdout, "loaded") {
			t.Errorf("with BUILDX_NO_DEFAULT_LOAD: %s", r.stdout)
		}
	}
}

// label is a label of the image that a tag names in the registry, on the first of its platforms.
func label(t *testing.T, tag, key string) string {
	t.Helper()
	ref, err := name.ParseReference(tag, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	img, err := remote.Image(ref)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	return cfg.Config.Labels[key]
}

// tarNames are the names in an archive, one a line.
func tarNames(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out := ""
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out += h.Name + "\n"
	}
}
