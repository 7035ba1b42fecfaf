package hcl_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/xbuild/xbuild/hcl"
)

// manyTargets is a build file with n targets that inherit, call functions, and have cache references and platforms.
func manyTargets(n int) []byte {
	var w strings.Builder
	w.WriteString(`variable "REGISTRY" { default = "registry.example.org" }
variable "TAG" { default = "latest" }
function "tags" {
  params = [name, version]
  result = ["${REGISTRY}/${name}:${version}", "${REGISTRY}/${lower(name)}:${replace(version, ".", "-")}"]
}
target "_base" {
  args      = { GO = "1.26", TAG = TAG }
  platforms = ["linux/amd64", "linux/arm64", "linux/arm/v7"]
  labels    = { "org.example" = "yes" }
}
target "_cache" {
  inherits = ["_base"]
  no-cache = false
}
`)
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("%q", fmt.Sprintf("t%d", i)))
		fmt.Fprintf(&w, `target "t%[1]d" {
  inherits   = ["_cache"]
  context    = "service/%[1]d"
  tags       = tags("service%[1]d", TAG)
  args       = { NAME = "service%[1]d", NUMBER = format("%%03d", %[1]d) }
  output     = ["type=image,push=true"]
}
`, i)
	}
	fmt.Fprintf(&w, "group \"default\" { targets = [%s] }\n", strings.Join(names, ", "))
	return []byte(w.String())
}

// BenchmarkPrint reads and prints files with many targets, of both dialects; the time per target must not grow.
func BenchmarkPrint(b *testing.B) {
	for _, name := range []string{"docker-bake.hcl", "xbuild.hcl"} {
		for _, n := range []int{100, 1000, 10000} {
			src := manyTargets(n)
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					file, diags := hcl.Parse(name, "/src/"+name, src)
					if diags.HasErrors() {
						b.Fatal(diags)
					}
					text, _, diags := hcl.Print([]*hcl.File{file}, hcl.Env{Dir: "/src"})
					if diags.HasErrors() || len(text) == 0 {
						b.Fatal(diags)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/target")
			})
		}
	}
}
