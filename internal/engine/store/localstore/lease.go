package localstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// leases are those of this process, which is the only one: a holder dies with
// the store, so only the epoch is durable and a renewal costs no write.
type leases struct {
	mu   sync.Mutex
	held map[string]*lease
}

// lease is a Lease; expires is guarded by leases.mu.
type lease struct {
	store   *Store
	name    string
	ttl     time.Duration
	expires time.Time
	taking  bool // the epoch is being written
	epoch   uint64
	version store.Version // of the epoch's row
}

// Lease takes the lease if nobody holds it.
func (s *Store) Lease(ctx context.Context, name string, ttl time.Duration) (store.Lease, error) {
	if len(leasePrefix)+len(name) > store.MaxKeyBytes {
		return nil, fmt.Errorf("lease: %w: name of %d bytes", store.ErrTooLarge, len(name))
	}
	mine := &lease{store: s, name: name, ttl: ttl, taking: true}
	if !s.leases.claim(mine, s.clock.Now()) {
		return nil, store.ErrLeaseHeld
	}
	if err := mine.advance(ctx); err != nil {
		s.leases.drop(mine)
		return nil, fmt.Errorf("lease %s: %w", name, err)
	}
	s.leases.mu.Lock()
	defer s.leases.mu.Unlock()
	mine.taking, mine.expires = false, s.clock.Now().Add(ttl)
	return mine, nil
}

// claim puts mine in the place of a lease that has expired, or of none.
func (l *leases) claim(mine *lease, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if other := l.held[mine.name]; other != nil && (other.taking || now.Before(other.expires)) {
		return false
	}
	if l.held == nil {
		l.held = map[string]*lease{}
	}
	l.held[mine.name] = mine
	return true
}

// drop forgets mine if it is still the holder, and tells whether it was.
func (l *leases) drop(mine *lease) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held[mine.name] != mine {
		return false
	}
	delete(l.held, mine.name)
	return true
}

// advance writes the next epoch.
func (l *lease) advance(ctx context.Context) error {
	key := l.key()
	snap, err := l.store.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer snap.Close()
	value, version, err := snap.Get(key)
	switch {
	case errors.Is(err, store.ErrNotFound):
	case err != nil:
		return err
	case len(value) != 8:
		return fmt.Errorf("%w: epoch of %d bytes", store.ErrCorrupt, len(value))
	default:
		l.epoch = binary.BigEndian.Uint64(value)
	}
	l.epoch++
	l.version, err = l.store.commit(ctx, &store.Batch{
		Checks: []store.Check{store.At(key, version)},
		Puts:   []store.KV{{Key: key, Value: binary.BigEndian.AppendUint64(nil, l.epoch)}},
	})
	return err
}

func (l *lease) key() []byte { return []byte(leasePrefix + l.name) }

// Name is the name of the lease.
func (l *lease) Name() string { return l.name }

// Epoch is the number of this ownership.
func (l *lease) Epoch() uint64 { return l.epoch }

// Fence fails once another owner has taken the lease.
func (l *lease) Fence() store.Check { return store.At(l.key(), l.version) }

// Renew extends the lease unless another owner has it.
func (l *lease) Renew(ctx context.Context) error {
	if err := l.store.enter(ctx); err != nil {
		return err
	}
	defer l.store.leave()
	l.store.leases.mu.Lock()
	defer l.store.leases.mu.Unlock()
	if l.store.leases.held[l.name] != l {
		return store.ErrLeaseLost
	}
	l.expires = l.store.clock.Now().Add(l.ttl)
	return nil
}

// Release gives the lease up.
func (l *lease) Release(context.Context) error {
	if !l.store.leases.drop(l) {
		return store.ErrLeaseLost
	}
	return nil
}
