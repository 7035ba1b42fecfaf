package hcl

import (
	"path/filepath"

	"github.com/xbuild/xbuild/schema"
)

// resolvePath is p as a clean absolute path; a relative one is below base.
func resolvePath(p, base string) string {
	if filepath.IsAbs(p) {
		return filepath.Clean(p)
	}
	return filepath.Join(base, p)
}

// treePath is resolvePath for what a build reads. A path that stands in a file of a source that is not on this machine
// never leaves that source: an absolute one begins at its root, which is also as far up as it goes.
func treePath(p, base string) string {
	in, ok := inside(base)
	if _, done := inside(p); !ok || done {
		return resolvePath(p, base)
	}
	if !filepath.IsAbs(p) {
		p = filepath.Join("/", in, p)
	}
	return filepath.Join(RemoteRoot, filepath.Clean(p))
}

// context resolves the main context.
func (b *builder) context(it item) string {
	switch ref := schema.ParseRef(it.text); {
	case ref.Remote():
		return it.text
	case ref.WorkingDir:
		return resolvePath(ref.Value, b.env.Dir)
	case isLink(ref):
		b.errorf(codeBadContext, it.at, "Bad context", "Use contexts for it, and a FROM or COPY --from that names it.",
			"%q can be a named context only.", it.text)
	case ref.Kind == schema.UnknownRef:
		b.unknownScheme(it)
	}
	return treePath(it.text, it.base)
}

// namedContext resolves one value of contexts.
func (b *builder) namedContext(name string, it item) string {
	switch ref := schema.ParseRef(it.text); {
	case ref.Kind == schema.TargetRef:
		b.checkLink(name, ref.Value, it)
		return it.text
	case ref.Remote(), isLink(ref):
		return it.text
	case ref.WorkingDir:
		return resolvePath(ref.Value, b.env.Dir)
	case it.text == "":
		b.errorf(codeBadContext, it.at, "Empty context", "Use null to leave it out.", "The context %q is the empty string.", name)
	case ref.Kind == schema.UnknownRef:
		b.unknownScheme(it)
	}
	return treePath(it.text, it.base)
}

// isLink reports whether a context is one of those that only named contexts can be.
func isLink(ref schema.Ref) bool {
	return ref.Kind == schema.TargetRef || ref.Kind == schema.ImageRef || ref.Kind == schema.OCILayoutRef
}

func (b *builder) unknownScheme(it item) {
	b.errorf(codeBadContext, it.at, "Bad context", "Use a folder, a git or http URL, or in contexts docker-image://, oci-layout:// or target:NAME.",
		"%q is not a kind of context.", it.text)
}

// checkLink checks that the target of a target:NAME context can be linked to.
func (b *builder) checkLink(name, link string, it item) {
	t := b.byName[link]
	switch {
	case t == nil:
		b.errorf(codeUnknownTarget, it.at, "Unknown target", oneOf(link, b.targetNames()), "The context %q needs the target %q, which does not exist.", name, link)
	case t == b.target:
		b.errorf(codeBadContext, it.at, "Bad context", "", "The target %q cannot be its own context.", link)
	case t.template:
		b.errorTemplate(t, it)
	}
}
