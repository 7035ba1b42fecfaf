package embedded_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/xbuild/xbuild/exec/embedded"
)

// BenchmarkReady is the time from a client's wish for a daemon to its first answer, on a store that was used before, and
// the memory of a daemon that has nothing to do. The budget is 150 ms and 40 MB:
//
//	go test -run '^$' -bench Ready -benchtime 10x ./exec/embedded
func BenchmarkReady(b *testing.B) {
	cfg := newConfig(b)
	ensure(b, cfg)
	var took []time.Duration
	var memory []float64
	for b.Loop() {
		b.StopTimer()
		if err := embedded.Stop(b.Context(), cfg); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		began := time.Now()
		ensure(b, cfg)
		took = append(took, time.Since(began))
		b.StopTimer()
		time.Sleep(time.Second) // what is put off until after the start counts too
		memory = append(memory, resident(b, statusOf(b, cfg).PID))
		b.StartTimer()
	}
	slices.Sort(took)
	slices.Sort(memory)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms/median")
	b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "ms/slowest")
	b.ReportMetric(memory[len(memory)/2], "MB-resident")
}

// resident is the memory of a process in MB.
func resident(b *testing.B, pid int) float64 {
	b.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", fmt.Sprint(pid), "status"))
	if err != nil {
		b.Fatal(err)
	}
	for _, line := range strings.Split(string(text), "\n") {
		if v, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.ParseFloat(strings.Fields(v)[0], 64)
			if err != nil {
				b.Fatal(err)
			}
			return kb * 1024 / 1e6
		}
	}
	b.Fatalf("no VmRSS in\n%s", text)
	return 0
}
