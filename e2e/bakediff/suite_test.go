// Package bakediff compares `xbuild print` with `buildx bake --print`, the program that xbuild's reading of Bake files
// must agree with.
//
// In: cases, each some files, a command line and an environment. They come from a table of all attributes, forms and ways to
// combine them (attributes_test.go, overrides_test.go), also mixed at random (generated_test.go), from testdata/functions.txt, an expression a line, and from
// testdata/*.txtar. Out: where the two programs differ. Promised: what the peer prints, xbuild prints, byte for byte; what the peer refuses,
// xbuild refuses, at the same line, with nothing on stdout; print changes nothing on disk. The exceptions are the closed
// list in exceptions_test.go, and the README's section on compatibility is made from it.
//
// It needs neither root nor a daemon. Switches, all environment variables:
//
//	BUILDX=path               a peer that is built already; else the one that e2e/peer pins is built
//	XBUILD=path               an xbuild that is built already
//	XBUILD_BAKEDIFF_SELF=1    compares the peer with itself: whatever fails then is a fault of the suite or random
//	XBUILD_BAKE_CORPUS=folder compares every build file below it as well, each in a copy of its folder
//	XBUILD_UPDATE=1           rewrites the expected results of exceptions, and the README
//
// Start with [TestBake].
package bakediff

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

// suite is what all tests share.
var suite struct {
	sync.Once
	dir          string // removed at the end
	peer, xbuild program
	err          error

	ran atomic.Int64 // cases
}

func TestMain(m *testing.M) {
	code := m.Run()
	if suite.dir != "" {
		os.RemoveAll(suite.dir)
	}
	fmt.Printf("bake: %d cases, %d exceptions\n", suite.ran.Load(), len(exceptions))
	os.Exit(code)
}

// self says that the peer is compared with itself.
func self() bool { return os.Getenv("XBUILD_BAKEDIFF_SELF") == "1" }

func update() bool { return os.Getenv("XBUILD_UPDATE") == "1" }

// programs builds the two programs when the first test asks for them.
func programs(t *testing.T) (peer, xbuild program) {
	t.Helper()
	suite.Do(func() { suite.err = prepare() })
	if suite.err != nil {
		t.Fatal(suite.err)
	}
	return suite.peer, suite.xbuild
}

func prepare() error {
	var err error
	if suite.dir, err = os.MkdirTemp("", "xb-bake-"); err != nil {
		return err
	}
	for _, d := range []string{"home", "work"} {
		if err := os.Mkdir(filepath.Join(suite.dir, d), 0o755); err != nil {
			return err
		}
	}
	if _, err := net.Listen("unix", filepath.Join(suite.dir, "agent")); err != nil { // as an ssh agent does; it ends with the process
		return err
	}
	cache, err := os.UserCacheDir()
	if d := os.Getenv("XBUILD_TEST_CACHE"); d != "" {
		cache, err = d, nil
	} else {
		cache = filepath.Join(cache, "xbuild-test")
	}
	if err != nil {
		return fmt.Errorf("no folder to keep buildx in: %w; set XBUILD_TEST_CACHE", err)
	}
	peer, err := build("BUILDX", "../peer", filepath.Join(cache, "bin", "buildx"), "github.com/docker/buildx/cmd/buildx")
	if err != nil {
		return err
	}
	suite.peer = program{path: peer, args: []string{"bake", "--print"}}
	if self() {
		suite.xbuild = suite.peer
		return nil
	}
	xbuild, err := build("XBUILD", "../..", filepath.Join(suite.dir, "xbuild"), "./cmd/xbuild")
	suite.xbuild = program{path: xbuild, args: []string{"print"}}
	return err
}

// build returns the program that the variable names, or compiles it. go build finds out by itself that nothing is to be done.
func build(variable, module, to, pkg string) (string, error) {
	if path := os.Getenv(variable); path != "" {
		return filepath.Abs(path)
	}
	cmd := exec.Command("go", "build", "-o", to, pkg)
	cmd.Dir, cmd.Env = module, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s: %w\n%s", pkg, err, out)
	}
	return to, nil
}

// TestBake runs every case.
func TestBake(t *testing.T) {
	peer, xbuild := programs(t)
	cases := all(t)
	if len(cases) < 500 {
		t.Errorf("%d cases, want at least 500", len(cases))
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			suite.ran.Add(1)
			if e := exceptionFor(c.name); e != nil {
				e.check(t, c, peer, xbuild)
				return
			}
			dir := layOut(t, c)
			want := peer.run(t, dir, c)
			if c.expect != "" && (want.code == 0) != (c.expect == accepted) {
				t.Errorf("the table says that the peer has this %s: exit code %d\n%s", c.expect, want.code, want.stderr)
			}
			got := xbuild.run(t, dir, c)
			if d := verdict(want, got, c.files); d != "" {
				t.Error(d + "\n" + c.String())
			}
		})
	}
}

// all collects the cases of every source, and refuses two of one name.
func all(t *testing.T) []testCase {
	t.Helper()
	var out []testCase
	for _, from := range []func(*testing.T) []testCase{attributeCases, overrideCases, functionCases, archiveCases, generatedCases} {
		out = append(out, from(t)...)
	}
	seen := map[string]bool{}
	for _, c := range out {
		if seen[c.name] {
			t.Fatalf("two cases are called %s", c.name)
		}
		seen[c.name] = true
	}
	for _, e := range exceptions {
		for _, name := range e.cases {
			if !seen[name] {
				t.Errorf("an exception is about the case %s, which does not exist", name)
			}
		}
	}
	return out
}
