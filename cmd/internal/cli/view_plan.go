package cli

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aymanbagabas/go-udiff"

	"github.com/xbuild/xbuild/internal/printable"
	"github.com/xbuild/xbuild/plan"
)

// kindColor gives each kind its ANSI colour: green runs once, cyan natively, yellow slowly.
var kindColor = map[plan.Kind]string{plan.Shared: "32", plan.Cross: "36", plan.Native: "34", plan.Emulated: "33", plan.Assembled: "2", plan.Opaque: "35"}

func paint(on bool, code, s string) string {
	if !on || code == "" {
		return s
	}
	return printable.Paint(code, s)
}

// printStyled prints text that [paint] may have coloured.
func (a *app) printStyled(text string) {
	w := a.out
	if a.color(w) {
		w = printable.Styled(w)
	}
	fmt.Fprint(w, text)
}

// planText renders a plan for people, at most 80 columns wide where names allow it.
func planText(p *plan.Plan, color bool) string {
	var b strings.Builder
	users, stages := usersOf(p), map[string][]*plan.Stage{}
	for i := range p.Stages {
		s := &p.Stages[i]
		stages[s.Dockerfile] = append(stages[s.Dockerfile], s)
	}
	for _, d := range p.Dockerfiles {
		fmt.Fprintf(&b, "%s for %s\n", d.Path, strings.Join(users[d.ID], ", "))
		rows := stageRows(stages[d.ID])
		width := 0
		for _, r := range rows {
			width = max(width, len(r.stage))
		}
		for _, r := range rows {
			writeRow(&b, d.Path, r, min(width, 24), color)
		}
		b.WriteByte('\n')
	}
	b.WriteString(leftOutText(p))
	b.WriteString(nodeText(p))
	b.WriteString(countsText(p))
	b.WriteString(adaptedText(p))
	b.WriteString(suggestText(p.Suggestions, pathOf(p), false, color))
	return b.String()
}

// pathOf tells the path of a Dockerfile of the plan.
func pathOf(p *plan.Plan) func(id string) string {
	return func(id string) string { return p.Dockerfile(id).Path }
}

// adaptedText says which Dockerfiles are built with a change.
func adaptedText(p *plan.Plan) string {
	var paths []string
	for _, d := range p.Dockerfiles {
		if d.Rewritten != nil && !slices.Contains(paths, d.Path) {
			paths = append(paths, d.Path)
		}
	}
	switch n := len(paths); {
	case n == 0:
		return ""
	case n > 3:
		return fmt.Sprintf("%d of %d Dockerfiles are adapted for this run; --diff shows how\n", n, len(p.Dockerfiles))
	}
	return strings.Join(paths, " is adapted for this run; --diff shows how\n") + " is adapted for this run; --diff shows how\n"
}

// usersOf names the targets of each Dockerfile, with their strategies, in plan order.
func usersOf(p *plan.Plan) map[string][]string {
	files := map[string][]string{} // by target
	for _, b := range p.Builds {
		if !slices.Contains(files[b.Target], b.Dockerfile) {
			files[b.Target] = append(files[b.Target], b.Dockerfile)
		}
	}
	out := map[string][]string{}
	for _, t := range p.Targets {
		for _, d := range files[t.Name] {
			out[d] = append(out[d], fmt.Sprintf("%s (%s)", t.Name, t.Strategy))
		}
	}
	return out
}

// row is the instances of one stage that have the same kind and reason.
type row struct {
	kind                plan.Kind
	stage, code, reason string
	platforms           []string
	fork                *plan.Fork
	tried               []plan.Attempt
	caches              []string
}

// stageRows collects the rows of one Dockerfile in stage order.
func stageRows(stages []*plan.Stage) []row {
	var rows []row
	var order []int
	for _, s := range stages {
		var ps []string
		for _, u := range s.For {
			if !slices.Contains(ps, u.Platform) {
				ps = append(ps, u.Platform)
			}
		}
		i := slices.IndexFunc(rows, func(r row) bool {
			return r.stage == s.Stage && r.kind == s.Kind && r.reason == s.Reason && s.Kind != plan.Shared
		})
		if i < 0 {
			rows = append(rows, row{kind: s.Kind, stage: s.Stage, code: s.Code, reason: s.Reason, fork: s.ForksAt, tried: s.Tried, caches: s.Caches})
			order = append(order, s.Index)
			i = len(rows) - 1
		}
		for _, pl := range ps {
			if !slices.Contains(rows[i].platforms, pl) {
				rows[i].platforms = append(rows[i].platforms, pl)
			}
		}
	}
	idx := make([]int, len(rows))
	for i := range idx {
		idx[i] = i
	}
	slices.SortStableFunc(idx, func(a, b int) int { return order[a] - order[b] })
	out := make([]row, len(rows))
	for i, j := range idx {
		out[i] = rows[j]
	}
	return out
}

const indent = "             " // below the stage's name

func writeRow(b *strings.Builder, path string, r row, width int, color bool) {
	kind := paint(color, kindColor[r.kind], fmt.Sprintf("%-9s", r.kind))
	platforms := strings.Join(r.platforms, ", ")
	if r.kind == plan.Shared && len(r.platforms) > 1 {
		platforms = fmt.Sprintf("once for %d platforms", len(r.platforms))
	}
	for i, line := range wrap(platforms, 80-len(indent)-width-2) {
		if i == 0 {
			fmt.Fprintf(b, "  %s  %-*s  %s\n", kind, width, r.stage, line)
			continue
		}
		fmt.Fprintf(b, "%s%-*s  %s\n", indent, width, "", line)
	}
	note := r.reason
	for _, a := range r.tried {
		if a.Code == r.code && r.kind == plan.Emulated {
			note += " (" + a.At + ")"
			break
		}
	}
	if r.fork != nil {
		note += "; " + forkText(path, r.fork)
	}
	if r.kind == plan.Assembled {
		return
	}
	for _, line := range wrap(note, 80-len(indent)-width-2) {
		fmt.Fprintf(b, "%s%-*s  %s\n", indent, width, "", paint(color, "2", line))
	}
	for _, c := range r.caches {
		what, _, _ := strings.Cut(c, " (") // the id is for machines
		for _, line := range wrap("with a shared "+what, 80-len(indent)-width-2) {
			fmt.Fprintf(b, "%s%-*s  %s\n", indent, width, "", paint(color, "2", line))
		}
	}
	for _, a := range r.told() {
		for _, line := range wrap(fmt.Sprintf("not %s: %s (%s)", a.Strategy, a.Reason, a.At), 80-len(indent)-width-2) {
			fmt.Fprintf(b, "%s%-*s  %s\n", indent, width, "", paint(color, "2", line))
		}
	}
}

// told are the strategies in place of which a stage is emulated, but for what its reason says already. That no node is of
// the platform goes without saying.
func (r *row) told() []plan.Attempt {
	if r.kind != plan.Emulated {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(r.tried), func(a plan.Attempt) bool { return a.Code == r.code || a.Code == "no-native-node" })
}

// forkText says where a stage forks and why, and what would make it fork later.
func forkText(path string, f *plan.Fork) string {
	if f.Shared == 0 {
		return fmt.Sprintf("forks at line %d by %s", f.Line, f.By)
	}
	part := "them"
	if f.Shared < f.Steps {
		part = fmt.Sprintf("%d of them", f.Shared)
	}
	return fmt.Sprintf("%s declared at %s:%d reaches %s; move it below line %d to share %s",
		f.Variable, path, f.Declared, plural(f.Steps, "later step"), f.MoveBelow, part)
}

// wrap breaks s at blanks into lines of at most width characters.
func wrap(s string, width int) []string {
	var out []string
	line := ""
	for _, w := range strings.Fields(s) {
		if line != "" && len(line)+1+len(w) > max(width, 20) {
			out = append(out, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += w
	}
	return append(out, line)
}

func nodeText(p *plan.Plan) string {
	n := p.Facts.Nodes[0]
	switch {
	case n.Assumed:
		return fmt.Sprintf("node: none was asked; assumed to be %s\n", n.Native)
	case len(p.Facts.Emulators) > 0:
		return fmt.Sprintf("node: %s, %s, emulates %s\n", n.Name, n.Native, strings.Join(short(p.Facts.Emulators, 4), ", "))
	}
	return fmt.Sprintf("node: %s, %s, no emulators\n", n.Name, n.Native)
}

func short(s []string, n int) []string {
	if len(s) <= n {
		return s
	}
	return append(slices.Clone(s[:n]), fmt.Sprintf("%d more", len(s)-n))
}

// countsText is the plan in one line, and what the sharing saves.
func countsText(p *plan.Plan) string {
	c := p.Counts
	parts := []string{plural(c.Stages, "stage")}
	for _, k := range []struct {
		n    int
		name plan.Kind
	}{{c.Shared, plan.Shared}, {c.Cross, plan.Cross}, {c.Native, plan.Native}, {c.Emulated, plan.Emulated}, {c.Assembled, plan.Assembled}, {c.Opaque, plan.Opaque}} {
		if k.n > 0 || k.name == plan.Emulated {
			parts = append(parts, fmt.Sprintf("%d %s", k.n, k.name))
		}
	}
	s := strings.Join(parts, ", ")
	if most := mostShared(p); most != nil {
		saves := fmt.Sprintf("%s runs once instead of %d times", most.Stage, len(most.For))
		if s += "; "; len(s)+len(saves) > 80 {
			s = strings.TrimSuffix(s, " ") + "\n"
		}
		s += saves
	}
	return s + "\n"
}

// mostShared is the stage that saves the most runs, nil if none saves any.
func mostShared(p *plan.Plan) *plan.Stage {
	var most *plan.Stage
	for i := range p.Stages {
		if st := &p.Stages[i]; st.Kind == plan.Shared && len(st.For) > 1 && (most == nil || len(st.For) > len(most.For)) {
			most = st
		}
	}
	return most
}

// leftOutText says which optional platforms the plan is without.
func leftOutText(p *plan.Plan) string {
	var b strings.Builder
	for _, t := range p.Targets {
		for _, m := range t.Missing {
			for i, line := range wrap(fmt.Sprintf("without the optional %s for %s: %s", m.Platform, t.Name, m.Reason), 78) {
				b.WriteString([]string{"", "  "}[min(i, 1)] + line + "\n")
			}
		}
	}
	return b.String()
}

// planDiff renders the edits as unified diffs, exactly as --write makes them, and for a Dockerfile that is no file the change
// of this run. For what cannot stay in a Dockerfile, since it is only checked by its result, it shows the strategy block that
// vouches for it.
func planDiff(p *plan.Plan, edits []plan.Edit) string {
	var b strings.Builder
	for _, e := range edits {
		b.WriteString(editDiff(e))
	}
	for _, d := range p.Dockerfiles {
		if d.Shown != nil && !slices.ContainsFunc(edits, func(e plan.Edit) bool { return e.Path == d.Path }) {
			name := filepath.ToSlash(d.Path)
			b.WriteString(udiff.Unified("a/"+name, "b/"+name, d.Text, *d.Shown))
		}
	}
	blocks := suggestText(p.Suggestions, pathOf(p), true, false)
	if b.Len() == 0 {
		blocks = strings.TrimPrefix(blocks, "\n")
	}
	return b.String() + blocks
}

// vouchedDiff shows how a run changes a Dockerfile for which strategy blocks vouch. That change stays in the build file, so
// --write does not make it.
func vouchedDiff(p *plan.Plan, e plan.Edit) string {
	vouched := slices.ContainsFunc(e.Kept, func(k plan.Attempt) bool { return k.Code == "vouched" })
	i := slices.IndexFunc(p.Dockerfiles, func(d plan.Dockerfile) bool { return d.Path == e.Path && d.Shown != nil })
	if !vouched || i < 0 {
		return ""
	}
	name := filepath.ToSlash(e.Path)
	return fmt.Sprintf("%s: this run builds it with what the strategy block adds:\n%s", e.Path, udiff.Unified("a/"+name, "b/"+name, e.Text, *p.Dockerfiles[i].Shown))
}

// adapted reports whether a Dockerfile is built with a change.
func adapted(p *plan.Plan) bool {
	return slices.ContainsFunc(p.Dockerfiles, func(d plan.Dockerfile) bool { return d.Rewritten != nil })
}
