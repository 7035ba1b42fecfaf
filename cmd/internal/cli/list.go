package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/tonistiigi/go-csvvalue"

	"github.com/xbuild/xbuild/hcl"
	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// What can be listed, and how.
var (
	listKinds   = []string{"targets", "variables"}
	listFormats = []string{"table", "json"}
)

func (a *app) listCommand() *cobra.Command {
	var in inputFlags
	var format string
	c := &cobra.Command{
		Use:   "list [targets|variables] [ADDRESS]",
		Short: "List the targets or the variables of the build files",
		Long: "List the targets and groups (the default), or the variables with their values: what docker buildx bake --list shows, and\n" +
			"where each is declared and each value comes from. Names that begin with _ are private to the build files and left out.\n" +
			"No BuildKit is needed, except to read build files from a remote address.",
		ValidArgs: listKinds,
		RunE: func(c *cobra.Command, args []string) error {
			kind := listKinds[0]
			if len(args) > 0 && slices.Contains(listKinds, args[0]) {
				kind, args = args[0], args[1:]
			}
			if args = in.takeRemote(args); len(args) > 0 {
				return &exitError{ExitUsage, fmt.Errorf("%q cannot be listed; want %s", args[0], strings.Join(listKinds, " or "))}
			}
			return a.list(c.Context(), &in, listing{kind: kind, format: format, places: true})
		},
	}
	in.registerFiles(c)
	in.registerAllow(c)
	c.Flags().StringVar(&format, "format", listFormats[0], strings.Join(listFormats, " or "))
	return c
}

// listing is one way to list.
type listing struct {
	kind, format string
	places       bool // with what Bake's lists do not have
}

// parseListing reads the argument of Bake's flag --list: a kind, or type=KIND,format=FORMAT.
func parseListing(s string) (listing, error) {
	l := listing{kind: s, format: listFormats[0]}
	if strings.Contains(s, "=") {
		fields, err := csvvalue.Fields(s, nil)
		if err != nil {
			return l, &exitError{ExitUsage, fmt.Errorf("--list %s: %w", s, err)}
		}
		l.kind = ""
		for _, f := range fields {
			switch k, v, _ := strings.Cut(f, "="); strings.ToLower(strings.TrimSpace(k)) {
			case "type":
				l.kind = v
			case "format":
				l.format = v
			default:
				return l, &exitError{ExitUsage, fmt.Errorf("--list %s: %q is neither type=... nor format=...", s, f)}
			}
		}
	}
	if !slices.Contains(listKinds, l.kind) {
		return l, &exitError{ExitUsage, fmt.Errorf("--list %s: want %s", s, strings.Join(listKinds, " or "))}
	}
	return l, nil
}

func (a *app) list(ctx context.Context, in *inputFlags, l listing) error {
	if !slices.Contains(listFormats, l.format) {
		return &exitError{ExitUsage, fmt.Errorf("--format %s: want %s", l.format, strings.Join(listFormats, " or "))}
	}
	def, err := a.read(ctx, in, nil)
	if err != nil {
		return err
	}
	cfg, diags := hcl.List(def.files, def.env)
	if err := a.report(diags, cfg.Sources); err != nil {
		return err
	}
	if l.kind == "variables" {
		return l.variables(a.out, cfg.Variables)
	}
	return l.targets(a.out, cfg)
}

// listedTarget is a target or group in a list. The fields of Bake come first and are its own.
type listedTarget struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	Group       bool   `json:"group,omitempty"`
	place
}

// listedVariable is a variable in a list. The fields of Bake come first and are its own.
type listedVariable struct {
	Name        string  `json:"name"`
	Description string  `json:"description,omitempty"`
	Type        string  `json:"type,omitempty"`
	Value       *string `json:"value,omitempty"` // absent for null and for what is sensitive
	Sensitive   bool    `json:"sensitive,omitempty"`
	Source      string  `json:"source,omitempty"`
	place
}

// place is where something is declared.
type place struct {
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
}

func (l listing) place(r diag.Range) place {
	if !l.places {
		return place{}
	}
	return place{r.Filename, r.Start.Line}
}

func (p place) String() string { return fmt.Sprintf("%s:%d", p.File, p.Line) }

// targets lists targets and groups by name; of one name, the target comes first.
func (l listing) targets(w io.Writer, cfg *schema.Config) error {
	var rows []listedTarget
	for _, t := range cfg.Targets {
		rows = append(rows, listedTarget{t.Name, t.Description, false, l.place(t.Range)})
	}
	for _, g := range cfg.Groups {
		members := strings.Join(slices.Sorted(slices.Values(g.Members)), ", ")
		text := g.Description
		switch {
		case text == "":
			text = members
		case members != "":
			text += " (" + members + ")"
		}
		rows = append(rows, listedTarget{g.Name, text, true, l.place(g.Range)})
	}
	rows = slices.DeleteFunc(rows, func(r listedTarget) bool { return strings.HasPrefix(r.Name, "_") })
	slices.SortStableFunc(rows, func(x, y listedTarget) int { return strings.Compare(x.Name, y.Name) })
	if l.format == "json" {
		if rows == nil && l.places { // Bake prints null
			rows = []listedTarget{}
		}
		return listJSON(w, rows)
	}
	t := l.table(w, "TARGET", "DESCRIPTION", "DECLARED")
	for _, r := range rows {
		l.row(t, []string{r.Name, r.Description}, r.place.String())
	}
	return t.Flush()
}

// variables lists the variables by name.
func (l listing) variables(w io.Writer, vars []schema.Variable) error {
	rows := []listedVariable{}
	for _, v := range vars {
		row := listedVariable{Name: v.Name, Description: v.Description, Type: v.Type, place: l.place(v.Range)}
		if l.places {
			row.Source = v.Source
		}
		if row.Sensitive = v.Sensitive; !v.Null && !v.Sensitive {
			row.Value = &v.Value
		}
		rows = append(rows, row)
	}
	if vars == nil && !l.places { // Bake prints null
		rows = nil
	}
	slices.SortStableFunc(rows, func(x, y listedVariable) int { return strings.Compare(x.Name, y.Name) })
	if l.format == "json" {
		return listJSON(w, rows)
	}
	t := l.table(w, "VARIABLE", "TYPE", "VALUE", "DESCRIPTION", "SOURCE", "DECLARED")
	for _, r := range rows {
		value := "<null>"
		switch {
		case r.Sensitive:
			value = "<sensitive>"
		case r.Value != nil:
			value = *r.Value
		}
		l.row(t, []string{r.Name, r.Type, value, r.Description}, r.Source, r.place.String())
	}
	return t.Flush()
}

// table begins a table; the columns in capitals that Bake does not have stand last.
func (l listing) table(w io.Writer, columns ...string) *tabwriter.Writer {
	t := tabwriter.NewWriter(w, 1, 8, 1, '\t', 0)
	if !l.places {
		columns = slices.DeleteFunc(columns, func(s string) bool { return s == "SOURCE" || s == "DECLARED" })
	}
	fmt.Fprintln(t, strings.Join(columns, "\t"))
	return t
}

func (l listing) row(t *tabwriter.Writer, cells []string, more ...string) {
	if l.places {
		cells = append(cells, more...)
	}
	fmt.Fprintln(t, strings.Join(cells, "\t"))
}

func listJSON(w io.Writer, rows any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(rows)
}
