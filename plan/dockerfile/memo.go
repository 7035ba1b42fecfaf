package dockerfile

import (
	"strings"
	"sync"

	"github.com/moby/buildkit/frontend/dockerfile/shell"
	"mvdan.cc/sh/v3/syntax"
)

// memo keeps what is worked out of the text of a file again and again: for each target, platform and rewrite. It is safe
// for concurrent use; its zero value is ready.
type memo struct {
	words   sync.Map // string -> *expansions
	scripts sync.Map // string -> *parsedShell

	argsOnce sync.Once
	argNames []string
}

// expansions are results for one word. A word that is not in a file with one value in many cases has few.
type expansions struct {
	sync.Mutex
	known []expansion
}

// expansion is a result, with what was looked up on the way, in order: where all of that is the same, so is the result.
type expansion struct {
	read   []lookup
	result string
}

type lookup struct {
	name, value string
	set         bool
}

// expansionsKept bounds how many results of one word are kept.
const expansionsKept = 32

// expand gives the value of a word, from earlier results if it can.
func (m *memo) expand(escape rune, word string, env shell.EnvGetter) (string, error) {
	have, _ := m.words.LoadOrStore(word, &expansions{})
	e := have.(*expansions)
	e.Lock()
	for _, x := range e.known {
		if x.holds(env) {
			e.Unlock()
			return x.result, nil
		}
	}
	e.Unlock()
	rec := &recorder{EnvGetter: env}
	s, _, err := shell.NewLex(escape).ProcessWord(word, rec)
	if err != nil || rec.all {
		return s, err
	}
	e.Lock()
	defer e.Unlock()
	if len(e.known) < expansionsKept {
		e.known = append(e.known, expansion{rec.read, s})
	}
	return s, nil
}

func (x expansion) holds(env shell.EnvGetter) bool {
	for _, l := range x.read {
		if v, set := env.Get(l.name); v != l.value || set != l.set {
			return false
		}
	}
	return true
}

// recorder notes what is looked up.
type recorder struct {
	shell.EnvGetter
	read []lookup
	all  bool // all names were looked at
}

func (r *recorder) Get(name string) (string, bool) {
	v, set := r.EnvGetter.Get(name)
	r.read = append(r.read, lookup{name, v, set})
	return v, set
}

func (r *recorder) Keys() []string {
	r.all = true
	return r.EnvGetter.Keys()
}

// parsedShell is a script as the shell's grammar reads it; opaque is why it cannot be followed. Nobody changes it.
type parsedShell struct {
	file   *syntax.File
	opaque string
}

// shell parses a script.
func (m *memo) shell(src string) *parsedShell {
	if have, ok := m.scripts.Load(src); ok {
		return have.(*parsedShell)
	}
	p := &parsedShell{}
	var err error
	if p.file, err = syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(src), ""); err != nil {
		p.opaque = "the shell command cannot be parsed: " + err.Error()
	} else {
		p.opaque = unfollowable(p.file)
	}
	m.scripts.Store(src, p)
	return p
}
