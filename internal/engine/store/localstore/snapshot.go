package localstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// Snapshot gives a point-in-time view; the caller closes it.
func (s *Store) Snapshot(ctx context.Context) (store.Snap, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.leave()
	snap := &snapshot{store: s, db: s.db.NewSnapshot()}
	s.snaps.add(snap)
	return snap, nil
}

// snapshot is a Snap. Its db is nil once it is closed.
type snapshot struct {
	store *Store
	db    *pebble.Snapshot
}

func (n *snapshot) enter() error {
	if err := n.store.enter(context.Background()); err != nil {
		return err
	}
	if n.db == nil {
		n.store.leave()
		return fmt.Errorf("snapshot: %w", store.ErrClosed)
	}
	return nil
}

// Get returns a copy of the value.
func (n *snapshot) Get(key []byte) ([]byte, store.Version, error) {
	if err := n.enter(); err != nil {
		return nil, 0, err
	}
	defer n.store.leave()
	stored, closer, err := n.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, 0, store.ErrNotFound
	}
	if err != nil {
		return nil, 0, fmt.Errorf("get: %w", classify(err))
	}
	defer closer.Close()
	value, version, err := split(stored)
	return bytes.Clone(value), version, err
}

// Scan walks the range.
func (n *snapshot) Scan(lo, hi []byte, limit int, reverse bool) (entries []store.Entry, err error) {
	if err := n.enter(); err != nil {
		return nil, err
	}
	defer n.store.leave()
	lo, hi = clamp(lo, hi)
	if limit <= 0 || string(lo) >= string(hi) {
		return nil, nil
	}
	iterator, err := n.db.NewIter(&pebble.IterOptions{LowerBound: lo, UpperBound: hi})
	if err != nil {
		return nil, fmt.Errorf("scan: %w", classify(err))
	}
	defer func() {
		if closeErr := iterator.Close(); err == nil && closeErr != nil {
			entries, err = nil, fmt.Errorf("scan: %w", classify(closeErr))
		}
	}()
	first, next := iterator.First, iterator.Next
	if reverse {
		first, next = iterator.Last, iterator.Prev
	}
	for ok := first(); ok && len(entries) < limit; ok = next() {
		stored, err := iterator.ValueAndErr()
		if err != nil {
			return nil, fmt.Errorf("scan: %w", classify(err))
		}
		value, version, err := split(stored)
		if err != nil {
			return nil, fmt.Errorf("scan: %w", err)
		}
		entries = append(entries, store.Entry{Key: bytes.Clone(iterator.Key()), Value: bytes.Clone(value), Version: version})
	}
	return entries, nil
}

// Close ends the view.
func (n *snapshot) Close() error {
	if err := n.enter(); err != nil {
		return nil // it has ended already, or the store has
	}
	defer n.store.leave()
	n.store.snaps.remove(n)
	err := n.db.Close()
	n.db = nil
	return err
}

// clamp keeps a range out of the engine's own keys; a nil hi is the end.
func clamp(lo, hi []byte) ([]byte, []byte) {
	if len(lo) == 0 || lo[0] == reserved {
		lo = []byte{reserved + 1}
	}
	if hi == nil {
		hi = bytes.Repeat([]byte{0xFF}, store.MaxKeyBytes+1)
	}
	return lo, hi
}

// snaps are the open snapshots, which Close must end.
type snaps struct {
	mu   sync.Mutex
	open map[*snapshot]struct{}
}

func (o *snaps) add(n *snapshot) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.open == nil {
		o.open = map[*snapshot]struct{}{}
	}
	o.open[n] = struct{}{}
}

func (o *snaps) remove(n *snapshot) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.open, n)
}

// closeAll ends all snapshots; nobody is inside one, for the store is closed and unused.
func (o *snaps) closeAll() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for n := range o.open {
		n.db.Close()
		n.db = nil
	}
	clear(o.open)
}
