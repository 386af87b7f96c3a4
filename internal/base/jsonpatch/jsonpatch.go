// Package jsonpatch applies a patch of RFC 6902 to a JSON value.
//
// It promises that the value that it is given stays as it was, and that neither
// the number of operations nor what copies can make of a value is without bounds.
// Functions only; no goroutines, no locks. Start reading at Apply.
package jsonpatch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// Limits; our own.
const (
	MaxOperations = 1000
	maxDepth      = 64
	maxNodes      = 100_000 // values in the result
)

// operation is one of a patch.
type operation struct {
	Op    string
	Path  *string
	From  *string
	Value json.RawMessage
}

// Apply makes what the patch makes of a value of nil, bool, json.Number, string,
// []any and map[string]any.
func Apply(value any, patch []byte) (changed any, err error) {
	var operations []operation
	decoder := json.NewDecoder(bytes.NewReader(patch))
	if err := decoder.Decode(&operations); err != nil || decoder.More() {
		return nil, errors.New("the patch is not a list of operations")
	}
	if len(operations) > MaxOperations {
		return nil, fmt.Errorf("the patch has %d operations, %d are allowed", len(operations), MaxOperations)
	}
	changed, _ = copied(value, maxNodes, maxDepth)
	for i := range operations {
		o := &operations[i]
		if o.Path == nil {
			return nil, fmt.Errorf("operation %d has no path", i)
		}
		if changed, err = o.apply(changed); err != nil {
			return nil, fmt.Errorf("operation %d (%s %s): %w", i, o.Op, *o.Path, err)
		}
	}
	if _, left := copied(changed, maxNodes, maxDepth); left <= 0 {
		return nil, errors.New("the result is too large")
	}
	return changed, nil
}

var errNone = errors.New("there is no value at the path")

func (o *operation) apply(root any) (any, error) {
	path, err := parse(*o.Path)
	if err != nil {
		return nil, err
	}
	switch o.Op {
	case "remove":
		return edit(root, path, nil, remove)
	case "add", "replace", "test":
		if o.Value == nil {
			return nil, errors.New("it has no value")
		}
		value, err := read(o.Value)
		switch {
		case err != nil:
			return nil, err
		case o.Op == "add":
			return edit(root, path, value, add)
		case o.Op == "replace":
			return edit(root, path, value, replace)
		}
		if found, err := at(root, path); err != nil || !equal(found, value) {
			return nil, errors.New("the value is another")
		}
		return root, nil
	case "move", "copy":
		return o.transfer(root, path)
	}
	return nil, errors.New("there is no such operation")
}

func (o *operation) transfer(root any, path []string) (any, error) {
	if o.From == nil {
		return nil, errors.New("it has no from")
	}
	from, err := parse(*o.From)
	if err != nil {
		return nil, err
	}
	value, err := at(root, from)
	if err != nil {
		return nil, err
	}
	if o.Op == "move" {
		if len(path) > len(from) && slices.Equal(path[:len(from)], from) {
			return nil, errors.New("a value cannot move into itself")
		}
		if root, err = edit(root, from, nil, remove); err != nil {
			return nil, err
		}
	}
	value, left := copied(value, maxNodes, maxDepth)
	if _, room := copied(root, left, maxDepth); room <= 0 {
		return nil, errors.New("the result is too large")
	}
	return edit(root, path, value, add)
}

// parse reads a pointer of RFC 6901.
func parse(pointer string) ([]string, error) {
	if pointer == "" {
		return nil, nil
	}
	if pointer[0] != '/' {
		return nil, errors.New("a path begins with /")
	}
	parts := strings.Split(pointer[1:], "/")
	if len(parts) > maxDepth {
		return nil, errors.New("the path is too deep")
	}
	for i, part := range parts {
		parts[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
	}
	return parts, nil
}

func read(text json.RawMessage) (v any, err error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	return v, decoder.Decode(&v)
}

func at(v any, path []string) (any, error) {
	for _, part := range path {
		switch within := v.(type) {
		case map[string]any:
			found, there := within[part]
			if !there {
				return nil, errNone
			}
			v = found
		case []any:
			i, err := index(part, len(within)-1)
			if err != nil {
				return nil, err
			}
			v = within[i]
		default:
			return nil, errNone
		}
	}
	return v, nil
}

func index(part string, last int) (int, error) {
	i, err := strconv.Atoi(part)
	if err != nil || i < 0 || i > last || part != strconv.Itoa(i) {
		return 0, errNone
	}
	return i, nil
}

// The kinds of edits.
const (
	add = iota
	replace
	remove
)

// edit changes what is at the path, and gives the value with it.
func edit(v any, path []string, value any, kind int) (any, error) {
	if len(path) == 0 {
		if kind == remove {
			return nil, errors.New("the whole value cannot be removed")
		}
		return value, nil
	}
	part, last := path[0], len(path) == 1
	switch within := v.(type) {
	case map[string]any:
		found, there := within[part]
		switch {
		case !there && (!last || kind != add):
			return nil, errNone
		case last && kind == remove:
			delete(within, part)
		case last:
			within[part] = value
		default:
			below, err := edit(found, path[1:], value, kind)
			within[part] = below
			return within, err
		}
		return within, nil
	case []any:
		return editList(within, path, value, kind)
	}
	return nil, errNone
}

func editList(within []any, path []string, value any, kind int) (any, error) {
	part, last := path[0], len(path) == 1
	if last && kind == add {
		if part == "-" {
			return append(within, value), nil
		}
		i, err := index(part, len(within))
		if err != nil {
			return nil, err
		}
		return slices.Insert(within, i, value), nil
	}
	i, err := index(part, len(within)-1)
	switch {
	case err != nil:
		return nil, err
	case last && kind == remove:
		return slices.Delete(within, i, i+1), nil
	case last:
		within[i] = value
		return within, nil
	}
	within[i], err = edit(within[i], path[1:], value, kind)
	return within, err
}

// copied is a copy, and how many more values there may be; what is too much is cut.
func copied(v any, left, depth int) (any, int) {
	if left--; left <= 0 || depth == 0 {
		return nil, 0
	}
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, value := range v {
			out[name], left = copied(value, left, depth-1)
		}
		return out, left
	case []any:
		out := make([]any, len(v))
		for i, value := range v {
			out[i], left = copied(value, left, depth-1)
		}
		return out, left
	}
	return v, left
}

func equal(a, b any) bool {
	switch a := a.(type) {
	case json.Number:
		other, ok := b.(json.Number)
		return ok && sameNumber(string(a), string(other))
	case map[string]any:
		other, ok := b.(map[string]any)
		if !ok || len(a) != len(other) {
			return false
		}
		for name, value := range a {
			if there, found := other[name]; !found || !equal(value, there) {
				return false
			}
		}
		return true
	case []any:
		other, ok := b.([]any)
		return ok && slices.EqualFunc(a, other, equal)
	}
	switch b.(type) {
	case map[string]any, []any:
		return false
	}
	return a == b
}

// maxDigits bounds the numbers that are compared as such.
const maxDigits = 40

func sameNumber(a, b string) bool {
	if a == b || len(a) > maxDigits || len(b) > maxDigits || strings.ContainsAny(a+b, "eE") {
		return a == b
	}
	x, okX := new(big.Rat).SetString(a)
	y, okY := new(big.Rat).SetString(b)
	return okX && okY && x.Cmp(y) == 0
}
