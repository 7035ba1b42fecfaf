package hcl

import (
	"fmt"
	"path"
	"slices"
	"strings"

	hhcl "github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/xbuild/xbuild/internal/lazyre"
	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// strategies are the strategy blocks and who uses them.
type strategies struct {
	blocks []*block // in source order
	// used holds the platforms of the targets that name a block, in order; nil for one that no target names.
	used map[string][]schema.Platform
	// asked are those that a target uses which somebody asked for.
	asked map[string]bool
}

func (s *strategies) block(name string) *block {
	i := slices.IndexFunc(s.blocks, func(b *block) bool { return b.name == name })
	if i < 0 {
		return nil
	}
	return s.blocks[i]
}

func (s *strategies) names() []string {
	var out []string
	for _, b := range s.blocks {
		out = append(out, b.name)
	}
	return out
}

// declareStrategy adds a block; one of an earlier file with the same name is replaced.
func (l *loader) declareStrategy(b *block) {
	if old := l.strategies.block(b.name); old != nil {
		l.once("strategy", b.name, map[string]diag.Range{b.name: old.label}, b.label)
		l.strategies.blocks = slices.DeleteFunc(l.strategies.blocks, func(o *block) bool { return o == old })
	}
	l.strategies.blocks = append(l.strategies.blocks, b)
}

// strategyObject is the value of `strategy`: each block by name, as the string that an attribute takes.
func (l *loader) strategyObject(refs []hhcl.Traversal, in place) (cty.Value, bool) {
	fields, ok := map[string]cty.Value{}, true
	for _, name := range l.strategies.names() {
		fields[name] = cty.StringVal("strategy." + name)
	}
	for _, tr := range refs {
		if name := step(tr, 1); name != "" && l.strategies.block(name) == nil {
			l.errorf(codeBadStrategy, in.file.rng(tr.SourceRange()), "Unknown strategy", oneOf(name, l.strategies.names()),
				"There is no block strategy %q.", name)
			fields[name], ok = cty.DynamicVal, false
		}
	}
	return cty.ObjectVal(fields), ok
}

// strategy reads the value of a target's strategy: a mode, or a reference to a block.
func (b *builder) strategy(it item) {
	b.out.Strategy = schema.Strategy(it.text)
	name, isBlock := b.out.Strategy.BlockName()
	switch {
	case isBlock && b.strategies.block(name) != nil:
		b.useStrategy(name, it)
	case isBlock:
		b.errorf(codeBadStrategy, it.at, "Unknown strategy", oneOf(name, b.strategies.names()), "There is no block strategy %q.", name)
	case !slices.Contains(schema.Strategies, b.out.Strategy):
		b.errorf(codeBadStrategy, it.at, "Unknown strategy", didYouMean(it.text, strategyNames()),
			"%q is not a strategy. The strategies are: %s.", it.text, strings.Join(strategyNames(), ", "))
	}
}

func (b *builder) useStrategy(name string, it item) {
	if b.strategies.used == nil {
		b.strategies.used, b.strategies.asked = map[string][]schema.Platform{}, map[string]bool{}
	}
	b.strategies.asked[name] = b.strategies.asked[name] || !b.lenient
	used := b.strategies.used[name]
	for _, p := range b.target.platforms {
		if !slices.Contains(used, p) {
			used = append(used, p)
		}
	}
	if used == nil {
		used = []schema.Platform{}
	}
	b.strategies.used[name] = used
	r := reader(b.strategies.block(name))
	if r == nil || len(b.target.platforms) > 0 || b.target.inherited || b.target.damaged {
		return
	}
	at := b.platformRange(r)
	b.add(diag.Diagnostic{Code: codePlatformNeedsList, Subject: &it.at, Summary: "The target has no platforms",
		Detail:  fmt.Sprintf("The strategy %q reads the platform object, so the target %q must say for which platforms it is built.", name, b.target.name),
		Advice:  "Set platforms, for example platforms = [\"linux/amd64\"].",
		Related: []diag.Related{{Range: at, Message: "it reads the platform here"}}})
}

// reader is the first attribute of a block that reads the platform object, or nil.
func reader(b *block) *attribute {
	for i := range b.typ.Attributes {
		if a := b.attrs[b.typ.Attributes[i].Name]; a != nil && a.readsPlatform {
			return a
		}
	}
	return nil
}

// finishStrategies makes the strategy blocks, when it is known which platforms they are for.
func (l *loader) finishStrategies() []*schema.StrategyBlock {
	var out []*schema.StrategyBlock
	defer func() { l.lenient = false }()
	for _, b := range l.strategies.blocks {
		l.lenient = l.env.Targets != nil && !l.strategies.asked[b.name]
		s := &schema.StrategyBlock{Name: b.name, Description: l.text(b, "description"), Range: b.at, Ranges: map[string]diag.Range{}}
		for name, a := range b.attrs {
			s.Ranges[name] = a.at
		}
		r := strategyReader{loader: l, block: b, out: s}
		r.modes()
		s.Native, s.Fork = r.patterns("native"), r.patterns("fork")
		platforms := l.strategies.used[b.name]
		switch {
		case reader(b) == nil:
			s.Base = r.values(nil)
		case len(platforms) == 0: // nothing uses the values, but a mistake in them is one
			r.values(&schema.Platform{OS: "linux", Arch: "amd64"})
		default:
			s.PerPlatform = map[schema.Platform]*schema.StrategyValues{}
			for _, p := range platforms {
				v := r.values(&p)
				s.PerPlatform[p] = &v
			}
		}
		r.check()
		out = append(out, s)
	}
	return out
}

// strategyReader reads one strategy block.
type strategyReader struct {
	*loader
	block *block
	out   *schema.StrategyBlock
}

// list is the value of a list attribute for a platform, nil if it is not set or wrong.
func (r *strategyReader) list(name string, p *schema.Platform) []item {
	a := r.block.attrs[name]
	if a == nil {
		return nil
	}
	v, ok := r.attributeValue(a, p)
	if !ok {
		return nil
	}
	return v.list
}

func (r *strategyReader) modes() {
	mode := func(it item) schema.Strategy {
		s := schema.Strategy(it.text)
		if !slices.Contains(schema.Strategies, s) {
			r.errorf(codeBadStrategy, it.at, "Unknown mode", didYouMean(it.text, strategyNames()),
				"%q is not a mode. The modes are: %s.", it.text, strings.Join(strategyNames(), ", "))
		}
		return s
	}
	r.out.Mode = schema.Auto
	if a := r.block.attrs["mode"]; a != nil {
		if v, ok := r.attributeValue(a, nil); ok && !v.null {
			r.out.Mode = mode(v.one)
		}
	}
	for _, it := range r.list("fallback", nil) {
		m := mode(it)
		switch {
		case r.out.Mode == schema.Auto:
			r.errorf(codeBadStrategy, it.at, "Fallback of auto", "Set mode to the one that is tried first, or take fallback away.",
				"The mode auto chooses among all others itself, so nothing is left to fall back to.")
		case m == schema.Auto || slices.Contains(r.out.Modes(), m):
			r.errorf(codeBadStrategy, it.at, "Bad fallback", "", "%q cannot be tried after %s.", it.text, joinModes(r.out.Modes()))
		default:
			r.out.Fallback = append(r.out.Fallback, m)
		}
	}
}

func joinModes(modes []schema.Strategy) string {
	var out []string
	for _, m := range modes {
		out = append(out, string(m))
	}
	return strings.Join(out, ", ")
}

func (r *strategyReader) patterns(name string) []string {
	var out []string
	for _, it := range r.list(name, nil) {
		if _, err := path.Match(it.text, ""); err != nil || it.text == "" {
			r.errorf(codeBadStrategy, it.at, "Bad pattern", "Write a stage's name; * stands for any characters, ? for one.", "%q is not a pattern of stage names.", it.text)
			continue
		}
		out = append(out, it.text)
	}
	return out
}

var envName = lazyre.New(`^[A-Za-z_][A-Za-z0-9_]*$`)

// givenAnyway are variables that the stages in fork have without being asked for.
var givenAnyway = []string{"TARGETPLATFORM", "TARGETOS", "TARGETARCH", "TARGETVARIANT", "BUILDPLATFORM", "BUILDOS", "BUILDARCH", "BUILDVARIANT"}

// values reads what the block gives to stages on one platform; nil means all.
func (r *strategyReader) values(p *schema.Platform) schema.StrategyValues {
	var out schema.StrategyValues
	if a := r.block.attrs["env"]; a != nil {
		if v, ok := r.attributeValue(a, p); ok {
			r.checkEnv(v)
			out.Env = stringMap(merge(nil, v)) // without the keys that are null
		}
	}
	for _, it := range r.list("run_before", p) {
		if strings.TrimSpace(it.text) == "" || strings.ContainsAny(it.text, "\r\n") {
			r.errorf(codeBadStrategy, it.at, "Bad command", "Write one element for each line.", "A command of run_before must be one line.")
			continue
		}
		out.RunBefore = append(out.RunBefore, it.text)
	}
	return out
}

func (r *strategyReader) checkEnv(v *value) {
	for _, k := range sortedKeys(v.keys) {
		at := v.keys[k].at
		switch {
		case !envName().MatchString(k):
			r.errorf(codeBadStrategy, at, "Bad variable name", "Use letters, digits and _.", "%q cannot be the name of an environment variable.", k)
		case slices.Contains(givenAnyway, k):
			r.errorf(codeBadStrategy, at, "Variable is given already", "Take it away.", "%s is BuildKit's own.", k)
		case strings.ContainsAny(v.keys[k].text, "\r\n"):
			r.errorf(codeBadStrategy, at, "Bad value", "", "The value of %s has more than one line.", k)
		}
	}
}

// check reports attributes that would have no effect.
func (r *strategyReader) check() {
	s := r.out
	if !slices.Contains(schema.Strategies, s.Mode) {
		return // reported
	}
	edits := slices.ContainsFunc(s.Modes(), func(m schema.Strategy) bool { return m == schema.Cross || m == schema.Auto })
	for _, name := range []string{"native", "fork"} {
		if a := r.block.attrs[name]; a != nil && !edits {
			r.errorf(codeBadStrategy, a.at, "Nothing to vouch for", "Set mode to cross or auto, or take it away.",
				"The mode %s changes no Dockerfile, so %s has no effect.", s.Mode, name)
		}
	}
	for _, name := range []string{"env", "run_before"} {
		if a := r.block.attrs[name]; a != nil && r.block.attrs["fork"] == nil {
			r.errorf(codeBadStrategy, a.at, "No stage to give it to", "Name the stages in fork.", "%s is given to the stages in fork, and there is no fork.", name)
		}
	}
}
