package hold

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/localstore"
)

// leases is a store that has only leases: one at a time, which the test takes
// away.
type leases struct {
	store.Store
	mu    sync.Mutex
	owner *lease
	taken int
}

type lease struct {
	store.Lease
	of *leases
}

func (l *leases) Lease(context.Context, string, time.Duration) (store.Lease, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.owner != nil {
		return nil, store.ErrLeaseHeld
	}
	l.taken++
	l.owner = &lease{of: l}
	return l.owner, nil
}

func (l *lease) Renew(context.Context) error {
	l.of.mu.Lock()
	defer l.of.mu.Unlock()
	if l.of.owner != l {
		return store.ErrLeaseLost
	}
	return nil
}

func (l *lease) Release(context.Context) error {
	l.of.mu.Lock()
	defer l.of.mu.Unlock()
	if l.of.owner != l {
		return store.ErrLeaseLost
	}
	l.of.owner = nil
	return nil
}

func (l *leases) steal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.owner = nil
}

func config(s store.Store) Config {
	return Config{Store: s, Logger: slog.New(slog.DiscardHandler), Name: "work"}
}

func TestTheWorkEndsWithTheLeaseAndBeginsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, begun := &leases{}, make(chan struct{}, 10)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { // ends when ctx does
			done <- Run(ctx, config(l), func(ctx context.Context, _ store.Lease) error {
				begun <- struct{}{}
				<-ctx.Done()
				return nil
			})
		}()
		<-begun
		<-time.After(10 * life) // of the bubble: it is renewed all the time
		if l.taken != 1 {
			t.Errorf("taken %d times", l.taken)
		}
		l.steal()
		<-begun // by the next lease
		cancel()
		if err := <-done; err != nil || l.owner != nil || l.taken != 2 {
			t.Errorf("%v; taken %d times", err, l.taken)
		}
	})
}

func TestAnErrorOfTheWorkIsTheEnd(t *testing.T) {
	l, broken := &leases{}, errors.New("broken")
	if err := Run(t.Context(), config(l), func(context.Context, store.Lease) error { return broken }); !errors.Is(err, broken) || l.owner != nil {
		t.Error(err)
	}
}

func TestOneWorksAtATime(t *testing.T) {
	s, err := localstore.Open(localstore.Config{Folder: filepath.Join(t.TempDir(), "store")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	begun := make(chan struct{}, 2)
	var group sync.WaitGroup
	for range 2 {
		group.Go(func() { // ends when ctx does
			if err := Run(ctx, config(s), func(ctx context.Context, _ store.Lease) error {
				begun <- struct{}{}
				<-ctx.Done()
				return nil
			}); err != nil {
				t.Error(err)
			}
		})
	}
	<-begun
	cancel()
	group.Wait()
	if len(begun) > 0 {
		t.Error("both worked")
	}
}
