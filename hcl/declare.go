package hcl

import (
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/xbuild/xbuild/internal/lazyre"
	"github.com/xbuild/xbuild/schema/diag"
)

var validName = lazyre.New(`^[a-zA-Z0-9_-]+$`)

// declare gives every block its place among the names of the build file. Between files the later declaration wins,
// within one file a second one is an error; targets of one name in several files are merged instead.
func (l *loader) declare() {
	groups := map[string]*block{}
	sets := map[string]*block{}
	vars := map[string]diag.Range{}
	for _, b := range l.blocks {
		if !l.checkName(b) {
			continue
		}
		switch b.typ.Name {
		case "variable":
			l.once("variable", b.name, vars, b.label)
			l.names[b.name] = l.variableNode(b)
		case "platforms":
			if old := sets[b.name]; old != nil {
				l.once("platform set", b.name, map[string]diag.Range{b.name: old.label}, b.label)
			}
			sets[b.name] = b
			l.sets[b.name] = l.setNode(b)
		case "group":
			if old := groups[b.name]; old != nil {
				l.once("group", b.name, map[string]diag.Range{b.name: old.label}, b.label)
				l.groups = slices.DeleteFunc(l.groups, func(g *block) bool { return g == old })
			}
			groups[b.name] = b
			l.groups = append(l.groups, b)
		case "function":
			if old := l.funcs[b.name]; old != nil {
				l.once("function", b.name, map[string]diag.Range{b.name: old.label}, b.label)
			}
			l.funcs[b.name] = b
		case "strategy":
			l.declareStrategy(b)
		}
	}
	for _, g := range l.globals {
		l.once("variable or top-level attribute", g.name, vars, g.nameAt)
		l.names[g.name] = l.globalNode(g)
	}
	l.blocks = l.withCells(l.blocks)
	for _, b := range l.blocks {
		if b.typ.Name == "target" && validName().MatchString(b.name) {
			l.declareTarget(b)
		}
	}
	for _, g := range l.groups {
		if t := l.byName[g.name]; t != nil {
			l.add(diag.Diagnostic{Code: codeDuplicateName, Subject: &g.label, Summary: "Name declared twice",
				Detail: fmt.Sprintf("%q is a group and a target.", g.name), Advice: "Rename one of them.",
				Related: []diag.Related{{Range: t.blocks[0].label, Message: "the target"}}})
		}
	}
	l.markPlatformReaders()
}

// once reports name if the same file declared it before, and records the declaration in seen.
func (l *loader) once(kind, name string, seen map[string]diag.Range, at diag.Range) {
	if first, ok := seen[name]; ok && first.Filename == at.Filename {
		l.add(diag.Diagnostic{Code: codeDuplicateName, Subject: &at, Summary: "Name declared twice",
			Detail:  fmt.Sprintf("This file already has a %s %q.", kind, name),
			Related: []diag.Related{{Range: first, Message: "the first declaration"}}})
	}
	seen[name] = at
}

// checkName reports a name that cannot be written where names are used.
func (l *loader) checkName(b *block) bool {
	switch {
	case isWord(b) && !hclsyntax.ValidIdentifier(b.name):
		l.errorf(codeBadName, b.label, "Bad name", "Use letters, digits, _ and -, and begin with a letter or _.",
			"%q cannot be the name of a %s, because no expression could read it.", b.name, b.typ.Name)
		return false
	case !isWord(b) && !validName().MatchString(b.name):
		l.errorf(codeBadName, b.label, "Bad name", "Use letters, digits, _ and -.", "%q cannot be the name of a %s block.", b.name, b.typ.Name)
		return false
	}
	return true
}

// isWord reports whether expressions name what the block declares as a plain word.
func isWord(b *block) bool { return b.typ.Name == "variable" || b.typ.Name == "function" }

// markPlatformReaders finds the attributes whose expression means the platform object.
func (l *loader) markPlatformReaders() {
	if l.names["platform"] != nil {
		return // the build file's own name beats the built-in one
	}
	for _, b := range l.blocks {
		for _, a := range b.attrs {
			for _, tr := range a.expr.Variables() {
				if tr.RootName() == "platform" && a.spec.Platform && !hasKey(a.vars, "platform") {
					a.readsPlatform = true
				}
			}
		}
	}
}

// checkUnusedGlobals warns about top-level attributes that no expression mentions: in a file that is otherwise strict
// they are most likely a mistyped block.
func (l *loader) checkUnusedGlobals() {
	used := map[string]bool{}
	mention := func(a *attribute) {
		for _, tr := range a.expr.Variables() {
			used[tr.RootName()] = true
		}
	}
	for _, b := range l.blocks {
		for _, a := range b.attrs {
			mention(a)
		}
		for _, in := range b.inner {
			for _, a := range in.attrs {
				mention(a)
			}
		}
	}
	for _, g := range l.globals {
		mention(g)
	}
	words := language.Names()
	for _, g := range l.globals {
		if used[g.name] {
			continue
		}
		l.add(diag.Diagnostic{Severity: diag.Warning, Code: codeUnusedGlobal, Subject: &g.nameAt, Summary: "Unused top-level attribute",
			Detail: fmt.Sprintf("Nothing reads %q.", g.name), Advice: didYouMean(g.name, words)})
	}
}

// targetNames is every target's name, in source order.
func (l *loader) targetNames() []string {
	var out []string
	for _, t := range l.targets {
		out = append(out, t.name)
	}
	return out
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
