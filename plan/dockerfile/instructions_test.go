package dockerfile

import (
	"strings"
	"testing"
)

// directives stands before every instruction of a Dockerfile in turn.
var directives = []string{"# check=skip=all", "#check=error=true", "# check=experimental=all;skip=StageNameCasing", "# check=nonsense", "# check=", "# syntax=x", "# escape=`"}

// TestDirectivesAnywhere: a directive before an instruction other than the first is a comment, whatever it says.
func TestDirectivesAnywhere(t *testing.T) {
	lines := []string{"ARG V=1", "FROM scratch AS Base", "MAINTAINER x", "ENV A=b", "RUN [\"/x\"]", "FROM base as last", "COPY --from=Base / /", "ONBUILD RUN x",
		"HEALTHCHECK NONE", "CMD x", "ENTRYPOINT [\"x\"]"}
	for _, d := range directives {
		for at := range lines {
			text := strings.Join(append(append(append([]string{}, lines[:at]...), d), lines[at:]...), "\n") + "\n"
			f, diags := Parse("Dockerfile", []byte(text))
			if f == nil {
				if at > 0 || !strings.HasPrefix(d, "# escape") {
					t.Errorf("%q before line %d: %v", d, at+1, diags)
				}
				continue
			}
			for i := range f.Stages {
				f.runs(i)
			}
		}
	}
}

// FuzzParse: no text makes the parser panic.
func FuzzParse(f *testing.F) {
	for _, d := range directives {
		f.Add("FROM scratch\n" + d + "\nRUN x\n")
	}
	f.Fuzz(func(t *testing.T, text string) {
		if file, diags := Parse("Dockerfile", []byte(text)); file == nil && !diags.HasErrors() {
			t.Error("there is neither a file nor an error")
		}
	})
}
