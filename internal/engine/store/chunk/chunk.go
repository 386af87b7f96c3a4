// Package chunk keeps bytes that may be larger than a value of the store in
// rows below one prefix.
//
// It promises that Read gives back what Put was given, or ErrLost. The number of
// rows is for the caller to keep. No goroutines, no locks. Start reading at Put.
package chunk

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// Bytes of data in one row.
const Bytes = store.MaxValueBytes / 2

// ErrLost tells that a row is missing: trying again does not bring it back.
var ErrLost = errors.New("a part of the data is lost")

func key(prefix []any, n int) []byte { return tuple.Key(append(slices.Clone(prefix), n)...) }

// Put adds the rows of data to a batch and tells how many they are.
func Put(b *store.Batch, data []byte, prefix ...any) (count int) {
	for ; len(data) > 0; count++ {
		n := min(len(data), Bytes)
		b.Puts = append(b.Puts, store.KV{Key: key(prefix, count), Value: data[:n]})
		data = data[n:]
	}
	return count
}

// Read reads what Put wrote.
func Read(snap store.Snap, count int, prefix ...any) ([]byte, error) {
	var whole bytes.Buffer
	for n := range count {
		value, _, err := snap.Get(key(prefix, n))
		switch {
		case errors.Is(err, store.ErrNotFound):
			return nil, fmt.Errorf("%w: %d of %d", ErrLost, n+1, count)
		case err != nil:
			return nil, err
		case count == 1:
			return value, nil
		}
		whole.Write(value)
	}
	return whole.Bytes(), nil
}

// Delete adds the removal of the rows to a batch.
func Delete(b *store.Batch, count int, prefix ...any) {
	for n := range count {
		b.Deletes = append(b.Deletes, key(prefix, n))
	}
}
