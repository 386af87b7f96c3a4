package restapi

import (
	"slices"
	"strconv"
	"strings"
)

// Patch is one operation of an Update… request.
// AWS: https://docs.aws.amazon.com/apigateway/latest/api/patch-operations.html
type Patch struct {
	Op, Path, Value, From string
}

// The operations. AWS also has move and test, which nothing supports, and copy for
// what a canary becomes.
const (
	opAdd     = "add"
	opReplace = "replace"
	opRemove  = "remove"
	opCopy    = "copy"
)

// edit is what a patch does to a T: keys are the segments of its path that the
// pattern leaves open.
type edit[T any] struct {
	ops   string // those that it takes
	apply func(target *T, keys []string, p *Patch) error
}

// edits are all edits of a T, by their patterns: "/variables/*".
type edits[T any] map[string]edit[T]

// maxPatches bounds one request.
const maxPatches = 100

// apply does all operations in order.
func (e edits[T]) apply(target *T, patches []Patch) error {
	if len(patches) > maxPatches {
		return Invalid("The number of patch operations exceeds the limit of %d", maxPatches)
	}
	for i := range patches {
		p := &patches[i]
		switch p.Op {
		case opAdd, opReplace, opRemove:
		default:
			return Invalid("Invalid patch operation specified. Must be one of: [add, replace, remove]")
		}
		found, keys := e.find(p)
		if found == nil {
			return Invalid("Invalid patch path '%s' specified for op '%s'. Must be one of: [%s]", p.Path, p.Op, strings.Join(e.paths(p.Op), ", "))
		}
		if err := found.apply(target, keys, p); err != nil {
			return err
		}
	}
	return nil
}

// find is the edit whose pattern fits a path and leaves the least open.
func (e edits[T]) find(p *Patch) (found *edit[T], keys []string) {
	segments := strings.Split(p.Path, "/")
	for pattern, candidate := range e {
		open, fits := match(pattern, segments)
		if fits && strings.Contains(candidate.ops, p.Op) && (found == nil || len(open) < len(keys)) {
			found, keys = &candidate, open
		}
	}
	return found, keys
}

// match tells whether a path fits a pattern, and what is where the pattern has *.
func match(pattern string, segments []string) (open []string, fits bool) {
	parts := strings.Split(pattern, "/")
	if len(parts) != len(segments) {
		return nil, false
	}
	for i, part := range parts {
		switch part {
		case "*":
			open = append(open, segments[i])
		case segments[i]:
		default:
			return nil, false
		}
	}
	return open, true
}

// paths are those that an operation may name.
func (e edits[T]) paths(op string) []string {
	var paths []string
	for pattern, edit := range e {
		if strings.Contains(edit.ops, op) {
			paths = append(paths, strings.ReplaceAll(pattern, "*", "{key}"))
		}
	}
	slices.Sort(paths)
	return paths
}

// unescape reads a segment of a path: ~1 is a slash, ~0 a tilde.
func unescape(segment string) string {
	return strings.ReplaceAll(strings.ReplaceAll(segment, "~1", "/"), "~0", "~")
}

// A text that can be replaced.
func textEdit[T any](field func(*T) *string) edit[T] {
	return edit[T]{opReplace, func(target *T, _ []string, p *Patch) error {
		*field(target) = p.Value
		return nil
	}}
}

// A text that can be replaced and removed.
func optionalEdit[T any](field func(*T) *string) edit[T] {
	e := textEdit(field)
	e.ops = opAdd + opReplace + opRemove
	return e
}

func boolEdit[T any](field func(*T) *bool) edit[T] {
	return edit[T]{opReplace, func(target *T, _ []string, p *Patch) (err error) {
		*field(target), err = readBool(p)
		return err
	}}
}

func readBool(p *Patch) (bool, error) {
	value, err := strconv.ParseBool(strings.ToLower(p.Value))
	if err != nil {
		return false, Invalid("Invalid boolean value specified for '%s': %s", p.Path, p.Value)
	}
	return value, nil
}

func readInt(p *Patch) (int32, error) {
	value, err := strconv.ParseInt(p.Value, 10, 32)
	if err != nil {
		return 0, Invalid("Invalid integer value specified for '%s': %s", p.Path, p.Value)
	}
	return int32(value), nil
}

func readFloat(p *Patch) (float64, error) {
	value, err := strconv.ParseFloat(p.Value, 64)
	if err != nil || value != value {
		return 0, Invalid("Invalid number specified for '%s': %s", p.Path, p.Value)
	}
	return value, nil
}

func intEdit[T any](field func(*T) *int32) edit[T] {
	return edit[T]{opReplace, func(target *T, _ []string, p *Patch) (err error) {
		*field(target), err = readInt(p)
		return err
	}}
}

// A map of texts of which each key can be changed.
func mapEdit[T any](field func(*T) *map[string]string) edit[T] {
	return edit[T]{opAdd + opReplace + opRemove, func(target *T, keys []string, p *Patch) error {
		key, m := unescape(keys[0]), field(target)
		if p.Op == opRemove {
			if _, found := (*m)[key]; !found {
				return fail(NotFound, "Invalid mapping expression specified: %s", p.Path)
			}
			delete(*m, key)
			return nil
		}
		if *m == nil {
			*m = map[string]string{}
		}
		(*m)[key] = p.Value
		return nil
	}}
}

// A map of booleans.
func boolMapEdit[T any](field func(*T) *map[string]bool) edit[T] {
	return edit[T]{opAdd + opReplace + opRemove, func(target *T, keys []string, p *Patch) error {
		key, m := unescape(keys[0]), field(target)
		if p.Op == opRemove {
			delete(*m, key)
			return nil
		}
		value := false
		if p.Value != "" {
			var err error
			if value, err = readBool(p); err != nil {
				return err
			}
		}
		if *m == nil {
			*m = map[string]bool{}
		}
		(*m)[key] = value
		return nil
	}}
}

// A list of which each element can be added and removed by its path.
func listEdit[T any](field func(*T) *[]string) edit[T] {
	return edit[T]{opAdd + opRemove, func(target *T, keys []string, p *Patch) error {
		value, list := unescape(keys[0]), field(target)
		i := slices.Index(*list, value)
		switch {
		case p.Op == opAdd && i < 0:
			*list = append(*list, value)
		case p.Op == opRemove && i >= 0:
			*list = slices.Delete(*list, i, i+1)
		case p.Op == opRemove:
			return fail(NotFound, "Invalid value specified for '%s'", p.Path)
		}
		return nil
	}}
}

// A list of which elements are added and removed by their value, at one path.
func valuesEdit[T any](field func(*T) *[]string) edit[T] {
	byPath := listEdit(field)
	return edit[T]{opAdd + opReplace + opRemove, func(target *T, _ []string, p *Patch) error {
		if p.Op == opReplace {
			*field(target) = strings.Split(p.Value, ",")
			return nil
		}
		return byPath.apply(target, []string{p.Value}, p)
	}}
}
