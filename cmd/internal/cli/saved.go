package cli

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/xbuild/xbuild/cmd/internal/entitle"
	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/exec/output"
	"github.com/xbuild/xbuild/hcl"
	"github.com/xbuild/xbuild/internal/regular"
	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// savePlan writes the plan to a file and reports whether it is another one than the file held before.
func (a *app) savePlan(file string, p *plan.Plan, cfg *schema.Config) (differs bool, err error) {
	fail := func(err error) (bool, error) {
		return false, &exitError{ExitFailed, fmt.Errorf("the plan cannot be saved to %s: %w", file, errText(err))}
	}
	for _, b := range p.Builds {
		if s := b.Values.SensitiveArgs; len(s) > 0 {
			return fail(fmt.Errorf("the argument %s of the target %q is sensitive, and the file would show it", s[0], b.Target))
		}
	}
	inputs, err := planInputs(p, cfg)
	if err != nil {
		return fail(err)
	}
	data, err := plan.Save(p, inputs)
	if err != nil {
		return fail(err)
	}
	fi, err := os.Stat(file)
	if err == nil && !fi.Mode().IsRegular() { // /dev/stdout
		if err := os.WriteFile(file, data, 0o644); err != nil {
			return fail(err)
		}
		return true, nil
	}
	if err == nil {
		if before, err := regular.ReadFile(file); err == nil && bytes.Equal(before, data) {
			return false, nil
		}
		if file, err = filepath.EvalSymlinks(file); err != nil {
			return fail(err)
		}
	} else {
		fi = nil
	}
	tmp, err := writeTemp(file, data, fi)
	if err != nil {
		return fail(err)
	}
	defer os.Remove(tmp)
	if o := output.OwnerFromEnv(a.getenv, os.Geteuid()); o.Set && fi == nil {
		if err := os.Chown(tmp, o.UID, o.GID); err != nil {
			return fail(err)
		}
	}
	if err := os.Rename(tmp, file); err != nil {
		return fail(err)
	}
	return true, nil
}

// planInputs are the files that the plan was made from: build files and Dockerfiles.
func planInputs(p *plan.Plan, cfg *schema.Config) ([]plan.SavedInput, error) {
	var out []plan.SavedInput
	add := func(kind, name, path string, text []byte) error {
		abs, err := filepath.Abs(path)
		if err == nil && !slices.ContainsFunc(out, func(in plan.SavedInput) bool { return in.Path == abs }) {
			out = append(out, plan.SavedInput{Kind: kind, Name: name, Path: abs, SHA256: sum(text)})
		}
		return err
	}
	for _, n := range slices.Sorted(slices.Values(cfg.Files)) {
		if n == "-" { // standard input is gone
			continue
		}
		if err := add(buildFileKind, n, n, cfg.Sources[n]); err != nil {
			return nil, err
		}
	}
	for _, b := range p.Builds {
		d := p.Dockerfile(b.Dockerfile)
		if d == nil || b.Values.DockerfileInline != "" || !filepath.IsAbs(b.Values.Dockerfile) || !filepath.IsAbs(b.Values.Context) {
			continue
		}
		if err := add("Dockerfile", d.Path, dockerfilePath(b.Values.Dockerfile), []byte(d.Text)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func sum(text []byte) string {
	s := sha256.Sum256(text)
	return hex.EncodeToString(s[:])
}

// dockerfilePath is where a Dockerfile is read: under its name, or under the lower-case name that BuildKit takes too.
func dockerfilePath(path string) string {
	if _, err := os.Lstat(path); errors.Is(err, os.ErrNotExist) && filepath.Base(path) == "Dockerfile" {
		lower := filepath.Join(filepath.Dir(path), "dockerfile")
		if _, err := os.Lstat(lower); err == nil {
			return lower
		}
	}
	return path
}

// loadPlan reads a saved plan and refuses it if a file that it was made from is another one now. The sources are for
// diagnostics. What the plan says was not checked against what the command line allows.
func loadPlan(file string) (*plan.Plan, []plan.SavedInput, diag.Sources, error) {
	data, err := regular.ReadFile(file)
	if err != nil {
		return nil, nil, nil, &exitError{ExitUsage, fmt.Errorf("the plan %s cannot be read: %w", file, errText(err))}
	}
	p, inputs, err := plan.Load(data)
	if err != nil {
		return nil, nil, nil, &exitError{ExitUsage, fmt.Errorf("the plan %s cannot be used: %w", file, err)}
	}
	if p.Diagnostics.HasErrors() {
		return nil, nil, nil, &exitError{ExitUsage, fmt.Errorf("the plan %s has errors and cannot be run", file)}
	}
	sources := diag.Sources{}
	var changed []string
	for _, in := range inputs {
		text, err := regular.ReadFile(in.Path)
		switch {
		case err != nil:
			changed = append(changed, fmt.Sprintf("the %s %s cannot be read: %v", in.Kind, in.Name, errText(err)))
		case sum(text) != in.SHA256:
			changed = append(changed, fmt.Sprintf("the %s %s was changed", in.Kind, in.Name))
		default: // only text that was in the plan's hands is ever shown
			sources[in.Name] = text
		}
	}
	for _, b := range p.Builds {
		dir := b.Values.Context
		if st, err := os.Stat(dir); filepath.IsAbs(dir) && (err != nil || !st.IsDir()) {
			changed = append(changed, fmt.Sprintf("the context %s of target %s is no folder any more", dir, b.Target))
		}
	}
	return p, inputs, sources, outdated(file, changed)
}

// savedAccess is what a saved plan may use of this machine: what the run that made it could, if it was made where this command
// runs. The plan is a file that anybody may have edited, so its word alone frees nothing: of a plan of an xbuild.hcl, the
// project is free only for whoever stands in it, and only if the build file could have been found from here.
func (a *app) savedAccess(in *inputFlags, inputs []plan.SavedInput) (*access, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, &exitError{ExitUsage, err}
	}
	acc, err := a.newAccess(in, dir, nil)
	if err != nil {
		return nil, err
	}
	never, real := a.homes(), acc.world.Real(dir)
	for _, f := range inputs {
		if f.Kind != buildFileKind || hcl.Dialect(f.Path) != schema.XbuildDialect {
			continue
		}
		root := entitle.ProjectRoot(f.Path, never)
		acc.area, acc.world.Free = "the project", nil
		here := acc.world.Real(filepath.Dir(f.Path)) == real
		if root == "" || !here && a.trusted(f.Path) != nil {
			continue
		}
		if rel, err := filepath.Rel(root, real); err == nil && filepath.IsLocal(rel) {
			acc.world.Free = []string{root}
			break
		}
	}
	return acc, nil
}

// buildFileKind is the kind of those inputs of a saved plan that are build files.
const buildFileKind = "build file"

// checkNode refuses a saved plan on a node that would run it otherwise: of another platform, without an emulator that it
// needs, or where a base image is another one now.
func checkNode(ctx context.Context, file string, p *plan.Plan, b exec.Backend) error {
	node, err := b.Node(ctx)
	if err != nil {
		return err
	}
	var changed []string
	if now := node.Platforms[0].String(); now != p.Facts.Nodes[0].Native {
		changed = append(changed, fmt.Sprintf("it is for a node that is %s, and this one is %s", p.Facts.Nodes[0].Native, now))
	}
	for _, s := range p.Stages {
		for _, pl := range s.Placements {
			q, err := schema.ParsePlatform(pl.Platform)
			if err == nil && !slices.ContainsFunc(node.Platforms, func(n schema.Platform) bool { return n.Executes(q) }) {
				changed = append(changed, fmt.Sprintf("stage %s needs %s, which the node does not run", s.Stage, pl.Platform))
			}
		}
	}
	var refs []string
	for _, img := range p.Facts.Images {
		if img.Digest != "" {
			refs = append(refs, img.Ref)
		}
	}
	if len(refs) > 0 && len(changed) == 0 {
		now, err := b.Images(ctx, refs)
		if err != nil {
			return err
		}
		for _, img := range p.Facts.Images {
			if n := now[img.Ref]; img.Digest != "" && n.Digest != img.Digest {
				changed = append(changed, fmt.Sprintf("the image %s was %s and is %s", img.Ref, img.Digest, cmp.Or(n.Digest, "not there: "+n.Err)))
			}
		}
	}
	return outdated(file, changed)
}

// outdated is the error for a saved plan whose inputs are other ones now, or nil.
func outdated(file string, changed []string) error {
	if len(changed) == 0 {
		return nil
	}
	slices.Sort(changed)
	return &exitError{ExitChanged, fmt.Errorf("the plan %s is out of date: %s; make it anew with xbuild plan --out %s",
		file, strings.Join(slices.Compact(changed), "; "), file)}
}
