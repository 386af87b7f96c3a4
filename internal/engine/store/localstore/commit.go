package localstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"

	"github.com/cockroachdb/pebble/v2"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// Commit applies the batch. Checks and the order of writes to one key are
// decided under the locks of the keys; the sync is awaited without them.
func (s *Store) Commit(ctx context.Context, b *store.Batch) (store.Version, error) {
	if err := validate(b); err != nil {
		return 0, err
	}
	return s.commit(ctx, b)
}

func (s *Store) commit(ctx context.Context, b *store.Batch) (store.Version, error) {
	if err := s.enter(ctx); err != nil {
		return 0, err
	}
	defer s.leave()
	if err := s.disk.failure(); err != nil {
		return 0, fmt.Errorf("commit: %w: %w", store.ErrReadOnly, err)
	}
	if err := s.room(b); err != nil {
		return 0, fmt.Errorf("commit: %w", err)
	}
	size := sizeOf(b)
	if err := s.press.admit(ctx, s.disk, size); err != nil {
		return 0, fmt.Errorf("commit: %w", err)
	}
	if b.Durability == store.Sync {
		// Before the batch is queued, so that the sync that covers it is real.
		s.disk.syncers.Add(1)
		defer s.disk.syncers.Add(-1)
	}
	batch, version, err := s.apply(b)
	if err != nil {
		s.press.leave(size, 0)
		return 0, err
	}
	s.press.leave(size, uint64(batch.SeqNum()))
	err = batch.SyncWait()
	batch.Close()
	if failure := s.disk.failure(); failure != nil {
		err = failure // the disk reports no error to Pebble: see disk.go
	}
	if err != nil {
		return 0, fmt.Errorf("commit: %w", classify(err))
	}
	s.watchers.notify(b)
	return version, nil
}

// sizeOf is about what a batch takes in memory.
func sizeOf(b *store.Batch) int64 {
	const entry = 64 // of the memtable, around a key and a value
	size := 0
	for _, kv := range b.Puts {
		size += entry + len(kv.Key) + versionBytes + len(kv.Value)
	}
	for _, key := range b.Deletes {
		size += entry + len(key)
	}
	for _, r := range b.DeleteRanges {
		size += entry + len(r.Lo) + len(r.Hi)
	}
	return int64(size)
}

// deletesShare is the part of the reserve that batches which delete something may use.
const deletesShare = 4

// room refuses a batch before the disk is full, so that space that returns is enough to
// go on. What deletes gives space back: it may go on longer.
func (s *Store) room(b *store.Batch) error {
	switch {
	case len(b.Puts) == 0:
		return nil
	case len(b.Deletes)+len(b.DeleteRanges) > 0:
		return s.spare.Check(deletesShare)
	}
	return s.spare.Check(1)
}

// apply checks and applies the batch; it is visible, but not durable yet.
func (s *Store) apply(b *store.Batch) (*pebble.Batch, store.Version, error) {
	defer s.lock(b)()
	for _, check := range b.Checks {
		found, err := s.versionOf(check.Key)
		if err != nil {
			return nil, 0, fmt.Errorf("commit: %w", classify(err))
		}
		if found != check.Version {
			return nil, 0, &store.ConflictError{Check: check, Found: found}
		}
	}
	n := s.commits.Add(1)
	if n >= 1<<versionRunBits {
		return nil, 0, fmt.Errorf("commit: %w: the versions of this run are used up", store.ErrReadOnly)
	}
	version := s.run | store.Version(n)
	batch := s.db.NewBatch()
	if err := fill(batch, b, version); err != nil {
		batch.Close()
		return nil, 0, fmt.Errorf("commit: %w", err)
	}
	if err := s.db.ApplyNoSyncWait(batch, pebble.Sync); err != nil {
		return nil, 0, fmt.Errorf("commit: %w", classify(err))
	}
	return batch, version, nil
}

// fill writes the operations of b, in the order of the contract.
func fill(batch *pebble.Batch, b *store.Batch, version store.Version) error {
	for _, r := range b.DeleteRanges {
		lo, hi := clamp(r.Lo, r.Hi)
		if string(lo) >= string(hi) {
			continue
		}
		if err := batch.DeleteRange(lo, hi, nil); err != nil {
			return err
		}
	}
	for _, key := range b.Deletes {
		if err := batch.Delete(key, nil); err != nil {
			return err
		}
	}
	for _, kv := range b.Puts {
		op := batch.SetDeferred(len(kv.Key), versionBytes+len(kv.Value))
		copy(op.Key, kv.Key)
		binary.BigEndian.PutUint64(op.Value, uint64(version))
		copy(op.Value[versionBytes:], kv.Value)
		if err := op.Finish(); err != nil {
			return err
		}
	}
	return nil
}

// versionOf is the version that wrote key, or 0 when it is absent.
func (s *Store) versionOf(key []byte) (store.Version, error) {
	value, closer, err := s.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer closer.Close()
	_, version, err := split(value)
	return version, err
}

// split divides a stored value.
func split(stored []byte) (value []byte, version store.Version, err error) {
	if len(stored) < versionBytes {
		return nil, 0, fmt.Errorf("%w: value of %d bytes has no version", store.ErrCorrupt, len(stored))
	}
	return stored[versionBytes:], store.Version(binary.BigEndian.Uint64(stored)), nil
}

// How a stripe is locked.
const (
	lockNone = iota
	lockRead
	lockWrite
)

// lock takes the locks of all keys of b and returns the release. A key that is
// only checked is locked shared: commits under one lease run side by side.
func (s *Store) lock(b *store.Batch) (unlock func()) {
	if len(b.DeleteRanges) > 0 {
		s.ranges.Lock()
		return s.ranges.Unlock
	}
	s.ranges.RLock()
	var modes [stripeCount]uint8
	for _, check := range b.Checks {
		modes[s.stripe(check.Key)] = lockRead
	}
	for _, key := range b.Deletes {
		modes[s.stripe(key)] = lockWrite
	}
	for _, kv := range b.Puts {
		modes[s.stripe(kv.Key)] = lockWrite
	}
	for i, mode := range modes {
		switch mode {
		case lockRead:
			s.stripes[i].RLock()
		case lockWrite:
			s.stripes[i].Lock()
		}
	}
	return func() {
		for i, mode := range modes {
			switch mode {
			case lockRead:
				s.stripes[i].RUnlock()
			case lockWrite:
				s.stripes[i].Unlock()
			}
		}
		s.ranges.RUnlock()
	}
}

func (s *Store) stripe(key []byte) uint64 { return maphash.Bytes(s.seed, key) % stripeCount }

// validate holds a batch to the limits of the contract.
func validate(b *store.Batch) error {
	if ops := len(b.Checks) + len(b.Puts) + len(b.Deletes) + len(b.DeleteRanges); ops > store.MaxBatchOps {
		return fmt.Errorf("%w: %d operations", store.ErrTooLarge, ops)
	}
	total := 0
	for _, kv := range b.Puts {
		if err := validateKey(kv.Key); err != nil {
			return err
		}
		if len(kv.Value) > store.MaxValueBytes {
			return fmt.Errorf("%w: value of %d bytes", store.ErrTooLarge, len(kv.Value))
		}
		total += len(kv.Key) + len(kv.Value)
	}
	if total > store.MaxBatchBytes {
		return fmt.Errorf("%w: batch of %d bytes", store.ErrTooLarge, total)
	}
	for _, key := range b.Deletes {
		if err := validateKey(key); err != nil {
			return err
		}
	}
	for _, check := range b.Checks {
		if len(check.Key) > store.MaxKeyBytes {
			return fmt.Errorf("%w: key of %d bytes", store.ErrTooLarge, len(check.Key))
		}
	}
	return nil
}

func validateKey(key []byte) error {
	switch {
	case len(key) > store.MaxKeyBytes:
		return fmt.Errorf("%w: key of %d bytes", store.ErrTooLarge, len(key))
	case len(key) == 0 || key[0] == reserved:
		return store.ErrReserved
	}
	return nil
}
