// Package store is the one contract by which every service keeps its state: an
// ordered key-value store with atomic, conditional, durable batches.
//
// It promises: a Commit is all or nothing; when it returns nil the batch
// survives kill -9 and power loss (unless it asked for Relaxed); Checks are
// serializable, Scans are not protected against phantoms, so hold the partition
// or check a guard key. A returned error other than ErrConflict, ErrTooLarge,
// ErrReserved, ErrClosed, ErrReadOnly or ErrBusy is an unknown outcome: read again before
// repeating.
//
// The engines are in subpackages (localstore: Pebble). storetest.Run holds the
// behaviour that each engine must show. Keys are made with package tuple only.
// Start reading at Store.
package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Limits of the contract, the same for every engine.
const (
	MaxKeyBytes   = 1 << 10
	MaxValueBytes = 512 << 10
	MaxBatchBytes = 16 << 20
	MaxBatchOps   = 10_000
)

// Version orders the commits of a store: a later commit has a greater version.
type Version uint64

// Store is the contract. All methods are safe for concurrent use.
type Store interface {
	// Snapshot gives a point-in-time view; the caller closes it.
	Snapshot(ctx context.Context) (Snap, error)
	// Commit applies the batch atomically; it is durable on return.
	Commit(ctx context.Context, b *Batch) (Version, error)
	// Watch hints that a key under prefix may have changed. Hints coalesce:
	// always read again. The channel is never closed before ctx ends.
	Watch(ctx context.Context, prefix []byte) <-chan struct{}
	// Lease takes the named lease or fails with ErrLeaseHeld. The epoch of a
	// name only grows, across restarts too.
	Lease(ctx context.Context, name string, ttl time.Duration) (Lease, error)
	// Close waits for running commits and releases the engine.
	Close() error
}

// Snap is a point-in-time view. Not safe for concurrent use.
type Snap interface {
	// Get returns the value and the version that wrote it; ErrNotFound if absent.
	// The value is the caller's to keep.
	Get(key []byte) (value []byte, version Version, err error)
	// Scan returns up to limit entries with lo <= key < hi in order (reverse:
	// from the highest down). A nil hi means to the end.
	Scan(lo, hi []byte, limit int, reverse bool) ([]Entry, error)
	Close() error
}

// Entry is one key with its value and the version that wrote it.
type Entry struct {
	Key     []byte
	Value   []byte
	Version Version
}

// Batch is one atomic change. The zero value is empty and Sync. The checks see
// the state before the batch; then DeleteRanges, Deletes and Puts are applied in
// this order.
type Batch struct {
	Checks       []Check
	Puts         []KV
	Deletes      [][]byte
	DeleteRanges []Range
	Durability   Durability
}

// KV is one write.
type KV struct{ Key, Value []byte }

// Range is lo <= key < hi.
type Range struct{ Lo, Hi []byte }

// Check is a condition on the state just before the batch.
type Check struct {
	Key     []byte
	Version Version // 0: the key must be absent; else: it must be at this version
}

// Absent demands that the key does not exist.
func Absent(key []byte) Check { return Check{Key: key} }

// At demands that the key was last written by version.
func At(key []byte, version Version) Check { return Check{Key: key, Version: version} }

// Durability says what a successful Commit promises.
type Durability int

const (
	// Sync batches are on stable storage when Commit returns.
	Sync Durability = iota
	// Relaxed batches may be lost by a machine crash, but are never reordered
	// after a later Sync batch. They survive kill -9.
	Relaxed
)

// Lease is exclusive ownership of a name until it expires or is released.
type Lease interface {
	Name() string
	Epoch() uint64
	// Fence is a check that fails once another owner has taken the lease.
	Fence() Check
	// Renew extends the lease by its ttl; ErrLeaseLost if it was taken.
	Renew(ctx context.Context) error
	// Release gives the lease up at once.
	Release(ctx context.Context) error
}

// Errors of the contract; compare with errors.Is.
var (
	ErrNotFound  = errors.New("key not found")
	ErrConflict  = errors.New("a check of the batch failed")
	ErrTooLarge  = errors.New("key, value or batch over the limits of the store")
	ErrLeaseHeld = errors.New("lease is held by another owner")
	ErrLeaseLost = errors.New("lease was lost")
	ErrClosed    = errors.New("store is closed")
	ErrReserved  = errors.New("key is empty or begins with 0x00, which the engine keeps for itself")
	ErrReadOnly  = errors.New("store takes no writes until it is opened again")
	ErrBusy      = errors.New("store cannot keep up with the writes: nothing of this one was done")
	ErrStalled   = errors.New("the disk does not answer")
	ErrDiskFull  = errors.New("disk is full: nothing is acknowledged until space returns")
	ErrCorrupt   = errors.New("store is corrupt")
)

// ConflictError names the check that failed; errors.Is(err, ErrConflict) holds.
type ConflictError struct {
	Check Check
	Found Version // version found, 0 when the key is absent
}

// Error names the key and what was found.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("check of key %x at version %d failed: found version %d", e.Check.Key, e.Check.Version, e.Found)
}

// Is makes errors.Is(err, ErrConflict) true.
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }
