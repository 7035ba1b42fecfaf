package cli

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/xbuild/xbuild/cmd/internal/entitle"
	"github.com/xbuild/xbuild/hcl"
	"github.com/xbuild/xbuild/internal/regular"
	"github.com/xbuild/xbuild/schema"
)

// access is what a command lets its build files use of this machine.
type access struct {
	world  entitle.World
	grants entitle.Grants
	// counts says that paths and SSH agents must be granted, unless they are free.
	counts bool
	// area says in words what is free.
	area string
}

// newAccess is the access of build files. Files of Bake's dialect, and those that come from elsewhere, have the working
// directory dir, exactly as in Bake; an xbuild.hcl has its project.
func (a *app) newAccess(in *inputFlags, dir string, files []textFile) (*access, error) {
	acc := &access{world: entitle.World{Dir: dir, Free: []string{dir}, Real: entitle.RealPaths()}, area: "the working directory"}
	if in.remote.url == "" && len(files) > 0 && hcl.Dialect(files[len(files)-1].path) == schema.XbuildDialect {
		acc.area, acc.world.Free = "the project", nil
		for _, f := range files {
			if root := entitle.ProjectRoot(f.path, a.homes()); root != "" {
				acc.world.Free = append(acc.world.Free, root)
			}
		}
	}
	grants, err := entitle.Parse(in.allow, acc.world)
	if err != nil {
		return nil, &exitError{ExitUsage, err}
	}
	acc.grants = grants.FromSets(in.sets, acc.world)
	if acc.counts, err = a.pathsCount(in); err != nil {
		return nil, &exitError{ExitUsage, err}
	}
	return acc, nil
}

// pathsCount tells whether paths must be granted, which the environment can switch off.
func (a *app) pathsCount(in *inputFlags) (bool, error) {
	off := map[string]bool{"BUILDX_BAKE_ENTITLEMENTS_FS": false}
	if in.remote.url != "" {
		off["BAKE_ALLOW_REMOTE_FS_ACCESS"] = true
	}
	for name, value := range off {
		s := a.getenv(name)
		if s == "" {
			continue
		}
		b, err := strconv.ParseBool(s)
		if err != nil {
			return false, fmt.Errorf("%s=%s in the environment: want true or false", name, s)
		}
		if b == value {
			return false, nil
		}
	}
	return true, nil
}

// notGranted is the error for a path that the build files may not read.
type notGranted struct{ reason string }

func (e *notGranted) Error() string { return e.reason }

// Is makes it an [hcl.ErrNotGranted].
func (e *notGranted) Is(target error) bool { return target == hcl.ErrNotGranted }

// check refuses an absolute path that must not be read.
func (acc *access) check(p string) error {
	if !acc.counts || acc.grants.Allows(p, acc.world) {
		return nil
	}
	need := []entitle.Need{{Key: entitle.Read, Value: filepath.Clean(p)}}
	return &notGranted{fmt.Sprintf("it is outside %s; if you trust the build file, add %s", acc.area, entitle.Flags(need, acc.world)[0])}
}

// readFile reads a file for an expression or an include. The path is checked as it is opened: a link that is put in its
// place meanwhile leads nowhere else.
func (acc *access) readFile(p string) ([]byte, error) {
	if err := acc.check(p); err != nil {
		return nil, err
	}
	root, rel := acc.grants.Root(p, acc.world)
	if !acc.counts || root == "" {
		return regular.ReadFile(p)
	}
	return regular.ReadIn(root, rel)
}

func (acc *access) stat(p string) (fs.FileInfo, error) {
	if err := acc.check(p); err != nil {
		return nil, err
	}
	return os.Stat(p)
}

// glob lists files. What a pattern finds through a link is checked when it is read.
func (acc *access) glob(pattern string) ([]string, error) {
	fixed := pattern
	if i := strings.IndexAny(pattern, `*?[\`); i >= 0 {
		fixed = filepath.Dir(pattern[:i] + "x")
	}
	if err := acc.check(fixed); err != nil {
		return nil, err
	}
	return filepath.Glob(pattern)
}

// guard makes everything that expressions and includes read pass the access. Bake's files have no such expressions; what is
// looked at for them are secrets and the places of outputs, as Bake does.
func (acc *access) guard(env *hcl.Env, files []textFile) {
	env.ReadFile, env.Glob = acc.readFile, acc.glob
	for _, f := range files {
		if hcl.Dialect(f.path) == schema.XbuildDialect {
			env.Stat = acc.stat
		}
	}
}
