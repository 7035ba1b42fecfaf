package guards

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xbuild/xbuild/e2e/parts"
)

// askGit is a build file that reads all of git.*, also where completion needs it for a name.
const askGit = `target "default" {
  dockerfile-inline = "FROM scratch\nCOPY f /f\n"
  labels = {
    all  = join(" ", [git.commit, git.branch, git.tag, git.time, git.dirty])
    tags = join(" ", tags_from_git())
  }
}

target "named" {
  name      = "named-${version}"
  matrix    = { version = [git.dirty ? "dirty" : substr(git.commit, 0, 7)] }
  inherits  = ["default"]
  platforms = ["linux/amd64"]
}
`

// TestLookingRunsNothing: programs that the configuration of an untrusted repository names are not run, whatever xbuild is asked.
func TestLookingRunsNothing(t *testing.T) {
	var guards []guard
	for name, config := range map[string]string{
		"fsmonitor":      "[core]\n\tfsmonitor = PROGRAM\n",
		"hooks":          "[core]\n\thooksPath = HOOKS\n",
		"pager":          "[core]\n\tpager = PROGRAM\n[pager]\n\tstatus = PROGRAM\n\ttag = PROGRAM\n\tlog = PROGRAM\n\tconfig = PROGRAM\n",
		"external diff":  "[diff]\n\texternal = PROGRAM\n[diff \"x\"]\n\tcommand = PROGRAM\n\ttextconv = PROGRAM\n",
		"clean":          "[filter \"x\"]\n\tclean = PROGRAM\n\tsmudge = PROGRAM\n\trequired = true\n",
		"process":        "[filter \"x\"]\n\tprocess = PROGRAM\n\trequired = true\n",
		"clean, dotted":  "[filter \"x\"]\n\trequired\n[filter \"x.clean\"]\n\tclean = PROGRAM\n[filter \"x\"]\n\tclean = PROGRAM\n",
		"signature":      "[log]\n\tshowSignature = true\n[gpg]\n\tprogram = PROGRAM\n[gpg \"ssh\"]\n\tprogram = PROGRAM\n",
		"alias":          "[alias]\n\tstatus = !PROGRAM\n\tfor-each-ref = !PROGRAM\n\tcat-file = !PROGRAM\n\tls-files = !PROGRAM\n",
		"partial clone":  partialClone("ssh://example.invalid/r.git"),
		"partial, ext":   partialClone(`\"ext::PROGRAM\"`) + "[protocol]\n\tallow = always\n[protocol \"ext\"]\n\tallow = always\n",
		"partial, local": partialClone("{outside}/nowhere") + "\tuploadpack = PROGRAM\n",
		"partial, git":   partialClone("git://example.invalid/r.git") + "[core]\n\tgitProxy = PROGRAM\n[credential]\n\thelper = !PROGRAM\n",
		"partial, own":   partialClone("foo::x") + "\tvcs = foo\n",
		"include":        "[include]\n\tpath = ../more\n",
	} {
		guards = append(guards, guard{name: name, xbuild: askGit, setup: func(t *testing.T, s *site) { hostile(t, s, s.expand("{project}"), config) }})
	}
	guards = append(guards,
		guard{name: "embedded bare repository", xbuild: askGit, in: "sub", setup: embeddedBare},
		guard{name: "bare repository beside a broken one", xbuild: askGit, fails: failsEverywhere("git"), setup: brokenAndBare},
		guard{name: "submodule", xbuild: askGit, setup: hostileSubmodule},
	)
	check(t, guards)
}

// failsEverywhere are the verbs that evaluate.
func failsEverywhere(text string) map[verb]string {
	return map[verb]string{run: text, plan: text, print: text, validate: text, list: text, runPlan: text}
}

func partialClone(url string) string {
	return "[core]\n\trepositoryFormatVersion = 1\n\tsshCommand = PROGRAM\n[extensions]\n\tpartialClone = o\n[remote \"o\"]\n\turl = " + url + "\n\tpromisor = true\n"
}

// hostile makes a repository of a directory, in which everything that a configuration can have git run leaves a marker.
func hostile(t *testing.T, s *site, dir, config string) {
	t.Helper()
	s.write("{root}/hostile", "#!/bin/sh\necho \"$0 $@\" >>'{outside}/ran'\n")
	program := s.expand("{root}/hostile")
	s.write("{root}/hooks/post-index-change", "#!/bin/sh\n'"+program+"' </dev/null\n")
	for _, p := range []string{program, s.expand("{root}/hooks/post-index-change")} {
		if err := os.Chmod(p, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write := func(name, text string) { writeFile(t, filepath.Join(dir, name), text) }
	write("f", "1")
	write(".gitattributes", "f filter=x diff=x\n")
	if err := parts.CommitAll(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	sign(t, dir)
	if strings.HasPrefix(config, "[core]\n\trepositoryFormat") { // it lacks an object, which a look at the file asks for
		removeBlob(t, dir)
	}
	text := strings.NewReplacer("PROGRAM", program, "HOOKS", s.expand("{root}/hooks"), "{outside}", s.expand("{outside}")).Replace(config)
	old, err := os.ReadFile(filepath.Join(dir, ".git/config"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(config, "[include]") {
		writeFile(t, filepath.Join(dir, "more"), "[core]\n\tfsmonitor = "+program+"\n")
	}
	writeFile(t, filepath.Join(dir, ".git/config"), string(old)+text)
	// A file of the same size and another time has to be read by git, through its filters.
	write("f", "2")
	then := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(dir, "f"), then, then); err != nil {
		t.Fatal(err)
	}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// tool runs git for the test, with an input.
func tool(t *testing.T, dir, input string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_ALLOW_PROTOCOL=file:ext")
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// sign gives the commit a signature that has to be verified with a program.
func sign(t *testing.T, dir string) {
	t.Helper()
	header, message, _ := strings.Cut(tool(t, dir, "", "cat-file", "commit", "HEAD")+"\n", "\n\n")
	signed := header + "\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----\n\n" + message
	tool(t, dir, "", "update-ref", "HEAD", tool(t, dir, signed, "hash-object", "-t", "commit", "-w", "--stdin"))
}

func removeBlob(t *testing.T, dir string) {
	t.Helper()
	blob := tool(t, dir, "", "rev-parse", "HEAD:f")
	if err := os.Remove(filepath.Join(dir, ".git/objects", blob[:2], blob[2:])); err != nil {
		t.Fatal(err)
	}
}

// embeddedBare is a directory of a repository that looks like a repository itself.
func embeddedBare(t *testing.T, s *site) {
	hostile(t, s, s.expand("{project}/sub"), "[core]\n\tfsmonitor = PROGRAM\n\tbare = false\n\tworktree = .\n")
	sub := s.expand("{project}/sub")
	names, err := os.ReadDir(filepath.Join(sub, ".git"))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		if err := os.Rename(filepath.Join(sub, ".git", n.Name()), filepath.Join(sub, n.Name())); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(filepath.Join(sub, ".git")); err != nil {
		t.Fatal(err)
	}
	writeFile(t, s.expand("{project}/f"), "1")
	if err := parts.CommitAll(t.Context(), s.expand("{project}")); err != nil {
		t.Fatal(err)
	}
}

// brokenAndBare is a bare repository that also has a .git, in which there is nothing that git takes for one.
func brokenAndBare(t *testing.T, s *site) {
	hostile(t, s, s.expand("{project}"), "[core]\n\tfsmonitor = PROGRAM\n\tbare = false\n\tworktree = .\n")
	dir := s.expand("{project}")
	names, err := os.ReadDir(filepath.Join(dir, ".git"))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		if err := os.Rename(filepath.Join(dir, ".git", n.Name()), filepath.Join(dir, n.Name())); err != nil {
			t.Fatal(err)
		}
	}
}

// hostileSubmodule has the programs in the configuration of a submodule.
func hostileSubmodule(t *testing.T, s *site) {
	sub := s.expand("{project}/sub")
	hostile(t, s, sub, "[core]\n\tfsmonitor = PROGRAM\n[filter \"x\"]\n\tclean = PROGRAM\n")
	writeFile(t, s.expand("{project}/f"), "1")
	if err := parts.CommitAll(t.Context(), s.expand("{project}")); err != nil { // adds sub as a submodule
		t.Fatal(err)
	}
	_ = os.Remove(s.expand("{outside}/ran")) // git itself may have looked
}

// TestHostileRepositories makes sure that the repositories of [TestLookingRunsNothing] do what is said of them: a plain git runs
// their programs.
func TestHostileRepositories(t *testing.T) {
	for name, c := range map[string]struct{ config, command string }{
		"fsmonitor": {"[core]\n\tfsmonitor = PROGRAM\n", "status"},
		"hooks":     {"[core]\n\thooksPath = HOOKS\n", "status"},
		"clean":     {"[filter \"x\"]\n\tclean = PROGRAM\n", "status"},
		"process":   {"[filter \"x\"]\n\tprocess = PROGRAM\n", "status"},
		"signature": {"[log]\n\tshowSignature = true\n[gpg]\n\tprogram = PROGRAM\n", "log"},
		"partial":   {partialClone("ssh://example.invalid/r.git"), "cat-file blob HEAD:f"},
		"include":   {"[include]\n\tpath = ../more\n", "status"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &site{t: t, root: t.TempDir()}
			s.write("{outside}/secret", canary)
			hostile(t, s, s.expand("{project}"), c.config)
			cmd := exec.CommandContext(t.Context(), "git", append([]string{"-C", s.expand("{project}")}, strings.Fields(c.command)...)...)
			out, _ := cmd.CombinedOutput() // it may well fail
			if _, err := os.Stat(s.expand("{outside}/ran")); err != nil {
				t.Errorf("git %s ran nothing\n%s", c.command, out)
			}
		})
	}
}
