package bakediff

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/xbuild/xbuild/e2e/parts"
)

// generatedCases are build files of many targets in which the forms of the table meet each other, as no person would write them:
// attributes, parents, blocks of one name and overrides at random. A seed always gives the same file.
func generatedCases(*testing.T) []testCase {
	files := uint64(parts.Volume(120, 2000))
	var out []testCase
	for seed := range files {
		g := generator{rand.New(rand.NewPCG(seed, 1))}
		out = append(out, g.file(fmt.Sprintf("generated/%d", seed)))
	}
	return out
}

type generator struct{ *rand.Rand }

func pick[T any](g generator, list []T) T { return list[g.IntN(len(list))] }

func (g generator) file(name string) testCase {
	c := testCase{name: name, files: map[string]string{"f": "x", "file": "x"}, env: []string{"FROMENV=from the environment"}}
	var names []string
	var blocks, more []string
	for i := range 8 + g.IntN(16) {
		target := fmt.Sprintf("t%d", i)
		blocks = append(blocks, g.target(target, names))
		names = append(names, target)
		for g.IntN(3) == 0 { // again, here or in an override file
			again := g.target(target, names[:i])
			if g.IntN(2) == 0 {
				blocks = append(blocks, again)
			} else {
				more = append(more, again)
			}
		}
	}
	if g.IntN(2) == 0 {
		blocks = append(blocks, fmt.Sprintf("target \"m\" {\n  name = \"m-${v}\"\n  matrix = { v = [\"a\", \"b\", \"c\"] }\n  inherits = [%q]\n  args = { CELL = v }\n}\n", pick(g, names)))
		names = append(names, "m-a", "m-b")
	}
	g.Shuffle(len(blocks), func(i, j int) { blocks[i], blocks[j] = blocks[j], blocks[i] })
	var members []string
	for range 2 + g.IntN(5) {
		members = append(members, fmt.Sprintf("%q", pick(g, names)))
	}
	blocks = append(blocks, fmt.Sprintf("group \"default\" { targets = [%s, \"g\"] }\n", strings.Join(members, ", ")))
	c.files["docker-bake.hcl"] = common + strings.Join(blocks, "")
	if len(more) > 0 {
		c.files["docker-bake.override.hcl"] = strings.Join(more, "")
	}
	c.args = g.command(names)
	return c
}

// target writes a block with some attributes and some of the earlier targets as parents.
func (g generator) target(name string, earlier []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "target %q {\n", name)
	if len(earlier) > 0 && g.IntN(3) > 0 {
		var parents []string
		for range 1 + g.IntN(3) {
			parents = append(parents, fmt.Sprintf("%q", pick(g, earlier)))
		}
		fmt.Fprintf(&b, "  inherits = [%s]\n", strings.Join(parents, ", "))
	}
	used := []string{"inherits"}
	for range 2 + g.IntN(6) {
		a := pick(g, attributes)
		form := pick(g, a.forms)
		// What is added to an inherited cache-from leaks into other targets of the peer; a link of one target to another mostly cannot be.
		leaks := a.name == "cache-from" && strings.Contains(b.String(), "inherits")
		if leaks || slices.Contains(used, a.name) || strings.Contains(form, "target:") {
			continue
		}
		used = append(used, a.name)
		fmt.Fprintf(&b, "  %s = %s\n", a.name, strings.TrimSuffix(form, "\n"))
	}
	b.WriteString("}\n")
	return b.String()
}

// sound is an override that the peer mostly takes; one that it refuses hides everything else of a file.
var sound = regexp.MustCompile(`^[^.=]+(\.[A-Z][A-Za-z.]*)?\+?=[^=]*$|^[a-z-]+\+?=[a-z]+=[^=]+$`)

// command asks for some targets, with some overrides. Those that the peer applies at random beside others are left out.
func (g generator) command(names []string) []string {
	var args []string
	for range g.IntN(3) {
		args = append(args, pick(g, append(names, "default", "t1*", "g")))
	}
	overridden := map[string]bool{}
	for range g.IntN(5) {
		o := pick(g, overrides)
		set := pick(g, o.sets)
		if overridden[o.attribute] || slices.Contains([]string{"output", "inherits", "description", "dockerfile-inline"}, o.attribute) || !sound.MatchString(set) || strings.HasPrefix(set, "secret.") {
			continue
		}
		overridden[o.attribute] = true
		target := pick(g, []string{pick(g, names), "t?", "*"})
		for _, s := range strings.Split("T."+set, " ; ") {
			args = append(args, "--set", target+strings.TrimPrefix(s, "T"))
		}
	}
	return args
}
