//go:build linux

package buildkit

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/xbuild/xbuild/schema"
)

// fetch reads a manifest or a blob of the test registry.
func fetch(t *testing.T, repo, kind, ref string, into any) {
	t.Helper()
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("http://%s/v2/%s/%s/%s", bed.registry, repo, kind, ref), nil)
	for _, mt := range []string{ocispecs.MediaTypeImageIndex, ocispecs.MediaTypeImageManifest} {
		req.Header.Add("Accept", mt)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, text)
	}
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatalf("%s %s of %s: %v", kind, ref, repo, err)
	}
}

// TestAttestations: provenance and SBOM are attached to each platform's image where they are asked for, and nothing is
// where they are not.
func TestAttestations(t *testing.T) {
	p := newProject(t, map[string]string{"Dockerfile": perArch, "amd64": "a\n", "arm64": "b\n",
		"scanner.Dockerfile": "FROM scratch\nCOPY tool /tool\nENTRYPOINT [\"/tool\", \"scan\"]\n"})
	scanner := bed.registry + "/scanner:1"
	p.target("scanner", "linux/amd64", func(b *schema.Build) { b.Dockerfile = p.dir + "/scanner.Dockerfile"; push(b, scanner) })
	p.mustRun("scanner")
	ask := []schema.Attest{{Type: "provenance", Attrs: map[string]string{"mode": "max"}}, {Type: "sbom", Attrs: map[string]string{"generator": scanner}}}
	p.target("asked", twoPlatforms, func(b *schema.Build) {
		push(b, bed.registry+"/attested:1", bed.registry+"/attested:2")
		b.Attest, b.Args, b.Outputs = ask, map[string]string{"WHO": "provenance"}, append(b.Outputs, p.local("out")...)
	})
	p.target("plain", "linux/amd64", func(b *schema.Build) {
		push(b, bed.registry+"/plain:1")
		b.Attest = []schema.Attest{{Type: "provenance", Disabled: true}}
	})
	o := p.run(p.plan("asked", "plain"))
	if o.err != nil {
		t.Fatal(o.err)
	}
	var index ocispecs.Index
	fetch(t, "attested", "manifests", "2", &index)
	found := map[string]string{} // predicate type by image
	for _, m := range index.Manifests {
		of := m.Annotations["vnd.docker.reference.digest"]
		if of == "" {
			continue
		}
		var att ocispecs.Manifest
		fetch(t, "attested", "manifests", m.Digest.String(), &att)
		for _, l := range att.Layers {
			var statement struct {
				PredicateType string
				Predicate     json.RawMessage
			}
			fetch(t, "attested", "blobs", l.Digest.String(), &statement)
			found[of] += statement.PredicateType + " "
			if strings.Contains(statement.PredicateType, "provenance") && !strings.Contains(string(statement.Predicate), "build-arg:WHO") {
				t.Errorf("the provenance does not say what was asked: %s", statement.Predicate)
			}
		}
	}
	result := o.res.Outputs[len(o.res.Outputs)-2]
	if len(index.Manifests) != 4 || len(result.Platforms) != 2 {
		t.Fatalf("the index has %d manifests, and the report %v, want two images and their attestations", len(index.Manifests), result)
	}
	for platform, d := range result.Platforms {
		if s := found[d]; !strings.Contains(s, "slsa.dev/provenance") || !strings.Contains(s, "spdx.dev") {
			t.Errorf("%s is attested %q", platform, s)
		}
	}
	for _, name := range []string{"linux_amd64/provenance.json", "linux_arm64/provenance.json", "linux_amd64/arch"} {
		if p.tree("out")[name] == "" {
			t.Errorf("the folder has %v, not %s", p.tree("out"), name)
		}
	}
	if m := fetchManifest(t, "plain", "1"); len(m.Manifests) > 0 || !strings.Contains(m.MediaType, "manifest") {
		t.Errorf("an image without attestations is %+v", m)
	}
}
