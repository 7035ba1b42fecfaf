package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// TestJudge: which calls of go get the target, for linux/arm64 on linux/amd64 unless the case says otherwise.
func TestJudge(t *testing.T) {
	const arm64 = "GOOS=linux GOARCH=arm64 CGO_ENABLED=0"
	for _, tc := range []struct {
		args   string
		env    string // NAME=VALUE, with blanks between
		target string // if not linux/arm64/
		want   string // what is set, in the order of the names; -NAME is one that is removed
		note   string // begins with
	}{
		// The product.
		{args: "build", want: arm64},
		{args: "build -o /out/app ./cmd/app", want: arm64},
		{args: "build -C sub -ldflags -s .", want: arm64},
		{args: "build -trimpath -o app main.go", want: arm64},
		{args: "build -o bin/ example.org/app/cmd/...", want: arm64},
		{args: "vet ./...", want: arm64},
		{args: "list -f {{.Deps}} ./cmd/app", want: arm64},
		{args: "test -c -o app.test ./pkg", want: arm64},
		{args: "install ./...", want: arm64 + " -GOBIN install"},
		{args: "install example.org/app/cmd/app", env: "GOBIN=/src/bin", want: arm64 + " -GOBIN install"},
		// What stays for the machine that runs it.
		{args: "run ./build.go"},
		{args: "run -C tools mage.go build"},
		{args: "run example.org/tool@v1.2.3 arg"},
		{args: "install example.org/tool/cmd/tool@latest"},
		{args: "install github.com/other/tool"},
		{args: "build -o bin/tool github.com/other/tool/cmd/tool"},
		{args: "build -o bin/tool example.org/apple/cmd"},
		{args: "tool stringer"},
		{args: "env GOARCH"},
		{args: "version"},
		{args: "mod download"},
		{args: "list -m all"},
		{args: ""},
		{args: "generate ./...", want: "-XBUILD_GO"},
		{args: "test ./...", want: "-XBUILD_GO"},
		{args: "test -c=false ./...", want: "-XBUILD_GO"},
		{args: "test ./... -args -c", want: "-XBUILD_GO"},
		// What the file says itself.
		{args: "build .", env: "GOARCH=amd64"},
		{args: "build .", env: "GOARCH=arm64"},
		{args: "build .", env: "GOOS=linux", want: "GOOS=linux GOARCH=arm64 CGO_ENABLED=0"},
		{args: "build .", env: "GOOS=js"},
		{args: "build .", env: "GOOS=linux", target: "windows/amd64/"},
		// Levels.
		{args: "build .", target: "linux/arm/v7", want: "GOARM=7 GOOS=linux GOARCH=arm CGO_ENABLED=0"},
		{args: "build .", target: "linux/arm/v7", env: "GOARM=6", want: "GOOS=linux GOARCH=arm CGO_ENABLED=0"},
		{args: "build .", target: "linux/amd64/v3", want: "GOAMD64=v3"},
		{args: "build .", target: "linux/arm64/v8", want: arm64},
		{args: "build .", target: "linux/arm64/v8.2", want: "GOARM64=v8.2 " + arm64},
		{args: "build .", target: "linux/arm64/v9", want: "GOARM64=v9.0 " + arm64},
		{args: "build .", target: "linux/arm/v8", want: "GOARM=7 GOOS=linux GOARCH=arm CGO_ENABLED=0"},
		{args: "build .", target: "linux/riscv64/rva22u64", want: "GORISCV64=rva22u64 GOOS=linux GOARCH=riscv64 CGO_ENABLED=0"},
		{args: "build .", target: "linux/s390x/z13", want: "GOOS=linux GOARCH=s390x CGO_ENABLED=0"},
		{args: "build .", target: "linux/amd64/"},
		{args: "install ./...", target: "linux/amd64/", env: "GOBIN=/b"},
		{args: "build .", target: "darwin/arm64/", want: "GOOS=darwin GOARCH=arm64 CGO_ENABLED=0"},
		// Where C code may be compiled.
		{args: "build .", env: "CGO_ENABLED=0 COMPILER=yes", want: arm64},
		{args: "build .", env: "COMPILER=yes", note: "there is a C compiler"},
		{args: "build .", env: "CGO_ENABLED=1", note: "CGO_ENABLED is 1"},
		{args: "build .", env: "CGO_ENABLED=1", target: "linux/amd64/"},
		{args: "build -race .", note: "-race"},
		{args: "build -race=false .", want: arm64},
		{args: "build -buildmode=c-shared .", note: "-buildmode=c-shared"},
		{args: "build -buildmode exe .", want: arm64},
		{args: "build -toolexec x .", note: "-toolexec"},
		{args: "build .", env: "GOFLAGS=-mod=vendor_-race", note: "-race in GOFLAGS"},
		{args: "build -ldflags=-linkmode=external .", note: "-ldflags with -linkmode=external"},
		{args: "build -ldflags=-extldflags=-static .", env: "CGO_ENABLED=0", want: arm64},
		// Nothing is known of a target.
		{args: "build .", target: "none"},
		{args: "build .", target: "linux/arm64"},
	} {
		env := map[string]string{}
		for _, kv := range strings.Fields(tc.env) {
			k, v, _ := strings.Cut(kv, "=")
			env[k] = strings.ReplaceAll(v, "_", " ")
		}
		env[variable] = "linux/arm64/"
		if tc.target != "" {
			env[variable] = tc.target
		}
		w := world{host: target{os: "linux", arch: "amd64"}, env: env, modules: func([]string) []string { return []string{"example.org/app"} },
			hasCompiler: func(env map[string]string) bool { return env["COMPILER"] != "" }}
		v := judge(strings.Fields(tc.args), w)
		want := verdict{}
		for _, kv := range strings.Fields(tc.want) {
			if want.set == nil {
				want.set = map[string]string{}
			}
			k, val, _ := strings.Cut(strings.TrimPrefix(kv, "-"), "=")
			if kv == "install" {
				want.install = true
				continue
			}
			want.set[k] = val
		}
		note := v.note
		v.note = ""
		if len(v.set) == 0 {
			v.set = nil
		}
		if !reflect.DeepEqual(v, want) || !strings.HasPrefix(note, tc.note) || (note == "") != (tc.note == "") {
			t.Errorf("go %s (%s) for %s: %+v %q, want %+v %q", tc.args, tc.env, env[variable], v, note, want, tc.note)
		}
	}
}

// TestModules: without a module, or with one that is named like a folder above, packages are judged all the same.
func TestModules(t *testing.T) {
	for _, tc := range []struct {
		main []string
		pkg  string
		want bool
	}{
		{nil, "example.org/app", true},
		{[]string{"example.org/app"}, "example.org/app", true},
		{[]string{"example.org/app"}, "example.org/app/...", true},
		{[]string{"example.org/app"}, "example.org/application", false},
		{[]string{"example.org/a", "example.org/b"}, "example.org/b/cmd", true},
		{[]string{"app"}, "cmd/vet", false},
	} {
		c := readCall([]string{"build", tc.pkg})
		if got := c.ours(func([]string) []string { return tc.main }); got != tc.want {
			t.Errorf("%s in %v: %v", tc.pkg, tc.main, got)
		}
	}
	c := readCall([]string{"build", "-C", "sub", "example.org/x"})
	c.ours(func(first []string) []string {
		if !reflect.DeepEqual(first, []string{"-C", "sub"}) {
			t.Errorf("modules are asked for with %v", first)
		}
		return nil
	})
}

// TestMoveAll: files go to their place, replace what is there, and the folder of the platform is gone.
func TestMoveAll(t *testing.T) {
	dir := t.TempDir()
	bin := filepath.Join(dir, "bin")
	from := filepath.Join(bin, "linux_arm64")
	if err := os.MkdirAll(from, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{filepath.Join(from, "app"): "new", filepath.Join(bin, "app"): "old", filepath.Join(bin, "tool"): "tool"} {
		if err := os.WriteFile(name, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := moveAll(from, bin); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"app": "new", "tool": "tool"} {
		got, err := os.ReadFile(filepath.Join(bin, name))
		if err != nil || string(got) != want {
			t.Errorf("%s is %q, %v; want %q", name, got, err, want)
		}
	}
	if _, err := os.Stat(from); !os.IsNotExist(err) {
		t.Errorf("%s is still there", from)
	}
	if err := moveAll(from, bin); err != nil {
		t.Errorf("a folder that is not there: %v", err)
	}
}

// TestMerge: variables are replaced or removed, never doubled.
func TestMerge(t *testing.T) {
	got := merge([]string{"A=1", "B=2", "C=3=3"}, map[string]string{"A": "x", "B": "", "D": "4"})
	if want := []string{"C=3=3", "A=x", "D=4"}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
