package plan

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/distribution/reference"

	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// scopeCaches keeps targets from overwriting each other's caches: where several targets of the build file write to one
// place, each gets a part of it. All targets count, not only those of this run, so that a cache is found again. Reading
// such a place means the target's own part, or everybody's if it has none, and then the place itself, which may hold a
// cache from before or of docker buildx bake. A run in which nobody writes to the place, as that of a pull request, cannot know
// how the one that wrote it was split, and tries the target's own part first.
func (p *planner) scopeCaches() {
	p.checkCacheTypes()
	places := &cachePlaces{full: map[string]string{}, part: map[[2]string]string{}}
	writers, images := p.cacheWriters(places), imageNames(p.cfg.Targets)
	for i := range p.plan.Builds {
		b := &p.plan.Builds[i]
		for _, c := range b.Values.CacheTo {
			if place := places.of(c, "dest"); place != "" && len(addOnce(writers[place], b.Target)) > 1 {
				c = places.partOf(c, "dest", b.Target)
			}
			b.CacheTo = append(b.CacheTo, c)
		}
		for _, c := range b.Values.CacheFrom {
			for _, name := range partsToRead(c, places.of(c, "src"), b.Target, writers, images) {
				b.CacheFrom = append(b.CacheFrom, places.partOf(c, "src", name))
			}
			b.CacheFrom = append(b.CacheFrom, c)
		}
	}
}

// partsToRead are the targets whose parts of a place a target reads before the place itself. images are those of the build
// file: a cache inside of one of them has its tag and no other.
func partsToRead(c schema.Cache, place, target string, writers map[string][]string, images images) []string {
	all := writers[place]
	switch {
	case place == "" || len(all) == 1 || c.Type == "registry" && images.named(c.Attrs["ref"]):
		return nil
	case len(all) == 0 || slices.Contains(all, target):
		return []string{target}
	}
	return all
}

// images are the tags of all targets, by what follows their last slash: two spellings of one name have that in common, and to make
// full names of all of them takes long.
type images map[string][]string

func imageNames(targets []*schema.Target) images {
	out := images{}
	for _, t := range targets {
		for _, tag := range t.Base.Tags {
			out[lastPart(tag)] = append(out[lastPart(tag)], tag)
		}
	}
	return out
}

// named reports whether a reference names one of the images.
func (m images) named(ref string) bool {
	return slices.ContainsFunc(m[lastPart(ref)], func(tag string) bool { return schema.FullName(tag) == schema.FullName(ref) })
}

// lastPart is what follows the last slash of a name, with its tag.
func lastPart(name string) string {
	if name = name[strings.LastIndexByte(name, '/')+1:]; strings.ContainsAny(name, ":@") {
		return name
	}
	return name + ":latest"
}

// cacheWriters are the targets of the build file that write to each place, in source order.
func (p *planner) cacheWriters(places *cachePlaces) map[string][]string {
	writers := map[string][]string{}
	add := func(target string, caches []schema.Cache) {
		for _, c := range caches {
			if place := places.of(c, "dest"); place != "" {
				writers[place] = addOnce(writers[place], target)
			}
		}
	}
	for _, w := range p.cfg.CacheWriters {
		add(w.Target, w.CacheTo)
	}
	if p.cfg.CacheWriters != nil {
		return writers
	}
	for _, t := range p.cfg.Targets {
		add(t.Name, t.Base.CacheTo)
		for _, q := range t.Platforms {
			add(t.Name, t.On(q).CacheTo)
		}
	}
	return writers
}

// checkCacheTypes refuses caches of a type that the node lacks: it would say so only when everything is built.
func (p *planner) checkCacheTypes() {
	node := p.nodes[0]
	if node.Caches == nil {
		return
	}
	said := map[string]bool{}
	check := func(b *build, attribute string, caches []schema.Cache) {
		for _, c := range caches {
			if key := b.target.Name + "\x00" + attribute + "\x00" + c.Type; !slices.Contains(node.Caches, c.Type) && !said[key] {
				said[key] = true
				p.diags = append(p.diags, diag.Diagnostic{Severity: diag.Error, Code: "no-such-cache", Summary: "The builder has no caches of this type",
					Detail:  fmt.Sprintf("Target %s names a cache of type %s; for the builder %q a build file can name %s.", b.target.Name, c.Type, node.Name, strings.Join(node.Caches, ", ")),
					Advice:  "use another builder, a buildkitd that BUILDKIT_HOST names or a Docker Engine with the containerd image store, or another type",
					Subject: b.target.At(attribute)})
			}
		}
	}
	for _, b := range p.builds {
		if b.requested {
			check(b, "cache-from", b.values.CacheFrom)
			check(b, "cache-to", b.values.CacheTo)
		}
	}
}

// cachePlaces keeps what was made of references, which takes long: a build file gives one to many targets, and a target to each of its
// platforms.
type cachePlaces struct {
	full map[string]string    // the full name by the reference, "" if it is not valid
	part map[[2]string]string // the reference of a target's part, by the reference and the target
}

// of identifies what a cache option points at; empty if it is not a place of its own. dir is the option that names the
// directory of a local cache.
func (p *cachePlaces) of(c schema.Cache, dir string) string {
	var parts []string
	switch c.Type {
	case "registry":
		full, known := p.full[c.Attrs["ref"]]
		if !known {
			if ref, err := reference.ParseNormalizedNamed(c.Attrs["ref"]); err == nil {
				full = reference.TagNameOnly(ref).String()
			}
			p.full[c.Attrs["ref"]] = full
		}
		if full == "" {
			return ""
		}
		parts = []string{full}
	case "local":
		parts = []string{filepath.Clean(c.Attrs[dir]), c.Attrs["tag"]}
	case "gha":
		parts = []string{c.Attrs["scope"]}
	case "s3":
		parts = []string{c.Attrs["endpoint_url"], c.Attrs["region"], c.Attrs["bucket"], c.Attrs["prefix"], c.Attrs["name"]}
	case "azblob":
		parts = []string{c.Attrs["account_url"], c.Attrs["account_name"], c.Attrs["container"], c.Attrs["prefix"], c.Attrs["name"]}
	default:
		return ""
	}
	return c.Type + "\x00" + strings.Join(parts, "\x00")
}

// The names that BuildKit gives to caches that have none.
const (
	defaultCacheName = "buildkit"
	maxTag           = 128
)

// partOf is the part of a place that belongs to one target.
func (p *cachePlaces) partOf(c schema.Cache, dir, target string) schema.Cache {
	attrs := map[string]string{}
	maps.Copy(attrs, c.Attrs)
	suffix := func(key string) {
		name := attrs[key]
		if name == "" {
			name = defaultCacheName
		}
		attrs[key] = name + "-" + target
	}
	switch c.Type {
	case "registry":
		key := [2]string{attrs["ref"], target}
		ref, known := p.part[key]
		if !known {
			ref = refOfPart(attrs["ref"], target)
			p.part[key] = ref
		}
		attrs["ref"] = ref
	case "local":
		attrs[dir] = filepath.Join(attrs[dir], target)
	case "gha":
		suffix("scope")
	case "s3", "azblob":
		suffix("name")
	}
	c.Attrs = attrs
	return c
}

// refOfPart is a reference with the target in its tag; what is no valid reference stays as it is.
func refOfPart(name, target string) string {
	ref, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return name
	}
	tag := "latest"
	if t, ok := ref.(reference.Tagged); ok {
		tag = t.Tag()
	}
	tag = tag[:min(len(tag), max(1, maxTag-len(target)-1))] + "-" + target
	tagged, err := reference.WithTag(reference.TrimNamed(ref), tag[:min(len(tag), maxTag)])
	if err != nil {
		return name
	}
	return reference.FamiliarString(tagged)
}
