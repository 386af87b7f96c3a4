package localstore

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// Limits of what may wait to be brought into order on the disk.
const (
	unflushedStop = 16 << 20         // bytes that are in memory and the log only, at which commits wait for a flush
	layersStop    = 12               // fresh tables over one key, at which they wait for a compaction
	markBytes     = memTableBytes    // how exactly is known what a flush has covered
	busyAfter     = 20 * time.Second // a commit that has waited so long is refused
	outOfReach    = math.MaxInt32    // Pebble's own limits
)

// pressure holds commits back while the engine cannot keep up. Pebble would hold them
// inside, where nothing wakes them when its flush or compaction never ends because the
// disk has failed. Here they wait for room, but for a failed disk, their context and a
// time limit too; nothing of a commit that waits is applied.
type pressure struct {
	look  func() (layers int) // of fresh tables
	limit time.Duration

	mu       sync.Mutex
	underWay int64         // bytes of batches that are admitted and not applied yet
	applied  int64         // bytes of all batches that the engine has
	flushed  int64         // of these: in tables
	sequence uint64        // the highest of a batch that the engine has
	marks    []mark        // ascending; of what is not flushed
	layers   int           // when they were looked at
	stale    bool          // they have changed since
	news     chan struct{} // closed and replaced when there may be room
}

// mark says that the first so many bytes have sequence numbers up to sequence: by these
// Pebble tells what it has flushed.
type mark struct {
	sequence uint64
	bytes    int64
}

func newPressure(look func() int) *pressure {
	return &pressure{look: look, limit: busyAfter, news: make(chan struct{})}
}

// admit waits until there is room for a batch of size bytes; leave must follow if it
// returns nil.
func (p *pressure) admit(ctx context.Context, d *disk, size int64) error {
	news := p.enter(size)
	if news == nil {
		return nil
	}
	limit := time.NewTimer(p.limit)
	defer limit.Stop()
	for ; news != nil; news = p.enter(size) {
		select {
		case <-news:
		case <-d.failed:
			return fmt.Errorf("%w: %w", store.ErrReadOnly, d.failure())
		case <-ctx.Done():
			return ctx.Err()
		case <-limit.C:
			return fmt.Errorf("%w (waited %s)", store.ErrBusy, p.limit)
		}
	}
	return nil
}

// enter admits a batch, or gives what to wait for. A batch does not stand in its own way:
// it may be larger than the limit.
func (p *pressure) enter(size int64) (news <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stale {
		p.stale = false
		p.mu.Unlock()
		layers := p.look()
		p.mu.Lock()
		p.layers = layers
	}
	if p.applied-p.flushed+p.underWay >= unflushedStop || p.layers >= layersStop {
		return p.news
	}
	p.underWay += size
	return nil
}

// leave says at which sequence number the engine has the batch; 0: it was given up.
func (p *pressure) leave(size int64, sequence uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.underWay -= size
	if sequence == 0 {
		p.tell()
		return
	}
	p.applied += size
	p.sequence = max(p.sequence, sequence)
	marked := p.flushed
	if len(p.marks) > 0 {
		marked = p.marks[len(p.marks)-1].bytes
	}
	if p.applied-marked >= markBytes {
		p.marks = append(p.marks, mark{p.sequence, p.applied})
	}
}

// listen lets Pebble tell what it has done; it holds its own lock meanwhile.
func (p *pressure) listen(events *pebble.EventListener) {
	events.FlushEnd = func(info pebble.FlushInfo) {
		if info.Err != nil {
			return
		}
		highest := uint64(0)
		for _, table := range info.Output {
			highest = max(highest, uint64(table.LargestSeqNum))
		}
		p.changed(highest)
	}
	events.CompactionEnd = func(pebble.CompactionInfo) { p.changed(0) }
}

// changed says that there are new tables, and that they have all up to sequence.
func (p *pressure) changed(sequence uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stale = true
	done := 0
	for done < len(p.marks) && p.marks[done].sequence <= sequence {
		p.flushed = p.marks[done].bytes
		done++
	}
	p.marks = slices.Delete(p.marks, 0, done)
	p.tell()
}

// tell wakes those that wait; p.mu is held.
func (p *pressure) tell() {
	close(p.news)
	p.news = make(chan struct{})
}

// freshLayers is how many tables of level 0 lie over one key at most.
func (s *Store) freshLayers() int {
	levels, err := s.db.SSTables()
	if err != nil || len(levels) == 0 || len(levels[0]) < layersStop {
		return 0
	}
	return depth(levels[0])
}

// depth is the largest number of tables that have a key in common.
func depth(tables []pebble.SSTableInfo) int {
	type edge struct {
		key  []byte
		step int // +1: a table begins, -1: one ends
	}
	var edges []edge
	for _, table := range tables {
		edges = append(edges, edge{table.Smallest.UserKey, +1}, edge{table.Largest.UserKey, -1})
	}
	slices.SortFunc(edges, func(a, b edge) int { // at the same key begins come first
		return cmp.Or(bytes.Compare(a.key, b.key), cmp.Compare(b.step, a.step))
	})
	deepest, now := 0, 0
	for _, e := range edges {
		now += e.step
		deepest = max(deepest, now)
	}
	return deepest
}
