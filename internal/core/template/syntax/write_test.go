package syntax

import (
	"encoding/json"
	"reflect"
	"testing"
	"unicode/utf8"
)

func TestWhatIsWrittenIsReadAgain(t *testing.T) {
	values := map[string]any{
		"texts": []any{"", "a", "yes", "no", "true", "null", "~", "1", "-1.5", "1e3", "0123", "2012-10-17", "a: b", "- a", "#c", "'q'", "\"", "two\nlines\n", " lead", "tab\t", "é€😀", "<<", "!Ref x", "*a", "&a", "{{resolve:ssm:x}}", "${A}", "\u2028"},
		"other": map[string]any{"on": true, "off": false, "nothing": nil, "1": json.Number("1"), "big": json.Number("123456789012"), "point": json.Number("1.10"), "exponent": json.Number("1e3"),
			"empty": map[string]any{}, "list": []any{}, "": "empty key", "<<": "merge"},
	}
	text, err := JSON(values)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Parse(text); err != nil || !reflect.DeepEqual(got, values) {
		t.Errorf("JSON %s\n%#v, %v", text, got, err)
	}
	if text, err = YAML(values); err != nil {
		t.Fatal(err)
	}
	if got, err := Parse(text); err != nil || !reflect.DeepEqual(got, values) {
		t.Errorf("YAML %s\n%#v, %v", text, got, err)
	}
	if _, err := YAML(map[string]any{"a": 1}); err == nil {
		t.Error("an int is written")
	}
}

func FuzzYAMLRoundTrip(f *testing.F) {
	f.Add("a", "yes")
	f.Add("<<", "1e3")
	f.Fuzz(func(t *testing.T, key, text string) {
		if !utf8.ValidString(key) || !utf8.ValidString(text) {
			t.Skip() // no value of a template
		}
		value := map[string]any{"x": []any{text, map[string]any{key: text}}}
		written, err := YAML(value)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Parse(written)
		if err != nil || !reflect.DeepEqual(got, value) {
			t.Errorf("%q became %#v, %v", written, got, err)
		}
	})
}
