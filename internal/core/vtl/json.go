package vtl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// maxValues bounds what one JSON text becomes.
const maxValues = 500_000

// ParseJSON reads a JSON text as values of templates.
func ParseJSON(text string) (any, error) {
	r := &jsonReader{d: json.NewDecoder(strings.NewReader(text)), left: maxValues}
	r.d.UseNumber()
	value, err := r.value(0)
	if err != nil {
		return nil, err
	}
	if _, err := r.d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the value")
	}
	return value, nil
}

type jsonReader struct {
	d    *json.Decoder
	left int
}

func (r *jsonReader) value(depth int) (any, error) {
	if r.left--; r.left < 0 || depth > maxDepth {
		return nil, fmt.Errorf("%w: JSON of more than %d values, or deeper than %d", ErrLimit, maxValues, maxDepth)
	}
	token, err := r.d.Token()
	if err != nil {
		return nil, err
	}
	switch t := token.(type) {
	case json.Delim:
		if t == '[' {
			return r.list(depth)
		}
		return r.object(depth)
	case json.Number:
		return readNumber(t), nil
	}
	return token, nil
}

func readNumber(n json.Number) any {
	if i, err := strconv.ParseInt(n.String(), 10, 64); err == nil {
		return i
	}
	if f, err := n.Float64(); err == nil && strings.ContainsAny(n.String(), ".eE") {
		return f
	}
	return n
}

func (r *jsonReader) list(depth int) (any, error) {
	list := &List{}
	for r.d.More() {
		item, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		list.items = append(list.items, item)
	}
	_, err := r.d.Token()
	return list, err
}

func (r *jsonReader) object(depth int) (any, error) {
	m := &Map{}
	for r.d.More() {
		key, err := r.d.Token()
		if err != nil {
			return nil, err
		}
		value, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		m.Put(key.(string), value)
	}
	_, err := r.d.Token()
	return m, err
}

// Body is a text of which JSONPaths find parts: it is read once, and what all of them may
// take together is bounded. It is not safe for concurrent use.
type Body struct {
	in  Input
	run run
}

// NewBody only builds.
func NewBody(ctx context.Context, text string) *Body {
	return &Body{in: Input{Body: text}, run: run{ctx: ctx}}
}

// At is the text of what a JSONPath finds: an object or a list in JSON. It is not there if
// the body is no JSON.
func (b *Body) At(path string) (string, bool) {
	value, err := b.in.at(&b.run, path)
	if err != nil || value == nil {
		return "", false
	}
	switch value.(type) {
	case *Map, *List:
		text, err := b.run.toJSON(value)
		return text, err == nil
	}
	text := scalar(value)
	return text, b.run.charge(len(text)) == nil
}

// MapOf is a Map with the keys in order. Maps of Go in it become Maps too.
func MapOf(values map[string]any) *Map {
	m := &Map{}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		switch value := values[key].(type) {
		case map[string]any:
			m.Put(key, MapOf(value))
		case map[string]string:
			m.Put(key, TextMap(value))
		default:
			m.Put(key, value)
		}
	}
	return m
}

// TextMap is a Map of texts, with the keys in order.
func TextMap(values map[string]string) *Map {
	m := &Map{}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		m.Put(key, values[key])
	}
	return m
}

// Text is a value as a template prints it, in JSON if it has elements.
func Text(value any) string {
	switch value.(type) {
	case nil:
		return ""
	case *Map, *List:
		text, err := (&run{ctx: context.Background()}).toJSON(value)
		if err != nil {
			return ""
		}
		return text
	}
	return scalar(value)
}
