package pyjson

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// The values are those of Python 2.7 and 3 on 64 bits.
func TestValuesPrintAsInPython(t *testing.T) {
	value := New27("a", Unicode("it's \u00e9\n"), "b", []any{nil, true, json.Number("1e3"), json.Number("1.50"), json.Number("1e22"), "\"'"}, "c", New("k", json.Number("-0")))
	if got, want := Repr(value), `{'a': u"it's \xe9\n", 'c': {'k': 0}, 'b': [None, True, 1000.0, 1.5, 1e+22, '"\'']}`; got != want {
		t.Errorf("repr is\n%s, want\n%s", got, want)
	}
	if got, want := Compact(value), `{"a":"it's \u00e9\n","b":[null,true,1000.0,1.5,1e+22,"\"'"],"c":{"k":0}}`; got != want {
		t.Errorf("json.dumps is\n%s, want\n%s", got, want)
	}
	if got := hash27("a"); got != 12416037344 {
		t.Errorf("hash('a') is %d", got)
	}
}

func TestKeysKeepTheOrderOfPython27(t *testing.T) {
	if got, want := New27("swagger", 1, "info", 2, "paths", 3).Keys(), []string{"info", "paths", "swagger"}; !slices.Equal(got, want) {
		t.Errorf("keys are %v, want %v", got, want)
	}
	d := New("b", 1, "a", 2, "b", 3)
	d.Delete("b")
	d.Set("b", 4)
	if got := d.Keys(); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("keys are %v", got)
	}
}

// FuzzDecode reads any text: what encoding/json takes, and only that, with equal values.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{`{"a": [1, null, {"b": "\u00e9"}], "a": 2}`, `[1.5e3, -0]`, `"x"`, `{`, `1 2`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		value, err := Decode(text)
		if (err == nil) != json.Valid(text) {
			t.Fatalf("%q: %v, but encoding/json says %v", text, err, json.Valid(text))
		}
		if err != nil || strings.Contains(Compact(value), "Infinity") { // as Python writes numbers that are too large
			return
		}
		if again, err := Decode([]byte(Compact(value))); err != nil || !Equal(value, again) && Compact(value) != Compact(again) {
			t.Errorf("%q became %s (%v)", text, Compact(again), err)
		}
	})
}
