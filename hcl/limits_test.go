package hcl

import (
	"fmt"
	"strings"
	"testing"

	"github.com/xbuild/xbuild/schema/diag"
)

// loadText is the diagnostics of a build file.
func loadText(t *testing.T, name, text string) diag.List {
	t.Helper()
	f, ds := Parse(name, "/src/"+name, []byte(text))
	if f == nil {
		return ds
	}
	_, more := Load([]*File{f}, Env{Dir: "/src", Targets: []string{"default"}})
	return append(ds, more...)
}

var dialects = []string{"xbuild.hcl", "docker-bake.hcl"}

// TestNestingLimit: what is nested too deep is one error at its place, before a parser or the evaluation calls itself for each
// level; what is nested half as deep is read.
func TestNestingLimit(t *testing.T) {
	forms := map[string]func(n int) string{
		"list":        func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) },
		"object":      func(n int) string { return strings.Repeat("{a=", n) + "1" + strings.Repeat("}", n) },
		"parentheses": func(n int) string { return strings.Repeat("(", n) + "1" + strings.Repeat(")", n) },
		"call":        func(n int) string { return strings.Repeat("max(", n) + "1" + strings.Repeat(")", n) },
		"not":         func(n int) string { return strings.Repeat("!", 2*n) + "true" },
		"minus":       func(n int) string { return strings.Repeat("- ", n) + "1" },
		"sum":         func(n int) string { return "1" + strings.Repeat("+1", n) },
		"condition":   func(n int) string { return strings.Repeat("true ? 1 : ", n) + "1" },
		"template":    func(n int) string { return strings.Repeat(`"${`, n/2+1) + "1" + strings.Repeat(`}"`, n/2+1) },
		"if":          func(n int) string { return `"` + strings.Repeat("%{if true}", n) + strings.Repeat("%{endif}", n) + `"` },
		"unclosed":    func(n int) string { return strings.Repeat("[", n) },
		"comment":     func(n int) string { return strings.Repeat("[/*\n}\na*/", n) },
	}
	for name, form := range forms {
		for _, file := range dialects {
			t.Run(name+"/"+file, func(t *testing.T) {
				for _, n := range []int{3_000, 50_000} {
					ds := loadText(t, file, "a = 1\nx = "+form(n)+"\n")
					if len(ds) != 1 || ds[0].Summary != "Nested too deep" || ds[0].Subject == nil || ds[0].Subject.Start.Line < 2 {
						t.Errorf("%d levels: %.500v", n, ds)
					}
				}
				if ds := loadText(t, file, "a = 1\nx = "+form(200)+"\n"); strings.Contains(fmt.Sprint(ds), "Nested too deep") {
					t.Errorf("200 levels: %.500v", ds)
				}
			})
		}
	}
	for name, text := range map[string]string{
		"list":     `{"x": ` + strings.Repeat("[", 100_000) + `}`,
		"object":   `{"x": ` + strings.Repeat(`{"a":`, 100_000) + `}`,
		"template": `{"x": "${` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}"}`,
		"escaped":  `{"x": "${` + strings.Repeat(`\u005b`, 100_000) + strings.Repeat("]", 100_000) + `}"}`,
	} {
		for _, file := range dialects {
			t.Run("json/"+name+"/"+file, func(t *testing.T) {
				ds := loadText(t, file+".json", text)
				if len(ds) != 1 || ds[0].Summary != "Nested too deep" || ds[0].Subject == nil {
					t.Errorf("%.500v", ds)
				}
			})
		}
	}
}

// TestTargetLimit: a matrix of too many combinations, and matrices that are too many together, are errors.
func TestTargetLimit(t *testing.T) {
	axis := func(n int) string { return "[" + strings.Repeat("1,", n) + "]" }
	block := func(label, matrix string) string {
		return "target \"" + label + "\" {\n  name = \"" + label + "${a}-${b}\"\n  matrix = {\n" + matrix + "}\n}\n"
	}
	numbers := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "%d,", i)
		}
		return "[" + b.String() + "]"
	}
	for _, file := range dialects {
		ds := loadText(t, file, block("x", "a = "+axis(2000)+"\nb = "+axis(2000)+"\nc = "+axis(2000)+"\n"))
		if len(ds) != 1 || !strings.Contains(ds[0].Detail, "more than 100000 targets") || ds[0].Subject == nil {
			t.Errorf("%s: one matrix: %.500v", file, ds)
		}
		ds = loadText(t, file, block("x", "a = "+numbers(20)+"\nb = "+numbers(20)+"\n")+block("y", "a = "+axis(9990)+"\nb = "+axis(10)+"\n"))
		if len(ds) != 1 || !strings.Contains(ds[0].Detail, "more than 100000 targets") {
			t.Errorf("%s: two matrices: %.500v", file, ds)
		}
	}
}

// TestValueLimit: values that are made of smaller ones are bounded, whatever makes them.
func TestValueLimit(t *testing.T) {
	// Smaller limits are reached sooner, by smaller values.
	text, elements := maxText, maxElements
	maxText, maxElements = text/16, elements/16
	defer func() { maxText, maxElements = text, elements }()
	double := func(first, next string) string {
		var b strings.Builder
		fmt.Fprintf(&b, "v0 = %s\n", first)
		for i := range 26 {
			fmt.Fprintf(&b, "v%d = %s\n", i+1, strings.ReplaceAll(next, "V", fmt.Sprintf("v%d", i)))
		}
		return b.String()
	}
	for name, text := range map[string]string{
		"template":   double(`"0123456789"`, `"${V}${V}"`),
		"join":       double(`"0123456789"`, `join("", [V, V])`),
		"concat":     double(`[1, 2]`, `concat(V, V)`),
		"jsonencode": double(`"\""`, `jsonencode(V)`),
		"width":      `v = format("%1000000000d", 1)`,
		"indent":     `v = indent(1000000000, "a\nb")`,
		"for in for": `n = [for i in range(1000) : i]
v = [for a in n : [for b in n : [for c in n : [for d in n : a]]]]`,
		"for in templates": `n = [for i in range(1000) : i]
v = [for a in n : join("", [for b in n : "%{for c in n}%{for d in n}x%{endfor}%{endfor}"])]`,
		"for and a function": "n = [for i in range(1000) : i]\nfunction \"f\" {\n  params = [s]\n  result = [for a in n : [for b in n : s]]\n}\nv = [for c in n : f(c)]\n",
		"long strings":       "s = join(\"\", [for i in range(60) : format(\"%062500d\", 1)])\nn = [for i in range(1000) : i]\nv = [for a in n : upper(s)]\n",
		"long templates":     "s = join(\"\", [for i in range(60) : format(\"%062500d\", 1)])\nn = [for i in range(1000) : i]\nv = [for a in n : \"x${s}\"]\n",
		"long and many":      "s = join(\"\", [for i in range(60) : format(\"%062500d\", 1)])\nv = \"" + strings.Repeat("${s}", 1000) + "\"\n",
		"function":           "function \"f\" {\n  params = [s]\n  result = format(\"%s%04400000d\", s, 1)\n}\nv = f(\"\")\n",
	} {
		files := dialects
		if name != "template" && (strings.HasPrefix(text, "v0") || strings.HasPrefix(name, "for ")) { // what takes long to make; both dialects call functions in the same way
			files = dialects[:1]
		}
		for _, file := range files {
			t.Run(name+"/"+file, func(t *testing.T) {
				ds := loadText(t, file, text)
				if !strings.Contains(fmt.Sprint(ds), "which is the limit") {
					t.Errorf("%.1000v", ds)
				}
			})
		}
	}
}
