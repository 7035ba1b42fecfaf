package buildkit

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/moby/buildkit/client"
)

// StoreEntry is one thing that a daemon keeps.
type StoreEntry struct {
	ID          string    `json:"id"`
	Kind        string    `json:"kind"` // "regular", "source.local", "exec.cachemount", ...
	Size        int64     `json:"size"` // bytes
	InUse       bool      `json:"in_use"`
	Shared      bool      `json:"shared"` // other entries use the same bytes
	Created     time.Time `json:"created"`
	LastUsed    time.Time `json:"last_used,omitzero"`
	Description string    `json:"description"`
}

func entryOf(u *client.UsageInfo) StoreEntry {
	e := StoreEntry{ID: u.ID, Kind: string(u.RecordType), Size: u.Size, InUse: u.InUse, Shared: u.Shared, Created: u.CreatedAt, Description: u.Description}
	if u.LastUsedAt != nil {
		e.LastUsed = *u.LastUsedAt
	}
	return e
}

// DiskUsage lists what the daemon keeps, the largest first.
func (b *Backend) DiskUsage(ctx context.Context) ([]StoreEntry, error) {
	var usage []*client.UsageInfo
	err := b.attended(ctx, func(ctx context.Context) (err error) {
		usage, err = b.client.DiskUsage(ctx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("BuildKit does not tell what it keeps: %s", cleanMessage(err))
	}
	var out []StoreEntry
	for _, u := range usage {
		out = append(out, entryOf(u))
	}
	slices.SortStableFunc(out, func(x, y StoreEntry) int { return cmp.Or(cmp.Compare(y.Size, x.Size), cmp.Compare(x.ID, y.ID)) })
	return out, nil
}

// PruneOptions say what to keep.
type PruneOptions struct {
	// All removes internal images, such as those of frontends, too.
	All bool
	// Keep is how many bytes may stay; 0 means none.
	Keep int64
	// Unused keeps what was used within this time.
	Unused time.Duration
}

// Prune removes what the daemon keeps and nothing uses, and lists it.
func (b *Backend) Prune(ctx context.Context, opt PruneOptions) ([]StoreEntry, error) {
	if own := b.opt.OwnStore; own != nil {
		own.Release()
		defer own.Reserve()
	}
	opts := []client.PruneOption{client.WithKeepOpt(opt.Unused, opt.Keep, 0, 0)}
	if opt.All {
		opts = append(opts, client.PruneAll)
	}
	removed := make(chan []StoreEntry, 1)
	err := b.attended(ctx, func(ctx context.Context) error {
		var out []StoreEntry
		ch := make(chan client.UsageInfo)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for u := range ch {
				out = append(out, entryOf(&u))
			}
		}()
		err := b.client.Prune(ctx, ch, opts...)
		close(ch)
		<-done
		removed <- out
		return err
	})
	var out []StoreEntry
	select {
	case out = <-removed:
	default: // the daemon is lost
	}
	if err != nil {
		return out, fmt.Errorf("BuildKit cannot remove what it keeps: %s", cleanMessage(err))
	}
	return out, nil
}
