package logs

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// errGone tells that the group or stream was deleted meanwhile.
var errGone = errors.New("log group or stream is gone")

// lockOf orders the writers of one stream; it is held over the write.
func (l *Logs) lockOf(groupID, stream string) *sync.Mutex {
	return &l.locks[maphash.String(l.seed, groupID+"/"+stream)%writeLocks]
}

func (l *Logs) segmentPath(r *streamRow, number int) string {
	return filepath.Join(l.folder, r.group.ID, r.ID, fmt.Sprintf("%08d.seg", number))
}

// keep writes events, and removes older ones where the logs are too large.
func (l *Logs) keep(ctx context.Context, g *groupRow, stream string, events []event) error {
	if err := l.write(ctx, g, stream, events); err != nil {
		return err
	}
	bytes := 0
	for _, e := range events {
		bytes += len(e.message) + eventOverhead
	}
	if err := l.wrote(ctx, g, int64(bytes)); err != nil {
		l.logger.Error("remove the oldest logs", "err", err) // the events are kept
	}
	return nil
}

// write appends events to a stream, durably.
func (l *Logs) write(ctx context.Context, g *groupRow, stream string, events []event) error {
	lock := l.lockOf(g.ID, stream)
	lock.Lock()
	defer lock.Unlock()
	r, err := l.findStream(ctx, g, stream)
	if err != nil {
		return err
	}
	if r == nil {
		return errGone
	}
	if err := l.catchUp(r); err != nil {
		return err
	}
	now := l.clock.Now().UnixMilli()
	segment, fresh, err := r.segmentFor(now)
	if err != nil {
		return err
	}
	if err := l.spare.Check(1); err != nil {
		return err
	}
	data := appendBlock(nil, events, r.Seq+1, now)
	if err := l.append(l.segmentPath(r, segment.Number), data, segment.Bytes, fresh); err != nil {
		return fmt.Errorf("write log segment: %w", err)
	}
	h, err := decodeHeader(data)
	if err != nil {
		return err
	}
	r.add(segment, block{header: h, offset: segment.Bytes})
	err = l.updateStream(ctx, r)
	if errors.Is(err, store.ErrConflict) {
		return errGone
	}
	return err
}

// segmentFor is the segment to append to; fresh if its file is to be made.
func (r *streamRow) segmentFor(now int64) (segment *segmentRow, fresh bool, err error) {
	if n := len(r.Segments); n > 0 {
		last := &r.Segments[n-1]
		if last.Bytes < segmentBytes && now-last.Opened < segmentAge.Milliseconds() {
			return last, false, nil
		}
	}
	if len(r.Segments) >= maxSegments {
		return nil, false, fmt.Errorf("log stream %s has %d segments: %w", r.Name, maxSegments, store.ErrTooLarge)
	}
	r.Segments = append(r.Segments, segmentRow{Number: r.last() + 1, Opened: now})
	return &r.Segments[len(r.Segments)-1], true, nil
}

// add accounts for a block at the end of a segment.
func (r *streamRow) add(segment *segmentRow, b block) {
	if segment.Bytes == 0 {
		segment.Min, segment.Max = b.min, b.max
	}
	segment.Min, segment.Max = min(segment.Min, b.min), max(segment.Max, b.max)
	segment.Bytes = b.end()
	r.Seq = max(r.Seq, b.firstSeq+uint64(b.count)-1)
	r.Ingested = max(r.Ingested, b.ingested)
}

// append writes data at offset, the end of the file, and syncs it.
func (l *Logs) append(path string, data []byte, offset int64, fresh bool) error {
	if fresh {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	// What a crash left behind the last whole block must not be read as blocks
	// after this one: it may hold anything that a function wrote.
	if err := file.Truncate(offset); err != nil {
		return err
	}
	if _, err := file.WriteAt(data, offset); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	if !fresh {
		return nil
	}
	for _, folder := range []string{filepath.Dir(path), filepath.Dir(filepath.Dir(path)), l.folder} {
		if err := syncFolder(folder); err != nil {
			return err
		}
	}
	return nil
}

func syncFolder(name string) error {
	folder, err := os.Open(name)
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}

// catchUp makes the row agree with its last segment: a crash may have come
// between the write of a block and that of the row, or within the block.
func (l *Logs) catchUp(r *streamRow) error {
	for {
		n := len(r.Segments)
		if n > 0 {
			if err := l.catchUpSegment(r, &r.Segments[n-1]); err != nil {
				return err
			}
		}
		// The first block of the next segment may be what the row misses.
		next := segmentRow{Number: r.last() + 1, Opened: r.Created}
		if n > 0 {
			next.Opened = r.Segments[n-1].Opened
		}
		if err := l.catchUpSegment(r, &next); err != nil {
			return err
		}
		if next.Bytes == 0 {
			return nil
		}
		next.Opened = r.Ingested
		r.Segments = append(r.Segments, next)
	}
}

func (l *Logs) catchUpSegment(r *streamRow, segment *segmentRow) error {
	path := l.segmentPath(r, segment.Number)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Size() <= segment.Bytes {
		return nil
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	blocks, err := readHeaders(file, segment.Bytes, info.Size())
	if err != nil {
		return err
	}
	for _, b := range blocks {
		if _, err := readBlock(file, b); err != nil {
			return nil // the torn end: the next block goes over it
		}
		r.add(segment, b)
	}
	return nil
}

// ensure finds a stream's group, and makes both where they are missing: for
// the logs of functions.
func (l *Logs) ensure(ctx context.Context, s scope, group, stream string) (*groupRow, error) {
	for range changeAttempts {
		g, err := l.findGroup(ctx, s, group)
		if err != nil {
			return nil, err
		}
		if g == nil {
			err = l.putGroup(ctx, l.newGroup(s, group))
		} else {
			var r *streamRow
			if r, err = l.findStream(ctx, g, stream); r != nil || err != nil {
				return g, err
			}
			err = l.createStream(ctx, g, stream)
		}
		if err != nil && !errors.Is(err, store.ErrConflict) {
			return nil, err
		}
	}
	return nil, errGone
}

func (l *Logs) newGroup(s scope, name string) *groupRow {
	return &groupRow{Name: name, ID: ids.Hex(idBytes), Created: l.clock.Now().UnixMilli(), scope: s}
}

// idBytes of the random names of folders.
const idBytes = 10
