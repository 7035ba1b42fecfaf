package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/moby/buildkit/cache/metadata"
	"github.com/sirupsen/logrus"
	bolt "go.etcd.io/bbolt"
)

// BuildKit receives a context into a copy that it keeps, file by file, and the next time asks only for files whose size or
// time differ. The hashes of the files, by which it knows whether a COPY is cached, it stores when it has received all. So if
// it is killed in between, the copy has new files with the hashes of the old ones, for ever: whatever copies them is taken
// from the cache, as it was. It drops a copy when receiving fails, and so must we when it was killed: copies outlive only a
// daemon that ended in good order, else the contexts are sent anew.

// folderKey is the name by which BuildKit keeps of which folder a record is the copy, and finds the copy again.
const folderKey = "local.sharedKey"

// endedWell reports whether the last daemon ended in good order, and takes that back for this one.
func endedWell(l layout) (bool, error) {
	err := os.Remove(l.endMark)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// markEnd says that this daemon ended in good order.
func markEnd(l layout) {
	if err := os.WriteFile(l.endMark, nil, 0o600); err != nil {
		logrus.Warnf("contexts will be sent anew: %v", err)
	}
}

// forgetCopies lets no copy of a folder be found again. Garbage collection removes them.
func forgetCopies(store *metadata.Store) error {
	records, err := store.All()
	if err != nil {
		return fmt.Errorf("reading the store's records: %w", err)
	}
	for _, r := range records {
		v := r.Get(folderKey)
		if v == nil {
			continue
		}
		var folder string
		err := v.Unmarshal(&folder)
		if err == nil {
			err = r.Update(func(b *bolt.Bucket) error {
				return errors.Join(r.SetValue(b, folderKey, nil), r.ClearIndex(b.Tx(), folderKey+":"+folder))
			})
		}
		if err != nil {
			return fmt.Errorf("forgetting the copy of a context: %w", err)
		}
	}
	return nil
}
