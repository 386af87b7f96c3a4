package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/engine/diskspace"
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

// watchDisk waits for a store that cannot be written any more, then for space.
func (s *Server) watchDisk(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-s.state.Failed():
	}
	s.config.Logger.Error("the store cannot be written: nothing is acknowledged until its disk has space again", "err", s.state.Cause())
	for {
		if clock.System.Sleep(ctx, diskLook) != nil {
			return nil
		}
		free, err := diskspace.Free(s.config.Folder)
		if err == nil && free >= diskReserve {
			return fmt.Errorf("%w: %w", ErrReopen, s.state.Cause())
		}
	}
}
