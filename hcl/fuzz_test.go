package hcl_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/xbuild/xbuild/hcl"
	"github.com/xbuild/xbuild/schema/diag"
)

// FuzzLoad feeds any text to Parse and Load, as native syntax and as JSON: nothing may panic, and every diagnostic must
// point into a text that the user gave.
func FuzzLoad(f *testing.F) {
	for _, c := range testCases(f) {
		set, _ := c.file("set")
		for _, in := range c.archive.Files {
			if strings.HasSuffix(in.Name, ".hcl") || strings.HasSuffix(in.Name, ".json") {
				f.Add(in.Data, set, strings.HasSuffix(in.Name, ".json"))
			}
		}
	}
	f.Fuzz(func(t *testing.T, src []byte, set string, json bool) {
		name := "xbuild.hcl"
		if json {
			name += ".json"
		}
		sources := diag.Sources{name: src}
		file, diags := hcl.Parse(name, "/src/"+name, src)
		if (file == nil) != diags.HasErrors() {
			t.Errorf("file is nil: %v, but errors: %v", file == nil, diags.HasErrors())
		}
		if file != nil {
			cfg, more := hcl.Load([]*hcl.File{file}, hcl.Env{Dir: "/cwd", Sets: strings.Split(set, "\n"), Vars: map[string]string{"V": set}})
			diags, sources = append(diags, more...), cfg.Sources
			if !diags.HasErrors() {
				for _, tg := range cfg.Targets {
					diags = append(diags, diag.Diagnostic{Code: "header", Subject: &tg.Range})
					for name := range tg.Ranges {
						diags = append(diags, diag.Diagnostic{Code: name, Subject: tg.At(name)})
					}
				}
			}
		}
		for _, d := range diags {
			if err := rangesInside(d, sources); err != nil {
				t.Error(err)
			}
		}
		diag.Text(diags, sources)
	})
}

// rangesInside checks that all ranges of a diagnostic lie inside their sources.
func rangesInside(d diag.Diagnostic, sources diag.Sources) error {
	if d.Subject == nil {
		return fmt.Errorf("%s has no subject", d.Code)
	}
	all := []diag.Range{*d.Subject}
	for _, r := range d.Related {
		all = append(all, r.Range)
	}
	for _, r := range all {
		src, ok := sources[r.Filename]
		lines := strings.Count(string(src), "\n") + 1
		switch {
		case !ok:
			return fmt.Errorf("%s: there is no source %q", d.Code, r.Filename)
		case r.Start.Byte < 0, r.End.Byte < r.Start.Byte, r.End.Byte > len(src),
			r.Start.Line < 1, r.End.Line < r.Start.Line, r.End.Line > lines, r.Start.Column < 1, r.End.Column < 1:
			return fmt.Errorf("%s: the range %+v is outside of %s (%d bytes, %d lines)", d.Code, r, r.Filename, len(src), lines)
		}
	}
	return nil
}

// FuzzBake feeds any text to the loader of Bake's dialect, as each of its formats.
func FuzzBake(f *testing.F) {
	for _, c := range testCases(f) {
		set, _ := c.file("set")
		for _, in := range c.archive.Files {
			for i, suffix := range []string{".hcl", ".json", ".yml"} {
				if strings.HasSuffix(in.Name, suffix) {
					f.Add(in.Data, set, byte(i))
				}
			}
		}
	}
	f.Fuzz(func(t *testing.T, src []byte, set string, kind byte) {
		name := "docker-bake" + []string{".hcl", ".json", ".yml", ".txt"}[kind%4]
		sources := diag.Sources{name: src}
		file, diags := hcl.Parse(name, "/src/"+name, src)
		if file != nil {
			env := hcl.Env{Dir: "/cwd", Sets: strings.Split(set, "\n"), Vars: map[string]string{"V": set}, LocalPlatform: "linux/amd64"}
			cfg, more := hcl.Load([]*hcl.File{file}, env)
			diags, sources = append(diags, more...), cfg.Sources
			if text, _, ds := hcl.Print([]*hcl.File{file}, env); (text == nil) != ds.HasErrors() {
				t.Errorf("printed: %v, but errors: %v", text != nil, ds)
			}
		}
		for _, d := range diags {
			if err := rangesInside(d, sources); err != nil {
				t.Error(err)
			}
		}
		diag.Text(diags, sources)
	})
}
