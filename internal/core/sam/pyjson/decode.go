package pyjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// depthLimit bounds how deep values may be nested, as encoding/json does.
const depthLimit = 10000

// Decode reads JSON and keeps the order of keys.
func Decode(text []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	value, err := decode(decoder, 0)
	if err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one JSON value")
	}
	return value, nil
}

func decode(decoder *json.Decoder, depth int) (any, error) {
	if depth > depthLimit {
		return nil, errors.New("nested too deep")
	}
	token, err := decoder.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('{'):
		d := New()
		for decoder.More() {
			key, err := decoder.Token()
			if err != nil {
				return nil, err
			}
			value, err := decode(decoder, depth+1)
			if err != nil {
				return nil, err
			}
			d.SetKey(key, value)
		}
		_, err = decoder.Token()
		return d, err
	case json.Delim('['):
		list := []any{}
		for decoder.More() {
			value, err := decode(decoder, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, value)
		}
		_, err = decoder.Token()
		return list, err
	}
	return token, nil
}

// FromPlain converts a value whose objects are map[string]any or *Dict; the keys of a
// map are sorted, since it has no order.
func FromPlain(value any) (any, error) { return fromPlain(value, 0) }

func fromPlain(value any, depth int) (any, error) {
	if depth > depthLimit {
		return nil, errors.New("nested too deep")
	}
	switch v := value.(type) {
	case nil, bool, json.Number, string:
		return v, nil
	case *Dict:
		return Clone(v), nil
	case []any:
		list := make([]any, len(v))
		for i := range v {
			item, err := fromPlain(v[i], depth+1)
			if err != nil {
				return nil, err
			}
			list[i] = item
		}
		return list, nil
	case map[string]any:
		d := New()
		for _, key := range slices.Sorted(maps.Keys(v)) {
			item, err := fromPlain(v[key], depth+1)
			if err != nil {
				return nil, err
			}
			d.Set(key, item)
		}
		return d, nil
	}
	return nil, fmt.Errorf("a value of type %T is not of JSON", value)
}

// Plain converts to values whose objects are map[string]any.
func Plain(value any) any {
	switch v := value.(type) {
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = Plain(v[i])
		}
		return list
	case *Dict:
		m := make(map[string]any, v.Len())
		for _, key := range v.Keys() {
			m[key] = Plain(v.Get(key))
		}
		return m
	case json.Number:
		if text := Number(v); !strings.HasSuffix(text, "Infinity") {
			return json.Number(text)
		}
		return v // a number too large for Python is no JSON any more
	case Unicode:
		return string(v)
	}
	return value
}

// Convert27 makes a value's texts Unicode and gives its dictionaries the order of
// Python 2.7.
func Convert27(value any) any {
	switch v := value.(type) {
	case string:
		return Unicode(v)
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = Convert27(v[i])
		}
		return list
	case *Dict:
		d := New27()
		for _, key := range v.Keys() {
			d.SetKey(Unicode(key), Convert27(v.Get(key)))
		}
		return d
	}
	return value
}
