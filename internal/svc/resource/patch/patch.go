// Package patch turns a change of what a template says into the patch operations
// of API Gateway. https://docs.aws.amazon.com/apigateway/latest/api/patch-operations.html
//
// Functions only; no goroutines, no locks. Start reading at Operations.
package patch

import (
	"maps"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/svc/resource/value"
)

// Leaves are the values of a resource by the paths of API Gateway's patch
// operations. A path that begins with "+" is an element of a list.
type Leaves map[string]string

// Set puts a value, if there is one.
func (l Leaves) Set(path string, v any) {
	if v != nil {
		l[path] = value.Text(v)
	}
}

// Always puts a value that cannot be removed: its default if there is none.
func (l Leaves) Always(path string, v any, standard string) {
	if l[path] = standard; v != nil {
		l[path] = value.Text(v)
	}
}

// Entries puts the entries of an object, each below the path.
func (l Leaves) Entries(path string, object any) {
	members, _ := object.(value.Object)
	for name, v := range members {
		l.Set(path+"/"+Escaped(name), v)
	}
}

// Elements puts the elements of a list.
func (l Leaves) Elements(path string, elements any) {
	for _, element := range value.Texts(elements) {
		l["+"+path+"/"+Escaped(element)] = ""
	}
}

// Escaped is a segment of a path. https://www.rfc-editor.org/rfc/rfc6901
func Escaped(segment string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(segment)
}

// groups are the settings that are removed as one.
var groups = []string{"/accessLogSettings", "/quota", "/throttle"}

// below tells whether there is a leaf below a path.
func (l Leaves) below(path string) bool {
	for leaf := range l {
		if strings.HasPrefix(leaf, path+"/") {
			return true
		}
	}
	return false
}

// Operations are those that lead from was to want. What has no value of its
// own left is removed.
func Operations(was, want Leaves) (operations []any) {
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
		operations = append(operations, value.Object{"op": "remove", "path": gone})
	}
	for _, path := range slices.Sorted(maps.Keys(want)) {
		before, was := was[path]
		element, isElement := strings.CutPrefix(path, "+")
		switch {
		case was && before == want[path]:
		case isElement:
			operations = append(operations, value.Object{"op": "add", "path": element})
		default:
			operations = append(operations, value.Object{"op": "replace", "path": path, "value": want[path]})
		}
	}
	return operations
}
