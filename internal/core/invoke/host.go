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
	maxCount, maxMB int          // maxMB 0: memory is not counted
	waiting         atomic.Int32 // length of queue, readable without mu

	mu        sync.Mutex
	count, mb int        // places taken, those of environments being closed included
	closing   int        // of count
	closingMB int        // of mb
	queue     *list.List // of *waiter, the longest waiting first
	alive     map[*environment]struct{}
	gone      chan struct{} // made by drained, closed when alive is empty
}

// waiter is a call that waits for a place or for an environment of its version.
type waiter struct {
	pool     *versionPool
	version  *function.Version
	memoryMB int
	since    time.Time
	place    chan *environment // one send: an environment, or nil for a place
	element  *list.Element     // nil once out of the queue
}

func newHostQueue(maxCount, maxMB int) *hostQueue {
	return &hostQueue{maxCount: maxCount, maxMB: maxMB, queue: list.New(), alive: map[*environment]struct{}{}}
}

// weight is the memory that an environment is counted with. One that is larger
// than the host may still run, alone.
func (h *hostQueue) weight(memoryMB int) int {
	if h.maxMB == 0 {
		return 0
	}
	return min(memoryMB, h.maxMB)
}

func (h *hostQueue) fitsLocked(mb int) bool {
	return h.count < h.maxCount && (h.maxMB == 0 || h.mb+mb <= h.maxMB)
}

// reserve takes a place at once if nobody waits and there is room; otherwise it
// queues the waiter.
func (h *hostQueue) reserve(w *waiter) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.queue.Len() == 0 && h.fitsLocked(w.memoryMB) {
		h.takeLocked(w)
		return true
	}
	w.element = h.queue.PushBack(w)
	h.waiting.Store(int32(h.queue.Len()))
	return false
}

func (h *hostQueue) takeLocked(w *waiter) {
	h.count++
	h.mb += w.memoryMB
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
		if !h.fitsLocked(w.memoryMB) {
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
func (h *hostQueue) free(memoryMB int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.freeLocked(memoryMB)
}

func (h *hostQueue) freeLocked(memoryMB int) {
	h.count--
	h.mb -= memoryMB
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
	h.closing++
	h.closingMB += e.memoryMB
	h.mu.Unlock()
}

func (h *hostQueue) ended(e *environment) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closing--
	h.closingMB -= e.memoryMB
	delete(h.alive, e)
	h.freeLocked(e.memoryMB)
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
func (h *hostQueue) shortage() (count, mb int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for e := h.queue.Front(); e != nil; e = e.Next() {
		count++
		mb += e.Value.(*waiter).memoryMB
	}
	count -= h.maxCount - h.count + h.closing
	mb -= h.maxMB - h.mb + h.closingMB
	if h.maxMB == 0 {
		mb = 0
	}
	return count, mb
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
