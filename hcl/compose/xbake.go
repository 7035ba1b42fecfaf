package compose

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The keys of x-bake, which gives a build what compose has no word for.
var (
	extensionLists = []string{"tags", "cache-from", "cache-to", "secret", "ssh", "platforms", "output", "no-cache-filter"}
	extensionFlags = []string{"pull", "no-cache"}
	// textLists are those of them whose elements are told apart by their text.
	textLists = []string{"tags", "platforms", "no-cache-filter"}
)

// extend adds the section x-bake of a build. Lists follow what the build says, contexts only add names, and flags win.
// Unknown keys are ignored, as Bake does.
func (v values) extend(service string, ext any) error {
	if ext == nil {
		return nil
	}
	fail := func(key, want string) error {
		path, name := []string{"services", service, "build", "x-bake"}, "x-bake"
		if key != "" {
			path, name = append(path, key), "x-bake "+key
		}
		return &pathError{path, fmt.Sprintf("%s of the service %q must be %s", name, service, want)}
	}
	keys := map[string]yaml.Node{}
	if err := recode(ext, &keys); err != nil {
		return fail("", "a mapping")
	}
	for _, key := range extensionLists {
		n, ok := keys[key]
		if !ok {
			continue
		}
		more, err := stringList(&n)
		if err != nil {
			return fail(key, "a list of strings, or one string with spaces between the elements")
		}
		if len(more) == 0 {
			continue
		}
		all := slices.Concat(v.strings(key), more)
		switch {
		case slices.Contains(textLists, key):
			all = unique(all)
		case key == "ssh":
			slices.SortStableFunc(all, compareSSH)
		}
		v.list(key, all)
	}
	for _, key := range extensionFlags {
		var on *bool
		if n, ok := keys[key]; ok && n.Decode(&on) != nil {
			return fail(key, "true or false")
		}
		if on != nil {
			v[key] = *on
		}
	}
	if n, ok := keys["contexts"]; ok {
		var more map[string]string
		if n.Decode(&more) != nil {
			return fail("contexts", "a mapping of names to contexts")
		}
		have, _ := v["contexts"].(map[string]*string)
		all := namedContexts(more)
		for name, c := range have {
			all[name] = *c
		}
		v.keys("contexts", all)
	}
	return nil
}

// recode gives generic YAML values the types of out.
func recode(in, out any) error {
	text, err := yaml.Marshal(in)
	if err != nil {
		return err
	}
	return yaml.Unmarshal(text, out)
}

// stringList reads a list of strings, or a string that holds the elements with spaces between them.
func stringList(n *yaml.Node) ([]string, error) {
	var list []string
	if n.Decode(&list) == nil {
		return list, nil
	}
	var text string
	if err := n.Decode(&text); err != nil {
		return nil, err
	}
	return strings.Fields(text), nil
}

// unique drops repetitions and keeps the order.
func unique(in []string) []string {
	var out []string
	for _, s := range in {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// compareSSH orders keys by id. The keys of one id keep their order, of which the last counts.
func compareSSH(a, b string) int {
	a, _, _ = strings.Cut(a, "=")
	b, _, _ = strings.Cut(b, "=")
	return strings.Compare(a, b)
}
