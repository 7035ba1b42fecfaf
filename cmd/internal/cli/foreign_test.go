package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// evil is text that gives orders to every terminal and CI service that there is. It names itself, so that a test can see that it
// was shown.
const evil = "EVIL\x1b]0;t\a\x1b[2J\x1b[35;1m\r\u009b31m\u202e\x7f##[error]x ##vso[task.x]y section_start:1:x\r\x1b[0K\n::error::EVIL\n\u00a0::set-env name=x::EVIL"

// quoted is evil in a string of HCL, of JSON, and of a Dockerfile or file name, which end at a line end.
var (
	quoted = strings.NewReplacer("\x1b", `\u001b`, "\a", `\u0007`, "\r", `\r`, "\n", `\n`, "\u009b", `\u009b`, "\u202e", `\u202e`, "\x7f", `\u007f`).Replace(evil)
	inLine = strings.NewReplacer("\n", " ", "\r", "\x1b[3J").Replace(evil)
)

// foreignCase is a project with evil text in a place, and commands that show it.
type foreignCase struct {
	name  string
	files map[string]string // %Q stands for evil in quotes, %L for it in a line
	args  []string          // commands, with their arguments
}

func foreignCases() []foreignCase {
	const dockerfile = "FROM alpine\nRUN true\n"
	looks := []string{"print", "list", "list --format json", "list variables", "validate", "validate --format json", "validate --format github",
		"plan --offline", "plan --offline --format json", "plan --offline --diff", "graph --offline", "graph --offline --format mermaid", "graph --offline --format dot",
		"graph --offline --format svg", "run --list targets", "run --list variables", "__complete run ", "__complete run --var ", "fmt --diff", "run", "run --progress github",
		"run --progress gitlab", "run --progress json", "run --progress rawjson", "run --progress plain"}
	one := func(name, hcl string) foreignCase {
		return foreignCase{name, map[string]string{"xbuild.hcl": hcl, "Dockerfile": dockerfile}, looks}
	}
	bake := func(name, hcl string) foreignCase {
		return foreignCase{"bake " + name, map[string]string{"docker-bake.hcl": hcl, "Dockerfile": dockerfile}, looks}
	}
	var out []foreignCase
	for _, c := range []struct{ name, hcl string }{
		{"description of a target", `target "default" { description = "%Q" }`},
		{"description of a group", "group \"g\" {\n  targets = [\"default\"]\n  description = \"%Q\"\n}\ntarget \"default\" {}"},
		{"description of a variable", "variable \"V\" {\n default = \"%Q\"\n description = \"%Q\"\n}\ntarget \"default\" {}"},
		{"error message", "variable \"V\" {\n default = \"x\"\n validation {\n condition = V == \"y\"\n error_message = \"%Q\"\n }\n}\ntarget \"default\" { args = { V = V } }"},
		{"name of a target", `target "%Q" {}`},
		{"name of a group", "group \"%Q\" { targets = [\"default\"] }\ntarget \"default\" {}"},
		{"member of a group", "group \"default\" { targets = [\"%Q\"] }\ntarget \"a\" {}"},
		{"name of an attribute", "target \"default\" {\n  # %L\n  EVIL = 1 # %L\n}"},
		{"name of a block", "EVIL \"x\" { # %L\n}\ntarget \"default\" {}"},
		{"line of a build file", "target \"default\" {\n  tags = [1 +] # %L\n}"},
		{"platform", `target "default" { platforms = ["linux/%Q"] }`},
		{"platforms", `target "default" { platforms = ["%Q"] }`},
		{"tag", `target "default" { tags = ["%Q"] }`},
		{"stage", `target "default" { target = "%Q" }`},
		{"Dockerfile's name", `target "default" { dockerfile = "%Q" }`},
		{"context", `target "default" { context = "%Q" }`},
		{"named context", "target \"default\" {\n contexts = { a = \"docker-image://%Q\", b = \"target:%Q\", \"%Q\" = \"%Q\" }\n}"},
		{"argument", `target "default" { args = { "%Q" = "%Q" } }`},
		{"label", `target "default" { labels = { "%Q" = "%Q" } }`},
		{"output", `target "default" { output = ["type=%Q,dest=%Q"] }`},
		{"destination", `target "default" { output = ["type=local,dest=%Q"] }`},
		{"cache", `target "default" { cache-from = ["type=%Q,%Q=%Q"] }`},
		{"secret", `target "default" { secret = ["id=%Q,src=%Q"] }`},
		{"network", `target "default" { network = "%Q" }`},
		{"inline Dockerfile", `target "default" { dockerfile-inline = "FROM alpine\nRUN %Q\n"  }`},
		{"unknown instruction", `target "default" { dockerfile-inline = "FROM %Q\nEVIL %Q\n"  }`},
		{"inherits", `target "default" { inherits = ["%Q"] }`},
		{"function", `target "default" { args = { V = EVIL("%Q") } }`},
		{"strategy", "target \"default\" {\n strategy = \"%Q\"\n}"},
		{"entitlement", `target "default" { entitlements = ["%Q"] }`},
		{"failing function", `target "default" { args = { V = jsondecode("%Q") } }`},
	} {
		out = append(out, one(c.name, c.hcl), bake(c.name, c.hcl))
	}
	return append(out,
		foreignCase{"line of a Dockerfile", map[string]string{"xbuild.hcl": `target "default" { platforms = ["linux/amd64", "linux/arm64"] }`,
			"Dockerfile": "FROM golang AS build\nRUN go build -o /EVIL %L\n# %L\nFROM alpine\nRUN %L\nCOPY --from=build /EVIL /%L\n"}, looks},
		foreignCase{"mistake in a Dockerfile", map[string]string{"xbuild.hcl": `target "default" {}`, "Dockerfile": "FROM alpine\nEVIL %L\n"}, looks},
		foreignCase{"syntax of a Dockerfile", map[string]string{"xbuild.hcl": `target "default" {}`, "Dockerfile": "# syntax=%L\nFROM %L\n"}, looks},
		foreignCase{"name of a build file", map[string]string{"%L.hcl": `target "default" { tags = [`}, []string{"validate -f %L.hcl", "print -f %L.hcl", "fmt --check %L.hcl"}},
		foreignCase{"compose file", map[string]string{"compose.yaml": "services:\n  a:\n    build:\n      context: \"%Q\"\n      EVIL: \"%Q\"\n", "Dockerfile": dockerfile}, looks},
		foreignCase{"JSON build file", map[string]string{"docker-bake.json": `{"target": {"default": {"tags": ["%Q"], "EVIL %Q": "%Q"}}}`, "Dockerfile": dockerfile}, looks},
		foreignCase{"command line", map[string]string{"xbuild.hcl": `target "default" {}`, "Dockerfile": dockerfile},
			[]string{"print %Q", "plan --offline %Q", "print --set %Q", "print --set *.%Q=%Q", "print --var %Q", "run --progress %Q", "run --strategy %Q", "%Q", "run --%Q", "plan --offline --platform %Q", "validate -f %Q"}},
		foreignCase{"log of the daemon", map[string]string{"state/daemon.log": evil + "\n", "xbuild.hcl": ""}, []string{"daemon logs", "daemon status"}},
	)
}

var ownCommand = regexp.MustCompile(`(?m)^::(error|warning|notice) .*$`)

// TestForeignText shows evil text from every place by every command. No byte of it reaches a terminal, and no line of it a CI
// service, as anything but text.
func TestForeignText(t *testing.T) {
	shown := map[string]bool{}
	for _, c := range foreignCases() {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range c.files {
				writeForeign(t, filepath.Join(dir, fill(name)), fill(text))
			}
			t.Chdir(dir)
			t.Setenv("XBUILD_STATE_DIR", filepath.Join(dir, "state"))
			for _, line := range c.args {
				var args []string
				for _, w := range strings.Split(line, " ") {
					args = append(args, fill(strings.ReplaceAll(w, "%Q", "%L")))
				}
				out, err := runForeign(t, args)
				for name, text := range map[string]string{"stdout": out, "stderr": err} {
					if strings.Contains(text, "EVIL") {
						shown[c.name] = true
					}
					if why := order(text); why != "" {
						t.Errorf("xbuild %s: %s on %s: %q", line, why, name, text)
					}
				}
			}
			if !shown[c.name] {
				t.Errorf("no command shows the text; the case proves nothing")
			}
		})
	}
}

func fill(s string) string {
	return strings.NewReplacer("%Q", quoted, "%L", inLine).Replace(s)
}

func writeForeign(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// runForeign runs one command where no BuildKit can be reached.
func runForeign(t *testing.T, args []string) (stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	env := map[string]string{"BUILDKIT_HOST": "unix:///nowhere/buildkitd.sock", "XBUILD_STATE_DIR": os.Getenv("XBUILD_STATE_DIR")}
	a := newApp(&out, &errs, func(k string) string { return env[k] })
	root := a.root()
	root.SetArgs(args)
	if code := a.exit(root.ExecuteContext(context.Background())); code < 0 {
		t.Fatal(code)
	}
	return out.String(), errs.String()
}

// order is what a terminal or a CI service would take for an order, or empty.
func order(text string) string {
	if !utf8.ValidString(text) {
		return "no UTF-8"
	}
	rest := ownCommand.ReplaceAllString(text, "")
	for _, r := range rest {
		if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e {
			return fmt.Sprintf("the control %U", r)
		}
	}
	for _, s := range []string{"##[", "##vso[", "section_start:"} {
		if strings.Contains(rest, s) {
			return s
		}
	}
	for l := range strings.Lines(rest) {
		if strings.HasPrefix(strings.TrimSpace(l), "::") {
			return "a line that begins with ::"
		}
	}
	return ""
}
