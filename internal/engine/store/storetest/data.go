package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

func putThenGet(t *testing.T, open Opener) {
	s := open(t, "a")
	version := put(t, s, "k", "v")
	if value, at := read(t, s, "k"); value != "v" || at != version {
		t.Errorf("got %q at %d, want v at %d", value, at, version)
	}
	put(t, s, "k", "")
	if value, at := read(t, s, "k"); value != "" || at <= version {
		t.Errorf("got %q at %d, want the empty value after %d", value, at, version)
	}
}

func getOfAbsentKey(t *testing.T, open Opener) {
	s := open(t, "a")
	_, _, err := snapshot(t, s).Get([]byte("k"))
	wantError(t, err, store.ErrNotFound)
}

func valueIsTheCallersToKeep(t *testing.T, open Opener) {
	s := open(t, "a")
	key, value := []byte("k"), []byte("v")
	commit(t, s, store.Batch{Puts: []store.KV{{Key: key, Value: value}}})
	key[0], value[0] = 'x', 'x'
	want(t, s, "k", "v")
	got, _, err := snapshot(t, s).Get([]byte("k"))
	if err != nil {
		t.Fatal(err)
	}
	got[0] = 'x'
	want(t, s, "k", "v")
}

func laterCommitHasGreaterVersion(t *testing.T, open Opener) {
	s := open(t, "a")
	last := store.Version(0)
	for i := range 100 {
		version := put(t, s, fmt.Sprint("k", i%7), "v")
		if version <= last {
			t.Fatalf("version %d after %d", version, last)
		}
		last = version
	}
}

func versionsGrowAcrossReopen(t *testing.T, open Opener) {
	s := open(t, "a")
	before := put(t, s, "k", "v")
	commit(t, s, store.Batch{Deletes: [][]byte{[]byte("k")}})
	closeStore(t, s)
	s = open(t, "a")
	if after := put(t, s, "k", "v"); after <= before {
		t.Errorf("version %d after %d", after, before)
	}
}

func commitsSurviveReopen(t *testing.T, open Opener) {
	s := open(t, "a")
	version := put(t, s, "k", "v")
	put(t, s, "gone", "v")
	commit(t, s, store.Batch{Deletes: [][]byte{[]byte("gone")}})
	closeStore(t, s)
	s = open(t, "a")
	if value, at := read(t, s, "k"); value != "v" || at != version {
		t.Errorf("got %q at %d, want v at %d", value, at, version)
	}
	want(t, s, "gone", "")
}

func relaxedCommitsSurviveReopen(t *testing.T, open Opener) {
	s := open(t, "a")
	commit(t, s, store.Batch{Puts: []store.KV{kv("k", "v")}, Durability: store.Relaxed})
	want(t, s, "k", "v")
	closeStore(t, s)
	want(t, open(t, "a"), "k", "v")
}

func snapshotIsAPointInTime(t *testing.T, open Opener) {
	s := open(t, "a")
	put(t, s, "a", "1")
	put(t, s, "b", "1")
	snap := snapshot(t, s)
	put(t, s, "a", "2")
	commit(t, s, store.Batch{Deletes: [][]byte{[]byte("b")}, Puts: []store.KV{kv("c", "2")}})
	if value, _, err := snap.Get([]byte("a")); err != nil || string(value) != "1" {
		t.Errorf("got %q, %v", value, err)
	}
	wantList(t, scan(t, snap, nil, nil, 10, false), "a=1", "b=1")
	wantList(t, scan(t, snapshot(t, s), nil, nil, 10, false), "a=2", "c=2")
}

func letters(t *testing.T, open Opener) store.Snap {
	t.Helper()
	s := open(t, "a")
	for _, key := range []string{"d", "b", "a", "c", "e"} {
		put(t, s, key, strings.ToUpper(key))
	}
	return snapshot(t, s)
}

func scanIsOrderedAndHalfOpen(t *testing.T, open Opener) {
	snap := letters(t, open)
	wantList(t, scan(t, snap, []byte("b"), []byte("d"), 10, false), "b=B", "c=C")
	wantList(t, scan(t, snap, []byte("bb"), []byte("d\x00"), 10, false), "c=C", "d=D")
	wantList(t, scan(t, snap, []byte("d"), []byte("b"), 10, false))
	wantList(t, scan(t, snap, []byte("c"), []byte("c"), 10, false))
}

func scanBackwards(t *testing.T, open Opener) {
	snap := letters(t, open)
	wantList(t, scan(t, snap, []byte("b"), []byte("d"), 10, true), "c=C", "b=B")
	wantList(t, scan(t, snap, nil, nil, 2, true), "e=E", "d=D")
}

func scanStopsAtTheLimit(t *testing.T, open Opener) {
	snap := letters(t, open)
	wantList(t, scan(t, snap, nil, nil, 2, false), "a=A", "b=B")
	wantList(t, scan(t, snap, nil, nil, 0, false))
	wantList(t, scan(t, snap, nil, nil, -1, false))
}

func scanToTheEnd(t *testing.T, open Opener) {
	s := open(t, "a")
	last := strings.Repeat("\xff", store.MaxKeyBytes)
	put(t, s, "a", "1")
	put(t, s, last, "2")
	wantList(t, scan(t, snapshot(t, s), []byte("b"), nil, 10, false), last+"=2")
}

func scanDoesNotShowTheEnginesKeys(t *testing.T, open Opener) {
	s := open(t, "a")
	if _, err := s.Lease(t.Context(), "l", leaseTime); err != nil {
		t.Fatal(err)
	}
	put(t, s, "\x01", "1")
	wantList(t, scan(t, snapshot(t, s), nil, nil, 10, false), "\x01=1")
	wantList(t, scan(t, snapshot(t, s), []byte{0}, nil, 10, true), "\x01=1")
}

func checkAbsent(t *testing.T, open Opener) {
	s := open(t, "a")
	create := store.Batch{Checks: []store.Check{store.Absent([]byte("k"))}, Puts: []store.KV{kv("k", "v")}}
	commit(t, s, create)
	_, err := s.Commit(t.Context(), &create)
	wantError(t, err, store.ErrConflict)
	commit(t, s, store.Batch{Deletes: [][]byte{[]byte("k")}})
	commit(t, s, create)
}

func checkVersion(t *testing.T, open Opener) {
	s := open(t, "a")
	first := put(t, s, "k", "1")
	second := commit(t, s, store.Batch{Checks: []store.Check{store.At([]byte("k"), first)}, Puts: []store.KV{kv("k", "2")}})
	_, err := s.Commit(t.Context(), &store.Batch{Checks: []store.Check{store.At([]byte("k"), first)}, Puts: []store.KV{kv("k", "3")}})
	wantError(t, err, store.ErrConflict)
	commit(t, s, store.Batch{Checks: []store.Check{store.At([]byte("k"), second)}})
	want(t, s, "k", "2")
}

func checkOfARecreatedKey(t *testing.T, open Opener) {
	s := open(t, "a")
	first := put(t, s, "k", "1")
	commit(t, s, store.Batch{Deletes: [][]byte{[]byte("k")}})
	put(t, s, "k", "1")
	_, err := s.Commit(t.Context(), &store.Batch{Checks: []store.Check{store.At([]byte("k"), first)}})
	wantError(t, err, store.ErrConflict)
}

func failedCheckChangesNothing(t *testing.T, open Opener) {
	s := open(t, "a")
	put(t, s, "a", "1")
	put(t, s, "b", "1")
	_, err := s.Commit(t.Context(), &store.Batch{
		Checks:       []store.Check{store.Absent([]byte("x")), store.Absent([]byte("a"))},
		Puts:         []store.KV{kv("c", "1")},
		Deletes:      [][]byte{[]byte("b")},
		DeleteRanges: []store.Range{{Lo: []byte("a"), Hi: []byte("b")}},
	})
	wantError(t, err, store.ErrConflict)
	wantList(t, scan(t, snapshot(t, s), nil, nil, 10, false), "a=1", "b=1")
}

func conflictNamesTheCheck(t *testing.T, open Opener) {
	s := open(t, "a")
	version := put(t, s, "k", "v")
	_, err := s.Commit(t.Context(), &store.Batch{Checks: []store.Check{store.Absent([]byte("free")), store.At([]byte("k"), version+1)}})
	var conflict *store.ConflictError
	if !errors.As(err, &conflict) || string(conflict.Check.Key) != "k" || conflict.Found != version {
		t.Errorf("got %v, want a conflict of k found at %d", err, version)
	}
}

func deletesThenPuts(t *testing.T, open Opener) {
	s := open(t, "a")
	put(t, s, "k", "1")
	commit(t, s, store.Batch{
		Puts:         []store.KV{kv("k", "2"), kv("r", "2"), kv("k", "3")},
		Deletes:      [][]byte{[]byte("k")},
		DeleteRanges: []store.Range{{Lo: []byte("a"), Hi: []byte("z")}},
	})
	wantList(t, scan(t, snapshot(t, s), nil, nil, 10, false), "k=3", "r=2")
}

func deleteRangeIsHalfOpen(t *testing.T, open Opener) {
	s := open(t, "a")
	for _, key := range []string{"a", "b", "c", "d"} {
		put(t, s, key, "1")
	}
	commit(t, s, store.Batch{DeleteRanges: []store.Range{{Lo: []byte("b"), Hi: []byte("d")}, {Lo: []byte("z"), Hi: []byte("a")}}})
	wantList(t, scan(t, snapshot(t, s), nil, nil, 10, false), "a=1", "d=1")
	commit(t, s, store.Batch{Checks: []store.Check{store.Absent([]byte("b"))}})
}

func deleteRangeToTheEndSparesTheEngine(t *testing.T, open Opener) {
	s := open(t, "a")
	lease, err := s.Lease(t.Context(), "l", leaseTime)
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "a", "1")
	commit(t, s, store.Batch{DeleteRanges: []store.Range{{}}})
	wantList(t, scan(t, snapshot(t, s), nil, nil, 10, false))
	commit(t, s, store.Batch{Checks: []store.Check{lease.Fence()}})
}

func limitsAreExact(t *testing.T, open Opener) {
	s := open(t, "a")
	key, value := bytes.Repeat([]byte("k"), store.MaxKeyBytes), bytes.Repeat([]byte("v"), store.MaxValueBytes)
	commit(t, s, store.Batch{Puts: []store.KV{{Key: key, Value: value}}})
	want(t, s, string(key), string(value))
	many := make([]store.KV, store.MaxBatchOps)
	for i := range many {
		many[i] = kv(fmt.Sprintf("many%05d", i), "v")
	}
	commit(t, s, store.Batch{Puts: many})
	want(t, s, "many09999", "v")
	big := make([]store.KV, store.MaxBatchBytes/store.MaxValueBytes)
	for i := range big {
		big[i] = store.KV{Key: []byte{'b', byte(i)}, Value: value[:store.MaxValueBytes-2]}
	}
	commit(t, s, store.Batch{Puts: big})
	for name, b := range map[string]store.Batch{
		"key":        {Puts: []store.KV{{Key: append(key, 'k')}}},
		"delete":     {Deletes: [][]byte{append(key, 'k')}},
		"check":      {Checks: []store.Check{store.Absent(append(key, 'k'))}},
		"value":      {Puts: []store.KV{{Key: []byte("x"), Value: append(value, 'v')}}},
		"batch":      {Puts: append(big, kv("x", "v"))},
		"operations": {Puts: append(many, kv("x", "v"))},
	} {
		if _, err := s.Commit(t.Context(), &b); !errors.Is(err, store.ErrTooLarge) {
			t.Errorf("%s over the limit: %v", name, err)
		}
	}
	want(t, s, "x", "")
}

func reservedKeysAreRefused(t *testing.T, open Opener) {
	s := open(t, "a")
	for _, key := range []string{"", "\x00", "\x00lease"} {
		_, err := s.Commit(t.Context(), &store.Batch{Puts: []store.KV{kv(key, "v")}})
		wantError(t, err, store.ErrReserved)
		_, err = s.Commit(t.Context(), &store.Batch{Deletes: [][]byte{[]byte(key)}})
		wantError(t, err, store.ErrReserved)
	}
}
