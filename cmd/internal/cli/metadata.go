package cli

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/internal/atomicfile"
	"github.com/xbuild/xbuild/plan"
)

// metadataProvenance is what to tell of provenance: what BUILDX_METADATA_PROVENANCE says, else the least.
func (a *app) metadataProvenance() string {
	v := a.getenv("BUILDX_METADATA_PROVENANCE")
	if b, err := strconv.ParseBool(v); v == "disabled" || err == nil && !b {
		return ""
	}
	if v == exec.ProvenanceMax {
		return v
	}
	return exec.ProvenanceMin
}

// metadataOf collects the metadata of a run, by target: Bake's keys, and the digest of each platform's image. A target that others link
// to is there too if its provenance is. Of several images
// of one target the first counts; all their names are listed, and the images of single platforms are found by platform.
func metadataOf(p *plan.Plan, rep *exec.Report) map[string]map[string]any {
	out := map[string]map[string]any{}
	for _, t := range p.Targets {
		if t.Requested {
			out[t.Name] = map[string]any{}
		}
	}
	names, platforms := map[string][]string{}, map[string]map[string]any{}
	for _, o := range rep.Outputs {
		m := out[o.Target]
		if m == nil || o.Digest == "" {
			continue
		}
		if m["containerimage.digest"] == nil {
			m["containerimage.digest"] = o.Digest
			if o.Config != "" {
				m["containerimage.config.digest"] = o.Config
			}
			if len(o.Descriptor) > 0 {
				m["containerimage.descriptor"] = o.Descriptor
			}
		}
		for _, n := range o.Names {
			if !slices.Contains(names[o.Target], n) {
				names[o.Target] = append(names[o.Target], n)
				m["image.name"] = strings.Join(names[o.Target], ",")
			}
		}
		for platform, d := range o.Platforms {
			if platforms[o.Target] == nil {
				platforms[o.Target] = map[string]any{}
				m["xbuild.platforms"] = platforms[o.Target]
			}
			if _, ok := platforms[o.Target][platform]; !ok {
				platforms[o.Target][platform] = map[string]string{"containerimage.digest": d}
			}
		}
	}
	for target, manifest := range rep.Caches {
		if m := out[target]; m != nil {
			m["cache.manifest"] = manifest
		}
	}
	for _, r := range rep.Records {
		m := out[r.Target]
		if m == nil { // other targets link to it
			m = map[string]any{}
			out[r.Target] = m
		}
		if r.Ref != "" {
			m["buildx.build.ref"] = r.Ref
		}
		for platform, p := range r.Provenance {
			m[strings.TrimSuffix("buildx.build.provenance/"+platform, "/")] = p
		}
	}
	return out
}

// writeMetadata writes the file in one piece.
func writeMetadata(path string, p *plan.Plan, rep *exec.Report) error {
	text, err := json.MarshalIndent(metadataOf(p, rep), "", "  ")
	if err != nil {
		return err
	}
	err = atomicfile.Write(path, append(text, '\n'), 0o644)
	if err != nil {
		return fmt.Errorf("the metadata file %s cannot be written: %w", path, errText(err))
	}
	return nil
}
