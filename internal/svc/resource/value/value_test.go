package value

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
)

func TestEqualTakesWhatTemplatesWriteInSeveralForms(t *testing.T) {
	for _, c := range []struct {
		a, b any
		want bool
	}{
		{json.Number("60"), "60", true},
		{true, "true", true},
		{`{"a": [1]}`, Object{"a": []any{json.Number("1")}}, true},
		{Object{"a": nil}, Object{}, true},
		{nil, "", false},
		{[]any{"a", "b"}, []any{"b", "a"}, false},
		{"{", Object{}, false},
	} {
		if got := Equal(c.a, c.b); got != c.want {
			t.Errorf("%v and %v are equal: %t", c.a, c.b, got)
		}
	}
}

func TestIncludes(t *testing.T) {
	have := Object{"types": []any{"REGIONAL"}, "ipAddressType": "ipv4"}
	if !Includes(have, Object{"types": []any{"REGIONAL"}}) || Includes(have, Object{"types": []any{"EDGE"}}) || Includes(have, Object{"more": "1"}) || Includes("a", []any{"a"}) {
		t.Error("what is wanted and what was added are not told apart")
	}
}

func TestTagsAreReadInBothForms(t *testing.T) {
	asList, asMap := []any{Object{"Key": "a", "Value": "1"}}, Object{"a": "1"}
	if !reflect.DeepEqual(TagMap(asList), asMap) || !reflect.DeepEqual(TagList(asMap), asList) || len(TagMap(nil)) > 0 {
		t.Error("tags were lost between their forms")
	}
}

func TestLikeDeployed(t *testing.T) {
	got := LikeDeployed(Object{"burstLimit": "2", "other": "x"}, Object{"BurstLimit": "2"})
	if want := (Object{"BurstLimit": "2", "other": "x"}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestTimeless(t *testing.T) {
	got := Timeless(Object{"at": []any{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}})
	if !reflect.DeepEqual(got, Object{"at": []any{"2026-01-02T03:04:05Z"}}) {
		t.Errorf("got %v", got)
	}
}

// FuzzParsed: text of templates is parsed as JSON where it may be some, and comes
// back as it was.
func FuzzParsed(f *testing.F) {
	for _, seed := range []string{`{"a":1}`, `"x`, `1e999`, `[[[[`, `{"a":{"b":null}} {`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v := Parsed(text)
		if !Equal(v, Parsed(Document(v))) {
			t.Errorf("%q is %v, and written again something else", text, v)
		}
	})
}
