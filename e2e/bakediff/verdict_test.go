package bakediff

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// peerError finds the place in a sentence such as "ERROR: docker-bake.hcl:3,49-51: Unknown variable; ...".
var peerError = regexp.MustCompile(`(?m)^ERROR: .*?([^\s:"']+):(\d+),\d+`)

// verdict says in what got differs from what the peer did, or nothing.
func verdict(peer, got result) string {
	switch {
	case got.touched != "":
		return "xbuild changed " + got.touched
	case crashed(peer):
		return "the peer crashed, so that this must be an exception:\n" + peer.stderr
	case crashed(got):
		return "xbuild crashed:\n" + got.stderr
	case peer.code == 0 && got.code != 0:
		return fmt.Sprintf("the peer accepts this, xbuild ends with %d:\n%s", got.code, got.stderr)
	case peer.code == 0 && peer.stdout != got.stdout:
		return "the output differs " + firstDifference(peer.stdout, got.stdout)
	case peer.code == 0:
		return ""
	case got.code == 0:
		return "xbuild accepts what the peer refuses:\n" + lastError(peer.stderr)
	case got.stdout != "":
		return "xbuild fails, but prints:\n" + got.stdout
	case strings.TrimSpace(got.stderr) == "":
		return "xbuild fails and does not say why; the peer says:\n" + lastError(peer.stderr)
	}
	if at := peerError.FindStringSubmatch(peer.stderr); at != nil && !names(got.stderr, at[1], at[2]) {
		return fmt.Sprintf("the peer's error is at %s:%s, which xbuild does not name:\n%s\nthe peer says:\n%s", at[1], at[2], got.stderr, lastError(peer.stderr))
	}
	return ""
}

// names says that the text speaks of this line of this file.
func names(text, file, line string) bool {
	return regexp.MustCompile(regexp.QuoteMeta(file+":"+line) + `\b`).MatchString(text)
}

func crashed(r result) bool {
	return strings.Contains(r.stderr, "panic: ") && strings.Contains(r.stderr, "\ngoroutine ")
}

// lastError is the peer's sentence without the excerpt before it.
func lastError(stderr string) string {
	if i := strings.LastIndex(stderr, "ERROR: "); i >= 0 {
		return stderr[i:]
	}
	return stderr
}

// firstDifference shows the lines around the first that is not the same.
func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	i := 0
	for i < min(len(w), len(g)) && w[i] == g[i] {
		i++
	}
	part := func(lines []string) string {
		return strings.Join(lines[max(0, min(i-4, len(lines))):min(i+5, len(lines))], "\n")
	}
	return fmt.Sprintf("in line %d. The peer:\n%s\nxbuild:\n%s", i+1, part(w), part(g))
}

// TestVerdict: the comparison sees each kind of difference, and no other.
func TestVerdict(t *testing.T) {
	ok := result{stdout: "{}\n"}
	refused := result{code: 1, stderr: "a.hcl:3\n---\nERROR: a.hcl:3,4-5: Unknown variable; no X.\n"}
	unplaced := result{code: 1, stderr: "ERROR: failed to find target x\n"}
	panicked := result{code: 2, stderr: "panic: value is null\n\ngoroutine 1 [running]:\n"}
	for _, c := range []struct {
		name      string
		peer, got result
		want      string // part of the verdict
	}{
		{"equal", ok, ok, ""},
		{"equal failures", refused, refused, ""},
		{"our way to write a place", refused, result{code: 2, stderr: "error: x\n  --> a.hcl:3:4\n"}, ""},
		{"a failure without a place", unplaced, result{code: 2, stderr: "no target x\n"}, ""},
		{"other output", ok, result{stdout: "{ }\n"}, "the output differs in line 1"},
		{"more output", ok, result{stdout: "{}\n\n"}, "the output differs in line 3"},
		{"refused by us only", ok, refused, "the peer accepts"},
		{"accepted by us only", refused, ok, "accepts what the peer refuses"},
		{"output beside a failure", unplaced, result{code: 2, stdout: "{", stderr: "x"}, "fails, but prints"},
		{"silence", unplaced, result{code: 2}, "does not say why"},
		{"another line", refused, result{code: 2, stderr: "a.hcl:31:4"}, "a.hcl:3, which"},
		{"another file", refused, result{code: 2, stderr: "b.hcl:3:4"}, "a.hcl:3, which"},
		{"a crash of the peer", panicked, refused, "must be an exception"},
		{"a crash of ours", unplaced, panicked, "xbuild crashed"},
		{"a changed folder", ok, result{stdout: "{}\n", touched: "x"}, "changed x"},
	} {
		if got := verdict(c.peer, c.got); got != c.want && (c.want == "" || !strings.Contains(got, c.want)) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
