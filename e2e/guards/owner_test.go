package guards

import (
	"os"
	"strings"
	"testing"
)

// nobody is a user who is neither root nor the one who runs the tests, which is root.
const nobody = 65534

// TestForeignBuildFiles: a build file that is found in a directory above is read only if it belongs to somebody who is trusted,
// and no further up than the root of the repository. One in the working directory, or one that -f names, is always read.
func TestForeignBuildFiles(t *testing.T) {
	own := func(paths ...string) func(*testing.T, *site) {
		return func(t *testing.T, s *site) {
			s.write("{project}/sub/x", "x")
			for _, p := range paths {
				if err := os.Chown(s.expand(p), nobody, nobody); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	text := "target \"default\" {\n" + empty + "  output = [\"out\"]\n}\n"
	refused := func(owner string) map[verb]string {
		say := owner + ` belongs to nobody: name it with -f ../xbuild.hcl if you trust it`
		return map[verb]string{run: say, plan: say, print: say, validate: say, list: say}
	}
	done := wantFile("{project}/out/x", "x\n")
	check(t, []guard{
		{name: "file", xbuild: text, in: "sub", setup: own("{project}/xbuild.hcl"), refuses: refused("{project}/xbuild.hcl"),
			grant: []string{"-f", "../xbuild.hcl"}, granted: done},
		{name: "directory", xbuild: text, in: "sub", setup: own("{project}"), refuses: refused("{project}"), grantEnv: []string{"SUDO_UID=65534", "SUDO_GID=65534"}, granted: done},
		{name: "override", xbuild: text, in: "sub", files: map[string]string{"xbuild.override.hcl": ""}, setup: func(t *testing.T, s *site) {
			s.write("{project}/xbuild.override.hcl", "target \"default\" {}\n")
			own("{project}/xbuild.override.hcl")(t, s)
		}, refuses: map[verb]string{run: "xbuild.override.hcl belongs to nobody", plan: "belongs to nobody", print: "belongs to nobody", validate: "belongs to nobody", list: "belongs to nobody"}},
		{name: "in the working directory", xbuild: text, setup: own("{project}", "{project}/xbuild.hcl"), free: true, granted: done},
		{name: "ours", xbuild: text, in: "sub", setup: own(), free: true, granted: done},
		{name: "above the repository", xbuild: text, in: "sub", setup: func(t *testing.T, s *site) { s.write("{project}/sub/.git/HEAD", "ref: refs/heads/main\n") },
			refuses: everyVerb("there is no xbuild.hcl or xbuild.hcl.json"), grant: []string{"-f", "../xbuild.hcl"}, granted: done},
	})
}

// TestForeignPlanInputs: a saved plan cannot name a build file of somebody else to make a directory above free.
func TestForeignPlanInputs(t *testing.T) {
	g := guard{name: "plan"}
	s := newSite(t, &g, "xbuild.hcl", "target \"default\" {\n"+empty+"  output = [\"out\"]\n}\n", local)
	s.write("{project}/sub/x", "x")
	if r := s.xbuild(nil, "plan", "--out", s.saved); r.code != 0 {
		t.Fatal(r.stderr)
	}
	if err := os.Chown(s.expand("{project}/xbuild.hcl"), nobody, nobody); err != nil {
		t.Fatal(err)
	}
	before := s.snapshot()
	r := s.xbuild(nil, "run", "-C", "sub", "--plan", s.saved)
	if r.code != 2 || !strings.Contains(r.stderr, `The target "default" writes ../out.`) {
		t.Errorf("exit code %d\n%s", r.code, r.stderr)
	}
	if d := diff(before, s.snapshot()); d != "" {
		t.Errorf("something changed:\n%s", d)
	}
}
