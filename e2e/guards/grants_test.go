package guards

import "testing"

// TestGrants: what lies outside the project, or the working directory of a Bake file, is read and written with a grant only.
func TestGrants(t *testing.T) {
	check(t, []guard{
		{
			name: "named context",
			bake: `target "default" {
  dockerfile-inline = "FROM scratch\nCOPY --from=lib x /x\n"
  contexts          = { lib = "../outside" }
  output            = ["out"]
}
`,
			outside: map[string]string{"x": "x"},
			refuses: refusedBy(`The target "default" reads ../outside.`),
			skip:    []verb{runPlan}, // asks for nothing yet
			grant:   []string{"--allow", "fs.read=../outside"},
			granted: wantFile("{project}/out/x", "x"),
		},
		{
			name: "output",
			bake: `target "default" {
  dockerfile-inline = "FROM scratch\nCOPY <<EOF /x\nx\nEOF\n"
  output            = ["../outside/new"]
}
`,
			refuses: refusedBy(`The target "default" writes ../outside/new.`),
			skip:    []verb{runPlan}, // asks for nothing yet
			grant:   []string{"--allow", "fs.write=../outside"},
			granted: wantFile("{outside}/new/x", "x\n"),
		},
	})
}
