package hcl

import (
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"github.com/xbuild/xbuild/schema"
)

// Source is where build files come from that are not on this machine. The zero value stands for this machine.
type Source struct {
	// URL is that of a git repository, with #REF:FOLDER or ?ref=&subdir= as BuildKit reads them, or of a file.
	URL string
	// Archive says that the file is an archive that holds the build files. A URL that is neither git nor an archive is
	// that of the build file itself; what it names lies on this machine.
	Archive bool
}

// tree reports whether contexts are relative to the source.
func (s Source) tree() bool {
	return s.URL != "" && (s.Archive || schema.ParseRef(s.URL).Kind == schema.GitRef)
}

// Context gives a target's context that stands in a build file of the source: "." is the source itself, and a relative
// folder is a folder of the source. Addresses and cwd:// paths, which name folders of this machine, stay as they are, as
// do all contexts of a build file that is no part of a tree. The error says that the folder cannot be named by a URL.
func (s Source) Context(context string) (string, error) {
	if ref := schema.ParseRef(context); !s.tree() || ref.WorkingDir || ref.Remote() {
		return context, nil
	}
	return s.below(context)
}

// NamedContext is Context for the value of a named context, which may also be a target or an image.
func (s Source) NamedContext(context string) (string, error) {
	if isLink(schema.ParseRef(context)) {
		return context, nil
	}
	return s.Context(context)
}

// below is the URL of a folder of the source.
func (s Source) below(folder string) (string, error) {
	folder = path.Clean(folder)
	if folder == "." {
		return s.URL, nil
	}
	ref := schema.ParseRef(s.URL)
	if ref.Kind != schema.GitRef {
		return "", fmt.Errorf("the context %q is a folder inside the archive %s, and BuildKit can only take the whole archive as a context: "+
			"use \".\" and set dockerfile = %q, or put the files into a git repository", folder, s.URL, path.Join(folder, "Dockerfile"))
	}
	return ref.Subdir(folder), nil
}

// RemoteRoot is the folder below which the build files of a git repository or an archive lie, as far as their paths go.
// Nothing is ever read from it.
const RemoteRoot = "/.xbuild-remote"

// inside gives the part of a path below [RemoteRoot].
func inside(p string) (string, bool) {
	rel, err := filepath.Rel(RemoteRoot, p)
	if err != nil || !filepath.IsAbs(p) || rel == ".." || strings.HasPrefix(rel, "../") {
		return "", false
	}
	return filepath.ToSlash(rel), true
}

// relocate turns the paths of a target, which the front end took to be relative to its file, into what they are for a file
// of the source: contexts are directories of the source, and what is on this machine in any case (outputs, secrets, keys, local
// caches) belongs into the working directory dir.
func (s Source) relocate(t *schema.Target, dir string, r *reporter) {
	builds := []*schema.Build{&t.Base}
	for _, p := range t.Platforms {
		if b := t.PerPlatform[p]; b != nil {
			builds = append(builds, b)
		}
	}
	bad := func(attr string, err error) {
		r.errorf(codeBadContext, *t.At(attr), "Bad context", "", "%s.", upperFirst(err.Error()))
	}
	for _, b := range builds {
		if rel, ok := inside(b.Context); ok {
			file, err := filepath.Rel(b.Context, b.Dockerfile)
			if _, in := inside(b.Dockerfile); in && err == nil {
				b.Dockerfile = filepath.ToSlash(file)
			}
			if b.Context, err = s.Context(rel); err != nil {
				bad("context", err)
			}
		}
		for _, name := range sortedKeys(b.Contexts) {
			if rel, ok := inside(b.Contexts[name]); ok {
				var err error
				if b.Contexts[name], err = s.Context(rel); err != nil {
					bad("contexts", err)
				}
			}
		}
		eachOwn(b, func(p *string) {
			if rel, ok := inside(*p); ok {
				*p = filepath.Join(dir, filepath.FromSlash(rel))
			}
		})
	}
}

// eachOwn calls f with the paths of a build that are on this machine wherever the build file comes from.
func eachOwn(b *schema.Build, f func(*string)) {
	for i := range b.Outputs {
		f(&b.Outputs[i].Dest)
	}
	for i := range b.Secrets {
		f(&b.Secrets[i].Src)
	}
	for i := range b.SSH {
		for j := range b.SSH[i].Paths {
			f(&b.SSH[i].Paths[j])
		}
	}
	for _, caches := range [][]schema.Cache{b.CacheFrom, b.CacheTo} {
		for _, c := range caches {
			for _, key := range []string{"src", "dest"} {
				if p, ok := c.Attrs[key]; ok && c.Type == "local" {
					f(&p)
					c.Attrs[key] = p
				}
			}
		}
	}
}
