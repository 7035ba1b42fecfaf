package plan

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/xbuild/xbuild/internal/parallel"
	"github.com/xbuild/xbuild/plan/dockerfile"
	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// readDockerfiles parses each file once and finds those that cannot be analysed.
func (p *planner) readDockerfiles() {
	type frontend struct {
		foreign bool
		why     string
	}
	known := map[[2]string]frontend{}
	var fresh []*parsed
	of := make([]*parsed, len(p.builds))
	for i, b := range p.builds {
		b.key = FileKey(b.values)
		foreign, why := false, ""
		if f, ok := p.facts.Dockerfiles[b.key]; ok {
			asked := [2]string{b.key, b.values.Args["BUILDKIT_SYNTAX"]} // all that tells the frontend
			front, seen := known[asked]
			if !seen {
				front.foreign, front.why = dockerfile.Frontend([]byte(f.Text), b.values.Args)
				known[asked] = front
			}
			foreign, why = front.foreign, front.why
		}
		ck := fmt.Sprint(b.key, "\x00", foreign, why)
		if p.files[ck] == nil {
			p.files[ck] = &parsed{by: b, foreign: foreign, why: why}
			fresh = append(fresh, p.files[ck])
		}
		of[i] = p.files[ck]
	}
	parallel.Each(len(fresh), func(i int) { p.parse(fresh[i]) })
	for _, ps := range fresh {
		p.diags = append(p.diags, ps.diags...)
		p.stop = p.stop || ps.diags.HasErrors()
	}
	for i, b := range p.builds {
		ps := of[i]
		b.file, b.opaque, b.final = ps.file, ps.opaque, ps.file
		b.frontend = ps.why
		if b.frontend == "" && schema.ParseRef(b.values.Context).Remote() {
			b.frontend = "the context is remote"
		}
	}
}

// parse reads a file. It changes nothing else.
func (p *planner) parse(ps *parsed) {
	b := ps.by
	fact, ok := p.facts.Dockerfiles[b.key]
	path := displayPath(p.cfg, b.target.Name, b.values)
	switch {
	case !ok && schema.ParseRef(b.values.Context).Remote():
		ps.opaque, ps.why = "the Dockerfile is in a remote context that was not read", "the context is remote"
		return
	case !ok || fact.Err != "":
		ps.diags = diag.List{unreadable(b, path, fact)}
		ps.why = ""
		return
	case ps.foreign:
		ps.opaque = ps.why
		return
	}
	f, d := dockerfile.Parse(path, []byte(fact.Text))
	if d.HasErrors() {
		ps.diags, ps.why = p.locate(b, d), ""
		return
	}
	ps.file = f
}

// unreadable says why a Dockerfile could not be read.
func unreadable(b *build, path string, fact DockerfileFact) diag.Diagnostic {
	t := b.target
	if fact.Context != "" {
		return diag.Diagnostic{Severity: diag.Error, Code: "context-missing", Subject: t.At("context"), Summary: "A context cannot be read",
			Detail: fmt.Sprintf("The context of target %s is %s: %s.", t.Name, b.values.Context, fact.Context),
			Advice: "set context to a folder, relative to the build file"}
	}
	d := diag.Diagnostic{Severity: diag.Error, Code: "dockerfile-missing", Subject: t.At("dockerfile"), Summary: "The Dockerfile cannot be read",
		Detail: fmt.Sprintf("target %s needs %s: %s.", t.Name, path, cmp.Or(fact.Err, "it was not read")),
		Advice: "set dockerfile, relative to the target's context " + b.values.Context}
	if slices.Contains(fact.Beside, filepath.Base(path)) { // it is there, and no Dockerfile
		d.Advice = "set dockerfile to a file that can be read"
	} else if s := schema.Suggest(filepath.Base(path), fact.Beside); s != "" {
		d.Advice = fmt.Sprintf("did you mean %q?", s)
	}
	return d
}

// displayPath is the Dockerfile's name as a user would type it in the build file's folder.
func displayPath(cfg *schema.Config, target string, v *schema.Build) string {
	if v.DockerfileInline != "" {
		return "Dockerfile of target " + target
	}
	if rel, ok := strings.CutPrefix(v.Dockerfile, strings.TrimSuffix(cfg.Dir, "/")+"/"); ok {
		return rel
	}
	return v.Dockerfile
}

// Sources is every text that a diagnostic of [Make] may quote, by the name it quotes it under.
func Sources(cfg *schema.Config, facts Facts) diag.Sources {
	src := diag.Sources{}
	maps.Copy(src, cfg.Sources)
	for _, t := range cfg.Targets {
		builds := []*schema.Build{&t.Base}
		for _, q := range t.Platforms {
			builds = append(builds, t.On(q))
		}
		for _, v := range builds {
			if f, ok := facts.Dockerfiles[FileKey(v)]; ok {
				src[displayPath(cfg, t.Name, v)] = []byte(f.Text)
			}
		}
	}
	return src
}

// dockerfileID finds or adds the public entry of the file as it is built.
func (p *planner) dockerfileID(b *build) string {
	path, why := displayPath(p.cfg, b.target.Name, b.values), b.frontend
	seen := builtFile{path, b.key, why, b.built, b.final}
	id := p.idOf[seen]
	if id == "" {
		id = p.addDockerfile(b, path, why)
		p.idOf[seen] = id
	}
	return id
}

// builtFile is a file as it is built for some builds. Two of them may still be one text.
type builtFile struct {
	path, key, frontend, built string
	final                      *dockerfile.File
}

// addDockerfile is dockerfileID for a file that was not seen yet.
func (p *planner) addDockerfile(b *build, path, why string) string {
	text := p.facts.Dockerfiles[b.key].Text
	var rewritten *string
	if b.final != b.file {
		s := string(b.final.Text)
		rewritten = &s
	}
	key := strings.Join([]string{path, text, why, b.built}, "\x00")
	if rewritten != nil {
		key += "\x01" + *rewritten
	}
	if id := p.ids[key]; id != "" {
		return id
	}
	sum := sha256.Sum256([]byte(text))
	d := Dockerfile{ID: fmt.Sprintf("d%d", len(p.plan.Dockerfiles)+1), Path: path, SHA256: hex.EncodeToString(sum[:]), Rewritten: rewritten,
		Text: text, Lines: b.lines, Built: b.built, Wrapped: b.wrapped, Frontend: why}
	if b.shown != "" {
		d.Shown = &b.shown
	}
	p.plan.Dockerfiles = append(p.plan.Dockerfiles, d)
	p.ids[key] = d.ID
	return d.ID
}
