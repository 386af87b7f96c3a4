// Package hold runs work that one process at a time may do: it holds a lease of
// the store for as long as the work lasts.
//
// It promises that the work's context ends when the lease is lost, and that the
// lease is given back after the work has returned. A process that stands still
// may miss the loss of its lease, so commits of the work must check the lease's
// fence. One goroutine renews the lease and ends with the work; no locks. Start
// reading at Run.
package hold

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

const (
	life  = 15 * time.Second // of a lease that is not renewed
	parts = 5                // how often it is renewed in that time
)

// Config is what Run works with; all is required. The clock of leases is the
// store's own, the wall clock, even where the work has another.
type Config struct {
	Store  store.Store
	Logger *slog.Logger
	Name   string // of the lease
}

// Run does the work whenever no other process does, until ctx ends or the work
// returns an error. The work returns nil when its context ends.
func Run(ctx context.Context, config Config, work func(ctx context.Context, lease store.Lease) error) error {
	for ctx.Err() == nil {
		lease, err := config.Store.Lease(ctx, config.Name, life)
		switch {
		case errors.Is(err, store.ErrLeaseHeld): // by another process, or by one that was killed
			if clock.System.Sleep(ctx, life/parts) != nil {
				return nil
			}
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("take the lease %s: %w", config.Name, err)
		default:
			if err := config.during(ctx, lease, work); err != nil {
				return err
			}
		}
	}
	return nil
}

// during works while the lease is ours.
func (c *Config) during(ctx context.Context, lease store.Lease, work func(context.Context, store.Lease) error) error {
	held, lost := context.WithCancel(ctx)
	defer lost()
	renewal := &errgroup.Group{}
	renewal.Go(func() error { // ends when the work does or the lease is lost
		defer lost()
		for clock.System.Sleep(held, life/parts) == nil {
			if err := lease.Renew(held); err != nil {
				return nil // the fence keeps what is still under way from doing harm
			}
		}
		return nil
	})
	err := work(held, lease)
	lost()
	renewal.Wait() // it returns no error
	if releaseErr := lease.Release(context.WithoutCancel(ctx)); releaseErr != nil && !errors.Is(releaseErr, store.ErrLeaseLost) {
		c.Logger.Warn("a lease was not given back", "lease", c.Name, "err", releaseErr)
	}
	return err
}
