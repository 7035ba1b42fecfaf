package dockerfile

import (
	"testing"

	"github.com/xbuild/xbuild/schema"
)

// TestWalk: a graph tells of stages that its build does not reach, and goes on telling that one is wrong, or stands on one that is.
func TestWalk(t *testing.T) {
	f, d := Parse("Dockerfile", []byte("FROM scratch AS a\nCOPY x /x\nFROM a AS far\nCOPY y /y\nFROM a AS wrong\nENV V=${GONE:?missing}\nFROM wrong AS above\nCOPY z /z\n"))
	if d.HasErrors() {
		t.Fatal(d)
	}
	p := schema.Platform{OS: "linux", Arch: "amd64"}
	g, d := f.Resolve(Env{Build: p, Target: p, Stage: "a"})
	if d.HasErrors() {
		t.Fatal(d)
	}
	if g.Nodes[1].FS != "" || len(g.Nodes[1].Copies) > 0 {
		t.Errorf("stage far was walked, though nothing needs it: %+v", g.Nodes[1])
	}
	for range 2 {
		if n := g.Walk(1); n == nil || n.FS == "" || n.FS == g.Nodes[0].FS || len(n.Copies) != 1 || n.Base != g.Nodes[0] {
			t.Errorf("stage far is %+v", n)
		}
		for _, i := range []int{2, 3} {
			if n := g.Walk(i); n != nil {
				t.Errorf("stage %s is %+v, though it is wrong", n.Title(), n)
			}
		}
	}
	if g.Reached[1] || g.Reached[2] || !g.Reached[0] {
		t.Errorf("reached are %v", g.Reached)
	}
}
