package localstore

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// stalledAfter is how long one write or sync may last. Those who wait for it cannot be
// woken, so the store counts as failed, and its process should be replaced.
const stalledAfter = 30 * time.Second

// disk stands between Pebble and the file system, for two reasons.
//
// Pebble ends the process when its write-ahead log or its manifest cannot be
// written. So the first failed write is recorded here and Pebble never sees it:
// log writes seem to work from then on, every other change of the folder stops
// where it is. Commit looks at failure() before it acknowledges anything.
//
// And a log record without a sync waits in Pebble's memory, where kill -9 takes
// it. So every commit asks for a sync, and the sync is left out here while no
// Sync commit is waiting; closing a log always syncs it.
type disk struct {
	vfs.FS
	patience time.Duration // with one operation
	syncers  atomic.Int64  // Sync commits that wait
	armed    atomic.Bool   // false while opening: then errors are simply returned
	failed   chan struct{}
	cause    atomic.Pointer[error]
	once     sync.Once
	never    chan struct{}
}

func newDisk(fs vfs.FS) *disk {
	return &disk{FS: fs, patience: stalledAfter, failed: make(chan struct{}), never: make(chan struct{})}
}

func (d *disk) arm() { d.armed.Store(true) }

// failure is the error that made the store read-only, or nil.
func (d *disk) failure() error {
	if cause := d.cause.Load(); cause != nil {
		return *cause
	}
	return nil
}

func (d *disk) fail(err error) {
	d.once.Do(func() {
		d.cause.Store(&err)
		close(d.failed)
	})
}

// isDiskFull tells whether space, quota or the size limit ended.
func isDiskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

// failing records a failed change of the folder; it tells whether the caller
// may hand err to Pebble.
func (d *disk) failing(err error) (handOver bool) {
	if !d.armed.Load() || errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrExist) {
		return true
	}
	if isDiskFull(err) {
		err = fmt.Errorf("%w: %w", store.ErrDiskFull, err)
	}
	d.fail(err)
	return false
}

// timed runs one operation; one that does not end makes the store fail.
func (d *disk) timed(do func() error) error {
	late := time.AfterFunc(d.patience, func() {
		d.fail(fmt.Errorf("%w: a write has not ended for %s", store.ErrStalled, d.patience))
	})
	defer late.Stop()
	return do()
}

// change runs one change of the folder that is not of a log. After a failure it
// never returns: the background work of Pebble would repeat it for ever, and
// what is on the disk is what the next Open needs.
func (d *disk) change(do func() error) error {
	if d.failure() == nil {
		err := d.timed(do)
		if err == nil || d.failing(err) {
			return err
		}
	}
	<-d.never
	return nil
}

// isLog tells whether a file is a write-ahead log.
func isLog(name string) bool { return strings.HasSuffix(name, ".log") }

// openLog opens a log for writing, or a stand-in for one that cannot be.
func (d *disk) openLog(do func() (vfs.File, error)) (vfs.File, error) {
	if d.failure() == nil {
		var file vfs.File
		err := d.timed(func() (err error) {
			file, err = do()
			return err
		})
		if err == nil {
			return &logFile{File: file, disk: d}, nil
		}
		if d.failing(err) {
			return nil, err
		}
	}
	return vfs.NewMem().Create("discarded.log", vfs.WriteCategoryUnspecified)
}

// openFile opens any other file for writing.
func (d *disk) openFile(do func() (vfs.File, error)) (opened vfs.File, err error) {
	err = d.change(func() error {
		file, err := do()
		opened = &dataFile{File: file, disk: d}
		return err
	})
	if err != nil {
		return nil, err
	}
	return opened, nil
}

func (d *disk) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	create := func() (vfs.File, error) { return d.FS.Create(name, category) }
	if isLog(name) {
		return d.openLog(create)
	}
	return d.openFile(create)
}

func (d *disk) ReuseForWrite(old, name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	reuse := func() (vfs.File, error) { return d.FS.ReuseForWrite(old, name, category) }
	if isLog(name) {
		return d.openLog(reuse)
	}
	return d.openFile(reuse)
}

func (d *disk) OpenReadWrite(name string, category vfs.DiskWriteCategory, options ...vfs.OpenOption) (vfs.File, error) {
	return d.openFile(func() (vfs.File, error) { return d.FS.OpenReadWrite(name, category, options...) })
}

// OpenDir wraps the folder, whose sync makes new files durable.
func (d *disk) OpenDir(name string) (vfs.File, error) {
	file, err := d.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &logFile{File: file, disk: d, folder: true}, nil
}

func (d *disk) Link(old, name string) error {
	return d.change(func() error { return d.FS.Link(old, name) })
}

func (d *disk) Rename(old, name string) error {
	return d.change(func() error { return d.FS.Rename(old, name) })
}

func (d *disk) Remove(name string) error {
	return d.change(func() error { return d.FS.Remove(name) })
}

func (d *disk) RemoveAll(name string) error {
	return d.change(func() error { return d.FS.RemoveAll(name) })
}

// Lock is left to Open, which can release it from a store that has failed.
func (d *disk) Lock(string) (io.Closer, error) { return io.NopCloser(nil), nil }

func (d *disk) Unwrap() vfs.FS { return d.FS }

// logFile is a write-ahead log, or the folder: it never fails once armed.
type logFile struct {
	vfs.File
	disk   *disk
	folder bool
	dirty  bool // a log: written since the last real sync; one goroutine writes at a time
}

// attempt runs do, or pretends to.
func (f *logFile) attempt(do func() error) error {
	if f.disk.failure() != nil {
		return nil
	}
	if err := f.disk.timed(do); err != nil && f.disk.failing(err) {
		return err
	}
	return nil
}

func (f *logFile) Write(p []byte) (int, error) {
	f.dirty = true
	return len(p), f.attempt(func() error {
		n, err := f.File.Write(p)
		if err == nil && n < len(p) {
			err = io.ErrShortWrite
		}
		return err
	})
}

// sync is real only if somebody waits for it, or while opening.
func (f *logFile) sync(do func() error) error {
	if !f.folder && f.disk.armed.Load() && f.disk.syncers.Load() == 0 {
		return nil
	}
	if !f.folder { // which several flushes may sync at once
		f.dirty = false
	}
	return f.attempt(do)
}

func (f *logFile) Sync() error     { return f.sync(f.File.Sync) }
func (f *logFile) SyncData() error { return f.sync(f.File.SyncData) }

func (f *logFile) SyncTo(length int64) (bool, error) {
	full := false
	err := f.attempt(func() (err error) {
		full, err = f.File.SyncTo(length)
		return err
	})
	return full, err
}

// Close makes the log durable: what comes after it in the next log must not
// survive without it.
func (f *logFile) Close() error {
	if f.dirty && !f.folder {
		if err := f.attempt(f.File.SyncData); err != nil {
			return err
		}
	}
	return f.attempt(f.File.Close)
}

// dataFile is any other file that is being written.
type dataFile struct {
	vfs.File
	disk *disk
}

func (f *dataFile) Write(p []byte) (n int, err error) {
	err = f.disk.change(func() error {
		n, err = f.File.Write(p)
		return err
	})
	return n, err
}

func (f *dataFile) WriteAt(p []byte, offset int64) (n int, err error) {
	err = f.disk.change(func() error {
		n, err = f.File.WriteAt(p, offset)
		return err
	})
	return n, err
}

func (f *dataFile) Sync() error     { return f.disk.change(f.File.Sync) }
func (f *dataFile) SyncData() error { return f.disk.change(f.File.SyncData) }

func (f *dataFile) SyncTo(length int64) (full bool, err error) {
	err = f.disk.change(func() error {
		full, err = f.File.SyncTo(length)
		return err
	})
	return full, err
}
