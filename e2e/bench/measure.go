package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// sample is one run of one program.
type sample struct {
	wall   time.Duration
	client time.Duration // CPU
	daemon time.Duration // CPU, until the daemon was quiet again; in crowded rows a share of the whole
	memory int64         // peak of the client, bytes
	sent   int64         // bytes from client to daemon, in rows that count them
}

// result is everything that was measured for a row.
type result struct {
	*row
	samples [2][]sample
	flushes [2]int // calls of fsync, fdatasync, syncfs and sync_file_range by the daemon in one run; -1: not counted
}

// settle is how long files are left alone before anything is measured: what was written a moment ago may change again
// without a new time stamp, so xbuild does not call it unchanged.
const settle = 2500 * time.Millisecond

// measure makes the work of a row and runs both programs on it.
func (l *lab) measure(ctx context.Context, r *row) (*result, error) {
	res := &result{row: r, flushes: [2]int{-1, -1}}
	dir := filepath.Join(l.dir, strings.ReplaceAll(r.name, "/", "-"))
	if r.first {
		return res, l.firstRuns(ctx, dir, res)
	}
	if err := l.generate(r, dir); err != nil {
		return nil, err
	}
	if r.work.base {
		if err := l.makeBase(ctx); err != nil {
			return nil, err
		}
	}
	who := []int{mine, theirs}
	if r.solo && l.old == "" {
		who = who[:1]
	}
	time.Sleep(settle)
	for range 2 { // the first run builds, the second one makes caches of its own
		for _, p := range who {
			if _, err := l.runOnce(ctx, r, dir, p); err != nil {
				return nil, err
			}
			l.rest(r, p)
		}
	}
	if err := l.rounds(ctx, res, dir, who); err != nil {
		return nil, err
	}
	if l.flush && !r.crowded && !r.still() {
		for _, p := range who {
			if err := l.countFlushes(ctx, res, dir, p); err != nil {
				return nil, err
			}
		}
	}
	return res, nil
}

// generate makes the work of a row anew. An earlier xbuild reads the same build file as this one, so it gets a copy of the
// work, with outputs and tags of its own.
func (l *lab) generate(r *row, dir string) error {
	progs := map[string]map[string]string{dir: {"x": "xbuild.hcl", "b": "docker-bake.hcl"}}
	if l.old != "" {
		progs[dir] = map[string]string{"x": "xbuild.hcl"}
		progs[l.workOf(dir, theirs)] = map[string]string{"o": "xbuild.hcl"}
	}
	for at, files := range progs {
		if err := os.RemoveAll(at); err != nil {
			return err
		}
		if err := r.work.generate(at, l.bed.Registry, files); err != nil {
			return err
		}
	}
	return nil
}

// order is that of the programs in a round. Two xbuilds take turns at being first: which is costs more than they may differ.
func (l *lab) order(round int, who []int) []int {
	if l.old != "" && round%2 == 1 {
		who = slices.Clone(who)
		slices.Reverse(who)
	}
	return who
}

// workOf is the directory that a program works in.
func (l *lab) workOf(dir string, p int) string {
	if l.old != "" && p == theirs {
		return dir + "-old"
	}
	return dir
}

// rounds runs the programs in turns, or in crowded rows one after the other.
func (l *lab) rounds(ctx context.Context, res *result, dir string, who []int) error {
	if res.crowded {
		for _, p := range who {
			l.quiet()
			before := l.daemonCPU()
			for range l.options.rounds {
				s, err := l.runOnce(ctx, res.row, dir, p)
				if err != nil {
					return err
				}
				res.samples[p] = append(res.samples[p], s)
			}
			l.quiet()
			share := (l.daemonCPU() - before) / time.Duration(l.options.rounds)
			for i := range res.samples[p] {
				res.samples[p][i].daemon = share
			}
		}
		return nil
	}
	for i := range l.options.rounds {
		for _, p := range l.order(i, who) {
			if res.edit {
				if err := res.work.edit(l.workOf(dir, p), 2*i+p); err != nil {
					return err
				}
			}
			l.quiet()
			before := l.daemonCPU()
			s, err := l.runOnce(ctx, res.row, dir, p)
			if err != nil {
				return err
			}
			l.rest(res.row, p)
			s.daemon = l.daemonCPU() - before
			res.samples[p] = append(res.samples[p], s)
		}
	}
	return nil
}

// firstRuns builds work that the daemon has never seen, through a meter.
func (l *lab) firstRuns(ctx context.Context, dir string, res *result) error {
	for i := range l.options.rounds {
		for _, p := range l.order(i, []int{mine, theirs}) {
			at := fmt.Sprintf("%s-%d-%d", dir, i, p)
			if err := l.generate(res.row, at); err != nil {
				return err
			}
			l.quiet()
			before, sent := l.daemonCPU(), l.proxy.sent.Load()
			s, err := l.runMetered(ctx, res.row, at, p)
			if err != nil {
				return err
			}
			l.rest(res.row, p)
			s.daemon, s.sent = l.daemonCPU()-before, l.proxy.sent.Load()-sent
			res.samples[p] = append(res.samples[p], s)
		}
	}
	return nil
}

// runMetered is runOnce with the daemon behind the meter. Only xbuild is told an address by its environment; the other
// one gets a builder.
func (l *lab) runMetered(ctx context.Context, r *row, dir string, p int) (sample, error) {
	prog := *l.progs[p]
	if p == mine || l.old != "" {
		prog.env = append(prog.env[:len(prog.env):len(prog.env)], "BUILDKIT_HOST="+l.proxy.address)
	} else {
		prog.env = append(prog.env[:len(prog.env):len(prog.env)], "BUILDX_BUILDER=metered")
		create := exec.CommandContext(ctx, prog.path, "create", "--name", "metered", "--driver", "remote", l.proxy.address)
		create.Env = prog.env
		if out, err := create.CombinedOutput(); err != nil && !bytes.Contains(out, []byte("existing instance")) {
			return sample{}, fmt.Errorf("buildx create: %w\n%s", err, out)
		}
	}
	return prog.run(ctx, r, l.workOf(dir, p), p)
}

func (l *lab) runOnce(ctx context.Context, r *row, dir string, p int) (sample, error) {
	prog := l.progs[p]
	if r.plan && l.old == "" {
		prog = l.progs[mine]
	}
	return prog.run(ctx, r, l.workOf(dir, p), p)
}

// run starts the program in a folder and waits for it.
func (p *program) run(ctx context.Context, r *row, dir string, which int) (sample, error) {
	args := p.args
	if p.name == "old" {
		which = mine // it does the same
	}
	switch {
	case r.plan:
		args = map[int][]string{mine: {"plan", "-f", "xbuild.hcl", "--offline"}, theirs: {"print", "-f", "xbuild.hcl"}}[which]
	case r.print:
		args = map[int][]string{mine: {"print", "-f", "docker-bake.hcl"}, theirs: {"bake", "--print", "-f", "docker-bake.hcl"}}[which]
	case which == mine:
		args = append(args[:len(args):len(args)], r.args...)
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, p.path, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, p.env, &out, &out
	begin := time.Now()
	err := cmd.Run()
	s := sample{wall: time.Since(begin)}
	if err != nil {
		return s, fmt.Errorf("%s %s: %w\n%s", p.name, strings.Join(args, " "), err, out.Bytes())
	}
	u := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	s.client = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	s.memory = u.Maxrss << 10
	return s, nil
}

// makeBase puts an image into the registry for work that has a base by tag.
func (l *lab) makeBase(ctx context.Context) error {
	dir := filepath.Join(l.dir, "base")
	if err := write(filepath.Join(dir, "Dockerfile"), "FROM scratch\nCOPY Dockerfile /base\n"); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, l.bed.Buildctl, "--addr", l.daemon.Address, "build", "--frontend", "dockerfile.v0", "--local", "context="+dir,
		"--local", "dockerfile="+dir, "--output", "type=image,push=true,name="+l.bed.Registry+"/base:1")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("making a base image: %w\n%s", err, out)
	}
	return nil
}

// daemonCPU is the CPU time that the daemon has used.
func (l *lab) daemonCPU() time.Duration {
	var ts unix.Timespec
	// The clock of another process, as clock_getcpuclockid gives it.
	if err := unix.ClockGettime(int32(^l.daemon.PID<<3|2), &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

// rest waits until what a run left to the daemon is done. Records of a large Bake run are completed seconds after its end;
// the next run would be measured together with that.
func (l *lab) rest(r *row, p int) {
	if p == theirs && l.old == "" && !r.crowded && !r.still() {
		time.Sleep(time.Second)
		if r.work.targets >= 100 {
			time.Sleep(4 * time.Second)
		}
	}
	l.quiet()
}

// quiet waits until the daemon does next to nothing: less than 3 % of a CPU, twice in a row, but at most a minute.
func (l *lab) quiet() {
	const every = 150 * time.Millisecond
	calm := 0
	for i := 0; i < 400 && calm < 2; i++ {
		before := l.daemonCPU()
		time.Sleep(every)
		if l.daemonCPU()-before < every*3/100 {
			calm++
		} else {
			calm = 0
		}
	}
}

var flushCall = regexp.MustCompile(`^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+.*\b(fsync|fdatasync|syncfs|sync_file_range)$`)

// countFlushes runs a program once more while strace counts what the daemon flushes to the disk.
func (l *lab) countFlushes(ctx context.Context, res *result, dir string, p int) error {
	if _, err := exec.LookPath("strace"); err != nil {
		return nil
	}
	if res.edit {
		if err := res.work.edit(l.workOf(dir, p), 1000+p); err != nil {
			return err
		}
	}
	l.quiet()
	out := filepath.Join(l.bed.Dir, "strace.txt")
	trace := exec.CommandContext(ctx, "strace", "-f", "-c", "-e", "trace=fsync,fdatasync,syncfs,sync_file_range", "-o", out, "-p", strconv.Itoa(l.daemon.PID))
	var said bytes.Buffer
	trace.Stderr = &said
	if err := trace.Start(); err != nil {
		return nil
	}
	time.Sleep(500 * time.Millisecond) // to attach
	_, err := l.runOnce(ctx, res.row, dir, p)
	l.quiet()
	if serr := trace.Process.Signal(os.Interrupt); serr == nil {
		_ = trace.Wait() // it ends by the signal; what it wrote tells
	}
	if err != nil {
		return err
	}
	text, err := os.ReadFile(out)
	if err != nil {
		return fmt.Errorf("strace: %w\n%s", err, said.Bytes())
	}
	n := 0
	for _, line := range strings.Split(string(text), "\n") {
		if m := flushCall.FindStringSubmatch(line); m != nil {
			k, _ := strconv.Atoi(m[1]) // digits
			n += k
		}
	}
	res.flushes[p] = n
	return nil
}
