package dockerfile

import (
	"slices"
	"strconv"
	"strings"

	"github.com/xbuild/xbuild/schema"
)

// Env is what one build on one platform gives to a Dockerfile.
type Env struct {
	Build  schema.Platform // BUILDPLATFORM: the node's own
	Target schema.Platform // TARGETPLATFORM
	Stage  string          // stage to build, "" for the last
	Args   map[string]string
	// Context identifies the main context (a folder or URL), Contexts the named ones. Both only by identity.
	Context  string
	Contexts map[string]string
	// Image returns what is known of an image's configuration, nil if nothing is. It may be nil itself.
	Image func(ref string) *ImageConfig
	// Whole resolves the stages that the build does not reach, too.
	Whole bool
	// RunKeys is what else the steps of RUN depend on, such as the network they have.
	RunKeys []string
	// SecretNames and SSHNames say under which other name an id of a secret or SSH mount is known.
	SecretNames, SSHNames map[string]string
}

// ImageConfig is the part of an image's configuration that changes a build.
type ImageConfig struct {
	Env     []string // NAME=VALUE
	OnBuild []string
	Workdir string // "" is "/"
}

// vars is an environment that remembers who set each variable. It is short, so that looking through it beats a map, above all
// where it is copied for each step.
type vars struct {
	list   []variable
	shared bool   // with a clone: it is copied before it changes
	text   string // what sorted gives; "" if it is not known
}

type variable struct {
	key, value string
	line       int // of the ARG or ENV, 0 for a value from outside
}

func (v *vars) find(key string) *variable {
	for i := range v.list {
		if v.list[i].key == key {
			return &v.list[i]
		}
	}
	return nil
}

func (v *vars) set(key, value string, line int) {
	v.text = ""
	if v.shared {
		v.list, v.shared = append(make([]variable, 0, len(v.list)+4), v.list...), false
	}
	if have := v.find(key); have != nil {
		have.value, have.line = value, line
		return
	}
	v.list = append(v.list, variable{key, value, line})
}

// Get and Keys make vars usable by BuildKit's word expansion.
func (v *vars) Get(key string) (string, bool) {
	if have := v.find(key); have != nil {
		return have.value, true
	}
	return "", false
}

func (v *vars) Keys() []string {
	out := make([]string, len(v.list))
	for i := range v.list {
		out[i] = v.list[i].key
	}
	return out
}

func (v *vars) clone() *vars {
	v.shared = true
	c := *v
	return &c
}

// namedIn are the variables that a text names.
func (v *vars) namedIn(text string) *vars {
	w := &vars{}
	for _, x := range v.list {
		if strings.Contains(text, x.key) {
			w.list = append(w.list, x)
		}
	}
	return w
}

// sorted is a text that is equal for equal values.
func (v *vars) sorted() string {
	if v.text != "" {
		return v.text
	}
	list := slices.Clone(v.list)
	slices.SortFunc(list, func(a, b variable) int { return strings.Compare(a.key, b.key) })
	var b []byte
	for _, x := range list {
		b = append(append(b, x.key...), '=')
		b = append(strconv.AppendQuote(b, x.value), ';')
	}
	v.text = string(b)
	return v.text
}

// globalVars are the automatic arguments; a build argument of the same name replaces each, as in BuildKit.
func globalVars(e Env, target string) *vars {
	if target == "" {
		target = "default"
	}
	v := &vars{list: make([]variable, 0, 16)}
	for _, kv := range [][2]string{
		{"BUILDPLATFORM", e.Build.String()}, {"BUILDOS", e.Build.OS}, {"BUILDOSVERSION", ""},
		{"BUILDARCH", e.Build.Arch}, {"BUILDVARIANT", e.Build.Variant},
		{"TARGETPLATFORM", e.Target.String()}, {"TARGETOS", e.Target.OS}, {"TARGETOSVERSION", ""},
		{"TARGETARCH", e.Target.Arch}, {"TARGETVARIANT", e.Target.Variant}, {"TARGETSTAGE", target},
	} {
		val := kv[1]
		if o, ok := e.Args[kv[0]]; ok {
			val = o
		}
		v.set(kv[0], val, 0)
	}
	return v
}
