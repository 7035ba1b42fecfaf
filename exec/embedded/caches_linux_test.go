package embedded

import (
	"maps"
	"slices"
	"testing"
)

// What the program says that its daemon has is what the daemon has.
func TestCacheTypes(t *testing.T) {
	said := CacheTypes()
	slices.Sort(said)
	if has := slices.Sorted(maps.Keys(cacheExporters(nil, nil))); !slices.Equal(said, has) {
		t.Errorf("CacheTypes is %v, and the daemon writes %v", said, has)
	}
}
