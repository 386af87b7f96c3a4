package storetest

import (
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// leaseTime is longer than any test; shortLease is over at once.
const (
	leaseTime  = time.Hour
	shortLease = time.Nanosecond
	patience   = 30 * time.Second // for what must happen
)

// together runs do n times at once and waits for all.
func together(n int, do func(i int)) {
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { do(i) }) // ends when do returns
	}
	group.Wait()
}

func counterUnderContention(t *testing.T, open Opener) {
	s := open(t, "a")
	const writers, rounds = 8, 25
	together(writers, func(int) {
		for done := 0; done < rounds; {
			text, version := read(t, s, "n")
			n, _ := strconv.Atoi(text)
			_, err := s.Commit(t.Context(), &store.Batch{
				Checks: []store.Check{store.At([]byte("n"), version)},
				Puts:   []store.KV{kv("n", strconv.Itoa(n+1))},
			})
			switch {
			case err == nil:
				done++
			case !errors.Is(err, store.ErrConflict):
				t.Error(err)
				return
			}
		}
	})
	want(t, s, "n", strconv.Itoa(writers*rounds))
}

// deleteRangeAndCheckAreSerial: of "delete all" and "write b because a is there"
// either order is right, but b without a is not.
func deleteRangeAndCheckAreSerial(t *testing.T, open Opener) {
	s := open(t, "a")
	for range 50 {
		version := put(t, s, "a", "1")
		batches := []store.Batch{
			{DeleteRanges: []store.Range{{Lo: []byte("a"), Hi: []byte("c")}}},
			{Checks: []store.Check{store.At([]byte("a"), version)}, Puts: []store.KV{kv("b", "1")}},
		}
		together(len(batches), func(i int) {
			if _, err := s.Commit(t.Context(), &batches[i]); err != nil && !errors.Is(err, store.ErrConflict) {
				t.Error(err)
			}
		})
		wantList(t, scan(t, snapshot(t, s), nil, nil, 10, false))
	}
}

// checksOnSwappedKeysDoNotBothPass: each commit writes what the other checks.
func checksOnSwappedKeysDoNotBothPass(t *testing.T, open Opener) {
	s := open(t, "a")
	for range 100 {
		commit(t, s, store.Batch{Deletes: [][]byte{[]byte("x"), []byte("y")}})
		var passed atomic.Int32
		pairs := [][2]string{{"x", "y"}, {"y", "x"}}
		together(len(pairs), func(i int) {
			pair := pairs[i]
			_, err := s.Commit(t.Context(), &store.Batch{Checks: []store.Check{store.Absent([]byte(pair[0]))}, Puts: []store.KV{kv(pair[1], "1")}})
			if err == nil {
				passed.Add(1)
			} else if !errors.Is(err, store.ErrConflict) {
				t.Error(err)
			}
		})
		if passed.Load() != 1 {
			t.Fatalf("%d commits passed, want 1", passed.Load())
		}
	}
}

// hinted waits for a hint.
func hinted(t *testing.T, hint <-chan struct{}) {
	t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-hint:
	case <-timer.C:
		t.Fatal("no hint")
	}
}

// silent tells whether no hint is waiting. Engines hint before Commit returns
// or later; those that hint later can only pass.
func silent(t *testing.T, hint <-chan struct{}) {
	t.Helper()
	select {
	case <-hint:
		t.Error("a hint")
	default:
	}
}

func watchHintsAtPut(t *testing.T, open Opener) {
	s := open(t, "a")
	exact, prefix, all := s.Watch(t.Context(), []byte("queue")), s.Watch(t.Context(), []byte("qu")), s.Watch(t.Context(), nil)
	put(t, s, "queue", "1")
	for _, hint := range []<-chan struct{}{exact, prefix, all} {
		hinted(t, hint)
	}
}

func watchHintsAtDeleteAndRange(t *testing.T, open Opener) {
	s := open(t, "a")
	put(t, s, "queue", "1")
	hint := s.Watch(t.Context(), []byte("qu"))
	commit(t, s, store.Batch{Deletes: [][]byte{[]byte("queue")}})
	hinted(t, hint)
	for _, r := range []store.Range{{}, {Lo: []byte("queue")}, {Lo: []byte("a"), Hi: []byte("qua")}, {Lo: []byte("qu"), Hi: []byte("qv")}} {
		commit(t, s, store.Batch{DeleteRanges: []store.Range{r}})
		hinted(t, hint)
	}
}

func watchIsSilentElsewhere(t *testing.T, open Opener) {
	s := open(t, "a")
	hint := s.Watch(t.Context(), []byte("qu"))
	put(t, s, "q", "1")
	commit(t, s, store.Batch{DeleteRanges: []store.Range{{Lo: []byte("a"), Hi: []byte("q")}, {Lo: []byte("qv")}}})
	put(t, s, "r", "1")
	if _, err := s.Commit(t.Context(), &store.Batch{Checks: []store.Check{store.Absent([]byte("r"))}, Puts: []store.KV{kv("qu", "1")}}); err == nil {
		t.Error("the check passed")
	}
	silent(t, hint)
}

func watchHintsCoalesceAndDoNotBlock(t *testing.T, open Opener) {
	s := open(t, "a")
	hint := s.Watch(t.Context(), []byte("k"))
	for range 100 {
		put(t, s, "k", "1")
	}
	hinted(t, hint)
	want(t, s, "k", "1")
}

func watchEndsWithItsContext(t *testing.T, open Opener) {
	s := open(t, "a")
	hint := s.Watch(canceled(), []byte("k"))
	living := s.Watch(t.Context(), []byte("k"))
	put(t, s, "k", "1")
	hinted(t, living)
	select {
	case _, ok := <-hint: // a hint on the way is allowed, a closed channel is not
		if !ok {
			t.Error("the channel was closed")
		}
	default:
	}
}

func take(t *testing.T, s store.Store, ttl time.Duration) store.Lease {
	t.Helper()
	lease, err := s.Lease(t.Context(), "partition", ttl)
	if err != nil {
		t.Fatalf("lease: %v", err)
	}
	return lease
}

// takeExpired waits until the other lease has run out.
func takeExpired(t *testing.T, s store.Store) store.Lease {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		lease, err := s.Lease(t.Context(), "partition", leaseTime)
		if err == nil {
			return lease
		}
		wantError(t, err, store.ErrLeaseHeld)
	}
	t.Fatal("the lease did not expire")
	return nil
}

func leaseExcludesOthers(t *testing.T, open Opener) {
	s := open(t, "a")
	lease := take(t, s, leaseTime)
	if lease.Name() != "partition" {
		t.Errorf("name %q", lease.Name())
	}
	_, err := s.Lease(t.Context(), "partition", leaseTime)
	wantError(t, err, store.ErrLeaseHeld)
	if _, err := s.Lease(t.Context(), "other", leaseTime); err != nil {
		t.Error(err)
	}
	if err := lease.Renew(t.Context()); err != nil {
		t.Error(err)
	}
}

func leaseEpochGrows(t *testing.T, open Opener) {
	s := open(t, "a")
	first := take(t, s, leaseTime)
	if err := first.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if second := take(t, s, leaseTime); second.Epoch() <= first.Epoch() {
		t.Errorf("epoch %d after %d", second.Epoch(), first.Epoch())
	}
	wantError(t, first.Renew(t.Context()), store.ErrLeaseLost)
	wantError(t, first.Release(t.Context()), store.ErrLeaseLost)
}

func leaseEpochGrowsAcrossReopen(t *testing.T, open Opener) {
	s := open(t, "a")
	first := take(t, s, shortLease)
	closeStore(t, s)
	s = open(t, "a")
	if second := takeExpired(t, s); second.Epoch() <= first.Epoch() {
		t.Errorf("epoch %d after %d", second.Epoch(), first.Epoch())
	}
	_, err := s.Commit(t.Context(), &store.Batch{Checks: []store.Check{first.Fence()}})
	wantError(t, err, store.ErrConflict)
}

func expiredLeaseCanBeTaken(t *testing.T, open Opener) {
	s := open(t, "a")
	first := take(t, s, shortLease)
	second := takeExpired(t, s)
	if second.Epoch() <= first.Epoch() {
		t.Errorf("epoch %d after %d", second.Epoch(), first.Epoch())
	}
	wantError(t, first.Renew(t.Context()), store.ErrLeaseLost)
}

func expiredLeaseCanBeRenewedIfNobodyTook(t *testing.T, open Opener) {
	s := open(t, "a")
	lease := take(t, s, shortLease)
	if err := lease.Renew(t.Context()); err != nil {
		t.Error(err)
	}
}

func fenceHoldsForTheOwner(t *testing.T, open Opener) {
	s := open(t, "a")
	lease := take(t, s, leaseTime)
	for range 3 {
		commit(t, s, store.Batch{Checks: []store.Check{lease.Fence()}, Puts: []store.KV{kv("k", "1")}})
		if err := lease.Renew(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func fenceStopsAFormerOwner(t *testing.T, open Opener) {
	s := open(t, "a")
	first := take(t, s, shortLease)
	second := takeExpired(t, s)
	_, err := s.Commit(t.Context(), &store.Batch{Checks: []store.Check{first.Fence()}, Puts: []store.KV{kv("k", "first")}})
	wantError(t, err, store.ErrConflict)
	commit(t, s, store.Batch{Checks: []store.Check{second.Fence()}, Puts: []store.KV{kv("k", "second")}})
	want(t, s, "k", "second")
}

func oneOfManyGetsTheLease(t *testing.T, open Opener) {
	s := open(t, "a")
	var got atomic.Int32
	together(16, func(int) {
		_, err := s.Lease(t.Context(), "partition", leaseTime)
		if err == nil {
			got.Add(1)
		} else if !errors.Is(err, store.ErrLeaseHeld) {
			t.Error(err)
		}
	})
	if got.Load() != 1 {
		t.Errorf("%d hold the lease", got.Load())
	}
}

func canceledContextCommitsNothing(t *testing.T, open Opener) {
	s := open(t, "a")
	if _, err := s.Commit(canceled(), &store.Batch{Puts: []store.KV{kv("k", "1")}}); err == nil {
		t.Error("no error")
	}
	want(t, s, "k", "")
}

func closedStoreSaysSo(t *testing.T, open Opener) {
	s := open(t, "a")
	lease := take(t, s, leaseTime)
	closeStore(t, s)
	closeStore(t, s)
	_, err := s.Commit(t.Context(), &store.Batch{Puts: []store.KV{kv("k", "1")}})
	wantError(t, err, store.ErrClosed)
	_, err = s.Snapshot(t.Context())
	wantError(t, err, store.ErrClosed)
	_, err = s.Lease(t.Context(), "other", leaseTime)
	wantError(t, err, store.ErrClosed)
	wantError(t, lease.Renew(t.Context()), store.ErrClosed)
}

func closeEndsOpenSnapshots(t *testing.T, open Opener) {
	s := open(t, "a")
	snap := snapshot(t, s)
	closeStore(t, s)
	_, _, err := snap.Get([]byte("k"))
	wantError(t, err, store.ErrClosed)
	_, err = snap.Scan(nil, nil, 1, false)
	wantError(t, err, store.ErrClosed)
	if err := snap.Close(); err != nil {
		t.Error(err)
	}
}
