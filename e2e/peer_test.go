package e2e

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// peerCase is something that Bake gets wrong.
type peerCase struct {
	name, bake, file string // bake says what Bake does
	args             []string
	code             int
	says             []string
	files            map[string]string
	there            []string
	tags             map[string]bool // whether they are there
}

const peerDockerfile = "FROM busybox AS work\nARG NAME FAIL\nRUN [ -z \"$FAIL\" ] && echo $NAME > /name\nFROM scratch\nCOPY --from=work /name /\n"

func peerCases() []peerCase {
	two := func(first, second string) string {
		return "target \"t1\" {\n" + first + "}\ntarget \"t2\" {\n" + second + "}\ngroup \"default\" { targets = [\"t1\", \"t2\"] }\n"
	}
	one := func(text string) string { return "target \"default\" {\n" + text + "}\n" }
	const first, second = "args = { NAME = \"one\" }\n", "args = { NAME = \"two\" }\n"
	twice := func(each string) string { return two(first+each, second+each) }
	linked := func(text string) string {
		return "target \"base\" {\nargs = { NAME = \"base\" }\nplatforms = [\"linux/amd64\"]\n}\n" + one("contexts = { base = \"target:base\" }\noutput = [\"out\"]\n"+text)
	}
	return []peerCase{
		{name: "one tag of two targets", bake: "the last to finish wins", file: twice("tags = [\"REG/peer:same\"]\noutput = [\"type=registry\"]\n"),
			code: 2, says: []string{"t1", "t2", "peer:same"}, tags: map[string]bool{"same": false}},
		{name: "one folder of two targets", bake: "the last to finish wins", file: twice("output = [\"out\"]\n"), code: 2, says: []string{"t1", "t2", "out"}},
		{name: "one archive of two targets", bake: "the last to finish wins", file: twice("output = [\"type=tar,dest=a.tar\"]\n"), code: 2, says: []string{"t1", "t2", "a.tar"}},
		{name: "one cache of two targets", bake: "the last to finish wins", file: twice("output = [\"type=cacheonly\"]\ncache-to = [\"type=local,dest=cache\"]\n"),
			there: []string{"cache/t1/index.json", "cache/t2/index.json"}},
		{name: "one build at a time with a link", bake: "limited parallelism is not supported with linked targets",
			file: linked("dockerfile-inline = \"FROM base\"\n"),
			args: []string{"-j", "1"}, files: map[string]string{"out/name": "base\n"}},
		{name: "a base of one platform under two", bake: "fails on several nodes",
			file:  linked("dockerfile-inline = \"FROM --platform=linux/amd64 base AS b\\nFROM scratch\\nCOPY --from=b /name /\"\nplatforms = [\"linux/amd64\", \"linux/arm64\"]\n"),
			files: map[string]string{"out/linux_amd64/name": "base\n", "out/linux_arm64/name": "base\n"}},
		{name: "a failure after a push", bake: "what was pushed stays pushed",
			file: two(first+"tags = [\"REG/peer:early\"]\noutput = [\"type=registry\"]\n",
				"args = { NAME = \"two\", FAIL = \"1\" }\ntags = [\"REG/peer:late\"]\noutput = [\"type=registry\"]\n"),
			args: []string{"--keep-going"}, code: 1, tags: map[string]bool{"early": false, "late": false}},
		{name: "an output that is set, and a push", bake: "loses the push in one of six runs", args: []string{"--set", "default.output=type=image", "--push"},
			file: one(first + "tags = [\"REG/peer:set\"]\n"),
			tags: map[string]bool{"set": true}},
		{name: "null in an output", bake: "panics", file: one(first + "output = [{ type = \"local\", dest = \"out\", mode = null }]\n"),
			files: map[string]string{"out/name": "one\n"}},
		{name: "platforms in one folder", bake: "overwrites one by the other on several nodes",
			file: one(first + "platforms = [\"linux/amd64\", \"linux/arm64\"]\noutput = [\"type=local,dest=out,platform-split=false\"]\n"),
			code: 1, says: []string{"out/name", "linux/amd64", "linux/arm64"}},
	}
}

// TestNotLikeBake: what docker buildx bake does badly when it executes, and what is right. Of each case Bake's behaviour has
// been seen. Others have tests of their own: TestRemoteBake (archives as definitions), TestMetadataFile (digests of each
// platform), TestAllow (grants), and in exec/buildkit TestOCIArchiveAndLayout, TestTagsMoveLast, TestMissingSecret,
// TestKeepGoingReportsEveryCause and TestCaches.
func TestNotLikeBake(t *testing.T) {
	b := bed(t)
	for _, c := range peerCases() {
		t.Run(c.name, func(t *testing.T) {
			dir := project(t, map[string]string{"Dockerfile": peerDockerfile, "xbuild.hcl": strings.ReplaceAll(c.file, "REG", b.Registry)})
			w := external(t, dir)
			r := w.code(t, c.code, append([]string{"run", "--progress", "plain"}, c.args...)...)
			for _, s := range c.says {
				if !strings.Contains(r.stderr, s) {
					t.Errorf("the message does not name %s (Bake: %s):\n%s", s, c.bake, r.stderr)
				}
			}
			for name, want := range c.files {
				if got := read(t, filepath.Join(dir, name)); got != want {
					t.Errorf("%s holds %q, want %q (Bake: %s)", name, got, want, c.bake)
				}
			}
			for _, name := range c.there {
				if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
					t.Errorf("%v (Bake: %s)", err, c.bake)
				}
			}
			if c.code != 0 {
				if entries, _ := os.ReadDir(dir); len(entries) != 2 {
					t.Errorf("something was written although it failed: %v", entries)
				}
			}
			for tag, want := range c.tags {
				if got := tagged(t, b.Registry+"/peer:"+tag); got != want {
					t.Errorf("tag %s is there: %v, want %v (Bake: %s)", tag, got, want, c.bake)
				}
			}
		})
	}
}

// tagged reports whether a registry has an image of this name.
func tagged(t *testing.T, image string) bool {
	t.Helper()
	ref, err := name.ParseReference(image, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	_, err = remote.Head(ref)
	var said *transport.Error
	if err != nil && !(errors.As(err, &said) && said.StatusCode == http.StatusNotFound) {
		t.Fatal(err)
	}
	return err == nil
}
