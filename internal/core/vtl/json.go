package vtl

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
