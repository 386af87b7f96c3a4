// Package logs is Amazon CloudWatch Logs: groups, streams, events, filters and
// retention, and the place where the output of functions goes.
//
// It promises: events of an acknowledged PutLogEvents survive kill -9 and power
// loss. Events of functions (Append) are on disk within a second and are all
// that a crash may lose; a function that logs faster than the disk takes loses
// its own lines (a notice in the stream counts them), never others' memory
// beyond the bounds in limits.go. Events are kept in segment files, one folder a
// stream; the store has one row a stream with the index of its segments.
//
// Run flushes, applies retention and removes the files of deleted groups; it is
// the only loop, and the caller's. Of what is larger than the bounds of quota.go the
// oldest goes. Locks: sink.flushing, quota.cutting, then a stream's write lock, all
// held over writes; sink.mu and quota.mu are leaves. Start reading at Open, then
// write.go and read.go; patterns are in pattern.go.
package logs

import (
	"cmp"
	"context"
	"errors"
	"hash/maphash"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/lambkin-dev/lambkin/internal/api/logsapi"
	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/engine/diskspace"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/telemetry"
	"github.com/lambkin-dev/lambkin/internal/wire"
)

// Config is what Logs works with; Folder and Store are required.
type Config struct {
	Folder string // of the segment files; made if it does not exist
	Store  store.Store
	Clock  clock.Clock // default clock.System
	// Bounds of what is kept; default: DefaultGroupBytes and DefaultTotalBytes.
	GroupBytes, TotalBytes int64
	Reserve                int64        // bytes of the disk that stay free
	Logger                 *slog.Logger // default: discards
}

// Logs is the service.
type Logs struct {
	folder string
	store  store.Store
	clock  clock.Clock
	logger *slog.Logger
	sink   sink
	seed   maphash.Seed
	locks  [writeLocks]sync.Mutex
	quota  quota
	spare  diskspace.Reserve
}

var _ telemetry.LogSink = (*Logs)(nil)

// Open only makes the folder; Run does the work.
func Open(config Config) (*Logs, error) {
	if config.Folder == "" || config.Store == nil {
		return nil, errors.New("logs: Folder and Store are required")
	}
	if err := os.MkdirAll(config.Folder, 0o700); err != nil {
		return nil, err
	}
	l := &Logs{folder: config.Folder, store: config.Store, clock: config.Clock, logger: config.Logger, seed: maphash.MakeSeed()}
	l.quota.group, l.quota.total = cmp.Or(config.GroupBytes, DefaultGroupBytes), cmp.Or(config.TotalBytes, DefaultTotalBytes)
	l.spare = diskspace.Reserve{Folder: config.Folder, Bytes: config.Reserve}
	l.sink.streams, l.sink.full = map[telemetry.LogStream]*buffer{}, make(chan struct{}, 1)
	if l.clock == nil {
		l.clock = clock.System
	}
	if l.logger == nil {
		l.logger = slog.New(slog.DiscardHandler)
	}
	return l, nil
}

// Service is the table of the operations. What is not in it is answered by the
// gateway as not implemented.
func (l *Logs) Service() *wire.Service {
	return wire.NewService(logsapi.Model,
		logsapi.HandleCreateLogGroup(l.createLogGroup),
		logsapi.HandleDeleteLogGroup(l.deleteLogGroup),
		logsapi.HandleDescribeLogGroups(l.describeLogGroups),
		logsapi.HandlePutLogGroupDeletionProtection(l.putLogGroupDeletionProtection),
		logsapi.HandlePutRetentionPolicy(l.putRetentionPolicy),
		logsapi.HandleDeleteRetentionPolicy(l.deleteRetentionPolicy),
		logsapi.HandleCreateLogStream(l.createLogStream),
		logsapi.HandleDeleteLogStream(l.deleteLogStream),
		logsapi.HandleDescribeLogStreams(l.describeLogStreams),
		logsapi.HandlePutLogEvents(l.putLogEvents),
		logsapi.HandleGetLogEvents(l.getLogEvents),
		logsapi.HandleFilterLogEvents(l.filterLogEvents),
		logsapi.HandleTagResource(l.tagResource),
		logsapi.HandleUntagResource(l.untagResource),
		logsapi.HandleListTagsForResource(l.listTagsForResource),
		logsapi.HandleTagLogGroup(l.tagLogGroup),
		logsapi.HandleUntagLogGroup(l.untagLogGroup),
		logsapi.HandleListTagsLogGroup(l.listTagsLogGroup),
	)
}

// Run flushes and sweeps until ctx ends, and then flushes once more. Trouble
// with a single stream or sweep is logged; it never ends the server.
func (l *Logs) Run(ctx context.Context) error {
	flush, sweep := time.NewTicker(flushEvery), time.NewTicker(sweepEvery)
	defer flush.Stop()
	defer sweep.Stop()
	l.trySweep(ctx)
	for {
		select {
		case <-ctx.Done():
			l.flush(ctx, everything) // the last lines of the functions come while the server drains
			return nil
		case <-flush.C:
			l.flush(ctx, everything)
		case <-l.sink.full:
			l.flush(ctx, everything)
		case <-sweep.C:
			l.trySweep(ctx)
		}
	}
}

func (l *Logs) trySweep(ctx context.Context) {
	if err := l.sweep(ctx); err != nil && ctx.Err() == nil {
		l.logger.Error("sweep logs", "err", err)
	}
}

// sweep removes segments past their retention and folders that no group owns.
// The folders are listed before the groups, and a folder is made after its row:
// one without a row is garbage.
func (l *Logs) sweep(ctx context.Context) error {
	folders, err := os.ReadDir(l.folder)
	if err != nil {
		return err
	}
	owned := map[string]bool{}
	var failed []error
	lo, hi := groupsRange()
	err = scan(ctx, l, lo, hi, func(g *groupRow, version store.Version) (bool, error) {
		owned[g.ID] = true
		failed = append(failed, l.sweepGroup(ctx, g)) // one bad group must not keep the others
		return true, ctx.Err()
	})
	if err != nil {
		return err
	}
	for _, folder := range folders {
		if !owned[folder.Name()] {
			failed = append(failed, os.RemoveAll(filepath.Join(l.folder, folder.Name())))
		}
	}
	return errors.Join(failed...)
}

// oldest is the least event time that a group still shows.
func (l *Logs) oldest(g *groupRow) int64 {
	if g.Retention == 0 {
		return minTime
	}
	return l.clock.Now().AddDate(0, 0, -int(g.Retention)).UnixMilli()
}

// sweepGroup removes the segments of a group that are wholly past its
// retention, and the folders of deleted streams.
func (l *Logs) sweepGroup(ctx context.Context, g *groupRow) error {
	folders, err := os.ReadDir(filepath.Join(l.folder, g.ID))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	owned, oldest := map[string]bool{}, l.oldest(g)
	err = l.eachStream(ctx, g, "", func(r *streamRow) (bool, error) {
		owned[r.ID] = true
		if first, _, any := r.times(); !any || first >= oldest {
			return true, nil
		}
		return true, l.expireStream(ctx, r, oldest)
	})
	if err != nil {
		return err
	}
	var failed []error
	for _, folder := range folders {
		if !owned[folder.Name()] {
			failed = append(failed, os.RemoveAll(filepath.Join(l.folder, g.ID, folder.Name())))
		}
	}
	return errors.Join(failed...)
}

func (l *Logs) expireStream(ctx context.Context, old *streamRow, oldest int64) error {
	return l.removeSegments(ctx, old, func(s segmentRow) bool { return s.Max < oldest })
}

// removeSegments removes the segments of a stream that are named.
func (l *Logs) removeSegments(ctx context.Context, old *streamRow, named func(segmentRow) bool) error {
	lock := l.lockOf(old.group.ID, old.Name)
	lock.Lock()
	defer lock.Unlock()
	r, err := l.findStream(ctx, old.group, old.Name)
	if err != nil || r == nil {
		return err
	}
	var keep, gone []segmentRow
	for _, segment := range r.Segments {
		if named(segment) {
			gone = append(gone, segment)
			r.Gone = max(r.Gone, segment.Number)
		} else {
			keep = append(keep, segment)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	r.Segments = keep
	// Durable, so that a row never names a last segment whose file is gone.
	if err := l.putRow(ctx, streamKey(r.group.ID, r.Name), r.version, r, store.Sync); err != nil {
		if errors.Is(err, store.ErrConflict) {
			return nil // deleted meanwhile
		}
		return err
	}
	for _, segment := range gone {
		if err := os.Remove(l.segmentPath(r, segment.Number)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}
