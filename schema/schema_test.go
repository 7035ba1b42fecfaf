package schema_test

import (
	"testing"

	"github.com/xbuild/xbuild/schema"
)

func TestPlatforms(t *testing.T) {
	for in, want := range map[string]string{
		"linux/amd64": "linux/amd64", "linux/arm64/v8": "linux/arm64", "linux/armhf": "linux/arm/v7", "linux/aarch64": "linux/arm64",
		"linux/arm": "linux/arm/v7", "linux/arm/v6": "linux/arm/v6", "darwin/arm64": "darwin/arm64", "windows/amd64": "windows/amd64", "linux/x86_64": "linux/amd64",
	} {
		p, err := schema.ParsePlatform(in)
		if err != nil || p.String() != want {
			t.Errorf("ParsePlatform(%q) = %s, %v, want %s", in, p, err, want)
		}
	}
	for _, in := range []string{"", "linux/", "linux/nope", "windoze/amd64", "linux/amd64,linux/arm64", "a/b/c/d"} {
		if p, err := schema.ParsePlatform(in); err == nil {
			t.Errorf("ParsePlatform(%q) = %s, want an error", in, p)
		}
	}
}

func TestExecutesAndTakes(t *testing.T) {
	for _, tc := range []struct {
		machine, program string
		executes, takes  bool
	}{
		{"linux/amd64", "linux/amd64", true, true},
		{"linux/amd64", "linux/386", true, true},
		{"linux/amd64", "linux/amd64/v3", true, false},
		{"linux/amd64", "linux/arm64", false, false},
		{"linux/arm64", "linux/arm/v7", false, true},
		{"linux/arm/v7", "linux/arm/v6", true, true},
		{"linux/arm/v6", "linux/arm/v7", false, false},
		{"linux/arm/v7", "linux/arm/v8", true, false},
		{"linux/arm64", "linux/arm64/v8.2", true, false},
		{"linux/arm64", "linux/arm64/v9", true, false},
		{"linux/arm64/v9", "linux/arm64", true, true},
		{"linux/riscv64", "linux/riscv64/rva22u64", true, false},
		{"linux/amd64", "darwin/amd64", false, false},
	} {
		m, p := schema.MustPlatform(tc.machine), schema.MustPlatform(tc.program)
		if m.Executes(p) != tc.executes || m.Takes(p) != tc.takes {
			t.Errorf("%s and %s: executes %v, takes %v", m, p, m.Executes(p), m.Takes(p))
		}
	}
}

func TestLevels(t *testing.T) {
	for _, tc := range []struct {
		platform, name, value string
		above                 bool
	}{
		{"linux/amd64", "GOAMD64", "", false},
		{"linux/amd64/v1", "GOAMD64", "", false},
		{"linux/amd64/v3", "GOAMD64", "v3", true},
		{"linux/arm64/v8", "GOARM64", "", false},
		{"linux/arm64/v8.2", "GOARM64", "v8.2", true},
		{"linux/arm64/v9", "GOARM64", "v9.0", true},
		{"linux/arm64/v9.2", "GOARM64", "v9.2", true},
		{"linux/arm", "GOARM", "7", false},
		{"linux/arm/v5", "GOARM", "5", false},
		{"linux/arm/v8", "GOARM", "7", false},
		{"linux/ppc64le/power9", "GOPPC64", "power9", true},
		{"linux/riscv64/rva22u64", "GORISCV64", "rva22u64", true},
		{"linux/s390x/z13", "", "", false},
		{"wasi/wasm", "", "", false},
	} {
		p := schema.MustPlatform(tc.platform)
		if name, value := p.GoLevel(); name != tc.name || value != tc.value || p.AboveBaseline() != tc.above {
			t.Errorf("%s: %s=%q above %v, want %s=%q %v", p, name, value, p.AboveBaseline(), tc.name, tc.value, tc.above)
		}
	}
}

func TestPlatformWords(t *testing.T) {
	p := schema.MustPlatform("linux/arm/v7")
	if p.Slug() != "linux_arm_v7" || p.GOARM() != "7" || p.Triple() != "arm-linux-gnueabihf" || p.Exe() != "" {
		t.Errorf("%s %s %s %q", p.Slug(), p.GOARM(), p.Triple(), p.Exe())
	}
	if w := schema.MustPlatform("windows/amd64"); w.Exe() != ".exe" || w.Triple() != "" {
		t.Errorf("%q %q", w.Exe(), w.Triple())
	}
}

func TestPlaces(t *testing.T) {
	for in, want := range map[string]schema.Place{"bin": schema.Folder, "type=tar,dest=x": schema.Archive, "type=oci,dest=x": schema.Archive,
		"type=oci,tar=false,dest=x": schema.Folder, "type=docker": schema.NoPlace, "type=docker,dest=x": schema.Archive, "type=registry": schema.NoPlace} {
		if o, err := schema.ParseOutput(in); err != nil || o.Place() != want {
			t.Errorf("%q is at %v (%v), want %v", in, o.Place(), err, want)
		}
	}
}

func TestOutputs(t *testing.T) {
	for in, want := range map[string]schema.Output{
		"bin":                     {Type: schema.OutputLocal, Dest: "bin"},
		"type=local,dest=bin":     {Type: schema.OutputLocal, Dest: "bin"},
		"type=image,push=true":    {Type: schema.OutputImage, Push: true},
		"type=registry":           {Type: schema.OutputImage, Push: true},
		"type=image":              {Type: schema.OutputImage},
		`"type=local","dest=a,b"`: {Type: schema.OutputLocal, Dest: "a,b"},
		"type=cacheonly":          {Type: schema.OutputCacheOnly},
	} {
		o, err := schema.ParseOutput(in)
		if err != nil || o.Type != want.Type || o.Dest != want.Dest || o.Push != want.Push || len(o.Attrs) != 0 {
			t.Errorf("ParseOutput(%q) = %+v, %v, want %+v", in, o, err, want)
		}
	}
	for _, in := range []string{"", "type=tar", "type=oci", "type=local,dest=-", "type=oci,tar=false", "type=local", "type=image,push=maybe", "type=cacheonly,dest=x", "dest=bin,type", "a,b"} {
		if o, err := schema.ParseOutput(in); err == nil {
			t.Errorf("ParseOutput(%q) = %+v, want an error", in, o)
		}
	}
}

// TestLanguageTable: names are unique, every attribute is documented, and what --set changes has a merge rule.
func TestLanguageTable(t *testing.T) {
	for _, b := range schema.Language {
		seen := map[string]bool{}
		for _, a := range b.Attributes {
			if seen[a.Name] || a.Doc == "" || a.Type == "" {
				t.Errorf("%s.%s: twice, or without doc or type", b.Name, a.Name)
			}
			seen[a.Name] = true
			if b.Name == "target" && a.Merge == "" {
				t.Errorf("%s.%s has no merge rule", b.Name, a.Name)
			}
			if schema.Language.Block(b.Name).Attribute(a.Name).Doc != a.Doc {
				t.Errorf("%s.%s is not found", b.Name, a.Name)
			}
		}
	}
}

func TestSuggest(t *testing.T) {
	names := []string{"binaries", "image", "lint"}
	for in, want := range map[string]string{"binarie": "binaries", "imgae": "image", "x": "", "completely": ""} {
		if got := schema.Suggest(in, names); got != want {
			t.Errorf("Suggest(%q) = %q, want %q", in, got, want)
		}
	}
}
