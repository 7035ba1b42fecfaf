// Package parallel spreads work of one step over the processors. What goes in is a number of independent pieces; what
// comes out is the same as if they were done one after the other. Start with [Each].
package parallel

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// Each calls do for 0 to n-1, on all processors, and returns when all calls have. do must write nothing but what belongs
// to its own number, so that the result is the same as in order.
func Each(n int, do func(i int)) { EachOf(runtime.GOMAXPROCS(0), n, do) }

// EachOf is [Each] with at most limit calls at once: more than there are processors where the work waits for something else.
func EachOf(limit, n int, do func(i int)) {
	workers := min(limit, n)
	if workers < 2 {
		for i := range n {
			do(i)
		}
		return
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	wg.Wait()
}
