package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/xbuild/xbuild/plan/graph"
)

var graphFormats = []string{"dot", "mermaid", "svg", "html"}

func (a *app) graphCommand() *cobra.Command {
	var in inputFlags
	var format string
	var offline bool
	c := &cobra.Command{
		Use:   "graph [TARGET...]",
		Short: "Draw the plan",
		Long: "Draw the plan: a node for each stage on each platform, an edge for each need. html is one page, with zoom, search and\n" +
			"the details of a stage on click; dot is for Graphviz; mermaid is for Markdown.\n\n" +
			"TARGET is a target or a group, TARGET@PLATFORM one platform of a target; without one, \"default\".",
		Example: "  xbuild graph --format html > plan.html",
		RunE: func(c *cobra.Command, args []string) error {
			if !slices.Contains(graphFormats, format) {
				return &exitError{ExitUsage, fmt.Errorf("--format %s: want one of %s", format, strings.Join(graphFormats, ", "))}
			}
			p, _, err := a.planFor(c.Context(), &in, in.takeRemote(args), offline, nil)
			if p == nil {
				return err
			}
			var text string
			switch format {
			case "dot":
				text = graph.DOT(p)
			case "mermaid":
				text = graph.Mermaid(p)
			case "svg":
				text = graph.SVG(p)
			case "html":
				page, herr := graph.HTML(p)
				if herr != nil {
					return &exitError{ExitFailed, herr}
				}
				text = page
			}
			fmt.Fprint(a.out, text)
			return err
		},
	}
	in.register(c)
	in.registerAllow(c)
	c.Flags().StringVar(&format, "format", "dot", strings.Join(graphFormats, ", "))
	c.Flags().BoolVar(&offline, "offline", false, "ask no BuildKit; assume linux and this machine's architecture")
	return c
}
