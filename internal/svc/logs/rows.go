package logs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// The rows of the store. A stream belongs to the id of its group, not to its
// name, so a group that is made again begins empty.
const space = "logs"

// scope is an account in a region.
type scope struct{ account, region string }

// groupRow is a log group.
type groupRow struct {
	Name      string            `json:"name"`
	ID        string            `json:"id"` // its folder
	Created   int64             `json:"created"`
	Retention int32             `json:"retention,omitempty"` // days; 0 = for ever
	Tags      map[string]string `json:"tags,omitempty"`
	Protected bool              `json:"protected,omitempty"`

	scope   scope
	version store.Version
}

// streamRow is a log stream with the index of its segments. It may lag behind
// the files by what was written just before a power loss; see catchUp.
type streamRow struct {
	Name     string       `json:"name"`
	ID       string       `json:"id"` // its folder in that of the group
	Created  int64        `json:"created"`
	Ingested int64        `json:"ingested,omitempty"`
	Seq      uint64       `json:"seq,omitempty"` // of the last event
	Segments []segmentRow `json:"segments,omitempty"`
	Gone     int          `json:"gone,omitempty"` // highest number of a segment that was removed: none must come again

	group   *groupRow
	version store.Version
}

// segmentRow is one segment file.
type segmentRow struct {
	Number int   `json:"n"`
	Min    int64 `json:"min"`
	Max    int64 `json:"max"`
	Bytes  int64 `json:"bytes"`
	Opened int64 `json:"opened"` // ms, by the clock
}

// times are the least and greatest event time, and whether there is any event.
func (r *streamRow) times() (first, last int64, any bool) {
	for i, s := range r.Segments {
		if i == 0 || s.Min < first {
			first = s.Min
		}
		if i == 0 || s.Max > last {
			last = s.Max
		}
	}
	return first, last, len(r.Segments) > 0
}

func (r *streamRow) bytes() (total int64) {
	for _, s := range r.Segments {
		total += s.Bytes
	}
	return total
}

// last is the number of the newest segment that there has been.
func (r *streamRow) last() int {
	if n := len(r.Segments); n > 0 {
		return max(r.Gone, r.Segments[n-1].Number)
	}
	return r.Gone
}

// groupsRange has the groups of all accounts.
func groupsRange() (lo, hi []byte) { return tuple.Range(space, "group") }

func groupKey(s scope, name string) []byte {
	return tuple.Key(space, "group", s.account, s.region, name)
}

func streamKey(groupID, name string) []byte { return tuple.Key(space, "stream", groupID, name) }

// get reads one row; false if there is none.
func (l *Logs) get(ctx context.Context, key []byte, row any) (store.Version, bool, error) {
	snap, err := l.store.Snapshot(ctx)
	if err != nil {
		return 0, false, err
	}
	defer snap.Close()
	value, version, err := snap.Get(key)
	if errors.Is(err, store.ErrNotFound) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	return version, true, json.Unmarshal(value, row)
}

// findGroup reads a group, nil if there is none.
func (l *Logs) findGroup(ctx context.Context, s scope, name string) (*groupRow, error) {
	g := &groupRow{scope: s}
	version, found, err := l.get(ctx, groupKey(s, name), g)
	if err != nil || !found {
		return nil, err
	}
	g.version = version
	return g, nil
}

// findStream reads a stream, nil if there is none.
func (l *Logs) findStream(ctx context.Context, g *groupRow, name string) (*streamRow, error) {
	r := &streamRow{group: g}
	version, found, err := l.get(ctx, streamKey(g.ID, name), r)
	if err != nil || !found {
		return nil, err
	}
	r.version = version
	return r, nil
}

// putRow writes a row that is still at version (0: absent), under further checks.
func (l *Logs) putRow(ctx context.Context, key []byte, version store.Version, row any, durability store.Durability, checks ...store.Check) error {
	value, err := json.Marshal(row)
	if err != nil {
		return err
	}
	_, err = l.store.Commit(ctx, &store.Batch{
		Checks:     append(checks, store.At(key, version)),
		Puts:       []store.KV{{Key: key, Value: value}},
		Durability: durability,
	})
	return err
}

// putGroup writes a changed or new group (version 0).
func (l *Logs) putGroup(ctx context.Context, g *groupRow) error {
	return l.putRow(ctx, groupKey(g.scope, g.Name), g.version, g, store.Sync)
}

// createStream makes a stream unless it is there or its group has changed since
// it was read: it may be gone.
func (l *Logs) createStream(ctx context.Context, g *groupRow, name string) error {
	r := &streamRow{Name: name, ID: ids.Hex(idBytes), Created: l.clock.Now().UnixMilli()}
	return l.putRow(ctx, streamKey(g.ID, name), 0, r, store.Sync, store.At(groupKey(g.scope, g.Name), g.version))
}

// updateStream writes the index of a stream. Its files are the truth, and
// catchUp finds what a row misses, so it need not be synced. It fails with
// ErrConflict when the stream, or its group with it, was deleted.
func (l *Logs) updateStream(ctx context.Context, r *streamRow) error {
	return l.putRow(ctx, streamKey(r.group.ID, r.Name), r.version, r, store.Relaxed)
}

// scan visits the rows of a range until visit says stop.
func scan[Row any](ctx context.Context, l *Logs, lo, hi []byte, visit func(row *Row, version store.Version) (more bool, err error)) error {
	snap, err := l.store.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer snap.Close()
	for {
		entries, err := snap.Scan(lo, hi, maxRowsRead, false)
		if err != nil {
			return err
		}
		for _, e := range entries {
			row := new(Row)
			if err := json.Unmarshal(e.Value, row); err != nil {
				return fmt.Errorf("%w: log row %x: %w", store.ErrCorrupt, e.Key, err)
			}
			if more, err := visit(row, e.Version); err != nil || !more {
				return err
			}
		}
		if len(entries) < maxRowsRead {
			return nil
		}
		lo = append(entries[len(entries)-1].Key, 0)
	}
}

// eachStream visits the streams of a group whose names begin with prefix.
func (l *Logs) eachStream(ctx context.Context, g *groupRow, prefix string, visit func(*streamRow) (more bool, err error)) error {
	lo, hi := tuple.PrefixRange(space, "stream", g.ID, prefix)
	return scan(ctx, l, lo, hi, func(r *streamRow, version store.Version) (bool, error) {
		r.group, r.version = g, version
		return visit(r)
	})
}

// eachGroup visits the groups whose names begin with prefix, from after on.
func (l *Logs) eachGroup(ctx context.Context, s scope, prefix string, visit func(*groupRow) (more bool, err error)) error {
	lo, hi := tuple.PrefixRange(space, "group", s.account, s.region, prefix)
	return scan(ctx, l, lo, hi, func(g *groupRow, version store.Version) (bool, error) {
		g.scope, g.version = s, version
		return visit(g)
	})
}
