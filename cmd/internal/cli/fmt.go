package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/aymanbagabas/go-udiff"
	"github.com/spf13/cobra"

	"github.com/xbuild/xbuild/hcl"
	"github.com/xbuild/xbuild/internal/printable"
	"github.com/xbuild/xbuild/internal/regular"
	"github.com/xbuild/xbuild/schema/diag"
)

// formatFlags are the flags of fmt.
type formatFlags struct {
	check, diff bool
}

func (a *app) fmtCommand() *cobra.Command {
	var in inputFlags
	var f formatFlags
	c := &cobra.Command{
		Use:   "fmt [FILE...]",
		Short: "Format build files",
		Long: "Bring build files in HCL into their canonical form, in place, and print the names of those that changed. Without FILE, the\n" +
			"build files that the other commands read are formatted, as far as they are HCL; - formats standard input to standard\n" +
			"output. If a file cannot be read, none is changed.\n\n" +
			"--check and --diff change no file. With --check the exit code is 3 if a file is not in its canonical form.",
		RunE: func(c *cobra.Command, args []string) error { return a.format(c.Context(), &in, f, args) },
	}
	c.Flags().StringVarP(&in.dir, "directory", "C", "", "work as if started in this folder")
	c.Flags().BoolVar(&f.check, "check", false, "print the names of the files that would change")
	c.Flags().BoolVar(&f.diff, "diff", false, "print what would change, as a unified diff")
	return c
}

// formatFile is a build file, and its text before and after.
type formatFile struct {
	name, path string
	old, new   string
	stdin      bool
}

func (a *app) format(ctx context.Context, in *inputFlags, f formatFlags, args []string) error {
	if err := in.enter(); err != nil {
		return err
	}
	files, err := a.formatFiles(ctx, args)
	if err != nil {
		return err
	}
	var diags diag.List
	sources := diag.Sources{}
	for i := range files {
		file := &files[i]
		text, d := hcl.Format(file.name, []byte(file.old))
		diags, file.new = append(diags, d...), string(text)
		sources[file.name] = []byte(file.old)
	}
	if err := a.report(diags, sources); err != nil {
		return err
	}
	return a.formatted(files, f)
}

// formatFiles reads the files to format. A file that is named twice is formatted once.
func (a *app) formatFiles(ctx context.Context, names []string) ([]formatFile, error) {
	named := len(names) > 0
	if !named {
		dir, err := os.Getwd()
		if err != nil {
			return nil, &exitError{ExitUsage, err}
		}
		found, _, err := hcl.FindAll(dir, a.trusted)
		if err != nil {
			return nil, &exitError{ExitUsage, err}
		}
		for _, p := range found {
			if hcl.Formattable(p) {
				names = append(names, relative(p))
			}
		}
		if len(names) == 0 {
			return nil, &exitError{ExitUsage, fmt.Errorf("no build file here is HCL, and only HCL is formatted: there is %s", strings.Join(found, ", "))}
		}
	}
	var out []formatFile
	for _, name := range names {
		if slices.ContainsFunc(out, func(f formatFile) bool { return f.path == name }) {
			continue
		}
		f, err := readToFormat(ctx, name)
		if err != nil {
			return nil, a.orInterrupted(ctx, &exitError{ExitUsage, err})
		}
		out = append(out, f)
	}
	return out, nil
}

func readToFormat(ctx context.Context, name string) (formatFile, error) {
	if name == "-" {
		text, err := readStdin(ctx)
		return formatFile{name: "<stdin>", path: name, old: string(text), stdin: true}, err
	}
	if !hcl.Formattable(name) {
		return formatFile{}, fmt.Errorf("%s is not formatted: only files that end in .hcl are", name)
	}
	text, err := regular.ReadFile(name)
	if err != nil {
		return formatFile{}, fmt.Errorf("the build file %s cannot be read: %w", name, errText(err))
	}
	return formatFile{name: name, path: name, old: string(text)}, nil
}

// formatted shows or writes what formatting made of the files.
func (a *app) formatted(files []formatFile, f formatFlags) error {
	var changed []replacement
	for _, file := range files {
		if file.stdin && !f.check && !f.diff {
			a.filtered(file.new)
		} else if file.old != file.new {
			changed = append(changed, replacement{file.name, file.path, file.old, file.new})
		}
	}
	if !f.check && !f.diff {
		if _, err := replaceFiles(changed); err != nil {
			return err
		}
	}
	for _, r := range changed {
		if f.diff {
			fmt.Fprint(a.out, udiff.Unified("a/"+r.name, "b/"+r.name, r.old, r.new))
		} else {
			fmt.Fprintln(a.out, r.name)
		}
	}
	if f.check && len(changed) > 0 {
		return &exitError{ExitChanged, errors.New(plural(len(changed), "file") + " not in canonical form; run xbuild fmt")}
	}
	return nil
}

// filtered prints what fmt made of standard input: byte for byte where it goes to a file or another program.
func (a *app) filtered(text string) {
	w := a.out
	if !isTerminal(w) {
		w = printable.Unwrap(w)
	}
	fmt.Fprint(w, text)
}
