package cli

import (
	"bytes"
	"context"
	"errors"
	"os"
	"testing"
)

// TestInterruptedStdin: an interrupt ends a command that waits for a build file on standard input.
func TestInterruptedStdin(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close() // until then reading waits
	defer r.Close()
	before := os.Stdin
	os.Stdin = r
	defer func() { os.Stdin = before }()
	for _, args := range [][]string{{"print", "-f", "-"}, {"run", "-f", "-"}, {"fmt", "-"}} {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var out bytes.Buffer
		a := newApp(&out, &out, func(string) string { return "" })
		c := a.root()
		c.SetArgs(args)
		var exit *exitError
		if err := c.ExecuteContext(ctx); !errors.As(err, &exit) || exit.code != ExitInterrupted {
			t.Errorf("%v: %v\n%s", args, err, &out)
		}
	}
}
