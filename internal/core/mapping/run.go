package mapping

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// retryPause is how long Run waits after trouble with the store.
const retryPause = time.Second

// Run takes messages and calls functions until ctx ends; then it takes no more,
// and returns when the calls that run have ended.
func (m *Mappings) Run(ctx context.Context) error {
	group := &sync.WaitGroup{}
	defer group.Wait()
	for {
		// More than one row may be in a transition, and each step may end one.
		if err := m.reconcile(ctx, group); err != nil && ctx.Err() == nil {
			m.config.Logger.Warn("event source mappings wait for the store", "err", err)
			clock.Wait(ctx, m.config.Clock, nil, retryPause)
			m.look()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-m.wake:
		}
	}
}

// reconcile brings the pollers in line with the rows, and the rows' states in
// line with the pollers.
func (m *Mappings) reconcile(ctx context.Context, group *sync.WaitGroup) error {
	snap, err := m.config.Store.Snapshot(ctx)
	if err != nil {
		return fmt.Errorf("read the event source mappings: %w", err)
	}
	defer snap.Close()
	known := map[string]bool{}
	lo, hi := tuple.Range("mapping", "row")
	for {
		entries, err := snap.Scan(lo, hi, scanPage, false)
		if err != nil {
			return fmt.Errorf("read the event source mappings: %w", err)
		}
		for _, entry := range entries {
			row, err := decode(entry)
			if err != nil {
				return err
			}
			known[row.UUID] = true
			if err := m.settle(ctx, group, row, entry.Version); err != nil {
				return err
			}
		}
		if len(entries) < scanPage {
			break
		}
		lo = append(entries[len(entries)-1].Key, 0)
	}
	for uuid, p := range m.pollers {
		if !known[uuid] {
			p.stop()
			delete(m.pollers, uuid)
		}
	}
	return nil
}

// settle does the next step of one mapping.
func (m *Mappings) settle(ctx context.Context, group *sync.WaitGroup, row *Mapping, version store.Version) error {
	wanted := row.Settings.Enabled && row.State != Deleting
	p := m.pollers[row.UUID]
	if p != nil && (!wanted || p.mapping.Revision != row.Revision) {
		p.stop()
		if !wanted && !p.ended() {
			return nil // its end wakes Run
		}
		delete(m.pollers, row.UUID) // calls with the old settings go on beside the new poller
		p = nil
	}
	if wanted && p == nil {
		p, err := m.newPoller(row)
		if err != nil {
			return err
		}
		m.pollers[row.UUID] = p
		polling, stop := context.WithCancel(ctx)
		p.stop = stop
		group.Go(func() { // ends when the poller is stopped or ctx ends, and its calls have ended
			defer m.look()
			defer close(p.done)
			p.run(polling)
		})
	}
	if row.settled() {
		return nil
	}
	return m.finish(ctx, row, version, wanted)
}

// finish ends a transition.
func (m *Mappings) finish(ctx context.Context, row *Mapping, version store.Version, enabled bool) error {
	batch := &store.Batch{Checks: []store.Check{store.At(rowKey(row.Scope, row.UUID), version)}}
	if row.State == Deleting {
		batch.Deletes = [][]byte{rowKey(row.Scope, row.UUID), row.pairKey()}
	} else {
		row.State = Disabled
		if enabled {
			row.State = Enabled
		}
		put, err := row.put()
		if err != nil {
			return err
		}
		batch.Puts = []store.KV{put}
	}
	err := m.commit(ctx, batch)
	if errors.Is(err, store.ErrConflict) {
		m.look() // somebody tagged it meanwhile
		return nil
	}
	return err
}
