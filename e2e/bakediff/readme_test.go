package bakediff

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// The README's section stands between these lines.
const (
	sectionBegin = "<!-- written by the tests in e2e/bakediff -->\n"
	sectionEnd   = "<!-- end of what e2e/bakediff writes -->\n"
)

// section says how far `xbuild print` agrees with the peer.
func section(cases int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "`xbuild print` writes byte for byte what `buildx bake --print` (v0.38.2) writes, and refuses what it refuses, at the same line. `e2e/bakediff`\n"+
		"compares the two over more than %d cases: every attribute in every form, inherited, merged and overridden; every\nfunction; variables, matrices, references, compose files. The exceptions:\n\n", cases/100*100)
	b.WriteString("| what | bake | xbuild |\n|---|---|---|\n")
	for _, e := range exceptions {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", e.what, e.peer, e.xbuild)
	}
	return b.String()
}

// TestReadme: the README's section is what the list of exceptions says.
func TestReadme(t *testing.T) {
	const path = "../../README.md"
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(data), sectionBegin)
	old, after, ok2 := strings.Cut(rest, sectionEnd)
	if !ok || !ok2 {
		t.Fatalf("%s lacks the lines %q and %q", path, sectionBegin, sectionEnd)
	}
	want := section(len(all(t)))
	if old == want {
		return
	}
	if !update() {
		t.Fatalf("%s is not current; XBUILD_UPDATE=1 rewrites it. It must say:\n%s", path, want)
	}
	if err := os.WriteFile(path, []byte(before+sectionBegin+want+sectionEnd+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
