package guards

import (
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// inline is a Dockerfile that takes one file of its context "lib".
const inline = "  dockerfile-inline = \"FROM scratch\\nCOPY --from=lib x /x\\n\"\n"

// empty is a Dockerfile that takes nothing.
const empty = "  dockerfile-inline = \"FROM scratch\\nCOPY <<EOF /x\\nx\\nEOF\\n\"\n"

// both is a target for both dialects, which say the same of paths that are relative to the project.
func both(g guard, attributes string) guard {
	g.bake = "target \"default\" {\n" + attributes + "}\n"
	g.xbuild = g.bake
	return g
}

// TestGrants: what lies outside the project, or the working directory of a Bake file, is read and written with a grant only.
func TestGrants(t *testing.T) {
	x := map[string]string{"x": "x\n"}
	reads := func(what string, more ...verb) map[verb]string {
		return refusedBy(`The target "default" reads `+what+".", more...)
	}
	// A plan reads Dockerfiles and their contexts, so it needs grants for these itself.
	planned := []verb{runPlan}
	check(t, []guard{
		both(guard{name: "named context", outside: x, refuses: reads("../outside"),
			grant: []string{"--allow", "fs.read=../outside"}, granted: wantFile("{project}/out/x", "x\n")},
			inline+"  contexts = { lib = \"../outside\" }\n  output = [\"out\"]\n"),
		both(guard{name: "named context by a link", outside: x, refuses: reads("link"),
			setup: func(_ *testing.T, s *site) { s.link("../outside", "{project}/link") },
			grant: []string{"--allow", "fs.read=link"}, granted: wantFile("{project}/out/x", "x\n")},
			inline+"  contexts = { lib = \"link\" }\n  output = [\"out\"]\n"),
		both(guard{name: "layout", refuses: reads("../outside/layout"),
			grant: nil},
			inline+"  contexts = { lib = \"oci-layout://{outside}/layout:1\" }\n  output = [\"out\"]\n"),
		both(guard{name: "context", outside: map[string]string{"x": "x\n", "Dockerfile": "FROM scratch\nCOPY x /x\n"}, refuses: reads("../outside", plan), skip: planned,
			grant: []string{"--allow", "fs.read=../outside"}, granted: wantFile("{project}/out/x", "x\n")},
			"  context = \"../outside\"\n  output = [\"out\"]\n"),
		both(guard{name: "Dockerfile", outside: map[string]string{"D": "FROM scratch\nCOPY y /x\n# " + canary + "\nWRONG\n"}, files: map[string]string{"y": "y"},
			refuses: reads("../outside/D", plan), skip: planned},
			"  dockerfile = \"../outside/D\"\n  output = [\"out\"]\n"),
		both(guard{name: "output", refuses: refusedBy(`The target "default" writes ../outside/new.`),
			grant: []string{"--allow", "fs.write=../outside"}, granted: wantFile("{outside}/new/x", "x\n")},
			empty+"  output = [\"../outside/new\"]\n"),
		both(guard{name: "output by a link", refuses: refusedBy(`The target "default" writes link/new.`),
			setup: func(_ *testing.T, s *site) { s.link("../outside", "{project}/link") },
			grant: []string{"--allow", "fs.write=../outside"}, granted: wantFile("{outside}/new/x", "x\n")},
			empty+"  output = [\"link/new\"]\n"),
		both(guard{name: "output by a link to nothing", refuses: refusedBy(`The target "default" writes link.`), fails: map[verb]string{plan: "cannot be used"},
			setup: func(_ *testing.T, s *site) { s.link("../outside/new", "{project}/link") }},
			empty+"  output = [\"link\"]\n"),
		both(guard{name: "archive", refuses: refusedBy(`The target "default" writes ../outside/a.tar.`), grant: []string{"--allow", "fs.write=../outside"}},
			empty+"  output = [\"type=tar,dest=../outside/a.tar\"]\n"),
		both(guard{name: "secret", refuses: reads("../outside/secret"), grant: []string{"--allow", "fs.read=../outside/secret"}},
			empty+"  secret = [\"id=s,src=../outside/secret\"]\n  output = [\"out\"]\n"),
		both(guard{name: "SSH key", refuses: reads("../outside/agent"), setup: agent, grant: []string{"--allow", "fs.read=../outside"}},
			empty+"  ssh = [\"k=../outside/agent\"]\n  output = [\"out\"]\n"),
		both(guard{name: "SSH agent", refuses: refusedBy(`The target "default" uses the SSH agent.`), setup: agent, env: []string{"SSH_AUTH_SOCK={outside}/agent"},
			grant: []string{"--allow", "ssh"}, granted: wantFile("{project}/out/x", "x\n")},
			empty+"  ssh = [\"default\"]\n  output = [\"out\"]\n"),
		both(guard{name: "cache read", refuses: reads("../outside/cache"), grant: []string{"--allow", "fs.read=../outside/cache"}},
			empty+"  cache-from = [\"type=local,src=../outside/cache\"]\n  output = [\"out\"]\n"),
		both(guard{name: "cache written", refuses: refusedBy(`The target "default" writes ../outside/cache.`), grant: []string{"--allow", "fs.write=../outside/cache"}},
			empty+"  cache-to = [\"type=local,dest=../outside/cache\"]\n  output = [\"out\"]\n"),
		both(guard{name: "switched off", outside: x, refuses: refusedBy("reads ../outside"), grantEnv: []string{"BUILDX_BAKE_ENTITLEMENTS_FS=0"}},
			inline+"  contexts = { lib = \"../outside\" }\n  output = [\"out\"]\n"),
		both(guard{name: "inside is free", free: true, files: map[string]string{"lib/x": "x\n", "secret": "s"}, granted: wantFile("{project}/out/x", "x\n")},
			inline+"  contexts = { lib = \"lib\" }\n  secret = [\"id=s,src=secret\"]\n  output = [\"out\"]\n"),
	})
}

// agent is a socket outside at which something listens.
func agent(t *testing.T, s *site) { agentAt(t, s, "{outside}/agent") }

func agentAt(t *testing.T, s *site, path string) {
	t.Helper()
	t.Chdir(filepath.Dir(s.expand(path))) // paths of sockets must be short
	l, err := net.Listen("unix", filepath.Base(path))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// TestExpressions: what an expression or an include of an xbuild.hcl reads outside the project is asked for before it is read.
func TestExpressions(t *testing.T) {
	every := func(text string) map[verb]string {
		return map[verb]string{run: text, plan: text, print: text, validate: text}
	}
	asks := "if you trust the build file, add --allow fs.read=../outside/"
	target := func(arg string) string {
		return "target \"default\" {\n" + empty + "  args = { A = " + arg + " }\n  output = [\"out\"]\n}\n"
	}
	check(t, []guard{
		{name: "file", xbuild: target(`file("../outside/secret")`), refuses: every(asks + "secret"), grant: []string{"--allow", "fs.read=../outside/secret"}},
		{name: "file, absolute", xbuild: target(`file("{outside}/secret")`), refuses: every(asks + "secret"), grant: []string{"--allow", "fs.read=../outside"}},
		{name: "file by a link", xbuild: target(`file("link")`), refuses: every("if you trust the build file, add --allow fs.read=link"),
			setup: func(_ *testing.T, s *site) { s.link("../outside/secret", "{project}/link") }, grant: []string{"--allow", "fs.read=link"}},
		{name: "file by a linked directory", xbuild: target(`file("d/secret")`), refuses: every("if you trust the build file, add --allow fs.read=d/secret"),
			setup: func(_ *testing.T, s *site) { s.link("../outside", "{project}/d") }, grant: []string{"--allow", "fs.read=d"}},
		{name: "fileexists", xbuild: target(`fileexists("../outside/secret") ? "there" : "none"`), refuses: every(asks + "secret"), grant: []string{"--allow", "fs.read=../outside"}},
		{name: "include", xbuild: "include = [\"../outside/more.hcl\"]\n" + target(`"a"`), outside: map[string]string{"more.hcl": "# " + canary + "\n{\n"},
			refuses: everyVerb(asks + "more.hcl"), skip: []verb{completion}},
		{name: "include by a pattern", xbuild: "include = [\"../outside/*.hcl\"]\n" + target(`"a"`), outside: map[string]string{"more.hcl": "# " + canary + "\n{\n"},
			refuses: everyVerb("if you trust the build file, add --allow fs.read=../outside"), skip: []verb{completion}},
	})
}

// everyVerb are the verbs that read build files.
func everyVerb(text string) map[verb]string {
	return map[verb]string{run: text, plan: text, print: text, validate: text, list: text}
}

// TestLinksInContexts: a link in a named context that leads outside it is sent as a link, as Bake does; what it leads to is not.
func TestLinksInContexts(t *testing.T) {
	link := guard{name: "link", free: true, files: map[string]string{"lib/x": "x\n"},
		setup: func(_ *testing.T, s *site) {
			s.link("../../outside/secret", "{project}/lib/out")
			s.link("../../outside", "{project}/lib/sub/dir")
		},
		granted: func(t *testing.T, s *site) {
			for name, want := range map[string]string{"out": "../../outside/secret", "sub/dir": "../../outside"} {
				if got, err := os.Readlink(s.expand("{project}/result/" + name)); got != want {
					t.Errorf("%s is a link to %q, want %q: %v", name, got, want, err)
				}
			}
		}}
	check(t, []guard{both(link, "  dockerfile-inline = \"FROM scratch\\nCOPY --from=lib / /\\n\"\n  contexts = { lib = \"lib\" }\n  output = [\"result\"]\n")})
}

// TestProject: the project is the repository, or the directory of the build file, and never a home directory.
func TestProject(t *testing.T) {
	repository := func(dir string) func(*testing.T, *site) {
		return func(_ *testing.T, s *site) { s.write(dir+"/.git/HEAD", "ref: refs/heads/main\n") }
	}
	text := "target \"default\" {\n" + inline + "  contexts = { lib = \"../outside\" }\n  output = [\"out\"]\n}\n"
	x := map[string]string{"x": "x\n"}
	check(t, []guard{
		{name: "repository", xbuild: text, outside: x, setup: repository("{root}"), free: true, granted: wantFile("{project}/out/x", "x\n")},
		{name: "repository, Bake", bake: text, outside: x, setup: repository("{root}"), refuses: refusedBy("reads ../outside")},
		{name: "repository of the home directory", xbuild: text, outside: x, setup: repository("{root}"), env: []string{"HOME={root}"}, refuses: refusedBy("reads ../outside"),
			grant: []string{"--allow", "fs.read=../outside"}, granted: wantFile("{project}/out/x", "x\n")},
		{name: "home directory", xbuild: "target \"default\" {\n" + empty + "  output = [\"out\"]\n}\n", env: []string{"HOME={project}"},
			refuses: map[verb]string{run: `The target "default" writes out.`, plan: `The target "default" reads .`}, skip: []verb{runPlan},
			grant: []string{"--allow", "fs=."}, granted: wantFile("{project}/out/x", "x\n")},
		{name: "from a directory of the project", xbuild: "target \"default\" {\n" + inline + "  contexts = { lib = \"lib\" }\n  output = [\"out\"]\n}\n", in: "sub",
			files: map[string]string{"lib/x": "x\n", "sub/y": ""}, free: true, granted: wantFile("{project}/out/x", "x\n")},
	})
}
