package cli

import (
	"bytes"
	"errors"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"github.com/xbuild/xbuild/exec/output"
	"github.com/xbuild/xbuild/internal/parallel"
	"github.com/xbuild/xbuild/internal/regular"
	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/plan/dockerfile"
)

// filesFacts looks at the files of contexts; nil if there are none to look at. What cannot be read says nothing: the build will
// tell. state is xbuild's own directory, which is no part of a context.
func filesFacts(wants []plan.FilesWant, state string) map[plan.Context]plan.FilesFact {
	if len(wants) == 0 {
		return nil
	}
	facts := make([]plan.FilesFact, len(wants))
	parallel.Each(len(wants), func(i int) {
		l := &filesLook{want: wants[i], runs: slices.Clone(wants[i].Runs), programs: map[string][]string{}, state: output.StateIn(state, wants[i].Dir)}
		facts[i] = l.look()
	})
	out := map[plan.Context]plan.FilesFact{}
	for i, w := range wants {
		out[w.Context] = facts[i]
	}
	return out
}

// filesLook is a look at the files of one context.
type filesLook struct {
	want plan.FilesWant
	fact plan.FilesFact
	// state is xbuild's own directory below that of the context; empty if it is not there.
	state string
	// runs are given to go run; programs are the Go files, by directory.
	runs     []string
	programs map[string][]string
}

// look goes through the files in the order of their paths.
func (l *filesLook) look() plan.FilesFact {
	ignore := ignoreMatcher(l.want.Context)
	_ = filepath.WalkDir(l.want.Dir, func(path string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(l.want.Dir, path) // both come from one walk
		rel = filepath.ToSlash(rel)
		switch {
		case err != nil:
			return nil
		case l.state != "" && rel == filepath.ToSlash(l.state):
			return fs.SkipDir
		case d.IsDir():
			return intoFolder(rel, d.Name(), ignore)
		case !d.Type().IsRegular():
			return nil
		}
		if ignore != nil {
			if out, err := ignore.MatchesOrParentMatches(rel); out || err != nil {
				return nil
			}
		}
		l.file(path, rel, d.Name())
		return nil
	})
	if l.want.Scripts {
		l.fact.Scripts = l.runPrograms()
	}
	return l.fact
}

func (l *filesLook) file(path, rel, name string) {
	switch {
	case strings.HasSuffix(name, ".go"):
		if l.want.Cgo && l.fact.UsesC == "" && countsForLinux(name) {
			if line := importsC(path); line > 0 {
				l.fact.UsesC = rel + ":" + strconv.Itoa(line)
			}
		}
		if !l.want.Scripts {
			return
		}
		dir := filepath.ToSlash(filepath.Dir(rel))
		l.programs[dir] = append(l.programs[dir], rel)
		text, err := regular.ReadFile(path)
		if err == nil && bytes.Contains(text, []byte("//go:generate")) {
			l.script(rel, generators(string(text)))
		}
	case l.want.Scripts && isScript(path, name):
		if text, err := regular.ReadFile(path); err == nil {
			l.script(rel, string(text))
		}
	}
}

// generators is the text with nothing left but the commands of go generate, each in its line.
func generators(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if c, ok := strings.CutPrefix(line, "//go:generate"); ok {
			b.WriteString(strings.TrimSuffix(c, "\n"))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// script looks at the text of a script or make file.
func (l *filesLook) script(rel, text string) {
	if line, what := dockerfile.ShellProbe(text); line > 0 {
		l.probe(rel, line, what)
	}
	l.runs = append(l.runs, dockerfile.GoRuns(text)...)
}

func (l *filesLook) probe(rel string, line int, what string) {
	if l.fact.Probe == "" {
		l.fact.Probe, l.fact.ProbeWhat = rel+":"+strconv.Itoa(line), what
	}
}

// runPrograms looks at the programs that are given to go run; false if one cannot be found. Programs of other modules are tools
// that are the same everywhere.
func (l *filesLook) runPrograms() bool {
	for _, r := range l.runs {
		if strings.Contains(r, "@") {
			continue
		}
		files := l.program(strings.TrimPrefix(filepath.ToSlash(filepath.Clean(r)), "./"))
		if len(files) == 0 {
			return false
		}
		for _, rel := range files {
			text, err := regular.ReadFile(filepath.Join(l.want.Dir, rel))
			if err != nil {
				return false
			}
			if line, what := dockerfile.GoProbe(string(text)); line > 0 {
				l.probe(rel, line, what)
			}
		}
	}
	return true
}

// program finds the files of a program by its path. Where it starts is not known, nor which part of it is the module's name, so
// all directories that the end of the path fits count.
func (l *filesLook) program(p string) []string {
	for rest := p; ; {
		var out []string
		for _, dir := range slices.Sorted(maps.Keys(l.programs)) {
			for _, f := range l.programs[dir] {
				if f == rest || strings.HasSuffix(f, "/"+rest) || dir == rest || strings.HasSuffix(dir, "/"+rest) {
					out = append(out, f)
				}
			}
		}
		_, after, more := strings.Cut(rest, "/")
		if len(out) > 0 || !more {
			return out
		}
		rest = after
	}
}

// largestScript bounds what is read to see whether it is a script.
const largestScript = 1 << 20

// isScript reports whether a file is a script or make file, by its name or by how it begins.
func isScript(path, name string) bool {
	lower := strings.ToLower(name)
	switch filepath.Ext(lower) {
	case ".sh", ".bash", ".mk", ".mak", ".make":
		return true
	case "":
	default:
		return lower == "taskfile.yml" || lower == "taskfile.yaml"
	}
	if strings.HasSuffix(lower, "makefile") || lower == "justfile" {
		return true
	}
	if st, err := os.Stat(path); err != nil || st.Size() > largestScript {
		return false
	}
	text, err := regular.ReadFile(path)
	return err == nil && bytes.HasPrefix(text, []byte("#!"))
}

// intoFolder says whether Go, and the build, look into a directory.
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
func ignoreMatcher(c plan.Context) *patternmatcher.PatternMatcher {
	names := []string{filepath.Join(c.Dir, ".dockerignore")}
	if c.Dockerfile != "" {
		names = append([]string{c.Dockerfile + ".dockerignore"}, names...)
	}
	for _, name := range names {
		text, err := regular.ReadFile(name)
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
	text, err := regular.ReadFile(path)
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
