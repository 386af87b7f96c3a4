package vtl

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// The values of templates are nil, bool, int64, float64, json.Number (a number
// that fits neither), string, *List, *Map, and the objects of this package.

// List is a list that templates can change.
type List struct{ items []any }

// NewList makes a list.
func NewList(items ...any) *List { return &List{items} }

// entryBytes is what an element of a list or map is charged with.
const entryBytes = 32

func (l *List) add(r *run, value any) error {
	l.items = append(l.items, value)
	return r.charge(entryBytes)
}

// Map is a map that keeps the order of its keys, and that templates can change.
type Map struct {
	keys   []string
	values map[string]any
}

func newMap(pairs ...any) *Map {
	m := &Map{}
	for i := 0; i < len(pairs); i += 2 {
		m.Put(pairs[i].(string), pairs[i+1])
	}
	return m
}

// Get is the value of a key.
func (m *Map) Get(key string) (any, bool) {
	value, found := m.values[key]
	return value, found
}

// Put sets the value of a key.
func (m *Map) Put(key string, value any) {
	if m.values == nil {
		m.values = map[string]any{}
	}
	if _, found := m.values[key]; !found {
		m.keys = append(m.keys, key)
	}
	m.values[key] = value
}

// Keys are the keys in the order in which they were put.
func (m *Map) Keys() []string { return m.keys }

func (m *Map) put(r *run, key string, value any) error {
	m.Put(key, value)
	return r.charge(entryBytes + len(key))
}

func (m *Map) remove(key string) any {
	old, found := m.values[key]
	if found {
		delete(m.values, key)
		m.keys = slices.DeleteFunc(m.keys, func(k string) bool { return k == key })
	}
	return old
}

// truth is what #if makes of a value: Velocity 1.7 takes what is there for true.
func truth(value any) bool {
	if b, is := value.(bool); is {
		return b
	}
	return value != nil
}

func number(value any) (float64, bool) {
	switch n := value.(type) {
	case int64:
		return float64(n), true
	case float64:
		return n, true
	case json.Number:
		f, err := n.Float64()
		return f, err == nil
	}
	return 0, false
}

// elements are what #foreach visits: of a map its values.
func elements(value any) []any {
	switch container := value.(type) {
	case *List:
		return slices.Clone(container.items)
	case *Map:
		items := make([]any, 0, len(container.keys))
		for _, key := range container.keys {
			items = append(items, container.values[key])
		}
		return items
	}
	return nil
}

// equal compares as Velocity does: numbers by value, else what has the same text
// or the same elements.
func (r *run) equal(a, b any, depth int) (bool, error) {
	if err := r.step(); err != nil {
		return false, err
	}
	if depth > maxDepth {
		return false, fmt.Errorf("%w: values nest deeper than %d", ErrLimit, maxDepth)
	}
	if x, is := number(a); is {
		y, is := number(b)
		return is && x == y, nil
	}
	switch x := a.(type) {
	case *List:
		y, is := b.(*List)
		if !is || len(x.items) != len(y.items) {
			return false, nil
		}
		for i := range x.items {
			if same, err := r.equal(x.items[i], y.items[i], depth+1); !same || err != nil {
				return false, err
			}
		}
		return true, nil
	case *Map:
		y, is := b.(*Map)
		if !is || len(x.keys) != len(y.keys) {
			return false, nil
		}
		for key, value := range x.values {
			other, found := y.values[key]
			if !found {
				return false, nil
			}
			if same, err := r.equal(value, other, depth+1); !same || err != nil {
				return false, err
			}
		}
		return true, nil
	}
	return a == b, nil
}

// text is a value as the key of a map.
func text(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case nil:
		return "null"
	case *List, *Map:
		return ""
	}
	return scalar(value)
}

// scalar prints a value without elements as Java does.
func scalar(value any) string {
	switch v := value.(type) {
	case nil:
		return "null"
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return double(v)
	case fmt.Stringer:
		return v.String()
	}
	return ""
}

// double prints a number as Java's Double.toString does.
func double(f float64) string {
	switch size := math.Abs(f); {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 0):
		return strings.Replace(strconv.FormatFloat(f, 'f', -1, 64), "Inf", "Infinity", 1)
	case size == 0 || size >= 1e-3 && size < 1e7:
		text := strconv.FormatFloat(f, 'f', -1, 64)
		if !strings.Contains(text, ".") {
			text += ".0"
		}
		return text
	}
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(f, 'e', -1, 64), "e")
	if !strings.Contains(mantissa, ".") {
		mantissa += ".0"
	}
	sign := ""
	if exponent[0] == '-' {
		sign = "-"
	}
	return mantissa + "E" + sign + strings.TrimLeft(exponent[1:], "0")
}

// print is the text of a value: maps as Java prints them, {a=1, b=2}; lists as JSON.
//
// AWS: as the JSON library does that $input.path and $util.parseJson use.
func (r *run) print(value any) (string, error) {
	switch value.(type) {
	case *Map, *List:
		w := &printer{run: r}
		err := w.java(value, 0)
		return w.String(), err
	case nil:
		return "", nil
	}
	return scalar(value), nil
}

// printer writes values with elements; all that it writes is charged.
type printer struct {
	strings.Builder
	run *run
}

func (w *printer) text(s string) error {
	w.WriteString(s)
	return w.run.charge(len(s))
}

func (w *printer) java(value any, depth int) error {
	m, is := value.(*Map)
	if !is {
		return w.json(value, depth)
	}
	if err := w.run.step(); err != nil {
		return err
	}
	if depth > maxDepth {
		return fmt.Errorf("%w: values nest deeper than %d", ErrLimit, maxDepth)
	}
	separator := "{"
	for _, key := range m.keys {
		if err := w.text(separator + key + "="); err != nil {
			return err
		}
		var err error
		switch inner := m.values[key].(type) {
		case *Map, *List:
			err = w.java(inner, depth+1)
		default:
			err = w.text(scalar(inner))
		}
		if err != nil {
			return err
		}
		separator = ", "
	}
	if len(m.keys) == 0 {
		return w.text("{}")
	}
	return w.text("}")
}

func (w *printer) json(value any, depth int) error {
	if err := w.run.step(); err != nil {
		return err
	}
	if depth > maxDepth {
		return fmt.Errorf("%w: values nest deeper than %d", ErrLimit, maxDepth)
	}
	switch v := value.(type) {
	case *Map:
		separator := "{"
		for _, key := range v.keys {
			if err := w.text(separator + quote(key) + ":"); err != nil {
				return err
			}
			if err := w.json(v.values[key], depth+1); err != nil {
				return err
			}
			separator = ","
		}
		if len(v.keys) == 0 {
			return w.text("{}")
		}
		return w.text("}")
	case *List:
		separator := "["
		for _, item := range v.items {
			if err := w.text(separator); err != nil {
				return err
			}
			if err := w.json(item, depth+1); err != nil {
				return err
			}
			separator = ","
		}
		if len(v.items) == 0 {
			return w.text("[]")
		}
		return w.text("]")
	case string:
		return w.text(quote(v))
	}
	return w.text(scalar(value))
}

// quote is a text in JSON.
func quote(s string) string {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(s); err != nil {
		panic(err) // a text always encodes
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// toJSON is a value in JSON.
func (r *run) toJSON(value any) (string, error) {
	w := &printer{run: r}
	err := w.json(value, 0)
	return w.String(), err
}
