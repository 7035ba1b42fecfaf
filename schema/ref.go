package schema

import (
	"net/url"
	"path"
	"strings"
)

// RefKind says what a reference to a context refers to.
type RefKind int

// The kinds of references.
const (
	// LocalRef is a path on this machine, or of the source of a build file that is not.
	LocalRef RefKind = iota
	// GitRef is a git repository that BuildKit reads: git://, ssh://, USER@HOST:PATH, http(s) addresses whose path ends in
	// .git, and github.com/... without a scheme.
	GitRef
	// HTTPRef is a file or an archive on an http(s) server.
	HTTPRef
	// ImageRef is an image: docker-image://REF.
	ImageRef
	// OCILayoutRef is an image in a directory: oci-layout://PATH[:TAG][@DIGEST].
	OCILayoutRef
	// TargetRef is the result of another target: target:NAME.
	TargetRef
	// StdinRef is standard input: -.
	StdinRef
	// UnknownRef has a scheme that nothing is known of.
	UnknownRef
)

// Ref is a parsed reference to a context. [ParseRef] makes it, and nothing else in xbuild looks at the beginning of such a
// text: packages that disagree about it disagree about what is read from this machine.
type Ref struct {
	Kind RefKind
	// Text is the reference as it is written, and as BuildKit takes it if it is remote.
	Text string
	// Value is the path of a local reference or of a layout, the reference of an image, or the name of a target.
	Value string
	// WorkingDir says that the path is written as cwd://PATH: it is on this machine and relative to the working directory,
	// wherever the build file comes from.
	WorkingDir bool
	// Host is that of a git repository, with a port if it has one.
	Host string
	// SSH says that git reaches the repository through SSH.
	SSH bool
	// Ambiguous says that the address could be a path: github.com/... without a scheme. It is one to ADD.
	Ambiguous bool
}

const (
	workingDirPrefix = "cwd://"
	targetPrefix     = "target:"
	githubPrefix     = "github.com/"
)

// ParseRef says what a text refers to that stands in the place of a context. It never fails: whatever is nothing else is a
// path.
func ParseRef(s string) Ref {
	r := Ref{Text: s, Value: s}
	switch {
	case s == "-":
		r.Kind = StdinRef
	case r.cut(workingDirPrefix):
		r.WorkingDir = true
	case r.cut(targetPrefix):
		r.Kind = TargetRef
	case r.cut("docker-image:"):
		r.Kind, r.Value = ImageRef, strings.TrimPrefix(r.Value, "//")
	case r.cut("oci-layout://"):
		r.Kind = OCILayoutRef
	case r.git():
		r.Kind = GitRef
	case strings.HasPrefix(s, "http://"), strings.HasPrefix(s, "https://"):
		r.Kind = HTTPRef
	case strings.Contains(s, "://") && !strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "."):
		r.Kind = UnknownRef
	}
	return r
}

// ParseSource is [ParseRef] for a source of ADD, which knows fewer kinds: git repositories, http(s) addresses and paths.
func ParseSource(s string) Ref {
	if r := ParseRef(s); r.Remote() && !r.Ambiguous {
		return r
	}
	return Ref{Text: s, Value: s}
}

// cut takes a prefix from the value.
func (r *Ref) cut(prefix string) bool {
	rest, ok := strings.CutPrefix(r.Text, prefix)
	if ok {
		r.Value = rest
	}
	return ok
}

// git reports whether the text is the address of a git repository, and notes its host.
func (r *Ref) git() bool {
	s := r.Text
	switch {
	case !strings.Contains(s, ":") && !strings.HasPrefix(s, githubPrefix), strings.HasPrefix(s, "./"), strings.HasPrefix(s, "../"):
		return false
	case strings.HasPrefix(s, githubPrefix):
		u, err := url.Parse("https://" + s)
		if _, plain := url.Parse(s); err != nil || plain != nil {
			return false
		}
		r.Host, r.Ambiguous = u.Host, true
		return true
	case hasScheme(s):
		u, err := url.Parse(s)
		if err != nil {
			return false
		}
		switch u.Scheme { // in lower case
		case "http", "https":
			if !strings.HasSuffix(u.Path, ".git") {
				return false
			}
		case "ssh":
			r.SSH = true
		case "git":
		default:
			return false
		}
		r.Host = u.Host
		return true
	}
	host, ok := scpHost(s)
	if ok {
		r.Host, r.SSH = host, true
	}
	return ok
}

// hasScheme reports whether a text begins like a URL, as BuildKit's git sees it.
func hasScheme(s string) bool {
	scheme, _, ok := strings.Cut(s, "://")
	return ok && scheme != "" && only(scheme, "")
}

// scpHost is the host of an address of git that is no URL, USER@HOST:PATH, where also the query must make sense.
func scpHost(s string) (string, bool) {
	user, rest, _ := strings.Cut(s, "@")
	host, rest, ok := strings.Cut(rest, ":")
	if !ok || user == "" || host == "" || !only(user, "-_") || !only(host, "-.") || strings.Contains(rest, "\n") {
		return "", false
	}
	rest, _, _ = strings.Cut(rest, "#")
	_, query, _ := strings.Cut(rest, "?")
	_, err := url.ParseQuery(query)
	return host, err == nil
}

// only reports whether a text has only letters and digits of ASCII, and the characters of more.
func only(s, more string) bool {
	return strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(more, r))
	}) < 0
}

// Remote reports whether BuildKit reads the context itself, from a git repository or an http(s) server.
func (r Ref) Remote() bool { return r.Kind == GitRef || r.Kind == HTTPRef }

// Local reports whether the context is a directory.
func (r Ref) Local() bool { return r.Kind == LocalRef }

// Linked gives the name of the target whose result the context is.
func (r Ref) Linked() (name string, ok bool) { return r.Value, r.Kind == TargetRef }

// LayoutDir is the directory of an OCI layout, without its tag and digest.
func (r Ref) LayoutDir() string {
	dir, _, _ := strings.Cut(r.Value, "@")
	if i := strings.LastIndex(dir, ":"); i > strings.LastIndex(dir, "/") {
		dir = dir[:i]
	}
	return dir
}

// Subdir gives the address of a directory of a git repository, in the form in which the address is written: #REF:DIR, or
// ?subdir=DIR. The path is relative to the directory that the address names.
func (r Ref) Subdir(dir string) string {
	base, fragment, hasFragment := strings.Cut(r.Text, "#")
	ref, inside, _ := strings.Cut(fragment, ":")
	address, raw, _ := strings.Cut(base, "?")
	query, _ := url.ParseQuery(raw) // of a query that cannot be read nothing is known
	if inside == "" && query.Has("subdir") {
		inside = query.Get("subdir")
	}
	if inside != "" {
		dir = strings.TrimPrefix(path.Join("/", inside, dir), "/")
	}
	if !hasFragment && query.Has("subdir") {
		query.Set("subdir", dir)
		return address + "?" + query.Encode()
	}
	return base + "#" + ref + ":" + dir
}

// LinkTo is the reference to the result of a target.
func LinkTo(target string) string { return targetPrefix + target }

// WorkingDirPath is a reference to a path of the working directory, cwd://PATH.
func WorkingDirPath(path string) string { return workingDirPrefix + path }

// CutWorkingDir takes cwd:// from a path that may be written with it: a build file, a context or a Dockerfile.
func CutWorkingDir(s string) (path string, ok bool) { return strings.CutPrefix(s, workingDirPrefix) }
