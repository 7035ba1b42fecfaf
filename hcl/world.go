package hcl

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	hhcl "github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/xbuild/xbuild/internal/lazyre"
)

// Git tells about the commit that is checked out. Each function is called only if an expression needs it.
type Git struct {
	Commit func() (string, error) // the full hash
	Branch func() (string, error) // empty if none is checked out
	Tag    func() (string, error) // the highest tag of the commit, empty if it has none
	Time   func() (string, error) // of the commit, in RFC 3339
	Dirty  func() (bool, error)   // whether files differ from the commit
}

// gitFields are the attributes of `git`.
var gitFields = []string{"branch", "commit", "dirty", "tag", "time"}

// field is one attribute of `git`.
func (g *Git) field(name string) (cty.Value, error) {
	if g == nil {
		return cty.DynamicVal, errors.New("there is no git repository")
	}
	if name == "dirty" {
		dirty, err := g.Dirty()
		return cty.BoolVal(dirty), err
	}
	f := map[string]func() (string, error){"branch": g.Branch, "commit": g.Commit, "tag": g.Tag, "time": g.Time}[name]
	s, err := f()
	return cty.StringVal(s), err
}

// gitObject is the value of `git` as far as the references need it.
func (l *loader) gitObject(refs []hhcl.Traversal, in place) (cty.Value, bool) {
	fields, ok := map[string]cty.Value{}, true
	for _, tr := range refs {
		name, at := step(tr, 1), in.file.rng(tr.SourceRange())
		known := false
		for _, f := range gitFields {
			known = known || f == name
		}
		if !known {
			l.errorf(codeBadReference, at, "Unknown attribute", oneOf(name, gitFields), "git has no attribute %q.", name)
			fields[name], ok = cty.DynamicVal, false
			continue
		}
		if _, done := fields[name]; done {
			continue
		}
		v, err := l.env.Git.field(name)
		if err != nil {
			l.errorf(codeGit, at, "Git does not know", "", "git.%s cannot be read: %v.", name, err)
			v, ok = cty.DynamicVal, false
		}
		fields[name] = v
	}
	return cty.ObjectVal(fields), ok
}

// fileFunctions are the functions that xbuild.hcl has beyond Bake's. dir is the folder of the file that calls them.
func fileFunctions(env Env, dir string) map[string]function.Function {
	return map[string]function.Function{
		"startswith":    affixFunc("Tells whether a text begins with another.", "prefix", strings.HasPrefix),
		"endswith":      affixFunc("Tells whether a text ends with another.", "suffix", strings.HasSuffix),
		"env":           envFunc(env),
		"file":          fileFunc(env, dir),
		"fileexists":    fileExistsFunc(env, dir),
		"tags_from_git": tagsFromGitFunc(env),
	}
}

func affixFunc(doc, param string, f func(s, affix string) bool) function.Function {
	return function.New(&function.Spec{
		Description: doc,
		Params:      []function.Parameter{{Name: "text", Type: cty.String}, {Name: param, Type: cty.String}},
		Type:        function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.BoolVal(f(args[0].AsString(), args[1].AsString())), nil
		},
	})
}

func envFunc(env Env) function.Function {
	return function.New(&function.Spec{
		Description: "The value of an environment variable, or of the second argument if it is not set.",
		Params:      []function.Parameter{{Name: "name", Type: cty.String}},
		VarParam:    &function.Parameter{Name: "default", Type: cty.String, AllowNull: true},
		Type:        function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			name := args[0].AsString()
			if len(args) > 2 {
				return cty.NilVal, function.NewArgErrorf(2, "there is one default")
			}
			if s, ok := env.Getenv(name); ok {
				return cty.StringVal(s), nil
			}
			if len(args) == 2 {
				return args[1], nil
			}
			return cty.NilVal, fmt.Errorf("the environment variable %s is not set; write env(%q, DEFAULT) if it need not be", name, name)
		},
	})
}

func fileFunc(env Env, dir string) function.Function {
	return function.New(&function.Spec{
		Description: "The text of a file. The path is relative to the file that holds the call.",
		Params:      []function.Parameter{{Name: "path", Type: cty.String}},
		Type:        function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			p := treePath(args[0].AsString(), dir)
			if env.ReadFile == nil {
				return cty.NilVal, errors.New("files cannot be read here")
			}
			text, err := env.ReadFile(p)
			if err != nil {
				return cty.NilVal, function.NewArgErrorf(0, "%s cannot be read: %v", p, pathErr(err))
			}
			if !utf8.Valid(text) {
				return cty.NilVal, function.NewArgErrorf(0, "%s is not text in UTF-8", p)
			}
			return cty.StringVal(string(text)), nil
		},
	})
}

func fileExistsFunc(env Env, dir string) function.Function {
	return function.New(&function.Spec{
		Description: "Tells whether there is a file. The path is relative to the file that holds the call.",
		Params:      []function.Parameter{{Name: "path", Type: cty.String}},
		Type:        function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if env.Stat == nil {
				return cty.NilVal, errors.New("files cannot be looked for here")
			}
			p := treePath(args[0].AsString(), dir)
			st, err := env.Stat(p)
			if errors.Is(err, ErrNotGranted) {
				return cty.NilVal, function.NewArgErrorf(0, "%s cannot be looked for: %v", p, pathErr(err))
			}
			return cty.BoolVal(err == nil && !st.IsDir()), nil
		},
	})
}

// versionTag is a tag that names a version: v1.2.3, 1.2.3-rc.1.
var versionTag = lazyre.New(`^v?(\d+)\.(\d+)\.(\d+)(-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?$`)

// imageTag replaces what an image tag cannot hold.
func imageTag(s string) string {
	out := regexp.MustCompile(`[^A-Za-z0-9_.-]+`).ReplaceAllString(s, "-")
	if out = strings.TrimLeft(out, ".-"); len(out) > 128 {
		out = out[:128]
	}
	return out
}

// gitTags are the image tags that a commit deserves: of a version tag the version, its minor and major version and
// "latest"; of a prerelease the version; of another tag the tag; else the branch; else the beginning of the hash.
func gitTags(g *Git) ([]string, error) {
	read := func(name string) (string, error) {
		v, err := g.field(name)
		if err != nil {
			return "", fmt.Errorf("git.%s cannot be read: %w", name, err)
		}
		return v.AsString(), nil
	}
	tag, err := read("tag")
	if err != nil {
		return nil, err
	}
	if m := versionTag().FindStringSubmatch(tag); m != nil {
		version := strings.Join(m[1:4], ".") + m[4]
		if m[4] != "" {
			return []string{imageTag(version)}, nil
		}
		out := []string{version, m[1] + "." + m[2]}
		if m[1] != "0" { // 0.x promises nothing
			out = append(out, m[1])
		}
		return append(out, "latest"), nil
	}
	if tag != "" {
		return []string{imageTag(tag)}, nil
	}
	branch, err := read("branch")
	if err != nil || branch != "" {
		return []string{imageTag(branch)}, err
	}
	commit, err := read("commit")
	return []string{"sha-" + commit[:min(7, len(commit))]}, err
}

func tagsFromGitFunc(env Env) function.Function {
	return function.New(&function.Spec{
		Description: "Image tags for the commit that is checked out: of the tag v1.2.3 they are 1.2.3, 1.2, 1 and latest; without a tag the branch. " +
			"With images as arguments, each of them with each tag.",
		VarParam: &function.Parameter{Name: "image", Type: cty.String},
		Type:     function.StaticReturnType(cty.List(cty.String)),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			tags, err := gitTags(env.Git)
			if err != nil {
				return cty.NilVal, err
			}
			if len(args) == 0 {
				return stringList(tags), nil
			}
			var out []string
			for _, image := range args {
				for _, t := range tags {
					out = append(out, image.AsString()+":"+t)
				}
			}
			return stringList(out), nil
		},
	})
}
