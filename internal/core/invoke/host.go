package invoke

import (
	"container/list"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lambkin-dev/lambkin/internal/core/function"
)

// patience is how long the first call of the queue may wait while environments
// go to later calls of the same function. Without it every call on a full host
// would be a cold start; without its end one busy function could keep the host.
const patience = 50 * time.Millisecond

// hostQueue shares the places of this host. Every environment has one from
// before its start until it is gone.
type hostQueue struct {
	maxCount int
	budget   int64        // bytes; 0: memory is not counted
	waiting  atomic.Int32 // length of queue, readable without mu

	mu           sync.Mutex
	count        int        // places taken, those of environments being closed included
	used         int64      // their charges together
	spare        int64      // what the sandbox holds beside them
	closing      int        // of count
	closingBytes int64      // of used
	queue        *list.List // of *waiter, the longest waiting first
	alive        map[*environment]struct{}
	gone         chan struct{} // made by drained, closed when alive is empty
}

// waiter is a call that waits for a place or for an environment of its version.
type waiter struct {
	pool    *versionPool
	version *function.Version
	charge  int64 // bytes that its environment will be counted with
	since   time.Time
	place   chan *environment // one send: an environment, or nil for a place
	element *list.Element     // nil once out of the queue
}

func newHostQueue(maxCount int, budget int64) *hostQueue {
	return &hostQueue{maxCount: maxCount, budget: budget, queue: list.New(), alive: map[*environment]struct{}{}}
}

// room is the memory for environments: the budget without what the sandbox
// holds beside them, of which no more than half can be lost to it.
func (h *hostQueue) roomLocked() int64 { return h.budget - min(h.spare, h.budget/2) }

// fitsLocked tells whether a waiter has its place now. One that is larger than
// all the room may still run, alone.
func (h *hostQueue) fitsLocked(w *waiter) bool {
	room := h.roomLocked()
	return h.count < h.maxCount && (h.budget == 0 || h.used+min(w.charge, room) <= room)
}

// reserve takes a place at once if nobody waits and there is room; otherwise it
// queues the waiter.
func (h *hostQueue) reserve(w *waiter) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.queue.Len() == 0 && h.fitsLocked(w) {
		h.takeLocked(w)
		return true
	}
	w.element = h.queue.PushBack(w)
	h.waiting.Store(int32(h.queue.Len()))
	return false
}

func (h *hostQueue) takeLocked(w *waiter) {
	h.count++
	if h.budget > 0 {
		w.charge = min(w.charge, h.roomLocked())
	}
	h.used += w.charge
}

func (h *hostQueue) removeLocked(w *waiter) {
	h.queue.Remove(w.element)
	w.element = nil
	h.waiting.Store(int32(h.queue.Len()))
}

// grantLocked gives free places to those at the head of the queue. It stops at
// the first that does not fit: a large function is not passed by small ones.
func (h *hostQueue) grantLocked() {
	for e := h.queue.Front(); e != nil; e = h.queue.Front() {
		w := e.Value.(*waiter)
		if !h.fitsLocked(w) {
			return
		}
		h.removeLocked(w)
		h.takeLocked(w)
		w.place <- nil
	}
}

// cancel takes a waiter out of the queue; false if it was served meanwhile.
func (h *hostQueue) cancel(w *waiter) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if w.element == nil {
		return false
	}
	h.removeLocked(w)
	h.grantLocked() // who stood behind it may fit
	return true
}

// free gives a place back that no environment holds.
func (h *hostQueue) free(charge int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.freeLocked(charge)
}

func (h *hostQueue) freeLocked(charge int64) {
	h.count--
	h.used -= charge
	h.grantLocked()
	if h.gone != nil && h.count == 0 {
		close(h.gone)
		h.gone = nil
	}
}

// started and the pair ending, ended follow an environment's life.
func (h *hostQueue) started(e *environment) {
	h.mu.Lock()
	h.alive[e] = struct{}{}
	h.mu.Unlock()
}

func (h *hostQueue) ending(e *environment) {
	h.mu.Lock()
	e.leaving = true
	h.closing++
	h.closingBytes += e.charge.Load()
	h.mu.Unlock()
}

func (h *hostQueue) ended(e *environment) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closing--
	h.closingBytes -= e.charge.Load()
	delete(h.alive, e)
	h.freeLocked(e.charge.Load())
}

// recharge counts environments anew, and the calls that wait by what charge
// says; who waits may fit then.
func (h *hostQueue) recharge(all map[*environment]int64, charge func(*function.Version) int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for e, bytes := range all {
		if _, alive := h.alive[e]; alive && !e.leaving {
			h.used += bytes - e.charge.Load()
			e.charge.Store(bytes)
		}
	}
	for e := h.queue.Front(); e != nil; e = e.Next() {
		w := e.Value.(*waiter)
		w.charge = charge(w.version)
	}
	h.grantLocked()
}

// setSpare notes what the sandbox holds beside the environments.
func (h *hostQueue) setSpare(bytes int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.spare = bytes
	h.grantLocked()
}

// excess is how many bytes are used over the budget and not about to be free.
func (h *hostQueue) excess() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.budget == 0 {
		return 0
	}
	return max(0, h.used-h.closingBytes-h.roomLocked())
}

// offer finds the waiting call that an environment goes to. Nobody waits:
// pooled. The longest waiting call needs another function and has lost its
// patience, or nobody wants this version: neither, the place must be freed.
func (h *hostQueue) offer(e *environment, now time.Time) (taken, pooled bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	first := h.queue.Front()
	if first == nil {
		return false, true
	}
	wants := func(w *waiter) bool { return w.pool == e.pool && e.serves(w.version) }
	tired := now.Sub(first.Value.(*waiter).since) >= patience
	for element := first; element != nil; element = element.Next() {
		w := element.Value.(*waiter)
		if wants(w) {
			h.removeLocked(w)
			w.place <- e
			return true, false
		}
		if tired {
			return false, false
		}
	}
	return false, false
}

// give hands an environment to the first waiting call of its version. One that
// is kept ready frees no place, so nobody is passed over by that.
func (h *hostQueue) give(e *environment) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for element := h.queue.Front(); element != nil; element = element.Next() {
		w := element.Value.(*waiter)
		if w.pool == e.pool && e.serves(w.version) {
			h.removeLocked(w)
			w.place <- e
			return true
		}
	}
	return false
}

// shortage is how many places, and how much memory, the waiting calls need
// beyond what is free or about to be.
func (h *hostQueue) shortage() (count int, bytes int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	room := h.roomLocked()
	for e := h.queue.Front(); e != nil; e = e.Next() {
		count++
		bytes += min(e.Value.(*waiter).charge, room)
	}
	count -= h.maxCount - h.count + h.closing
	bytes -= room - h.used + h.closingBytes
	if h.budget == 0 {
		bytes = 0
	}
	return count, bytes
}

// strained tells whether memory is missing, to who waits or for what is there.
func (h *hostQueue) strained() bool {
	_, bytes := h.shortage()
	return h.waiting.Load() > 0 && bytes > 0 || h.excess() > 0
}

// living lists the environments that were started and are not gone.
func (h *hostQueue) living() []*environment {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]*environment, 0, len(h.alive))
	for e := range h.alive {
		all = append(all, e)
	}
	return all
}

// drained is closed when every place is free. Called once, by Close.
func (h *hostQueue) drained() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	gone := make(chan struct{})
	if h.count == 0 {
		close(gone)
	} else {
		h.gone = gone
	}
	return gone
}
