package localstore

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// Watch hints at changes under prefix until ctx ends.
func (s *Store) Watch(ctx context.Context, prefix []byte) <-chan struct{} {
	hint := make(chan struct{}, 1)
	s.watchers.add(string(prefix), hint)
	context.AfterFunc(ctx, func() { s.watchers.remove(string(prefix), hint) })
	return hint
}

// watchers finds those interested in a key by its prefixes of the lengths that
// somebody watches; there are few.
type watchers struct {
	count   atomic.Int64 // commits look no further when it is zero
	mu      sync.RWMutex
	byText  map[string]map[chan struct{}]struct{}
	lengths map[int]int // length of prefix -> number of prefixes
}

func (w *watchers) add(prefix string, hint chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.byText == nil {
		w.byText, w.lengths = map[string]map[chan struct{}]struct{}{}, map[int]int{}
	}
	if w.byText[prefix] == nil {
		w.byText[prefix] = map[chan struct{}]struct{}{}
		w.lengths[len(prefix)]++
	}
	w.byText[prefix][hint] = struct{}{}
	w.count.Add(1)
}

func (w *watchers) remove(prefix string, hint chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.byText[prefix], hint)
	if len(w.byText[prefix]) == 0 {
		delete(w.byText, prefix)
		if w.lengths[len(prefix)]--; w.lengths[len(prefix)] == 0 {
			delete(w.lengths, len(prefix))
		}
	}
	w.count.Add(-1)
}

// notify hints at the changes of a committed batch.
func (w *watchers) notify(b *store.Batch) {
	if w.count.Load() == 0 {
		return
	}
	w.mu.RLock()
	defer w.mu.RUnlock()
	for _, kv := range b.Puts {
		w.changedLocked(kv.Key)
	}
	for _, key := range b.Deletes {
		w.changedLocked(key)
	}
	for _, r := range b.DeleteRanges {
		w.rangeChangedLocked(r)
	}
}

func (w *watchers) changedLocked(key []byte) {
	for length := range w.lengths {
		if length <= len(key) {
			wake(w.byText[string(key[:length])])
		}
	}
}

// rangeChangedLocked wakes all whose prefix may have a key in r.
func (w *watchers) rangeChangedLocked(r store.Range) {
	lo, hi := string(r.Lo), string(r.Hi)
	for prefix, hints := range w.byText {
		// The keys of a prefix are above lo unless lo is above all of them, and
		// below hi if the prefix itself is.
		if (r.Hi == nil || prefix < hi) && (prefix >= lo || len(lo) >= len(prefix) && lo[:len(prefix)] == prefix) {
			wake(hints)
		}
	}
}

// wake leaves a hint where none is waiting.
func wake(hints map[chan struct{}]struct{}) {
	for hint := range hints {
		select {
		case hint <- struct{}{}:
		default:
		}
	}
}
