package localstore

import (
	"errors"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// TestEachVisitsEveryRowOnce over more rows than are read at once, and ends when
// it is told to.
func TestEachVisitsEveryRowOnce(t *testing.T) {
	s, err := Open(Config{Folder: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const rows = 2500
	batch := &store.Batch{}
	for n := range rows {
		batch.Puts = append(batch.Puts, store.KV{Key: tuple.Key("row", n)})
	}
	batch.Puts = append(batch.Puts, store.KV{Key: tuple.Key("other")})
	if _, err := s.Commit(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	snap, err := s.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	lo, hi := tuple.Range("row")
	failed := errors.New("failed")
	for _, test := range []struct {
		stop int
		err  error
	}{{rows, nil}, {1000, nil}, {1, nil}, {1500, failed}} {
		seen := 0
		err := store.Each(snap, lo, hi, func(e *store.Entry) (bool, error) {
			parts, err := tuple.Parse(e.Key)
			if err != nil || parts[1] != int64(seen) {
				t.Fatalf("row %d is %v %v", seen, parts, err)
			}
			seen++
			if seen == test.stop && test.err != nil {
				return true, test.err
			}
			return seen < test.stop, nil
		})
		if seen != test.stop || !errors.Is(err, test.err) {
			t.Errorf("%d rows with error %v, want %d with %v", seen, err, test.stop, test.err)
		}
	}
}
