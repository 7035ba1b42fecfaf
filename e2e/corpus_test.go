package e2e

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/xbuild/xbuild/e2e/parts"
)

// corpusCase is a Dockerfile that must not be cross-compiled and its smallest sound twin; see the texts of the cases.
type corpusCase struct {
	name, code string
	// builds says that the base images can be made here; want and twinWant are then what the programs print, with ARCH
	// and MACHINE for Go's and the kernel's name of the architecture.
	builds         bool
	want, twinWant string
}

func (c corpusCase) target(kind string) string { return kind + "-" + c.name }

// representative are cases of each kind. The first is crossed on the evidence of its result, the second is emulated. An emulated compile
// takes nearly a minute of a processor, so these two are built, in a soak all that say what their program prints, or as many of these
// ten as -n says.
var representative = []string{"20-go-install", "10-foreign-file", "48-output-folder",
	"01-cgo-enabled", "06-runs-product", "15-arch-probe", "19-go-generate", "22-script", "27-target-already-set", "40-branch"}

// layOut writes every case to a folder and one build file with three targets for each: the Dockerfile as it must be
// built, by emulation, and the twin both ways.
func layOut(t *testing.T) (dir string, cases []corpusCase) {
	t.Helper()
	files, err := filepath.Glob("../plan/dockerfile/testdata/cross/*.txtar")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d cases, want at least 20 (%v)", len(files), err)
	}
	dir = t.TempDir()
	var hcl strings.Builder
	groups := map[string][]string{}
	const all = 1000
	count := parts.Volume(2, all)
	some := representative[:min(count, len(representative))]
	for _, f := range files {
		ar, err := txtar.ParseFile(f)
		if err != nil {
			t.Fatal(err)
		}
		c := corpusCase{name: strings.TrimSuffix(filepath.Base(f), ".txtar")}
		for _, f := range ar.Files {
			text := strings.TrimSpace(string(f.Data))
			switch f.Name {
			case "code":
				c.code = text
			case "expect":
				c.builds, c.want = count == all || slices.Contains(some, c.name), text
			case "twin-expect":
				c.twinWant = text
			default:
				write(t, filepath.Join(dir, c.name, f.Name), string(f.Data))
			}
		}
		if c.twinWant == "" {
			c.twinWant = c.want
		}
		write(t, filepath.Join(dir, c.name, ".dockerignore"), "Dockerfile\ntwin\nout\n.dockerignore\n")
		for _, k := range []struct{ kind, file, strategy string }{
			{"wrong", "Dockerfile", "emulate"},
			{"checked", "Dockerfile", "auto"}, // of those that are crossed on the evidence of their result
			{"auto", "twin", "auto"},
			{"emulated", "twin", "emulate"},
		} {
			fmt.Fprintf(&hcl, "target %q {\n  context = %q\n  dockerfile = %q\n  platforms = [\"linux/amd64\", \"linux/arm64\"]\n  strategy = %q\n  output = [%q]\n}\n",
				c.target(k.kind), c.name, k.file, k.strategy, filepath.Join(c.name, "out", k.kind))
			groups["all-"+k.kind] = append(groups["all-"+k.kind], c.target(k.kind))
			if c.builds {
				groups["build-"+k.kind] = append(groups["build-"+k.kind], c.target(k.kind))
			}
		}
		cases = append(cases, c)
	}
	for name, targets := range groups {
		fmt.Fprintf(&hcl, "group %q { targets = [\"%s\"] }\n", name, strings.Join(targets, `", "`))
	}
	write(t, filepath.Join(dir, "xbuild.hcl"), hcl.String())
	return dir, cases
}

// TestCorpus: what is refused is built by emulation and works; the twin is cross-compiled, to the same bits.
func TestCorpus(t *testing.T) {
	bed(t)
	dir, cases := layOut(t)
	w := external(t, dir)
	checked := checkRefused(t, w, cases)
	checkAccepted(t, w, cases)
	built := slices.DeleteFunc(slices.Clone(cases), func(c corpusCase) bool { return !c.builds })
	if len(built) < min(parts.Volume(2, 10), len(representative)) {
		t.Errorf("only %d cases are built", len(built))
	}
	// Go keys its build cache by the toolchain's version, not by the machine that it runs on. With one cache between them
	// the emulated builds would take over what the cross builds compiled, and prove nothing.
	worlds := map[string]*world{"wrong": w, "emulated": w, "auto": fresh(t, dir)}
	for _, kind := range []string{"wrong", "emulated", "auto"} {
		args := []string{"run", "build-" + kind, "-j", "2", "--progress", "plain"}
		if kind == "wrong" { // some are wrong on amd64 today
			args = append(args, "--platform", "linux/arm64")
		}
		r := worlds[kind].ok(t, args...)
		t.Logf("%s: %d cases in %.0fs", kind, len(built), r.wall.Seconds())
	}
	// What a wrapper of the go command gave its target is the same as by emulation, too.
	var names []string
	for _, c := range built {
		if checked[c.target("wrong")] {
			names = append(names, c.target("checked"))
		}
	}
	if len(names) == 0 {
		t.Error("no case is crossed on the evidence of its result")
	}
	r := worlds["auto"].ok(t, append([]string{"run", "--progress", "plain", "--platform", "linux/arm64"}, names...)...)
	t.Logf("checked: %d cases in %.0fs", len(names), r.wall.Seconds())
	for _, c := range built {
		if checked[c.target("wrong")] {
			says(t, filepath.Join(dir, c.name, "out", "checked", "linux_arm64", "app"), c.want, "arm64")
			if sum(t, filepath.Join(dir, c.name, "out", "checked", "linux_arm64", "app")) != sum(t, filepath.Join(dir, c.name, "out", "wrong", "linux_arm64", "app")) {
				t.Errorf("%s: the program differs between auto and emulate", c.name)
			}
		}
	}
	for _, c := range built {
		t.Run(c.name, func(t *testing.T) {
			out := filepath.Join(dir, c.name, "out")
			says(t, filepath.Join(out, "wrong", "linux_arm64", "app"), c.want, "arm64")
			for _, arch := range []string{"amd64", "arm64"} {
				auto, emulated := filepath.Join(out, "auto", "linux_"+arch), filepath.Join(out, "emulated", "linux_"+arch)
				says(t, filepath.Join(auto, "app"), c.twinWant, arch)
				hashes := func(dir string) map[string]string {
					m := map[string]string{}
					for name := range snapshot(t, dir) {
						m[name] = sum(t, filepath.Join(dir, name))
					}
					return m
				}
				if d := diffSnapshots(hashes(auto), hashes(emulated)); d != "" {
					t.Errorf("the twin's results by auto and by emulate differ for %s: %s", arch, d)
				}
			}
		})
	}
}

// checkRefused: under auto each Dockerfile is emulated, for the reason that its case gives, or crossed only on the evidence
// of its result. It tells which targets are.
func checkRefused(t *testing.T, w *world, cases []corpusCase) (checked map[string]bool) {
	t.Helper()
	p := w.plan(t, "all-wrong", "--strategy", "auto")
	codes := map[string][]string{}
	checked = map[string]bool{}
	for _, s := range p.Stages {
		for _, u := range s.For {
			if s.Kind == "cross" && s.Evidence != "checked" {
				t.Errorf("%s: stage %s is cross", u.Target, s.Stage)
			}
			checked[u.Target] = checked[u.Target] || s.Kind == "cross"
			for _, a := range s.Tried {
				codes[u.Target] = append(codes[u.Target], a.Code)
			}
		}
	}
	for _, c := range cases {
		if checked[c.target("wrong")] {
			continue
		}
		if got := codes[c.target("wrong")]; !slices.Contains(got, c.code) {
			t.Errorf("%s: refused for %q, want %q", c.name, got, c.code)
		}
	}
	return checked
}

// checkAccepted: under auto each twin is cross-compiled, and only what is shipped may still be emulated.
func checkAccepted(t *testing.T, w *world, cases []corpusCase) {
	t.Helper()
	p := w.plan(t, "all-auto")
	crossed := map[string]bool{}
	for _, s := range p.Stages {
		for _, u := range s.For {
			crossed[u.Target] = crossed[u.Target] || s.Kind == "cross"
			if s.Kind == "emulated" && s.Code != "final-run" {
				t.Errorf("%s: stage %s is emulated: %s", u.Target, s.Stage, s.Code)
			}
		}
	}
	for _, c := range cases {
		if !crossed[c.target("auto")] {
			t.Errorf("%s: the twin is not cross-compiled", c.name)
		}
	}
}

// says runs a program, under QEMU where it must be, and compares what it prints.
func says(t *testing.T, program, want, arch string) {
	t.Helper()
	want = strings.NewReplacer("ARCH", arch, "MACHINE", map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[arch]).Replace(want)
	out, err := exec.CommandContext(t.Context(), program).CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != want {
		t.Errorf("%s prints %q, %v; want %q", program, out, err, want)
	}
}
