package e2e

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// guideLists are the platform lists that the page builds for, one after the other: one foreign platform, three by
// emulation, and three that emulation alone cannot reach. Folders are what each leaves in bin; byHand is the platform for which
// the programs are compared with those of the hand-made Dockerfile, "" for none.
var guideLists = []struct {
	name, list, byHand string
	folders            []string
}{
	{"one", `"linux/arm/v7"`, "linux/arm/v7", []string{""}}, // a single platform has no folder of its own
	{"linux", `"linux/amd64", "linux/arm64", "linux/arm/v7"`, "", []string{"linux_amd64", "linux_arm64", "linux_arm_v7"}},
	{"desktop", `"darwin/arm64", "windows/amd64", "linux/amd64"`, "darwin/arm64", []string{"darwin_arm64", "linux_amd64", "windows_amd64"}},
}

// guidePage is the example with the page's lists, for its Dockerfile as it is and for the one that the page ends with: pinned
// by hand, and with the target given to each go build.
func guidePage(t *testing.T) string {
	t.Helper()
	dir := copyExample(t, "guide")
	before := read(t, filepath.Join(dir, "Dockerfile"))
	after := strings.ReplaceAll(before, "FROM golang:", "FROM --platform=$BUILDPLATFORM golang:")
	for _, stage := range []string{"build-client", "build-server"} {
		after = strings.ReplaceAll(after, "FROM base AS "+stage+"\n", "FROM base AS "+stage+"\nARG TARGETOS\nARG TARGETARCH\n")
	}
	after = strings.ReplaceAll(after, "    go build", "    GOOS=${TARGETOS} GOARCH=${TARGETARCH} go build")
	if strings.Count(after, "TARGETOS") != 4 || !strings.Contains(after, "$BUILDPLATFORM") {
		t.Fatalf("the example's Dockerfile is no more in the shape that this test edits:\n%s", after)
	}
	write(t, filepath.Join(dir, "after.Dockerfile"), after)
	var hcl strings.Builder
	for _, l := range guideLists {
		for _, file := range []string{"Dockerfile", "after.Dockerfile"} {
			name := map[string]string{"Dockerfile": "before-", "after.Dockerfile": "after-"}[file] + l.name
			fmt.Fprintf(&hcl, "target %q {\n  dockerfile = %q\n  target = \"binaries\"\n  platforms = [%s]\n  output = [%q]\n}\n", name, file, l.list, "out/"+name)
		}
	}
	write(t, filepath.Join(dir, "xbuild.hcl"), hcl.String())
	return dir
}

// TestGuidePage: for each of the page's lists, the Dockerfile as it is gives the page's folders, and the same programs as the
// one that the page rewrites by hand.
func TestGuidePage(t *testing.T) {
	dir := guidePage(t)
	w := external(t, dir)
	for _, l := range guideLists {
		t.Run(l.name, func(t *testing.T) {
			// The change is the page's own in meaning: the hand-made file has nothing left to change, and runs the same way.
			if r := w.ok(t, "plan", "--diff", "after-"+l.name); r.stdout != "" {
				t.Errorf("the hand-made Dockerfile is changed:\n%s", r.stdout)
			}
			if b, a := kindsOf(w.plan(t, "before-"+l.name)), kindsOf(w.plan(t, "after-"+l.name)); !maps.Equal(b, a) {
				t.Errorf("kinds of the stages: %v, by hand %v", b, a)
			}
			w.ok(t, "run", "before-"+l.name, "--progress", "plain")
			if l.byHand != "" {
				w.ok(t, "run", "after-"+l.name+"@"+l.byHand, "--progress", "plain")
			}
			var want []string
			for _, f := range l.folders {
				want = append(want, filepath.Join(f, "client"), filepath.Join(f, "server"))
			}
			before, after := filepath.Join(dir, "out", "before-"+l.name), filepath.Join(dir, "out", "after-"+l.name)
			if got := slices.Sorted(maps.Keys(snapshot(t, before))); !slices.Equal(got, want) {
				t.Errorf("files %v, want %v", got, want)
			}
			for _, f := range want {
				folder := filepath.Dir(f)
				if folder == "." {
					folder = "linux_arm_v7"
				}
				if got := machine(t, filepath.Join(before, f)); got != machines[folder] {
					t.Errorf("%s is %s, want %s", f, got, machines[folder])
				}
				if folder == strings.ReplaceAll(l.byHand, "/", "_") && sum(t, filepath.Join(before, f)) != sum(t, filepath.Join(after, f)) {
					t.Errorf("%s is not the same as by hand", f)
				}
			}
		})
	}
}

// kindsOf counts the instances of each stage by kind.
func kindsOf(p planJSON) map[string]int {
	out := map[string]int{}
	for _, s := range p.Stages {
		out[s.Stage+" "+s.Kind]++
	}
	return out
}
