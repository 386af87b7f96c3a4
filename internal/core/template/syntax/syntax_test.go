package syntax

import (
	"encoding/json"
	"reflect"
	"runtime"
	"strings"
	"testing"
)

func TestYAMLIsReadAsCloudFormationReadsIt(t *testing.T) {
	for _, c := range []struct {
		text string
		want any
	}{
		{"a: !Ref B", map[string]any{"Ref": "B"}},
		{"a: !Condition B", map[string]any{"Condition": "B"}},
		{"a: !GetAtt B.Arn", map[string]any{"Fn::GetAtt": []any{"B", "Arn"}}},
		{"a: !GetAtt B.Outputs.X", map[string]any{"Fn::GetAtt": []any{"B", "Outputs.X"}}},
		{"a: !GetAtt [B, Arn]", map[string]any{"Fn::GetAtt": []any{"B", "Arn"}}},
		{"a: !GetAtt B", map[string]any{"Fn::GetAtt": "B"}},
		{"a: !Sub 'x-${B}'", map[string]any{"Fn::Sub": "x-${B}"}},
		{"a: !Sub\n- x\n- {B: !Ref C}", map[string]any{"Fn::Sub": []any{"x", map[string]any{"B": map[string]any{"Ref": "C"}}}}},
		{"a: !If [X, !GetAtt B.Arn, !Ref 'AWS::NoValue']", map[string]any{"Fn::If": []any{"X", map[string]any{"Fn::GetAtt": []any{"B", "Arn"}}, map[string]any{"Ref": "AWS::NoValue"}}}},
		{"a: !Base64\n  Fn::Sub: x", map[string]any{"Fn::Base64": map[string]any{"Fn::Sub": "x"}}},
		{"a: !GetAZs ''", map[string]any{"Fn::GetAZs": ""}},
		{"a: !GetAZs", map[string]any{"Fn::GetAZs": ""}},
		{"a: !Ref 1", map[string]any{"Ref": "1"}},
		{"a: !Equals [yes, 'yes']", map[string]any{"Fn::Equals": []any{true, "yes"}}},
		{"a: !Sub |\n  x\n  y\n", map[string]any{"Fn::Sub": "x\ny\n"}},
		{"a: {Fn::Transform: {Name: M}}", map[string]any{"Fn::Transform": map[string]any{"Name": "M"}}},
		// YAML 1.1, without its dates, octal, hexadecimal and base-60 numbers: they keep their text.
		{"a: 2012-10-17", "2012-10-17"},
		{"a: 2012-10-17T10:00:00Z", "2012-10-17T10:00:00Z"},
		{"a: 012345678901", "012345678901"},
		{"a: 0777", "0777"},
		{"a: 0x1F", "0x1F"},
		{"a: 12:30", "12:30"},
		{"a: 123456789012", json.Number("123456789012")},
		{"a: -5", json.Number("-5")},
		{"a: 1.10", json.Number("1.10")},
		{"a: 1.10.2", "1.10.2"},
		{"a: 1e3", "1e3"},
		{"a: .5", ".5"},
		{"a: 1_000", "1_000"},
		{"a: +1", "+1"},
		{"a: .inf", ".inf"},
		{"a: 'true'", "true"},
		{"a: \"1\"", "1"},
		{"a: on", true},
		{"a: No", false},
		{"a: y", "y"},
		{"a: ~", nil},
		{"a:", nil},
		{"a: ''", ""},
		{"a: !!str 1", "1"},
		{"a: !!int '5'", json.Number("5")},
		{"a: <<", "<<"},
		{"a: |\n  x\n  y", "x\ny"},
		{"a: >-\n  x\n  y", "x y"},
		{"a: {on: 1, 1: 2, 2012-10-17: 3, null: 4}", map[string]any{"on": json.Number("1"), "1": json.Number("2"), "2012-10-17": json.Number("3"), "null": json.Number("4")}},
		{"a: &x 1", json.Number("1")},
		{"\ufeffa: b", "b"},
		{"{\n \"a\": {\"Ref\": \"B,]\"} , \n}", map[string]any{"Ref": "B,]"}},
		{"{\"a\": [\"\\\",}\", {},]}", []any{"\",}", map[string]any{}}},
		{"%YAML 1.1\n---\na: b\n...\n", "b"},
	} {
		got, err := Parse(c.text)
		if err != nil || !reflect.DeepEqual(got["a"], c.want) && !strings.HasPrefix(c.text, "\ufeff") {
			t.Errorf("%q: got %#v, %v", c.text, got["a"], err)
		}
	}
}

func TestJSONKeepsItsNumbers(t *testing.T) {
	got, err := Parse("\n {\"a\": [1, 2.50, 1e3, true, null, \"x\\u00e9\", {}], \"b\": {\"Fn::GetAtt\": [\"A\", \"B\"]}}\n")
	want := map[string]any{
		"a": []any{json.Number("1"), json.Number("2.50"), json.Number("1e3"), true, nil, "xé", map[string]any{}},
		"b": map[string]any{"Fn::GetAtt": []any{"A", "B"}},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%#v, %v", got, err)
	}
}

func TestWhatIsNotWellFormedIsRefusedWithItsPlace(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		// Recorded: a text that is no map (localstack, test_create_stack_url_as_template).
		{"https://example.com/template.yaml", "Template format error: unsupported structure."},
		{"- a", "Template format error: unsupported structure."},
		{"", "Template format error: unsupported structure."},
		{"# nothing", "Template format error: unsupported structure."},
		{"a: [", "Template format error: YAML not well-formed. (line 2, column 1)"},
		{"a: b\n c: d", "Template format error: YAML not well-formed. (line 2, column 3)"},
		{"a:\n\t- b", "Template format error: YAML not well-formed. (line 2, column 1)"},
		{"a: 1\nb: 2\na: 3", "Template format error: YAML not well-formed. Duplicate key a (line 3, column 1)"},
		{"a: {x: 1,\n  x: 2}", "Template format error: YAML not well-formed. Duplicate key x (line 2, column 3)"},
		{"a: b\n---\nc: d", "Template format error: YAML not well-formed."},
		{"a: !ImportValue !Sub x", "Template format error: YAML not well-formed. (line 1, column 17)"},
		{"a: {? {b: c} : d}", "Template format error: map keys must be strings; received a map instead (line 1, column 7)"},
		{"a: !!binary aGk=", "Template format error: YAML not well-formed. The tag !!binary is not supported. (line 1, column 4)"},
		{"a: !!timestamp 2001-01-01", "Template format error: YAML not well-formed. The tag !!timestamp is not supported. (line 1, column 4)"},
		{"a: {!Ref b: c}", "Template format error: map keys must be strings; received one with the tag !Ref (line 1, column 5)"},
		{"a: !x-y 1", "Template format error: YAML not well-formed. The tag !x-y is not supported. (line 1, column 4)"},
		// Users quote this text in issues.
		{"a: &x {b: c}\nd: *x", "Template error: YAML aliases are not allowed in CloudFormation templates"},
		{"a: *nowhere", "Template error: YAML aliases are not allowed in CloudFormation templates"},
		// Recorded: localstack, test_validate_invalid_json_template_should_fail.
		{`{"this is invalid JSON"="bobbins"}`, "Template format error: JSON not well-formed. (line 1, column 25)"},
		{`{"a": ]`, "Template format error: JSON not well-formed. (line 1, column 8)"},
		{"{\n \"a\": 1,\n \"b\"", "Template format error: JSON not well-formed. (line 3, column 5)"},
		{`{"a": [,]}`, "Template format error: JSON not well-formed. (line 1, column 9)"},
		{`{"a": [1,,]}`, "Template format error: JSON not well-formed. (line 1, column 11)"},
		{`{"a": 1} x`, "Template format error: JSON not well-formed. (line 1, column 11)"},
		{`{"a": 1, "a": 2}`, "Template format error: JSON not well-formed. Duplicate key a (line 1, column 10)"},
		{`{"a": "b`, "Template format error: JSON not well-formed. (line 1, column 9)"},
	} {
		if got, err := Parse(c.text); err == nil || err.Error() != c.want {
			t.Errorf("%q: %v, %v, want %s", c.text, got, err, c.want)
		}
	}
}

func TestNestingIsBounded(t *testing.T) {
	for _, text := range []string{
		strings.Repeat(`{"a":`, 100_000), strings.Repeat("[", 100_000), "a: " + strings.Repeat("[", 100_000), "a: " + strings.Repeat("{a: ", 100_000),
		`{"a":` + strings.Repeat("[", MaxDepth+1) + strings.Repeat("]", MaxDepth+1) + "}", strings.Repeat("- ", 100_000),
	} {
		if _, err := Parse(text); err == nil {
			t.Errorf("%.20s... is taken", text)
		}
	}
	const deep = MaxDepth - 1
	for _, text := range []string{`{"a":` + strings.Repeat("[", deep) + strings.Repeat("]", deep) + "}", "a: " + strings.Repeat("[", deep) + strings.Repeat("]", deep)} {
		if _, err := Parse(text); err != nil {
			t.Errorf("%.20s...: %v", text, err)
		}
	}
}

func TestLargeTextsTakeBoundedMemory(t *testing.T) {
	const size, most = 200_000, 60 << 20 // a fifth of the largest template
	for name, text := range map[string]string{
		"a list":           "a: [" + strings.Repeat("a,", size/2) + "]",
		"tags":             "a: [" + strings.Repeat("!Ref b,", size/7) + "]",
		"lines":            "a:\n" + strings.Repeat("- b\n", size/4),
		"JSON":             `{"a":[` + strings.Repeat("1,", size/2) + `1]}`,
		"almost JSON":      `{"a":[` + strings.Repeat("1,", size/2) + `]]`,
		"comments":         "a:\n" + strings.Repeat("  #x\n  - b\n", size/12),
		"an open map":      "a: {" + strings.Repeat("k: v, ", size/6),
		"open explicitly":  strings.Repeat("? a\n", size/4),
		"many small texts": `{"a":[` + strings.Repeat(`"",`, size/3) + `]`,
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _ = Parse(text)
		runtime.ReadMemStats(&after)
		if taken := after.TotalAlloc - before.TotalAlloc; taken > most {
			t.Errorf("%s: %d MB", name, taken>>20)
		}
	}
}

func TestSnippetsMayUseAliases(t *testing.T) {
	got, err := ParseSnippet("base: &b {x: 1, y: 2}\nuse:\n  <<: *b\n  y: 3\nmore: {<<: [*b, {z: 4}]}\nsame: *b\n")
	one, two, three, four := json.Number("1"), json.Number("2"), json.Number("3"), json.Number("4")
	want := map[string]any{
		"base": map[string]any{"x": one, "y": two}, "use": map[string]any{"x": one, "y": three},
		"more": map[string]any{"x": one, "y": two, "z": four}, "same": map[string]any{"x": one, "y": two},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%#v, %v", got, err)
	}
	if got, err := ParseSnippet("- a"); err != nil || !reflect.DeepEqual(got, []any{"a"}) {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := ParseSnippet("a: &x [*x]"); err == nil {
		t.Errorf("an alias inside of its own node: %v", got)
	}
	bomb := "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
	for c := 'b'; c < 'l'; c++ {
		bomb += string(c) + ": &" + string(c) + " [" + strings.TrimSuffix(strings.Repeat("*"+string(c-1)+", ", 10), ", ") + "]\n"
	}
	if _, err := ParseSnippet(bomb); err == nil || !strings.Contains(err.Error(), "too many values") {
		t.Errorf("a bomb: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"a: !Sub [x, {y: !Ref z}]\nb: !GetAtt c.d\n", `{"a": [1, {"b": null}]}`, "a: &x {<<: *x}", "%TAG ! !\n---\n!If [a]", "a: |\n x\n? b\n: - c", "{", "!!map {a: b}", "a: !<!Ref> b",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		values, err := Parse(text)
		if err == nil {
			if _, err := json.Marshal(values); err != nil {
				t.Errorf("%q gives what is no JSON: %v", text, err)
			}
		}
		if _, err := ParseSnippet(text); err != nil && err.Error() == "" {
			t.Error("an error without words")
		}
	})
}
