package plan

import (
	"encoding/json"
	"fmt"

	"github.com/xbuild/xbuild/schema/diag"
)

// SavedFormat is the version of the part of a saved plan that is not the public form. It is for the same program only: a
// program that has another one refuses the file.
const SavedFormat = 1

// SavedInput is a file that a saved plan was made from.
type SavedInput struct {
	// Kind is "build file" or "Dockerfile".
	Kind string `json:"kind"`
	// Name is the path for people, Path the absolute one.
	Name   string `json:"name"`
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
}

// savedPlan is the public form with everything else that the executor needs under one key.
type savedPlan struct {
	*Plan
	Saved saved `json:"saved"`
}

// saved holds what the public form leaves out. Lists run beside those of the public form.
type saved struct {
	Format      int          `json:"format"`
	Inputs      []SavedInput `json:"inputs"`
	Targets     []savedTarget
	Dockerfiles []savedDockerfile
	Images      []savedImage
	EndLines    []int // of the stages
	Builds      []Build
	Alternative *saved `json:",omitempty"`
}

type savedTarget struct {
	Requested  bool
	Declared   int
	Bake       bool
	Range      diag.Range
	StrategyAt *diag.Range `json:",omitempty"`
	Outputs    []savedOutput
}

type savedOutput struct {
	Push  bool
	Attrs map[string]string
}

type savedDockerfile struct {
	Text, Built string
	Lines       []int
	Shown       *string `json:",omitempty"`
	Wrapped     []int   `json:",omitempty"`
	Frontend    string
}

type savedImage struct {
	Env, OnBuild []string
	Err          string
	Workdir      string `json:",omitempty"`
	Single       bool   `json:",omitempty"`
}

// Save gives the plan as a file: its public JSON form, with one more key for [Load]. The same plan and inputs give the same
// bytes.
func Save(p *Plan, inputs []SavedInput) ([]byte, error) {
	s := private(p)
	s.Inputs = inputs
	j, err := json.MarshalIndent(savedPlan{p, *s}, "", "  ")
	return append(j, '\n'), err
}

// private is what the public form of a plan leaves out.
func private(p *Plan) *saved {
	s := &saved{Format: SavedFormat, Builds: p.Builds}
	for _, t := range p.Targets {
		st := savedTarget{Requested: t.Requested, Declared: t.Declared, Bake: t.Bake, Range: t.Range, StrategyAt: t.StrategyAt}
		for _, o := range t.Outputs {
			st.Outputs = append(st.Outputs, savedOutput{o.Push, o.Attrs})
		}
		s.Targets = append(s.Targets, st)
	}
	for _, d := range p.Dockerfiles {
		s.Dockerfiles = append(s.Dockerfiles, savedDockerfile{d.Text, d.Built, d.Lines, d.Shown, d.Wrapped, d.Frontend})
	}
	for _, i := range p.Facts.Images {
		s.Images = append(s.Images, savedImage{i.Env, i.OnBuild, i.Err, i.Workdir, i.Single})
	}
	for _, st := range p.Stages {
		s.EndLines = append(s.EndLines, st.EndLine)
	}
	if p.Alternative != nil {
		s.Alternative = private(p.Alternative)
	}
	return s
}

// Load reads what [Save] wrote. The plan is equal to the one saved; whether its inputs still are is for the caller to see.
func Load(data []byte) (*Plan, []SavedInput, error) {
	sp := savedPlan{Plan: &Plan{}}
	if err := json.Unmarshal(data, &sp); err != nil {
		return nil, nil, fmt.Errorf("it is not a saved plan: %w", err)
	}
	if err := sp.Plan.restore(&sp.Saved); err != nil {
		return nil, nil, err
	}
	return sp.Plan, sp.Saved.Inputs, sp.Plan.whole()
}

// restore gives the plan what its public form left out.
func (p *Plan) restore(s *saved) error {
	switch {
	case s.Format == 0:
		return fmt.Errorf("it is not a plan that plan --out saved")
	case s.Format != SavedFormat || p.Version != Version:
		return fmt.Errorf("it was saved by another version of xbuild (format %d.%d, this one reads %d.%d)", p.Version, s.Format, Version, SavedFormat)
	case len(s.Targets) != len(p.Targets) || len(s.Dockerfiles) != len(p.Dockerfiles) || len(s.Images) != len(p.Facts.Images) || len(s.EndLines) != len(p.Stages), (s.Alternative == nil) != (p.Alternative == nil):
		return fmt.Errorf("its parts do not belong together")
	}
	p.Builds = s.Builds
	for i, t := range s.Targets {
		d := &p.Targets[i]
		d.Requested, d.Declared, d.Bake, d.Range, d.StrategyAt = t.Requested, t.Declared, t.Bake, t.Range, t.StrategyAt
		if len(t.Outputs) != len(d.Outputs) {
			return fmt.Errorf("its parts do not belong together")
		}
		for k, o := range t.Outputs {
			d.Outputs[k].Push, d.Outputs[k].Attrs = o.Push, o.Attrs
		}
	}
	for i, x := range s.Dockerfiles {
		d := &p.Dockerfiles[i]
		d.Text, d.Built, d.Lines, d.Frontend, d.Shown, d.Wrapped = x.Text, x.Built, x.Lines, x.Frontend, x.Shown, x.Wrapped
	}
	for i, x := range s.Images {
		d := &p.Facts.Images[i]
		d.Env, d.OnBuild, d.Err, d.Workdir, d.Single = x.Env, x.OnBuild, x.Err, x.Workdir, x.Single
	}
	for i, l := range s.EndLines {
		p.Stages[i].EndLine = l
	}
	if p.Alternative != nil && s.Alternative != nil {
		return p.Alternative.restore(s.Alternative)
	}
	return nil
}

// whole checks that everything a plan names is in it, so that a damaged file is refused and not run.
func (p *Plan) whole() error {
	targets, files, stages := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, t := range p.Targets {
		targets[t.Name] = true
	}
	for _, d := range p.Dockerfiles {
		files[d.ID] = true
	}
	for _, s := range p.Stages {
		stages[s.ID] = true
	}
	for _, b := range p.Builds {
		switch {
		case b.Values == nil || !targets[b.Target] || !files[b.Dockerfile]:
			return fmt.Errorf("its build of %q is not complete", b.Target)
		case b.Result != "" && !stages[b.Result]:
			return fmt.Errorf("its build of %q has a result that is no stage", b.Target)
		}
		for _, id := range b.Stages {
			if !stages[id] {
				return fmt.Errorf("its build of %q needs a stage that is not there", b.Target)
			}
		}
	}
	if len(p.Facts.Nodes) == 0 {
		return fmt.Errorf("it names no node")
	}
	if p.Alternative != nil && len(p.Alternative.Builds) > 0 {
		return p.Alternative.whole()
	}
	return nil
}
