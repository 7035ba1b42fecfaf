package compose

import (
	"slices"
	"strings"
)

// File is one compose file.
type File struct {
	Name  string // how the user would name it; "-" or empty for standard input
	Bytes []byte
}

// Env is the world that the meaning of a compose file depends on.
type Env struct {
	// Dir is the absolute working directory. The file .env there fills in variables that nothing else sets, and the
	// paths in compose files are relative to it. If it is the working directory of the process, or empty, paths are
	// given as they are written; else they are made absolute.
	Dir string
	// Environ is the environment; nil if it must not be used.
	Environ map[string]string
	// Vars win over the environment and over .env.
	Vars map[string]string
	// Remote says that the compose files come from elsewhere: then neither .env nor any other file of this machine is read.
	Remote bool
}

// Definition is what the files define. The group "default" that Bake adds holds all of Targets.
type Definition struct {
	// Targets are sorted by name. The list is empty if no service has a build section.
	Targets []Target
	// HasServices says that there is a service, with or without build section. Only then does Bake make the group
	// "default".
	HasServices bool
	// Warnings are sentences about what is accepted but may not be meant, such as variables that are not set. They are
	// sorted.
	Warnings []string
}

// Target is a service with a build section.
type Target struct {
	// Name is the service's name with "_" in place of dots, as targets are named.
	Name string
	// File and Line say where the service is defined last; Line is 0 if that is in none of the files given to Read.
	File string
	Line int
	// Values holds what the service sets, by the name of the attribute in Bake's language. An attribute that is not
	// there is unset.
	Values map[string]Value
}

// Value is the value of one attribute. Its dynamic type is
//
//   - string: context, dockerfile, dockerfile-inline, target, network, shm-size;
//   - bool: pull, no-cache;
//   - []string: tags, platforms, no-cache-filter, ulimits, and each element in its CSV form: cache-from, cache-to,
//     secret, ssh (ID or ID=PATH,PATH), output, attest. Bake's rule for repeated ids and types of one list applies to
//     the CSV forms: here they stand as the file and then its x-bake give them;
//   - map[string]*string: args, contexts, labels, extra-hosts. No value is nil.
type Value any

// Names of files that are compose files whatever is in them, and of those that never are.
var (
	composeSuffixes = []string{".yml", ".yaml"}
	otherSuffixes   = []string{".json", ".hcl"}
)

func hasSuffix(name string, suffixes []string) bool {
	return slices.ContainsFunc(suffixes, func(s string) bool { return strings.HasSuffix(strings.ToLower(name), s) })
}

// Validate reports whether src is a compose file. The name decides if it ends in .yml or .yaml (yes) or in .json or .hcl
// (no), in any case. Else the content does: it is one if it can be read as one. The error says why it cannot be read as a
// compose file; it is always nil for names in .json and .hcl.
func Validate(name string, src []byte, env Env) (isCompose bool, err error) {
	if hasSuffix(name, otherSuffixes) {
		return false, nil
	}
	err = validate(File{name, src}, env)
	return err == nil || hasSuffix(name, composeSuffixes), err
}

// Read reads compose files as one project, later files merged over earlier ones by the rules of compose. Each file must
// be valid by itself. The error is an [*Error].
func Read(files []File, env Env) (*Definition, error) {
	if len(files) > 1 {
		for _, f := range files {
			if err := validate(f, env); err != nil {
				return nil, err
			}
		}
	}
	l := newLoad(files, env)
	project, err := l.project()
	if err != nil {
		return nil, l.locate(err)
	}
	def := &Definition{HasServices: len(project.Services) > 0, Warnings: l.warnings()}
	for _, name := range project.ServiceNames() {
		s := project.Services[name]
		if s.Build == nil {
			continue
		}
		t, err := l.target(project, &s)
		if err != nil {
			return nil, l.locate(err)
		}
		def.Targets = append(def.Targets, *t)
	}
	slices.SortStableFunc(def.Targets, func(a, b Target) int { return strings.Compare(a.Name, b.Name) })
	return def, nil
}

// validate checks one file alone.
func validate(f File, env Env) error {
	l := newLoad([]File{f}, env)
	l.single = true
	if _, err := l.project(); err != nil {
		return l.locate(err)
	}
	return nil
}
