// Package diskspace keeps a part of the disk free: a store that runs into the end of
// the disk can do nothing more, not even forget; one that stops before it goes on as
// soon as something was freed.
//
// It promises: Check asks the file system each time (a microsecond), so that space that
// comes back counts at once. No goroutines, no locks. Start reading at Reserve.
package diskspace

import (
	"fmt"
	"math"

	"golang.org/x/sys/unix"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// Reserve is what must stay free on the disk of a folder. The zero value is none.
type Reserve struct {
	Folder string
	Bytes  int64
}

// Check is store.ErrDiskFull if less than 1/share of the reserve is free.
func (r Reserve) Check(share int64) error {
	if r.Bytes == 0 {
		return nil
	}
	free, err := Free(r.Folder)
	if err != nil {
		return err
	}
	if free < r.Bytes/share {
		return fmt.Errorf("%w: %d MiB are free in %s, %d MiB must be", store.ErrDiskFull, free>>20, r.Folder, r.Bytes/share>>20)
	}
	return nil
}

// Free is how many bytes may be written below a folder.
func Free(folder string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(folder, &s); err != nil {
		return 0, fmt.Errorf("ask for the free space of %s: %w", folder, err)
	}
	if s.Bavail > math.MaxInt64/uint64(s.Bsize) {
		return math.MaxInt64, nil
	}
	return int64(s.Bavail) * s.Bsize, nil
}
