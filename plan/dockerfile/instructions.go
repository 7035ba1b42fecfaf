package dockerfile

import (
	"fmt"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// quiet is a linter that reports nothing. BuildKit's parser needs one: without it, "# check=" before an instruction is a panic.
func quiet() *linter.Linter { return linter.New(&linter.Config{SkipAll: true}) }

// ParseStages makes stages of the syntax tree of a Dockerfile.
func ParseStages(ast *parser.Node) ([]instructions.Stage, []instructions.ArgCommand, error) {
	return instructions.Parse(ast, quiet())
}

// parseCommand makes an instruction of its node.
func parseCommand(node *parser.Node) (instructions.Command, error) {
	v, err := instructions.ParseInstructionWithLinter(node, quiet())
	if err != nil {
		return nil, err
	}
	if c, ok := v.(instructions.Command); ok {
		return c, nil
	}
	return nil, fmt.Errorf("%s is no instruction of a stage", node.Value)
}
