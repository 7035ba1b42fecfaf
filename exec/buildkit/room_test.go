package buildkit

import (
	"errors"
	"testing"

	"github.com/xbuild/xbuild/exec"
)

func TestRanOutOfSpace(t *testing.T) {
	said := []string{"cp: error writing 'x': No space left on device"}
	for _, c := range []struct {
		name        string
		f           exec.Failure
		sure, maybe bool // with a disk that is seen to be full, and with one that is not any more
	}{
		{"BuildKit's own work", exec.Failure{Kind: exec.DiskFull, Step: "COPY . /"}, true, true},
		{"an output, perhaps elsewhere", exec.Failure{Kind: exec.DiskFull}, true, false},
		{"a step that says so, perhaps of a disk of its own", exec.Failure{Kind: exec.StepFailed, Step: "RUN cp", Log: said}, true, false},
		{"a step that failed otherwise", exec.Failure{Kind: exec.StepFailed, Step: "RUN cp", Log: []string{"no such file"}}, false, false},
		{"another kind", exec.Failure{Kind: exec.Registry, Log: said}, false, false},
	} {
		c.f.Err = errors.New("x")
		for _, err := range []error{&c.f, errors.Join(errors.New("other"), &c.f)} {
			if got := ranOutOfSpace(err, true); got != c.sure {
				t.Errorf("%s: %v on a full disk", c.name, got)
			}
			if got := ranOutOfSpace(err, false); got != c.maybe {
				t.Errorf("%s: %v on a disk with room", c.name, got)
			}
		}
	}
	if dir := t.TempDir(); full(dir + "/none") {
		t.Error("a disk that is not there is full")
	}
}
