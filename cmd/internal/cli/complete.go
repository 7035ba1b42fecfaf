package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/xbuild/xbuild/cmd/internal/git"
	"github.com/xbuild/xbuild/exec/progress"
	"github.com/xbuild/xbuild/hcl"
	"github.com/xbuild/xbuild/schema"
)

// addCompletion tells the shell what can follow on the command line. What it says of the build files comes from those that
// the flags of the line name; files that cannot be read have nothing to say, and no BuildKit is asked.
func (a *app) addCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	if c, _, err := root.Find([]string{"completion", "bash"}); err == nil {
		c.RunE = func(c *cobra.Command, _ []string) error { return a.bashCompletion(root, c) }
	}
	quiet := *a
	quiet.out, quiet.err = io.Discard, io.Discard
	for _, c := range root.Commands() {
		s := suggester{app: &quiet}
		if strings.Contains(c.Use, "[TARGET...]") {
			c.ValidArgsFunction = s.targets
		}
		for flag, f := range s.flags(c.Name()) {
			if c.Flags().Lookup(flag) != nil {
				_ = c.RegisterFlagCompletionFunc(flag, f) // fails only for flags that do not exist
			}
		}
		if c.Name() == "fmt" {
			c.ValidArgsFunction = fileNames("hcl")
		}
	}
}

// bashCompletion prints the script for bash. Bash takes @ for the beginning of a word, as it does : and =, and the script
// must be told of it, or TARGET@PLATFORM could not be completed.
func (a *app) bashCompletion(root, c *cobra.Command) error {
	var b strings.Builder
	plain, _ := c.Flags().GetBool("no-descriptions")
	if err := root.GenBashCompletionV2(&b, !plain); err != nil {
		return err
	}
	text := strings.ReplaceAll(b.String(), "_init_completion -n =: ", "_init_completion -n =:@ ")
	const colon = `    __xbuild_handle_special_char "$cur" :` + "\n"
	text = strings.Replace(text, colon, colon+strings.Replace(colon, ":", "@", 1), 1)
	_, err := fmt.Fprint(a.out, text)
	return err
}

// suggester answers the shell.
type suggester struct{ app *app }

// flags are the suggestions for the values of flags.
func (s suggester) flags(command string) map[string]cobra.CompletionFunc {
	out := map[string]cobra.CompletionFunc{
		"file":      fileNames("hcl", "json", "yaml", "yml"),
		"directory": folders,
		"var":       s.variables,
		"set":       s.sets,
		"platform":  s.platforms,
		"strategy":  s.strategies,
		"progress":  words(progress.Modes()...),
		"call":      words("build", "check", "outline", "targets"),
		"list":      words("targets", "variables", "type=targets,format=json", "type=variables,format=json"),
		"dialect":   words(string(schema.XbuildDialect), string(schema.BakeDialect)),
	}
	formats := map[string][]string{"plan": {"text", "json"}, "graph": graphFormats, "list": listFormats, "validate": validateFormats}
	if f := formats[command]; f != nil {
		out["format"] = words(f...)
	}
	return out
}

// none is the answer when nothing can be said.
const none = cobra.ShellCompDirectiveNoFileComp

func words(list ...string) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) { return list, none }
}

func fileNames(extensions ...string) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return extensions, cobra.ShellCompDirectiveFilterFileExt
	}
}

func folders(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

// definition reads the build files that the flags of the command line name; nil if that cannot be done at once.
func (s suggester) definition(c *cobra.Command) *definition {
	var in inputFlags
	in.files, _ = c.Flags().GetStringArray("file")
	in.vars, _ = c.Flags().GetStringArray("var")
	in.dir, _ = c.Flags().GetString("directory")
	if slices.Contains(in.files, "-") {
		return nil // standard input is the shell's
	}
	in.vars = slices.DeleteFunc(in.vars, func(v string) bool { return !strings.Contains(v, "=") }) // the one being typed
	def, diags, err := s.app.parse(c.Context(), &in, nil)
	if err != nil || diags.HasErrors() {
		return nil
	}
	def.env.Portable = true
	def.env.Git = git.Placeholder() // a key press runs nothing
	return def
}

// declared is what the build files declare.
func (s suggester) declared(c *cobra.Command) *schema.Config {
	def := s.definition(c)
	if def == nil {
		return &schema.Config{}
	}
	cfg, diags := hcl.List(def.files, def.env)
	if diags.HasErrors() {
		return &schema.Config{}
	}
	return cfg
}

// resolved is what the build files mean; without targets if they have mistakes.
func (s suggester) resolved(c *cobra.Command) *schema.Config {
	def := s.definition(c)
	if def == nil {
		return &schema.Config{}
	}
	def.env.Targets = nil
	cfg, diags := hcl.Validate(def.files, def.env)
	if diags.HasErrors() {
		return &schema.Config{}
	}
	return cfg
}

// targets suggests targets and groups with their descriptions and, after TARGET@, platforms of the target.
func (s suggester) targets(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if name, _, ok := strings.Cut(typed, "@"); ok {
		var out []string
		if t := s.resolved(c).Target(name); t != nil {
			for _, p := range t.Platforms {
				out = append(out, name+"@"+p.String())
			}
		}
		return out, none
	}
	cfg := s.declared(c)
	var out []string
	add := func(name, text string) {
		if !slices.Contains(args, name) && !strings.HasPrefix(name, "_") && strings.HasPrefix(name, typed) {
			out = append(out, described(name, text))
		}
	}
	for _, g := range cfg.Groups {
		text := g.Description
		if text == "" && len(g.Members) > 0 {
			text = "group: " + strings.Join(g.Members, ", ")
		}
		add(g.Name, text)
	}
	for _, t := range cfg.Targets {
		if cfg.Group(t.Name) == nil { // a group hides a target of its name
			add(t.Name, t.Description)
		}
	}
	return out, none
}

// described is a suggestion with what the shell shows beside it.
func described(word, text string) string {
	if text, _, _ = strings.Cut(text, "\n"); text == "" {
		return word
	}
	return word + "\t" + text
}

// strategies suggests the modes, and the strategy blocks with their descriptions.
func (s suggester) strategies(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	out := strings.Split(strategyNames(), ", ")
	for _, b := range s.resolved(c).Strategies {
		out = append(out, described(string(b.Ref()), b.Description))
	}
	return out, none
}

// variables suggests NAME= for --var.
func (s suggester) variables(c *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	var out []string
	for _, v := range s.declared(c).Variables {
		if strings.HasPrefix(v.Name, typed) {
			out = append(out, described(v.Name+"=", v.Description))
		}
	}
	return out, none | cobra.ShellCompDirectiveNoSpace
}

// sets suggests TARGET. and then KEY= for --set; of keys with a second part, what the target has.
func (s suggester) sets(c *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	const more = none | cobra.ShellCompDirectiveNoSpace
	def := s.definition(c)
	if def == nil || strings.Contains(typed, "=") {
		return nil, none
	}
	name, rest, ok := strings.Cut(typed, ".")
	if !ok {
		out := []string{described("*.", "all targets")}
		for _, t := range s.declared(c).Targets {
			out = append(out, described(t.Name+".", t.Description))
		}
		return out, more
	}
	if key, _, ok := strings.Cut(rest, "."); ok {
		var out []string
		for _, sub := range subkeys(s.resolved(c), name, key) {
			out = append(out, name+"."+key+"."+sub+"=")
		}
		return out, more
	}
	var out []string
	for _, a := range schema.Language.Of(hcl.Dialect(def.files[0].Path)).Block("target").Attributes {
		switch {
		case a.SetKey == "":
		case a.SubKey:
			out = append(out, described(name+"."+a.SetKey+".", a.Doc))
		default:
			out = append(out, described(name+"."+a.SetKey+"=", a.Doc))
		}
	}
	return out, more
}

// subkeys are the second parts that a key of --set has in a target, or in all of them for a pattern.
func subkeys(cfg *schema.Config, target, key string) []string {
	var out []string
	add := func(b *schema.Build) {
		m := map[string]map[string]string{"args": b.Args, "labels": b.Labels, "contexts": b.Contexts,
			"extra-host": b.ExtraHosts, "resource": b.Resources}[key]
		for k := range m {
			out = append(out, k)
		}
	}
	for _, t := range cfg.Targets {
		if t.Name != target && target != "*" {
			continue
		}
		add(&t.Base)
		for _, b := range t.PerPlatform {
			add(b)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// platforms suggests the platforms that the targets of the line, or all targets, are declared for.
func (s suggester) platforms(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	cfg := s.resolved(c)
	before := "" // several can be given, with commas
	if i := strings.LastIndex(typed, ","); i >= 0 {
		before = typed[:i+1]
	}
	var out []string
	for _, t := range cfg.Targets {
		if len(args) > 0 && !slices.Contains(args, t.Name) && !slices.ContainsFunc(args, func(a string) bool { return cfg.Group(a) != nil }) {
			continue
		}
		for _, p := range t.Platforms {
			if s := before + p.String(); !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	return out, none
}
