package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/engine/diskspace"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// diskReserve stays free on the disk: what fills it up is refused before, so that
// deletes, and everything once something was freed, go on.
const diskReserve = 64 << 20

// diskLook is the time between two looks at a disk that was full.
const diskLook = time.Second

// ErrReopen is how Run ends when the store could not be written, because others filled
// the disk up to its end, and there is space again: a new server over the same folder
// goes on with all that was acknowledged.
var ErrReopen = errors.New("the store must be opened again")

// stuckTimeout is how long after the end was asked for a server whose disk has failed may
// take: calls that wait for a disk that does not answer never end, and hold others up.
const stuckTimeout = drainTimeout + 5*time.Second

// ended waits for all parts; those of a server whose disk has failed for stuckTimeout
// only, and then the process must end or be replaced, which takes with it what is left.
// ctx is that of the parts, failed closed when the disk is.
func (s *Server) ended(ctx context.Context, failed <-chan struct{}, wait func() error) error {
	all := make(chan error, 1)
	go func() { all <- errors.Join(wait(), s.close()) }() // ends with the parts, or with the process
	select {
	case err := <-all:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-all:
		return err
	case <-failed:
	}
	fired, stop := clock.System.Timer(stuckTimeout)
	defer stop()
	select {
	case err := <-all:
		return err
	case <-fired:
	}
	s.config.Logger.Error("calls that wait for the disk are abandoned")
	return fmt.Errorf("abandoned: %w", context.Cause(ctx))
}

// watchDisk waits for a store that cannot be written any more, then for space if that
// is what it has not.
func (s *Server) watchDisk(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-s.state.Failed():
	}
	cause := s.state.Cause()
	s.config.Logger.Error("the store cannot be written: nothing is acknowledged until its disk takes writes again", "err", cause)
	if errors.Is(cause, store.ErrStalled) { // the disk would not tell its space either
		return fmt.Errorf("%w: %w", ErrReopen, cause)
	}
	for {
		if clock.System.Sleep(ctx, diskLook) != nil {
			return nil
		}
		free, err := diskspace.Free(s.config.Folder)
		if err == nil && free >= diskReserve {
			return fmt.Errorf("%w: %w", ErrReopen, cause)
		}
	}
}
