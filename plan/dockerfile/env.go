package dockerfile

import (
	"slices"

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

// vars is an environment that remembers who set each variable: the line of the ARG or ENV, 0 for a value from outside.
type vars struct {
	keys []string
	val  map[string]string
	line map[string]int
}

func newVars() *vars { return &vars{val: map[string]string{}, line: map[string]int{}} }

func (v *vars) set(key, value string, line int) {
	if _, ok := v.val[key]; !ok {
		v.keys = append(v.keys, key)
	}
	v.val[key], v.line[key] = value, line
}

// Get and Keys make vars usable by BuildKit's word expansion.
func (v *vars) Get(key string) (string, bool) { s, ok := v.val[key]; return s, ok }
func (v *vars) Keys() []string                { return v.keys }

func (v *vars) clone() *vars {
	w := newVars()
	w.keys = slices.Clone(v.keys)
	for _, k := range v.keys {
		w.val[k], w.line[k] = v.val[k], v.line[k]
	}
	return w
}

// globalVars are the automatic arguments; a build argument of the same name replaces each, as in BuildKit.
func globalVars(e Env, target string) *vars {
	if target == "" {
		target = "default"
	}
	v := newVars()
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
