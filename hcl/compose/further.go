package compose

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v3"

	"github.com/xbuild/xbuild/internal/regular"
)

// further looks at the files that compose-go reads by itself, for include and extends: compose-go opens them whatever they are,
// and waits where there is a named pipe. It is a loader that compose-go asks about each path before it reads the file, and that
// accepts only what must not be read. compose-go does not say which directory a path is relative to, so it is looked for in all
// that it can be.
type further struct {
	environ types.Mapping
	dirs    []string
	known   map[string]bool // files that were looked at
	err     error           // about the first that must not be read
}

// checkFiles looks at the files, and makes the loader that looks at those that they name.
func (l *load) checkFiles(environ types.Mapping) error {
	if l.env.Remote {
		for _, file := range l.files {
			if line := tooDeep(file.Bytes); line > 0 {
				return &Error{File: file.Name, Line: line, Message: nestingError}
			}
		}
		return nil
	}
	f := &further{environ: environ, known: map[string]bool{}}
	l.further = f
	f.in(l.env.Dir)
	for _, file := range l.files {
		if f.err == nil {
			f.dirOf(file.Name)
			f.text(file.Name, file.Bytes)
		}
	}
	return f.err
}

// Accept reports whether a file must not be read.
func (f *further) Accept(path string) bool {
	if f.err == nil {
		for _, file := range f.places(path) {
			f.file(path, file)
		}
	}
	return f.err != nil
}

// Load refuses what was accepted.
func (f *further) Load(context.Context, string) (string, error) { return "", f.err }

// Dir is not asked for, since nothing is loaded.
func (f *further) Dir(string) string { return "" }

// in adds a directory that paths can be relative to.
func (f *further) in(dir string) {
	if !slices.Contains(f.dirs, dir) {
		f.dirs = append(f.dirs, dir)
	}
}

// included adds a directory that an include can be about. compose-go reads the file .env there.
func (f *further) included(dir string) {
	f.in(dir)
	f.readable(".env", filepath.Join(dir, ".env"))
}

// dirOf adds the directory of a file.
func (f *further) dirOf(file string) {
	for _, p := range f.places(file) {
		f.in(filepath.Dir(p))
	}
}

// places are where a path can lead.
func (f *further) places(path string) []string {
	if filepath.IsAbs(path) {
		return []string{path}
	}
	var out []string
	for _, d := range f.dirs {
		out = append(out, filepath.Join(d, path))
	}
	return out
}

// readable reads a file; nil if it is not there or must not be read. compose-go complains about what it cannot open.
func (f *further) readable(name, file string) []byte {
	text, err := regular.ReadFile(file)
	left := func(e error) bool { return errors.Is(err, e) }
	if err != nil && f.err == nil && !slices.ContainsFunc([]error{fs.ErrNotExist, fs.ErrPermission, syscall.EISDIR, syscall.ENOTDIR}, left) {
		f.err = &Error{File: name, Message: "cannot be read: " + cause(err)}
	}
	return text
}

// file looks at a file that may be read as a compose file.
func (f *further) file(name, file string) {
	if f.known[file] {
		return
	}
	f.known[file] = true
	if text := f.readable(name, file); text != nil && f.err == nil {
		f.included(filepath.Dir(file))
		f.text(name, text)
	}
}

// text looks at the text of a compose file, and at what its includes name.
func (f *further) text(name string, text []byte) {
	if line := tooDeep(text); line > 0 {
		f.err = &Error{File: name, Line: line, Message: nestingError}
		return
	}
	if !bytes.Contains(text, []byte("include")) {
		return
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var doc struct{ Include []yaml.Node }
		if dec.Decode(&doc) != nil {
			return // the end, or what compose-go complains about
		}
		for i := range doc.Include {
			f.include(&doc.Include[i])
		}
	}
}

// include looks at what an include names beside the files that compose-go asks about.
func (f *further) include(n *yaml.Node) {
	var entry struct {
		Dir string `yaml:"project_directory"`
		Env any    `yaml:"env_file"`
	}
	if n.Decode(&entry) != nil {
		return
	}
	for _, path := range envFiles(entry.Env) {
		path = f.filledIn(path)
		for _, file := range f.places(path) {
			if path != "/dev/null" { // which compose-go knows
				f.readable(path, file)
			}
		}
	}
	if entry.Dir != "" {
		for _, dir := range f.places(f.filledIn(entry.Dir)) {
			f.included(dir)
		}
	}
}

// filledIn is a text with its variables replaced; what compose-go cannot replace is left as it is.
func (f *further) filledIn(text string) string {
	out, err := template.SubstituteWithOptions(text, f.environ.Resolve, template.WithoutLogging)
	if err != nil {
		return text
	}
	return out
}
