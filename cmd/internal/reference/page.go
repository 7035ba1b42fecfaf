package reference

import (
	"fmt"
	"strings"

	"github.com/xbuild/xbuild/hcl"
	"github.com/xbuild/xbuild/schema"
)

// Page is the reference of the language in Markdown. examples has for each code of a diagnostic what a user sees.
func Page(examples map[string]string) string {
	var p page
	p.line("# Reference of the build file\n")
	p.line("This page is made from the tables that xbuild itself reads; a test keeps it current.\n")
	p.line("There are two kinds of build file. Files named `xbuild*.hcl` or `xbuild*.hcl.json`, and what they include, are read strictly. " +
		"All others, `docker-bake.hcl`, `docker-bake.json` and compose files among them, are read as `docker buildx bake` reads them. " +
		"Where the column *files* is empty, both kinds can have something; else it names the kind, `xbuild` or `bake`.\n")
	p.line("`xbuild schema` prints the JSON schema of the files in JSON.\n")
	p.line("- [Blocks](#blocks)\n- [Values](#values)\n- [Functions](#functions)\n- [Diagnostics](#diagnostics)\n")
	p.blocks()
	p.values()
	p.functions()
	p.diagnostics(examples)
	return strings.TrimRight(p.String(), "\n") + "\n"
}

// page is the text so far.
type page struct{ strings.Builder }

func (p *page) line(format string, args ...any) {
	if len(args) > 0 {
		format = fmt.Sprintf(format, args...)
	}
	p.WriteString(format + "\n")
}

// row writes one line of a table.
func (p *page) row(cells ...string) {
	for i, c := range cells {
		cells[i] = strings.ReplaceAll(c, "|", `\|`)
	}
	p.line("%s", "| "+strings.Join(cells, " | ")+" |")
}

// head begins a table.
func (p *page) head(columns ...string) {
	p.row(columns...)
	p.line("%s", strings.Repeat("| --- ", len(columns))+"|")
}

// code is a text in the type of code; nothing stays nothing.
func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return ""
}

func (p *page) blocks() {
	p.line("## Blocks\n")
	p.line("At the top level of a file stand blocks, and attributes of any name, which expressions can read. These have a meaning of their own:\n")
	p.head("attribute", "type", "files", "meaning")
	for _, a := range schema.TopLevel {
		p.row(code(a.Name), code(string(a.Type)), string(a.In), a.Doc)
	}
	p.line("")
	for _, b := range schema.Language {
		p.block(b)
	}
}

func (p *page) block(b schema.BlockType) {
	title := b.Name
	for _, l := range b.Labels {
		title += fmt.Sprintf(" %q", strings.ToUpper(l))
	}
	p.line("### `%s`\n", title)
	doc := b.Doc
	if b.In != schema.BothDialects {
		doc += fmt.Sprintf(" (%s files only.)", b.In)
	}
	p.line("%s\n", doc)
	p.head("attribute", "type", "default", "files", "meaning")
	for _, a := range b.Attributes {
		doc := a.Doc
		if a.Required {
			doc += " Required."
		}
		p.row(code(a.Name), code(string(a.Type)), code(a.Default), string(a.In), doc)
	}
	p.line("")
	for _, inner := range b.Blocks {
		p.line("It may hold blocks `%s`: %s\n", inner.Name, lowerFirst(inner.Doc))
		p.head("attribute", "type", "meaning")
		for _, a := range inner.Attributes {
			doc := a.Doc
			if a.Required {
				doc += " Required."
			}
			p.row(code(a.Name), code(string(a.Type)), doc)
		}
		p.line("")
	}
	if b.Name == "target" {
		p.rules(b)
	}
}

// rules is the table of how values of targets combine.
func (p *page) rules(b schema.BlockType) {
	p.line("How values combine. *Merge*: what becomes of a parent's value, and of one in an earlier block of the same name:\n")
	p.line("- `replace`: the later value counts, also an empty list.\n- `append`: later elements follow earlier ones.\n" +
		"- `keys`: per key, the later value counts.\n- `entries`: per id or type, the later value counts, in the place of the earlier.\n- `none`: it is not inherited.\n")
	p.line("*--set*: the key in `--set TARGET.KEY=VALUE`. *Paths*: what relative paths are relative to in xbuild files; in Bake's files, in `--set` and on the " +
		"command line it is the working directory. *Platform*: whether the expression can read `platform`.\n")
	p.head("attribute", "merge", "--set", "paths", "platform", "since")
	for _, a := range b.Attributes {
		key := a.SetKey
		if a.SubKey {
			key += ".NAME"
		}
		since := a.Since
		if since == "" {
			since = b.Since
		}
		p.row(code(a.Name), string(a.Merge), code(key), string(a.PathBase), yes(a.Platform), since)
	}
	p.line("")
}

func (p *page) values() {
	p.line("## Values\n")
	p.line("Expressions read variables, top-level attributes, the values of a matrix, and these:\n")
	p.head("value", "files", "meaning")
	for _, v := range hcl.Builtins() {
		p.row(code(v.Name), string(v.In), v.Doc)
	}
	p.line("")
}

func (p *page) functions() {
	p.line("## Functions\n")
	p.line("The type after the parentheses is that of the value; `any` depends on the arguments.\n")
	p.head("function", "files", "value")
	for _, f := range hcl.Functions() {
		p.row(code(f.Signature), string(f.In), f.Doc)
	}
	p.line("")
}

func (p *page) diagnostics(examples map[string]string) {
	p.line("## Diagnostics\n")
	p.line("Every problem in a build file has a code, which stays the same from version to version. Each is shown with an example of what it looks like.\n")
	for _, c := range hcl.Codes {
		p.line("### `%s`\n", c.Name)
		p.line("%s\n", c.Doc)
		p.line("```\n%s\n```\n", strings.TrimRight(examples[c.Name], "\n"))
	}
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }
