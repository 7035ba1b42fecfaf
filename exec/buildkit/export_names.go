package buildkit

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/platforms"
	"github.com/distribution/reference"
	"github.com/opencontainers/image-spec/specs-go"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/xbuild/xbuild/internal/regular"
	"github.com/xbuild/xbuild/schema"
)

// An OCI archive for several platforms may hold tags that only one of them has. BuildKit's exporter gives every name to the index, so
// the names of single images are written into the index.json of what it made.

// maxIndexBlob bounds the size of a blob that may be an index, in bytes. Larger ones are layers.
const maxIndexBlob = 4 << 20

// nameSingles is the text of index.json with the names of single platforms. blob gives the content of a blob by its digest, nil if it
// is none that describes an image. The exporter names the index too, even with nothing: that entry stays only if the index has a name.
func (e *export) nameSingles(text []byte, blob func(digest string) []byte) ([]byte, error) {
	var top ocispecs.Index
	if err := json.Unmarshal(text, &top); err != nil {
		return nil, fmt.Errorf("the archive's index.json cannot be read: %w", err)
	}
	out := ocispecs.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: top.MediaType, Annotations: top.Annotations}
	if len(e.tags) > 0 || e.output.Attrs["name"] != "" {
		out.Manifests = top.Manifests
	}
	if len(top.Manifests) == 0 {
		return nil, errors.New("the archive's index.json names no image")
	}
	var index ocispecs.Index
	if err := json.Unmarshal(blob(top.Manifests[0].Digest.String()), &index); err != nil {
		return nil, fmt.Errorf("the archive's index of platforms cannot be read: %w", err)
	}
	for _, b := range e.builds {
		i := slices.IndexFunc(index.Manifests, func(m ocispecs.Descriptor) bool {
			return m.Platform != nil && fromOCI(platforms.Normalize(*m.Platform)) == b.Platform
		})
		for _, tag := range e.singles[b.Platform] {
			if i < 0 {
				return nil, fmt.Errorf("the archive has no image for %s, which %s names", b.Platform, tag)
			}
			m := index.Manifests[i]
			m.Annotations = map[string]string{images.AnnotationImageName: schema.FullName(tag), ocispecs.AnnotationRefName: refName(tag)}
			out.Manifests = append(out.Manifests, m)
		}
	}
	return json.Marshal(out)
}

// refName is what the OCI layout calls a reference: the tag of an image.
func refName(name string) string {
	if ref, err := reference.ParseNormalizedNamed(name); err == nil {
		if t, ok := reference.TagNameOnly(ref).(reference.Tagged); ok {
			return t.Tag()
		}
	}
	return name
}

// nameInDir writes the names of single platforms into an image in a directory.
func (e *export) nameInDir(dir string) error {
	if len(e.singles) == 0 {
		return nil
	}
	file := filepath.Join(dir, ocispecs.ImageIndexFile)
	text, err := regular.ReadFile(file)
	if err != nil {
		return err
	}
	text, err = e.nameSingles(text, func(digest string) []byte {
		blob, _ := regular.ReadFile(filepath.Join(dir, ocispecs.ImageBlobsDir, strings.ReplaceAll(digest, ":", "/"))) // an error is that of reading nothing
		return blob
	})
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o644)
}

// nameInTar returns a writer for an archive that writes the names of single platforms on the way.
func (e *export) nameInTar(to io.WriteCloser) io.WriteCloser {
	if len(e.singles) == 0 {
		return to
	}
	pr, pw := io.Pipe()
	n := &tarNamer{PipeWriter: pw, done: make(chan error, 1)}
	go func() {
		err := e.copyTar(to, pr)
		pr.CloseWithError(err) // a writer that goes on gets the error
		if cerr := to.Close(); err == nil {
			err = cerr
		}
		n.done <- err
	}()
	return n
}

// tarNamer is the writing end of [export.nameInTar].
type tarNamer struct {
	*io.PipeWriter
	done chan error
}

func (n *tarNamer) Close() error {
	n.PipeWriter.Close()
	return <-n.done
}

// copyTar copies an archive. The exporter sorts its members, so that blobs come before the index.json that names them.
func (e *export) copyTar(to io.Writer, from io.Reader) error {
	blobs := map[string][]byte{}
	w := tar.NewWriter(to)
	for r := tar.NewReader(from); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			if err := w.Close(); err != nil {
				return err
			}
			_, err = io.Copy(io.Discard, from) // what pads the end
			return err
		}
		if err != nil {
			return err
		}
		content := io.Reader(r)
		if digest, ok := strings.CutPrefix(h.Name, ocispecs.ImageBlobsDir+"/"); ok && h.Size > 0 && h.Size <= maxIndexBlob {
			text, err := io.ReadAll(r)
			if err != nil {
				return err
			}
			if bytes.HasPrefix(text, []byte("{")) {
				blobs[strings.ReplaceAll(digest, "/", ":")] = text
			}
			content = bytes.NewReader(text)
		}
		if h.Name == ocispecs.ImageIndexFile {
			text, err := io.ReadAll(io.LimitReader(r, maxIndexBlob))
			if err == nil {
				text, err = e.nameSingles(text, func(digest string) []byte { return blobs[digest] })
			}
			if err != nil {
				return err
			}
			h.Size, content = int64(len(text)), bytes.NewReader(text)
		}
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		if _, err := io.Copy(w, content); err != nil {
			return err
		}
	}
}
