package fingerprint

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	gofs "io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/patternmatcher/ignorefile"
	"github.com/tonistiigi/fsutil"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/exec/output"
	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema"
)

// project is a build file with one target for two platforms, on a disk, and a BuildKit that is made up: what it makes is a
// hash of all that a real one would read.
type project struct {
	dir, context, extra, dest, file string
	state                           string // xbuild's own directory; empty for one outside the contexts

	dockerText, stageName, program, node, secretID, baseDigest string
	pinned                                                     bool
	args, labels                                               map[string]string
	// tags is the registry.
	tags map[string]string
	push bool
}

const tagName = "registry.test/app:1"

var platforms = []schema.Platform{{OS: "linux", Arch: "amd64"}, {OS: "linux", Arch: "arm64"}}

// newProject makes the project, and panics if the disk does not let it.
func newProject(dir string) *project {
	p := &project{dir: dir, context: filepath.Join(dir, "src"), extra: filepath.Join(dir, "extra"), dest: filepath.Join(dir, "out"),
		file: filepath.Join(dir, "src", "Dockerfile"), dockerText: "FROM base\n", program: "1", node: "linux/amd64", secretID: "a",
		baseDigest: "sha256:" + strings.Repeat("0", 64), args: map[string]string{"V": "0"}, labels: map[string]string{}, tags: map[string]string{}}
	for name, text := range map[string]string{"src/a.txt": "aaaa", "src/b.txt": "bbbb", "src/main.go": "code", "src/sub/x.log": "log",
		"src/sub/deep/file": "deep", "src/other/y": "yyyy", "extra/e": "eee"} {
		f := filepath.Join(dir, name)
		err := os.MkdirAll(filepath.Dir(f), 0o755)
		if err == nil {
			err = os.WriteFile(f, []byte(text), 0o644)
		}
		if err != nil {
			panic(err)
		}
	}
	return p
}

func (p *project) open() *Memory {
	m := Open(cmp.Or(p.state, filepath.Join(p.dir, "state")), p.dir, nil)
	m.racy, m.tick = testRacy, testTick
	return m
}

func (p *project) world() World {
	return World{Program: p.program, Endpoint: "e", Tag: func(_ context.Context, ref string) (string, error) {
		if d, ok := p.tags[ref]; ok {
			return d, nil
		}
		return "", errors.New("not found")
	}}
}

func (p *project) base() string {
	if p.pinned {
		return "base@" + p.baseDigest
	}
	return "base:1"
}

func (p *project) plan() *plan.Plan {
	v := &schema.Build{Context: p.context, Contexts: map[string]string{"extra": p.extra}, Dockerfile: p.file, Stage: p.stageName,
		Args: maps.Clone(p.args), Labels: maps.Clone(p.labels), Secrets: []schema.Secret{{ID: p.secretID, Env: "S"}},
		Outputs: []schema.Output{{Type: schema.OutputLocal, Dest: p.dest}}}
	if p.push {
		v.Outputs = append(v.Outputs, schema.Output{Type: schema.OutputImage, Push: true})
		v.Tags = []string{tagName}
	}
	out := &plan.Plan{Version: plan.Version, Dockerfiles: []plan.Dockerfile{{ID: "d1", Path: "Dockerfile", Text: p.dockerText}},
		Facts:   plan.FactsUsed{Nodes: []plan.Node{{Name: "n", Native: p.node}}},
		Targets: []plan.Target{{Name: "app", Requested: true, Declared: 2}}}
	for i, q := range platforms {
		id := fmt.Sprintf("s%d", i)
		in := plan.Input{Kind: "image", Ref: p.base(), Digest: p.baseDigest}
		out.Stages = append(out.Stages, plan.Stage{ID: id, Kind: plan.Native, Inputs: []plan.Input{in},
			For: []plan.Use{{Target: "app", Platform: q.String()}}})
		out.Builds = append(out.Builds, plan.Build{Target: "app", Platform: q, Dockerfile: "d1", Values: v, Requested: true, Stages: []string{id}, Result: id})
		out.Targets[0].Platforms = append(out.Targets[0].Platforms, q.String())
	}
	return out
}

// result is what a build for the platform would make of what is on the disk now.
func (p *project) result(platform string) (string, error) {
	h := sha256.New()
	fmt.Fprintln(h, platform, p.dockerText, p.stageName, p.program, p.node, p.secretID, p.baseDigest, p.args, p.labels)
	dockerfile := p.file + ".dockerignore"
	ignored, err := os.Open(dockerfile)
	if errors.Is(err, os.ErrNotExist) {
		ignored, err = os.Open(filepath.Join(p.context, ".dockerignore"))
	}
	var patterns []string
	if err == nil {
		patterns, err = ignorefile.ReadAll(ignored)
		ignored.Close()
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	for dir, exclude := range map[string][]string{p.context: patterns} {
		if err := readAsBuildKit(h.Write, dir, exclude); err != nil {
			return "", err
		}
	}
	if err := readAsBuildKit(h.Write, p.extra, nil); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// readAsBuildKit reads a directory through the very filter with which BuildKit's client serves it.
func readAsBuildKit(write func([]byte) (int, error), dir string, exclude []string) error {
	f, err := fsutil.NewFS(dir)
	if err != nil {
		return err
	}
	if f, err = fsutil.NewFilterFS(f, &fsutil.FilterOpt{ExcludePatterns: exclude}); err != nil {
		return err
	}
	return f.Walk(context.Background(), "", func(path string, d gofs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		line := fmt.Sprintf("%q %v", path, fi.Mode())
		full := filepath.Join(dir, path)
		switch {
		case fi.Mode().IsRegular():
			text, err := os.ReadFile(full)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %q", text)
		case fi.Mode()&gofs.ModeSymlink != 0:
			to, err := os.Readlink(full)
			if err != nil {
				return err
			}
			line += " -> " + to
		}
		_, err = write([]byte(line + "\n"))
		return err
	})
}

// build does the builds that the plan asks for and puts their outputs in place. meanwhile is called before anything is read.
func (p *project) build(d *Decision, pl *plan.Plan, meanwhile ...func()) (*exec.Report, error) {
	s, err := output.NewStaging(filepath.Join(p.dir, "state"), []string{p.dest}, output.Owner{})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	d.Reading()
	for _, do := range meanwhile {
		do()
	}
	used := p.baseDigest
	var moves []output.Move
	var from []string
	res := exec.OutputResult{Target: "app", Type: "local", Dest: p.dest}
	image := ""
	for _, b := range pl.Builds {
		text, err := p.result(b.Platform.String())
		if err != nil {
			return nil, err
		}
		image += text
		dir := filepath.Join(s.Dir(), b.Platform.Slug())
		if err := os.MkdirAll(filepath.Join(dir, "d"), 0o755); err != nil {
			return nil, err
		}
		for _, name := range []string{"app", "d/lib"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text+name), 0o755); err != nil {
				return nil, err
			}
		}
		moves = append(moves, output.Move{From: b.Platform.Slug(), Dest: filepath.Join(p.dest, b.Platform.Slug())})
		from = append(from, b.Platform.String())
	}
	for _, do := range meanwhile {
		do()
	}
	d.Read()
	done, err := s.Commit(moves)
	if err != nil {
		// An edit left something in the way, such as a directory where a file goes. The user clears it up.
		return &exec.Report{Err: err}, os.RemoveAll(p.dest)
	}
	res.Unchanged = true
	for i, list := range s.Entries() {
		res.Unchanged = res.Unchanged && done[i].Changed == 0
		res.Written = append(res.Written, exec.Written{Platform: from[i], Path: moves[i].Dest, Folder: true})
		for _, e := range list {
			res.Written = append(res.Written, exec.Written{Platform: from[i], Path: e.Path, Folder: e.Folder, Info: e.Info})
		}
	}
	rep := &exec.Report{Outputs: []exec.OutputResult{res}, Images: map[string]string{"docker.io/library/base:1": used}}
	if p.push {
		p.tags[tagName] = digestOf(image)
		rep.Outputs = append(rep.Outputs, exec.OutputResult{Target: "app", Type: "image", Dest: tagName, Digest: p.tags[tagName]})
	}
	return rep, nil
}

func digestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// verify reports what of a platform's outputs is not what a build would make now.
func (p *project) verify(platform string) error {
	i := slices.IndexFunc(platforms, func(q schema.Platform) bool { return q.String() == platform })
	want, err := p.result(platform)
	if err != nil {
		return err
	}
	dir := filepath.Join(p.dest, platforms[i].Slug())
	for _, name := range []string{"app", "d/lib"} {
		f := filepath.Join(dir, name)
		fi, err := os.Lstat(f)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		if string(text) != want+name || fi.Mode() != 0o755 {
			return fmt.Errorf("%s is %v %.12s... and would be %.12s...", f, fi.Mode(), text, want)
		}
	}
	if !p.push {
		return nil
	}
	image := ""
	for _, q := range platforms {
		text, err := p.result(q.String())
		if err != nil {
			return err
		}
		image += text
	}
	if p.tags[tagName] != digestOf(image) {
		return errors.New("the tag names another image")
	}
	return nil
}
