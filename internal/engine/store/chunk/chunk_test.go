package chunk

import (
	"bytes"
	"errors"
	"path/filepath"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/localstore"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

func TestReadGivesBackWhatWasPut(t *testing.T) {
	s, err := localstore.Open(localstore.Config{Folder: filepath.Join(t.TempDir(), "store")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, size := range []int{0, 1, Bytes, Bytes + 1, 3*Bytes + 7} {
		data := bytes.Repeat([]byte("0123456789"), size/10+1)[:size]
		put := &store.Batch{}
		count := Put(put, data, "a", size)
		if want := (size + Bytes - 1) / Bytes; count != want || len(put.Puts) != want {
			t.Errorf("%d bytes are in %d rows, want %d", size, count, want)
		}
		if _, err := s.Commit(t.Context(), put); err != nil && size > 0 {
			t.Fatal(err)
		}
		if got, err := read(t, s, count, size); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes came back as %d, %v", size, len(got), err)
		}
		if size == 0 {
			continue
		}
		if _, err := s.Commit(t.Context(), &store.Batch{Deletes: [][]byte{tuple.Key("a", size, count-1)}}); err != nil {
			t.Fatal(err)
		}
		if _, err := read(t, s, count, size); !errors.Is(err, ErrLost) {
			t.Errorf("%d bytes without their last row: %v", size, err)
		}
		remove := &store.Batch{}
		Delete(remove, count, "a", size)
		if _, err := s.Commit(t.Context(), remove); err != nil {
			t.Fatal(err)
		}
		snap, err := s.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		lo, hi := tuple.Range("a", size)
		if left, err := snap.Scan(lo, hi, 1, false); err != nil || len(left) > 0 {
			t.Errorf("%d bytes left %d rows, %v", size, len(left), err)
		}
		snap.Close()
	}
}

func read(t *testing.T, s store.Store, count, size int) ([]byte, error) {
	t.Helper()
	snap, err := s.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	return Read(snap, count, "a", size)
}
