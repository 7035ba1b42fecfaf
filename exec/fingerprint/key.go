package fingerprint

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema"
)

// keys makes the keys of a plan's builds.
type keys struct {
	plan  *plan.Plan
	world World
	trees map[folder]tree
	done  map[plan.Use]*judged
}

// keyed is everything but files that the result of a build depends on.
type keyed struct {
	Program, Endpoint, Owner string
	Target, Platform         string
	Several                  bool
	// Together are the platforms that make one output with this one.
	Together  []string
	Values    *schema.Build
	Path      string // of the Dockerfile
	Text      string
	Rewritten *string
	Built     string
	Stages    []stage
	Nodes     []plan.Node
	Links     map[string]string // keys, by name of the context
	Trees     []string
}

// stage is the part of a [plan.Stage] that decides what is run: not who else uses it, nor in which words that is told.
type stage struct {
	ID         string
	Kind       plan.Kind
	Evidence   *plan.Evidence
	Placements []plan.Placement
	Inputs     []plan.Input
	Caches     []string
}

// of judges a build. Those that it links to come first in the plan, so they are done.
func (k *keys) of(b *plan.Build) *judged {
	j := &judged{build: b}
	k.done[plan.Use{Target: b.Target, Platform: b.Platform.String()}] = j
	if j.why = k.never(b); j.why != "" {
		return j
	}
	d, t := k.plan.Dockerfile(b.Dockerfile), k.plan.Target(b.Target)
	v := keyed{Program: k.world.Program, Endpoint: k.world.Endpoint, Owner: k.world.Owner, Target: b.Target, Platform: b.Platform.String(),
		Several: t.Declared > 1, Values: b.Values, Path: d.Path, Text: d.Text, Rewritten: d.Rewritten, Built: d.Built,
		Nodes: k.plan.Facts.Nodes, Links: map[string]string{}}
	if slices.ContainsFunc(b.Values.Outputs, func(o schema.Output) bool { return o.Type != schema.OutputLocal }) {
		v.Together = t.Platforms
	}
	for _, id := range b.Stages {
		s := k.plan.Stage(id)
		if s == nil {
			j.why = "the plan is not complete"
			return j
		}
		v.Stages = append(v.Stages, stage{s.ID, s.Kind, s.Evidence, s.Placements, s.Inputs, s.Caches})
	}
	for _, f := range foldersOf(b) {
		t := k.trees[f]
		if t.err != nil {
			j.why = fmt.Sprintf("the context %s cannot be trusted to show changes: %v", f.dir, t.err)
			return j
		}
		j.newest = max(j.newest, t.newest)
		v.Trees = append(v.Trees, f.dir, hex.EncodeToString(t.digest[:]))
	}
	for _, name := range slices.Sorted(maps.Keys(b.Links)) {
		l := k.done[b.Links[name]]
		if l == nil || l.why != "" {
			j.why = "it uses target " + b.Links[name].Target + ", which has to run"
			return j
		}
		v.Links[name], j.newest = l.key, max(j.newest, l.newest)
	}
	text, err := json.Marshal(v)
	if err != nil {
		j.why = err.Error()
		return j
	}
	sum := sha256.Sum256(text)
	j.key = hex.EncodeToString(sum[:])
	return j
}

// never says why nobody can know whether a build is unchanged; empty if that can be known.
func (k *keys) never(b *plan.Build) string {
	d, t, v := k.plan.Dockerfile(b.Dockerfile), k.plan.Target(b.Target), b.Values
	switch {
	case d == nil || t == nil:
		return "the plan is not complete"
	case d.Frontend != "" || b.Result == "":
		return "its Dockerfile is read by another frontend"
	case v.NoCache || len(v.NoCacheFilter) > 0:
		return "it must not use the cache"
	case v.Pull:
		return "it asks for base images anew"
	case v.Call != "":
		return "it is a question, not a build"
	case len(v.CacheTo) > 0:
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
		for _, in := range k.plan.Stage(id).Inputs {
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

// isFolder reports whether a context is a local folder. Everything else has a scheme, or is git's user@host:path.
func isFolder(context string) bool {
	return filepath.IsAbs(context) && !strings.Contains(context, "://")
}

func hashOf(parts ...string) [sha256.Size]byte {
	var b []byte
	for _, p := range parts {
		b = binary.LittleEndian.AppendUint64(b, uint64(len(p)))
		b = append(b, p...)
	}
	return sha256.Sum256(b)
}
