package logs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// How much is kept unless Config says otherwise.
//
// AWS: CloudWatch Logs keeps what it is paid for. Here a function that prints for ever
// would fill the disk for all: of a group that is too large the oldest events go, as by a
// retention that is too short for what comes.
const (
	DefaultGroupBytes = 1 << 30
	DefaultTotalBytes = 10 << 30
	// LeastGroupBytes leaves room for some segments, which go as a whole.
	LeastGroupBytes = 4 * segmentBytes
	quotaSlack      = 8 // what is too large is cut to the bound less this part of it, so that there is peace for a while
)

// quota knows how much there is. It may count too much, of what was deleted meanwhile:
// before anything is removed it is measured again.
type quota struct {
	group, total int64 // bounds

	mu       sync.Mutex
	measured bool
	groups   map[string]int64 // bytes by the id of the group
	sum      int64

	cutting sync.Mutex // one at a time; held over the removal of files
}

// add counts what was written, and tells whether it is too much.
func (q *quota) add(group string, bytes int64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.measured {
		return true
	}
	q.groups[group] += bytes
	q.sum += bytes
	return q.groups[group] > q.group || q.sum > q.total
}

// set replaces the counts by what was measured.
func (q *quota) set(holdings []*holding) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.measured, q.groups, q.sum = true, map[string]int64{}, 0
	for _, h := range holdings {
		q.groups[h.group.ID] = h.bytes
		q.sum += h.bytes
	}
}

// holding is what a group has.
type holding struct {
	group    *groupRow
	bytes    int64
	segments []held // the oldest first
	newest   string // stream
	ingested int64  // of newest
}

// held is a segment with its stream.
type held struct {
	stream *streamRow
	segmentRow
}

// wrote counts bytes of a group, and removes the oldest events of groups if there are too many.
func (l *Logs) wrote(ctx context.Context, g *groupRow, bytes int64) error {
	if !l.quota.add(g.ID, bytes) {
		return nil
	}
	l.quota.cutting.Lock()
	defer l.quota.cutting.Unlock()
	if !l.quota.add(g.ID, 0) {
		return nil // somebody else has done it
	}
	all, err := l.measure(ctx)
	if err != nil {
		return err
	}
	var failed []error
	for _, h := range all {
		if h.bytes > l.quota.group {
			failed = append(failed, l.cut(ctx, h, h.bytes-l.quota.group*(quotaSlack-1)/quotaSlack))
		}
	}
	for sum := sumOf(all); sum > l.quota.total && len(failed) == 0; sum = sumOf(all) {
		largest := slices.MaxFunc(all, func(a, b *holding) int { return cmp.Compare(a.bytes, b.bytes) })
		over := sum - l.quota.total*(quotaSlack-1)/quotaSlack
		before := largest.bytes
		if err := l.cut(ctx, largest, min(over, max(largest.bytes/2, 1))); err != nil || largest.bytes == before {
			failed = append(failed, err, errNothingCut)
		}
	}
	l.quota.set(all)
	return errors.Join(failed...)
}

// errNothingCut tells that the logs stay larger than they may be.
var errNothingCut = errors.New("nothing could be removed from the largest log group")

func sumOf(all []*holding) (sum int64) {
	for _, h := range all {
		sum += h.bytes
	}
	return sum
}

// measure is what all groups have.
func (l *Logs) measure(ctx context.Context) (all []*holding, err error) {
	lo, hi := groupsRange()
	err = scan(ctx, l, lo, hi, func(g *groupRow, _ store.Version) (bool, error) {
		h := &holding{group: g}
		all = append(all, h)
		return true, l.eachStream(ctx, g, "", func(r *streamRow) (bool, error) {
			for _, s := range r.Segments {
				h.segments = append(h.segments, held{r, s})
				h.bytes += s.Bytes
			}
			if h.newest == "" || r.Ingested > h.ingested {
				h.newest, h.ingested = r.Name, r.Ingested
			}
			return true, ctx.Err()
		})
	})
	for _, h := range all {
		slices.SortStableFunc(h.segments, func(a, b held) int { return cmp.Compare(a.Max, b.Max) })
	}
	return all, err
}

// cut removes the oldest segments of a group, of at least so many bytes together, and says
// so in the stream that was written last.
func (l *Logs) cut(ctx context.Context, h *holding, bytes int64) error {
	gone := map[*streamRow]map[int]bool{}
	removed, until, count := int64(0), int64(0), 0
	for removed < bytes && count < len(h.segments) {
		s := h.segments[count]
		if gone[s.stream] == nil {
			gone[s.stream] = map[int]bool{}
		}
		gone[s.stream][s.Number] = true
		removed += s.Bytes
		until = max(until, s.Max)
		count++
	}
	for stream, numbers := range gone {
		if err := l.removeSegments(ctx, stream, func(s segmentRow) bool { return numbers[s.Number] }); err != nil {
			return err
		}
	}
	h.segments = h.segments[count:]
	h.bytes -= removed
	l.logger.Warn("the oldest events of a log group were removed: the logs are larger than they may be", "group", h.group.Name, "bytes", removed)
	now := l.clock.Now()
	err := l.write(ctx, h.group, h.newest, []event{{time: now.UnixMilli(), message: fmt.Sprintf(
		"LAMBKIN removed the oldest %d bytes of this log group, to %s: the logs of a group may have %d bytes, all together %d\n",
		removed, time.UnixMilli(until).UTC().Format(time.RFC3339), l.quota.group, l.quota.total)}})
	if errors.Is(err, errGone) {
		return nil // deleted meanwhile
	}
	return err
}
