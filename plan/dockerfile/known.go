package dockerfile

import (
	"slices"
	"strings"

	"github.com/xbuild/xbuild/schema/lazyre"
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
