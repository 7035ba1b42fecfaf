//go:build linux

package buildkit

import (
	"strings"
	"testing"

	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// TestVouchedIsBlamed: a stage that a strategy block vouches for wrongly is refused at the line of the block, and the stage that made
// the file is the one that is named; all are where the file does not tell.
func TestVouchedIsBlamed(t *testing.T) {
	const text = `FROM scratch AS one
COPY script /out/script
FROM scratch AS two
COPY tool /out/tool
FROM scratch AS three
COPY tool /out/tool
`
	const both = "strategy.mine vouches for the stages one and two, one of which made it, which may not be right"
	const only = "strategy.mine vouches for stage two, which may not be right"
	for name, tc := range map[string]struct {
		last   string // the last stage
		proven bool   // stage two is proven by xbuild, not vouched for
		want   string
	}{
		"directories":       {last: "FROM scratch\nCOPY --from=one /out/ /a/\nCOPY --from=two /out/ /b/\n", want: only},
		"files":             {last: "FROM scratch\nCOPY --from=one /out/script /\nCOPY --from=two /out/tool /\n", want: only}, // the name tells, though either could be a directory
		"renamed":           {last: "FROM scratch\nCOPY --from=two /out/tool /bin/program\nCOPY --from=one /out /bin/more\n", want: only},
		"deeper":            {last: "FROM scratch\nCOPY --from=one /out/ /\nCOPY --from=two /out/ /bin/\n", want: only},
		"one directory":     {last: "FROM scratch\nCOPY --from=one /out/ /\nCOPY --from=two /out/ /\n", want: both},
		"base":              {last: "FROM two\nCOPY --from=one /out/script /script\n", want: both},
		"another is proven": {last: "FROM scratch\nCOPY --from=one /out/ /a/\nCOPY --from=two /out/ /b/\n", proven: true, want: "report this as a bug"},
	} {
		for kind, output := range map[string]schema.Output{"local": {Type: schema.OutputLocal, Dest: "out"}, "image": {Type: schema.OutputOCI, Dest: "x.tar"}} {
			if name == "base" && kind == "image" {
				continue // of an image only what was copied is looked at
			}
			t.Run(name+"/"+kind, func(t *testing.T) {
				p := newProject(t, map[string]string{"Dockerfile": text + tc.last, "script": "#!/bin/sh\n"})
				p.target("x", "linux/s390x", func(b *schema.Build) {
					output.Dest = p.dir + "/" + output.Dest
					b.Outputs = []schema.Output{output}
				})
				pl := p.plan("x")
				at := &diag.Range{Filename: "xbuild.hcl", Start: diag.Pos{Line: 7, Column: 1}, End: diag.Pos{Line: 7, Column: 16}}
				pl.Targets[0].Strategy, pl.Targets[0].StrategyAt = "strategy.mine", at
				for i := range pl.Stages {
					e := plan.Vouched
					switch st := &pl.Stages[i]; {
					case tc.proven && st.Stage == "two":
						proven := plan.Proven
						st.Evidence = &proven
					case st.Stage == "one" || st.Stage == "two":
						st.Evidence = &e
					}
				}
				f := p.run(pl).only(t)
				if !strings.Contains(f.Error(), tc.want) {
					t.Errorf("failure %q, want %q", f, tc.want)
				}
				if !tc.proven && f.At != at {
					t.Errorf("it is at %v, want %v", f.At, at)
				}
			})
		}
	}
}
