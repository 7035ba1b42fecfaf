package dockerfile

import (
	"slices"
	"strings"
)

// goFlags is what the arguments of go build and its siblings say.
type goFlags struct {
	out      word
	haveOut  bool
	packages []word
	pattern  bool // "..." is in a package
	only     bool // -c: the test is built and not run
}

// Flags that take a value, in the next word if not after "=".
var buildValueFlags = strings.Fields("-o -p -ldflags -gcflags -asmflags -tags -mod -modfile -overlay -pkgdir -toolexec -buildmode -buildvcs -compiler " +
	"-gccgoflags -installsuffix -pgo -covermode -coverpkg -exec -vettool")

var testValueFlags = strings.Fields("-run -skip -bench -benchtime -count -cpu -parallel -timeout -coverprofile -cpuprofile -memprofile -outputdir -trace -shuffle -fuzz -vet")

// readFlags takes the arguments of go build, install, vet or test apart and judges each flag.
func readFlags(sub string, args []word, cgo string) (goFlags, *Problem) {
	var fl goFlags
	for i := 0; i < len(args); i++ {
		a := args[i]
		if p := dynamicArg(sub, a); p != nil {
			return fl, p
		}
		if !strings.HasPrefix(a.Text, "-") {
			fl.packages = append(fl.packages, a)
			fl.pattern = fl.pattern || strings.Contains(a.Text, "...")
			continue
		}
		name, value, inline := splitFlag(a)
		takes := slices.Contains(buildValueFlags, name) || sub == "test" && slices.Contains(testValueFlags, name)
		if !inline && takes && i+1 < len(args) && !boolFlag(name, args[i+1]) {
			i++
			value = args[i]
		}
		if p := judgeFlag(word{Text: name}, value, cgo); p != nil {
			return fl, p
		}
		switch name {
		case "-o":
			fl.out, fl.haveOut = value, value.Text != ""
		case "-c":
			fl.only = sub == "test" && value.Text != "false"
		}
	}
	return fl, nil
}

// dynamicArg accepts an unknown argument only where it can be nothing but the value of a flag, or a package.
func dynamicArg(sub string, a word) *Problem {
	known, _, _ := strings.Cut(a.Text, "\x00")
	switch {
	case !a.Dyn:
	case strings.HasPrefix(known, "-ldflags=") || strings.HasPrefix(known, "--ldflags="):
	case !a.Splits && known != "" && (!strings.HasPrefix(known, "-") || strings.HasPrefix(known, "-o=")):
	default:
		return &Problem{Code: "dynamic-command", Reason: "an argument of go " + sub + " is not known before it runs"}
	}
	return nil
}

// boolFlag: -buildvcs may stand alone, then the next word is no value.
func boolFlag(name string, next word) bool {
	return name == "-buildvcs" && !slices.Contains([]string{"true", "false", "auto"}, next.Text)
}

// splitFlag normalises --flag to -flag and separates "=value".
func splitFlag(a word) (name string, value word, inline bool) {
	s := a.Text
	if strings.HasPrefix(s, "--") {
		s = s[1:]
	}
	n, v, ok := strings.Cut(s, "=")
	value = a
	value.Text = v
	return n, value, ok
}

// judgeFlag decides about one flag; flag may carry its value after "=".
func judgeFlag(flag, value word, cgo string) *Problem {
	name, v, inline := splitFlag(flag)
	if inline {
		value = v
	}
	switch name {
	case "-race", "-msan", "-asan":
		if value.Text != "false" {
			return &Problem{Code: "needs-cgo-flag", Reason: name + " needs cgo and a C compiler for the target"}
		}
	case "-buildmode":
		if value.Text != "default" && value.Text != "exe" {
			return &Problem{Code: "needs-cgo-flag", Reason: "-buildmode=" + value.Text + " may need a linker for the target"}
		}
	case "-toolexec", "-vettool", "-compiler", "-gccgoflags", "-overlay", "-pkgdir", "-exec":
		return &Problem{Code: "toolchain-changed", Reason: name + " changes how the toolchain works"}
	case "-ldflags":
		return judgeLdflags(value, cgo)
	case "-o":
		if value.Splits {
			return &Problem{Code: "dynamic-command", Reason: "the value of -o is not known before it runs"}
		}
	default:
		if value.Dyn {
			return &Problem{Code: "dynamic-command", Reason: "the value of " + name + " is not known before it runs"}
		}
	}
	return nil
}

// judgeLdflags accepts unknown text only as the value of -X.
func judgeLdflags(value word, cgo string) *Problem {
	fields := strings.Fields(value.Text)
	for i, f := range fields {
		f = strings.Trim(f, `'"`)
		if strings.HasPrefix(f, "--") {
			f = f[1:]
		}
		unknown := strings.ContainsRune(f, 0)
		afterX := i > 0 && strings.Trim(fields[i-1], `'"-`) == "X"
		switch {
		case strings.HasPrefix(f, "-linkmode") && !strings.HasSuffix(f, "=internal"):
			return &Problem{Code: "needs-cgo-flag", Reason: "-linkmode needs a linker for the target"}
		case strings.HasPrefix(f, "-extldflags") && cgo == "0":
			return nil // the rest is for a linker that is never called
		case strings.HasPrefix(f, "-extld"), strings.HasPrefix(f, "-extar"), strings.HasPrefix(f, "-linkshared"), strings.HasPrefix(f, "-race"), strings.HasPrefix(f, "-msan"):
			return &Problem{Code: "needs-cgo-flag", Reason: f + " is for an external linker"}
		case unknown && !(strings.HasPrefix(f, "-X=") || afterX):
			return &Problem{Code: "dynamic-command", Reason: "the linker flags are not known before the command runs"}
		case unknown && !strings.Contains(strings.SplitN(f, "\x00", 2)[0], "="):
			return &Problem{Code: "dynamic-command", Reason: "the name after -X is not known before the command runs"}
		}
	}
	return nil
}
