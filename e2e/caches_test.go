package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// cacheProject has two targets that read and write one cache. With --var WRITES= it has no cache-to, as the file of a pull
// request's run; with --var ONLY=a only the target a writes.
func cacheProject(t *testing.T, file, from, to string) string {
	text := "variable \"WRITES\" { default = \"1\" }\nvariable \"ONLY\" { default = \"\" }\n"
	for _, name := range []string{"a", "b"} {
		text += fmt.Sprintf("target %q {\n  args = { NAME = %q }\n  cache-from = [%q]\n  cache-to = WRITES == \"1\" && (ONLY == \"\" || ONLY == %q) ? [%q] : []\n  output = [\"out/%s\"]\n}\n",
			name, name, from, name, to, name)
	}
	return project(t, map[string]string{"Dockerfile": "FROM busybox\nARG NAME\nRUN --network=none cat /proc/sys/kernel/random/uuid > /name\n", file: text + "group \"default\" { targets = [\"a\", \"b\"] }\n"})
}

// TestSplitCachesAreFound: what a run wrote into one cache for several targets is found by runs on other daemons, whatever they
// write and whichever targets they build; and so is what docker buildx bake wrote, which does not split.
func TestSplitCachesAreFound(t *testing.T) {
	b := bed(t)
	for _, store := range []string{"local", "registry"} {
		for _, file := range []string{"xbuild.hcl", "docker-bake.hcl"} {
			t.Run(store+" "+file, func(t *testing.T) {
				at := filepath.Join(t.TempDir(), "cache")
				from, to := "type=local,src="+at, "type=local,mode=max,dest="+at
				if store == "registry" {
					ref := b.Registry + "/parity/" + strings.ReplaceAll(file, ".", "-")
					from, to = "type=registry,ref="+ref+":c", "type=registry,mode=max,ref="+ref+":c"
				}
				dir := cacheProject(t, file, from, to)
				run := func(args ...string) {
					t.Helper()
					fresh(t, dir).ok(t, append([]string{"run", "--progress", "plain", "--allow", "fs=*"}, args...)...)
				}
				made := map[string]string{} // what each target made when it ran
				cached := func(names ...string) {
					t.Helper()
					for _, name := range names {
						if got := read(t, filepath.Join(dir, "out", name, "name")); got != made[name] {
							t.Errorf("the step of %s ran again", name)
						}
					}
				}
				run("--var", "ONLY=a") // one writer: as docker buildx bake writes
				made["a"] = read(t, filepath.Join(dir, "out", "a", "name"))
				run("a")
				cached("a")
				run()
				cached("a")
				made["b"] = read(t, filepath.Join(dir, "out", "b", "name"))
				for _, args := range [][]string{{}, {"b"}, {"--var", "WRITES=", "a"}, {"--var", "WRITES="}} {
					if err := os.RemoveAll(filepath.Join(dir, "out")); err != nil {
						t.Fatal(err)
					}
					run(args...)
					names := []string{"a", "b"}
					if i := len(args) - 1; i >= 0 && len(args[i]) == 1 {
						names = args[i:]
					}
					cached(names...)
				}
			})
		}
	}
}
