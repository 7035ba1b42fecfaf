package cli

import (
	"bytes"
	"errors"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"github.com/xbuild/xbuild/plan"
)

// goFacts looks at the Go files of contexts; nil if there are none to look at. What cannot be read says nothing: the build will
// tell.
func goFacts(contexts []plan.GoContext) map[plan.GoContext]plan.GoFact {
	if len(contexts) == 0 {
		return nil
	}
	facts := make([]plan.GoFact, len(contexts))
	var wg sync.WaitGroup
	slots := make(chan struct{}, 4)
	for i, c := range contexts {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			facts[i].UsesC = usesC(c)
		})
	}
	wg.Wait()
	out := map[plan.GoContext]plan.GoFact{}
	for i, c := range contexts {
		out[c] = facts[i]
	}
	return out
}

// usesC is the place of the first import of "C" in the Go files of a context, in the order of their paths.
func usesC(c plan.GoContext) (at string) {
	ignore := ignoreMatcher(c)
	_ = filepath.WalkDir(c.Dir, func(path string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(c.Dir, path) // both come from one walk
		rel = filepath.ToSlash(rel)
		switch {
		case err != nil:
			return nil
		case d.IsDir():
			return intoFolder(rel, d.Name(), ignore)
		case !d.Type().IsRegular() || !countsForLinux(d.Name()):
			return nil
		}
		if ignore != nil {
			if out, err := ignore.MatchesOrParentMatches(rel); out || err != nil {
				return nil
			}
		}
		if line := importsC(path); line > 0 {
			at = rel + ":" + strconv.Itoa(line)
			return fs.SkipAll
		}
		return nil
	})
	return at
}

// intoFolder says whether Go, and the build, look into a folder.
func intoFolder(rel, name string, ignore *patternmatcher.PatternMatcher) error {
	if rel == "." {
		return nil
	}
	if name == "testdata" || name == "node_modules" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") {
		return fs.SkipDir
	}
	if ignore != nil && !ignore.Exclusions() {
		if out, err := ignore.MatchesOrParentMatches(rel); out || err != nil {
			return fs.SkipDir
		}
	}
	return nil
}

// ignoreMatcher is what the ignore file of a context excludes; nil if it has none that can be used.
func ignoreMatcher(c plan.GoContext) *patternmatcher.PatternMatcher {
	names := []string{filepath.Join(c.Dir, ".dockerignore")}
	if c.Dockerfile != "" {
		names = append([]string{c.Dockerfile + ".dockerignore"}, names...)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		patterns, err := ignorefile.ReadAll(bytes.NewReader(text))
		if err != nil || len(patterns) == 0 {
			return nil
		}
		m, err := patternmatcher.New(patterns)
		if err != nil {
			return nil
		}
		return m
	}
	return nil
}

// otherSystems are the endings of file names by which Go leaves a file out on Linux.
var otherSystems = map[string]bool{"windows": true, "darwin": true, "freebsd": true, "netbsd": true, "openbsd": true, "dragonfly": true, "solaris": true,
	"illumos": true, "aix": true, "plan9": true, "ios": true, "js": true, "wasip1": true, "android": true}

// countsForLinux reports whether a file of that name may be part of a program for Linux.
func countsForLinux(name string) bool {
	base, ok := strings.CutSuffix(name, ".go")
	if !ok || strings.HasSuffix(base, "_test") || strings.HasPrefix(name, "_") || strings.HasPrefix(name, ".") {
		return false
	}
	parts := strings.Split(base, "_")
	for _, p := range parts[1:][max(0, len(parts)-3):] { // GOOS, or GOOS_GOARCH
		if otherSystems[p] {
			return false
		}
	}
	return true
}

// importsC is the line where a Go file imports "C", 0 if it does not, or if its build constraint leaves it out whatever the
// architecture is.
func importsC(path string) int {
	text, err := os.ReadFile(path)
	if err != nil || !bytes.Contains(text, []byte(`"C"`)) {
		return 0
	}
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, path, text, parser.ImportsOnly|parser.ParseComments)
	if err != nil {
		return 0
	}
	for _, group := range f.Comments {
		for _, c := range group.List {
			if c.Pos() > f.Package || !constraint.IsGoBuild(c.Text) {
				continue
			}
			if x, err := constraint.Parse(c.Text); err == nil && !mayHold(x) {
				return 0
			}
		}
	}
	for _, i := range f.Imports {
		if i.Path.Value == `"C"` {
			return fset.Position(i.Pos()).Line
		}
	}
	return 0
}

// mayHold reports whether a build constraint can be met on Linux with cgo. Tags that a build may set count as met, and as not
// met where they are negated.
func mayHold(x constraint.Expr) bool {
	switch x := x.(type) {
	case *constraint.AndExpr:
		return mayHold(x.X) && mayHold(x.Y)
	case *constraint.OrExpr:
		return mayHold(x.X) || mayHold(x.Y)
	case *constraint.NotExpr:
		if t, ok := x.X.(*constraint.TagExpr); ok {
			return t.Tag != "linux" && t.Tag != "unix" && t.Tag != "cgo"
		}
		return true
	case *constraint.TagExpr:
		return x.Tag != "ignore" && !otherSystems[x.Tag]
	}
	return true
}
