package bakediff

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// attribute is one attribute of a target with the forms of value that it takes, and some that it refuses.
type attribute struct {
	name string
	// base is a value to merge with and to override.
	base string
	// forms are expressions. Where they are JSON too, the HCL-JSON file has them as they are, else in a template.
	forms []string
	// refused are expressions that the peer refuses wherever they stand.
	refused []string
	// files are in the folder.
	files map[string]string
}

// Values that every list of strings takes or refuses.
var (
	listForms   = []string{`[]`, `null`, `["b"]`, `["a", "b"]`, `["b", "b", "a", "b"]`, `["", "c"]`, `[1, true, 1.50]`, `convert(["z", "y"], set(string))`, `[for s in ["p", "q"]: "${s}1"]`, `concat(["m"], ["n"])`, `V`, `true ? ["t"] : ["f"]`}
	listRefused = []string{`"a"`, `[null]`, `[["a"]]`, `{"a": "b"}`, `[{"a": "b"}]`, `1`, `true`}

	stringForms   = []string{`"b"`, `""`, `null`, `1`, `1.50`, `true`, `"a ${S} c"`, `"$${x} %%{y}"`, `upper("x")`, `"ä\t\"<&>"`, "<<EOT\none\n  two\nEOT\n", "<<-EOT\n  one\n    two\n  EOT\n"}
	stringRefused = []string{`["a"]`, `{"a": "b"}`}

	mapForms   = []string{`{}`, `null`, `{"K": "b"}`, `{"N": "c"}`, `{"K": "", "N": ""}`, `{"n": 1, "t": true, "f": 1.50, "e": 1e3}`, `{"$${x}": "$${y}%%{z}"}`, `{ K = "x", "a.b" = "y", (S) = "z" }`, `merge({"K": "1"}, {"M": "2"})`, `{for s in ["p", "q"]: s => upper(s)}`, `M`}
	mapRefused = []string{`"a"`, `["a"]`, `{"K": ["a"]}`, `{"K": {"a": "b"}}`, `1`}
	// What the peer crashes from, such as [null], is in testdata.
	// A null element is for most maps no element.
	nullElements = []string{`{"K": null}`, `{"K": null, "N": "c"}`}

	composableRefused = []string{`null`, `"x"`, `{}`, `1`, `[["x"]]`}
)

func join(lists ...[]string) []string {
	var out []string
	for _, l := range lists {
		out = append(out, l...)
	}
	return out
}

// attributes has every attribute of a target but name and matrix, which testdata covers.
var attributes = []attribute{
	{name: "inherits", base: `["p1"]`, forms: []string{`[]`, `null`, `["p1"]`, `["p2"]`, `["p1", "p2"]`, `["p2", "p1"]`, `["p1", "p1"]`, `["c1", "p1"]`, `["c1", "c2"]`, `[for n in [1, 2]: "p${n}"]`},
		refused: []string{`"p1"`, `[null]`, `["nope"]`, `["g"]`, `[""]`, `{"a": "b"}`}},
	{name: "description", base: `"a"`, forms: without(stringForms, `null`), refused: append(stringRefused, `null`)},
	{name: "context", base: `"a"`, forms: join(stringForms, []string{`"./a/../b/"`, `"/abs/x/"`, `"."`, `".."`, `"https://example.com/r.git#main:sub"`, `"cwd://"`, `"cwd://x/../y"`, `"https://example.com/a/../b.tgz"`, `"docker-image://alpine"`, `"target:p1"`, `BAKE_CMD_CONTEXT`}), refused: append(stringRefused, `"git@example.com:o/r.git"`, `"-"`)},
	{name: "contexts", base: `{"K": "a", "L": "a"}`, forms: join(mapForms, []string{`{"K": "docker-image://alpine:3"}`, `{"K": "target:p1"}`, `{"K": "target:p1", "M": "target:c1"}`, `{"K": "cwd://x"}`, `{"K": "./a/../b"}`, `{"K": "oci-layout://./x:tag"}`, `{"alpine": "docker-image://alpine", "https://x/y": "z"}`}),
		refused: join(mapRefused, nullElements, []string{`{"K": "target:nope"}`, `{"K": "target:g"}`})},
	{name: "dockerfile", base: `"A"`, forms: append(stringForms, `"./d/../E"`, `"/abs/D"`, `"https://example.com/Dockerfile"`, `"cwd://D"`), refused: append(stringRefused, `"-"`)},
	{name: "dockerfile-inline", base: `"FROM a"`, forms: stringForms, refused: stringRefused},
	{name: "args", base: `{"K": "a", "L": "a"}`, forms: join(mapForms, nullElements, []string{`{"N": 10000000000000000000000, "M": -0, "O": 0.1, "P": 1.0e-7}`, `{"S": "<&>\u2028"}`}), refused: mapRefused},
	{name: "labels", base: `{"K": "a", "L": "a"}`, forms: join(mapForms, nullElements), refused: mapRefused},
	{name: "annotations", base: `["k=v"]`, forms: []string{`[]`, `null`, `["b=1"]`, `["k=v"]`, `["k=w"]`, `["index:a=b"]`, `["index,manifest:a=b"]`, `["manifest[linux/amd64]:a=b"]`, `["manifest-descriptor:a=b", "index-descriptor:a=b"]`, `["a=$${x}"]`, `["a=b=c"]`, `["", "a=b"]`},
		refused: []string{`"a=b"`, `["nokey"]`, `["what:a=b"]`, `["manifest[no-such/platform/at/all]:a=b"]`, `[null]`, `{"a": "b"}`}},
	{name: "tags", base: `["a"]`, forms: listForms, refused: listRefused},
	{name: "target", base: `"a"`, forms: stringForms, refused: stringRefused},
	{name: "platforms", base: `["linux/amd64"]`, forms: []string{`[]`, `null`, `["linux/arm64"]`, `["linux/amd64", "linux/arm64"]`, `["linux/arm64", "linux/arm64"]`, `["linux/arm64,linux/386"]`, `["local"]`, `["linux/arm/v7"]`, `["LINUX/AMD64"]`, `["x86_64"]`, `[BAKE_LOCAL_PLATFORM]`, `["", "darwin/arm64"]`, `convert(["linux/s390x", "linux/386"], set(string))`},
		refused: []string{`"linux/amd64"`, `["nonsense"]`, `["a/b/c/d/e"]`, `[null]`, `[["linux/amd64"]]`}},
	{name: "output", base: `["type=image,push=true"]`, forms: []string{`["type=tar,dest="]`, `["dest=x"]`, `["type=oci"]`, `["-", "-"]`, `[]`, `["type=docker"]`, `["type=registry"]`, `["out"]`, `["type=local,dest=out"]`, `["type=oci,dest=o.tar"]`, `["type=tar,dest=o.tar"]`, `["type=cacheonly"]`, `["-"]`, `["type=image,name=a,\"name=b,c\",push=true"]`, `["type=image,\"annotation.x=a,b\""]`, `["TYPE=image,Push=true"]`, `["type=docker", "type=registry"]`, `["type=docker", "type=docker"]`, `["a", "a", "b", "c"]`,
		`[{"type": "docker"}]`, `[{"type": "local", "dest": "out"}]`, `[{"type": "image", "push": true, "oci-mediatypes": "true", "compression-level": 3}]`, `[{"type": "docker"}, "type=registry"]`, `[{ type = "image", push = "true" }]`, `[{"dest": "out", "type": "local", "mode": "delete"}]`, `[""]`, `["", "type=docker"]`, `["type=local,dest=out,platform-split=false"]`, `["type=image,store=false,unpack=true"]`, `["type=unknown,x=y"]`, `["type=docker,dest=o.tar,context=other"]`, `["type=image,name=$${x}"]`},
		refused: append(composableRefused, `["type=local"]`, `["type=image,push"]`, `["type=local,dest=file"]`, `convert(["type=docker"], set(string))`, `[{"dest": "x"}]`, `[{"type": ["x"]}]`, `["\"open"]`), files: map[string]string{"file": "x"}},
	{name: "cache-from", base: `["a"]`, forms: cacheForms, refused: cacheRefused},
	{name: "cache-to", base: `["type=inline"]`, forms: cacheForms, refused: cacheRefused},
	{name: "secret", base: `["id=a,env=A", "id=b,env=B"]`, forms: []string{`[]`, `["id=a,env=Z"]`, `["id=c,src=f"]`, `["id=c,source=f"]`, `["type=file,id=c,src=f"]`, `["type=env,id=c,src=FOO"]`, `["id=HOME"]`, `["id=f"]`, `[{"id": "c", "env": "C"}]`, `[{"id": "c", "src": "f"}]`, `[{ id = "a", env = "Z" }, "id=b,src=f"]`, `["id=c,env=C", "id=c,env=D"]`, `[""]`, `["ID=c,ENV=C"]`, `[{"type": "env", "id": "c", "src": "f"}]`, `[{"type": "file", "id": "c", "src": "f"}]`, `["id=a/b.c-d,env=X"]`},
		refused: append(composableRefused, `["type=env,id=c"]`, `["env=C"]`, `["id=c,env="]`, `["id=c,src=missing"]`, `["id"]`, `["id=c,what=x"]`, `["type=ftp,id=c"]`, `[{"id": "c", "what": "x"}]`, `[{"id": "c", "env": ["x"]}]`, `["\"open"]`), files: map[string]string{"f": "x"}},
	{name: "ssh", base: `["a=@AGENT@"]`, forms: []string{`["=@AGENT@"]`, `[]`, `["a=@AGENT@"]`, `["b=@AGENT@"]`, `[{"id": "b", "paths": ["@AGENT@"]}]`, `[{ id = "a", paths = ["@AGENT@"] }]`, `["default=@AGENT@"]`, `["a=@AGENT@", "a=@AGENT@", "b=@AGENT@"]`, `[""]`},
		refused: append(composableRefused, `["b=@AGENT@,raw=true"]`, `["default"]`, `["c=missing"]`, `["a=f"]`, `[{"id": "default"}]`, `[{"id": "b", "paths": "@AGENT@"}]`, `[{"id": "b", "what": "x"}]`, `[{"id": "b", "paths": ["@AGENT@", "@AGENT@"]}]`), files: map[string]string{"f": "x"}},
	{name: "attest", base: `["type=sbom"]`, forms: []string{`[{"mode": "max"}]`, `[]`, `["type=provenance,mode=max"]`, `["type=sbom,disabled=true"]`, `["type=sbom,generator=x"]`, `["type=sbom,DISABLED=true"]`, `[{"type": "provenance", "mode": "min"}]`, `[{"type": "sbom", "disabled": true}]`, `[{"type": "sbom", "disabled": "false"}]`, `["type=sbom", "type=provenance"]`, `["type=provenance", "type=sbom"]`, `["type=sbom,generator=a", "type=sbom,generator=b"]`, `[{ type = "sbom" }, "type=provenance,disabled=1"]`, `["type=other,x=y"]`, `[""]`, `["type=sbom,disabled=false"]`, `["type=provenance,\"builder-id=a,b\""]`},
		refused: append(composableRefused, `["mode=max"]`, `["type=sbom,disabled=what"]`, `["type=sbom,x"]`, `[{"type": "sbom", "disabled": "what"}]`, `["\"open"]`)},
	{name: "policy", base: `["filename=a.rego"]`, forms: []string{`[]`, `["filename=b.rego"]`, `["reset=true"]`, `["disabled=true"]`, `["strict=true"]`, `["strict=false,log-level=debug"]`, `["filename=a,filename=b,strict=1"]`, `[{"filename": "b.rego"}]`, `[{"filename": "b.rego", "strict": true, "log-level": "warn"}]`, `[{"reset": true}]`, `[{"disabled": "true"}]`, `["FILENAME=b.rego"]`, `[{ filename = "b.rego" }, "filename=c.rego"]`, `["log-level=trace"]`, `["log-level=panic"]`},
		refused: append(composableRefused, `["filename"]`, `["filename="]`, `["strict=what"]`, `["what=x"]`, `["log-level=loud"]`, `[{"what": "x"}]`, `[{"strict": "what"}]`)},
	{name: "pull", base: `true`, forms: boolForms, refused: boolRefused},
	{name: "no-cache", base: `true`, forms: boolForms, refused: boolRefused},
	{name: "no-cache-filter", base: `["a"]`, forms: listForms, refused: listRefused},
	{name: "network", base: `"none"`, forms: append(stringForms, `"host"`, `"default"`), refused: stringRefused},
	{name: "shm-size", base: `"64m"`, forms: []string{`null`, `"128m"`, `"1g"`, `134217728`, `"1.5g"`, `"64MiB"`, `"128 MB"`, `"0"`}, refused: append(stringRefused, `"lots"`, `""`, `"-1"`, `true`)},
	{name: "ulimits", base: `["nofile=1024:1024"]`, forms: []string{`[]`, `null`, `["nofile=2048"]`, `["nofile=1024:1024"]`, `["nproc=1", "core=0"]`, `["core=-1"]`, `["nofile=1:2", "nofile=3:4"]`, `["core=-1:-1"]`},
		refused: []string{`"nofile=1"`, `["nofile"]`, `["nofile=x"]`, `["what=1"]`, `["nofile=2:1"]`, `[null]`, `{"nofile": 1}`}},
	{name: "resources", base: `{"memory": "1g", "cpu-shares": "5"}`, forms: []string{`{"cpu-shares": -1}`, `{}`, `{"memory": "2g"}`, `{"cpu-shares": 10}`, `{"memory-swap": "3g"}`, `{"memory": "1g", "memory-swap": "-1"}`, `{"cpuset-cpus": "0-3", "cpuset-mems": "0,1"}`, `{"cpu-period": 100000, "cpu-quota": 50000}`, `{"what": "x"}`, `{ memory = 1073741824 }`, `{"cpuset-cpus": ""}`, `{"cpu-shares": 0}`},
		refused: []string{`{"memory": ""}`, `null`, `"memory=1g"`, `["memory=1g"]`, `{"memory": "lots"}`, `{"cpu-shares": "x"}`, `{"memory": ["1g"]}`}},
	{name: "call", base: `"build"`, forms: append(stringForms, `"check"`, `"lint"`, `"outline"`, `"targets"`, `"check,format=json"`), refused: stringRefused},
	{name: "entitlements", base: `["network.host"]`, forms: append(listForms, `["security.insecure"]`, `["network.host"]`, `["device"]`, `["device=x.com/y=z"]`), refused: listRefused},
	{name: "extra-hosts", base: `{"K": "1.1.1.1", "L": "1.1.1.1"}`, forms: join(mapForms, nullElements, []string{`{"K": "::1"}`, `{"K": "host-gateway"}`, `{"K": "1.2.3.4,5.6.7.8"}`, `{"a.b.c": "10.0.0.1"}`}), refused: mapRefused},
}

var (
	boolForms   = []string{`true`, `false`, `null`, `"true"`, `"false"`, `"1"`, `"0"`, `1 == 1`, `B`}
	boolRefused = []string{`"yes"`, `""`, `1`, `0`, `[true]`, `{"a": true}`, `"TRUE"`}

	cacheForms   = []string{`[]`, `["b"]`, `["b,c"]`, `["a", "a", "b", "c"]`, `["type=registry,ref=r/x:cache"]`, `["type=local,src=in,dest=out"]`, `["type=local,dest=x,mode=max"]`, `["type=inline"]`, `["type=gha,scope=x,mode=max,ignore-error=true"]`, `["type=gha"]`, `["type=s3,region=eu,bucket=b,name=n"]`, `["TYPE=registry,REF=X"]`, `[{"type": "registry", "ref": "r/x"}]`, `[{"type": "local", "src": "in"}]`, `[{"type": "gha", "mode": "max", "timeout": 30, "ignore-error": true}]`, `[{ type = "registry", ref = "r" }, "type=inline"]`, `["localhost:5000/a/b:c@sha256:0000000000000000000000000000000000000000000000000000000000000000"]`, `["type=registry,\"ref=a,b\""]`, `[""]`, `["", "b"]`, `["type=azblob,name=x"]`, `[{"type": "registry", "ref": "x"}, {"type": "registry", "ref": "x"}]`}
	cacheRefused = append(composableRefused, `["a=b"]`, `["type=registry,ref"]`, `["ref=x"]`, `[{"ref": "x"}]`, `[{"type": ["x"]}]`, `["\"open"]`, `convert(["a"], set(string))`)
)

func without(list []string, what string) []string {
	var out []string
	for _, s := range list {
		if s != what {
			out = append(out, s)
		}
	}
	return out
}

// common is what the expressions of the table refer to, and targets to inherit, link and list.
const common = `variable "S" { default = "s" }
variable "B" { default = true }
variable "V" { default = ["v"] }
variable "M" { default = {K = "v"} }
target "p1" {
  args = { P = "1" }
  tags = ["p1"]
}
target "p2" {
  args = { P = "2" }
}
target "c1" { inherits = ["c2"] }
target "c2" {
  inherits = ["c1", "p2"]
  labels   = { c = "2" }
}
group "g" { targets = ["p1"] }
`

// combinations are the ways in which a value reaches the target that is printed. ATTR, VALUE and BASE are replaced.
var combinations = []struct {
	name   string
	files  map[string]string
	args   []string
	always bool // for the refused forms too
}{
	{name: "plain", always: true, files: map[string]string{"docker-bake.hcl": `target "default" {
  ATTR = VALUE
}`}},
	{name: "json", always: true, files: map[string]string{"docker-bake.json": `{"target": {"default": {"ATTR": JSON}}}`, "docker-bake.hcl": ""}},
	// A child without the attribute, a child with it, a parent with it, the second of two blocks, and a block of an override file.
	{name: "merged", args: []string{"inherited", "over", "under", "twice", "file"}, files: map[string]string{"docker-bake.hcl": `target "inherited" { inherits = ["has"] }
target "has" {
  ATTR = VALUE
}
target "based" {
  ATTR = BASE
}
target "over" {
  inherits = ["based", "p2"]
  ATTR = VALUE
}
target "under" {
  inherits = ["p1", "has"]
  ATTR = BASE
}
target "twice" {
  ATTR = BASE
}
target "twice" {
  ATTR = VALUE
}
target "file" {
  ATTR = BASE
}`, "docker-bake.override.hcl": `target "file" {
  ATTR = VALUE
}`}},
	{name: "referenced", args: []string{"default"}, files: map[string]string{"docker-bake.hcl": `target "default" {
  ATTR = target.other.ATTR
}
target "other" {
  ATTR = VALUE
}`}},
}

// attributeCases is the product of attributes, forms and combinations.
func attributeCases(t *testing.T) []testCase {
	var out []testCase
	for _, a := range attributes {
		for i, form := range append(a.forms, a.refused...) {
			expect := accepted
			if i >= len(a.forms) {
				expect = refused
			}
			for _, how := range combinations {
				if expect == refused && !how.always {
					continue
				}
				c := testCase{name: fmt.Sprintf("attributes/%s/%d/%s", a.name, i+1, how.name), args: how.args, files: map[string]string{}}
				for name, text := range a.files {
					c.files[name] = text
				}
				asJSON := form
				if !json.Valid([]byte(form)) || strings.ContainsAny(form, "\u2028") {
					asJSON = quote("${" + strings.TrimSpace(form) + "\n}")
				}
				if a.name == "inherits" && how.name == "merged" {
					continue // inherits would stand twice in a block; testdata has what merges of it are worth
				}
				for name, text := range how.files {
					text = strings.NewReplacer("ATTR", a.name, "VALUE", form, "BASE", a.base, "JSON", asJSON).Replace(text)
					if name == "docker-bake.hcl" {
						text = text + "\n" + common
					}
					c.files[name] = text
				}
				if how.always {
					c.expect = expect
				}
				out = append(out, c)
			}
		}
	}
	return out
}

func quote(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string can always be marshalled
	}
	return string(text)
}
