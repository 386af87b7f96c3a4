package queue

import (
	"container/heap"
	"time"
)

// state says where a message is.
type state uint8

const (
	pending  state = iota // its commit is not over
	delayed               // not yet visible for the first time
	ready                 // may be received
	inflight              // was received, is invisible
	leaving               // its removal is not over
	states
)

// entry is what the index knows of a message.
type entry struct {
	seq      uint64
	sent     int64 // times in milliseconds since 1970
	due      int64 // when it becomes visible
	first    int64 // first receive, or 0
	received int64 // last receive, or 0
	nonce    uint64
	count    int32 // receives
	before   int32 // receives in queues that it was moved from: they are no reason to move it again
	slot     int32 // in the heap of its state, or -1
	writes   uint8 // commits of its row that are not over: they must not be overtaken
	chunks   uint8 // rows of its content
	state    state
	burying  bool // leaving for another queue
	held     bool // counts in group.held
	group    *group

	prev, next *entry // in the group
}

// group is the messages of a FIFO group in their order.
type group struct {
	name       string
	head, tail *entry
	held       int // messages that were received and are neither deleted nor visible again
}

func (g *group) append(e *entry) {
	e.group, e.prev = g, g.tail
	if g.tail != nil {
		g.tail.next = e
	} else {
		g.head = e
	}
	g.tail = e
}

func (g *group) remove(e *entry) {
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		g.head = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	} else {
		g.tail = e.prev
	}
	e.prev, e.next = nil, nil
}

// entries is a heap that keeps each entry's slot.
type entries struct {
	list []*entry
	less func(a, b *entry) bool
}

func bySequence(a, b *entry) bool { return a.seq < b.seq }
func byDue(a, b *entry) bool      { return a.due < b.due || a.due == b.due && a.seq < b.seq }

// Len, Less, Swap, Push and Pop are for container/heap.
func (h *entries) Len() int           { return len(h.list) }
func (h *entries) Less(i, j int) bool { return h.less(h.list[i], h.list[j]) }
func (h *entries) Swap(i, j int) {
	h.list[i], h.list[j] = h.list[j], h.list[i]
	h.list[i].slot, h.list[j].slot = int32(i), int32(j)
}

// Push is for container/heap.
func (h *entries) Push(x any) {
	e := x.(*entry)
	e.slot = int32(len(h.list))
	h.list = append(h.list, e)
}

// Pop is for container/heap.
func (h *entries) Pop() any {
	last := len(h.list) - 1
	e := h.list[last]
	h.list[last] = nil
	h.list = h.list[:last]
	e.slot = -1
	return e
}

func (h *entries) top() *entry {
	if len(h.list) == 0 {
		return nil
	}
	return h.list[0]
}

// index is the messages of one queue in memory. Its owner's mu guards it.
type index struct {
	fifo    bool
	bySeq   map[uint64]*entry
	ready   entries // standard: all that are ready; FIFO: heads of groups of which none is held
	waiting entries // delayed and in flight
	groups  map[string]*group
	counts  [states]int
	last    uint64 // highest sequence number so far
	oldest  int64  // no message was sent before
}

func newIndex(fifo bool) *index {
	return &index{fifo: fifo, bySeq: map[uint64]*entry{}, groups: map[string]*group{}, ready: entries{less: bySequence}, waiting: entries{less: byDue}}
}

// add enters a message whose state is set, with the name of its group.
func (x *index) add(e *entry, groupName string) {
	e.slot = -1
	x.bySeq[e.seq] = e
	x.counts[e.state]++
	x.last = max(x.last, e.seq)
	if x.oldest == 0 || e.sent < x.oldest {
		x.oldest = e.sent
	}
	if x.fifo {
		g := x.groups[groupName]
		if g == nil {
			g = &group{name: groupName}
			x.groups[groupName] = g
		}
		g.append(e)
	}
}

// move puts a message into a state and into the heap of that state.
func (x *index) move(e *entry, to state) {
	if e.slot >= 0 {
		h := &x.waiting
		if e.state == ready {
			h = &x.ready
		}
		heap.Remove(h, int(e.slot))
	}
	x.counts[e.state]--
	x.counts[to]++
	e.state = to
	if to == inflight && !e.held && e.group != nil {
		e.held = true
		e.group.held++
	}
	switch to {
	case delayed, inflight:
		heap.Push(&x.waiting, e)
	case ready:
		x.release(e)
		x.offer(e)
	}
}

// settle ends one commit of a message's row; it tells whether the message can be
// received now.
func (x *index) settle(e *entry) bool {
	e.writes--
	if x.bySeq[e.seq] != e || e.state != ready {
		return false
	}
	before := len(x.ready.list)
	x.offer(e)
	return len(x.ready.list) > before
}

// release gives back what a message in flight holds of its group.
func (x *index) release(e *entry) {
	if e.held {
		e.held = false
		e.group.held--
	}
}

// offer makes a message receivable, or the head of its group, if it may be.
func (x *index) offer(e *entry) {
	if g := e.group; g != nil {
		if e = g.head; e == nil || g.held > 0 {
			return
		}
	}
	if e.state == ready && e.slot < 0 && e.writes == 0 {
		heap.Push(&x.ready, e)
	}
}

// drop forgets a message.
func (x *index) drop(e *entry) {
	if x.bySeq[e.seq] != e {
		return
	}
	x.move(e, leaving)
	x.counts[leaving]--
	delete(x.bySeq, e.seq)
	if g := e.group; g != nil {
		x.release(e)
		g.remove(e)
		if g.head == nil {
			delete(x.groups, g.name)
		} else {
			x.offer(g.head)
		}
	}
}

// redelay applies another delay to the messages that are delayed already.
// AWS: FIFO queues do so,
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-delay-queues.html
func (x *index) redelay(delay int64) {
	for _, e := range x.waiting.list {
		if e.state == delayed {
			e.due = e.sent + delay
		}
	}
	heap.Init(&x.waiting)
}

// advance makes visible what is due.
func (x *index) advance(now int64) {
	for e := x.waiting.top(); e != nil && e.due <= now; e = x.waiting.top() {
		x.move(e, ready)
	}
}

func milliseconds(t time.Time) int64 { return t.UnixMilli() }
