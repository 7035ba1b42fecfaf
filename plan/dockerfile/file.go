package dockerfile

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/distribution/reference"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"github.com/xbuild/xbuild/schema/diag"
)

// File is a parsed Dockerfile.
type File struct {
	Path   string // as it stands in diagnostics
	Text   []byte
	Escape rune
	// Stages in file order. They describe the text; [File.Resolve] gives them values.
	Stages []Stage

	ast *parser.Node
	// meta are the ARGs before the first FROM, from and commands what each stage says.
	meta     []instructions.ArgCommand
	from     []instructions.Stage // without commands
	commands [][]parsedCommand
	// isReference says of each stage that its base, as written, can be an image reference.
	isReference []bool
	// expandsImage says that there may be something to expand in a FROM or in a flag.
	expandsImage bool

	memo memo
}

// parsedCommand is one instruction of a stage. BuildKit expands a command in place, so that one with something to expand is
// parsed anew for each build.
type parsedCommand struct {
	node *parser.Node
	// fixed is the command if there is nothing to expand in it, else nil.
	fixed instructions.Command
}

// Stage is one stage as written.
type Stage struct {
	Index    int
	Name     string // lower case, "" if it has none
	BaseName string // unexpanded
	Platform string // unexpanded value of --platform, "" if it has none
	Line     int    // of FROM
	EndLine  int    // last line before the next FROM
}

// Title is the name of the stage, or "stage-N" as BuildKit calls it.
func (s Stage) Title() string {
	if s.Name != "" {
		return s.Name
	}
	return fmt.Sprintf("stage-%d", s.Index)
}

// Parse reads a Dockerfile. A file that BuildKit would refuse to parse gives the error that BuildKit would give.
func Parse(path string, text []byte) (*File, diag.List) {
	fail := func(code, summary string, err error) (*File, diag.List) {
		line := 0
		var le *parser.LocationError
		if errors.As(err, &le) && len(le.Locations) > 0 {
			line = firstLine(le.Locations[0])
		}
		return nil, diag.List{}.Errorf(code, diag.LineRange(path, line), summary, "%v.", err)
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return fail("dockerfile-empty", "The Dockerfile is empty", errors.New("it needs at least one FROM instruction"))
	}
	res, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		return fail("dockerfile-syntax", "The Dockerfile cannot be parsed", err)
	}
	stages, meta, err := ParseStages(res.AST)
	if err != nil {
		return fail("dockerfile-syntax", "The Dockerfile cannot be parsed", err)
	}
	if len(stages) == 0 {
		return fail("dockerfile-no-stage", "The Dockerfile has no stage", errors.New("it needs at least one FROM instruction"))
	}
	f := &File{Path: path, Text: text, Escape: res.EscapeToken, ast: res.AST, meta: meta}
	if err := f.keep(res.AST, stages); err != nil {
		return fail("dockerfile-syntax", "The Dockerfile cannot be parsed", err)
	}
	total := bytes.Count(text, []byte("\n")) + 1
	for i, s := range stages {
		f.Stages = append(f.Stages, Stage{Index: i, Name: s.Name, BaseName: s.BaseName, Platform: s.Platform,
			Line: firstLine(s.Location), EndLine: total})
		if i > 0 {
			f.Stages[i-1].EndLine = f.Stages[i].Line - 1
		}
	}
	return f, nil
}

// keep stores the instructions that were parsed, next to their nodes.
func (f *File) keep(ast *parser.Node, stages []instructions.Stage) error {
	at := 0
	for _, n := range ast.Children {
		images := n.Flags
		if strings.EqualFold(n.Value, "FROM") {
			images = []string{n.Original}
		}
		f.expandsImage = f.expandsImage || slices.ContainsFunc(images, func(s string) bool { return strings.ContainsAny(s, f.special()) })
		switch {
		case strings.EqualFold(n.Value, "FROM"):
			st := stages[len(f.from)]
			st.Commands = nil
			_, err := reference.ParseNormalizedNamed(st.BaseName)
			f.isReference = append(f.isReference, err == nil)
			f.from, f.commands, at = append(f.from, st), append(f.commands, nil), 0
		case len(f.from) > 0:
			i := len(f.from) - 1
			c := parsedCommand{node: n, fixed: stages[i].Commands[at]}
			if f.expands(n, c.fixed) {
				c.fixed = nil
			} else if run, ok := c.fixed.(*instructions.RunCommand); ok { // its mounts are known only after this
				if err := run.Expand(func(s string) (string, error) { return s, nil }); err != nil {
					return parser.WithLocation(err, n.Location())
				}
			}
			f.commands[i] = append(f.commands[i], c)
			at++
		}
	}
	return nil
}

// special are the characters without which a word stands for itself.
func (f *File) special() string { return "$\"'" + string(f.Escape) }

// expands reports whether BuildKit may find something to expand in an instruction.
func (f *File) expands(n *parser.Node, c instructions.Command) bool {
	special := f.special()
	switch c.(type) {
	case *instructions.ArgCommand: // [walker.arg] expands it
		return false
	case *instructions.RunCommand: // only its flags
		return slices.ContainsFunc(n.Flags, func(s string) bool { return strings.ContainsAny(s, special) })
	case instructions.SupportsSingleWordExpansion:
		return len(n.Heredocs) > 0 || strings.ContainsAny(n.Original, special)
	}
	return false
}

// FixedImages reports whether the images of the stages, and those that stages take files from, stand in the file as they
// are: neither arguments nor the platform change them.
func (f *File) FixedImages() bool { return !f.expandsImage }

// Find returns the index of a stage by name or number; "" is the last stage.
func (f *File) Find(name string) (int, bool) {
	if name == "" {
		return len(f.Stages) - 1, true
	}
	// As in BuildKit, a later stage of the same name wins.
	for i := len(f.Stages) - 1; i >= 0; i-- {
		if f.Stages[i].Name == strings.ToLower(name) {
			return i, true
		}
	}
	if n, err := strconv.Atoi(name); err == nil && n >= 0 && n < len(f.Stages) {
		return n, true
	}
	return 0, false
}

// Names lists the named stages in file order.
func (f *File) Names() []string {
	var out []string
	for _, s := range f.Stages {
		if s.Name != "" {
			out = append(out, s.Name)
		}
	}
	return out
}

// FrontendMinor is the Dockerfile frontend that the conversion in this program stands for: docker/dockerfile:1.N with N up to it.
const FrontendMinor = 28

// Frontend says whether a foreign or newer frontend must read the file: foreign means that its text may not be a Dockerfile at
// all; why is empty if the file can be converted here. A BUILDKIT_SYNTAX argument beats the `# syntax` line.
func Frontend(text []byte, args map[string]string) (foreign bool, why string) {
	ref, _, _, ok := parser.DetectSyntax(text)
	if v := args["BUILDKIT_SYNTAX"]; v != "" {
		ref, ok = v, true
	}
	if !ok || ref == "" {
		return false, ""
	}
	name, tag, _ := strings.Cut(strings.TrimPrefix(ref, "docker.io/"), ":")
	if name != "docker/dockerfile" && name != "docker/dockerfile-upstream" {
		return true, fmt.Sprintf("the file asks for the frontend %s", ref)
	}
	switch {
	case tag == "" || tag == "1" || tag == "latest":
		return false, ""
	case strings.HasPrefix(tag, "1."):
		minor, _, _ := strings.Cut(strings.TrimPrefix(tag, "1."), ".")
		if n, err := strconv.Atoi(minor); err == nil && n <= FrontendMinor {
			return false, ""
		}
	}
	return false, fmt.Sprintf("the file asks for the frontend %s", ref)
}

func firstLine(r []parser.Range) int {
	if len(r) == 0 {
		return 0
	}
	return r[0].Start.Line
}

func lastLine(r []parser.Range) int {
	if len(r) == 0 {
		return 0
	}
	return r[len(r)-1].End.Line
}
