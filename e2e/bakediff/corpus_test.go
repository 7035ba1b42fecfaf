package bakediff

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var buildFile = regexp.MustCompile(`(?i)(\.hcl|bake.*\.json|compose.*\.ya?ml)$`)

// TestCorpus compares every build file below XBUILD_BAKE_CORPUS, each in a copy of the folder that it is in: with no target, and with
// all of them. Such files are whatever other people wrote, and are not kept here.
func TestCorpus(t *testing.T) {
	root := os.Getenv("XBUILD_BAKE_CORPUS")
	if root == "" {
		return // it is a tool for whoever has such files; the suite itself is complete without
	}
	peer, xbuild := programs(t)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !buildFile.MatchString(path) {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		for name, targets := range map[string][]string{"": nil, " all": {"*"}} {
			c := testCase{name: rel + name, from: filepath.Dir(path), args: append([]string{"-f", filepath.Base(path)}, targets...)}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			c.files = map[string]string{filepath.Base(path): string(text)}
			t.Run(strings.ReplaceAll(c.name, " ", "-"), func(t *testing.T) {
				t.Parallel()
				compareOften(t, c, peer, xbuild)
			})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// compareOften asks the peer again where it differs, since it does some things at random.
func compareOften(t *testing.T, c testCase, peer, xbuild program) {
	suite.ran.Add(1)
	dir := layOut(t, c)
	got := xbuild.run(t, dir, c)
	first := ""
	for range 8 {
		d := verdict(peer.run(t, dir, c), got, c.files)
		if d == "" {
			return
		}
		if first == "" {
			first = d
		}
	}
	t.Error(first)
}
