package cli

import (
	"strings"
	"testing"
)

func TestParseJobs(t *testing.T) {
	for text, want := range map[string]jobs{
		"": {}, "0": {}, "2": {parallel: 2}, " 2 ": {parallel: 2}, "fail-fast": {}, "defer-output": {}, "defer-error": {keepGoing: true},
		"parallel=3": {parallel: 3}, "parallel=3,defer-output": {parallel: 3}, " mode = defer-error , PARALLEL = 2 ": {2, true}, `"defer-error","parallel=2"`: {2, true},
	} {
		if got, err := parseJobs(text); err != nil || got != want {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"-1", "parallel=-1", "parallel=", "parallel=1.5", "99999999999999999999", "unknown", "mode=", "Defer-Error", "jobs=2",
		"defer-error,defer-output", "fail-fast,mode=fail-fast", "parallel=1,PARALLEL=2", "defer-error,", ",defer-error", `"defer-error`} {
		if got, err := parseJobs(text); err == nil || !strings.HasPrefix(err.Error(), "-j "+text+": ") {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}
