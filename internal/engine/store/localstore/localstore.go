// Package localstore is the embedded engine of the store contract: Pebble in one
// folder, owned by one process.
//
// It promises what package store does. Concurrent Sync commits share an fsync;
// Relaxed commits reach the operating system without one. After a failed write
// nothing more is acknowledged: commits answer store.ErrReadOnly (with
// store.ErrDiskFull or store.ErrCorrupt where that is the cause) until the store is
// opened again; reads go on.
//
// A commit ends: while the engine cannot keep up it waits, but not for ever
// (store.ErrBusy), and a disk that does not answer counts as one that failed.
//
// It starts no goroutines besides Pebble's own. Lock order: ranges, stripes in index
// order; leases, watchers and pressure each alone. None is held over the fsync. Start
// reading at Open, then commit.go, pressure.go and disk.go; DESIGN.md says why.
package localstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/engine/diskspace"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// Sizes of the engine. The memtable bounds what is replayed after a crash, and
// so the time of Open.
const (
	memTableBytes    = 1 << 20
	blockCacheBytes  = 4 << 20
	maxOpenFiles     = 256
	stripeCount      = 256
	versionRunBits   = 40 // commits of one run of the store; the bits above count the runs
	versionBytes     = 8  // in front of every value
	reserved         = 0x00
	runsKey          = "\x00runs"
	leasePrefix      = "\x00lease\x00"
	lockFile         = "OWNER"
	formatVersion    = pebble.FormatValueSeparation
	compactionsLower = 1
	compactionsUpper = 1
)

// Config says where the store lives.
type Config struct {
	Folder  string      // made if it does not exist
	FS      vfs.FS      // default: the file system of the machine
	Clock   clock.Clock // of leases; default: clock.System
	Reserve int64       // bytes of the disk that stay free: see room
}

// Store is a Pebble database behind the contract.
type Store struct {
	db    *pebble.DB
	disk  *disk
	press *pressure
	owner interface{ Close() error } // lock of the folder
	clock clock.Clock
	spare diskspace.Reserve

	uses   atomic.Int64 // of db, each until leave
	closed atomic.Bool
	idle   chan struct{} // holds something when the last use of a closed store has ended

	ranges  sync.RWMutex // shared by commits without DeleteRanges
	stripes [stripeCount]sync.RWMutex
	seed    maphash.Seed
	run     store.Version // of this opening, in the upper bits
	commits atomic.Uint64 // of this run

	watchers watchers
	leases   leases
	snaps    snaps
}

var _ store.Store = (*Store)(nil)

// ErrInUse tells that the folder belongs to another process.
var ErrInUse = errors.New("data folder is in use by another lambkin")

// Open opens the store, or makes one in an empty folder.
func Open(config Config) (*Store, error) {
	fs := config.FS
	if fs == nil {
		fs = vfs.Default
	}
	if err := fs.MkdirAll(config.Folder, 0o700); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	owner, err := fs.Lock(fs.PathJoin(config.Folder, lockFile))
	if err != nil {
		return nil, fmt.Errorf("open store: %w: %s (%w)", ErrInUse, config.Folder, err)
	}
	s := &Store{disk: newDisk(fs), owner: owner, idle: make(chan struct{}, 1), clock: config.Clock, spare: diskspace.Reserve{Folder: config.Folder, Bytes: config.Reserve}, seed: maphash.MakeSeed()}
	if s.clock == nil {
		s.clock = clock.System
	}
	s.press = newPressure(s.freshLayers)
	if s.db, err = pebble.Open(config.Folder, s.options()); err != nil {
		owner.Close()
		return nil, fmt.Errorf("open store: %w", classify(err))
	}
	if err := s.countRun(); err != nil {
		s.db.Close()
		owner.Close()
		return nil, fmt.Errorf("open store: %w", classify(err))
	}
	s.disk.arm()
	return s, nil
}

// options are Pebble's settings for a small server.
func (s *Store) options() *pebble.Options {
	events := &pebble.EventListener{
		DataCorruption: func(info pebble.DataCorruptionInfo) {
			s.disk.fail(fmt.Errorf("%w: %w", store.ErrCorrupt, info.Details))
		},
		BackgroundError: func(err error) {
			if pebble.IsCorruptionError(err) {
				s.disk.fail(classify(err))
			}
		},
	}
	s.press.listen(events)
	return &pebble.Options{
		FS:                          s.disk,
		CacheSize:                   blockCacheBytes,
		MemTableSize:                memTableBytes,
		MemTableStopWritesThreshold: outOfReach, // commits wait before Pebble has them: see pressure.go
		L0StopWritesThreshold:       outOfReach,
		MaxOpenFiles:                maxOpenFiles,
		FormatMajorVersion:          formatVersion,
		CompactionConcurrencyRange:  func() (int, int) { return compactionsLower, compactionsUpper },
		Logger:                      quiet{},
		EventListener:               events,
	}
}

// countRun makes the versions of this run greater than those of every earlier
// one, those of deleted keys included.
func (s *Store) countRun() error {
	value, closer, err := s.db.Get([]byte(runsKey))
	runs := uint64(0)
	switch {
	case errors.Is(err, pebble.ErrNotFound):
	case err != nil:
		return err
	case len(value) != 8:
		return fmt.Errorf("%w: count of runs has %d bytes", store.ErrCorrupt, len(value))
	default:
		runs = binary.BigEndian.Uint64(value)
		closer.Close()
	}
	s.run = store.Version(runs+1) << versionRunBits
	return s.db.Set([]byte(runsKey), binary.BigEndian.AppendUint64(nil, runs+1), pebble.Sync)
}

// enter admits one use of the database until leave.
func (s *Store) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.uses.Add(1)
	if s.closed.Load() {
		s.leave()
		return store.ErrClosed
	}
	return nil
}

func (s *Store) leave() {
	if s.uses.Add(-1) == 0 && s.closed.Load() {
		select {
		case s.idle <- struct{}{}:
		default:
		}
	}
}

// Failed is closed when the store has become read-only; Cause says why.
func (s *Store) Failed() <-chan struct{} { return s.disk.failed }

// Cause is the reason why the store is read-only, or nil.
func (s *Store) Cause() error { return s.disk.failure() }

// Close waits for running calls and releases the folder. Open snapshots end.
// A store whose disk failed is abandoned instead: closing it in order would write, and
// calls that wait for a disk that does not answer would never end.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	for s.uses.Load() > 0 && s.disk.failure() == nil {
		select {
		case <-s.idle:
		case <-s.disk.failed:
		}
	}
	var err error
	switch cause := s.disk.failure(); {
	case cause == nil:
		s.snaps.closeAll()
		err = s.db.Close()
	case errors.Is(cause, store.ErrStalled):
		return nil // the folder stays ours: what the disk is doing may still be written
	}
	return errors.Join(err, s.owner.Close())
}

// classify turns an error of the engine into one of the contract.
func classify(err error) error {
	switch {
	case err == nil || errors.Is(err, store.ErrCorrupt) || errors.Is(err, store.ErrDiskFull):
		return err
	case pebble.IsCorruptionError(err):
		return fmt.Errorf("%w: %w", store.ErrCorrupt, err)
	case isDiskFull(err):
		return fmt.Errorf("%w: %w", store.ErrDiskFull, err)
	}
	return err
}

// quiet keeps Pebble off the standard error stream.
type quiet struct{}

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}

// Fatalf must not return. What was acknowledged is on the disk.
func (quiet) Fatalf(format string, args ...any) {
	panic("store engine: " + fmt.Sprintf(format, args...))
}
