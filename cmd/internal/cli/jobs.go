package cli

import (
	"fmt"
	"strconv"
	"strings"

	csvvalue "github.com/tonistiigi/go-csvvalue"
)

// jobs is what -j says.
type jobs struct {
	parallel  int  // builds at the same time; 0 is no limit
	keepGoing bool // what does not depend on a failure is finished
}

// parseJobs reads -j as docker buildx bake does: a number, or options of which each may be given once. The modes fail-fast and
// defer-output differ in what is written although a build fails, which is nothing here.
func parseJobs(text string) (jobs, error) {
	var j jobs
	text = strings.TrimSpace(text)
	if text == "" {
		return j, nil
	}
	bad := fmt.Errorf("-j %s: want a number that is not negative, or options as in \"defer-error,parallel=2\" with one of the modes fail-fast, defer-output, defer-error", text)
	if _, err := strconv.Atoi(text); err == nil {
		text = "parallel=" + text
	}
	fields, err := csvvalue.Fields(text, nil)
	if err != nil {
		return j, bad
	}
	seen := map[string]bool{}
	for _, f := range fields {
		key, value, ok := strings.Cut(f, "=")
		if !ok {
			key, value = "mode", key
		}
		key, value = strings.ToLower(strings.TrimSpace(key)), strings.TrimSpace(value)
		n, err := strconv.Atoi(value)
		switch {
		case seen[key]:
			return j, bad
		case key == "parallel" && err == nil && n >= 0:
			j.parallel = n
		case key == "mode" && value == "defer-error":
			j.keepGoing = true
		case key == "mode" && (value == "fail-fast" || value == "defer-output"):
		default:
			return j, bad
		}
		seen[key] = true
	}
	return j, nil
}
