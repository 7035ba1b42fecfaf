package hcl

import (
	"bytes"
	"maps"

	hhcl "github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/xbuild/xbuild/internal/parallel"
)

// chunkSize is how many bytes of a long file are parsed at once. The parser keeps all tokens of its text until it is
// done, which for a whole file of many targets is most of the memory that reading it takes.
const chunkSize = 2 << 10

// parseNative reads HCL in its native syntax. A long file is read in chunks, side by side: where a line that is only a
// closing brace is followed by one that begins with a letter, one block of the top level has most likely ended. Where it
// has not, in a heredoc or a comment, a chunk has an error; then, and if it has one of its own, the file is read as a
// whole, and what that says counts.
func parseNative(src []byte, name string) (hhcl.Body, hhcl.Diagnostics) {
	if chunks := chunksOf(src); len(chunks) > 1 {
		if body := parseChunks(src, name, chunks); body != nil {
			return body, nil
		}
	}
	if d := deepNative(src, name, hhcl.InitialPos); d != nil {
		return nil, hhcl.Diagnostics{d}
	}
	f, ds := hclsyntax.ParseConfig(src, name, hhcl.InitialPos)
	if f == nil {
		return nil, ds
	}
	if b, ok := f.Body.(*hclsyntax.Body); ok {
		count(b, src)
	}
	return f.Body, ds
}

// chunksOf is where the chunks of a file begin.
func chunksOf(src []byte) []hhcl.Pos {
	if len(src) < 32<<10 {
		return nil
	}
	out := []hhcl.Pos{hhcl.InitialPos}
	for line, i := 1, 0; ; line++ {
		end := bytes.IndexByte(src[i:], '\n')
		if end < 0 || i+end+1 >= len(src) {
			return out
		}
		next := i + end + 1
		if c := src[next]; end == 1 && src[i] == '}' && (c >= 'a' && c <= 'z') && next-out[len(out)-1].Byte >= chunkSize {
			out = append(out, hhcl.Pos{Line: line + 1, Column: 1, Byte: next})
		}
		i = next
	}
}

// parseChunks reads the chunks and puts them together; nil if one of them, or the whole, is not sound.
func parseChunks(src []byte, name string, chunks []hhcl.Pos) *hclsyntax.Body {
	bodies := make([]*hclsyntax.Body, len(chunks))
	parallel.Each(len(chunks), func(i int) {
		start, end := chunks[i], len(src)
		if i+1 < len(chunks) {
			end = chunks[i+1].Byte
		}
		if deepNative(src[start.Byte:end], name, start) != nil {
			return // read as a whole, it says where
		}
		if f, ds := hclsyntax.ParseConfig(src[start.Byte:end], name, start); len(ds) == 0 {
			bodies[i] = f.Body.(*hclsyntax.Body)
			count(bodies[i], src[start.Byte:end])
		}
	})
	out := &hclsyntax.Body{Attributes: hclsyntax.Attributes{}}
	for _, b := range bodies {
		if b == nil {
			return nil
		}
		before := len(out.Attributes)
		if maps.Copy(out.Attributes, b.Attributes); len(out.Attributes) != before+len(b.Attributes) {
			return nil // an attribute twice
		}
		out.Blocks = append(out.Blocks, b.Blocks...)
	}
	first, last := bodies[0], bodies[len(bodies)-1]
	out.SrcRange, out.EndRange = hhcl.RangeBetween(first.SrcRange, last.SrcRange), last.EndRange
	return out
}
