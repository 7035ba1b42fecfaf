package embedded_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
	"github.com/tonistiigi/fsutil"

	"github.com/xbuild/xbuild/exec/embedded"
)

// A daemon that is killed while it receives a context has the new files, and has not yet stored their hashes. The next build
// must see what is in them.
func TestKilledWhileReceiving(t *testing.T) {
	cfg := newConfig(t)
	dir := t.TempDir()
	big := filepath.Join(dir, "big") // keeps the daemon busy when it has received the small one
	fill := func(text string) {
		writeFile(t, filepath.Join(dir, "text"), text)
		writeFile(t, big, "")
		if err := os.Truncate(big, 512<<20); err != nil {
			t.Fatal(err)
		}
	}
	build := func(ctx context.Context) (string, error) {
		folder, err := fsutil.NewFS(dir)
		if err != nil {
			return "", err
		}
		def, err := llb.Scratch().File(llb.Copy(llb.Local("context", llb.SharedKeyHint("context")), "text", "/text")).Marshal(ctx)
		if err != nil {
			return "", err
		}
		dest := t.TempDir()
		_, err = connect(t, ensure(t, cfg)).Solve(ctx, def, client.SolveOpt{SharedKey: "test", LocalMounts: map[string]fsutil.FS{"context": folder},
			Exports: []client.ExportEntry{{Type: client.ExporterLocal, OutputDir: dest}}}, nil)
		if err != nil {
			return "", err
		}
		text, err := os.ReadFile(filepath.Join(dest, "text"))
		return string(text), err
	}
	fill("one")
	if text, err := build(t.Context()); err != nil || text != "one" {
		t.Fatalf("the first build: %q, %v", text, err)
	}
	fill("two")
	ended := make(chan error, 1)
	go func() {
		_, err := build(context.WithoutCancel(t.Context()))
		ended <- err
	}()
	received := func() bool {
		copies, _ := filepath.Glob(filepath.Join(cfg.StateDir, "buildkit-v1/runc-*/snapshots/snapshots/*/fs/text"))
		for _, c := range copies {
			if text, _ := os.ReadFile(c); bytes.Equal(text, []byte("two")) {
				return true
			}
		}
		return false
	}
	for end := time.Now().Add(20 * time.Second); !received(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the file does not arrive")
		}
	}
	time.Sleep(5 * time.Millisecond) // it gets its time stamp after its text
	if err := syscall.Kill(statusOf(t, cfg).PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil {
		t.Fatal("the build was over before its daemon was killed")
	}
	if text, err := build(t.Context()); err != nil || text != "two" {
		t.Errorf("the build after the kill: %q, %v", text, err)
	}
	if err := embedded.Stop(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	mark := filepath.Join(cfg.StateDir, "buildkit-v1/ended")
	if _, err := os.Stat(mark); err != nil {
		t.Errorf("after an end in good order: %v", err)
	}
	if text, err := build(t.Context()); err != nil || text != "two" {
		t.Errorf("after an end in good order: %q, %v", text, err)
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("the mark of a good end is there while the daemon runs")
	}
}
