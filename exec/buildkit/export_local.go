package buildkit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	commonexptypes "github.com/moby/buildkit/exporter/exptypes"
	gateway "github.com/moby/buildkit/frontend/gateway/client"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/exec/output"
	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema"
)

// localExport receives the local outputs of a run. Its zero value has none.
type localExport struct {
	staging *output.Staging
	items   []*localItem
	trouble localTrouble
}

// localItem is the result of one build, received once, and the destinations that want it.
type localItem struct {
	build *build
	key   string            // folder in the staging folder
	attrs map[string]string // for the exporter
	dests []localDest
	files localFiles
}

type localDest struct {
	folder string // where the files go
	output string // the output's own dest, which the report names
	whole  bool   // the folder is that of a platform
}

// newLocalExport lists the local outputs of the plan and makes the staging folder for them and for archives.
func (r *run) newLocalExport() (*localExport, error) {
	e := &localExport{}
	var roots, files []string
	var uses []plan.Use
	for _, x := range r.exports {
		switch x.output.Place() {
		case schema.Archive:
			if x.toStdout() {
				continue
			}
			files = append(files, x.output.Dest)
		case schema.Folder:
			roots = append(roots, x.output.Dest)
		default:
			continue
		}
		uses = append(uses, x.builds[0].use())
	}
	for _, b := range r.builds {
		if !b.Requested {
			continue
		}
		for _, o := range b.Values.Outputs {
			if o.Type != schema.OutputLocal {
				continue
			}
			if err := e.add(b, o); err != nil {
				return nil, &exec.Failure{Kind: exec.OutputFailed, Uses: []plan.Use{b.use()}, Err: err}
			}
			if !slices.Contains(roots, o.Dest) {
				roots = append(roots, o.Dest)
			}
			uses = append(uses, b.use())
		}
	}
	if len(roots)+len(files) == 0 {
		return e, nil
	}
	var err error
	opt := r.Backend.opt
	if e.staging, err = output.NewStaging(opt.StateDir, roots, opt.Owner, files...); err != nil {
		return nil, &exec.Failure{Kind: exec.OutputFailed, Uses: uses, Err: err}
	}
	for _, w := range e.staging.Warnings() {
		r.remark(w)
	}
	return e, nil
}

func (e *localExport) add(b *build, o schema.Output) error {
	split := b.several() && !b.ownDest(o)
	attrs := map[string]string{}
	maps.Copy(attrs, o.Attrs)
	if _, ok := attrs["platform-split"]; ok {
		var err error
		if split, err = takeBool(attrs, "platform-split"); err != nil {
			return fmt.Errorf("output %s: %w", o.Dest, err)
		}
	}
	special, err := takeBool(attrs, "special")
	if err != nil {
		return fmt.Errorf("output %s: %w", o.Dest, err)
	}
	if v := attrs["mode"]; v != "" && v != "copy" {
		return fmt.Errorf("output %s: mode=%s is not supported; files that the build did not make are always kept", o.Dest, v)
	}
	folder := o.Dest
	files := localFiles{special: special, setuid: special || b.target.Bake}
	if split {
		folder = filepath.Join(o.Dest, b.Platform.Slug())
		files.linkRoot = "/" + b.Platform.Slug()
	} else if b.several() && !b.ownDest(o) && len(b.attestations()) > 0 {
		attrs[attestationPrefix] = attestationMark + attrs[attestationPrefix]
		files.attestedFor = b.Platform.Slug()
	}
	dest := localDest{folder, o.Dest, split}
	for _, it := range e.items {
		if it.build == b && maps.Equal(it.attrs, attrs) && it.files.same(files) {
			if !slices.Contains(it.dests, dest) {
				it.dests = append(it.dests, dest)
			}
			return nil
		}
	}
	e.items = append(e.items, &localItem{build: b, key: "o" + strconv.Itoa(len(e.items)), attrs: attrs, dests: []localDest{dest}, files: files})
	return nil
}

// note is what the report says of the files of an item; empty if nothing.
func (it *localItem) note() string {
	n := it.files.note()
	if n != "" && it.build.several() {
		n = it.build.Platform.String() + ": " + n
	}
	return n
}

// ownDest reports whether the build file gives each platform of the target a place of its own for an output already.
func (b *build) ownDest(want schema.Output) bool {
	n := 0
	for _, o := range b.target.Outputs {
		if o.Type == want.Type && o.Dest == want.Dest {
			if o.Platform == "" {
				return false
			}
			n++
		}
	}
	return n == 1
}

// dir is the folder to receive into, empty if there are no local outputs.
func (e *localExport) dir() string {
	if e.staging == nil {
		return ""
	}
	return e.staging.Dir()
}

func (e *localExport) close() {
	if e.staging != nil {
		e.staging.Close()
	}
}

// exportLocals receives every local output into the staging folder, with one request for all outputs of equal attributes
// and privileges, and checks the files.
func (r *run) exportLocals(ctx context.Context, _ gateway.Client) error {
	e := r.export
	for rest := e.items; len(rest) > 0; {
		var group, others []*localItem
		for _, it := range rest {
			if maps.Equal(it.attrs, rest[0].attrs) && maps.Equal(it.build.attestations(), rest[0].build.attestations()) && slices.Equal(it.build.entitlements, rest[0].build.entitlements) {
				group = append(group, it)
			} else {
				others = append(others, it)
			}
		}
		if err := r.receive(ctx, group); err != nil {
			return r.exportFailed(ctx, exec.OutputFailed, err, group...)
		}
		rest = others
	}
	for _, it := range e.items {
		if err := r.check(it); err != nil {
			return r.exportFailed(ctx, exec.OutputFailed, err, it)
		}
	}
	return nil
}

func (r *run) receive(ctx context.Context, items []*localItem) error {
	var names []string
	for _, it := range items {
		for _, d := range it.dests {
			if !slices.Contains(names, d.output) {
				names = append(names, d.output)
			}
		}
	}
	r.emit(exec.Event{Type: exec.Exporting, Time: time.Now(), Name: "receiving files for " + strings.Join(names, ", ")})
	attrs := map[string]string{"platform-split": "true"}
	maps.Copy(attrs, items[0].attrs)
	opt := r.solveOpt(items[0].build)
	maps.Copy(opt.FrontendAttrs, items[0].build.attestations())
	opt.Exports = []client.ExportEntry{{Type: client.ExporterLocal, Attrs: attrs}}
	_, err := r.request(ctx, opt, func(ctx context.Context, gc gateway.Client) (*gateway.Result, error) {
		res := gateway.NewResult()
		var ps exptypes.Platforms
		for _, it := range items {
			ref, err := r.solveResult(ctx, gc, it.build)
			if err != nil {
				return nil, err
			}
			res.AddRef(it.key, ref)
			if epoch := it.build.result.epoch; epoch != nil {
				res.AddMeta(commonexptypes.ExporterEpochKey+"/"+it.key, strconv.AppendInt(nil, epoch.Unix(), 10))
			}
			ps.Platforms = append(ps.Platforms, exptypes.Platform{ID: it.key, Platform: toOCI(it.build.Platform)})
		}
		md, err := json.Marshal(ps)
		if err != nil {
			return nil, err
		}
		res.AddMeta(exptypes.ExporterPlatformsKey, md)
		return res, nil
	})
	if local := r.export.trouble.take(); err != nil && local != nil {
		err = local
	}
	if err != nil {
		return err
	}
	for _, it := range items {
		dir := filepath.Join(r.export.dir(), it.key)
		if err := os.MkdirAll(dir, 0o755); err != nil { // an empty result leaves no folder
			return err
		}
		if err := it.files.received(dir, it.dests[0].output); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) exportFailed(ctx context.Context, kind exec.FailureKind, err error, items ...*localItem) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var builds []*build
	for _, it := range items {
		builds = append(builds, it.build)
	}
	return r.noteExport(err, kind, builds...)
}

// check looks at every program of a result. One for another machine than the target's is an error if the plan changed
// the Dockerfile, since then the change is to blame; else it is the user's own and worth a remark.
func (r *run) check(it *localItem) error {
	root := filepath.Join(r.export.dir(), it.key)
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		err = output.Check(path, it.build.Platform)
		var wrong *output.Mismatch
		if !errors.As(err, &wrong) {
			return err
		}
		rel, _ := filepath.Rel(root, path) // both come from one walk
		return r.mismatch(it.build, filepath.ToSlash(rel), wrong)
	})
}

// inTargetOrder sorts results by their targets' order in the plan: of what several write, the last one is kept.
func (r *run) inTargetOrder(items []*localItem) []*localItem {
	order := map[string]int{}
	for i, t := range r.plan.Targets {
		order[t.Name] = i
	}
	return slices.SortedStableFunc(slices.Values(items), func(a, b *localItem) int { return order[a.build.Target] - order[b.build.Target] })
}

// maker is who made the results of a build, where they may give way to those of other targets; else empty.
func (b *build) maker() string {
	if len(b.Shares) == 0 {
		return ""
	}
	return b.Target
}

// commitFiles puts the received files and archives where they belong. Nothing is received any more.
func (r *run) commitFiles(ctx context.Context) error {
	if r.opt.Read != nil {
		r.opt.Read()
	}
	e := r.export
	if err := r.copyToStdout(); err != nil {
		return err
	}
	if e.staging == nil {
		return nil
	}
	r.writing.Lock()
	defer r.writing.Unlock()
	if ctx.Err() != nil { // also if the run is over
		return errStopped
	}
	var moves []output.Move
	var from []string // platform of each move; empty for what holds several
	var of []*exec.OutputResult
	var results []*exec.OutputResult
	var builds []*build
	for _, it := range r.inTargetOrder(e.items) {
		builds = append(builds, it.build)
		for _, d := range it.dests {
			moves = append(moves, output.Move{Of: it.build.maker(), From: it.key, Dest: d.folder, Whole: d.whole})
			from = append(from, it.build.Platform.String())
			i := slices.IndexFunc(results, func(o *exec.OutputResult) bool { return o.Target == it.build.Target && o.Dest == d.output })
			if i < 0 {
				i = len(results)
				results = append(results, &exec.OutputResult{Target: it.build.Target, Type: string(schema.OutputLocal), Dest: d.output})
			}
			of = append(of, results[i])
			if n := it.note(); n != "" {
				results[i].Notes = append(results[i].Notes, n)
			}
		}
	}
	for _, x := range r.exports {
		if x.key == "" || x.toStdout() {
			continue
		}
		builds = append(builds, x.builds...)
		m := output.Move{Of: x.builds[0].maker(), From: x.key, Dest: x.output.Dest}
		if x.output.Place() == schema.Archive {
			m.From, m.File = filepath.Join(x.key, filepath.Base(x.output.Dest)), true
		}
		moves, from, results, of = append(moves, m), append(from, ""), append(results, &x.done), append(of, &x.done)
	}
	r.emit(exec.Event{Type: exec.Exporting, Time: time.Now(), Name: "writing files"})
	done, err := e.staging.Commit(moves)
	if err != nil {
		return r.noteExport(err, exec.OutputFailed, builds...)
	}
	changed := map[*exec.OutputResult]int{}
	for i, d := range done {
		of[i].Files += d.Files
		of[i].Bytes += d.Bytes
		changed[of[i]] += d.Changed
		if !moves[i].File {
			of[i].Written = append(of[i].Written, exec.Written{Platform: from[i], Path: moves[i].Dest, Folder: true})
		}
		for _, e := range e.staging.Entries()[i] {
			of[i].Written = append(of[i].Written, exec.Written{Platform: from[i], Path: e.Path, Folder: e.Folder, Info: e.Info})
		}
	}
	for _, o := range results {
		o.Unchanged = changed[o] == 0
		r.addOutput(*o)
	}
	return nil
}
