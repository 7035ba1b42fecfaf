package compose

import (
	"bytes"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// maxNesting is how many lists and mappings may be in one another, aliases followed. What reads the values calls itself for
// each level.
const maxNesting = 1_000

// nestingError is the message about a file above the limit.
var nestingError = fmt.Sprintf("it is nested more than %d levels deep from here on, which is the limit", maxNesting)

// tooDeep is the line from which on a YAML text is nested too deep; 0 if it is not, or is no YAML.
func tooDeep(text []byte) int {
	if !mayNest(text) {
		return 0
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var doc yaml.Node
		if dec.Decode(&doc) != nil {
			return 0 // the end, or what compose-go complains about
		}
		h := heights{}
		if h.of(&doc) <= maxNesting {
			continue
		}
		n := &doc
		for level := 0; level <= maxNesting; {
			if n = h.highest(n); n.Kind != yaml.DocumentNode && n.Kind != yaml.AliasNode {
				level++
			}
		}
		return n.Line
	}
}

// mayNest reports whether a text has enough of what begins a level, or is indented far enough, to be nested too deep. It is a
// quick look, so that nearly no text is parsed twice.
func mayNest(text []byte) bool {
	signs, blanks, indenting := 0, 0, true
	for _, c := range text {
		switch c {
		case '\n':
			blanks, indenting = 0, true
			continue
		case ' ', '\t':
			if blanks++; indenting && blanks >= maxNesting {
				return true
			}
			continue
		case '[', '{', '-', '?', '*':
			if signs++; signs > maxNesting {
				return true
			}
		}
		indenting = false
	}
	return false
}

// heights are the numbers of levels that nodes have in them.
type heights map[*yaml.Node]int

// of is the number of levels of a node. An alias that leads back to where it stands counts as none: compose-go refuses it.
func (h heights) of(n *yaml.Node) int {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if v, ok := h[n]; ok {
		return v
	}
	h[n] = 0
	v := 0
	for _, c := range n.Content {
		v = max(v, h.of(c))
	}
	if n.Kind == yaml.MappingNode || n.Kind == yaml.SequenceNode {
		v++
	}
	h[n] = v
	return v
}

// highest is the child of a node that has the most levels; the node itself if it has none.
func (h heights) highest(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	out := n
	for i, c := range n.Content {
		if i == 0 || h.of(c) > h.of(out) {
			out = c
		}
	}
	return out
}
