package dockerfile

import "testing"

// TestCheckedGrade: a build behind commands that are not known may be crossed on the evidence of its result if nothing else
// stands against it, and what else does comes first among the reasons.
func TestCheckedGrade(t *testing.T) {
	const (
		golang = "FROM golang:1.26-alpine AS build\nWORKDIR /src\n"
		final  = "FROM scratch\nCOPY --from=build /src/bin /\n"
	)
	build := func(before, after string) string { return golang + before + "COPY . .\nRUN make\n" + after + final }
	for name, tc := range map[string]struct {
		text, probe string
		unseen      bool   // the context was not looked at
		code        string // the first reason against it, "" if there is none
	}{
		"make":                                 {text: build("", "")},
		"a script":                             {text: golang + "COPY . .\nRUN ./build.sh\n" + final},
		"make after go":                        {text: golang + "COPY . .\nRUN go build -o bin/app . && make\n" + final},
		"a stage on top":                       {text: golang + "COPY . .\nFROM build AS two\nRUN make\nFROM scratch\nCOPY --from=two /src/bin /\n"},
		"the context was not looked at":        {text: build("", ""), unseen: true, code: "make"},
		"a script asks for the machine":        {text: build("", ""), probe: "build.sh:3: uname -m asks for the machine", code: "arch-probe"},
		"the image may have no Go":             {text: "FROM alpine AS build\nWORKDIR /src\nCOPY . .\nRUN make\n" + final, code: "make"},
		"make may come from elsewhere":         {text: golang + "RUN make\n" + final, code: "files-unknown"},
		"a script from a pinned stage":         {text: "FROM --platform=$BUILDPLATFORM alpine AS s\nRUN echo >/x.sh\n" + build("COPY --from=s /x.sh /src/\n", ""), code: "files-unknown"},
		"a script from the net":                {text: build("ADD https://example.com/x.sh /src/\n", ""), code: "download"},
		"a fixed target":                       {text: build("ENV GOARCH=arm64\n", ""), code: "target-already-set"},
		"a fixed system":                       {text: build("ENV GOOS=plan9\n", ""), code: "target-already-set"},
		"its own target":                       {text: build("ENV GOOS=linux\n", "")},
		"cgo":                                  {text: build("ENV CGO_ENABLED=1\n", ""), code: "cgo-enabled"},
		"a compiler in the image":              {text: "FROM golang:1.26 AS build\nWORKDIR /src\nCOPY . .\nRUN make\n" + final, code: "cgo-possible"},
		"a compiler in the image, but no cgo":  {text: "FROM golang:1.26 AS build\nENV CGO_ENABLED=0\nWORKDIR /src\nCOPY . .\nRUN make\n" + final},
		"a compiler that was installed":        {text: build("RUN apk add gcc\n", ""), code: "package-installed"},
		"another toolchain":                    {text: build("ENV GOROOT=/src/go\n", ""), code: "toolchain-changed"},
		"flags that need cgo":                  {text: build("ENV GOFLAGS=-race\n", ""), code: "needs-cgo-flag"},
		"a base that is shipped":               {text: "FROM golang:1.26-alpine AS build\nWORKDIR /src\nCOPY . .\nRUN make\nFROM build\nCMD [\"/src/bin/app\"]\n", code: "final-run"},
		"a text of the image":                  {text: build("", "") + "COPY --from=build /etc/alpine-release /\n", code: "copies-tree"},
		"folders of the image":                 {text: build("", "") + "COPY --from=build /usr/lib /\n", code: "copies-tree"},
		"a text of the image among products":   {text: build("", "RUN cp /etc/alpine-release bin/note\n"), code: "foreign-file"},
		"a fixed platform":                     {text: "FROM --platform=linux/arm64 " + build("", "")[len("FROM "):], code: "platform-fixed"},
		"all of the image":                     {text: build("", "") + "COPY --from=build / /\n", code: "copies-tree"},
		"a program where programs are":         {text: build("", "") + "COPY --from=build /usr/local/bin/app /\n"},
		"a script from another stage, by name": {text: "FROM --platform=$BUILDPLATFORM alpine AS s\nRUN echo >/x.sh\n" + golang + "COPY . .\nCOPY --from=s /x.sh gen.sh\nRUN make\n" + final, code: "files-unknown"},
		"a folder of another stage, run":       {text: "FROM --platform=$BUILDPLATFORM alpine AS s\nRUN echo >/gen/x\n" + golang + "COPY . .\nCOPY --from=s /gen /gen\nRUN make -C /gen\n" + final, code: "files-unknown"},
		"a folder of another stage, for sh":    {text: "FROM --platform=$BUILDPLATFORM alpine AS s\nRUN echo >/gen/x\n" + golang + "COPY . .\nCOPY --from=s /gen .\nRUN sh x\n" + final, code: "files-unknown"},
		"a mount of another stage, run":        {text: "FROM --platform=$BUILDPLATFORM alpine AS s\nRUN echo >/gen/x\n" + golang + "COPY . .\nRUN --mount=from=s,target=/gen make -f /gen/x\n" + final, code: "files-unknown"},
		"a mount of an image":                  {text: golang + "COPY . .\nRUN --mount=from=example.com/tools,target=/t make\n" + final, code: "files-unknown"},
		"pages of another stage":               {text: "FROM --platform=$BUILDPLATFORM alpine AS s\nRUN echo >/dist/page.html\n" + golang + "COPY . .\nCOPY --from=s /dist web/dist\nRUN make app\n" + final},
		"what a child stage takes":             {text: "FROM golang:1.26-alpine AS base\nWORKDIR /src\nCOPY . .\nFROM base AS tools\nRUN make tools\nFROM base AS build\nCOPY --from=tools /src/bin/tool /src/\nRUN make\n" + final, code: "product-reused"},
		"a name that a later line uses":        {text: build("", "WORKDIR /out/$TARGETARCH\n"), code: "target-name-used"},
	} {
		t.Run(name, func(t *testing.T) {
			_, in := crossInput(t, tc.text, "")
			in.Files, in.Probe = !tc.unseen, tc.probe
			code, checked := "", false
			for _, g := range Groups(in) {
				if g.Checked {
					checked = true
				} else if !g.Sound() && code == "" {
					code = g.Problems[0].Code
				}
			}
			if code != tc.code || checked != (tc.code == "") {
				t.Errorf("%q, checked by its result: %v; want %q\n%+v", code, checked, tc.code, Groups(in))
			}
		})
	}
}
