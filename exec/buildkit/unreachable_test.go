package buildkit

import (
	"errors"
	"strings"
	"testing"
)

// TestNobodyStartsOurs: an error about the BuildKit that xbuild starts itself does not advise to start it.
func TestNobodyStartsOurs(t *testing.T) {
	gone := errors.New("connection refused")
	for _, own := range []bool{false, true} {
		b := &Backend{addr: "unix:///x"}
		if own {
			b.opt.OwnStore = &OwnStore{}
		}
		if text := b.unreachable(gone).Error(); strings.Contains(text, "start buildkitd") == own || !strings.Contains(text, "connection refused") {
			t.Errorf("own %v: %s", own, text)
		}
	}
}
