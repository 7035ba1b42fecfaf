package compose

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/compose-spec/compose-go/v2/consts"
	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/schema"
	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/xbuild/xbuild/internal/regular"
)

// projectName is the name that Bake gives a project, unless the environment names it.
const projectName = "bake"

// load is the state of reading one set of files.
type load struct {
	files   []File
	env     Env
	unset   map[string]bool // variables that were used and that nothing sets
	further *further        // nil for files from elsewhere, which have no further files
	single  bool            // one file of several: what it refers to may be in another
}

func newLoad(files []File, env Env) *load {
	return &load{files: files, env: env, unset: map[string]bool{}}
}

// project reads the files with compose-go.
//
// The model is read without validation, cut down to what concerns builds, and validated then: keys that some other
// program understands in the rest of a service are nobody's business here.
func (l *load) project() (*types.Project, error) {
	environ, err := l.environ()
	if err != nil {
		return nil, err
	}
	details := types.ConfigDetails{WorkingDir: l.workingDir(), Environment: environ}
	for _, f := range l.files {
		// compose-go reads the file itself if there is no content.
		details.ConfigFiles = append(details.ConfigFiles, types.ConfigFile{Filename: f.Name, Content: append([]byte{}, f.Bytes...)})
	}
	if err := l.checkFiles(environ); err != nil {
		return nil, err
	}
	name := projectName
	if n := environ[consts.ComposeProjectName]; n != "" {
		name = n
	}
	model, err := l.model(details, func(o *loader.Options) {
		o.SetProjectName(name, false)
		o.SkipValidation = true
	})
	if err != nil {
		return nil, err
	}
	if len(model) == 0 {
		return nil, errors.New("it is empty: a compose file needs services")
	}
	if err := schema.Validate(model); err != nil {
		return nil, err
	}
	if l.env.Remote {
		if err := checkEnvFiles(model); err != nil {
			return nil, err
		}
	} else if err := l.readableEnvFiles(model); err != nil {
		return nil, err
	}
	return loader.ModelToProject(model, loader.ToOptions(&details, []func(*loader.Options){l.options, func(o *loader.Options) {
		o.Profiles = []string{"*"}
	}}), details)
}

// model reads the files and cuts the result down. compose-go relies on validation before it makes paths absolute, and
// panics on values of a wrong type; then the paths are left as they are, for validation to find them.
func (l *load) model(details types.ConfigDetails, opt func(*loader.Options)) (model map[string]any, err error) {
	read := func(more ...func(*loader.Options)) (model map[string]any, err error) {
		defer func() {
			if p := recover(); p != nil {
				err = errPanic
			}
		}()
		model, err = loader.LoadModelWithContext(context.Background(), details, append([]func(*loader.Options){l.options, opt}, more...)...)
		return buildModel(model), err
	}
	if model, err = read(); err != errPanic {
		return model, err
	}
	model, err = read(func(o *loader.Options) { o.ResolvePaths = false })
	if err == nil {
		err = schema.Validate(model)
	}
	if err == nil {
		err = errPanic
	}
	return nil, err
}

var errPanic = errors.New("a value has a type that is not allowed in its place")

// options are those of both steps.
func (l *load) options(o *loader.Options) {
	o.SkipNormalization = true
	o.SkipConsistencyCheck = l.single
	if l.env.Remote {
		refuseFiles(o)
	} else {
		o.ResourceLoaders = append(o.ResourceLoaders, l.further)
	}
	if o.Interpolate != nil {
		o.Interpolate.Substitute = l.substitute
	}
}

// substitute replaces the variables of one string, and notes those that are not set: compose-go would print them.
func (l *load) substitute(text string, lookup template.Mapping) (string, error) {
	return template.SubstituteWithOptions(text, func(name string) (string, bool) {
		v, ok := lookup(name)
		if ok || !uses(text, name, `(?:\}|$|[^A-Za-z0-9_:?+-])`) {
			return v, ok
		}
		l.unset[name] = true
		// Where no form of the text tells empty from unset, saying "empty" keeps compose-go quiet.
		return "", !uses(text, name, `[:?+-]`)
	}, template.WithoutLogging)
}

// uses reports whether text has a variable of that name followed by a pattern.
func uses(text, name, next string) bool {
	ok, err := regexp.MatchString(`\$\{?`+regexp.QuoteMeta(name)+next, text)
	return err == nil && ok
}

func (l *load) warnings() []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(l.unset)) {
		out = append(out, fmt.Sprintf("The variable %s is not set; an empty string takes its place.", name))
	}
	return out
}

// workingDir is what compose-go resolves paths against; empty leaves them relative.
func (l *load) workingDir() string {
	if wd, err := os.Getwd(); err == nil && filepath.Clean(l.env.Dir) == wd {
		return ""
	}
	return l.env.Dir
}

// environ is what variables are replaced from.
func (l *load) environ() (types.Mapping, error) {
	out := types.Mapping{}
	maps.Copy(out, l.env.Environ)
	path := filepath.Join(l.env.Dir, ".env")
	if l.env.Remote {
		maps.Copy(out, l.env.Vars)
		return out, nil
	}
	if st, err := os.Stat(path); err == nil && !st.IsDir() {
		text, err := regular.ReadFile(path)
		if err != nil {
			return nil, &Error{File: ".env", Message: "cannot be read: " + cause(err)}
		}
		more, err := dotenv.UnmarshalBytesWithLookup(text, func(name string) (string, bool) { v, ok := out[name]; return v, ok })
		if err != nil {
			return nil, envError(err)
		}
		for k, v := range more {
			if _, ok := out[k]; !ok {
				out[k] = v
			}
		}
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, &Error{File: ".env", Message: "cannot be read: " + cause(err)}
	}
	maps.Copy(out, l.env.Vars)
	return out, nil
}

// cause is an error without the operation and the path that errors of files begin with.
func cause(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

// serviceKeys are the parts of a service that say something about its build.
var serviceKeys = []string{"image", "build", "environment", "env_file"}

// buildModel is the part of a model that concerns builds.
func buildModel(model map[string]any) map[string]any {
	out := map[string]any{}
	if v, ok := model["secrets"]; ok {
		out["secrets"] = v
	}
	services, ok := model["services"].(map[string]any)
	if !ok {
		return out
	}
	kept := map[string]any{}
	for name, s := range services {
		part := map[string]any{}
		full, ok := s.(map[string]any)
		if !ok && s != nil {
			continue
		}
		for _, k := range serviceKeys {
			if v, ok := full[k]; ok {
				part[k] = v
			}
		}
		kept[name] = part
	}
	out["services"] = kept
	return out
}
