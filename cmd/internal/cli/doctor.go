package cli

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/xbuild/xbuild/exec/buildkit"
	"github.com/xbuild/xbuild/exec/embedded"
	"github.com/xbuild/xbuild/schema"
)

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{Use: "doctor", Short: "Say which BuildKit would be used, what it can build, and what is missing",
		Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error { return a.doctor(c.Context()) }}
}

// doctor says what [app.connect] finds, in its order, and what the BuildKit that it ends with can do.
func (a *app) doctor(ctx context.Context) error {
	fmt.Fprintln(a.out, "which BuildKit, the first that is there:")
	if !a.tellOthers() {
		var problems []error
		st, err := embedded.Status(ctx, embedded.DefaultConfig(a.getenv))
		switch {
		case err != nil:
			problems = []error{err}
		case !st.Running:
			problems = embedded.Check(embedded.DefaultConfig(a.getenv))
		}
		if len(problems) > 0 {
			a.finding("the one inside xbuild", "cannot be used:")
			for _, p := range problems {
				fmt.Fprintf(a.out, "    - %v\n", p)
			}
			return &exitError{code: ExitUnreachable}
		}
		a.finding("the one inside xbuild", "keeps its data in "+st.Root)
	}
	b, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer b.Close()
	return a.tellPlatforms(ctx, b)
}

// tellOthers goes through the BuildKits that are not inside xbuild, and reports whether one of them is used.
func (a *app) tellOthers() bool {
	if addr := a.getenv("BUILDKIT_HOST"); addr != "" {
		a.finding("BUILDKIT_HOST", addr)
		return true
	}
	a.finding("BUILDKIT_HOST", "is not set")
	switch addr, _, err := a.engine(""); {
	case err != nil:
		a.finding("Docker Engine", err.Error())
		return true
	case addr != "":
		a.finding("Docker Engine", addr)
		return true
	}
	a.finding("Docker Engine", "there is none")
	if st, err := os.Stat(defaultSocket); err == nil && st.Mode()&os.ModeSocket != 0 {
		a.finding("buildkitd", defaultSocket)
		return true
	}
	a.finding("buildkitd", "none listens on "+defaultSocket)
	return false
}

func (a *app) finding(what, text string) { fmt.Fprintf(a.out, "  %-22s %s\n", what, text) }

// tellPlatforms says what the BuildKit that was reached can run.
func (a *app) tellPlatforms(ctx context.Context, b *buildkit.Backend) error {
	node, err := b.Node(ctx)
	if err != nil {
		return err
	}
	var native, emulated []string
	for _, p := range node.Platforms {
		if node.Platforms[0].Executes(p) {
			native = append(native, p.String())
		} else {
			emulated = append(emulated, p.String())
		}
	}
	fmt.Fprintf(a.out, "what %s can run:\n", node.Name)
	a.finding("natively", strings.Join(native, " "))
	if len(emulated) == 0 {
		emulated = []string{"nothing; on the machine that runs BuildKit: apt-get install -y qemu-user-static binfmt-support"}
	}
	a.finding("under emulation", strings.Join(emulated, " "))
	if local := (schema.Platform{OS: "linux", Arch: runtime.GOARCH}); !slices.Contains(node.Platforms, local) {
		a.finding("note", "BuildKit's machine is another one than this, which is "+local.String())
	}
	return nil
}
