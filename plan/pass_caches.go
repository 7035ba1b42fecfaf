package plan

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"

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
	writers, images := p.cacheWriters(), sync.OnceValue(p.imageNames)
	for i := range p.plan.Builds {
		b := &p.plan.Builds[i]
		for _, c := range b.Values.CacheTo {
			if place := cachePlace(c, "dest"); place != "" && len(addOnce(writers[place], b.Target)) > 1 {
				c = cachePart(c, "dest", b.Target)
			}
			b.CacheTo = append(b.CacheTo, c)
		}
		for _, c := range b.Values.CacheFrom {
			for _, name := range partsToRead(c, b.Target, writers, images) {
				b.CacheFrom = append(b.CacheFrom, cachePart(c, "src", name))
			}
			b.CacheFrom = append(b.CacheFrom, c)
		}
	}
}

// partsToRead are the targets whose parts of a place a target reads before the place itself. images are the names of the build
// file's images: a cache inside of one of them has its tag and no other.
func partsToRead(c schema.Cache, target string, writers map[string][]string, images func() map[string]bool) []string {
	place := cachePlace(c, "src")
	all := writers[place]
	switch {
	case place == "" || len(all) == 1 || c.Type == "registry" && images()[schema.FullName(c.Attrs["ref"])]:
		return nil
	case len(all) == 0 || slices.Contains(all, target):
		return []string{target}
	}
	return all
}

// imageNames are the full names of the images of all targets.
func (p *planner) imageNames() map[string]bool {
	out := map[string]bool{}
	for _, t := range p.cfg.Targets {
		for _, tag := range t.Base.Tags {
			out[schema.FullName(tag)] = true
		}
	}
	return out
}

// cacheWriters are the targets of the build file that write to each place, in source order.
func (p *planner) cacheWriters() map[string][]string {
	writers := map[string][]string{}
	add := func(target string, caches []schema.Cache) {
		for _, c := range caches {
			if place := cachePlace(c, "dest"); place != "" {
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

// cachePlace identifies what a cache option points at; empty if it is not a place of its own. dir is the option that
// names the folder of a local cache.
func cachePlace(c schema.Cache, dir string) string {
	var parts []string
	switch c.Type {
	case "registry":
		ref, err := reference.ParseNormalizedNamed(c.Attrs["ref"])
		if err != nil {
			return ""
		}
		parts = []string{reference.TagNameOnly(ref).String()}
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

// cachePart is the part of a place that belongs to one target.
func cachePart(c schema.Cache, dir, target string) schema.Cache {
	if c.Attrs = maps.Clone(c.Attrs); c.Attrs == nil {
		c.Attrs = map[string]string{}
	}
	suffix := func(key string) {
		name := c.Attrs[key]
		if name == "" {
			name = defaultCacheName
		}
		c.Attrs[key] = name + "-" + target
	}
	switch c.Type {
	case "registry":
		ref, err := reference.ParseNormalizedNamed(c.Attrs["ref"])
		if err != nil {
			return c
		}
		tag := "latest"
		if t, ok := ref.(reference.Tagged); ok {
			tag = t.Tag()
		}
		tag = tag[:min(len(tag), max(1, maxTag-len(target)-1))] + "-" + target
		if tagged, err := reference.WithTag(reference.TrimNamed(ref), tag[:min(len(tag), maxTag)]); err == nil {
			c.Attrs["ref"] = reference.FamiliarString(tagged)
		}
	case "local":
		c.Attrs[dir] = filepath.Join(c.Attrs[dir], target)
	case "gha":
		suffix("scope")
	case "s3", "azblob":
		suffix("name")
	}
	return c
}
