package e2e

import (
	"os/exec"
	"strings"
	"testing"
)

const fine = `target "default" {
  platforms = ["linux/amd64", "linux/arm64"]
  output    = ["out"]
}
`

// TestErrors: each mistake is one clear error with its place and its exit code, and nothing is written.
func TestErrors(t *testing.T) {
	for _, tc := range []struct {
		name       string
		files      map[string]string
		args       []string
		env        []string
		code       int
		want       []string // in stderr
		unrendered bool     // a sentence, not a diagnostic with a place
	}{
		{name: "syntax", files: map[string]string{"xbuild.hcl": "target \"default\" {\n  output = [\"out\"\n}\n"}, code: 2, want: []string{"xbuild.hcl:"}},
		{name: "unknown attribute", files: map[string]string{"xbuild.hcl": "target \"default\" {\n  outputs = [\"out\"]\n}\n"}, code: 2,
			want: []string{"xbuild.hcl:2:3", `outputs = ["out"]`, "output"}},
		{name: "unknown target", files: map[string]string{"xbuild.hcl": fine}, args: []string{"binarys"}, code: 2, want: []string{"binarys"}},
		{name: "unknown platform", files: map[string]string{"xbuild.hcl": strings.Replace(fine, "linux/arm64", "linux/arm46", 1)}, code: 2,
			want: []string{"xbuild.hcl:2:", "linux/arm46"}},
		{name: "no build file", code: 2, want: []string{"xbuild.hcl"}, unrendered: true},
		{name: "no Dockerfile", files: map[string]string{"xbuild.hcl": fine}, code: 2, want: []string{"Dockerfile", "xbuild.hcl:1"}},
		{name: "bad Dockerfile", files: map[string]string{"xbuild.hcl": fine, "Dockerfile": "FROM scratch\nCOPPY a /\n"}, code: 2, want: []string{"Dockerfile:2", "COPPY"}},
		{name: "unknown stage", files: map[string]string{"xbuild.hcl": strings.Replace(fine, "output", "target = \"finl\"\n  output", 1),
			"Dockerfile": "FROM scratch AS final\nCOPY xbuild.hcl /\n"}, code: 2, want: []string{"finl", "final", "xbuild.hcl:3"}},
		{name: "base without the platform", files: map[string]string{"xbuild.hcl": strings.Replace(fine, "linux/arm64", "linux/s390x", 1),
			"Dockerfile": "FROM alpine:3.22\nCOPY xbuild.hcl /\n"}, code: 2, want: []string{"Dockerfile:1", "linux/s390x", "linux/arm/v7"}},
		{name: "unreachable daemon", files: map[string]string{"xbuild.hcl": fine, "Dockerfile": "FROM scratch\nCOPY xbuild.hcl /\n"},
			env: []string{"BUILDKIT_HOST=unix:///nonexistent/bk.sock"}, code: 4, want: []string{"/nonexistent/bk.sock"}, unrendered: true},
		{name: "missing file", files: map[string]string{"xbuild.hcl": fine, "Dockerfile": "FROM scratch\nCOPY nothing.txt /\n"}, code: 1, want: []string{"Dockerfile:2", "nothing.txt"}},
		{name: "unknown flag", files: map[string]string{"xbuild.hcl": fine}, args: []string{"--platfrom", "linux/amd64"}, code: 2, want: []string{"platfrom"}, unrendered: true},
		{name: "undeclared platform", files: map[string]string{"xbuild.hcl": fine, "Dockerfile": "FROM scratch\nCOPY xbuild.hcl /\n"},
			args: []string{"--platform", "darwin/arm64"}, code: 2, want: []string{"darwin/arm64"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := project(t, tc.files)
			w := external(t, dir)
			w.env = append(w.env, tc.env...)
			before := snapshot(t, dir)
			r := w.code(t, tc.code, append([]string{"run"}, tc.args...)...)
			for _, s := range tc.want {
				if !strings.Contains(r.stderr, s) {
					t.Errorf("the error does not have %q:\n%s", s, r.stderr)
				}
			}
			if n := strings.Count(r.stderr, "error: "); !tc.unrendered && n != 1 || tc.unrendered && !strings.HasPrefix(r.stderr, "xbuild: ") {
				t.Errorf("not one clear error:\n%s", r.stderr)
			}
			if r.stdout != "" {
				t.Errorf("a failed run prints results: %q", r.stdout)
			}
			if d := diffSnapshots(before, snapshot(t, dir)); d != "" {
				t.Errorf("a failed run wrote %s", d)
			}
		})
	}
}

// TestSharedFailure: a stage that four builds share fails once, and the one error names all that it stopped.
func TestSharedFailure(t *testing.T) {
	dir := project(t, map[string]string{
		"Dockerfile": `FROM --platform=$BUILDPLATFORM alpine:3.22 AS base
RUN echo the cause is here && exit 7
FROM base AS each
ARG TARGETARCH
RUN echo $TARGETARCH > /arch
FROM scratch
COPY --from=each /arch /
`,
		"xbuild.hcl": `group "default" { targets = ["one", "two"] }
target "one" {
  platforms = ["linux/amd64", "linux/arm64"]
  output    = ["out/one"]
}
target "two" {
  inherits = ["one"]
  output   = ["out/two"]
}
`})
	w := external(t, dir)
	r := w.code(t, 1, "run")
	if n := strings.Count(r.stderr, "error: "); n != 1 {
		t.Errorf("%d errors for one cause:\n%s", n, r.stderr)
	}
	for _, s := range []string{"exit code 7", "Dockerfile:2", "one on linux/amd64, linux/arm64", "two on linux/amd64, linux/arm64", "the cause is here", "xbuild.hcl:2"} {
		if !strings.Contains(r.stderr, s) {
			t.Errorf("the error does not have %q:\n%s", s, r.stderr)
		}
	}
	if d := diffNames(map[string]string{"Dockerfile": "", "xbuild.hcl": ""}, snapshot(t, dir)); d != "" {
		t.Errorf("a failed run wrote %s", d)
	}
}

// TestNoRuntime: without runc the BuildKit inside xbuild cannot run a step, and the error says what to install.
func TestNoRuntime(t *testing.T) {
	dir := project(t, map[string]string{"xbuild.hcl": fine, "Dockerfile": "FROM scratch\nCOPY xbuild.hcl /\n"})
	w := embedded(t, dir)
	runc, err := exec.LookPath("runc")
	if err != nil {
		t.Fatal(err)
	}
	cmd := w.command(t.Context(), "run")
	// What cannot be executed is not found. Only this process and what it starts see it like that.
	hide := exec.CommandContext(t.Context(), "unshare", append([]string{"-m", "sh", "-c", `mount --bind /dev/null "$0" && exec "$@"`, runc}, cmd.Args...)...)
	hide.Dir, hide.Env = cmd.Dir, cmd.Env
	out, err := hide.CombinedOutput()
	if hide.ProcessState == nil || hide.ProcessState.ExitCode() != 4 || !strings.Contains(string(out), "apt-get install -y runc") {
		t.Errorf("without runc: %v, want exit code 4 and what to install:\n%s", err, out)
	}
}
