package plan

import (
	"strings"
	"sync"

	"github.com/xbuild/xbuild/plan/dockerfile"
	"github.com/xbuild/xbuild/schema"
)

// graphKey is equal for builds that give a file the same values. The file is the parsed one, so that an edited text is
// another file.
type graphKey struct {
	file *dockerfile.File
	env  string
}

// envKey names what a build gives to a file on a platform.
func (b *build) envKey(v *schema.Build, args map[string]string, target schema.Platform) string {
	k := []string{b.on.native().String(), target.String(), v.Stage, v.Context}
	k = append(k, runKeys(v)...)
	for _, m := range []map[string]string{args, v.Contexts, b.secretNames, b.sshNames} {
		for _, name := range sortedKeys(m) {
			k = append(k, name, m[name])
		}
		k = append(k, "\x00")
	}
	return strings.Join(k, "\x00")
}

// graphCache keeps the latest graphs. Its zero value is ready; it is safe for concurrent use.
type graphCache struct {
	sync.Mutex
	graphs map[graphKey]*dockerfile.Graph
}

// graphsKept bounds how many graphs are kept: targets with the same values mostly stand together.
const graphsKept = 4096

func (c *graphCache) get(k graphKey) *dockerfile.Graph {
	c.Lock()
	defer c.Unlock()
	return c.graphs[k]
}

func (c *graphCache) put(k graphKey, g *dockerfile.Graph) {
	c.Lock()
	defer c.Unlock()
	if c.graphs == nil || len(c.graphs) >= graphsKept {
		c.graphs = map[graphKey]*dockerfile.Graph{}
	}
	c.graphs[k] = g
}
