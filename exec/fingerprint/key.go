package fingerprint

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema"
)

// part is what a plan says of one build, with all that has to be looked at to know whether it is unchanged.
type part struct {
	Target, Platform string
	Requested        bool
	// Static identifies everything but files and linked builds.
	Static  string
	Folders []folder
	Links   map[string]plan.Use `json:",omitempty"`
	// After are targets that are built before this one.
	After []string `json:",omitempty"`
	// Shares are this target and those that write to the same places; the last one wins.
	Shares []string `json:",omitempty"`
	// Joint says that the platforms of the target make an output together.
	Joint bool `json:",omitempty"`

	never string // why nobody can know whether it is unchanged
	build *plan.Build
}

func (p *part) use() plan.Use { return plan.Use{Target: p.Target, Platform: p.Platform} }

// folder is a context that is a folder.
type folder struct {
	Dir string
	// Dockerfile is the one whose own ignore file may hold for the folder.
	Dockerfile string `json:",omitempty"`
	// Whole folders have no ignore file.
	Whole bool `json:",omitempty"`
}

// partsOf takes a plan apart. Those that others link to come first.
func partsOf(p *plan.Plan) []*part {
	stages := map[string]*plan.Stage{}
	for i := range p.Stages {
		stages[p.Stages[i].ID] = &p.Stages[i]
	}
	var out []*part
	for i := range p.Builds {
		b := &p.Builds[i]
		out = append(out, partOf(p, stages, b))
	}
	return out
}

func partOf(p *plan.Plan, stages map[string]*plan.Stage, b *plan.Build) *part {
	out := &part{Target: b.Target, Platform: b.Platform.String(), Requested: b.Requested, Links: b.Links, After: b.After, Shares: b.Shares, build: b}
	d, t := p.Dockerfile(b.Dockerfile), p.Target(b.Target)
	if d == nil || t == nil || slices.ContainsFunc(b.Stages, func(id string) bool { return stages[id] == nil }) {
		out.never = "the plan is not complete"
		return out
	}
	if out.never = never(b, d, stages); out.never != "" {
		return out
	}
	alone := *b // without what depends on which other targets are in the plan
	alone.Dockerfile, alone.Requested, alone.Links, alone.After = "", false, nil, nil
	file := *d
	file.ID = ""
	var together []string
	if slices.ContainsFunc(b.Values.Outputs, func(o schema.Output) bool { return o.Type != schema.OutputLocal }) {
		out.Joint, together = true, t.Platforms
	}
	var used []plan.Stage
	for _, id := range b.Stages {
		s := *stages[id] // without who else uses it, and in which words it is explained
		s.Dockerfile, s.For, s.Code, s.Reason, s.Tried = "", nil, "", "", nil
		used = append(used, s)
	}
	var err error
	if out.Static, err = Hash(alone, file, used, together, t.Declared, p.Facts.Nodes); err != nil {
		out.never = err.Error()
	}
	out.Folders = foldersOf(b)
	return out
}

// foldersOf are the local contexts of a build.
func foldersOf(b *plan.Build) []folder {
	f := folder{Dir: b.Values.Context}
	if b.Values.DockerfileInline == "" {
		f.Dockerfile = b.Values.Dockerfile
	}
	out := []folder{f}
	for _, name := range slices.Sorted(maps.Keys(b.Values.Contexts)) {
		if dir := b.Values.Contexts[name]; isFolder(dir) {
			out = append(out, folder{Dir: dir, Whole: true})
		}
	}
	return out
}

// never says why nobody can know whether a build is unchanged; empty if that can be known.
func never(b *plan.Build, d *plan.Dockerfile, stages map[string]*plan.Stage) string {
	v := b.Values
	switch {
	case d.Frontend != "" || b.Result == "":
		return "its Dockerfile is read by another frontend"
	case v.NoCache || len(v.NoCacheFilter) > 0:
		return "it must not use the cache"
	case v.Pull:
		return "it asks for base images anew"
	case v.Call != "":
		return "it is a question, not a build"
	case len(v.CacheTo)+len(b.CacheTo) > 0:
		return "it writes a cache"
	case len(v.Policies) > 0:
		return "its sources are judged anew"
	case !isFolder(v.Context):
		return "its context is not a folder"
	case b.Requested:
		if why := neverOutputs(v); why != "" {
			return why
		}
	}
	for name, c := range v.Contexts {
		if _, linked := b.Links[name]; !linked && !isFolder(c) && !pinned(c) {
			return fmt.Sprintf("its context %s may change without a sign", name)
		}
	}
	for _, id := range b.Stages {
		for _, in := range stages[id].Inputs {
			switch {
			case in.Kind == "url" || in.Kind == "git":
				return fmt.Sprintf("it reads %s, which may change without a sign", in.Ref)
			case in.Kind == "image" && in.Digest == "" && !pinned(in.Ref):
				return fmt.Sprintf("the digest of its base %s is not known", in.Ref)
			}
		}
	}
	return ""
}

// neverOutputs is never for outputs.
func neverOutputs(v *schema.Build) string {
	kept := false
	for _, o := range v.Outputs {
		switch {
		case o.Type == schema.OutputLocal:
			kept = true
		case o.Type == schema.OutputImage && o.Push && len(o.Attrs) == 0 && len(v.Tags) > 0:
			kept = true
		case o.Type == schema.OutputCacheOnly:
		default:
			return fmt.Sprintf("it has an output of type %s, which cannot be looked at", o.Type)
		}
	}
	if !kept {
		return "it leaves nothing but the cache"
	}
	return ""
}

// isFolder reports whether a context is a directory of this machine.
func isFolder(context string) bool {
	return filepath.IsAbs(context) && schema.ParseRef(context).Local()
}

// pinned reports whether a reference of an image holds its digest.
func pinned(ref string) bool { return strings.Contains(ref, "@sha256:") }

func hashOf(parts ...string) [sha256.Size]byte {
	var b []byte
	for _, p := range parts {
		b = binary.LittleEndian.AppendUint64(b, uint64(len(p)))
		b = append(b, p...)
	}
	return sha256.Sum256(b)
}
