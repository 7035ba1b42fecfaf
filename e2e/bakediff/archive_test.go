package bakediff

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/shlex"
	"golang.org/x/tools/txtar"
)

// archiveCases reads testdata/*.txtar. The text before the files says what they show; every line of it that begins with
// "> " is a command, and so a case:
//
//	> A=1 print web --set 'web.args.X=1 2'
//
// The words are split as a shell would, NAME=VALUE before "print" is the environment. The case is called after
// the file and the number of the command.
func archiveCases(t *testing.T) []testCase {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no archives in testdata (%v)", err)
	}
	var out []testCase
	for _, p := range paths {
		data, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		cases, err := parseArchive(strings.TrimSuffix(filepath.Base(p), ".txtar"), data)
		if err != nil {
			t.Fatalf("%s: %v", p, err)
		}
		out = append(out, cases...)
	}
	return out
}

func parseArchive(name string, data []byte) ([]testCase, error) {
	ar := txtar.Parse(data)
	files := map[string]string{}
	for _, f := range ar.Files {
		files[f.Name] = string(f.Data)
	}
	var out []testCase
	for line := range strings.Lines(string(ar.Comment)) {
		command, ok := strings.CutPrefix(line, "> ")
		if !ok {
			continue
		}
		words, err := shlex.Split(command)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", command, err)
		}
		c := testCase{name: fmt.Sprintf("%s/%d", name, len(out)+1), files: files}
		print := slices.Index(words, "print")
		if print < 0 {
			return nil, fmt.Errorf("%q is not a print command", command)
		}
		c.env, c.args = words[:print], words[print+1:]
		out = append(out, c)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no command")
	}
	return out, nil
}
