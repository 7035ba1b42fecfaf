package bakediff

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// library is every function that a Bake file can call.
const library = `absolute add and base64decode base64encode basename bcrypt byteslen bytesslice can ceil chomp chunklist cidrhost cidrnetmask
cidrsubnet cidrsubnets coalesce coalescelist compact concat contains convert csvdecode dirname distinct divide element equal flatten floor
format formatdate formatlist formattimestamp greaterthan greaterthanorequalto hasindex homedir indent index indexof int join jsondecode
jsonencode keys length lessthan lessthanorequalto log lookup lower max md5 merge min modulo multiply negate not notequal or parseint pow
range regex regex_replace regexall replace reverse reverselist rsadecrypt sanitize semvercmp sethaselement setintersection setproduct
setsubtract setsymmetricdifference setunion sha1 sha256 sha512 signum slice sort split strlen substr subtract timeadd timestamp title trim
trimprefix trimspace trimsuffix try unixtimestampparse upper urlencode uuidv4 uuidv5 values zipmap`

var heading = regexp.MustCompile(`^\[(\w+)\]$`)

// functionCases reads testdata/functions.txt: under the heading of each function, an expression a line. Its value is shown by
// jsonencode; after "raw " as an argument of the build takes it. A line that begins with # is a comment.
func functionCases(t *testing.T) []testCase {
	t.Helper()
	data, err := os.ReadFile("testdata/functions.txt")
	if err != nil {
		t.Fatal(err)
	}
	var out []testCase
	count := map[string]int{}
	function := ""
	for line := range strings.Lines(string(data)) {
		line = strings.TrimRight(line, "\n")
		if m := heading.FindStringSubmatch(line); m != nil {
			function = m[1]
			continue
		}
		if line == "" || line[0] == '#' {
			continue
		}
		count[function]++
		value, raw := strings.CutPrefix(line, "raw ")
		if !raw {
			value = "jsonencode(" + value + ")"
		}
		if function != "operators" && !strings.Contains(line, function) {
			t.Errorf("testdata/functions.txt: %q stands under %s", line, function)
		}
		out = append(out, testCase{name: fmt.Sprintf("functions/%s/%d", function, count[function]), files: map[string]string{
			"docker-bake.hcl": "target \"default\" {\n  args = {\n    V = " + value + "\n  }\n}\n",
		}})
	}
	functions := strings.Fields(library)
	if len(functions) != 106 {
		t.Errorf("%d functions are listed, not 106", len(functions))
	}
	for _, f := range functions {
		if count[f] < 3 {
			t.Errorf("testdata/functions.txt has %d expressions with %s, want at least 3", count[f], f)
		}
	}
	for f := range count {
		if f != "operators" && !slices.Contains(functions, f) {
			t.Errorf("testdata/functions.txt has a heading %s, which is no function", f)
		}
	}
	return out
}
