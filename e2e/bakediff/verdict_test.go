package bakediff

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// peerError finds the place in a sentence such as "ERROR: docker-bake.hcl:3,49-51: Unknown variable; ...".
var peerError = regexp.MustCompile(`(?m)^ERROR: .*?([^\s:"']+):(\d+),\d+`)

// verdict says in what got differs from what the peer did, or nothing. files are the case's.
func verdict(peer, got result, files map[string]string) string {
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
	if at := peerError.FindStringSubmatch(peer.stderr); at != nil {
		file := at[1]
		if _, ok := files[file]; !ok { // the peer puts .hcl and .json behind the name of a file that it tried as both
			file = strings.TrimSuffix(strings.TrimSuffix(file, ".hcl"), ".json")
		}
		if !names(got.stderr, file, at[2], files[file]) && !names(got.stderr, at[1], at[2], "") {
			return fmt.Sprintf("the peer's error is at %s:%s, which xbuild does not name:\n%s\nthe peer says:\n%s", at[1], at[2], got.stderr, lastError(peer.stderr))
		}
	}
	return ""
}

// names says that an error is about this line of this file. Where that is the line on which a block begins, the peer means the
// block, and an error about any line of it is at least as exact.
func names(stderr, file, line, text string) bool {
	first, err := strconv.Atoi(line)
	if err != nil {
		return false
	}
	last := first
	if lines := strings.Split(text, "\n"); first <= len(lines) {
		if start := blockStart.FindStringSubmatch(lines[first-1]); start != nil {
			for last < len(lines) && lines[last-1] != start[1]+"}" {
				last++
			}
		}
	}
	for _, at := range regexp.MustCompile(regexp.QuoteMeta(file)+`:(\d+)\b`).FindAllStringSubmatch(stderr, -1) {
		if n, err := strconv.Atoi(at[1]); err == nil && first <= n && n <= last {
			return true
		}
	}
	return false
}

// blockStart is the first line of a block of several; its last one is a brace as far to the right.
var blockStart = regexp.MustCompile(`^(\s*)[a-z]+ .*\{$`)

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
	refusedBlock := result{code: 1, stderr: "ERROR: b.hcl:2,14-14: Invalid value; unsupported type.\n"}
	files := map[string]string{"b.hcl": "x = 1\nvariable \"A\" {\n  type = any\n  default = 1\n}\ny = 1\n"}
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
		{"a line of the block", refusedBlock, result{code: 2, stderr: "b.hcl:4:3"}, ""},
		{"a line before the block", refusedBlock, result{code: 2, stderr: "b.hcl:1:1"}, "b.hcl:2, which"},
		{"a line after the block", refusedBlock, result{code: 2, stderr: "b.hcl:6:1"}, "b.hcl:2, which"},
		{"a crash of the peer", panicked, refused, "must be an exception"},
		{"a crash of ours", unplaced, panicked, "xbuild crashed"},
		{"a changed folder", ok, result{stdout: "{}\n", touched: "x"}, "changed x"},
	} {
		if got := verdict(c.peer, c.got, files); got != c.want && (c.want == "" || !strings.Contains(got, c.want)) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
