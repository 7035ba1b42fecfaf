package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/xbuild/xbuild/e2e/parts"
)

// peerOn runs docker buildx, the one that the module in peer pins or BUILDX names, in a folder and with the BuildKit of a daemon.
func peerOn(t *testing.T, d *parts.Daemon, dir string, args ...string) {
	t.Helper()
	program := os.Getenv("BUILDX")
	if program == "" {
		program = filepath.Join(bed(t).Cache, "bin", "buildx")
		command(t, "peer", os.Environ(), "go", "build", "-o", program, "github.com/docker/buildx/cmd/buildx")
	}
	home := t.TempDir()
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "DOCKER_CONFIG=" + home, "BUILDX_NO_DEFAULT_ATTESTATIONS=1"}
	command(t, dir, env, program, "create", "--name", "peer", "--driver", "remote", d.Address)
	command(t, dir, append(env, "BUILDX_BUILDER=peer"), program, args...)
}

func command(t *testing.T, dir string, env []string, program string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), program, args...)
	cmd.Dir, cmd.Env = dir, env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", filepath.Base(program), args, err, out)
	}
}

// TestCachesOfThePeerAreRead: what docker buildx bake wrote into a cache is found on another daemon, by both dialects, by runs of all
// targets and of one, whether they write the cache too or only read it; and docker buildx bake finds what xbuild wrote as one unit.
func TestCachesOfThePeerAreRead(t *testing.T) {
	b := bed(t)
	for _, store := range []string{"local", "registry"} {
		t.Run(store, func(t *testing.T) {
			at := filepath.Join(t.TempDir(), "cache")
			from, to := "type=local,src="+at, "type=local,mode=max,dest="+at
			if store == "registry" {
				from = "type=registry,ref=" + b.Registry + "/parity/written:peer"
				to = from + ",mode=max"
			}
			bake := cacheProject(t, "docker-bake.hcl", from, to)
			peerOn(t, freshDaemon(t, ""), bake, "bake", "--allow", "fs=*", "--var", "ONLY=a", "a")
			made := read(t, filepath.Join(bake, "out", "a", "name"))
			same := func(dir, what string) {
				t.Helper()
				if read(t, filepath.Join(dir, "out", "a", "name")) != made {
					t.Errorf("%s: the step ran again", what)
				}
			}
			for _, file := range []string{"docker-bake.hcl", "xbuild.hcl"} {
				for _, args := range [][]string{{"--var", "WRITES=", "a"}, {"--var", "WRITES="}, {"--var", "ONLY=a", "a"}} {
					dir := cacheProject(t, file, from, to)
					fresh(t, dir).ok(t, append([]string{"run", "--allow", "fs=*"}, args...)...)
					same(dir, file)
				}
			}
			again := cacheProject(t, "docker-bake.hcl", from, to) // the last run above wrote the cache
			peerOn(t, freshDaemon(t, ""), again, "bake", "--allow", "fs=*", "--var", "WRITES=", "a")
			same(again, "docker buildx bake")
		})
	}
}
