package guards

import (
	"os"
	"testing"
)

const writesOut = `target "default" {
  dockerfile-inline = "FROM scratch\nCOPY <<EOF /x\nx\nEOF\n"
  output            = ["out"]
}
`

// A result that holds a staging folder with a journal, as one would get it from an archive.
const makesJournal = `target "default" {
  dockerfile-inline = "FROM scratch\nCOPY <<EOF /.xbuild-stage-aaaaaaaaaaaa/journal.json\n{}\nEOF\n"
  output            = ["out"]
}
`

// trap is a staging folder with a journal that xbuild did not write. It would put a file outside.
func trap(dir string) func(*testing.T, *site) {
	return func(_ *testing.T, s *site) {
		stage := "{project}/" + dir + ".xbuild-stage-aaaaaaaaaaaa"
		s.write(stage+"/evil", "evil")
		s.write(stage+"/lock", "")
		s.write(stage+"/journal.json", `{"version":1,"files":[{"from":".xbuild-stage-aaaaaaaaaaaa/evil","to":"{outside}/new"}]}`)
	}
}

// TestJournals: a staging folder that lies in the project is not believed, whoever put it there.
func TestJournals(t *testing.T) {
	untouched := func(dir string) func(*testing.T, *site) {
		return func(t *testing.T, s *site) {
			t.Helper()
			if _, err := os.Lstat(s.expand("{outside}/new")); err == nil {
				t.Error("a journal that lay in the project was carried out")
			}
			wantFile("{project}/"+dir+".xbuild-stage-aaaaaaaaaaaa/evil", "evil")(t, s)
			wantFile("{project}/out/x", "x\n")(t, s)
		}
	}
	check(t, []guard{
		{name: "journal beside the output", bake: writesOut, xbuild: writesOut, setup: trap(""), free: true, granted: untouched("")},
		{name: "journal in the output", bake: writesOut, xbuild: writesOut, setup: trap("out/"), free: true, granted: untouched("out/")},
		{name: "journal in the result", bake: makesJournal, xbuild: makesJournal, free: true,
			fails: map[verb]string{run: "names that begin with .xbuild-stage-", runPlan: "names that begin with .xbuild-stage-"}},
	})
}
