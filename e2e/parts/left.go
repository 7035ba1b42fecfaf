package parts

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Running lists the processes of this machine, in whatever PID namespace, whose command line or environment has text.
func Running(text string) []string {
	var out []string
	dirs, _ := filepath.Glob("/proc/[0-9]*") // the pattern is valid
	for _, d := range dirs {
		if d == "/proc/"+strconv.Itoa(os.Getpid()) {
			continue
		}
		cmdline, _ := os.ReadFile(d + "/cmdline") // a process may end at any time
		environ, _ := os.ReadFile(d + "/environ")
		if bytes.Contains(cmdline, []byte(text)) || bytes.Contains(environ, []byte(text)) {
			out = append(out, filepath.Base(d)+": "+strings.ReplaceAll(string(cmdline), "\x00", " "))
		}
	}
	return out
}

// Mounts lists the mounts below dir that any process of this machine sees.
func Mounts(dir string) []string {
	seen := map[string]bool{}
	var out []string
	files, _ := filepath.Glob("/proc/[0-9]*/mountinfo") // the pattern is valid
	for _, f := range files {
		data, _ := os.ReadFile(f) // a process may end at any time
		for _, l := range strings.Split(string(data), "\n") {
			if fields := strings.Fields(l); len(fields) > 4 && strings.HasPrefix(fields[4], dir) && !seen[fields[4]] {
				seen[fields[4]] = true
				out = append(out, fields[4])
			}
		}
	}
	return out
}

// Within reports whether ok becomes true in time.
func Within(limit time.Duration, ok func() bool) bool {
	for deadline := time.Now().Add(limit); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}
