package resource

import (
	"maps"
	"slices"
	"strings"
)

// leaves are the values of a resource by the paths of API Gateway's patch
// operations. A path that begins with "+" is an element of a list.
type leaves map[string]string

// set puts a value, if there is one.
func (l leaves) set(path string, value any) {
	if value != nil {
		l[path] = text(value)
	}
}

// always puts a value that cannot be removed: its default if there is none.
func (l leaves) always(path string, value any, standard string) {
	if l[path] = standard; value != nil {
		l[path] = text(value)
	}
}

// entries puts the entries of an object, each below the path.
func (l leaves) entries(path string, object any) {
	members, _ := object.(values)
	for name, value := range members {
		l.set(path+"/"+escaped(name), value)
	}
}

// elements puts the elements of a list.
func (l leaves) elements(path string, elements any) {
	for _, element := range texts(elements) {
		l["+"+path+"/"+escaped(element)] = ""
	}
}

// escaped is a segment of a path. https://www.rfc-editor.org/rfc/rfc6901
func escaped(segment string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(segment)
}

// groups are the settings that are removed as one.
var groups = []string{"/accessLogSettings", "/quota", "/throttle"}

// below tells whether there is a leaf below a path.
func (l leaves) below(path string) bool {
	for leaf := range l {
		if strings.HasPrefix(leaf, path+"/") {
			return true
		}
	}
	return false
}

// patched are the operations that lead from was to want. What has no value of its
// own left is removed.
func patched(was, want leaves) (operations []any) {
	removed := ""
	for _, path := range slices.Sorted(maps.Keys(was)) {
		if _, stays := want[path]; stays || removed != "" && strings.HasPrefix(path, removed+"/") {
			continue
		}
		gone := strings.TrimPrefix(path, "+")
		for _, group := range groups {
			if strings.HasPrefix(path, group+"/") && !want.below(group) {
				gone, removed = group, group
			}
		}
		operations = append(operations, values{"op": "remove", "path": gone})
	}
	for _, path := range slices.Sorted(maps.Keys(want)) {
		before, was := was[path]
		element, isElement := strings.CutPrefix(path, "+")
		switch {
		case was && before == want[path]:
		case isElement:
			operations = append(operations, values{"op": "add", "path": element})
		default:
			operations = append(operations, values{"op": "replace", "path": path, "value": want[path]})
		}
	}
	return operations
}

// patch brings a resource from was to want by an operation that takes patches. A
// second try does each alone: some are done already.
func patch(c *call, operation string, was, want leaves) error {
	operations := patched(was, want)
	if len(operations) == 0 {
		return nil
	}
	if !c.r.Again {
		in := c.identity()
		in["patchOperations"] = operations
		return c.run(operation, in)
	}
	return patchEach(c, operation, operations)
}

// patchEach does each operation alone; one that is done already is well.
func patchEach(c *call, operation string, operations []any) error {
	for _, one := range operations {
		in := c.identity()
		in["patchOperations"] = []any{one}
		if err := c.run(operation, in); err != nil && !absent(err) && !exists(err) {
			return err
		}
	}
	return nil
}

// patchedBy is the change of a type whose leaves say what can be patched.
func patchedBy(operation string, of func(properties values) leaves) func(c *call, was values) error {
	return func(c *call, was values) error { return patch(c, operation, of(was), of(c.properties)) }
}
