package store

import (
	"context"
	"errors"
	"slices"
)

// eachPage is how many rows Each reads at once.
const eachPage = 1000

// Each visits the rows with lo <= key < hi in order until visit returns false.
func Each(snap Snap, lo, hi []byte, visit func(e *Entry) (more bool, err error)) error {
	for {
		entries, err := snap.Scan(lo, hi, eachPage, false)
		if err != nil {
			return err
		}
		for i := range entries {
			if more, err := visit(&entries[i]); err != nil || !more {
				return err
			}
		}
		if len(entries) < eachPage {
			return nil
		}
		lo = append(slices.Clone(entries[eachPage-1].Key), 0)
	}
}

// Change commits what change makes of a snapshot, and makes it anew if another was
// faster: if a check of the batch failed. A batch that is nil changes nothing. A
// commit does not end with ctx: it must not stay half known because a client went
// away.
func Change(ctx context.Context, s Store, change func(snap Snap) (*Batch, error)) error {
	for {
		snap, err := s.Snapshot(ctx)
		if err != nil {
			return err
		}
		batch, err := change(snap)
		snap.Close()
		if err != nil || batch == nil {
			return err
		}
		if _, err = s.Commit(context.WithoutCancel(ctx), batch); !errors.Is(err, ErrConflict) {
			return err
		}
	}
}
