package jsonpatch

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// The cases are those of the appendix of RFC 6902 and of its text.
func TestApply(t *testing.T) {
	for _, c := range []struct{ value, patch, want string }{
		{`{"foo":"bar"}`, `[{"op":"add","path":"/baz","value":"qux"}]`, `{"baz":"qux","foo":"bar"}`},
		{`{"foo":["bar","baz"]}`, `[{"op":"add","path":"/foo/1","value":"qux"}]`, `{"foo":["bar","qux","baz"]}`},
		{`{"baz":"qux","foo":"bar"}`, `[{"op":"remove","path":"/baz"}]`, `{"foo":"bar"}`},
		{`{"foo":["bar","qux","baz"]}`, `[{"op":"remove","path":"/foo/1"}]`, `{"foo":["bar","baz"]}`},
		{`{"baz":"qux"}`, `[{"op":"replace","path":"/baz","value":"boo"}]`, `{"baz":"boo"}`},
		{`{"foo":{"bar":"baz","waldo":"fred"},"qux":{"corge":"grault"}}`, `[{"op":"move","from":"/foo/waldo","path":"/qux/thud"}]`, `{"foo":{"bar":"baz"},"qux":{"corge":"grault","thud":"fred"}}`},
		{`{"foo":["all","grass","cows","eat"]}`, `[{"op":"move","from":"/foo/1","path":"/foo/3"}]`, `{"foo":["all","cows","eat","grass"]}`},
		{`{"baz":"qux","foo":["a",2,"c"]}`, `[{"op":"test","path":"/baz","value":"qux"},{"op":"test","path":"/foo/1","value":2.0}]`, `{"baz":"qux","foo":["a",2,"c"]}`},
		{`{"baz":"qux"}`, `[{"op":"test","path":"/baz","value":"bar"}]`, "the value is another"},
		{`{"foo":"bar"}`, `[{"op":"add","path":"/child","value":{"grandchild":{}}}]`, `{"child":{"grandchild":{}},"foo":"bar"}`},
		{`{"foo":"bar"}`, `[{"op":"add","path":"/baz","value":"qux","xyz":123}]`, `{"baz":"qux","foo":"bar"}`},
		{`{"foo":"bar"}`, `[{"op":"add","path":"/baz/bat","value":"qux"}]`, errNone.Error()},
		{`{"/":9,"~1":10}`, `[{"op":"test","path":"/~01","value":10},{"op":"replace","path":"/~1","value":1}]`, `{"/":1,"~1":10}`},
		{`{"foo":["bar"]}`, `[{"op":"add","path":"/foo/-","value":["abc"]},{"op":"copy","from":"/foo/1","path":"/x"}]`, `{"foo":["bar",["abc"]],"x":["abc"]}`},
		{`{"a":1}`, `[{"op":"replace","path":"/b","value":1}]`, errNone.Error()},
		{`{"a":{}}`, `[{"op":"move","from":"/a","path":"/a/b"}]`, "a value cannot move into itself"},
		{`{"a":[1]}`, `[{"op":"add","path":"/a/01","value":1}]`, errNone.Error()},
		{`{"a":1}`, `[{"op":"add","path":"a","value":1}]`, "a path begins with /"},
		{`{"a":1}`, `[{"op":"add","path":"/a"}]`, "it has no value"},
		{`{"a":1}`, `[{"op":"add","value":1}]`, "has no path"},
		{`{"a":1}`, `[{"op":"spread","path":"/a"}]`, "there is no such operation"},
		{`{"a":1}`, `{"op":"remove"}`, "not a list of operations"},
		{`{"a":1}`, `[{"op":"add","path":"","value":{"b":null}}]`, `{"b":null}`},
	} {
		value, err := read(json.RawMessage(c.value))
		if err != nil {
			t.Fatal(err)
		}
		changed, err := Apply(value, []byte(c.patch))
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			text, _ := json.Marshal(changed)
			got = string(text)
		}
		if err == nil && got != c.want || err != nil && !strings.HasSuffix(got, c.want) {
			t.Errorf("%s of %s: %s, want %s", c.patch, c.value, got, c.want)
		}
		if after, _ := json.Marshal(value); string(after) != c.value {
			t.Errorf("%s changed the value that it was given: %s", c.patch, after)
		}
	}
}

func TestCopiesHaveBounds(t *testing.T) {
	var patch strings.Builder
	patch.WriteString(`[{"op":"add","path":"/a","value":[1,2]}`)
	for i := range 60 {
		fmt.Fprintf(&patch, `,{"op":"copy","from":"/a","path":"/a/%d"}`, i%2)
	}
	patch.WriteString("]")
	if _, err := Apply(map[string]any{}, []byte(patch.String())); err == nil || !strings.Contains(err.Error(), "the result is too large") {
		t.Errorf("copies of copies: %v", err)
	}
}

func FuzzApply(f *testing.F) {
	f.Add([]byte(`{"a":[1,{"b":null}]}`), []byte(`[{"op":"move","from":"/a/0","path":"/a/1/b"},{"op":"copy","from":"","path":"/c"}]`))
	f.Fuzz(func(t *testing.T, value, patch []byte) {
		v, err := read(value)
		if err != nil {
			return
		}
		before, _ := json.Marshal(v)
		if changed, err := Apply(v, patch); err == nil {
			if _, err := json.Marshal(changed); err != nil {
				t.Error(err)
			}
		}
		if after, _ := json.Marshal(v); string(after) != string(before) {
			t.Errorf("%s became %s", before, after)
		}
	})
}
