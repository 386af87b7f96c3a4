package patch

import (
	"reflect"
	"testing"
)

func TestOperations(t *testing.T) {
	was, want := Leaves{}, Leaves{}
	was.Set("/description", "old")
	was.Set("/quota/limit", 3)
	was.Set("/quota/period", "DAY")
	was.Entries("/variables", map[string]any{"a/b": "1", "same": "x"})
	was.Elements("/binaryMediaTypes", []any{"image/png"})
	want.Always("/name", nil, "none")
	want.Set("/absent", nil)
	want.Entries("/variables", map[string]any{"c~": "2", "same": "x"})
	want.Elements("/binaryMediaTypes", []any{"image/gif"})
	// Keys with "/" and "~" as in https://www.rfc-editor.org/rfc/rfc6901; a group goes as one.
	expected := []any{
		map[string]any{"op": "remove", "path": "/binaryMediaTypes/image~1png"},
		map[string]any{"op": "remove", "path": "/description"},
		map[string]any{"op": "remove", "path": "/quota"},
		map[string]any{"op": "remove", "path": "/variables/a~1b"},
		map[string]any{"op": "add", "path": "/binaryMediaTypes/image~1gif"},
		map[string]any{"op": "replace", "path": "/name", "value": "none"},
		map[string]any{"op": "replace", "path": "/variables/c~0", "value": "2"},
	}
	if got := Operations(was, want); !reflect.DeepEqual(got, expected) {
		t.Errorf("got %v\nwant %v", got, expected)
	}
	if got := Operations(want, want); len(got) > 0 {
		t.Errorf("no change gives %v", got)
	}
}
