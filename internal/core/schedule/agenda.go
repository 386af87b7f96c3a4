package schedule

import (
	"container/heap"
	"time"
)

// Agenda is what is due when, the earliest first. The caller guards it.
type Agenda[K comparable] struct {
	heap  entries[K]
	byKey map[K]*entry[K]
}

type entry[K comparable] struct {
	key   K
	due   time.Time
	place int
}

// Set enters when something is due next, or changes it.
func (a *Agenda[K]) Set(key K, due time.Time) {
	if a.byKey == nil {
		a.byKey = map[K]*entry[K]{}
	}
	if e := a.byKey[key]; e != nil {
		e.due = due
		heap.Fix(&a.heap, e.place)
		return
	}
	e := &entry[K]{key: key, due: due}
	a.byKey[key] = e
	heap.Push(&a.heap, e)
}

// Remove takes something off.
func (a *Agenda[K]) Remove(key K) {
	if e := a.byKey[key]; e != nil {
		heap.Remove(&a.heap, e.place)
		delete(a.byKey, key)
	}
}

// First is what is due first; false if there is nothing.
func (a *Agenda[K]) First() (key K, due time.Time, found bool) {
	if len(a.heap) == 0 {
		return key, due, false
	}
	return a.heap[0].key, a.heap[0].due, true
}

// entries are the heap of the entries.
type entries[K comparable] []*entry[K]

// Len is for the heap.
func (e entries[K]) Len() int { return len(e) }

// Less is for the heap.
func (e entries[K]) Less(i, j int) bool { return e[i].due.Before(e[j].due) }

// Swap is for the heap.
func (e entries[K]) Swap(i, j int) {
	e[i], e[j] = e[j], e[i]
	e[i].place, e[j].place = i, j
}

// Push is for the heap.
func (e *entries[K]) Push(x any) {
	added := x.(*entry[K])
	added.place = len(*e)
	*e = append(*e, added)
}

// Pop is for the heap.
func (e *entries[K]) Pop() any {
	last := len(*e) - 1
	popped := (*e)[last]
	*e = (*e)[:last]
	return popped
}
