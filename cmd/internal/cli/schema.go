package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/xbuild/xbuild/cmd/internal/reference"
	"github.com/xbuild/xbuild/schema"
)

func (a *app) schemaCommand() *cobra.Command {
	var dialect string
	c := &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON schema of build files in JSON",
		Long: "Print the JSON schema (draft 2020-12) of build files in JSON, for editors and other checkers. Name it in a build file as\n" +
			"\"$schema\": an xbuild.hcl.json ignores that property.",
		Example: "  xbuild schema > xbuild.schema.json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			d := schema.Dialect(dialect)
			if d != schema.XbuildDialect && d != schema.BakeDialect {
				return &exitError{ExitUsage, fmt.Errorf("--dialect %s: want xbuild or bake", dialect)}
			}
			fmt.Fprintf(a.out, "%s", reference.JSONSchema(d))
			return nil
		},
	}
	c.Flags().StringVar(&dialect, "dialect", string(schema.XbuildDialect), "xbuild for xbuild.hcl.json, bake for docker-bake.json")
	return c
}
