package dockerfile

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/xbuild/xbuild/schema"
)

// judgeRun gives the first reason against a RUN in a Go stage on arm64, "" if there is none. env is written as ENV lines.
func judgeRun(t *testing.T, env, run string) string {
	t.Helper()
	text := "FROM golang:1.26-alpine AS build\nWORKDIR /src\n" + env + "\nRUN " + run + "\nFROM scratch\nCOPY --from=build /out/app /\n"
	f, d := Parse("Dockerfile", []byte(text))
	if d.HasErrors() {
		t.Fatal(d)
	}
	build := schema.MustPlatform("linux/amd64")
	g, d := f.Resolve(Env{Build: build, Target: schema.MustPlatform("linux/arm64"), Context: "/ctx",
		Image: func(string) *ImageConfig { return &ImageConfig{Env: []string{"PATH=/usr/local/go/bin:/bin"}} }})
	if d.HasErrors() {
		t.Fatal(d)
	}
	groups := Groups(CrossInput{Graphs: []*Graph{g}, Build: build, Foreign: func(p schema.Platform) bool { return p != build },
		Offers: func(string) (bool, bool) { return true, true }})
	if len(groups) != 1 {
		t.Fatalf("%d groups, want 1", len(groups))
	}
	if groups[0].Sound() {
		return ""
	}
	return groups[0].Problems[0].Code
}

func TestGoCommands(t *testing.T) {
	for _, tc := range []struct{ env, run, code string }{
		{"", "go build -o /out/app .", ""},
		{"", "go build -o /out/app ./cmd/app && chmod +x /out/app", ""},
		{"", "set -eux; go mod download; go build -trimpath -o=/out/app .", ""},
		{"ARG V=1.2", `go build -ldflags "-s -w -X main.v=${V}" -o /out/app .`, ""},
		{"", `go build -ldflags "-X main.v=$(git describe --tags)" -o /out/app .`, ""},
		{"", `go build -ldflags "-X main.d=$(date -u +%F) -s" -o /out/app .`, ""},
		{"", `VERSION=$(cat VERSION) && go build -ldflags "-X main.v=$VERSION" -o /out/app .`, ""},
		{"", "CGO_ENABLED=0 GOOS=linux go build -o /out/app .", ""},
		{"", "CGO_ENABLED=0 go build -ldflags '-s -extldflags \"-static\"' -o /out/app .", ""},
		{"", "env CGO_ENABLED=0 go build -o /out/app .", ""},
		{"", "export CGO_ENABLED=0; go build -o /out/app .", ""},
		{"", "go build -C app -o /out/app .", ""},
		{"", "cd app && go build -o ../../out/app .", ""},
		{"", "go build -o /tmp/x . && mkdir -p /out && mv /tmp/x /out/app", ""},
		{"", "GOARCH=arm64 go build -o /out/app .", ""},
		{"ARG TARGETARCH", "GOARCH=$TARGETARCH go build -o /out/app .", ""},
		{"ENV GOFLAGS=-mod=vendor", "go build -o /out/app .", ""},
		{"", "go env -w GOPROXY=https://example.com && go build -o /out/app .", ""},
		{"", "go version && go list -m && go build -o /out/app .", ""},
		{"", "go build -buildvcs=false -tags 'netgo osusergo' -o /out/app .", ""},

		{"", "CGO_ENABLED=1 go build -o /out/app .", "cgo-enabled"},
		{"ENV CGO_ENABLED=1", "go build -o /out/app .", "cgo-enabled"},
		{"", "export CGO_ENABLED=1 && go build -o /out/app .", "cgo-enabled"},
		{"", "CGO_ENABLED=$(cat cgo) go build -o /out/app .", "dynamic-command"},
		{"", "go build -race -o /out/app .", "needs-cgo-flag"},
		{"ENV GOFLAGS=-race", "go build -o /out/app .", "needs-cgo-flag"},
		{"", "go build -buildmode=c-shared -o /out/app .", "needs-cgo-flag"},
		{"", "go build -buildmode pie -o /out/app .", "needs-cgo-flag"},
		{"", "go build -ldflags '-linkmode external' -o /out/app .", "needs-cgo-flag"},
		{"", "go build -ldflags=-linkmode=external -o /out/app .", "needs-cgo-flag"},
		{"", "go build -ldflags '-extldflags -static' -o /out/app .", ""},
		{"", `go build -ldflags "$(cat flags)" -o /out/app .`, "dynamic-command"},
		{"", `go build -ldflags "-T=0x$(cat addr)" -o /out/app .`, "dynamic-command"},
		{"", "GOARCH=amd64 go build -o /out/app .", "target-already-set"},
		{"ENV GOOS=windows", "go build -o /out/app .", "target-already-set"},
		{"", "go build .", "foreign-file"}, // it is in /src
		{"", "go build ./cmd/app && mkdir /out && mv app /out/", ""},
		{"", "go build -o /out ./cmd/app", "foreign-file"}, // the program is /out
		{"", "mkdir -p /out && go build -o /out ./cmd/app", ""},
		{"", "go build ./... && go build -o /out/app .", ""},
		{"", "go build -o /out/app -ldflags \"-X main.v=$(go version)\" .", "arch-probe"},
		{"", "go version | cut -d' ' -f3 > v && go build -o /out/app .", "arch-probe"},
		{"", "go build -o /dev/null ./x && go build -o /out/app .", ""},
		{"", "unset GOARCH; go build -o /out/app .", "target-already-set"},
		{"", "export GOARCH=; go build -o /out/app .", "target-already-set"},
		{"", "set -a; GOFLAGS=-race; go build -o /out/app .", "needs-cgo-flag"},
		{"", "GOFLAGS=-race; go build -o /out/app .", ""},
		{"", "go build -ldflags -extld=gcc -o /out/app .", "needs-cgo-flag"},
		{"", "go build -o /out/x . && cat /bin/sh > /out/app", "foreign-file"},
		{"", "go build -o /out/x . && cat x.txt > /out/app", ""},
		{"", "go build -a -installsuffix cgo -o /out/app .", ""},
		{"", "CGO_ENABLED=1; go build -o /out/app .", "cgo-enabled"},
		{"", "env -i go build -o /out/app .", "unknown-command"},
		{"", "echo $CGO_ENABLED; go build -o /out/app .", "target-name-used"},
		{"ENV CGO_ENABLED=0", "echo $CGO_ENABLED; go build -o /out/app .", ""},
		{"ARG TARGETARCH", "case $TARGETARCH in arm64) export X=1 ;; *) export CGO_ENABLED=1 ;; esac; go build -o /out/app .", ""},
		{"ARG TARGETARCH", "case $TARGETARCH in amd64) export X=1 ;; *) export CGO_ENABLED=1 ;; esac; go build -o /out/app .", "cgo-enabled"},
		{"ARG TARGETARCH", "[ $TARGETARCH = amd64 ] || export GOARCH=amd64; go build -o /out/app .", "target-already-set"},
		{"ARG TARGETARCH", "[[ $TARGETARCH == arm* ]] && go build -o /out/app .", ""},
		{"ARG TARGETPLATFORM", "GOARCH=$(echo $TARGETPLATFORM | cut -d / -f2) go build -o /out/app .", ""},
		{"ARG TARGETPLATFORM", "GOARCH=${TARGETPLATFORM#linux/} go build -o /out/app .", ""},
		{"ARG TARGETPLATFORM", "GOARCH=${TARGETPLATFORM##*/} go build -o /out/app .", ""},
		{"", "[ -e x ] && export CGO_ENABLED=0; go build -o /out/app .", "dynamic-command"},
		{"", "while read x; do go build -o /out/app .; done < list", "opaque-run"},
		{"", "(export GOARCH=s390x; go version); go build -o /out/app .", ""},
		{"", "(cd cmd && true); go build -o ../out/app .", ""},
		{"", "cd cmd | true; go build -o ../out/app .", ""},
		{"", "GOFLAGS=-mod=mod go mod tidy && go build -o /out/app .", ""},
		{"", "go mod download -x && go mod verify && go build -p $(nproc) -o /out/app .", "dynamic-command"},
		{"", "apt-get update && apt-get install -y --no-install-recommends git && rm -rf /var/lib/apt/lists/* && go build -o /out/app .", ""},
		{"", "apk add --virtual .deps unknown && go build -o /out/app .", "package-installed"},
		{"", "apk add $PACKAGES && go build -o /out/app .", ""},
		{"", "apk add $(cat packages) && go build -o /out/app .", "package-installed"},
		{"", "apk add --no-cache gcc && CGO_ENABLED=0 go build -o /out/app .", ""},
		{"", "apk --print-arch > /a && go build -o /out/app .", "arch-probe"},
		{"", "gcc -o /out/x x.c && go build -o /out/app .", "other-compiler"},
		{"", "cargo build && go build -o /out/app .", "other-compiler"},
		{"", "pip install x && go build -o /out/app .", "package-installed"},
		{"", "go get -d ./... && go build -o /out/app .", ""},
		{"", "go get example.com/x && go build -o /out/app .", ""},
		{"", "go install std && go build -o /out/app .", "go-install"},
		{"ENV GOPATH=/x", "go install example.com/a/cmd/app@v1 && mkdir /out && mv /x/bin/app /out/", ""},
		{"ENV GOPATH=/x", "go install example.com/a/app/v2@v2 && mkdir /out && mv /x/bin/app /out/", ""},
		{"ENV GOPATH=/x GOBIN=/out", "go install ./cmd/app", "go-install"},
		{"ENV GOPATH=/go", "go install example.com/tool@v1 && tool && go build -o /out/app .", "runs-product"},
		{"ENV GOPATH=/go", "go install example.com/date@v1 && date && go build -o /out/app .", "runs-product"},
		{"", "GOOS=js GOARCH=wasm go build -o web/app.wasm ./web && go build -o /out/app .", ""},
		{"", "GOOS=js GOARCH=$A go build -o web/app.wasm ./web && go build -o /out/app .", "target-already-set"},
		{"", "GOOS=js GOARCH=wasm go run ./web && go build -o /out/app .", "target-already-set"},
		{"", "command go build -o /out/app .", "script"},
		{"", "command -v git && go build -o /out/app .", ""},
		{"", "go build -o /out/x . && cd /bin && cat sh > /out/app", "foreign-file"},
		{"", "go build -o /out/x . && cat /bin/sh | tee /out/app", "foreign-file"},
		{"", "go build -o /out/x . && cd /src/cmd && ln -s ../bin/sh /out/app", "foreign-file"},
		{"", "go build -o /out/x . && ln -s x /out/app", ""},
		{"", "go env -json > e && go build -o /out/app .", "arch-probe"},
		{"", "go env && go build -o /out/app .", ""},
		{"ENV X=\"a -race\"", "go build -o /out/app ./cmd/$X", "dynamic-command"},
		{"", "X=1; Y=$((X=2)); go build -o /out/app ./cmd/v$X", ""},
		{"", "tar -xf x.tar --to-command=sh && go build -o /out/app .", "script"},
		{"", "awk '{ print | \"sh\" }' x && go build -o /out/app .", "script"},
		{"", "sed '1e id' x && go build -o /out/app .", "script"},
		{"", "sed -i s/a/b/g x && go build -o /out/app .", ""},
		{"", "git submodule foreach make && go build -o /out/app .", "script"},
		{"", "install -s x /out/app", "script"},
		{"ENV GOAMD64=v3", "go build -o /out/app .", ""},
		{"", "go build -o $(cat name) .", "dynamic-command"},
		{"", "for a in app y; do go build -o /out/$a ./cmd/$a; done", ""},
		{"", "for a in $(ls cmd); do go build -o /out/$a ./cmd/$a; done", ""},
		{"", "for a in $(ls cmd); do go build -o /usr/bin/$a ./cmd/$a; done", "dynamic-command"},
		{"", "for a in $(ls cmd); do go build -o /out/$a $F ./cmd/$a; F=-race; done", "dynamic-command"},
		{"", "go build -toolexec /x -o /out/app .", "toolchain-changed"},
		{"ENV GOEXPERIMENT=boringcrypto", "go build -o /out/app .", "toolchain-changed"},
		{"", "go env -w GOOS=linux && go build -o /out/app .", "toolchain-changed"},
		{"", "go env GOHOSTARCH > /arch && go build -o /out/app .", "arch-probe"},
		{"", "go build -o /out/app . && /out/app --version", "runs-product"},
		{"", "cd /out && go build -o app /src && ./app", "runs-product"},
		{"", "go build -o /usr/local/bin/tool . && tool generate && go build -o /out/app .", "runs-product"},
		{"", "go test ./... && go build -o /out/app .", "go-test"},
		{"", "go run ./gen && go build -o /out/app .", "go-run"},
		{"", "go generate ./... && go build -o /out/app .", "go-generate"},
		{"", "go install ./cmd/app", "foreign-file"}, // it is in /root/go/bin
		{"", "go vet ./... && go build -o /out/app .", ""},
		{"", "go vet -vettool=x ./... && go build -o /out/app .", "toolchain-changed"},
		{"", "go tool x && go build -o /out/app .", "go-tool"},
		{"", "apk add --no-cache gcc && go build -o /out/app .", "package-installed"},
		{"", "[ $(uname -m) = x86_64 ] && go build -o /out/app .", "arch-probe"},
		{"", "cat /proc/cpuinfo && go build -o /out/app .", ""}, // only printed
		{"", "cat /proc/cpuinfo > c && go build -o /out/app .", "arch-probe"},
		{"", "git clone --depth 1 https://example.com/x.git /src && go build -o /out/app .", ""},
		{"", "git bisect run x && go build -o /out/app .", "script"},
		{"", "go build -gcflags=\"$FLAGS\" -o /out/app .", ""}, // empty: the image's variables are known
		{"", "go build -o $HOME/app . && cp $HOME/app /out/app", "dynamic-command"},
		{"", "wget -O x http://example.com/x-amd64 && go build -o /out/app .", "download"},
		{"", "make build", "make"},
		{"", "./build.sh", "script"},
		{"", "sh build.sh", "script"},
		{"", "sh -c 'go build -o /out/app .'", "script"},
		{"", "find . -exec strip {} + && go build -o /out/app .", "script"},
		{"", "go build -o /out/app . && upx /out/app", "unknown-command"},
		{"", "f() { go build -o /out/app .; }; f", "opaque-run"},
		{"", "go build -o /out/app . && cp /bin/sh /out/app", "foreign-file"},
		{`SHELL ["/bin/ash", "-c"]`, "go build -o /out/app .", ""},
		{`SHELL ["/usr/bin/python3", "-c"]`, "go build -o /out/app .", "opaque-run"},
	} {
		if got := judgeRun(t, tc.env, tc.run); got != tc.code {
			t.Errorf("%s RUN %s: %q, want %q", tc.env, tc.run, got, tc.code)
		}
	}
}

func TestVariants(t *testing.T) {
	f, d := Parse("Dockerfile", []byte("FROM golang:1.26-alpine AS b\nRUN go build -o /out/app .\nFROM scratch\nCOPY --from=b /out/app /\n"))
	if d.HasErrors() {
		t.Fatal(d)
	}
	build := schema.MustPlatform("linux/amd64")
	for _, tc := range []struct {
		platforms string
		want      string // part of the ARG line, or the code of the refusal
	}{
		{"linux/amd64 linux/arm64", "ARG GOOS=$TARGETOS GOARCH=$TARGETARCH CGO_ENABLED=0"},
		{"linux/amd64 linux/arm/v7", "GOARM=${TARGETVARIANT#v}"},
		{"linux/amd64/v3 linux/arm64", "GOAMD64=$TARGETVARIANT"},
		{"linux/amd64 linux/arm64/v9", "GOARM64=${TARGETVARIANT/v9/v9.0}"},
		{"linux/amd64 linux/s390x/z13", "variant-unknown"},
	} {
		in := CrossInput{Build: build, Foreign: func(p schema.Platform) bool { return !build.Executes(p) }, Offers: func(string) (bool, bool) { return false, false }}
		for _, s := range strings.Fields(tc.platforms) {
			g, d := f.Resolve(Env{Build: build, Target: schema.MustPlatform(s), Context: "/c"})
			if d.HasErrors() {
				t.Fatal(d)
			}
			in.Graphs = append(in.Graphs, g)
		}
		groups := Groups(in)
		got := ""
		if groups[0].Sound() {
			got = f.Cross(in, groups, "").Text
		} else {
			got = groups[0].Problems[0].Code
		}
		if !strings.Contains(got, tc.want) {
			t.Errorf("%s: %s, want %s", tc.platforms, got, tc.want)
		}
	}
}

// TestLevels: on every platform of every set, the compiler is given the level of that platform and no other.
func TestLevels(t *testing.T) {
	f, d := Parse("Dockerfile", []byte("FROM golang:1.26-alpine AS b\nRUN go build -o /out/app .\nFROM scratch\nCOPY --from=b /out/app /\n"))
	if d.HasErrors() {
		t.Fatal(d)
	}
	all := strings.Fields("linux/amd64 linux/amd64/v2 linux/amd64/v3 linux/arm64 linux/arm64/v8.2 linux/arm64/v9 linux/arm64/v9.2 linux/arm/v5 " +
		"linux/arm/v7 linux/arm/v8 linux/ppc64/power9 linux/ppc64le/power10 linux/riscv64 linux/riscv64/rva22u64 windows/amd64/v3 linux/386 darwin/arm64")
	rnd := rand.New(rand.NewPCG(1, 2))
	build := schema.MustPlatform("linux/amd64")
	resolve := func(f *File, q schema.Platform) *Graph {
		g, d := f.Resolve(Env{Build: build, Target: q, Context: "/c"})
		if d.HasErrors() {
			t.Fatal(d)
		}
		return g
	}
	for range 300 {
		in := CrossInput{Build: build, Foreign: func(p schema.Platform) bool { return true }, Offers: func(string) (bool, bool) { return false, false }}
		var set []schema.Platform
		for _, i := range rnd.Perm(len(all))[:1+rnd.IntN(6)] {
			set = append(set, schema.MustPlatform(all[i]))
			in.Graphs = append(in.Graphs, resolve(f, set[len(set)-1]))
		}
		groups := Groups(in)
		if !groups[0].Sound() {
			t.Fatalf("%v: %v", set, groups[0].Problems)
		}
		text := f.Cross(in, groups, "").Text
		crossed, d := Parse("Dockerfile", []byte(text))
		if d.HasErrors() {
			t.Fatal(d)
		}
		for i, q := range set {
			run := resolve(crossed, q).Nodes[0].Runs[0]
			want := goGiven(in.Graphs, in.Graphs[i])
			if name, level := q.GoLevel(); want[name] != level {
				t.Errorf("%v: %s: %s is taken for %q, want %q", set, q, name, want[name], level)
			}
			for _, name := range goTargetNames[:len(goTargetNames)-1] {
				if got, _ := run.Env.Get(name); got != want[name] {
					t.Errorf("%v: %s: %s=%q, want %q; text:\n%s", set, q, name, got, want[name], text)
				}
			}
		}
	}
}
