package guards

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// verb is a way to start xbuild.
type verb string

const (
	run        verb = "run"
	plan       verb = "plan"
	print      verb = "print"
	validate   verb = "validate"
	list       verb = "list"
	completion verb = "completion"
	runPlan    verb = "run --plan" // of a plan that "plan --out" saved without a grant
)

var verbs = []verb{run, plan, print, validate, list, completion, runPlan}

// place is where the build file is.
type place string

const (
	local place = "local"
	git   place = "git"  // the whole project is in a repository, which BuildKit reads
	http  place = "http" // the build file is on an http server, and the project here
)

// canary is in every file outside the project; no command may show it without a grant.
const canary = "canary-of-the-outside"

// guard is one thing that needs a grant, or is never done.
//
// In texts, arguments and environment {outside} stands for the absolute path of the directory outside, a sibling of the
// project, {project} for that of the project, {home} for that of the home directory, and {server} for the address of the
// http server.
type guard struct {
	name string
	// bake and xbuild are the text of the build file in each dialect; a dialect without a text is left out.
	bake, xbuild string
	// files are the other files of the project.
	files map[string]string
	// served are what the http server has, by path.
	served map[string][]byte
	// outside are the files of the directory outside; the file "secret" with the canary in it is always there.
	outside map[string]string
	// setup does what texts cannot. It runs before the project becomes a repository.
	setup func(*testing.T, *site)
	// in is the directory of the project in which xbuild is started; empty for the project itself.
	in string
	// env is added to the environment, args to the command line.
	env, args []string
	// places is where the build file may be; nil means local.
	places []place
	// refuses are the verbs that refuse, by what the refusal says. The other verbs succeed, unless they are in fails, by
	// what they say, or in skip; none of them reads or changes anything outside.
	refuses map[verb]string
	fails   map[verb]string
	skip    []verb
	// late says that only what the build reads can refuse it. The output is prepared by then, which leaves a new time on the
	// directory that it would have come into.
	late bool
	// free says that nothing has to be granted: run and run --plan write what granted looks at.
	free bool
	// grant are the arguments that allow it; nil means that nothing does. grantEnv is the environment that does.
	grant, grantEnv []string
	// granted looks at what run and run --plan did with the grant.
	granted func(*testing.T, *site)
}

// refusedBy is the usual value of refuses: the verbs that build say the same.
func refusedBy(text string, more ...verb) map[verb]string {
	m := map[verb]string{run: text, runPlan: text}
	for _, v := range more {
		m[v] = text
	}
	return m
}

// everywhere are all places.
var everywhere = []place{local, git, http}

// check runs guards in all their forms.
func check(t *testing.T, guards []guard) {
	t.Helper()
	for _, g := range guards {
		places := g.places
		if places == nil {
			places = []place{local}
		}
		for dialect, text := range map[string]string{"docker-bake.hcl": g.bake, "xbuild.hcl": g.xbuild} {
			if text == "" {
				continue
			}
			for _, p := range places {
				t.Run(fmt.Sprintf("%s/%s/%s", g.name, dialect, p), func(t *testing.T) { g.check(t, dialect, text, p) })
			}
		}
	}
}

// check runs all verbs of one form: first without, then with the grant.
func (g guard) check(t *testing.T, dialect, text string, p place) {
	s := newSite(t, &g, dialect, text, p)
	for _, v := range verbs {
		if slices.Contains(g.skip, v) || v == completion && p != local || v == runPlan && (p != local || g.refuses[plan] != "" || hasKey(g.fails, plan)) {
			continue // there is no completion of addresses, and remote plans are not saved
		}
		before := s.snapshot()
		r := s.verb(v, nil, nil)
		switch want, refuses := g.refuses[v]; {
		case refuses:
			r.wantRefusal(t, s.expand(want))
		case hasKey(g.fails, v):
			r.wantFailure(t, s.expand(g.fails[v]))
		case r.code != 0:
			t.Errorf("%s: exit code %d, want 0\n%s%s", v, r.code, r.stdout, r.stderr)
		}
		if g.free && (v == run || v == runPlan) {
			if g.granted != nil && r.code == 0 {
				g.granted(t, s)
			}
			continue
		}
		after := s.snapshot()
		if g.late {
			delete(before, "/project")
			delete(after, "/project")
		}
		if d := diff(before, after); d != "" {
			t.Errorf("%s without a grant changed something:\n%s", v, d)
		}
		if strings.Contains(r.stdout+r.stderr, canary) {
			t.Errorf("%s without a grant shows what is outside:\n%s%s", v, r.stdout, r.stderr)
		}
	}
	if g.grant == nil && g.grantEnv == nil {
		return
	}
	for _, v := range slices.Sorted(maps.Keys(g.refuses)) {
		if v == runPlan && p != local || slices.Contains(g.skip, v) {
			continue
		}
		if r := s.verb(v, g.grant, g.grantEnv); r.code != 0 {
			t.Errorf("%s %s: exit code %d, want 0\n%s%s", v, strings.Join(s.expandAll(g.grant), " "), r.code, r.stdout, r.stderr)
		} else if g.granted != nil && (v == run || v == runPlan) {
			g.granted(t, s)
		}
	}
}

func hasKey(m map[verb]string, v verb) bool {
	_, ok := m[v]
	return ok
}

func (r *result) wantRefusal(t *testing.T, text string) {
	t.Helper()
	if r.code != 2 || !strings.Contains(r.stderr, text) {
		t.Errorf("%s: exit code %d, want 2 and %q\n%s%s", r.verb, r.code, text, r.stdout, r.stderr)
	}
}

func (r *result) wantFailure(t *testing.T, text string) {
	t.Helper()
	if r.code == 0 || !strings.Contains(r.stderr, text) {
		t.Errorf("%s: exit code %d, want a failure and %q\n%s%s", r.verb, r.code, text, r.stdout, r.stderr)
	}
}

// wantFile is a check for granted: a file of the site has this text.
func wantFile(path, text string) func(*testing.T, *site) {
	return func(t *testing.T, s *site) {
		t.Helper()
		if got, err := os.ReadFile(s.expand(path)); err != nil || string(got) != text {
			t.Errorf("%s is %q, %v; want %q", path, got, err, text)
		}
	}
}
