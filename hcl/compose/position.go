package compose

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/xbuild/xbuild/internal/lazyre"
)

// Error is what is wrong with a compose file.
type Error struct {
	File    string // as in [File.Name], or a file that one of them names; empty if it is not known which
	Line    int    // 1-based; 0 means unknown
	Message string // one sentence, without the place
}

func (e *Error) Error() string {
	at := e.File
	if at == "" || at == "-" {
		at = "compose file"
		if e.File == "-" {
			at = "standard input"
		}
	}
	if e.Line > 0 {
		at += ":" + strconv.Itoa(e.Line)
	}
	return at + ": " + e.Message
}

// pathError is a problem of the value at a path of keys.
type pathError struct {
	path    []string
	message string
}

func (e *pathError) Error() string { return e.message }

var (
	// lineText is how YAML errors name lines.
	lineText = lazyre.New(`(?:while [a-z ]+ at )?\b(?:line|yaml: line) (\d+)(?:, column \d+)?: `)
	// pathText is how the other errors of compose-go name places.
	pathText = lazyre.New(`\b(services|secrets)((?:\.[A-Za-z0-9_/\[\]-]+)+)`)
	parsing  = lazyre.New(`^failed to parse (\S*): `)
	// serviceText is how messages name a service without saying where it is.
	serviceText = lazyre.New(`\bservice "([^"]+)"`)
	unknownText = lazyre.New(`^(\S+) additional propert(?:y|ies) '([^']+)'.* not allowed$`)
	noiseText   = lazyre.New(`\byaml: |\b(?:unmarshal|construct|load) errors:\s*|: invalid compose project$`)
	blanks      = lazyre.New(`([:.;]?)\s*\n\s*`)
)

// locate makes an error an [*Error]: it finds the file and the line that the error is about.
func (l *load) locate(err error) error {
	var done *Error
	if errors.As(err, &done) {
		return done
	}
	e := &Error{Message: err.Error()}
	if len(l.files) == 1 {
		e.File = l.files[0].Name
	}
	var pe *pathError
	if errors.As(err, &pe) {
		if file, line := l.find(pe.path...); line > 0 {
			e.File, e.Line = file, line
		}
		return e
	}
	if m := parsing().FindStringSubmatch(e.Message); m != nil {
		e.File, e.Message = m[1], e.Message[len(m[0]):]
	}
	if circle, ok := strings.CutPrefix(e.Message, "Circular reference:"); ok {
		e.Message = "services extend each other in a circle: " + rotate(circle)
	}
	l.place(e)
	e.Message = blanks().ReplaceAllStringFunc(noiseText().ReplaceAllString(e.Message, ""), func(end string) string {
		if strings.ContainsAny(end, ":.;") {
			return end[:1] + " "
		}
		return "; "
	})
	e.Message = strings.TrimSpace(e.Message)
	return e
}

// rotate writes a circle of services, one a line, such that it does not depend on where compose-go happened to enter it.
func rotate(circle string) string {
	var steps []string
	for line := range strings.Lines(circle) {
		if step := strings.TrimPrefix(strings.TrimSpace(line), "extends "); step != "" {
			steps = append(steps, step)
		}
	}
	// What leads into the circle is no part of it; the last step repeats the first of the circle.
	if n := len(steps) - 1; n > 0 {
		steps = steps[slices.Index(steps, steps[n]):n]
	}
	if len(steps) == 0 {
		return ""
	}
	first := slices.Index(steps, slices.Min(steps))
	steps = slices.Concat(steps[first:], steps[:first], steps[first:first+1])
	return fmt.Sprintf("service %q extends %s", name(steps[0]), strings.Join(steps[1:], ", which extends "))
}

// name is the service in "NAME in FILE".
func name(step string) string {
	s, _, _ := strings.Cut(step, " in ")
	return s
}

// place finds the line that the message of e is about, by what the message says.
func (l *load) place(e *Error) {
	if m := unknownText().FindStringSubmatch(e.Message); m != nil {
		e.Message = fmt.Sprintf("%s has no key %q", m[1], m[2])
		if m[1] == "services" { // names are keys there
			e.Message = fmt.Sprintf("%q cannot be the name of a service: only letters, digits, and . _ - are allowed", m[2])
		}
		if file, line := l.find(append(strings.Split(m[1], "."), m[2])...); line > 0 {
			e.File, e.Line = file, line
			return
		}
	}
	if all := lineText().FindAllStringSubmatch(e.Message, -1); all != nil {
		m := all[len(all)-1]
		e.Line, _ = strconv.Atoi(m[1])
		e.Message = lineText().ReplaceAllString(e.Message, "")
		return
	}
	if m := pathText().FindStringSubmatch(e.Message); m != nil {
		if file, line := l.findText(m[1], m[2][1:]); line > 0 {
			e.File, e.Line = file, line
		}
		return
	}
	if m := serviceText().FindStringSubmatch(e.Message); m != nil {
		if file, line := l.find("services", m[1]); line > 0 {
			e.File, e.Line = file, line
		}
	}
}

// findText is find for a path whose keys are joined by dots; service names may have dots themselves.
func (l *load) findText(top, rest string) (file string, line int) {
	keys := strings.FieldsFunc(rest, func(r rune) bool { return r == '.' || r == '[' || r == ']' })
	for n := len(keys); n > 0; n-- {
		path := append([]string{top, strings.Join(keys[:n], ".")}, keys[n:]...)
		if file, line = l.find(path[:2]...); line > 0 {
			return l.find(path...)
		}
	}
	return "", 0
}

// find is the place where the value at a path is set last, or, if the path leads nowhere, of as much of it as exists.
func (l *load) find(path ...string) (file string, line int) {
	best := 0
	for _, f := range slices.Backward(l.files) {
		// A file may hold several documents, the later ones over the earlier ones.
		dec := yaml.NewDecoder(bytes.NewReader(f.Bytes))
		for {
			var doc yaml.Node
			if dec.Decode(&doc) != nil {
				break
			}
			if at, depth := descend(&doc, path); depth > best || depth == best && depth > 0 && file == f.Name {
				file, line, best = f.Name, at, depth
			}
		}
	}
	if best < min(2, len(path)) { // the section alone says nothing
		return "", 0
	}
	return file, line
}

// descend follows a path of keys and indices: the line of the last key that exists, and how many exist.
func descend(n *yaml.Node, path []string) (line, depth int) {
	for _, key := range path {
		for n != nil && (n.Kind == yaml.DocumentNode || n.Kind == yaml.AliasNode) {
			if n.Kind == yaml.AliasNode {
				n = n.Alias
			} else if len(n.Content) > 0 {
				n = n.Content[0]
			} else {
				n = nil
			}
		}
		if n == nil {
			break
		}
		at, value := child(n, key)
		if value == nil {
			break
		}
		n, line, depth = value, at, depth+1
	}
	return line, depth
}

// child is the value of a key or of an index.
func child(n *yaml.Node, key string) (line int, value *yaml.Node) {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == key {
				return n.Content[i].Line, n.Content[i+1]
			}
		}
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(key); err == nil && i >= 0 && i < len(n.Content) {
			return n.Content[i].Line, n.Content[i]
		}
	}
	return 0, nil
}

// envError is a problem of the file .env.
func envError(err error) error {
	e := &Error{File: ".env", Message: err.Error()}
	if m := lineText().FindStringSubmatch(e.Message); m != nil {
		e.Line, _ = strconv.Atoi(m[1])
		e.Message = strings.Replace(e.Message, m[0], "", 1)
	}
	e.Message = fmt.Sprintf("cannot be read: %s", e.Message)
	return e
}
