package dockerfile

import (
	"slices"
	"strings"

	"github.com/xbuild/xbuild/internal/lazyre"
)

// KnowsArg reports whether a build argument can have an effect: some ARG declares it, or BuildKit itself reads it.
func (f *File) KnowsArg(name string) bool {
	if strings.HasPrefix(name, "BUILDKIT_") || name == "SOURCE_DATE_EPOCH" || strings.HasSuffix(strings.ToLower(name), "_proxy") {
		return true
	}
	return slices.Contains(f.ArgNames(), name)
}

// ArgNames lists the arguments that the file declares, in any stage and before the first one, each once.
func (f *File) ArgNames() []string {
	f.memo.argsOnce.Do(func() { f.memo.argNames = f.findArgNames() })
	return f.memo.argNames
}

func (f *File) findArgNames() []string {
	var out []string
	for _, n := range f.ast.Children {
		words := strings.Fields(n.Original)
		if len(words) > 1 && strings.EqualFold(words[0], "ONBUILD") {
			words = words[1:]
		}
		if len(words) == 0 || !strings.EqualFold(words[0], "ARG") {
			continue
		}
		for _, w := range words[1:] {
			if name, _, _ := strings.Cut(w, "="); !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	return out
}

// fromFlag finds the stage or image that a flag of an instruction names.
var fromFlag = lazyre.New(`\bfrom=([^,\s]+)`)

// KnowsContext reports whether a named context can have an effect: it has the name of a stage, or of what an instruction takes files
// from. Of a file in which such a name is computed, every context may have one.
func (f *File) KnowsContext(name string) bool {
	var mentions []string
	for _, s := range f.Stages {
		mentions = append(mentions, s.Name, s.BaseName)
	}
	for _, n := range f.ast.Children {
		for _, m := range fromFlag().FindAllStringSubmatch(n.Original, -1) {
			mentions = append(mentions, m[1])
		}
	}
	return slices.ContainsFunc(mentions, func(m string) bool {
		return m != "" && (strings.Contains(m, "$") || strings.EqualFold(contextKey(m), contextKey(name)))
	})
}

// KnowsStage reports whether a name is that of a stage, as no-cache-filter gives it.
func (f *File) KnowsStage(name string) bool {
	return slices.ContainsFunc(f.Stages, func(s Stage) bool { return strings.EqualFold(s.Title(), name) })
}

// TaintedArgs are the arguments of names and those before the first FROM whose default is made of them.
func (f *File) TaintedArgs(names []string) []string {
	out := slices.Clone(names)
	for _, c := range f.meta {
		for _, a := range c.Args {
			if a.Value != nil && !slices.Contains(out, a.Key) && mentionsAny(*a.Value, out) {
				out = append(out, a.Key)
			}
		}
	}
	return out
}

func mentionsAny(text string, names []string) bool {
	return slices.ContainsFunc(names, func(n string) bool {
		return strings.Contains(text, "${"+n) || strings.Contains(text, "$"+n)
	})
}

// DeclaredIn is the first ARG of a stage that declares one of names, and its line.
func (f *File) DeclaredIn(stage int, names []string) (name string, line int) {
	for _, c := range f.commands[stage] {
		if name := Declares(c.node.Original, names); name != "" {
			return name, c.node.StartLine
		}
	}
	return "", 0
}

// Declares is the first of names that an instruction declares as an argument; empty if it declares none.
func Declares(instruction string, names []string) string {
	words := strings.Fields(instruction)
	if len(words) == 0 || !strings.EqualFold(words[0], "ARG") {
		return ""
	}
	for _, w := range words[1:] {
		if key, _, _ := strings.Cut(w, "="); slices.Contains(names, key) {
			return key
		}
	}
	return ""
}
