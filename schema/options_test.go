package schema_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/xbuild/xbuild/schema"
)

// buildkitKeys are where BuildKit names the options of its exporters and cache backends, with an expression that finds them.
var buildkitKeys = []struct {
	list schema.ValueType
	typ  string
	file string
	keys string
}{
	{schema.TypeOutputList, "image", "exporter/containerimage/exptypes/keys.go", `ImageExporterOptKey = "([a-z.-]+)"`},
	{schema.TypeOutputList, "local", "exporter/local/fs.go", `key[A-Z]\w+ += "([a-z-]+)"`},
	{schema.TypeCacheList, "registry", "cache/remotecache/registry/registry.go", `attr[A-Z]\w+ += "([a-z._-]+)"`},
	{schema.TypeCacheList, "local", "cache/remotecache/local/local.go", `attr[A-Z]\w+ += "([a-z._-]+)"`},
	{schema.TypeCacheList, "gha", "cache/remotecache/gha/gha.go", `attr[A-Z]\w+ += "([a-z0-9._-]+)"`},
	{schema.TypeCacheList, "s3", "cache/remotecache/s3/s3.go", `attr[A-Z]\w+ += "([a-z0-9._-]+)"`},
	{schema.TypeCacheList, "azblob", "cache/remotecache/azblob/utils.go", `attr[A-Z]\w+ += "([a-z0-9._-]+)"`},
	{schema.TypeCacheList, "registry", "util/compression/attrs.go", `attr[A-Z]\w+ = "([a-z-]+)"`},
	{schema.TypeOutputList, "oci", "util/compression/attrs.go", `attr[A-Z]\w+ = "([a-z-]+)"`},
	{schema.TypeAttestList, "provenance", "solver/llbsolver/provenance.go", `attrs\["([a-z-]+)"\]`},
}

// TestKnownKeys compares the table with BuildKit's source: it knows every key that BuildKit reads.
func TestKnownKeys(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/moby/buildkit").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range buildkitKeys {
		text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(out)), b.file))
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(b.keys).FindAllStringSubmatch(string(text), -1)
		if len(found) < 2 {
			t.Errorf("%s names %d keys; it looks different now", b.file, len(found))
		}
		for _, m := range found {
			if v, _ := schema.CheckKey(b.list, b.typ, m[1]); v != schema.KeyKnown {
				t.Errorf("%s of type %s has the key %s, which is not in the table", b.list, b.typ, m[1])
			}
		}
	}
}

// TestMistypedKeys drops, doubles and swaps each letter of known keys: what comes out is a known key again or is recognised as a slip.
func TestMistypedKeys(t *testing.T) {
	n := 0
	for _, c := range []struct {
		list schema.ValueType
		typ  string
		keys string
	}{
		{schema.TypeOutputList, "image", "type name push push-by-digest compression compression-level force-compression oci-mediatypes rewrite-timestamp unpack"},
		{schema.TypeOutputList, "local", "dest platform-split attestation-prefix"},
		{schema.TypeCacheList, "registry", "type ref mode image-manifest oci-mediatypes ignore-error"},
		{schema.TypeCacheList, "s3", "bucket region prefix endpoint_url use_path_style"},
		{schema.TypeAttestList, "provenance", "mode builder-id inline-only"},
		{schema.TypeSecretList, "", "source type"},
		{schema.TypeSSHList, "", "paths"},
	} {
		for _, key := range strings.Fields(c.keys) {
			if v, _ := schema.CheckKey(c.list, c.typ, key); v != schema.KeyKnown {
				t.Errorf("%s is not known for %s of type %s", key, c.list, c.typ)
			}
			for i := range key {
				for _, slip := range []string{key[:i] + key[i+1:], key[:i+1] + key[i:], key[:i] + "x" + key[i+1:]} {
					n++
					if v, _ := schema.CheckKey(c.list, c.typ, slip); v == schema.KeyUnknown && len(slip) > 2 {
						t.Errorf("%s for %s passes as unknown", slip, key)
					}
				}
			}
		}
	}
	if n < 300 {
		t.Errorf("only %d slips were tried", n)
	}
	if v, _ := schema.CheckKey(schema.TypeOutputList, "local", "compression"); v != schema.KeyUnknown {
		t.Error("a key of another type of output is no slip, and not known")
	}
	if v, _ := schema.CheckKey(schema.TypeCacheList, "registry", "brand-new-thing"); v != schema.KeyUnknown {
		t.Error("a new key is no slip")
	}
}
