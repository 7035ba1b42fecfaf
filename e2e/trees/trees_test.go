package trees

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/xbuild/xbuild/e2e/parts"
)

// site is one BuildKit, and both programs.
type site struct {
	dir, address, xbuild, buildx string
	env                          []string
}

func newSite(t *testing.T) *site {
	t.Helper()
	b, err := parts.OpenBare(t.Context(), t.Logf)
	var missing *parts.Missing
	if errors.As(err, &missing) && os.Getenv("XBUILD_TEST_REQUIRE_ALL") != "1" {
		t.Skip(missing)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	d, err := b.StartDaemon(t.Context(), b.Dir, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Stop)
	home := t.TempDir()
	s := &site{dir: t.TempDir(), address: d.Address, xbuild: filepath.Join(b.Dir, "xbuild")}
	s.env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "DOCKER_CONFIG=" + home, "LANG=C.UTF-8", "XBUILD_STATE_DIR=" + filepath.Join(home, "state"),
		"BUILDKIT_HOST=" + d.Address, "BUILDX_BUILDER=trees", "BUILDX_NO_DEFAULT_ATTESTATIONS=1"}
	compile(t, "../..", s.xbuild, "./cmd/xbuild")
	if s.buildx = os.Getenv("BUILDX"); s.buildx == "" {
		s.buildx = filepath.Join(b.Cache, "bin", "buildx")
		compile(t, "../peer", s.buildx, "github.com/docker/buildx/cmd/buildx")
	}
	s.run(t, s.dir, nil, s.buildx, "create", "--name", "trees", "--driver", "remote", d.Address)
	return s
}

func compile(t *testing.T, module, to, pkg string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", to, pkg)
	cmd.Dir, cmd.Env = module, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", pkg, err, out)
	}
}

// try runs a program to its end.
func (s *site) try(dir string, env []string, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(context.Background(), program, args...)
	cmd.Dir, cmd.Env = dir, append(slices.Clone(s.env), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (s *site) run(t *testing.T, dir string, env []string, program string, args ...string) string {
	t.Helper()
	out, err := s.try(dir, env, program, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", filepath.Base(program), strings.Join(args, " "), err, out)
	}
	return out
}

// form is a way to write a result.
type form struct {
	name, platforms, output, more string
	apart                         bool // the platforms share a folder, so their files have names of their own
	attested, dated               bool
	again                         bool // it is written a second time, over the first
}

var forms = []form{
	{name: "one", platforms: `"linux/amd64"`, again: true},
	{name: "one-split", platforms: `"linux/arm64"`, output: ",platform-split=true"},
	{name: "one-whole", platforms: `"linux/arm64"`, output: ",platform-split=false"},
	{name: "two", platforms: `"linux/amd64", "linux/arm64"`, again: true},
	{name: "two-whole", platforms: `"linux/amd64", "linux/arm64"`, output: ",platform-split=false", apart: true},
	{name: "one-dated", platforms: `"linux/amd64"`, more: `  args = { SOURCE_DATE_EPOCH = "1600000000" }`, dated: true},
	{name: "two-dated", platforms: `"linux/amd64", "linux/arm64"`, more: `  args = { SOURCE_DATE_EPOCH = "1600000000" }`, dated: true},
	{name: "one-attested", platforms: `"linux/amd64"`, more: `  attest = ["type=provenance,mode=max"]`, attested: true},
	{name: "two-attested", platforms: `"linux/amd64", "linux/arm64"`, more: `  attest = ["type=provenance,mode=max"]`, attested: true},
	{name: "two-whole-attested", platforms: `"linux/amd64", "linux/arm64"`, output: ",platform-split=false", more: `  attest = ["type=provenance,mode=max"]
  args = { SOURCE_DATE_EPOCH = "1600000000" }`, apart: true, attested: true, dated: true},
}

// lay writes the project: a target for every result and form.
func (s *site) lay(t *testing.T, names []string, contents map[string][]byte) {
	t.Helper()
	var file strings.Builder
	for i, name := range names {
		s.write(t, fmt.Sprintf("r%d.tar", i), contents[name])
		for _, f := range forms {
			to := "/"
			if f.apart {
				to = "/$TARGETARCH/"
			}
			fmt.Fprintf(&file, "target \"r%d-%s\" {\n  dockerfile-inline = \"FROM scratch\\nARG TARGETARCH\\nADD r%d.tar %s\\n\"\n  platforms = [%s]\n"+
				"  output = [\"type=local,dest=${OUT}/r%d-%s%s\"]\n%s\n}\n", i, f.name, i, to, f.platforms, i, f.name, f.output, f.more)
		}
	}
	fmt.Fprintf(&file, "variable \"OUT\" { default = \"out\" }\n")
	s.write(t, "docker-bake.hcl", []byte(file.String()))
}

func (s *site) write(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestTrees: every result in every form, first where nothing is, then over what the first build left.
func TestTrees(t *testing.T) {
	s := newSite(t)
	var before map[string]map[string]entry
	for generation := 1; generation <= 2; generation++ {
		contents := results(t, generation)
		names := slices.Sorted(maps.Keys(contents))
		if len(names) < 30 {
			t.Fatalf("%d results, want at least 30", len(names))
		}
		s.lay(t, names, contents)
		forms := forms
		if generation > 1 {
			forms = slices.DeleteFunc(slices.Clone(forms), func(f form) bool { return !f.again })
		}
		for _, f := range forms {
			s.run(t, s.dir, []string{"OUT=peer"}, s.buildx, "bake", "--progress", "quiet", "--allow", "fs=*", "r*-"+f.name)
			s.run(t, s.dir, []string{"OUT=ours"}, s.xbuild, "run", "--progress", "quiet", "--allow", "fs=*", "r*-"+f.name)
		}
		after := map[string]map[string]entry{}
		for i, name := range names {
			for _, f := range forms {
				dir := fmt.Sprintf("r%d-%s", i, f.name)
				peer, ours := look(t, filepath.Join(s.dir, "peer", dir)), look(t, filepath.Join(s.dir, "ours", dir))
				if d := compare(peer, ours, before[dir], f.attested, f.dated); d != "" {
					t.Errorf("%s, %s, build %d:\n    %s", name, f.name, generation, d)
				}
				after[dir] = ours
			}
		}
		before = after
	}
}
