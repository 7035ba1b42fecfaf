package hcl

import (
	"errors"
	"fmt"
	"strings"

	"github.com/xbuild/xbuild/hcl/compose"
	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// isCompose reports whether a name says that a file is a compose file.
func isCompose(name string) bool {
	low := strings.ToLower(name)
	return strings.HasSuffix(low, ".yml") || strings.HasSuffix(low, ".yaml")
}

func (l *bakeLoader) composeEnv() compose.Env {
	env := compose.Env{Dir: l.env.Dir, Vars: l.env.Vars, Remote: l.env.Remote}
	if l.env.Environ == nil || l.env.on("BUILDX_BAKE_DISABLE_VARS_ENV_LOOKUP") {
		return env
	}
	env.Environ = map[string]string{}
	for _, kv := range l.env.Environ() {
		if k, v, ok := strings.Cut(kv, "="); ok && k != "" {
			env.Environ[k] = v
		}
	}
	return env
}

// sniff finds out what the files are whose names do not say it: a compose file if it can be read as one, else whichever
// of HCL and JSON it is.
func (l *bakeLoader) sniff() {
	for i, f := range l.files {
		if !f.sniff {
			continue
		}
		c := *f
		l.files[i] = &c
		ok, composeErr := compose.Validate(f.Name, f.Bytes, l.composeEnv())
		if c.compose = ok; ok {
			continue
		}
		ds := c.parse()
		if !ds.HasErrors() {
			continue
		}
		if c.json = true; !c.parse().HasErrors() {
			continue
		}
		c.json = false
		l.add(diag.Diagnostic{Code: codeSyntax, Subject: ptr(c.start()), Summary: "Not a build file",
			Detail: fmt.Sprintf("%s is neither a compose file (%s) nor HCL or JSON.", f.Name, upperFirst(composeMessage(composeErr))),
			Advice: "Name the file *.hcl, *.json or *.yaml to see what is wrong with it as one of these."})
		for _, d := range ds {
			l.hcl(&c, d, codeSyntax, c.start())
		}
	}
}

func ptr[T any](v T) *T { return &v }

func composeMessage(err error) string {
	var e *compose.Error
	if errors.As(err, &e) {
		return e.Message
	}
	return err.Error()
}

// readCompose turns the compose files, which are one project, into targets. They come before all other files.
func (l *bakeLoader) readCompose() {
	var files []compose.File
	for _, f := range l.files {
		if f.compose {
			files = append(files, compose.File{Name: f.Name, Bytes: f.Bytes})
		}
	}
	if len(files) == 0 {
		return
	}
	def, err := compose.Read(files, l.composeEnv())
	if err != nil {
		at := l.lineOf(files[0].Name, 1)
		detail := composeMessage(err)
		if first, _, _ := strings.Cut(detail, " "); !strings.Contains(first, ".") { // not the path of a value
			detail = upperFirst(detail)
		}
		var e *compose.Error
		if errors.As(err, &e) {
			if _, ok := l.sources[e.File]; ok {
				at = l.lineOf(e.File, e.Line)
			} else if e.File != "" {
				detail = fmt.Sprintf("%s:%d: %s", e.File, e.Line, detail)
			}
		}
		if !strings.HasSuffix(detail, ".") {
			detail += "."
		}
		l.errorf(codeCompose, at, "Bad compose file", "", "%s", detail)
		return
	}
	for _, w := range def.Warnings {
		l.add(diag.Diagnostic{Severity: diag.Warning, Code: codeCompose, Subject: ptr(l.lineOf(files[0].Name, 1)), Summary: "Compose file", Detail: w})
	}
	group := &bakeGroup{name: "default", hasTargets: len(def.Targets) > 0, at: l.lineOf(files[0].Name, 1)}
	for i := range def.Targets {
		t := l.composeTarget(&def.Targets[i], files[0].Name)
		l.setTarget(t)
		group.targets = append(group.targets, t.name)
	}
	if def.HasServices {
		l.setGroup(group)
	}
}

// lineOf is a line of a file without the blanks around it; the first line if it is not known.
func (l *bakeLoader) lineOf(name string, line int) diag.Range {
	src := l.sources[name]
	starts := lineStarts(src)
	line = max(1, min(line, len(starts)))
	start := starts[line-1]
	text, _, _ := strings.Cut(string(src[start:]), "\n")
	trimmed := strings.TrimLeft(text, " \t")
	start += len(text) - len(trimmed)
	return rangeIn(name, src, start, start+len(strings.TrimRight(trimmed, " \t\r")))
}

// composeTarget is a service as a target. first is the file that paths are relative to, if they are relative to files.
func (l *bakeLoader) composeTarget(s *compose.Target, first string) *bakeTarget {
	at := l.lineOf(first, 1)
	if _, ok := l.sources[s.File]; ok {
		at = l.lineOf(s.File, s.Line)
	}
	t := &bakeTarget{name: s.Name, at: at, values: map[string]*bakeValue{}, base: first, hasBase: true}
	base := &bakeBase{first}
	for name, v := range s.Values {
		out := &bakeValue{at: &at}
		spec := bakeAttr(name)
		switch v := v.(type) {
		case string:
			out.text = v
		case bool:
			out.flag = v
		case map[string]*string:
			out.keys = v
		case []string:
			if spec.Type == schema.TypeStringList {
				out.list = v
				break
			}
			for _, one := range v {
				es, err := parseEntry(spec.Type, one)
				if err != nil {
					l.errorf(codeCompose, at, "Bad compose file", "", "%s of the service %q: %v.", name, s.Name, err)
					continue
				}
				out.entries = append(out.entries, es...)
			}
		}
		if l.env.on("BUILDX_BAKE_FILE_RELATIVE_PATHS") {
			switch name {
			case "context":
				out.base = base
			case "contexts":
				out.bases = map[string]*bakeBase{}
				for k := range out.keys {
					out.bases[k] = base
				}
			}
		}
		t.values[name] = out
	}
	return t
}
