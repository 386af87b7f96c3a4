package localstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// patience bounds the waits of these tests on a slow machine.
const patience = 2 * time.Minute

// slowTables is a disk whose tables are not written until release, and then end with fails.
type slowTables struct {
	vfs.FS
	release chan struct{}
	fails   error
}

func newSlowTables() *slowTables {
	d := &slowTables{release: make(chan struct{})}
	d.FS = errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpCreate && filepath.Ext(op.Path) == ".sst" {
			<-d.release
			return d.fails
		}
		return nil
	}))
	return d
}

// writers commit until one is refused; each large value is of its own key.
type writers struct {
	group        sync.WaitGroup
	acknowledged atomic.Int64
	mu           sync.Mutex
	errs         []error
}

func (w *writers) start(ctx context.Context, s *Store, count int) {
	for i := range count {
		w.group.Go(func() {
			for n := 0; ; n++ {
				b := &store.Batch{Puts: []store.KV{{Key: fmt.Appendf(nil, "w%d/%d", i, n), Value: make([]byte, 64<<10)}}}
				if _, err := s.Commit(ctx, b); err != nil {
					w.mu.Lock()
					w.errs = append(w.errs, err)
					w.mu.Unlock()
					return
				}
				w.acknowledged.Add(1)
			}
		})
	}
}

// end is the errors of all writers, which must come.
func (w *writers) end(t *testing.T) []error {
	t.Helper()
	ended := make(chan struct{})
	go func() { w.group.Wait(); close(ended) }() // ends with the writers
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatal("commits hang")
	}
	return w.errs
}

// stopped waits until commits are held back.
func stopped(t *testing.T, s *Store) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		s.press.mu.Lock()
		full := s.press.applied-s.press.flushed+s.press.underWay >= unflushedStop
		s.press.mu.Unlock()
		if full {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing holds commits back")
		}
	}
}

// A flush that fails while commits wait for it once left them waiting for ever, and Close with them.
func TestCommitsThatWaitForAFlushThatFailsEnd(t *testing.T) {
	disk := newSlowTables()
	disk.fails = syscall.EIO
	s := open(t, Config{Folder: "data", FS: disk})
	var w writers
	w.start(t.Context(), s, 32)
	stopped(t, s)
	close(disk.release)
	for _, err := range w.end(t) {
		if !errors.Is(err, syscall.EIO) {
			t.Errorf("got %v", err)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestCommitsThatWaitTooLongAreRefusedAndGoOnLater(t *testing.T) {
	disk := newSlowTables()
	s := open(t, Config{Folder: "data", FS: disk})
	s.press.limit = 20 * time.Millisecond
	var w writers
	w.start(t.Context(), s, 32)
	for _, err := range w.end(t) {
		if !errors.Is(err, store.ErrBusy) {
			t.Errorf("got %v", err)
		}
	}
	if most := int64(unflushedStop/(64<<10) + 32); w.acknowledged.Load() > most {
		t.Errorf("%d batches were taken, want %d at most", w.acknowledged.Load(), most)
	}
	s.press.limit = patience
	ended, cancel := context.WithCancel(t.Context())
	waits := make(chan error)
	go func() { // ends with its context
		_, err := s.Commit(ended, batch(store.Sync, "canceled"))
		waits <- err
	}()
	cancel()
	if err := <-waits; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(disk.release)
	if _, err := s.Commit(t.Context(), batch(store.Sync, "later")); err != nil || !has(t, s, "later") {
		t.Errorf("the store does not go on: %v", err)
	}
}

// A batch that is larger than all that may wait has its turn.
func TestLargestBatchIsTaken(t *testing.T) {
	s := open(t, Config{Folder: "data", FS: vfs.NewMem()})
	for i := range 4 {
		b := &store.Batch{}
		for n := range store.MaxBatchBytes/store.MaxValueBytes - 1 {
			b.Puts = append(b.Puts, store.KV{Key: fmt.Appendf(nil, "%d/%d", i, n), Value: make([]byte, store.MaxValueBytes)})
		}
		if _, err := s.Commit(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
}

// A disk that does not answer a sync counts as failed: calls that wait for it cannot be
// woken, but later ones and Close can end, so that the process is replaced.
func TestDiskThatDoesNotAnswerFails(t *testing.T) {
	var stuck atomic.Bool
	answer := make(chan struct{})
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if stuck.Load() && op.Kind == errorfs.OpFileSyncData && isLog(op.Path) {
			<-answer
		}
		return nil
	}))
	s := open(t, Config{Folder: "data", FS: fs})
	s.disk.patience = time.Millisecond
	stuck.Store(true)
	ended := make(chan error)
	go func() { // ends when the disk answers
		_, err := s.Commit(t.Context(), batch(store.Sync, "k"))
		ended <- err
	}()
	select {
	case <-s.Failed():
	case <-time.After(patience):
		t.Fatal("the store waits for ever")
	}
	if _, err := s.Commit(t.Context(), batch(store.Sync, "k")); !errors.Is(err, store.ErrReadOnly) || !errors.Is(err, store.ErrStalled) {
		t.Errorf("got %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	close(answer)
	if err := <-ended; !errors.Is(err, store.ErrStalled) {
		t.Errorf("a commit whose sync was late is acknowledged: %v", err)
	}
}

// Whatever the sizes, the orders and the batches that fail: once all is flushed, no more
// counts as waiting than what the marks are exact to.
func TestPressureDoesNotDrift(t *testing.T) {
	s := open(t, Config{Folder: "data", FS: vfs.NewMem()})
	var group sync.WaitGroup
	for w := range 8 {
		random := rand.New(rand.NewPCG(uint64(w), 1))
		group.Go(func() {
			for i := range 40 {
				b := &store.Batch{Durability: store.Relaxed}
				for n := range random.IntN(4) {
					b.Puts = append(b.Puts, store.KV{Key: fmt.Appendf(nil, "%d/%d", random.IntN(50), n), Value: make([]byte, random.IntN(300<<10))})
				}
				switch random.IntN(5) {
				case 0:
					b.Checks = []store.Check{store.At([]byte("none"), 1)} // fails
				case 1:
					b.DeleteRanges = []store.Range{{Lo: []byte("1"), Hi: []byte("2")}}
				case 2:
					b.Deletes = [][]byte{fmt.Appendf(nil, "%d/%d", i%50, 0)}
				}
				if _, err := s.Commit(t.Context(), b); err != nil && !errors.Is(err, store.ErrConflict) {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if err := s.db.Flush(); err != nil {
		t.Fatal(err)
	}
	s.press.mu.Lock()
	defer s.press.mu.Unlock()
	if s.press.underWay != 0 || s.press.applied-s.press.flushed >= 2*markBytes || s.press.applied < unflushedStop {
		t.Errorf("%d bytes are under way, %d of %d wait for a flush", s.press.underWay, s.press.applied-s.press.flushed, s.press.applied)
	}
}

func TestDepth(t *testing.T) {
	tables := func(ranges ...string) (out []pebble.SSTableInfo) {
		for _, r := range ranges {
			var table pebble.SSTableInfo
			table.Smallest.UserKey, table.Largest.UserKey = []byte(r[:1]), []byte(r[1:])
			out = append(out, table)
		}
		return out
	}
	for want, given := range [][]pebble.SSTableInfo{nil, tables("ab", "cd", "ef"), tables("ab", "bc", "de"), tables("az", "bc", "cd", "ef")} {
		if got := depth(given); got != want {
			t.Errorf("%d tables: %d deep, want %d", len(given), got, want)
		}
	}
}
