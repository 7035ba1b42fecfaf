//go:build unix

package progress

import (
	"fmt"
	"io"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// crowd plays the middle of a large run: some targets are done, one has failed, many run, and the slowest prints.
func crowd(p *player) {
	pl := many()
	stage := func(target, i int) string { return pl.Stages[13*target+i].ID }
	for t := range 12 {
		for i := range 13 {
			p.cached(fmt.Sprintf("step %d of %d", i, t), stage(t, i))
		}
	}
	for t := 12; t < 30; t++ {
		p.c.at(float64(t))
		p.begin(fmt.Sprintf("RUN --mount=type=cache,target=/root/.cache apk add build-base # %d", t), stage(t, 0))
		p.end(fmt.Sprintf("RUN --mount=type=cache,target=/root/.cache apk add build-base # %d", t), "", stage(t, 0))
		for i := 1; i <= min(12, 1+t%4*4); i += 2 {
			name := fmt.Sprintf("RUN make -j4 all test install PREFIX=/opt/target # %d.%d", t, i)
			p.begin(name, stage(t, i))
			if t == 12 {
				p.log(name, "cc -c main.c\ncc -c util.c -DNAME=\"構築\"\nld -o main\n./test: 100%\r./test: ok\n", stage(t, i))
			}
		}
	}
	p.c.at(95)
	p.begin("RUN false", stage(30, 1))
	p.end("RUN false", "exit code: 1", stage(30, 1))
	p.begin("load build context of everything")
	p.c.at(125.3)
}

// TestMain is also the program that the tests start in a terminal.
func TestMain(m *testing.M) {
	if os.Getenv("XBUILD_TEST_CROWD") == "" {
		os.Exit(m.Run())
	}
	c := &clock{start}
	opt := DefaultOptions(os.Stdout)
	opt.Now, opt.Color = c.now, true
	opt.Interval = -1
	d, err := New(TTY, os.Stdout, many(), opt)
	if err != nil {
		panic(err)
	}
	crowd(newPlayer(d, c))
	_, _ = io.WriteString(os.Stdout, "$ xbuild run\n")
	for {
		d.(*tty).draw()
		time.Sleep(20 * time.Millisecond)
	}
}

// inTmux starts the test program in a terminal of some size, and returns a function that asks it what it shows and another
// that changes its size.
func inTmux(t *testing.T, width, height int) (show func() string, resize func(width, height int)) {
	t.Helper()
	program, err := osexec.LookPath("tmux")
	if err != nil {
		t.Skip("needs tmux; apt-get install tmux")
	}
	socket := filepath.Join(t.TempDir(), "tmux")
	tmux := func(args ...string) string {
		cmd := osexec.Command(program, append([]string{"-S", socket, "-f", "/dev/null"}, args...)...)
		cmd.Env = append(os.Environ(), "XBUILD_TEST_CROWD=1", "LC_ALL=C.UTF-8", "TERM=xterm-256color")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("tmux %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	size := func(w, h int) []string { return []string{"-x", fmt.Sprint(w), "-y", fmt.Sprint(h)} }
	tmux(append(append([]string{"-u", "new-session", "-d"}, size(width, height)...), os.Args[0])...)
	t.Cleanup(func() { tmux("kill-server") })
	tmux("set", "-g", "status", "off")
	tmux("set", "-g", "window-size", "manual")
	resize = func(w, h int) { tmux(append([]string{"resize-window"}, size(w, h)...)...) }
	resize(width, height)
	return func() string { return strings.TrimRight(tmux("capture-pane", "-p"), "\n") + "\n" }, resize
}

// TestTerminal looks at the live view in a real terminal, also while its size changes. What it shows is in testdata; XBUILD_UPDATE=1
// captures it anew.
func TestTerminal(t *testing.T) {
	show, resize := inTmux(t, 80, 24)
	for i, sz := range [][2]int{{80, 24}, {200, 50}, {80, 24}, {60, 12}, {120, 40}} {
		if i > 0 {
			resize(sz[0], sz[1])
		}
		name := fmt.Sprintf("tmux_%dx%d.txt", sz[0], sz[1])
		if os.Getenv("XBUILD_UPDATE") == "1" {
			time.Sleep(time.Second)
			golden(t, name, show())
			continue
		}
		want, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for range 250 { // the program draws when it is scheduled
			if got = show(); got == string(want) {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		if got != string(want) {
			t.Errorf("%dx%d differs from testdata/%s; XBUILD_UPDATE=1 captures it anew. It shows:\n%s", sz[0], sz[1], name, got)
		}
	}
}

// The screen that the other tests use shows what a real terminal does.
func TestScreenIsLikeATerminal(t *testing.T) {
	for _, sz := range [][2]int{{80, 24}, {200, 50}} {
		scr := newScreen(t, sz[0], sz[1])
		d, player := newTest(t, scr, many(), Options{Width: func() int { return scr.width }, Height: func() int { return scr.height }, Color: true})
		crowd(player)
		fmt.Fprint(scr, "$ xbuild run\n")
		d.draw()
		name := fmt.Sprintf("tmux_%dx%d.txt", sz[0], sz[1])
		want, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		if scr.String() != string(want) {
			t.Errorf("it differs from the terminal's, testdata/%s:\n%s", name, scr)
		}
	}
}
