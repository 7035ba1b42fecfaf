package bakediff

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// exception is a thing that xbuild does not do as the peer does it. The list is closed: a case that differs and is not in it fails.
type exception struct {
	// item is the number of the item in the notes on the peer's behaviour that the language was specified from; source is the
	// place in buildx's own.
	item, source string
	// what, peer and xbuild are the README's columns.
	what, peer, xbuild string
	// shows finds out that the peer still is as it is said to be. Without it the exception would outlive its cause.
	shows func(t *testing.T, c testCase, peer program) error
	// cases are by name. What xbuild does with each is in testdata/exceptions, and compared to the letter.
	cases []string
}

var exceptions = []exception{
	{
		item: "2.6", source: "bake/bake.go, Target.GetEvalContexts: iterates over a map",
		what:   "the group that a matrix of several keys makes",
		peer:   "in an order that changes between runs",
		xbuild: "the keys in the order of their names, the first one fastest",
		shows:  random, cases: []string{"random-matrix-group/1"},
	},
	{
		item: "3.3", source: "bake/bake.go, Target.AddOverrides: iterates over a map",
		what:   "overrides of one target that touch the same thing, such as `--push` with `--set T.output=...`, or with `--load`",
		peer:   "applied in an order that changes between runs; the push may get lost",
		xbuild: "applied in one order: what is set first, then `push`, then `load`",
		shows:  random, cases: []string{"random-push-and-output/1", "random-push-and-load/1"},
	},
	{
		item: "1.5", source: "bake/compose.go, ParseCompose: iterates over a map",
		what:   "`ulimits` of a compose file",
		peer:   "in an order that changes between runs",
		xbuild: "sorted by name",
		shows:  random, cases: []string{"random-ulimits/1"},
	},
	{
		item: "2.10", source: "bake/hclparser/hclparser.go, Parse: iterates over maps, and stops at the first error",
		what:   "several errors in one file",
		peer:   "one of them, which one changes between runs",
		xbuild: "all of them, in the order of their lines",
		shows:  random, cases: []string{"random-variable-errors/1", "globals-cycle/1"},
	},
	{
		item: "2.3, 5 (30)", source: "util/buildflags/*_cty.go: convert null without looking",
		what:   "null in `output`, `cache-from`, `cache-to`, `attest`, `secret` or `ssh`",
		peer:   "the program crashes",
		xbuild: "an error that names the line and the field",
		shows:  crashes, cases: []string{"null-in-output/1", "null-in-cache-from/1", "null-in-cache-to-object/1", "null-in-attest/1", "null-in-attest-object/1", "null-in-secret/1", "null-in-ssh/1"},
	},
	{
		item: "6.6", source: "bake/hclparser/hclparser.go, resolveValue: evaluates in the scope of the one who asks first",
		what:   "a top-level attribute that uses the name of a matrix key",
		peer:   "has the value of whichever target is evaluated first, in all targets",
		xbuild: "an error: at top level there is no such name",
		shows:  accepts, cases: []string{"six-06-globals-and-cells/1", "six-06-globals-and-cells/2"},
	},
	{
		item: "2.2", source: "commands/root.go and docker/cli's cli/debug: set DEBUG to 1 in the program's own environment",
		what:   "a variable called `DEBUG`, set by the environment",
		peer:   "is 1 whatever the environment says, even `false`",
		xbuild: "is what the environment says",
		shows:  accepts, cases: []string{"variables-called-debug/1"},
	},
	{
		item: "none, found by this suite", source: "bake/bake.go, setPushOverride and updateSecret: write through pointers that an heir shares with its parent",
		what:   "`--set T.push=...` and `--set T.secret.ID=...` where T inherits the output or the secret",
		peer:   "change the parent too, and its other heirs",
		xbuild: "change T and what inherits from T",
		shows:  accepts, cases: []string{"push-shared/1", "push-shared/3", "secrets-shared/1"},
	},
	{
		item: "6.19", source: "util/buildflags/cache.go, CacheOptions.Merge: appends to a list that heirs share, over its end if there is room behind it",
		what:   "a `cache-from` that several targets inherit and add to, if it has a duplicate, an empty string, or several values in one string, or comes from several blocks",
		peer:   "what one heir adds appears in the others",
		xbuild: "every target has what it and its parents say",
		shows:  accepts, cases: []string{"duplicates-leak/1", "duplicates-leak/2", "duplicates-leak/3", "duplicates-leak/4"},
	},
	{
		item: "none, found by this suite", source: "the go-cty that buildx is built with: Signum takes whole numbers only; later releases are mended",
		what:   "`signum` of a number that is not whole",
		peer:   "is refused",
		xbuild: "is its sign",
		shows:  refuses, cases: []string{"functions/signum/3"},
	},
}

func exceptionFor(name string) *exception {
	for i, e := range exceptions {
		if slices.Contains(e.cases, name) {
			return &exceptions[i]
		}
	}
	return nil
}

// check compares what xbuild does with what is written down, and asks the peer whether the exception is still needed.
func (e *exception) check(t *testing.T, c testCase, peer, xbuild program) {
	if err := e.shows(t, c, peer); err != nil {
		t.Errorf("the exception about %s is not needed: %v", e.what, err)
	}
	if self() {
		return
	}
	r := xbuild.run(t, layOut(t, c), c)
	if r.touched != "" {
		t.Error("xbuild changed " + r.touched)
	}
	got := fmt.Sprintf("exit code %d\n-- stdout --\n%s-- stderr --\n%s", r.code, r.stdout, r.stderr)
	path := goldenPath(c)
	if update() {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; XBUILD_UPDATE=1 writes it", err)
	}
	if got != string(want) {
		t.Errorf("xbuild does not do what %s says:\n%s", path, firstDifference(string(want), got))
	}
}

func goldenPath(c testCase) string {
	return filepath.Join("testdata", "exceptions", strings.ReplaceAll(c.name, "/", "-")+".txt")
}

// refuses runs the peer once, which must fail in an orderly way.
func refuses(t *testing.T, c testCase, peer program) error {
	if r := peer.run(t, layOut(t, c), c); r.code == 0 || lastError(r.stderr) == "" {
		return fmt.Errorf("the peer ends with %d", r.code)
	}
	return nil
}

// random runs the peer until it does something else than the first time.
func random(t *testing.T, c testCase, peer program) error {
	const most = 400 // a difference of one run in 20 is missed once in 10^9 times
	dir := layOut(t, c)
	first := peer.run(t, dir, c)
	for range most {
		if r := peer.run(t, dir, c); r.code != first.code || r.stdout != first.stdout || lastError(r.stderr) != lastError(first.stderr) {
			return nil
		}
	}
	return fmt.Errorf("the peer does the same in %d runs", most)
}

func crashes(t *testing.T, c testCase, peer program) error {
	if r := peer.run(t, layOut(t, c), c); !crashed(r) {
		return fmt.Errorf("the peer ends with %d: %s", r.code, lastError(r.stderr))
	}
	return nil
}

// accepts is for what xbuild refuses, or prints in another way.
func accepts(t *testing.T, c testCase, peer program) error {
	r := peer.run(t, layOut(t, c), c)
	if r.code != 0 {
		return fmt.Errorf("the peer refuses it: %s", lastError(r.stderr))
	}
	if want, err := os.ReadFile(goldenPath(c)); err == nil && strings.Contains(string(want), "-- stdout --\n"+r.stdout+"-- stderr --") {
		return fmt.Errorf("the peer prints the same")
	}
	return nil
}
