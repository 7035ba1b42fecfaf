package buildkit

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/dfgitutil"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/buildkit/util/gitutil"

	"github.com/xbuild/xbuild/schema"
)

// TestRefIsBuildKits: of every address, also of broken ones, schema.ParseRef says what BuildKit's own parsers say.
func TestRefIsBuildKits(t *testing.T) {
	seen := map[schema.RefKind]int{}
	for _, s := range addresses(20_000) {
		got := schema.ParseRef(s)
		seen[got.Kind]++
		if strings.HasPrefix(s, "cwd://") || strings.HasPrefix(s, "target:") || strings.HasPrefix(s, "docker-image:") || strings.HasPrefix(s, "oci-layout:") || s == "-" {
			if got.Remote() {
				t.Errorf("%q is remote", s)
			}
			continue
		}
		_, isGit, _ := dfgitutil.ParseGitRef(s)
		_, _, isHTTP := dockerui.DetectHTTPContext(s)
		want := schema.LocalRef
		switch {
		case isGit:
			want = schema.GitRef
		case isHTTP:
			want = schema.HTTPRef
		case got.Kind == schema.UnknownRef: // a word of our own for what BuildKit takes for a path and does not find
			want = schema.UnknownRef
		}
		if got.Kind != want {
			t.Errorf("%q is of kind %d, want %d", s, got.Kind, want)
			continue
		}
		if isGit {
			checkGitRef(t, s, got)
		}
	}
	for _, k := range []schema.RefKind{schema.LocalRef, schema.GitRef, schema.HTTPRef, schema.UnknownRef} {
		if seen[k] < 100 {
			t.Errorf("only %d of the addresses are of kind %d", seen[k], k)
		}
	}
}

// checkGitRef compares the parts of the address of a repository.
func checkGitRef(t *testing.T, s string, got schema.Ref) {
	t.Helper()
	u, err := gitutil.ParseURL(s)
	if err != nil {
		if u, err = gitutil.ParseURL("https://" + s); err != nil {
			t.Errorf("%q: %v", s, err)
			return
		}
	}
	if got.Host != u.Host || got.SSH != (u.Scheme == gitutil.SSHProtocol) {
		t.Errorf("%q: host %q, SSH %v, want %q, %s", s, got.Host, got.SSH, u.Host, u.Scheme)
	}
	g, _, err := dfgitutil.ParseGitRef(s)
	if err != nil { // of its query, which is an error when it is read
		return
	}
	if g.IndistinguishableFromLocal != got.Ambiguous {
		t.Errorf("%q: ambiguous %v, want %v", s, got.Ambiguous, g.IndistinguishableFromLocal)
	}
	if strings.Contains(s, "subdir=") && strings.Contains(s, "#") { // may say two things, which is an error when it is read
		return
	}
	sub := got.Subdir("more")
	h, ok, err := dfgitutil.ParseGitRef(sub)
	want := strings.TrimPrefix(g.SubDir+"/more", "/")
	if err != nil || !ok || h.SubDir != want || h.Remote != g.Remote || h.Ref != g.Ref {
		t.Errorf("%q: the directory more of it is %q: %+v, %v; want the directory %q of %+v", s, sub, h, err, want, g)
	}
}

// addresses are addresses of every form, put together from parts and then broken at random. They are the same every time.
func addresses(n int) []string {
	r := rand.New(rand.NewPCG(1, 2))
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	var out []string
	for len(out) < n {
		s := pick("", "", "http://", "https://", "git://", "ssh://", "HTTPS://", "Git://", "ftp://", "git+ssh://", "cwd://", "target:", "docker-image://", "docker-image:", "oci-layout://", "./", "../", "/", "-") +
			pick("", "", "git@", "deploy@", "a.b@", "user:pw@", "x_y-1@") +
			pick("github.com", "github.com/", "example.org", "git.example.org:8080", "127.0.0.1:5000", "[::1]:80", "localhost", "host name", "-", "") +
			pick("/", ":", ":/", "/~", "") +
			pick("org/repo", "repo", "a/b/c", "", "%zz", "a:b", "~/x") +
			pick(".git", ".git", ".git/", ".tar.gz", "", ".gitx") +
			pick("", "", "", "?ref=main", "?subdir=a/b", "?branch=x&subdir=c", "?ref=a&ref=b", "?%zz", "?tag=v1", "?keep-git-dir=true", "?x") +
			pick("", "", "#main", "#main:sub", "#:sub/dir", "#", "#a#b", "#refs/pull/1/head:../x")
		if r.IntN(4) == 0 && len(s) > 0 {
			i := r.IntN(len(s))
			s = s[:i] + pick("", "@", ":", "/", "#", "?", "\n", " ", "%", "é", ".", "-") + s[i+r.IntN(2):]
		}
		out = append(out, s)
	}
	return out
}

// TestSourcesOfAddAreBuildKits: of the sources of ADD, BuildKit's frontend takes the same for addresses.
func TestSourcesOfAddAreBuildKits(t *testing.T) {
	httpSource := regexp.MustCompile(`^https?://`)
	for _, s := range addresses(20_000) {
		g, isGit, err := dfgitutil.ParseGitRef(s)
		want := schema.LocalRef
		switch {
		case isGit && (err != nil || !g.IndistinguishableFromLocal):
			want = schema.GitRef
		case httpSource.MatchString(s):
			want = schema.HTTPRef
		}
		if strings.HasPrefix(s, "github.com/") { // with a query that is wrong, an error of its own
			want = schema.LocalRef
		}
		if got := schema.ParseSource(s); got.Kind != want {
			t.Errorf("%s is of kind %d, want %d", fmt.Sprintf("%q", s), got.Kind, want)
		}
	}
}
