package hcl

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"

	"github.com/xbuild/xbuild/schema"
)

// entriesOf reads one element of a list of caches, secrets, ...: a string in CSV form or an object.
func entriesOf(typ schema.ValueType, it item) ([]bakeEntry, error) {
	if it.object == nil {
		return parseEntry(typ, it.text)
	}
	var fields []string
	for _, k := range sortedKeys(it.object) {
		fields = append(fields, k+"="+it.object[k])
	}
	if typ != schema.TypeSSHList {
		return keyedEntry(typ, strings.Join(fields, ","), fields)
	}
	text := it.object["id"]
	if p := it.object["paths"]; p != "" {
		text += "=" + p
	}
	return parseEntry(typ, text)
}

// entry is one entry of a list, with the element that it stands in.
type entry struct {
	bakeEntry
	item
}

// entries reads a list. Of entries with one key, the later wins in the place of the first; an empty key says that
// entries do not replace each other.
func (b *builder) entries(spec *schema.Attribute, v *value, key, fallback string) []entry {
	var out []entry
	for _, it := range orEmpty(v).list {
		if !b.checkKeys(spec, it) {
			continue
		}
		es, err := entriesOf(spec.Type, it)
		if err != nil {
			b.errorf(codeBadEntry, it.at, "Bad element of "+spec.Name, "", "%s.", upperFirst(err.Error()))
			continue
		}
		for _, e := range es {
			if key != "" && e.fields[key] == "" {
				e.fields[key] = fallback
			}
			i := -1
			if key != "" {
				i = slices.IndexFunc(out, func(x entry) bool { return x.fields[key] == e.fields[key] })
			}
			if i >= 0 {
				out[i] = entry{e, it}
				continue
			}
			out = append(out, entry{e, it})
		}
	}
	return out
}

func (b *builder) secrets(spec *schema.Attribute, v *value) {
	for _, e := range b.entries(spec, v, "id", "") {
		s := schema.Secret{ID: e.fields["id"], Src: e.fields["src"], Env: e.fields["env"]}
		switch {
		case s.ID == "":
			b.errorf(codeBadSecret, e.at, "Bad secret", "Write id=NAME,src=FILE or id=NAME,env=VARIABLE.", "The secret has no id.")
			continue
		case s.Src != "" && s.Env != "":
			b.errorf(codeBadSecret, e.at, "Bad secret", "", "Secret %s has both src and env; it comes from one of them.", s.ID)
			continue
		case s.Src == "" && s.Env == "":
			// As in Bake: the variable of that name if there is one, else the file.
			if _, ok := b.env.Getenv(s.ID); ok {
				s.Env = s.ID
			} else {
				s.Src = s.ID
			}
		}
		if s.Src != "" {
			s.Src = resolvePath(s.Src, e.base)
		}
		b.out.Secrets = append(b.out.Secrets, s)
	}
}

func (b *builder) ssh(spec *schema.Attribute, v *value) {
	for _, e := range b.entries(spec, v, "id", "default") {
		s := schema.SSH{ID: e.fields["id"]}
		for _, p := range e.paths {
			if p != "" {
				s.Paths = append(s.Paths, resolvePath(p, e.base))
			}
		}
		b.out.SSH = append(b.out.SSH, s)
	}
}

func (b *builder) caches(spec *schema.Attribute, v *value) []schema.Cache {
	var out []schema.Cache
	for _, e := range b.entries(spec, v, "", "") {
		c := schema.Cache{Type: e.fields["type"], Attrs: e.fields}
		delete(c.Attrs, "type")
		need := map[string]string{"registry": "ref", "local": "src"}[c.Type]
		if spec.Name == "cache-to" && c.Type == "local" {
			need = "dest"
		}
		if need != "" && c.Attrs[need] == "" {
			b.errorf(codeBadEntry, e.at, "Bad element of "+spec.Name, "", "A cache of type %s needs %s.", c.Type, need)
			continue
		}
		if c.Type == "local" {
			c.Attrs[need] = resolvePath(c.Attrs[need], e.base)
		}
		if !slices.ContainsFunc(out, func(x schema.Cache) bool { return x.Type == c.Type && mapsEqual(x.Attrs, c.Attrs) }) {
			out = append(out, c)
		}
	}
	return out
}

func mapsEqual(x, y map[string]string) bool {
	return bakeEntry{fields: x}.equal(bakeEntry{fields: y})
}

func (b *builder) attest(spec *schema.Attribute, v *value) {
	for _, e := range b.entries(spec, v, "type", "") {
		a := schema.Attest{Type: e.fields["type"], Disabled: e.fields["disabled"] != "", Attrs: e.fields}
		delete(a.Attrs, "type")
		delete(a.Attrs, "disabled")
		if !slices.Contains([]string{"provenance", "sbom"}, a.Type) {
			b.errorf(codeBadEntry, e.at, "Bad element of attest", didYouMean(a.Type, []string{"provenance", "sbom"}), "There is no attestation of type %q; there is: provenance, sbom.", a.Type)
			continue
		}
		b.out.Attest = append(b.out.Attest, a)
	}
}

// texts is a list of strings, each once.
func texts(v *value) []string {
	var out []string
	for _, it := range orEmpty(v).list {
		if !slices.Contains(out, it.text) {
			out = append(out, it.text)
		}
	}
	return out
}

func (b *builder) network(v *value) {
	it := orEmpty(v).one
	if !slices.Contains([]string{"", "default", "none", "host"}, it.text) {
		b.errorf(codeBadEntry, it.at, "Bad network", "", "%q is not a network for RUN; there is: default, none, host.", it.text)
		return
	}
	b.out.Network = it.text
}

func (b *builder) shmSize(v *value) {
	it := orEmpty(v).one
	if it.text == "" {
		return
	}
	n, err := units.RAMInBytes(it.text)
	if err != nil || n <= 0 {
		b.errorf(codeBadSize, it.at, "Bad size", "", "%q is not a size; write bytes, or a number with k, m or g.", it.text)
		return
	}
	b.out.ShmSize = n
}

func (b *builder) ulimits(v *value) {
	for _, it := range orEmpty(v).list {
		if _, err := units.ParseUlimit(it.text); err != nil {
			b.errorf(codeBadSize, it.at, "Bad limit", "", "%q is not a limit NAME=SOFT[:HARD]: %v.", it.text, err)
			continue
		}
		b.out.Ulimits = append(b.out.Ulimits, it.text)
	}
}

// resourceNames are the limits that a RUN can have.
var resourceNames = []string{"memory", "memory-swap", "cpu-shares", "cpu-period", "cpu-quota", "cpuset-cpus", "cpuset-mems"}

func (b *builder) resources(v *value) {
	keys := orEmpty(v).keys
	for _, k := range sortedKeys(keys) {
		it := keys[k]
		text := strings.TrimSpace(it.text)
		switch {
		case !slices.Contains(resourceNames, k):
			b.errorf(codeBadEntry, it.at, "Bad resource", didYouMean(k, resourceNames), "There is no resource %q; there is: %s.", k, strings.Join(resourceNames, ", "))
			continue
		case strings.HasPrefix(k, "memory") && text != "-1":
			n, err := units.RAMInBytes(text)
			if err != nil {
				b.errorf(codeBadSize, it.at, "Bad size", "", "%s: %q is not a size; write bytes, or a number with k, m or g.", k, it.text)
				continue
			}
			text = strconv.FormatInt(n, 10)
		}
		if b.out.Resources == nil {
			b.out.Resources = map[string]string{}
		}
		b.out.Resources[k] = text
	}
}

func (b *builder) entitlements(v *value) {
	known := []string{"network.host", "security.insecure", "device"}
	for _, it := range orEmpty(v).list {
		name, _, _ := strings.Cut(it.text, "=")
		if !slices.Contains(known, name) {
			b.errorf(codeBadEntry, it.at, "Bad entitlement", didYouMean(name, known), "There is no entitlement %q; there is: %s.", it.text, strings.Join(known, ", "))
			continue
		}
		if !slices.Contains(b.out.Entitlements, it.text) {
			b.out.Entitlements = append(b.out.Entitlements, it.text)
		}
	}
}

func (b *builder) call(v *value) {
	it := orEmpty(v).one
	switch it.text {
	case "", "build":
	case "check", "lint":
		b.out.Call = "lint"
	case "outline", "targets":
		b.out.Call = it.text
	default:
		b.errorf(codeBadEntry, it.at, "Bad call", didYouMean(it.text, []string{"build", "check", "outline", "targets"}),
			"%q is nothing to ask of a Dockerfile; there is: build, check, outline, targets.", it.text)
	}
}

func (b *builder) timeout(v *value) {
	it := orEmpty(v).one
	if it.text == "" {
		return
	}
	d, err := time.ParseDuration(it.text)
	if err != nil || d <= 0 {
		b.errorf(codeBadSize, it.at, "Bad time", "", "%q is not a time; write a number with s, m or h, such as 90s.", it.text)
		return
	}
	b.out.Timeout = d
}

// number reads a whole number of at least low; 0 if it is not set.
func (l *loader) number(name string, v *value, low int) (int, bool) {
	it := orEmpty(v).one
	if v == nil || v.null || it.text == "" {
		return 0, true
	}
	n, err := strconv.Atoi(it.text)
	if err != nil || n < low {
		l.errorf(codeBadSize, it.at, "Bad number", "", "%s must be a whole number of at least %d, not %q.", name, low, it.text)
		return 0, false
	}
	return n, true
}
