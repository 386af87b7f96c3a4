// Package pyjson holds JSON values as the official SAM translator sees them: it is
// written in Python, and hashes in its logical ids are made of what Python prints.
//
// A value is nil, bool, json.Number (the text as it was written), string, Unicode,
// []any or *Dict. Unicode is a string that Python 2 would have shown as u'...': the
// translator still hashes documents of REST APIs as Python 2.7 printed them. Dict
// keeps the order of its keys: that of insertion, or, for one made by New27, that of
// the hash table of Python 2.7 (see table.go).
//
// Values are shared and changed in place, as in Python; Clone copies. Nothing here is
// safe for concurrent use, starts goroutines or panics on odd values. Start reading
// at Dict; printing is in print.go, reading and conversion in decode.go.
package pyjson

import (
	"encoding/json"
	"slices"
	"strings"
)

// Unicode is a string that prints as u'...'.
type Unicode string

// Dict is a dictionary that keeps an order of its keys.
type Dict struct {
	entries map[string]*entry
	order   []string // of insertion; not kept in a dictionary with a table
	table   *table   // nil: the order of insertion counts
	settled bool     // see Share
}

type entry struct {
	unicode bool // the key was Unicode
	value   any
}

// New makes a dictionary in order of insertion from keys and values in turn.
func New(pairs ...any) *Dict { return fill(&Dict{entries: map[string]*entry{}}, pairs) }

// New27 makes a dictionary in the order of Python 2.7.
func New27(pairs ...any) *Dict {
	return fill(&Dict{entries: map[string]*entry{}, table: newTable()}, pairs)
}

func fill(d *Dict, pairs []any) *Dict {
	for i := 0; i+1 < len(pairs); i += 2 {
		d.SetKey(pairs[i], pairs[i+1])
	}
	return d
}

// Len is the number of keys. Like all reading methods it takes nil for empty.
func (d *Dict) Len() int {
	if d == nil {
		return 0
	}
	return len(d.entries)
}

// Get returns the value of a key, nil if there is none.
func (d *Dict) Get(key string) any {
	if d != nil {
		if e := d.entries[key]; e != nil {
			return e.value
		}
	}
	return nil
}

// Has tells whether there is a key, whatever its value.
func (d *Dict) Has(key string) bool { return d != nil && d.entries[key] != nil }

// Keys lists the keys in their order.
func (d *Dict) Keys() []string {
	switch {
	case d == nil:
		return nil
	case d.table != nil:
		return d.table.keys()
	}
	return slices.Clone(d.order)
}

// Key is a key as it was set: a string or Unicode.
func (d *Dict) Key(key string) any {
	if e := d.entries[key]; e != nil && e.unicode {
		return Unicode(key)
	}
	return key
}

// Set sets the value of a key; a key that is there keeps its place.
func (d *Dict) Set(key string, value any) { d.set(key, false, value) }

// SetKey is Set with a key that may be Unicode.
func (d *Dict) SetKey(key, value any) {
	text, _ := Text(key)
	_, unicode := key.(Unicode)
	d.set(text, unicode, value)
}

func (d *Dict) set(key string, unicode bool, value any) {
	d.settled = false
	e := d.entries[key]
	if e != nil {
		e.value = value
		return
	}
	d.entries[key] = &entry{unicode, value}
	if d.table != nil {
		d.table.add(key)
		return
	}
	d.order = append(d.order, key)
}

// Default returns the value of a key and sets it first if there is no such key.
func (d *Dict) Default(key string, value any) any {
	if !d.Has(key) {
		d.Set(key, value)
	}
	return d.Get(key)
}

// Delete removes a key.
func (d *Dict) Delete(key string) {
	if !d.Has(key) {
		return
	}
	d.settled = false
	delete(d.entries, key)
	if d.table != nil {
		d.table.remove(key)
		return
	}
	d.order = slices.DeleteFunc(d.order, func(k string) bool { return k == key })
}

// Update takes over all keys and values of another dictionary.
func (d *Dict) Update(other *Dict) {
	if d.table != nil {
		d.table.merge(other.Keys())
	}
	for _, key := range other.Keys() {
		d.SetKey(other.Key(key), other.Get(key))
	}
}

// Copy makes a dictionary with the same keys and values, of the same kind.
func (d *Dict) Copy() *Dict {
	c := New()
	if d.table != nil {
		c = New27()
	}
	c.Update(d)
	return c
}

// Text returns the text of a string or Unicode.
func Text(value any) (string, bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case Unicode:
		return string(v), true
	}
	return "", false
}

// As makes a text Unicode if the value that it was made of is.
func As(origin any, text string) any {
	if _, unicode := origin.(Unicode); unicode {
		return Unicode(text)
	}
	return text
}

// Is tells whether a value is this text.
func Is(value any, text string) bool {
	t, ok := Text(value)
	return ok && t == text
}

// Truthy tells what Python's bool() says of a value.
func Truthy(value any) bool {
	switch v := value.(type) {
	case nil:
		return false
	case bool:
		return v
	case json.Number:
		return strings.Trim(mantissa(v), "-0.") != ""
	case []any:
		return len(v) > 0
	case *Dict:
		return v.Len() > 0
	}
	text, _ := Text(value)
	return text != ""
}

func mantissa(n json.Number) string {
	text, _, _ := strings.Cut(strings.ToLower(n.String()), "e")
	return text
}

// IsInt tells whether Python reads a number as int, not float.
func IsInt(n json.Number) bool { return !strings.ContainsAny(n.String(), ".eEnN") }

// Equal compares as Python's == does.
func Equal(a, b any) bool {
	switch x := a.(type) {
	case []any:
		y, ok := b.([]any)
		return ok && slices.EqualFunc(x, y, Equal)
	case *Dict:
		y, ok := b.(*Dict)
		if !ok || x.Len() != y.Len() {
			return false
		}
		for key, e := range x.entries {
			if !y.Has(key) || !Equal(e.value, y.Get(key)) {
				return false
			}
		}
		return true
	case string, Unicode:
		text, _ := Text(x)
		return Is(b, text)
	case nil:
		return b == nil
	}
	x, xIsNumber := number(a)
	y, yIsNumber := number(b)
	return xIsNumber && yIsNumber && x == y
}

// number returns the value of a number; a bool is one, as in Python.
func number(value any) (float64, bool) {
	switch v := value.(type) {
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	case json.Number:
		f, err := v.Float64()
		return f, err == nil || f != 0
	}
	return 0, false
}

// Contains tells whether a list has an equal value.
func Contains(list []any, value any) bool {
	return slices.ContainsFunc(list, func(v any) bool { return Equal(v, value) })
}

// Clone copies a value in depth. As with copy.deepcopy, a dictionary in the order of
// Python 2.7 is filled anew, in the order that it had.
func Clone(value any) any {
	switch v := value.(type) {
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = Clone(v[i])
		}
		return list
	case *Dict:
		return v.CloneWith(func(_ string, value any) any { return Clone(value) })
	}
	return value
}

// CloneWith is Clone with another way to copy the values.
func (d *Dict) CloneWith(copied func(key string, value any) any) *Dict {
	c := New()
	if d.table != nil {
		c = New27()
	}
	for _, key := range d.Keys() {
		c.SetKey(d.Key(key), copied(key, d.Get(key)))
	}
	return c
}

// Share is Clone for whoever will not change the copy, which may then be the value
// itself: if copying it changes no order, it need not be done, nor found out again.
func Share(value any) any {
	d, ok := value.(*Dict)
	if !ok {
		return Clone(value)
	}
	if d.settled {
		return d
	}
	c := Clone(d)
	if !sameOrder(d, c) {
		return c
	}
	d.settled = true
	return d
}

// Owned makes a value that Share returned one that may be changed.
func Owned(value any) any {
	if d, ok := value.(*Dict); ok && d.settled {
		return Clone(d)
	}
	return value
}

// Touch says that something within a dictionary has changed.
func (d *Dict) Touch() { d.settled = false }

// sameOrder compares the order of keys of equal values.
func sameOrder(a, b any) bool {
	switch x := a.(type) {
	case []any:
		return slices.EqualFunc(x, b.([]any), sameOrder)
	case *Dict:
		y := b.(*Dict)
		keys := x.Keys()
		return slices.Equal(keys, y.Keys()) && !slices.ContainsFunc(keys, func(key string) bool { return !sameOrder(x.Get(key), y.Get(key)) })
	}
	return true
}
