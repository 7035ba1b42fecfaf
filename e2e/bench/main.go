// Command bench measures xbuild against Bake (docker buildx) in one run, on one buildkitd that it starts itself.
//
// In: the checkout. Out: a table on stdout, one line for each kind of work: medians of wall time, CPU of the client and of
// the daemon, peak memory of the client, calls that flush to the disk, and the ratios xbuild / Bake with their spread. The
// exit code is 1 if a ratio is above what the row allows.
//
// Both programs are built from source, do the same work on the same daemon, and take turns; before each run the daemon is
// given the time to finish what it still does for the run before, except in the rows named "back to back". The rows of
// compile.go compile Go programs on daemons that know nothing. Start with main.
//
//	go run ./bench                  # in e2e/, as root
//	go run ./bench -rows noop -rounds 9 -csv out.csv
//
// With -old it compares xbuild with an earlier xbuild instead of Bake, each in a directory of its own: a row is met if the
// median of the ratios of its pairs is at most 1.05, or the medians differ by at most a millisecond.
//
//	go run ./bench -old ./xbuild-of-last-week -rounds 20
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"

	"github.com/xbuild/xbuild/e2e/parts"
)

// options are the flags.
type options struct {
	rows   *regexp.Regexp
	rounds int
	csv    string
	xbuild string
	peer   string
	old    string
	list   bool
	flush  bool
	keep   string
}

func main() {
	var o options
	pattern := flag.String("rows", "", "only the rows whose name this regular expression matches")
	flag.IntVar(&o.rounds, "rounds", 5, "runs of each program in a row, after one that does not count")
	flag.StringVar(&o.csv, "csv", "", "also write every single measurement to this file")
	flag.StringVar(&o.xbuild, "xbuild", "", "measure this program instead of building the checkout")
	flag.StringVar(&o.peer, "peer", "", "measure against this buildx instead of building the pinned one")
	flag.StringVar(&o.old, "old", "", "compare with this earlier xbuild instead of Bake")
	flag.BoolVar(&o.list, "list", false, "list the rows and what each allows")
	flag.BoolVar(&o.flush, "flushes", true, "count calls that flush to the disk, in a further run under strace")
	flag.StringVar(&o.keep, "work", "", "make the work in this folder and keep it")
	flag.Parse()
	var err error
	if o.rows, err = regexp.Compile(*pattern); err == nil && o.list {
		for _, r := range rows() {
			fmt.Printf("%-26s %-9s %s\n", r.name, r.limitText(), r.what)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	ok := false
	if err == nil {
		ok, err = bench(ctx, &o)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
	if !ok {
		os.Exit(1)
	}
}

// bench runs the rows and prints the table; false if a ratio is too high.
func bench(ctx context.Context, o *options) (bool, error) {
	lab, err := newLab(ctx, o)
	if err != nil {
		return false, err
	}
	defer lab.close()
	var results []*result
	for _, r := range rows() {
		if !o.measures(r) {
			continue
		}
		say("%s", r.name)
		measure := lab.measure
		if r.isCompile() {
			measure = lab.compile
		}
		res, err := measure(ctx, r)
		if err != nil {
			return false, fmt.Errorf("%s: %w", r.name, err)
		}
		results = append(results, res)
		ratio, low, high := res.ratio(wallOf)
		say("  %s ms / %s ms, ratio %.3f (%.3f-%.3f)", res.one(mine, wallOf, 1), res.one(theirs, wallOf, 1), ratio, low, high)
	}
	if o.csv != "" {
		if err := writeCSV(o.csv, lab.progs, results); err != nil {
			return false, err
		}
	}
	return printTable(os.Stdout, results, o.old != ""), nil
}

// measures reports whether a row is asked for. An earlier xbuild is not compared by compiling: those rows measure the
// compiler, in one round.
func (o *options) measures(r *row) bool {
	return o.rows.MatchString(r.name) && !(o.old != "" && r.isCompile())
}

func say(format string, args ...any) { fmt.Fprintf(os.Stderr, "bench: "+format+"\n", args...) }

// lab is the daemon, the registry and the two programs.
type lab struct {
	*options
	bed    *parts.Bed
	daemon *parts.Daemon
	dir    string // of the work
	proxy  *meter
	progs  [2]*program
	// compiled is what was measured of xbuild in the rows of compile.go, by the number of platforms.
	compiled map[int]sample
}

// The two programs, by their place in every pair of values.
const (
	mine   = 0
	theirs = 1
)

// program is one of the two, ready to be started.
type program struct {
	name string
	path string
	args []string // before those of the row
	env  []string
}

func newLab(ctx context.Context, o *options) (*lab, error) {
	open := parts.OpenBare
	for _, r := range rows() {
		if r.isCompile() && o.measures(r) {
			open = parts.Open // with base images and emulators
		}
	}
	bed, err := open(ctx, say)
	if err != nil {
		return nil, err
	}
	l := &lab{options: o, bed: bed, dir: o.keep, compiled: map[int]sample{}}
	if err := l.open(ctx); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *lab) open(ctx context.Context) error {
	if l.dir == "" {
		l.dir = filepath.Join(l.bed.Dir, "work")
	}
	root := filepath.Join(l.bed.Dir, "daemon")
	for _, d := range []string{l.dir, root} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	if err := l.build(ctx); err != nil {
		return err
	}
	var err error
	// As long as the table runs nothing is to be collected.
	if l.daemon, err = l.bed.StartDaemon(ctx, root, "[worker.oci]\n  gc = false\n"); err != nil {
		return err
	}
	if l.proxy, err = newMeter(filepath.Join(l.bed.Dir, "meter.sock"), l.daemon.Address); err != nil {
		return err
	}
	return l.programs(ctx)
}

func (l *lab) close() {
	if l.proxy != nil {
		l.proxy.close()
	}
	if l.daemon != nil {
		l.daemon.Stop()
	}
	l.bed.Close()
}

// build makes the two programs, as releases are made: without symbols.
func (l *lab) build(ctx context.Context) error {
	for _, b := range []struct {
		path          *string
		dir, at, tags string
	}{{&l.xbuild, "..", "./cmd/xbuild", "grpcnotrace"}, {&l.peer, "peer", "github.com/docker/buildx/cmd/buildx", ""}} {
		if *b.path != "" || b.path == &l.peer && l.old != "" {
			continue
		}
		*b.path = filepath.Join(l.bed.Dir, filepath.Base(b.at))
		say("building %s", filepath.Base(b.at))
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-tags", b.tags, "-ldflags", "-s -w", "-o", *b.path, b.at)
		cmd.Dir, cmd.Env = b.dir, append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("building %s: %w\n%s", b.at, err, out)
		}
	}
	return nil
}

// programs sets up an environment for each of the two in which nothing of the user's is found.
func (l *lab) programs(ctx context.Context) error {
	config := filepath.Join(l.bed.Dir, "docker")
	if err := os.MkdirAll(config, 0o755); err != nil {
		return err
	}
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + l.bed.Dir, "DOCKER_CONFIG=" + config, "LANG=C.UTF-8"}
	xbuild := func(name, path string) *program {
		return &program{name: name, path: path, args: []string{"run", "--progress", "plain"},
			env: append(env[:len(env):len(env)], "BUILDKIT_HOST="+l.daemon.Address, "XBUILD_STATE_DIR="+filepath.Join(l.bed.Dir, "state-"+name))}
	}
	l.progs[mine] = xbuild("xbuild", l.xbuild)
	if l.old != "" {
		l.progs[theirs] = xbuild("old", l.old)
		return nil
	}
	// Without default attestations, since xbuild makes none: both make the same images.
	l.progs[theirs] = &program{name: "bake", path: l.peer, args: []string{"bake", "--progress", "plain", "--allow", "fs=*"},
		env: append(env[:len(env):len(env)], "BUILDX_BUILDER=bench", "BUILDX_NO_DEFAULT_ATTESTATIONS=1")}
	create := exec.CommandContext(ctx, l.peer, "create", "--name", "bench", "--driver", "remote", l.daemon.Address)
	create.Env = l.progs[theirs].env
	if out, err := create.CombinedOutput(); err != nil {
		return fmt.Errorf("buildx create: %w\n%s", err, out)
	}
	return nil
}
