package storetest

import (
	"context"
	"errors"
	"sync"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// Mortal is a store whose process dies at a commit: before it is made, or after.
// From then on nothing is committed.
type Mortal struct {
	store.Store
	Dead chan struct{} // closed at the death

	after bool // the last commit is made
	mu    sync.Mutex
	left  int // commits until the death
}

// ErrDead is what the commits of the dead give.
var ErrDead = errors.New("the process is dead")

// NewMortal dies at the commit of that number; 0: never.
func NewMortal(commit int, after bool) *Mortal {
	return &Mortal{left: commit, after: after, Dead: make(chan struct{})}
}

// Over puts it before a store.
func (m *Mortal) Over(s store.Store) store.Store {
	if m.left <= 0 {
		return s
	}
	m.Store = s
	return m
}

// Commit is the store's, until the death.
func (m *Mortal) Commit(ctx context.Context, b *store.Batch) (store.Version, error) {
	m.mu.Lock()
	m.left--
	left := m.left
	if left == 0 {
		close(m.Dead)
	}
	m.mu.Unlock()
	if left < 0 || left == 0 && !m.after {
		return 0, ErrDead
	}
	v, err := m.Store.Commit(ctx, b)
	if left == 0 {
		return 0, ErrDead
	}
	return v, err
}
