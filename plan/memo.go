package plan

import (
	"bytes"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/xbuild/xbuild/plan/dockerfile"
	"github.com/xbuild/xbuild/schema/diag"
)

// memo keeps the graphs of a planner. Targets that are stages of one Dockerfile with the same values share all nodes, so
// that planning them takes as long as the file is, not as long as the file times the number of targets.
type memo map[memoKey]*dockerfile.Graph

type memoKey struct {
	file *dockerfile.File
	env  string
}

// resolveOnce is [dockerfile.File.Resolve], unless the same was asked before.
func (p *planner) resolveOnce(f *dockerfile.File, env dockerfile.Env) (*dockerfile.Graph, diag.List) {
	if p.seesStage(f) {
		return f.Resolve(env)
	}
	key := memoKey{f, envKey(env)}
	if g := p.graphs[key]; g != nil {
		if of := g.For(env.Stage); of != nil {
			return of, nil
		}
	}
	g, d := f.Resolve(env)
	if !d.HasErrors() {
		p.graphs[key] = g
	}
	return g, d
}

// seesStage reports whether something in the file may depend on which stage is asked for.
func (p *planner) seesStage(f *dockerfile.File) bool {
	if bytes.Contains(f.Text, []byte("TARGETSTAGE")) {
		return true
	}
	for _, img := range p.facts.Images {
		if len(img.OnBuild) > 0 { // instructions that are not in the text
			return true
		}
	}
	return false
}

// envKey is everything in env but the stage, and but what the images are, which is the same for all of a plan.
func envKey(env dockerfile.Env) string {
	var b strings.Builder
	for _, s := range []string{env.Build.String(), env.Target.String(), env.Context} {
		b.WriteString(strconv.Quote(s))
	}
	for _, k := range env.RunKeys {
		b.WriteString(strconv.Quote(k))
	}
	for _, m := range []map[string]string{env.Args, env.Contexts, env.SecretNames, env.SSHNames} {
		b.WriteByte('{')
		for _, k := range slices.Sorted(maps.Keys(m)) {
			b.WriteString(strconv.Quote(k) + strconv.Quote(m[k]))
		}
		b.WriteByte('}')
	}
	return b.String()
}
