package pyjson

import "slices"

const (
	smallestTable = 8
	perturbShift  = 5

	// orderedKeys is how many keys get the order of Python 2.7. Beyond it the order
	// of insertion is kept: probing a table whose keys were chosen to collide takes
	// quadratic time, and no API has so many paths.
	orderedKeys = 2048
)

// table is the hash table of a dictionary of Python 2.7: open addressing, whose
// order of slots is the order that the program sees. Its life counts: keys that were
// removed leave marks, and growing fills a new table in the order of the old.
type table struct {
	slots  []slot
	mask   uint64
	used   int // keys
	filled int // keys and marks

	plain []string // instead of slots, once there were orderedKeys
}

type slot struct {
	key   string
	state state
}

// state is what a slot holds.
type state uint8

const (
	free state = iota
	taken
	removed
)

func newTable() *table { return &table{slots: make([]slot, smallestTable), mask: smallestTable - 1} }

// find returns the slot of a key, or the one that it would take.
func (t *table) find(key string) uint64 {
	hash := hash27(key)
	i := hash & t.mask
	var mark uint64
	hasMark := false
	for walker, perturb := i, hash; ; perturb >>= perturbShift {
		switch s := &t.slots[i]; {
		case s.state == free && hasMark:
			return mark
		case s.state == free, s.state == taken && s.key == key:
			return i
		case s.state == removed && !hasMark:
			mark, hasMark = i, true
		}
		walker = walker*5 + perturb + 1
		i = walker & t.mask
	}
}

func (t *table) add(key string) {
	if t.plain != nil {
		if !slices.Contains(t.plain, key) {
			t.plain = append(t.plain, key)
		}
		return
	}
	i := t.find(key)
	before := t.slots[i].state
	if before == taken {
		return
	}
	t.slots[i] = slot{key, taken}
	t.used++
	if before == free {
		t.filled++
	}
	switch {
	case t.used > orderedKeys:
		t.plain = t.keys()
	case t.filled*3 >= int(t.mask+1)*2:
		t.resize(t.used * 4)
	}
}

func (t *table) remove(key string) {
	if t.plain != nil {
		t.plain = slices.DeleteFunc(t.plain, func(k string) bool { return k == key })
		return
	}
	i := t.find(key)
	if t.slots[i].state == taken {
		t.slots[i] = slot{state: removed}
		t.used--
	}
}

// merge makes room for keys that come at once and adds them.
func (t *table) merge(keys []string) {
	if len(keys) == 0 {
		return
	}
	if t.plain == nil && (t.filled+len(keys))*3 >= int(t.mask+1)*2 {
		t.resize((t.used + len(keys)) * 2)
	}
	for _, key := range keys {
		t.add(key)
	}
}

func (t *table) resize(request int) {
	size := smallestTable
	for size <= request {
		size *= 2
	}
	keys := t.keys()
	*t = table{slots: make([]slot, size), mask: uint64(size - 1)}
	for _, key := range keys {
		t.add(key)
	}
}

func (t *table) keys() []string {
	if t.plain != nil {
		return slices.Clone(t.plain)
	}
	keys := make([]string, 0, t.used)
	for i := range t.slots {
		if t.slots[i].state == taken {
			keys = append(keys, t.slots[i].key)
		}
	}
	return keys
}

// hash27 is the hash of a text in Python 2.7 on 64 bits.
func hash27(text string) uint64 {
	var hash, length uint64
	for _, c := range text {
		if length == 0 {
			hash = uint64(c) << 7
		}
		hash = hash*1000003 ^ uint64(c)
		length++
	}
	return hash ^ length
}
