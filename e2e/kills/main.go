//go:build linux

// Command kills lets builds be cut off at random moments, in many ways, and looks at what is left of each.
//
//	go run ./kills -n 200            200 builds; prints what it counted, exit code 1 if anything was wrong
//	go run ./kills -n 200 -seed 7    the same kills at the same shares of a build's time as in another run with seed 7
//	go run ./kills -only reset       one way only
//
// A build has all that can be left half done: a folder for two platforms, an archive, and an image for two platforms with two
// tags. Every build is another one, and everything that it makes names it. After each, and after the next build, which is let
// alone, the following is looked for, and nothing of it may be found: a file that is neither that of the build nor the one
// before; files of two builds side by side after the next one; a tag that moved although files did not, or that names an
// index of which something is missing; a process, a mount, a folder or file that nobody asked for.
//
// It needs what the end-to-end suite needs (see package parts), root among it, and busybox-static.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/xbuild/xbuild/e2e/parts"
)

func main() {
	n := flag.Int("n", 20, "`number` of builds")
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano()), "of the random numbers")
	only := flag.String("only", "", "the `way` to kill; one of "+strings.Join(names(), ", "))
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *n, *seed, *only); err != nil {
		fmt.Fprintln(os.Stderr, "kills:", err)
		os.Exit(1)
	}
}

// tally is what is counted of one way to kill.
type tally struct {
	builds, finished, failed int
	longest                  time.Duration
}

var errWrong = errors.New("something was left half done")

func run(ctx context.Context, n int, seed uint64, only string) error {
	ways, err := choose(only)
	if err != nil {
		return err
	}
	fmt.Printf("kills: %d builds, seed %d\n", n, seed)
	bed, err := parts.OpenBare(ctx, func(format string, args ...any) { fmt.Printf("parts: "+format+"\n", args...) })
	if err != nil {
		return err
	}
	defer bed.Close()
	s, err := newSite(ctx, bed)
	if err != nil {
		return err
	}
	defer s.close()
	random := rand.New(rand.NewPCG(seed, 0))
	counts := map[string]*tally{}
	began := time.Now()
	for i, order := 0, []way(nil); i < n; i++ {
		if len(order) == 0 {
			order = slices.Clone(ways)
			random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		}
		w := order[0]
		order = order[1:]
		if counts[w.name] == nil {
			counts[w.name] = &tally{}
		}
		if err := s.round(ctx, w, random.Float64(), counts[w.name]); err != nil {
			return fmt.Errorf("build %d, %s: %w", i, w.name, err)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	s.stopDaemons(ctx)
	for _, name := range names() {
		if c := counts[name]; c != nil {
			fmt.Printf("%-16s %3d builds: %3d finished, %3d failed; the longest took %s\n", name, c.builds, c.finished, c.failed, c.longest.Round(100*time.Millisecond))
		}
	}
	fmt.Printf("%d builds in %s, seed %d: ", n, time.Since(began).Round(time.Second), seed)
	for i, what := range findings {
		fmt.Printf("%s%d %s", map[bool]string{true: ", "}[i > 0], s.found[what], what)
	}
	fmt.Println()
	if len(s.found) > 0 {
		return errWrong
	}
	return nil
}
