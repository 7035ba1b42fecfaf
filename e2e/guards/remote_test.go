package guards

import (
	"os"
	"strings"
	"testing"
)

// TestRemoteDefinitions: a build file from elsewhere reads its source, and of this machine only what Bake has for it, within
// the working directory or as granted.
func TestRemoteDefinitions(t *testing.T) {
	remote := []place{git, http}
	here := func(_ *testing.T, s *site) {
		s.write("{project}/private", canary+"\n")
		s.write("{project}/.env", "TAG="+canary+"\n")
		s.write("{project}/more.hcl", "variable \"MORE\" { default = \""+canary+"\" }\n")
	}
	target := func(arg string) string {
		return "target \"default\" {\n" + empty + "  args = { A = " + arg + " }\n  output = [\"out\"]\n}\n"
	}
	evaluated := func(text string) map[verb]string {
		return map[verb]string{run: text, plan: text, print: text, validate: text}
	}
	included := func(text string) map[verb]string {
		m := evaluated(text)
		m[list] = text
		return m
	}
	const not = "must not read files of it"
	x := map[string]string{"x": "x\n"}
	check(t, []guard{
		// A path of a repository means the repository, also an absolute one and one that climbs.
		{name: "file", xbuild: target(`file("private")`), places: []place{git}, setup: here, fails: evaluated("there is no file private in")},
		{name: "file, absolute", xbuild: target(`file("{outside}/secret")`), places: []place{git}, setup: here, fails: evaluated("there is no file")},
		{name: "file, above", xbuild: target(`file("../../../../../../../{outside}/secret")`), places: []place{git}, setup: here, fails: evaluated("there is no file")},
		{name: "fileexists", xbuild: target(`fileexists("private") ? file("{outside}/secret") : "none"`), places: []place{git}, setup: here, free: true},
		{name: "include", xbuild: "include = [\"more.hcl\"]\n" + target("MORE"), places: []place{git}, setup: here, fails: included("there is no file more.hcl in")},
		{name: "include, absolute", xbuild: "include = [\"{outside}/secret\"]\n" + target(`"a"`), places: []place{git}, fails: included("there is no file")},
		{name: "include by a pattern", xbuild: "include = [\"{outside}/*\"]\n" + target(`"a"`), places: []place{git}, fails: included("name the files one by one")},
		// A file by itself has no others.
		{name: "file of a file", xbuild: target(`file("private")`), places: []place{http}, setup: here, fails: evaluated(not)},
		{name: "fileexists of a file", xbuild: target(`fileexists("private") ? "there" : "none"`), places: []place{http}, setup: here, fails: evaluated(not)},
		{name: "include of a file", xbuild: "include = [\"more.hcl\"]\n" + target("MORE"), places: []place{http}, setup: here, fails: included(not)},
		{name: "pattern of a file", xbuild: "include = [\"*.hcl\"]\n" + target("MORE"), places: []place{http}, setup: here, fails: included(not)},
		{name: "git", xbuild: target(`git.commit`), places: remote, fails: evaluated("there is no git repository")},
		// Contexts and Dockerfiles.
		{name: "context, absolute", xbuild: "target \"default\" {\n" + inline + "  contexts = { lib = \"{outside}\" }\n  output = [\"type=cacheonly\"]\n}\n",
			places: []place{git}, outside: x, fails: map[verb]string{run: "no such file or directory"}},
		both(guard{name: "context here", places: remote, outside: x, refuses: refusedBy(`The target "default" reads ../outside.`),
			grant: []string{"--allow", "fs.read=../outside"}, granted: wantFile("{project}/out/x", "x\n")},
			inline+"  contexts = { lib = \"cwd://../outside\" }\n  output = [\"out\"]\n"),
		both(guard{name: "context here, switched off", places: remote, outside: x, refuses: refusedBy("reads ../outside"), grantEnv: []string{"BAKE_ALLOW_REMOTE_FS_ACCESS=1"}},
			inline+"  contexts = { lib = \"cwd://../outside\" }\n  output = [\"out\"]\n"),
		both(guard{name: "context in the working directory", places: remote, free: true, setup: func(_ *testing.T, s *site) { s.write("{project}/lib/x", "x\n") },
			granted: wantFile("{project}/out/x", "x\n")},
			inline+"  contexts = { lib = \"cwd://lib\" }\n  output = [\"out\"]\n"),
		both(guard{name: "output", places: remote, refuses: refusedBy(`The target "default" writes ../outside/new.`),
			grant: []string{"--allow", "fs.write=../outside"}, granted: wantFile("{outside}/new/x", "x\n")},
			empty+"  output = [\"{outside}/new\"]\n"),
		both(guard{name: "secret", places: remote, refuses: refusedBy(`The target "default" reads ../outside/secret.`), grant: []string{"--allow", "fs.read=../outside"}},
			empty+"  secret = [\"id=s,src={outside}/secret\"]\n  output = [\"out\"]\n"),
		both(guard{name: "SSH agent", places: remote, refuses: refusedBy(`The target "default" uses the SSH agent.`), setup: agent, env: []string{"SSH_AUTH_SOCK={outside}/agent"},
			grant: []string{"--allow", "ssh"}},
			empty+"  ssh = [\"default\"]\n  output = [\"out\"]\n"),
	})
}

// TestRemoteCompose: neither .env nor another file of this machine gets into a compose file from elsewhere.
func TestRemoteCompose(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		".env":     {"services:\n  app:\n    image: i:${TAG:-none}\n    build: {dockerfile_inline: FROM scratch}\n", ""},
		"env_file": {"services:\n  app:\n    image: i\n    env_file: more.env\n    build: {dockerfile_inline: FROM scratch, args: [TAG]}\n", "must not read files of it"},
		"extends":  {"services:\n  app:\n    extends: {file: more.yaml, service: app}\n    build: {dockerfile_inline: FROM scratch}\n", "must not read files of it"},
		"include":  {"include: [more.yaml]\nservices:\n  b:\n    build: {dockerfile_inline: FROM scratch}\n", "must not read files of it"},
	} {
		for _, p := range []place{git, http} {
			t.Run(name+"/"+string(p), func(t *testing.T) {
				g := guard{name: name, args: []string{"app"}}
				s := newSite(t, &g, "compose.yaml", c.text, p)
				for _, f := range []string{".env", "more.env"} {
					s.write("{project}/"+f, "TAG="+canary+"\n")
				}
				s.write("{project}/more.yaml", "services:\n  app:\n    image: i:"+canary+"\n    build: .\n")
				r := s.verb(print, nil, nil)
				if strings.Contains(r.stdout+r.stderr, canary) {
					t.Errorf("a file of this machine was read:\n%s%s", r.stdout, r.stderr)
				}
				if c.want != "" {
					r.wantRefusal(t, c.want)
				} else if r.code != 0 {
					t.Errorf("exit code %d\n%s", r.code, r.stderr)
				}
			})
		}
	}
}

// TestRemoteReadsItself: what a build file of a repository names is there.
func TestRemoteReadsItself(t *testing.T) {
	check(t, []guard{{name: "repository", places: []place{git}, free: true,
		xbuild: "include = [\"/parts/more.hcl\"]\ntarget \"default\" {\n  context = \"/app\"\n  args = { A = file(\"/parts/../parts/text\"), B = fileexists(\"none\") ? \"there\" : \"none\", C = MORE }\n  output = [\"out\"]\n}\n",
		files: map[string]string{"parts/more.hcl": "variable \"MORE\" { default = file(\"text\") }\n", "parts/text": "text",
			"app/Dockerfile": "FROM scratch\nARG A B C\nCOPY <<EOF /x\n$A $B $C\nEOF\n"},
		granted: func(t *testing.T, s *site) {
			if got, err := os.ReadFile(s.expand("{project}/out/x")); string(got) != "text none text\n" {
				t.Errorf("x is %q, %v", got, err)
			}
		}}})
}
