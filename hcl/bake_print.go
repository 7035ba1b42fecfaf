package hcl

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/xbuild/xbuild/internal/parallel"
	"github.com/xbuild/xbuild/schema"
)

// json is the result as Bake prints it: two spaces of indent, keys of maps sorted, attributes in the order of the table,
// and no line feed at the end.
func (res *bakeResult) json() []byte {
	var w jsonWriter
	w.open('{')
	if len(res.groups) > 0 {
		w.key("group")
		w.open('{')
		for _, name := range sortedKeys(res.groups) {
			g := res.groups[name]
			w.key(name)
			w.open('{')
			if g.description != "" {
				w.key("description")
				w.value(g.description)
			}
			w.key("targets")
			if g.hasTargets && g.targets == nil {
				g.targets = []string{}
			}
			if g.targets == nil {
				w.value(nil)
			} else {
				w.texts(g.targets)
			}
			w.close('}')
		}
		w.close('}')
	}
	w.key("target")
	w.open('{')
	w.targets(res.targets)
	w.close('}')
	w.close('}')
	return w.buf.Bytes()
}

// jsonWriter writes JSON with an indent of two spaces, whose objects keep the order in which they are written.
type jsonWriter struct {
	buf   bytes.Buffer
	depth int
	first bool // nothing is written yet at this level
}

func (w *jsonWriter) open(c byte) { w.buf.WriteByte(c); w.depth++; w.first = true }

func (w *jsonWriter) close(c byte) {
	if w.depth--; !w.first { // what is empty stands on one line
		w.line()
	}
	w.buf.WriteByte(c)
	w.first = false
}

func (w *jsonWriter) line() {
	w.buf.WriteByte('\n')
	for range w.depth {
		w.buf.WriteString("  ")
	}
}

// comma begins an element.
func (w *jsonWriter) comma() {
	if !w.first {
		w.buf.WriteByte(',')
	}
	w.line()
	w.first = false
}

func (w *jsonWriter) key(k string) {
	w.comma()
	w.text(k)
	w.buf.WriteString(": ")
}

// text writes a string as the standard encoder does, which is only needed where something must be escaped.
func (w *jsonWriter) text(s string) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			w.value(s)
			return
		}
	}
	w.buf.WriteByte('"')
	w.buf.WriteString(s)
	w.buf.WriteByte('"')
}

// texts writes a list of strings.
func (w *jsonWriter) texts(list []string) {
	w.open('[')
	for _, s := range list {
		w.comma()
		w.text(s)
	}
	w.close(']')
}

// object writes an object of strings, its keys sorted.
func (w *jsonWriter) object(fields map[string]string) {
	w.open('{')
	for _, k := range sortedKeys(fields) {
		w.key(k)
		w.text(fields[k])
	}
	w.close('}')
}

// value writes what the standard encoder makes of v.
func (w *jsonWriter) value(v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic("a string, bool or list of strings cannot fail: " + err.Error())
	}
	w.buf.Write(b)
}

// escape keeps templates in a text from being evaluated when the output is read as a build file.
func escape(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "${", "$${"), "%{", "%%{")
}

// escaped are the attributes that Bake escapes.
var escaped = map[string]bool{"annotations": true, "dockerfile-inline": true, "labels": true, "args": true, "extra-hosts": true}

// printedAtOnce is how many targets one processor writes at a time.
const printedAtOnce = 64

// targets writes the members of an object of targets, parts of it side by side.
func (w *jsonWriter) targets(targets map[string]*bakeTarget) {
	names := sortedKeys(targets)
	parts := slices.Collect(slices.Chunk(names, printedAtOnce))
	texts := make([]jsonWriter, len(parts))
	parallel.Each(len(parts), func(i int) {
		t := &texts[i]
		t.depth, t.first = w.depth, i == 0
		for _, name := range parts[i] {
			t.key(name)
			t.target(targets[name])
		}
	})
	size := 0
	for i := range texts {
		size += texts[i].buf.Len()
	}
	w.buf.Grow(size + len("\n}\n}"))
	for i := range texts {
		w.buf.Write(texts[i].buf.Bytes())
		texts[i].buf = bytes.Buffer{}
	}
	w.first = len(names) == 0
}

// target writes one target; what is empty is left out, except for strings that are set.
func (w *jsonWriter) target(t *bakeTarget) {
	w.open('{')
	w.attributes(t.values)
	if t.perPlatform != nil {
		w.key("platform")
		w.open('{')
		for _, p := range sortedKeys(t.perPlatform) {
			w.key(p)
			w.open('{')
			w.attributes(t.perPlatform[p])
			w.close('}')
		}
		w.close('}')
	}
	w.close('}')
}

func (w *jsonWriter) attributes(values map[string]*bakeValue) {
	all := schema.Language.Block("target").Attributes
	for i := range all {
		if v := values[all[i].Name]; v != nil {
			w.attribute(&all[i], v)
		}
	}
}

func (w *jsonWriter) attribute(spec *schema.Attribute, v *bakeValue) {
	esc := func(s string) string { return s }
	if escaped[spec.Name] {
		esc = escape
	}
	switch spec.Type {
	case schema.TypeString:
		if v.text != "" || spec.Name != "description" {
			w.key(spec.Name)
			w.text(esc(v.text))
		}
	case schema.TypeBool:
		w.key(spec.Name)
		w.value(v.flag)
	case schema.TypeStringList:
		if len(v.list) > 0 {
			w.key(spec.Name)
			w.open('[')
			for _, s := range v.list {
				w.comma()
				w.text(esc(s))
			}
			w.close(']')
		}
	case schema.TypeStringMap:
		if len(v.keys) > 0 {
			w.key(spec.Name)
			w.open('{')
			for _, k := range sortedKeys(v.keys) {
				w.key(k)
				w.text(esc(*v.keys[k]))
			}
			w.close('}')
		}
	case schema.TypeResources:
		w.key(spec.Name)
		w.resources(v)
	default:
		if len(v.entries) > 0 {
			w.key(spec.Name)
			w.open('[')
			for _, e := range v.entries {
				w.comma()
				w.entry(spec.Type, e)
			}
			w.close(']')
		}
	}
}

func (w *jsonWriter) resources(v *bakeValue) {
	w.open('{')
	for _, k := range resourceKeys {
		s := v.keys[k.name]
		switch {
		case s == nil:
		case k.number:
			w.key(k.name)
			w.buf.WriteString(*s)
		default:
			w.key(k.name)
			w.value(*s)
		}
	}
	w.close('}')
}

func (w *jsonWriter) entry(typ schema.ValueType, e bakeEntry) {
	switch typ {
	case schema.TypeSecretList, schema.TypeSSHList:
		w.open('{')
		for _, k := range []string{"id", "src", "env"} {
			if s := e.fields[k]; s != "" {
				w.key(k)
				w.text(s)
			}
		}
		if len(e.paths) > 0 {
			w.key("paths")
			w.texts(e.paths)
		}
		w.close('}')
	case schema.TypeAttestList:
		w.open('{')
		fields := map[string]string{"type": ""}
		for k, v := range e.fields {
			fields[k] = v
		}
		for _, k := range sortedKeys(fields) {
			w.key(k)
			if k == "disabled" {
				w.value(true)
				continue
			}
			w.value(fields[k])
		}
		w.close('}')
	case schema.TypePolicyList:
		w.policy(e)
	default:
		w.object(e.fields)
	}
}

// policy writes a policy in the form that Bake gives it, which is that of its own data.
func (w *jsonWriter) policy(e bakeEntry) {
	w.open('{')
	w.key("Files")
	if len(e.files) == 0 {
		w.value(nil)
	} else {
		w.open('[')
		for _, f := range e.files {
			w.comma()
			w.open('{')
			w.key("Filename")
			w.value(f)
			w.key("Data")
			w.value(nil)
			w.close('}')
		}
		w.close(']')
	}
	for _, k := range []struct{ field, name string }{{"reset", "Reset"}, {"disabled", "Disabled"}} {
		w.key(k.name)
		w.value(e.fields[k.field] == "true")
	}
	w.key("Strict")
	if s, ok := e.fields["strict"]; ok {
		w.value(s == "true")
	} else {
		w.value(nil)
	}
	w.key("LogLevel")
	if s, ok := e.fields["log-level"]; ok {
		w.value(s)
	} else {
		w.value(nil)
	}
	w.close('}')
}
