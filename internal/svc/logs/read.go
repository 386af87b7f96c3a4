package logs

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"slices"
	"strings"
)

// minTime and maxTime are beyond all event times.
const (
	minTime = math.MinInt64 / 2
	maxTime = math.MaxInt64 / 2
)

// position is a place between events, in the order in which they are shown:
// time, then stream, then arrival. Events that are not below it come after it.
type position struct {
	time   int64
	stream string // id
	seq    uint64
}

func (p position) compare(q position) int {
	switch {
	case p.time != q.time:
		if p.time < q.time {
			return -1
		}
		return 1
	case p.stream != q.stream:
		return strings.Compare(p.stream, q.stream)
	case p.seq < q.seq:
		return -1
	case p.seq > q.seq:
		return 1
	}
	return 0
}

// found is an event that a search returns.
type found struct {
	event
	stream   *streamRow
	ingested int64
}

func (f *found) at() position    { return position{f.time, f.stream.ID, f.seq} }
func (f *found) after() position { return position{f.time, f.stream.ID, f.seq + 1} }

// search wants the first limit events in [lo, hi) that match, from lo up or
// from hi down.
type search struct {
	streams  []*streamRow
	lo, hi   position
	backward bool
	limit    int
	match    func(message string) bool
	budget   int64 // bytes to read before the search stops early
}

// result is a page in ascending order. rest is where the search goes on; done
// tells that there is nothing beyond it.
type result struct {
	events []found
	rest   position
	done   bool
}

// search reads only blocks that can hold events of the page: segments and blocks
// are taken in the order of their first possible event, and the page is complete
// when the next one begins behind its last event.
func (l *Logs) search(ctx context.Context, s search) (*result, error) {
	files := map[string]*os.File{}
	defer func() {
		for _, file := range files {
			file.Close()
		}
	}()
	todo := &queue{backward: s.backward}
	for _, r := range s.streams {
		if err := l.pushSegments(todo, r, &s); err != nil {
			return nil, err
		}
	}
	page := &page{search: &s}
	var read int64
	for todo.Len() > 0 {
		next := heap.Pop(todo).(unit)
		if page.complete(next.first) || read >= s.budget && s.advances(&next) {
			return page.result(&next), nil
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		file, err := openSegment(files, next.path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // retention or a deletion took it
		}
		if err != nil {
			return nil, err
		}
		if next.block == nil {
			err = todo.expand(file, next, &s)
		} else {
			read += next.block.end() - next.block.offset
			err = page.scan(file, next)
		}
		if errors.Is(err, errBadBlock) {
			// The disk lost something; the rest of the logs is still worth having.
			l.logger.Error("read log", "stream", next.stream.Name, "err", err)
			err = nil
		}
		if err != nil {
			return nil, fmt.Errorf("log stream %s: %w", next.stream.Name, err)
		}
	}
	return page.result(nil), nil
}

// unreadFrom is where a page ends that leaves u unread.
func (s *search) unreadFrom(u *unit) position {
	if s.backward {
		return position{time: u.first + 1}
	}
	return position{time: u.first}
}

// advances tells that a page that leaves u unread is not the same page again.
func (s *search) advances(u *unit) bool {
	if s.backward {
		return s.unreadFrom(u).compare(s.hi) < 0
	}
	return s.unreadFrom(u).compare(s.lo) > 0
}

// openSegment keeps few files open: a search walks in the order of time.
func openSegment(files map[string]*os.File, path string) (*os.File, error) {
	if file := files[path]; file != nil {
		return file, nil
	}
	if len(files) >= maxOpenSegments {
		for other, file := range files {
			file.Close()
			delete(files, other)
			break
		}
	}
	file, err := os.Open(path)
	if err == nil {
		files[path] = file
	}
	return file, err
}

const maxOpenSegments = 64

// unit is a segment whose blocks are not read yet, or a block.
type unit struct {
	stream *streamRow
	path   string
	whole  int64  // bytes of the segment that hold whole blocks
	first  int64  // time of the first possible event in the direction of the search
	block  *block // nil: a segment
}

// queue orders units by their first possible event.
type queue struct {
	units    []unit
	backward bool
}

func (q *queue) Len() int { return len(q.units) }
func (q *queue) Less(i, j int) bool {
	if q.backward {
		return q.units[i].first > q.units[j].first
	}
	return q.units[i].first < q.units[j].first
}
func (q *queue) Swap(i, j int) { q.units[i], q.units[j] = q.units[j], q.units[i] }
func (q *queue) Push(x any)    { q.units = append(q.units, x.(unit)) }
func (q *queue) Pop() any {
	last := q.units[len(q.units)-1]
	q.units = q.units[:len(q.units)-1]
	return last
}

// push adds what can hold events of the search.
func (q *queue) push(s *search, u unit, lo, hi int64) {
	if hi < s.lo.time || (position{time: lo}).compare(s.hi) >= 0 {
		return
	}
	u.first = lo
	if q.backward {
		u.first = hi
	}
	heap.Push(q, u)
}

// pushSegments adds the segments of a stream, after the row was brought up to
// date with the files.
func (l *Logs) pushSegments(q *queue, r *streamRow, s *search) error {
	if err := l.catchUp(r); err != nil {
		return err
	}
	for _, segment := range r.Segments {
		if segment.Bytes > 0 {
			q.push(s, unit{stream: r, path: l.segmentPath(r, segment.Number), whole: segment.Bytes}, segment.Min, segment.Max)
		}
	}
	return nil
}

// expand replaces a segment by its blocks.
func (q *queue) expand(file *os.File, u unit, s *search) error {
	blocks, err := readHeaders(file, 0, u.whole)
	if err != nil {
		return err
	}
	end := int64(0)
	for _, b := range blocks {
		q.push(s, unit{stream: u.stream, path: u.path, block: &b}, b.min, b.max)
		end = b.end()
	}
	if end < u.whole {
		return fmt.Errorf("%w at %d of %s", errBadBlock, end, u.path)
	}
	return nil
}

// page collects the events nearest to the start of the search.
type page struct {
	search *search
	events []found // a heap with the farthest event on top, once it is full
}

func (p *page) Len() int { return len(p.events) }
func (p *page) Less(i, j int) bool {
	c := p.events[i].at().compare(p.events[j].at())
	if p.search.backward {
		return c < 0
	}
	return c > 0
}
func (p *page) Swap(i, j int) { p.events[i], p.events[j] = p.events[j], p.events[i] }
func (p *page) Push(x any)    { p.events = append(p.events, x.(found)) }
func (p *page) Pop() any {
	last := p.events[len(p.events)-1]
	p.events = p.events[:len(p.events)-1]
	return last
}

// scan takes the matching events of a block. One more than the limit is kept:
// it tells whether there is another page.
func (p *page) scan(file *os.File, u unit) error {
	events, err := readBlock(file, *u.block)
	if err != nil {
		return err
	}
	for _, e := range events {
		f := found{event: e, stream: u.stream, ingested: u.block.ingested}
		if f.at().compare(p.search.lo) < 0 || f.at().compare(p.search.hi) >= 0 || !p.search.match(e.message) {
			continue
		}
		if len(p.events) <= p.search.limit {
			heap.Push(p, f)
			continue
		}
		if c := f.at().compare(p.events[0].at()); c < 0 != p.search.backward && c != 0 {
			p.events[0] = f
			heap.Fix(p, 0)
		}
	}
	return nil
}

// complete tells that what begins at first is behind the whole page.
func (p *page) complete(first int64) bool {
	if len(p.events) <= p.search.limit {
		return false
	}
	if p.search.backward {
		return first < p.events[0].time
	}
	return first > p.events[0].time
}

// result cuts the page at its limits, and before the unit that was not read.
func (p *page) result(unread *unit) *result {
	slices.SortFunc(p.events, func(a, b found) int {
		c := a.at().compare(b.at())
		if p.search.backward {
			return -c
		}
		return c
	})
	r := &result{done: unread == nil}
	bytes := 0
	for i := range p.events {
		e := &p.events[i]
		bytes += len(e.message) + eventOverhead
		behind := unread != nil && (p.search.backward && e.time <= unread.first || !p.search.backward && e.time >= unread.first)
		if i == p.search.limit || i > 0 && bytes > maxPageBytes || behind {
			r.done = false
			break
		}
		r.events = append(r.events, *e)
	}
	r.rest = p.rest(r, unread)
	if p.search.backward {
		slices.Reverse(r.events)
	}
	return r
}

// rest is where the next page begins. Events before it are all in this one.
func (p *page) rest(r *result, unread *unit) position {
	n := len(r.events)
	switch {
	case n < len(p.events) && n > 0 && p.search.backward, n > 0 && unread == nil && p.search.backward:
		return r.events[n-1].at()
	case n < len(p.events) && n > 0, n > 0 && unread == nil:
		return r.events[n-1].after()
	case unread == nil && p.search.backward:
		return p.search.hi
	case unread == nil:
		return p.search.lo
	}
	return p.search.unreadFrom(unread)
}
