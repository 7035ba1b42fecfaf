package cli

import (
	"bytes"
	"os"
	"runtime"
	"strings"
	"testing"
)

// TestReadmeShowsThePlan: the picture of a plan in the README is what the program prints.
func TestReadmeShowsThePlan(t *testing.T) {
	readme, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir("../../../examples/guide")
	var out, errs bytes.Buffer
	a := &app{out: &out, err: &errs, getenv: func(string) string { return "" }}
	root := a.root()
	root.SetArgs([]string{"plan", "--offline", "binaries"})
	if err := root.Execute(); err != nil {
		t.Fatalf("%v\n%s", err, errs.String())
	}
	// An assumed node is of the architecture that the test runs on; the README's is amd64.
	want := strings.ReplaceAll(out.String(), "on linux/"+runtime.GOARCH, "on linux/amd64")
	want = strings.ReplaceAll(want, "to be linux/"+runtime.GOARCH, "to be linux/amd64")
	if !strings.Contains(string(readme), "\n"+want+"```") {
		t.Errorf("the README does not have this plan:\n%s", want)
	}
}
