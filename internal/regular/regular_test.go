//go:build !windows

package regular_test

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/xbuild/xbuild/internal/regular"
)

// read fails the test if the file is not read, or refused, at once.
func read(t *testing.T, path string) ([]byte, error) {
	t.Helper()
	type result struct {
		text []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		text, err := regular.ReadFile(path)
		done <- result{text, err}
	}()
	select {
	case r := <-done:
		return r.text, r.err
	case <-time.After(time.Minute):
		t.Fatalf("%s: still waiting", path)
		return nil, nil
	}
}

func TestSizes(t *testing.T) {
	dir := t.TempDir()
	for _, n := range []int{0, 1, 511, 512, 513, 1 << 16, regular.Limit - 1, regular.Limit, regular.Limit + 1, 2 * regular.Limit} {
		want := bytes.Repeat([]byte("x"), n)
		path := filepath.Join(dir, "f")
		if err := os.WriteFile(path, want, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := read(t, path)
		if n > regular.Limit {
			if err == nil || !strings.Contains(err.Error(), "larger than 16 MB") {
				t.Errorf("%d bytes: %v, want an error that names the limit", n, err)
			}
		} else if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes: got %d (%v)", n, len(got), err)
		}
		// The size that is expected is only a hint.
		for _, hint := range []int64{0, int64(n), int64(n) / 2, int64(n) * 2} {
			got, err := regular.Read(bytes.NewReader(want), "stream", hint)
			if n > regular.Limit != (err != nil) || err == nil && !bytes.Equal(got, want) {
				t.Errorf("%d bytes with hint %d: got %d (%v)", n, hint, len(got), err)
			}
		}
	}
}

func TestSpecialFiles(t *testing.T) {
	dir := t.TempDir()
	fifo, socket, link := filepath.Join(dir, "fifo"), filepath.Join(dir, "socket"), filepath.Join(dir, "link")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := os.Symlink("fifo", link); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{fifo: "a named pipe", link: "a named pipe", socket: "a socket", "/dev/null": "a device", "/dev/zero": "a device",
		dir: "is a directory", filepath.Join(dir, "missing"): "no such file"} {
		if _, err := read(t, path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}
