package dockerfile

import (
	"path"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"mvdan.cc/sh/v3/syntax"
)

// Run is one RUN instruction with the values it sees.
type Run struct {
	Line    int // of the instruction
	EndLine int
	Cmd     *instructions.RunCommand
	Env     *vars
	Workdir string
	Mounts  []Mount

	memo *memo // of the file
}

// Mount is one --mount of a RUN.
type Mount struct {
	Type, From, Target string
	Dep                *Dep // nil unless it reads another stage or image
}

// word is a shell word after evaluation. Dyn marks what cannot be known from the text; the unknown part of Text is a NUL.
type word struct {
	Text string
	Dyn  bool
	// Splits says that the shell may make several words of the unknown part.
	Splits bool
	// Given says that the value is one that pinning adds, not one of the file.
	Given bool
}

// unknown is the value of which nothing is known.
var unknown = word{Text: "\x00", Dyn: true}

// call is one simple command of a script.
type call struct {
	Args []word
	// Env is the environment that the command is started with.
	Env map[string]word
	// Dir is the folder it runs in.
	Dir word
	// Read says that something else reads what the command prints: $(...), a pipe or a file.
	Read bool
	// Writes are the targets of output redirections.
	Writes []word
}

// script is a RUN taken apart. Opaque is the reason why it could not be.
type script struct {
	Calls  []call
	Opaque string
	// Names are the variables that the script reads, except to give them to a variable of the Go command.
	Names map[string]bool
}

// scriptInput is what a script is evaluated with.
type scriptInput struct {
	Run   *Run
	Shell []string // the stage's SHELL, nil for the usual one
	// Known says that the environment holds all variables, so that an unknown one is empty.
	Known bool
	// Given are the variables that pinning sets; they are exported.
	Given map[string]string
}

func (in scriptInput) evaluator() *evaluator {
	n := len(in.Run.Env.list) + len(in.Given)
	e := &evaluator{known: in.Known, dir: word{Text: in.Run.Workdir}, vars: make(map[string]word, n), exported: make(map[string]bool, n), names: map[string]bool{}}
	for _, x := range in.Run.Env.list {
		e.vars[x.key], e.exported[x.key] = word{Text: x.value}, true
	}
	for k, v := range in.Given {
		e.vars[k], e.exported[k] = word{Text: v, Given: true}, true
	}
	return e
}

// parseScript takes a RUN apart into simple commands, with everything known about words put in.
func parseScript(in scriptInput) script {
	c := in.Run.Cmd
	e := in.evaluator()
	if !c.PrependShell {
		one := call{Dir: e.dir}
		for _, a := range c.CmdLine {
			one.Args = append(one.Args, word{Text: a})
		}
		e.emit(one)
		return e.result()
	}
	if len(in.Shell) > 0 && !posixShell(in.Shell) {
		return script{Opaque: "SHELL is set to " + strings.Join(in.Shell, " ")}
	}
	src, why := scriptText(c)
	if why != "" {
		return script{Opaque: why}
	}
	parsed := in.Run.memo.shell(src)
	if parsed.opaque != "" {
		return script{Opaque: parsed.opaque}
	}
	e.stmts(parsed.file.Stmts)
	return e.result()
}

// scriptText is what the shell reads. A heredoc that is the whole instruction is a script of its own, any other stands in the
// command as the shell would see it.
func scriptText(c *instructions.RunCommand) (text, opaque string) {
	src := strings.Join(c.CmdLine, " ")
	if len(c.Files) == 0 {
		return src, ""
	}
	if len(c.Files) > 1 || !strings.HasPrefix(strings.TrimSpace(src), "<<") || len(strings.Fields(strings.TrimLeft(src, "<- \t"))) != 1 {
		for _, f := range c.Files {
			src += "\n" + f.Data + f.Name
		}
		return src + "\n", ""
	}
	src = c.Files[0].Data
	if first, _, _ := strings.Cut(src, "\n"); strings.HasPrefix(first, "#!") && !posixShell(strings.Fields(first[2:])) {
		return "", "the heredoc is a script for " + first[2:]
	}
	return src, ""
}

// unfollowable names the first construct that is not followed here.
func unfollowable(f *syntax.File) (why string) {
	syntax.Walk(f, func(n syntax.Node) bool {
		switch n.(type) {
		case *syntax.FuncDecl:
			why = "the script declares a function"
		case *syntax.ProcSubst, *syntax.CoprocClause:
			why = "the script uses process substitution"
		}
		return why == ""
	})
	return why
}

func posixShell(s []string) bool {
	if len(s) == 0 {
		return false
	}
	name := path.Base(s[0])
	if name == "env" && len(s) > 1 {
		name = path.Base(s[1])
	}
	return name == "sh" || name == "bash" || name == "ash" || name == "dash"
}
