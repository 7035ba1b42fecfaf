// Package cli is the command line: the only place where the front end, the planner and the executor meet.
//
// In: arguments, environment and files. Out: results on stdout, everything else on stderr, and an exit code. Promised:
// bad input changes nothing on disk and gives exit code 2; see the Exit constants. One subcommand a file; view_*.go
// render. Start with [Main].
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"github.com/xbuild/xbuild/cmd/internal/start"
	"github.com/xbuild/xbuild/exec/buildkit"
	"github.com/xbuild/xbuild/exec/embedded"
	"github.com/xbuild/xbuild/internal/mask"
	"github.com/xbuild/xbuild/internal/printable"
	"github.com/xbuild/xbuild/schema/diag"
)

// Version of the program; release builds set it with -ldflags -X.
var Version = "0.1.0-dev"

// The exit codes.
const (
	ExitOK          = 0
	ExitFailed      = 1   // a build failed
	ExitUsage       = 2   // the command line or a build file is wrong
	ExitChanged     = 3   // something would change, or is out of date
	ExitUnreachable = 4   // no BuildKit could be reached
	ExitMissing     = 5   // done, but optional platforms are missing
	ExitInterrupted = 130 // Ctrl-C
)

// app is the world of one command.
type app struct {
	// out and err are printable.Writers, so that no text from outside gives orders to a terminal or a CI service. What must pass
	// them as it is takes printable.Raw, Styled or Unwrap of them.
	out, err io.Writer
	// writers are what out and err write to in the end.
	writers []*printable.Writer
	getenv  func(string) string
	// errIsTerminal says that a person watches stderr.
	errIsTerminal bool
	// github says that GitHub's runner reads stderr, and turns the lines for it into annotations.
	github bool
	// configTold says that the user was warned of docker's configuration.
	configTold bool
	// hidden are the values that must not be shown, in any form that mask.Masker knows.
	hidden *mask.Masker
	// whole says where the whole log of a failed step is.
	whole string
}

// exitError ends the command with a code. A message is printed unless it is empty.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}
func (e *exitError) Unwrap() error { return e.err }

// Main runs one command and returns its exit code.
func Main(args []string) int {
	if len(args) > 0 && args[0] == embedded.Command {
		start.Daemon()
		return embedded.Main(args[1:])
	}
	logrus.SetOutput(io.Discard) // libraries have remarks that are not for users
	ctx, stop := interruptible()
	defer stop()
	a := newApp(os.Stdout, os.Stderr, os.Getenv)
	root := a.root()
	root.SetArgs(args)
	return a.exit(withPointer(root.ExecuteContext(ctx)))
}

// newApp is the world of a command that prints on out and err.
func newApp(out, err io.Writer, getenv func(string) string) *app {
	w := []*printable.Writer{printable.NewWriter(out), printable.NewWriter(err)}
	return &app{out: w[0], err: w[1], writers: w, getenv: getenv, errIsTerminal: isTerminal(err)}
}

// hide takes texts out of everything that the command prints from now on.
func (a *app) hide(texts []string) {
	a.hidden = a.hidden.And(mask.New(texts...))
	for _, w := range a.writers {
		w.Hide(a.hidden)
	}
}

// exit prints an error, once, and gives its exit code.
func (a *app) exit(err error) int {
	if err == nil {
		return ExitOK
	}
	code := ExitUsage // what cobra itself refuses is a wrong command line
	var e *exitError
	if errors.As(err, &e) {
		code = e.code
	}
	var unreachable *buildkit.Unreachable
	if errors.As(err, &unreachable) {
		code = ExitUnreachable
	}
	if msg := err.Error(); msg != "" {
		fmt.Fprintf(a.err, "xbuild: %s\n", msg)
		a.annotate(diag.List{{Severity: diag.Error, Code: "xbuild", Summary: msg}}, nil)
	}
	return code
}

// interruptible gives a context that the first interrupt cancels; a second one ends the process at once.
func interruptible() (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ch := make(chan os.Signal, 2)
	signal.Notify(ch, os.Interrupt, syscall.SIGTERM)
	go func() {
		if _, ok := <-ch; !ok {
			return
		}
		cancel()
		if _, ok := <-ch; ok {
			os.Exit(ExitInterrupted)
		}
	}()
	return ctx, func() { signal.Stop(ch); close(ch); cancel() }
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "xbuild",
		Short:         "Build the targets of an xbuild.hcl for many platforms",
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       Version,
	}
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return &exitError{ExitUsage, fmt.Errorf("%w; %s", err, insteadOfFlag(c, err))}
	})
	root.AddCommand(a.runCommand(), a.planCommand(), a.printCommand(), a.listCommand(), a.validateCommand(), a.fmtCommand(), a.schemaCommand(),
		a.graphCommand(), a.daemonCommand(), a.doctorCommand(), a.versionCommand())
	a.addCompletion(root)
	return root
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		Run:   func(*cobra.Command, []string) { fmt.Fprintln(a.out, "xbuild "+Version) },
	}
}

// report prints diagnostics with their sources on stderr and returns an error if any of them is one.
func (a *app) report(l diag.List, src diag.Sources) error {
	if len(l) == 0 {
		return nil
	}
	fmt.Fprint(a.err, diag.Text(l, src))
	a.annotate(l, nil)
	if l.HasErrors() {
		return &exitError{code: ExitUsage}
	}
	return nil
}
