package fingerprint

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/distribution/reference"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema"
)

// written is an output as it was left.
type written struct {
	Type, Dest string
	// Of an image: its digest and the tags that name it.
	Digest string   `json:",omitempty"`
	Tags   []string `json:",omitempty"`
	// Of a local output: its files, and its folders by path, the one that they all are in among them.
	Files   []file            `json:",omitempty"`
	Folders map[string]placed `json:",omitempty"`
}

// placed is a folder of an output. Only its place and its mode count: the user may have files of his own in it.
type placed struct {
	Real string // without links on the way
	Mode uint32
}

type file struct {
	Path  string
	Stamp stamp
}

// changed says what is not as it was left; empty if nothing.
func (o *written) changed(ctx context.Context, w World) string {
	for _, f := range o.Files {
		if now, err := stampOf(f.Path); err != nil || now != f.Stamp {
			return fmt.Sprintf("its output %s was changed", f.Path)
		}
	}
	for path, then := range o.Folders {
		if now, err := placeOf(path); err != nil || now != then {
			return fmt.Sprintf("its output %s was changed", path)
		}
	}
	for _, tag := range o.Tags {
		if w.Tag == nil {
			return "nobody can ask for its image " + tag
		}
		if now, err := w.Tag(ctx, tag); err != nil || now != o.Digest {
			return fmt.Sprintf("its image %s is not in the registry as it was", tag)
		}
	}
	return ""
}

func placeOf(path string) (placed, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return placed{}, err
	}
	s, err := stampOf(real)
	return placed{real, s.Mode}, err
}

func (o *written) size() (files int, bytes int64) {
	for _, f := range o.Files {
		if fs.FileMode(f.Stamp.Mode)&unixType == unixRegular {
			bytes += f.Stamp.Size
		}
	}
	return len(o.Files), bytes
}

// The type bits of a stamp's mode, which are those of the system.
const (
	unixType    = 0o170000
	unixRegular = 0o100000
)

// tick is the longest time for which the clock of change times may stand still.
const tick = 20 * time.Millisecond

// Remember notes what the builds that ran have left, after a run of the part of the plan that was not unchanged. A run
// that failed makes all of its builds forgotten, as does an output that somebody else writes at the same time.
func (d *Decision) Remember(rep *exec.Report) error {
	var ran []plan.Use
	for _, p := range d.parts {
		if p.Requested && !slices.Contains(d.Unchanged, p.use()) {
			ran = append(ran, p.use())
		}
	}
	if rep.Err != nil || len(rep.Failures)+len(rep.Missing) > 0 {
		return d.memory.forget(ran)
	}
	now := d.memory.load() // what other runs have noted meanwhile
	for name, r := range now.Records {
		if d.memory.data.Records[name] == nil {
			d.memory.data.Records[name] = r
		}
	}
	settle(rep, d.memory.tick)
	for _, u := range ran {
		name := recordName(u)
		delete(d.memory.data.Records, name)
		j := d.judged[u]
		if j.key == "" || j.newest > d.memory.begin.Add(-d.memory.racy).UnixNano() || !d.undisturbed(j) || !d.usedImages(j.build, rep) {
			continue
		}
		if outputs, ok := outputsOf(j.build, rep); ok {
			d.memory.data.Records[name] = &record{Key: j.key, Outputs: outputs}
		}
	}
	d.memory.keep(d.id, d.parts)
	return d.memory.save()
}

// usedImages reports whether the build used the very images that it was planned with: a tag may have moved in between.
func (d *Decision) usedImages(b *plan.Build, rep *exec.Report) bool {
	for _, id := range b.Stages {
		for _, in := range d.plan.Stage(id).Inputs {
			if in.Kind != "image" || pinned(in.Ref) {
				continue
			}
			named, err := reference.ParseNormalizedNamed(in.Ref)
			if err != nil || rep.Images[reference.TagNameOnly(named).String()] != in.Digest {
				return false
			}
		}
	}
	return true
}

// settle waits until a change of a file that was just written would show.
func settle(rep *exec.Report, tick time.Duration) {
	for _, o := range rep.Outputs {
		if !o.Unchanged && o.Type == string(schema.OutputLocal) {
			time.Sleep(tick)
			return
		}
	}
}

// outputsOf looks at what a build has just written. ok is false if that cannot be told for sure.
func outputsOf(b *plan.Build, rep *exec.Report) (out []written, ok bool) {
	for _, o := range b.Values.Outputs {
		i := slices.IndexFunc(rep.Outputs, func(r exec.OutputResult) bool {
			return r.Target == b.Target && r.Type == string(o.Type) && (o.Type == schema.OutputImage || r.Dest == o.Dest)
		})
		switch {
		case o.Type == schema.OutputCacheOnly:
		case i < 0:
			return nil, false
		case o.Type == schema.OutputLocal:
			w, ok := localOutput(b, rep.Outputs[i])
			if !ok {
				return nil, false
			}
			out = append(out, w)
		default:
			w, ok := imageOutput(b, rep)
			if !ok {
				return nil, false
			}
			out = append(out, w...)
		}
	}
	return out, true
}

// localOutput is a folder, if every file is still the one that was put there.
func localOutput(b *plan.Build, r exec.OutputResult) (written, bool) {
	o := written{Type: r.Type, Dest: r.Dest, Folders: map[string]placed{}}
	devs := map[uint64]bool{}
	for _, w := range r.Written {
		if w.Platform != b.Platform.String() {
			continue
		}
		if w.Folder {
			at, err := placeOf(w.Path)
			if err != nil {
				return o, false
			}
			o.Folders[w.Path] = at
			continue
		}
		s, err := stampOf(w.Path)
		if err != nil {
			return o, false
		}
		if _, known := devs[s.Dev]; !known {
			devs[s.Dev] = trusted(filepath.Dir(w.Path))
		}
		if !devs[s.Dev] {
			return o, false
		}
		if then, ok := stampIn(w.Info); !ok || then != s { // or somebody else writes there
			return o, false
		}
		o.Files = append(o.Files, file{w.Path, s})
	}
	// Without the folder that the files are in nobody could tell that it is gone.
	return o, len(o.Folders) > 0
}

// imageOutput are the images of the build's target that were pushed.
func imageOutput(b *plan.Build, rep *exec.Report) ([]written, bool) {
	var out []written
	for _, r := range rep.Outputs {
		if r.Target != b.Target || r.Type != string(schema.OutputImage) {
			continue
		}
		tags := strings.Split(r.Dest, ", ")
		if r.Digest == "" || len(tags) == 0 || tags[0] == "" {
			return nil, false
		}
		out = append(out, written{Type: r.Type, Dest: r.Dest, Digest: r.Digest, Tags: tags})
	}
	return out, len(out) > 0
}
