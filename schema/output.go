package schema

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tonistiigi/go-csvvalue"
)

// OutputType is the kind of place a result goes to.
type OutputType string

// The output types that work.
const (
	OutputLocal     OutputType = "local"     // files in a folder
	OutputImage     OutputType = "image"     // an image, pushed to its registry if Push is set
	OutputTar       OutputType = "tar"       // files in an archive
	OutputOCI       OutputType = "oci"       // an image in an archive, or in a folder with tar=false
	OutputDocker    OutputType = "docker"    // an image in a Docker Engine, or in an archive for one
	OutputCacheOnly OutputType = "cacheonly" // build, keep nothing but the cache
)

// Stdout is the Dest of an archive that goes to standard output.
const Stdout = "-"

// OutputTypes lists the accepted types; "registry" is short for an image with push=true.
var OutputTypes = []string{"local", "tar", "image", "registry", "oci", "docker", "cacheonly"}

// Output is one place for the result of a target.
type Output struct {
	Type OutputType
	// Dest is the absolute path of what [Output.Place] says: a folder or an archive, or [Stdout]. Empty means neither.
	Dest string
	// Push sends an image to its registry.
	Push bool
	// Attrs are the other exporter attributes, passed to BuildKit as they are.
	Attrs map[string]string
}

// Place is the kind of thing that an output is at its destination.
type Place int

// The places.
const (
	NoPlace Place = iota // in a registry, in an image store, or nowhere
	Folder
	Archive
)

// Place says what the output's Dest is.
func (o *Output) Place() Place {
	switch o.Type {
	case OutputLocal:
		return Folder
	case OutputTar:
		return Archive
	case OutputOCI, OutputDocker:
		if tar, err := strconv.ParseBool(o.Attrs["tar"]); err == nil && !tar {
			return Folder
		}
		if o.Dest != "" || o.Type == OutputOCI {
			return Archive
		}
	}
	return NoPlace
}

// Image reports whether the output is an image, which needs a name.
func (o *Output) Image() bool {
	return o.Type == OutputImage || o.Type == OutputOCI || o.Type == OutputDocker
}

// ParseOutput reads the CSV form: "bin", "type=local,dest=bin", "type=image,push=true". Dest stays as written.
func ParseOutput(s string) (Output, error) {
	fields, err := csvvalue.Fields(s, nil)
	if err != nil {
		return Output{}, fmt.Errorf("output %q is not a comma-separated list: %v", s, err)
	}
	if len(fields) == 1 && fields[0] == s && !strings.HasPrefix(s, "type=") {
		if s == "" {
			return Output{}, fmt.Errorf("output %q is not a folder", s)
		}
		if s == Stdout {
			return Output{Type: OutputTar, Dest: Stdout}, nil
		}
		return Output{Type: OutputLocal, Dest: s}, nil
	}
	m := map[string]string{}
	for _, f := range fields {
		k, v, ok := strings.Cut(f, "=")
		if !ok {
			return Output{}, fmt.Errorf("output %q: %q is not key=value", s, f)
		}
		m[strings.ToLower(strings.TrimSpace(k))] = v
	}
	return NewOutput(m)
}

// NewOutput reads the object form: { type = "local", dest = "bin" }. It takes m over.
func NewOutput(m map[string]string) (Output, error) {
	o := Output{Type: OutputType(m["type"]), Dest: m["dest"], Attrs: m}
	delete(m, "type")
	delete(m, "dest")
	if o.Type == "registry" {
		o.Type, o.Push = OutputImage, true
	}
	if v, ok := m["push"]; ok {
		b, err := strconv.ParseBool(v)
		if err != nil {
			return Output{}, fmt.Errorf("output: push=%q is neither true nor false", v)
		}
		o.Push = b
		delete(m, "push")
	}
	if len(m) == 0 {
		o.Attrs = nil
	}
	switch place := o.Place(); {
	case o.Type == "":
		return Output{}, fmt.Errorf("output has no type: want one of %s", strings.Join(OutputTypes, ", "))
	case !slices.Contains(OutputTypes, string(o.Type)):
		return Output{}, fmt.Errorf("output type %q is not supported: want one of %s", o.Type, strings.Join(OutputTypes, ", "))
	case o.Dest == Stdout && place != Archive:
		return Output{}, fmt.Errorf("an output of type %s cannot be written to standard output", o.Type)
	case place == Folder && o.Dest == "":
		return Output{}, fmt.Errorf("an output of type %s needs dest, the folder to write to", o.Type)
	case place == Archive && o.Dest == "":
		return Output{}, fmt.Errorf("an output of type %s needs dest, the archive to write", o.Type)
	case place == NoPlace && o.Dest != "":
		return Output{}, fmt.Errorf("output type %q takes no dest", o.Type)
	}
	return o, nil
}
