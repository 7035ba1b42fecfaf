package dockerfile

import (
	"regexp"
	"slices"
	"strings"

	"github.com/xbuild/xbuild/internal/lazyre"
)

// What hidden commands ask of the machine cannot be seen in the Dockerfile, and what they make of the answer not in the machine
// of a file. So the texts that they may come from are looked at: scripts, make files, and the sources of programs that are
// built and run on the way.

var (
	shellProbes = lazyre.New(`\buname\s+(-\S+\s+)*-[a-z]*[mpia]|\buname\s+--(machine|all|processor)|(\$\(|\$\(shell |` + "`" + `)\s*arch\s*[)` + "`" + `]` +
		`|dpkg\s+--print-architecture|dpkg-architecture|apk\s+--print-arch|rpm\s+(-E|--eval)|getconf\s+LONG_BIT|\blscpu\b|/proc/cpuinfo|\bMACHTYPE\b|\bHOSTTYPE\b` +
		`|\benv\s+(-\S+\s+)*(\w+\s+)*(GOARCH|GOHOSTARCH|GOTOOLDIR|GOARM|GOAMD64|GOARM64|CC|CXX)\b([^=]|$)|\bgo\s+version\b|\$[({]GO[)}]\s+version\b`)
	goProbes  = lazyre.New(`\bruntime\.(GOARCH|NumCPU|Version)\b|\bbuild\.Default\b|"uname"|\bbits\.UintSize\b|\bstrconv\.IntSize\b|\bGOHOSTARCH\b|/proc/cpuinfo`)
	goRuns    = lazyre.New(`(?:\bgo|\$[({]GO[)}]|\$GO)\s+run\s+((?:-\S+\s+)*)([^\s;&|)]+)`)
	hidesText = lazyre.New(`\b(g?make|mage|task|just)\b|\b(sh|bash|ash|dash|zsh|source)\s|\.sh\b|\.bash\b|scripts/|hack/|\bgo\s+(run|generate|tool|install)\b`)
)

// ShellProbe is the first thing in a script or make file that asks for the machine that it runs on, with its line; 0 if there is
// none.
func ShellProbe(text string) (line int, what string) {
	return probe(text, shellProbes(), "#")
}

// GoProbe is the same for the source of a Go program.
func GoProbe(text string) (line int, what string) { return probe(text, goProbes(), "//") }

func probe(text string, words *regexp.Regexp, comment string) (line int, what string) {
	for l := range strings.Lines(text) {
		line++
		if strings.HasPrefix(strings.TrimSpace(l), comment) {
			continue
		}
		if m := words.FindString(l); m != "" {
			return line, strings.Join(strings.Fields(strings.Trim(m, "`$()")), " ")
		}
	}
	return 0, ""
}

// GoRuns are the packages and files that a text gives to go run.
func GoRuns(text string) []string {
	var out []string
	for _, m := range goRuns().FindAllStringSubmatch(text, -1) {
		if p := strings.Trim(m[2], `"'`); !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}

// Hides reports whether it counts for the graph what scripts, make files and programs of its context do, since a stage that gets
// them has Go and may run them; runs are what the Dockerfile itself gives to go run.
func (g *Graph) Hides() (hides bool, runs []string) {
	for i, n := range g.Nodes {
		if !g.Reached[i] || official(n.Root().Image) != "golang" || !n.sent() {
			continue
		}
		for _, r := range n.Runs {
			text := strings.Join(r.Cmd.CmdLine, " ")
			for _, f := range r.Cmd.Files {
				text += "\n" + f.Data
			}
			hides = hides || hidesText().MatchString(text)
			runs = append(runs, GoRuns(text)...)
		}
	}
	return hides, runs
}

// sent reports whether the stage has files of the main context.
func (n *Node) sent() bool {
	return slices.ContainsFunc(n.Chain(), func(b *Node) bool { return b.UsesContext })
}
