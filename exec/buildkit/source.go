package buildkit

import (
	"bytes"
	"errors"

	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/solver/pb"

	"github.com/xbuild/xbuild/internal/lazyre"
	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/plan/dockerfile"
	"github.com/xbuild/xbuild/schema/diag"
)

// sourceFile is a Dockerfile of the plan, with what leads from lines of the text that is built to the user's own text and
// to stages.
type sourceFile struct {
	plan *plan.Dockerfile
	text []byte // as it is built
	// starts holds the line of each stage's FROM in text; empty if the text is not a Dockerfile that can be parsed here.
	starts []int
	named  []bool // whether the stage has a name
	whole  bool   // it says something that may concern a stage that nothing names
}

func newSourceFile(f *plan.Dockerfile) *sourceFile {
	s := &sourceFile{plan: f, text: []byte(f.Text)}
	if f.Rewritten != nil {
		s.text = []byte(*f.Rewritten)
		if f.Built != "" {
			s.text = []byte(f.Built)
		}
	}
	// A text that cannot be parsed is reported where it is converted.
	ast, err := parser.Parse(bytes.NewReader(s.text))
	if err != nil {
		return s
	}
	stages, _, err := dockerfile.ParseStages(ast.AST)
	if err != nil {
		return s
	}
	for _, st := range stages {
		line := 0
		for _, r := range st.Location {
			if line == 0 || r.Start.Line < line {
				line = r.Start.Line
			}
		}
		s.starts = append(s.starts, line)
		s.named = append(s.named, st.Name != "")
	}
	s.whole = len(stages) > 1 && (byNumber().Match(s.text) || checks().Match(s.text))
	return s
}

var (
	// byNumber finds what may name a stage by its number.
	byNumber = lazyre.New(`(?i)from=["']?[\d$]`)
	// checks finds the directive that makes findings errors, in any stage.
	checks = lazyre.New(`(?im)^[ \t]*#[ \t]*check[ \t]*=`)
)

// only is the text with blank lines in the place of stages that are not used, since BuildKit's converter parses and prepares all
// of them for each target that it is given. It is the whole text where a stage that is left out could be missed: stages without
// a name are called, and may be referred to, by their number.
func (s *sourceFile) only(used map[int]string) []byte {
	if len(used) == 0 || len(used) >= len(s.starts) || s.whole {
		return s.text
	}
	for i := range used {
		if i >= len(s.named) || !s.named[i] {
			return s.text
		}
	}
	out := make([]byte, 0, len(s.text))
	stage, n := -1, 0
	alone := len(used) == 1 // the steps of a file of one stage are not called by its name, so there has to be another
	for line := range bytes.Lines(s.text) {
		n++
		for stage+1 < len(s.starts) && s.starts[stage+1] <= n {
			stage++
		}
		_, ok := used[stage]
		switch {
		case ok || stage < 0:
			out = append(out, line...)
		case alone:
			out = append(out, "FROM scratch\n"...)
			alone = false
		default:
			out = append(out, '\n')
		}
	}
	return out
}

// stageAt is the index of the stage that a line of the built text belongs to, -1 if none.
func (s *sourceFile) stageAt(line int) int {
	at := -1
	for i, start := range s.starts {
		if start <= line {
			at = i
		}
	}
	return at
}

// userLine is the line of the user's text that a line of the built text stands for.
func (s *sourceFile) userLine(line int) int {
	if s.plan.Rewritten == nil || line < 1 || line > len(s.plan.Lines) {
		return line
	}
	return s.plan.Lines[line-1]
}

// userRange covers lines first to last of the built text, in the user's text.
func (s *sourceFile) userRange(first, last int) *diag.Range {
	first, last = s.userLine(first), s.userLine(last)
	return &diag.Range{Filename: s.plan.Path, Start: diag.Pos{Line: first}, End: diag.Pos{Line: max(first, last)}}
}

// holds reports whether a source of a definition is this file. Its text tells, since frontends name files as they like.
func (s *sourceFile) holds(info *pb.SourceInfo) bool {
	return info != nil && (len(s.text) == 0 || bytes.Equal(info.Data, s.text))
}

// mapSources returns the sources of a definition with the user's own text and lines in place of the rewritten ones, so
// that whoever prints the daemon's errors prints the right thing. The argument stays as it is: definitions share it.
func (s *sourceFile) mapSources(src *pb.Source) *pb.Source {
	if src == nil || s.plan.Rewritten == nil {
		return src
	}
	src = src.CloneVT()
	mine := map[int32]bool{}
	for i, info := range src.Infos {
		if s.holds(info) {
			mine[int32(i)] = true
			info.Data, info.Filename = []byte(s.plan.Text), s.plan.Path
		}
	}
	for _, at := range src.Locations {
		for _, l := range at.Locations {
			if !mine[l.SourceIndex] {
				continue
			}
			for _, r := range l.Ranges {
				r.Start.Line = int32(s.userLine(int(r.Start.Line)))
				r.End.Line = int32(s.userLine(int(r.End.Line)))
			}
		}
	}
	return src
}

// span is the first and the last line of some ranges; zero if there are none.
func span(ranges []*pb.Range) (first, last int) {
	for _, r := range ranges {
		start, end := int(r.Start.Line), int(r.End.Line)
		if first == 0 || start < first {
			first = start
		}
		last = max(last, start, end)
	}
	return first, last
}

// errorRange is the place in the built text that a conversion error names.
func errorRange(err error) (first, last int) {
	var le *parser.LocationError
	if !errors.As(err, &le) || len(le.Locations) == 0 {
		return 0, 0
	}
	// The innermost place was added first.
	for _, r := range le.Locations[0] {
		if first == 0 || r.Start.Line < first {
			first = r.Start.Line
		}
		last = max(last, r.Start.Line, r.End.Line)
	}
	return first, last
}
