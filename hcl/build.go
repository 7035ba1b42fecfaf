package hcl

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/distribution/reference"

	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// builder puts the values of one target, on one platform or on all, into a schema.Build.
type builder struct {
	*loader
	target *target
	values map[string]*value // by attribute; nil means not set
	// varying holds the attributes that differ between platforms and have no value here.
	varying map[string]bool
	out     schema.Build
}

// setters put one attribute each into the Build; they run in the order of the table. This is the only place that knows
// the attributes of a target's Build by name; a test compares it with the table.
var setters = map[string]func(b *builder, spec *schema.Attribute, v *value){
	"context": func(b *builder, spec *schema.Attribute, v *value) {
		it := b.stringItem(spec, v)
		b.out.Context = b.context(it)
	},
	"contexts": func(b *builder, _ *schema.Attribute, v *value) {
		keys := orEmpty(v).keys
		for _, name := range sortedKeys(keys) {
			if b.out.Contexts == nil {
				b.out.Contexts = map[string]string{}
			}
			b.out.Contexts[name] = b.namedContext(name, keys[name])
		}
	},
	"dockerfile": func(b *builder, spec *schema.Attribute, v *value) {
		if b.varying["context"] {
			return
		}
		it := b.stringItem(spec, v)
		p, here := schema.CutWorkingDir(it.text)
		switch {
		case here:
			b.out.Dockerfile = resolvePath(p, b.env.Dir)
		case schema.ParseRef(b.out.Context).Remote():
			b.out.Dockerfile = it.text
		case it.base != "":
			b.out.Dockerfile = treePath(it.text, it.base)
		default:
			b.out.Dockerfile = treePath(it.text, b.out.Context)
		}
	},
	"dockerfile-inline": func(b *builder, _ *schema.Attribute, v *value) { b.out.DockerfileInline = orEmpty(v).one.text },
	"target":            func(b *builder, _ *schema.Attribute, v *value) { b.out.Stage = orEmpty(v).one.text },
	"args": func(b *builder, _ *schema.Attribute, v *value) {
		b.out.Args = stringMap(v)
		for _, k := range sortedKeys(orEmpty(v).keys) {
			if v.keys[k].sensitive {
				b.out.SensitiveArgs = append(b.out.SensitiveArgs, k)
				b.out.Hidden = append(b.out.Hidden, v.keys[k].text)
			}
		}
		if len(b.out.Hidden) > 0 {
			b.hide(b.out.Hidden...)
			b.out.Hidden = append(b.out.Hidden, b.sensitiveTexts()...)
		}
		b.addEpoch()
	},
	"labels": func(b *builder, _ *schema.Attribute, v *value) { b.out.Labels = stringMap(v) },
	"tags": func(b *builder, _ *schema.Attribute, v *value) {
		for _, it := range orEmpty(v).list {
			if b.checkTag(it) {
				b.out.Tags = append(b.out.Tags, it.text)
			}
		}
	},
	"output": func(b *builder, spec *schema.Attribute, v *value) {
		for _, it := range orEmpty(v).list {
			if !b.checkKeys(spec, it) {
				continue
			}
			o, err := output(it)
			if err != nil {
				_, typ := keysOf(spec.Type, it)
				b.errorf(codeBadOutput, it.at, "Bad output", didYouMean(typ, schema.OutputTypes), "%s.", upperFirst(err.Error()))
				continue
			}
			if problem, advice := homeProblem(o.Dest); problem != "" {
				b.errorf(codeBadOutput, it.at, "Bad output", advice, "%s", problem)
				continue
			}
			if o.Dest != "" && o.Dest != schema.Stdout {
				o.Dest = resolvePath(o.Dest, it.base)
			}
			b.out.Outputs = append(b.out.Outputs, o)
		}
		b.flagged()
	},
	"strategy": func(b *builder, spec *schema.Attribute, v *value) { b.strategy(b.stringItem(spec, v)) },
	"optional": func(b *builder, _ *schema.Attribute, v *value) { b.out.Optional = orEmpty(v).one.text == "true" },
	"no-cache": func(b *builder, _ *schema.Attribute, v *value) { b.out.NoCache = orEmpty(v).one.text == "true" },
	"annotations": func(b *builder, _ *schema.Attribute, v *value) {
		for _, it := range orEmpty(v).list {
			if err := checkAnnotation(it.text); err != nil {
				b.errorf(codeBadAnnotation, it.at, "Bad annotation", "", "%q: %v.", it.text, err)
				continue
			}
			b.out.Annotations = append(b.out.Annotations, it.text)
		}
	},
	"attest":          func(b *builder, spec *schema.Attribute, v *value) { b.attest(spec, v) },
	"cache-from":      func(b *builder, spec *schema.Attribute, v *value) { b.out.CacheFrom = b.caches(spec, v) },
	"cache-to":        func(b *builder, spec *schema.Attribute, v *value) { b.out.CacheTo = b.caches(spec, v) },
	"secret":          func(b *builder, spec *schema.Attribute, v *value) { b.secrets(spec, v) },
	"ssh":             func(b *builder, spec *schema.Attribute, v *value) { b.ssh(spec, v) },
	"pull":            func(b *builder, _ *schema.Attribute, v *value) { b.out.Pull = orEmpty(v).one.text == "true" },
	"network":         func(b *builder, _ *schema.Attribute, v *value) { b.network(v) },
	"no-cache-filter": func(b *builder, _ *schema.Attribute, v *value) { b.out.NoCacheFilter = texts(v) },
	"shm-size":        func(b *builder, _ *schema.Attribute, v *value) { b.shmSize(v) },
	"ulimits":         func(b *builder, _ *schema.Attribute, v *value) { b.ulimits(v) },
	"resources":       func(b *builder, _ *schema.Attribute, v *value) { b.resources(v) },
	"entitlements":    func(b *builder, _ *schema.Attribute, v *value) { b.entitlements(v) },
	"extra-hosts":     func(b *builder, _ *schema.Attribute, v *value) { b.out.ExtraHosts = stringMap(v) },
	"call":            func(b *builder, _ *schema.Attribute, v *value) { b.call(v) },
	"verify":          func(b *builder, _ *schema.Attribute, v *value) { b.out.Verify = orEmpty(v).one.text == "true" },
	"timeout":         func(b *builder, _ *schema.Attribute, v *value) { b.timeout(v) },
	"retries":         func(b *builder, _ *schema.Attribute, v *value) { b.out.Retries, _ = b.number("retries", v, 0) },
	"recipe_cache":    func(b *builder, _ *schema.Attribute, v *value) { b.out.NoRecipeCache = orEmpty(v).one.text == "false" },
}

// build makes the Build of a target from its values. What varies stays empty.
func (l *loader) build(t *target, values map[string]*value, varying map[string]bool) schema.Build {
	b := &builder{loader: l, target: t, values: values, varying: varying}
	attrs := language.Block("target").Attributes
	for i := range attrs {
		if spec := &attrs[i]; spec.Platform && !varying[spec.Name] {
			setters[spec.Name](b, spec, values[spec.Name])
		}
	}
	return b.out
}

// stringItem is the value of a string attribute, or its default. An empty string counts as not set, so that a variable
// without a value leaves the default in place.
func (b *builder) stringItem(spec *schema.Attribute, v *value) item {
	if v != nil && !v.null && v.one.text != "" {
		return v.one
	}
	it := item{text: defaultText(spec), at: b.target.blocks[0].at}
	if spec.PathBase == schema.PathFile {
		it.base = b.target.blocks[0].dir
	}
	return it
}

func stringMap(v *value) map[string]string {
	if v == nil || len(v.keys) == 0 {
		return nil
	}
	out := map[string]string{}
	for k, it := range v.keys {
		out[k] = it.text
	}
	return out
}

// output reads one element of output; dest stays as written.
func output(it item) (schema.Output, error) {
	if it.object != nil {
		fields := map[string]string{} // NewOutput takes its argument over
		for k, v := range it.object {
			fields[k] = v
		}
		return schema.NewOutput(fields)
	}
	if it.text == "" {
		return schema.Output{}, errors.New("the output is the empty string")
	}
	return schema.ParseOutput(it.text)
}

func (b *builder) checkTag(it item) bool {
	problem, advice := tagProblem(it.text)
	if problem != "" {
		b.errorf(codeBadTag, it.at, "Bad tag", advice, "%s", problem)
	}
	return problem == ""
}

// tagProblem says what is wrong with the name of an image, and what to do; empty if nothing is.
func tagProblem(s string) (problem, advice string) {
	named, err := reference.ParseNormalizedNamed(s)
	if err != nil {
		return fmt.Sprintf("%q is not an image name: %v.", s, err), "Write name:tag or registry/name:tag, with a lower-case name."
	}
	if _, ok := named.(reference.Digested); ok {
		return fmt.Sprintf("%q has a digest.", s), "Take the digest away: it is known only when the image is built."
	}
	return "", ""
}

func strategyNames() []string {
	var out []string
	for _, s := range schema.Strategies {
		out = append(out, string(s))
	}
	return out
}

// commonPlatforms are what a mistyped platform is most likely meant to be.
var commonPlatforms = []string{"linux/amd64", "linux/arm64", "linux/arm/v7", "linux/arm/v6", "linux/386", "linux/ppc64le", "linux/s390x",
	"linux/riscv64", "darwin/amd64", "darwin/arm64", "windows/amd64", "windows/arm64", "freebsd/amd64"}

// platforms reads a list of platforms, each once and in normal form.
func (l *loader) platforms(v *value) ([]schema.Platform, bool) {
	var out []schema.Platform
	ok := true
	for _, it := range orEmpty(v).list {
		p, err := schema.ParsePlatform(it.text)
		if err != nil {
			ok = false
			advice := didYouMean(it.text, commonPlatforms)
			if strings.Contains(it.text, ",") {
				advice = "Write each platform as a string of its own."
			}
			l.errorf(codeBadPlatform, it.at, "Bad platform", advice, "%s.", err)
			continue
		}
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out, ok
}

// checkTags reports a tag that several platforms of the target have, but not all: it would name neither the index nor
// one platform's image.
func (l *loader) checkTags(t *target, tags map[schema.Platform]*value) {
	on := map[string][]schema.Platform{}
	for _, p := range t.platforms {
		for _, it := range orEmpty(tags[p]).list {
			if !slices.Contains(on[it.text], p) {
				on[it.text] = append(on[it.text], p)
			}
		}
	}
	for _, p := range t.platforms {
		for _, it := range orEmpty(tags[p]).list {
			if n := len(on[it.text]); n > 1 && n < len(t.platforms) {
				l.add(diag.Diagnostic{Code: codeTagOnSome, Subject: &it.at, Summary: "Tag of some platforms only",
					Detail: fmt.Sprintf("The tag %q is given for %s, but not for every platform of %q.", it.text, joinPlatforms(on[it.text]), t.name),
					Advice: "Give it for all platforms, to name the index, or for one, to name that platform's image."})
			}
		}
	}
}

func joinPlatforms(ps []schema.Platform) string {
	var out []string
	for _, p := range ps {
		out = append(out, p.String())
	}
	return strings.Join(out, ", ")
}

// addEpoch gives a build the time of SOURCE_DATE_EPOCH in the environment, unless the target sets its own.
func (b *builder) addEpoch() {
	if b.env.Getenv == nil {
		return
	}
	epoch, _ := b.env.Getenv(epochVariable)
	if _, ok := b.out.Args[epochVariable]; ok || epoch == "" {
		return
	}
	if b.out.Args == nil {
		b.out.Args = map[string]string{}
	}
	b.out.Args[epochVariable] = epoch
}

// homeProblem says what is wrong with a path that a shell would find below the home directory, and what to write in its place:
// here it would be a directory of that name.
func homeProblem(path string) (problem, advice string) {
	first, rest, _ := strings.Cut(path, "/")
	if first != "~" && first != "$HOME" && first != "${HOME}" {
		return "", ""
	}
	if rest != "" {
		rest = "/" + rest
	}
	return fmt.Sprintf("%q does not lead to the home directory: only a shell replaces %s.", path, first), fmt.Sprintf("Write \"${env(\"HOME\")}%s\", or \"./%s\" for a directory of that name.", rest, path)
}
