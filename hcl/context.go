package hcl

import (
	"path/filepath"
	"strings"
)

// remotePrefixes begin a context that BuildKit fetches itself.
var remotePrefixes = []string{"https://", "http://", "git://", "ssh://", "git@", "github.com/"}

// isRemote reports whether a context is a git or http URL.
func isRemote(s string) bool {
	for _, p := range remotePrefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	repo, _, _ := strings.Cut(s, "#")
	return strings.HasSuffix(repo, ".git") && !filepath.IsAbs(s) && !strings.HasPrefix(s, ".")
}

// resolvePath is p as a clean absolute path; a relative one is below base.
func resolvePath(p, base string) string {
	if filepath.IsAbs(p) {
		return filepath.Clean(p)
	}
	return filepath.Join(base, p)
}

// context resolves the main context.
func (b *builder) context(it item) string {
	switch {
	case isRemote(it.text):
		return it.text
	case b.isLink(it.text):
		b.errorf(codeBadContext, it.at, "Bad context", "Use contexts for it, and a FROM or COPY --from that names it.",
			"%q can be a named context only.", it.text)
	case strings.Contains(it.text, "://"):
		b.unknownScheme(it)
	}
	return resolvePath(it.text, it.base)
}

// namedContext resolves one value of contexts.
func (b *builder) namedContext(name string, it item) string {
	link, isTarget := strings.CutPrefix(it.text, "target:")
	switch {
	case isTarget:
		b.checkLink(name, link, it)
		return it.text
	case isRemote(it.text), b.isLink(it.text):
		return it.text
	case it.text == "":
		b.errorf(codeBadContext, it.at, "Empty context", "Use null to leave it out.", "The context %q is the empty string.", name)
	case strings.Contains(it.text, "://"):
		b.unknownScheme(it)
	}
	return resolvePath(it.text, it.base)
}

// isLink reports whether a context is one of those that only named contexts can be.
func (b *builder) isLink(s string) bool {
	for _, p := range []string{"target:", "docker-image://", "oci-layout://"} {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
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
