package e2e

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/xbuild/xbuild/e2e/parts"
)

// TestCrowd lets many runs begin at once, on a BuildKit inside xbuild that none of them finds running: of one project, which
// they all write to one folder, and of two.
func TestCrowd(t *testing.T) {
	runs := parts.Volume(20, 50)
	files := map[string]string{
		"Dockerfile": `FROM --platform=$BUILDPLATFORM busybox AS step
COPY name /
RUN sleep 0.5; cat /name > /made; echo made >> /made
FROM scratch
ARG TARGETARCH
COPY --from=step /made /$TARGETARCH
`,
		"xbuild.hcl": `target "default" {
  platforms = ["linux/amd64", "linux/arm64"]
  output    = ["out", "type=tar,dest=all.tar"]
}
`}
	for n := 1; n <= 2; n++ {
		t.Run(fmt.Sprintf("projects-%d", n), func(t *testing.T) {
			var dirs []string
			for i := range n {
				files["name"] = fmt.Sprintf("project %d of %d\n", i, n)
				dirs = append(dirs, project(t, files))
			}
			w := embedded(t, dirs[0])
			results := make([]result, runs)
			var all sync.WaitGroup
			for i := range runs {
				all.Go(func() {
					one := &world{dir: dirs[i%n], env: w.env}
					results[i] = one.xbuild(t.Context(), "run", "--force", "--progress", "plain")
				})
			}
			all.Wait()
			for i, r := range results {
				if r.code != 0 {
					t.Errorf("run %d: exit code %d\n%s", i, r.code, tail(r.stderr, 20))
				}
			}
			for i, dir := range dirs {
				for _, arch := range []string{"amd64", "arm64"} {
					if got, want := read(t, filepath.Join(dir, "out/linux_"+arch, arch)), fmt.Sprintf("project %d of %d\nmade\n", i, n); got != want {
						t.Errorf("project %d has %q for %s, want %q", i, got, arch, want)
					}
				}
				before := snapshot(t, dir)
				if len(before) != 6 {
					t.Errorf("project %d has the files %v, want 3 of its own and 3 that were made", i, before)
				}
				one := &world{dir: dir, env: w.env}
				one.ok(t, "run")
				if d := diffSnapshots(before, snapshot(t, dir)); d != "" {
					t.Errorf("a run that had nothing to do changed %s", d)
				}
			}
		})
	}
}
