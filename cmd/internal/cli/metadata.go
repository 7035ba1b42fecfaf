package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/plan"
)

// metadata is what --metadata-file holds of one target: Bake's keys, and the digest of each platform's image.
type metadata struct {
	Config     string                    `json:"containerimage.config.digest,omitempty"`
	Descriptor json.RawMessage           `json:"containerimage.descriptor,omitempty"`
	Digest     string                    `json:"containerimage.digest,omitempty"`
	Name       string                    `json:"image.name,omitempty"`
	Platforms  map[string]platformResult `json:"xbuild.platforms,omitempty"`
}

type platformResult struct {
	Digest string `json:"containerimage.digest"`
}

// metadataOf collects the metadata of a run, by target. Of several images of one target the first counts; all their names are
// listed, and the images of single platforms are found by platform.
func metadataOf(p *plan.Plan, rep *exec.Report) map[string]*metadata {
	out := map[string]*metadata{}
	for _, t := range p.Targets {
		if t.Requested {
			out[t.Name] = &metadata{}
		}
	}
	for _, o := range rep.Outputs {
		m := out[o.Target]
		if m == nil || o.Digest == "" {
			continue
		}
		if m.Digest == "" {
			m.Config, m.Descriptor, m.Digest = o.Config, o.Descriptor, o.Digest
		}
		for _, n := range o.Names {
			if !strings.Contains(","+m.Name+",", ","+n+",") {
				m.Name = strings.TrimPrefix(m.Name+","+n, ",")
			}
		}
		for platform, d := range o.Platforms {
			if m.Platforms == nil {
				m.Platforms = map[string]platformResult{}
			}
			if _, ok := m.Platforms[platform]; !ok {
				m.Platforms[platform] = platformResult{d}
			}
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
	f, err := os.CreateTemp(filepath.Dir(path), ".xbuild-metadata-*")
	if err == nil {
		_, err = f.Write(append(text, '\n'))
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		if err == nil {
			err = os.Chmod(f.Name(), 0o644)
		}
		if err == nil {
			err = os.Rename(f.Name(), path)
		}
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}
	if err != nil {
		return fmt.Errorf("the metadata file %s cannot be written: %w", path, errText(err))
	}
	return nil
}
