package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/aymanbagabas/go-udiff"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/internal/regular"
	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema"
)

// planWrite edits the Dockerfiles of the targets in place. All of them are written, or, if one cannot be, none.
func (a *app) planWrite(ctx context.Context, in *inputFlags, f *planFlags, args []string) error {
	cfg, err := a.load(ctx, in, args)
	if err != nil {
		return err
	}
	req, err := in.request(cfg, args)
	if err != nil {
		return err
	}
	if err := a.report(plan.NotEditable(cfg, req), cfg.Sources); err != nil {
		return err
	}
	if err := a.checkWriting(in, cfg, plan.Choices(cfg, req)); err != nil {
		return err
	}
	b, done, err := a.askedNode(ctx, f.offline)
	if err != nil {
		return err
	}
	defer done()
	edits, err := a.edits(ctx, in, cfg, req, b)
	if err != nil {
		return err
	}
	changed, err := writeEdits(edits)
	if err != nil {
		return err
	}
	for _, e := range edits {
		fmt.Fprint(a.err, editText(e))
		fmt.Fprint(a.err, suggestText(e.Suggestions, func(string) string { return e.Path }, true, false))
		fmt.Fprint(a.out, editDiff(e))
	}
	if len(edits) == 0 {
		fmt.Fprintln(a.err, "no target has a strategy that cross-compiles; nothing to change")
	}
	if f.detailed && changed {
		return &exitError{code: ExitChanged}
	}
	return nil
}

// edits finds the changes that may stay in the Dockerfiles of the targets. Errors are reported, and stand in the result.
func (a *app) edits(ctx context.Context, in *inputFlags, cfg *schema.Config, req plan.Request, b exec.Backend) ([]plan.Edit, error) {
	var all plan.Request // the stages of other targets count too
	for _, t := range cfg.Targets {
		all.Targets = append(all.Targets, t.Name)
	}
	choices := plan.Choices(cfg, all)
	if err := a.checkReading(in, cfg, choices); err != nil {
		return nil, err
	}
	facts, err := gather(ctx, a.stateDir(), cfg, all, choices, b)
	if err != nil {
		return nil, a.orInterrupted(ctx, err)
	}
	edits, diags := plan.Edits(cfg, req, facts)
	return edits, a.report(diags, plan.Sources(cfg, facts))
}

// editDiff is an edit as a unified diff, empty if there is nothing to change.
func editDiff(e plan.Edit) string {
	name := filepath.ToSlash(e.Path)
	return udiff.Unified("a/"+name, "b/"+name, e.Text, e.New)
}

// editText says in words what became of a file.
func editText(e plan.Edit) string {
	var b strings.Builder
	switch {
	case e.New == e.Text:
		fmt.Fprintf(&b, "%s: nothing to change\n", e.Path)
	default:
		verb := "run"
		if len(e.Pinned) == 1 {
			verb = "runs"
		}
		fmt.Fprintf(&b, "%s: written; %s now %s on the build platform\n", e.Path, strings.Join(e.Pinned, ", "), verb)
	}
	return b.String() + keptText(e)
}

// keptText says what of a file is left alone, and why.
func keptText(e plan.Edit) string {
	var b strings.Builder
	for _, k := range e.Kept {
		fmt.Fprintf(&b, "%s: left as it is: %s\n", k.At, k.Reason)
	}
	return b.String()
}

// replacement is a file with the text that it has and the one that it will have.
type replacement struct {
	name     string // how the user knows it
	file     string
	old, new string
}

// staged is an edited file beside the one that it will replace.
type staged struct {
	replacement
	tmp string
}

func writeEdits(edits []plan.Edit) (changed bool, err error) {
	var all []replacement
	for _, e := range edits {
		if e.New != e.Text {
			all = append(all, replacement{e.Path, dockerfilePath(e.File), e.Text, e.New})
		}
	}
	return replaceFiles(all)
}

// replaceFiles writes the new texts, each in one step. None is written if one cannot be, and a file that was changed in the
// meantime is left alone.
func replaceFiles(files []replacement) (changed bool, err error) {
	var all []staged
	defer func() {
		for _, s := range all {
			os.Remove(s.tmp) // gone already if it was renamed
		}
	}()
	for _, r := range files {
		s, err := stage(r)
		if err != nil {
			return false, &exitError{ExitFailed, fmt.Errorf("%s cannot be written, and nothing was changed: %w", r.name, errText(err))}
		}
		all = append(all, s)
	}
	for _, s := range all {
		if now, err := regular.ReadFile(s.file); err != nil || string(now) != s.old {
			return changed, &exitError{ExitChanged, fmt.Errorf("%s was changed in the meantime and is left alone; run the command again", s.name)}
		}
		if err := os.Rename(s.tmp, s.file); err != nil {
			return changed, &exitError{ExitFailed, fmt.Errorf("%s cannot be replaced: %w", s.name, errText(err))}
		}
		changed = true
	}
	return changed, nil
}

// stage writes the new text beside the file, with the file's mode and owner. A link stays one: what it leads to is edited.
func stage(r replacement) (s staged, err error) {
	s.replacement = r
	if s.file, err = filepath.EvalSymlinks(s.file); err != nil {
		return s, err
	}
	fi, err := os.Stat(s.file)
	if err != nil {
		return s, err
	}
	probe, err := os.OpenFile(s.file, os.O_WRONLY, 0) // a file that its owner protects is not replaced either
	if err != nil {
		return s, err
	}
	probe.Close()
	s.tmp, err = writeTemp(s.file, []byte(r.new), fi)
	return s, err
}

// writeTemp writes data to a new file beside path, with the mode and owner of fi if there is one, and sees it on the disk.
func writeTemp(path string, data []byte, fi os.FileInfo) (name string, err error) {
	t, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".xbuild-*")
	if err != nil {
		return "", err
	}
	defer func() {
		err = errors.Join(err, t.Close())
		if err != nil {
			os.Remove(t.Name())
		}
	}()
	mode := os.FileMode(0o644)
	if fi != nil {
		mode = fi.Mode().Perm()
		if err := keepOwner(t, fi); err != nil {
			return "", err
		}
	}
	if err := t.Chmod(mode); err != nil {
		return "", err
	}
	if _, err := bytes.NewReader(data).WriteTo(t); err != nil {
		return "", err
	}
	return t.Name(), t.Sync()
}
