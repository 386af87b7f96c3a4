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
	slots  map[uint64]slot
	mask   uint64
	used   int // keys
	filled int // keys and marks

	plain []string // instead of slots, once there were orderedKeys
}

type slot struct {
	key     string
	removed bool
}

func newTable() *table { return &table{slots: map[uint64]slot{}, mask: smallestTable - 1} }

// find returns the slot of a key, or the one that it would take.
func (t *table) find(key string) uint64 {
	hash := hash27(key)
	i := hash & t.mask
	var free uint64
	hasFree := false
	for walker, perturb := i, hash; ; perturb >>= perturbShift {
		s, taken := t.slots[i]
		switch {
		case !taken && hasFree:
			return free
		case !taken, !s.removed && s.key == key:
			return i
		case s.removed && !hasFree:
			free, hasFree = i, true
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
	s, taken := t.slots[i]
	if taken && !s.removed {
		return
	}
	t.slots[i] = slot{key: key}
	t.used++
	if !taken {
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
	if s, taken := t.slots[i]; taken && !s.removed {
		t.slots[i] = slot{removed: true}
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
	*t = table{slots: make(map[uint64]slot, len(keys)), mask: uint64(size - 1)}
	for _, key := range keys {
		t.add(key)
	}
}

func (t *table) keys() []string {
	if t.plain != nil {
		return slices.Clone(t.plain)
	}
	places := make([]uint64, 0, len(t.slots))
	for i, s := range t.slots {
		if !s.removed {
			places = append(places, i)
		}
	}
	slices.Sort(places)
	keys := make([]string, len(places))
	for i, place := range places {
		keys[i] = t.slots[place].key
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
