package parts

import (
	"archive/tar"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// tree is a folder that becomes a layer. Paths given to skip and executable are relative to from, with slashes.
type tree struct {
	from, to   string
	skip       func(path string) bool
	executable func(path string) bool
}

// layer packs a tree. The same files give the same layer: owners and times are left out.
func (m *maker) layer(key string, t tree) (v1.Layer, error) {
	file := filepath.Join(m.dir, key+".tar")
	if err := os.MkdirAll(m.dir, 0o755); err != nil {
		return nil, err
	}
	f, err := os.Create(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	w := tar.NewWriter(f)
	if err := t.write(w); err != nil {
		return nil, fmt.Errorf("packing %s: %w", t.from, err)
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	l, err := tarball.LayerFromFile(file, tarball.WithCompressionLevel(gzip.BestSpeed), tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	m.layers[key] = l
	return l, nil
}

func (t tree) write(w *tar.Writer) error {
	return filepath.WalkDir(t.from, func(p string, d fs.DirEntry, err error) error { // in lexical order
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(t.from, p)
		if err != nil || rel == "." {
			return err
		}
		rel = filepath.ToSlash(rel)
		if t.skip != nil && (t.skip(rel) || d.IsDir() && t.skip(rel+"/")) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		return t.entry(w, p, rel, d)
	})
}

func (t tree) entry(w *tar.Writer, p, rel string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	h := &tar.Header{Name: filepath.ToSlash(filepath.Join(t.to, rel)), Format: tar.FormatPAX}
	switch {
	case d.IsDir():
		h.Typeflag, h.Name, h.Mode = tar.TypeDir, h.Name+"/", 0o755
		if rel == "tmp" || rel == "var/tmp" {
			h.Mode = 0o1777
		}
		return w.WriteHeader(h)
	case d.Type() == fs.ModeSymlink:
		h.Typeflag, h.Mode = tar.TypeSymlink, 0o777
		if h.Linkname, err = os.Readlink(p); err != nil {
			return err
		}
		return w.WriteHeader(h)
	case !d.Type().IsRegular():
		return fmt.Errorf("%s is neither a file nor a folder nor a link", p)
	}
	h.Typeflag, h.Size, h.Mode = tar.TypeReg, info.Size(), 0o644
	if info.Mode()&0o111 != 0 || t.executable != nil && t.executable(rel) {
		h.Mode = 0o755
	}
	if err := w.WriteHeader(h); err != nil {
		return err
	}
	f, err := os.Open(p)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}
