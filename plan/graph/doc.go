// Package graph draws a plan: one node for each stage instance, coloured by its kind, one edge for each need.
//
// In: a [plan.Plan], of which only the public fields count, so that a plan read from JSON can be drawn too. Out: text for
// Graphviz ([DOT]) or Mermaid ([Mermaid]), a picture ([SVG]) or one page that needs nothing else ([HTML]). Promised: the same plan
// gives the same bytes; names from build files are escaped; the picture needs no other program. Start with [HTML].
package graph
