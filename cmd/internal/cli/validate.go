package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/xbuild/xbuild/hcl"
	"github.com/xbuild/xbuild/internal/printable"
	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

var validateFormats = []string{"text", "json", "github"}

func (a *app) validateCommand() *cobra.Command {
	var in inputFlags
	var format string
	c := &cobra.Command{
		Use:   "validate [TARGET...]",
		Short: "Check the build files",
		Long: "Check all that the build files say, for every target and group or for those named, and report every problem. Nothing is\n" +
			"built and no BuildKit is needed; Dockerfiles, folders and secrets are not looked at.\n\n" +
			"--format json prints the problems as one JSON array, github as commands that make GitHub annotate the lines.",
		RunE: func(c *cobra.Command, args []string) error {
			if !slices.Contains(validateFormats, format) {
				return &exitError{ExitUsage, fmt.Errorf("--format %s: want %s", format, strings.Join(validateFormats, ", "))}
			}
			return a.validate(c.Context(), &in, format, in.takeRemote(args))
		},
	}
	in.registerFiles(c)
	in.registerSets(c)
	in.registerAllow(c)
	c.Flags().StringVar(&format, "format", validateFormats[0], strings.Join(validateFormats, ", "))
	return c
}

func (a *app) validate(ctx context.Context, in *inputFlags, format string, args []string) error {
	def, diags, err := a.parse(ctx, in, args)
	if err != nil {
		return err
	}
	cfg := &schema.Config{Sources: def.sources}
	if !diags.HasErrors() {
		def.env.Portable = true
		if len(args) == 0 {
			def.env.Targets = nil // all
		}
		var more diag.List
		cfg, more = hcl.Validate(def.files, def.env)
		diags = append(diags, more...).Sorted()
	}
	switch format {
	case "text":
		fmt.Fprint(a.err, diag.Text(diags, cfg.Sources))
	case "json":
		fmt.Fprintf(a.out, "%s", diag.JSON(diags))
	case "github":
		fmt.Fprint(printable.Raw(a.out), diag.GitHub(a.inWorkspace(diags, def.env.Dir)))
	}
	if diags.HasErrors() {
		return &exitError{ExitUsage, errors.New(countText(diags))}
	}
	said := fmt.Sprintf("the build files are valid: %s, %s", plural(len(cfg.Targets), "target"), plural(len(cfg.Variables), "variable"))
	if len(diags) > 0 {
		said += "; " + countText(diags)
	}
	fmt.Fprintln(a.err, said)
	return nil
}

// countText says how many problems there are.
func countText(l diag.List) string {
	n := map[diag.Severity]int{}
	for _, d := range l {
		n[d.Severity]++
	}
	var parts []string
	for _, s := range []diag.Severity{diag.Error, diag.Warning, diag.Note} {
		if n[s] > 0 {
			parts = append(parts, plural(n[s], string(s)))
		}
	}
	return strings.Join(parts, ", ")
}

// inWorkspace names the files of diagnostics from the root of the repository, which is how GitHub knows them. What does not
// stand in a file loses its place. Relative names are from dir.
func (a *app) inWorkspace(l diag.List, dir string) diag.List {
	root := a.getenv("GITHUB_WORKSPACE")
	out := slices.Clone(l)
	for i := range out {
		if out[i].Subject == nil {
			continue
		}
		r := *out[i].Subject
		abs := r.Filename
		if !filepath.IsAbs(abs) {
			abs = filepath.Join(dir, abs)
		}
		if _, err := os.Stat(abs); err != nil { // the command line, or a file that is not on this machine
			out[i].Subject = nil
			continue
		}
		if rel, err := filepath.Rel(root, abs); root != "" && err == nil && filepath.IsLocal(rel) {
			r.Filename = filepath.ToSlash(rel)
		}
		out[i].Subject = &r
	}
	return out
}
