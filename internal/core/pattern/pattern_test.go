package pattern

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func mustCompile(t *testing.T, source string) *Pattern {
	t.Helper()
	p, err := Compile([]byte(source))
	if err != nil {
		t.Fatalf("compile %s: %v", source, err)
	}
	return p
}

// matches: the rules of https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
// and of the README of event-ruler; where a line says "recorded" the answer of
// TestEventPattern was recorded from AWS by LocalStack's suite.
var matches = []struct {
	name, pattern, event string
	want                 bool
}{
	{"text", `{"a":["x"]}`, `{"a":"x","b":1}`, true},
	{"text, another", `{"a":["x"]}`, `{"a":"y"}`, false},
	{"case of a key", `{"a":["x"]}`, `{"A":"x"}`, false},
	{"one of several", `{"a":["x","y"]}`, `{"a":"y"}`, true},
	{"all fields", `{"a":["x"],"b":[1]}`, `{"a":"x","b":2}`, false},
	{"nested", `{"a":{"b":["x"]}}`, `{"a":{"b":"x"}}`, true},
	{"text is no number", `{"a":["1"]}`, `{"a":1}`, false},
	{"number by value, recorded", `{"a":[300]}`, `{"a":300.0}`, true},
	{"number by value, exponent", `{"a":[300]}`, `{"a":3.0e2}`, true},
	{"number too large to compare, by text", `{"a":[123456789012]}`, `{"a":123456789012}`, true},
	{"number too large to compare, another text", `{"a":[123456789012]}`, `{"a":123456789012.0}`, false},
	{"true", `{"a":[true]}`, `{"a":true}`, true},
	{"true is no text", `{"a":[true]}`, `{"a":"true"}`, false},
	{"null", `{"a":[null]}`, `{"a":null}`, true},
	{"null is not absence", `{"a":[null]}`, `{}`, false},
	{"empty text", `{"a":[""]}`, `{"a":""}`, true},
	{"empty text is not null", `{"a":[""]}`, `{"a":null}`, false},
	{"array intersects", `{"a":["x","y"]}`, `{"a":["z","y"]}`, true},
	{"array does not intersect", `{"a":["x"]}`, `{"a":["z"]}`, false},
	{"nested array", `{"a":["x"]}`, `{"a":[["z"],["x"]]}`, true},
	{"objects in an array", `{"a":{"b":["x"]}}`, `{"a":[{"b":"z"},{"b":"x"}]}`, true},
	{"objects in arrays of arrays", `{"a":{"b":["x"],"c":[1]}}`, `{"a":[[{"b":"z","c":1}],[{"b":"x","c":1}]]}`, true},
	{"fields of different elements", `{"a":{"b":["x"],"c":[1]}}`, `{"a":[{"b":"x","c":2},{"b":"z","c":1}]}`, false},
	{"elements of different arrays", `{"a":{"b":["x"]},"c":{"d":[1]}}`, `{"a":[{"b":"x"}],"c":[{"d":2},{"d":1}]}`, true},
	{"dots in the pattern, recorded", `{"a.b":["x"]}`, `{"a":{"b":"x"}}`, true},
	{"dots in the event, recorded", `{"a":{"b":["x"]}}`, `{"a.b":"x"}`, true},
	{"dots beside an object", `{"a":{"b":["x"],"c":[1]}}`, `{"a.b":"x","a":{"c":1}}`, true},
	{"empty names", `{"":{"a":["x"]}}`, `{"":{"a":"x"}}`, true},
	{"empty names are names", `{"":{"a":["x"]}}`, `{"a":"x"}`, false},
	{"escapes", `{"a":["\u00e9\n"]}`, `{"a":"é\n"}`, true},

	{"prefix", `{"a":[{"prefix":"ab"}]}`, `{"a":"abc"}`, true},
	{"prefix, not", `{"a":[{"prefix":"ab"}]}`, `{"a":"bab"}`, false},
	{"prefix of a number", `{"a":[{"prefix":"1"}]}`, `{"a":12}`, false},
	{"prefix in any case", `{"a":[{"prefix":{"equals-ignore-case":"AB"}}]}`, `{"a":"aBc"}`, true},
	{"suffix", `{"a":[{"suffix":".png"}]}`, `{"a":"x.png"}`, true},
	{"suffix in any case", `{"a":[{"suffix":{"equals-ignore-case":".PNG"}}]}`, `{"a":"x.png"}`, true},
	{"suffix, not", `{"a":[{"suffix":".png"}]}`, `{"a":"x.jpg"}`, false},
	{"equals-ignore-case", `{"a":[{"equals-ignore-case":"ABC"}]}`, `{"a":"abc"}`, true},
	{"equals-ignore-case, not", `{"a":[{"equals-ignore-case":"ABC"}]}`, `{"a":"abcd"}`, false},
	{"exactly", `{"a":[{"exactly":"x"}]}`, `{"a":"x"}`, true},

	{"wildcard", `{"a":[{"wildcard":"/usr/*/bin/*"}]}`, `{"a":"/usr/local/bin/x"}`, true},
	{"wildcard, nothing for an asterisk", `{"a":[{"wildcard":"x*"}]}`, `{"a":"x"}`, true},
	{"wildcard, the ends overlap", `{"a":[{"wildcard":"aba*aba"}]}`, `{"a":"ababa"}`, false},
	{"wildcard, repeating", `{"a":[{"wildcard":"*ab*ab"}]}`, `{"a":"abcab"}`, true},
	{"wildcard, no asterisk", `{"a":[{"wildcard":"ab"}]}`, `{"a":"abc"}`, false},
	{"wildcard, literal asterisk", `{"a":[{"wildcard":"a\\*b"}]}`, `{"a":"axb"}`, false},
	{"wildcard, literal asterisk is there", `{"a":[{"wildcard":"a\\*b"}]}`, `{"a":"a*b"}`, true},
	{"wildcard of a number", `{"a":[{"wildcard":"*"}]}`, `{"a":1}`, false},

	{"numeric =", `{"a":[{"numeric":["=",3.018e2]}]}`, `{"a":301.8}`, true},
	{"numeric range", `{"a":[{"numeric":[">",0,"<=",5]}]}`, `{"a":5}`, true},
	{"numeric range, open end", `{"a":[{"numeric":[">",0,"<=",5]}]}`, `{"a":0}`, false},
	{"numeric, six digits", `{"a":[{"numeric":["<",10]}]}`, `{"a":9.999999}`, true},
	{"numeric >=", `{"a":[{"numeric":[">=",-1]}]}`, `{"a":-1}`, true},
	{"numeric of a text, recorded", `{"a":[{"numeric":[">",0]}]}`, `{"a":"1"}`, false},
	{"numeric of null, recorded", `{"a":[{"numeric":["=",0]}]}`, `{"a":null}`, false},
	{"numeric out of range", `{"a":[{"numeric":[">",0]}]}`, `{"a":6e9}`, false},

	{"cidr", `{"a":[{"cidr":"10.0.0.0/24"}]}`, `{"a":"10.0.0.255"}`, true},
	{"cidr, outside", `{"a":[{"cidr":"10.0.0.0/24"}]}`, `{"a":"10.0.1.0"}`, false},
	{"cidr of version 6", `{"a":[{"cidr":"2001:db8::/32"}]}`, `{"a":"2001:db8:0:1::1"}`, true},
	{"cidr, other version", `{"a":[{"cidr":"0.0.0.0/0"}]}`, `{"a":"::1"}`, false},
	{"cidr of no address, recorded", `{"a":[{"cidr":"10.0.0.0/24"}]}`, `{"a":"xx"}`, false},
	{"addresses are equal by value", `{"a":["2001:db8::1"]}`, `{"a":"2001:0db8:0:0::1"}`, true},

	{"exists", `{"a":[{"exists":true}]}`, `{"a":null}`, true},
	{"exists, not", `{"a":[{"exists":true}]}`, `{"b":1}`, false},
	{"exists is of leaves", `{"a":[{"exists":true}]}`, `{"a":{"b":1}}`, false},
	{"exists of an empty list, recorded", `{"a":[{"exists":true}]}`, `{"a":[]}`, false},
	{"absent", `{"a":{"b":[{"exists":false}]}}`, `{"a":{"c":1}}`, true},
	{"absent with all above", `{"a":{"b":[{"exists":false}]}}`, `{"c":1}`, true},
	{"absent is of leaves", `{"a":[{"exists":false}]}`, `{"a":{"b":1}}`, true},
	{"absent, not", `{"a":[{"exists":false}]}`, `{"a":0}`, false},
	{"absent is of the whole event", `{"a":{"b":[{"exists":false}]}}`, `{"a":[{"b":1},{"c":1}]}`, false},
	{"absent or a value", `{"a":["x",{"exists":false}]}`, `{"a":"x"}`, true},
	{"absent or a value, another", `{"a":["x",{"exists":false}]}`, `{"a":"y"}`, false},

	{"anything-but", `{"a":[{"anything-but":"x"}]}`, `{"a":"y"}`, true},
	{"anything-but, that", `{"a":[{"anything-but":"x"}]}`, `{"a":"x"}`, false},
	{"anything-but nothing, recorded", `{"a":[{"anything-but":"x"}]}`, `{"b":"x"}`, false},
	{"anything-but null, recorded", `{"a":[{"anything-but":"x"}]}`, `{"a":null}`, true},
	{"anything-but a list", `{"a":[{"anything-but":["x","y"]}]}`, `{"a":"y"}`, false},
	{"anything-but numbers", `{"a":[{"anything-but":[1,2]}]}`, `{"a":2.0}`, false},
	{"anything-but numbers, a text", `{"a":[{"anything-but":[1,2]}]}`, `{"a":"2"}`, true},
	{"anything-but of a list", `{"a":[{"anything-but":"x"}]}`, `{"a":["x","y"]}`, true},
	{"anything-but prefix", `{"a":[{"anything-but":{"prefix":"ab"}}]}`, `{"a":"abc"}`, false},
	{"anything-but prefixes", `{"a":[{"anything-but":{"prefix":["ab","b"]}}]}`, `{"a":"c"}`, true},
	{"anything-but prefix of a number, recorded", `{"a":[{"anything-but":{"prefix":"1"}}]}`, `{"a":123}`, true},
	{"anything-but suffix", `{"a":[{"anything-but":{"suffix":".txt"}}]}`, `{"a":"a.txt"}`, false},
	{"anything-but in any case", `{"a":[{"anything-but":{"equals-ignore-case":["X","Y"]}}]}`, `{"a":"y"}`, false},
	{"anything-but wildcard", `{"a":[{"anything-but":{"wildcard":"*/bin/*"}}]}`, `{"a":"/usr/bin/x"}`, false},
	{"anything-but wildcards", `{"a":[{"anything-but":{"wildcard":["*/bin/*","*.jar"]}}]}`, `{"a":"/usr/x"}`, true},

	{"$or, first", `{"s":["x"],"$or":[{"a":[1]},{"b":[2]}]}`, `{"s":"x","a":1}`, true},
	{"$or, second", `{"s":["x"],"$or":[{"a":[1]},{"b":[2]}]}`, `{"s":"x","b":2}`, true},
	{"$or, none", `{"s":["x"],"$or":[{"a":[1]},{"b":[2]}]}`, `{"s":"x","b":1}`, false},
	{"$or, not the rest", `{"s":["x"],"$or":[{"a":[1]},{"b":[2]}]}`, `{"a":1}`, false},
	{"$or before the rest", `{"$or":[{"a":[1]},{"b":[2]}],"s":["x"]}`, `{"a":1}`, false},
	{"parallel $or", `{"$or":[{"a":[1]},{"b":[2]}],"d":{"$or":[{"c":[3]},{"e":[4]}]}}`, `{"b":2,"d":{"e":4}}`, true},
	{"nested $or", `{"$or":[{"a":[1]},{"b":[2],"$or":[{"c":[3]},{"d":[4]}]}]}`, `{"b":2,"d":4}`, true},
	{"nested $or, half", `{"$or":[{"a":[1]},{"b":[2],"$or":[{"c":[3]},{"d":[4]}]}]}`, `{"b":2}`, false},
}

func TestMatch(t *testing.T) {
	for _, c := range matches {
		t.Run(c.name, func(t *testing.T) {
			p := mustCompile(t, c.pattern)
			e, err := ParseEvent([]byte(c.event))
			if err != nil {
				t.Fatal(err)
			}
			if got := p.Match(e); got != c.want {
				t.Errorf("%s on %s: %t", c.pattern, c.event, got)
			}
			var fields map[string]any
			decoder := json.NewDecoder(strings.NewReader(c.event))
			decoder.UseNumber()
			if err := decoder.Decode(&fields); err != nil {
				t.Fatal(err)
			}
			if e, err = NewEvent(fields); err != nil {
				t.Fatal(err)
			}
			if got := p.Match(e); got != c.want {
				t.Errorf("%s on the values of %s: %t", c.pattern, c.event, got)
			}
		})
	}
}

// TestRefusals: the texts were recorded from AWS (InvalidEventPatternException of
// TestEventPattern, LocalStack's suite) or are those of event-ruler.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		pattern, reason string
		column          int // 0: AWS names no place
		twice           bool
	}{
		{`{"int": 42}`, `"int" must be an object or an array`, 11, false},
		{`{"string": "my-value"}`, `"string" must be an object or an array`, 13, false},
		{`{"resources": []}`, "Empty arrays are not allowed", 17, false},
		{`{"a": {}}`, "Empty objects are not allowed", 9, false},
		{`["not", "a", "dict", "but valid json"]`, "Filter is not an object", 2, false},
		{`{"a": [[1]]}`, "Match value must be String, number, true, false, or null", 9, false},
		{`{"my_key": [{"EXISTS": true}]}`, "Unrecognized match type EXISTS", 28, false},
		{`{"detail": {"equal": [{"NUMERIC": ["=", 5]}]}}`, "Unrecognized match type NUMERIC", 36, false},
		{`{"detail": {"c-count": [{"numeric": [">", 0, ">", 0]}]}}`, "Bad numeric range operator: >", 49, false},
		{`{"detail": {"c-count": [{"numeric": [">", 0, "<"]}]}}`, "Value of < must be numeric", 50, false},
		{`{"detail-type": [{"equals-ignore-case": ["ec2 instance state-change notification"]}]}`, "equals-ignore-case match pattern must be a string", 42, false},
		{`{"EventBusArn": [{"wildcard": "arn:aws:events:us-east-1:**:event-bus/*"}]}`, "Consecutive wildcard characters at pos 26", 72, false},
		{`{"EventBusArn": [{"wildcard": 123}]}`, "wildcard match pattern must be a string", 34, false},
		{`{"time": [{"prefix": 123}]}`, "prefix match pattern must be a string", 25, false},
		{`{"FileName": [{"suffix": [".png"]}]}`, "suffix match pattern must be a string", 27, false},
		{`{"detail": {"state": [{"anything-but": {"equals-ignore-case": 123}}]}}`, "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported.", 66, false},
		{`{"detail": {"state": [{"anything-but": {"equals-ignore-case": [123, 456]}}]}}`, "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported.", 67, true},
		{`{"detail": {"state": [{"anything-but": {"wildcard": [123, "*/dir/*"]}}]}}`, "wildcard match pattern must be a string", 57, true},
		{`{"detail": {"FileName": [{"anything-but": {"suffix": 123}}]}}`, "prefix/suffix match pattern must be a string", 57, false},
		{`{"detail": {"FileName": [{"anything-but": {"prefix": {"equals-ignore-case": "file"}}}]}}`, "Value of anything-but must be an array or single string/number value.", 55, false},
		{`{"detail": {"FileName": [{"anything-but": {"prefix": ""}}]}}`, "Null prefix/suffix not allowed", 56, false},
		{`{"detail": {"sourceIPAddress": [{"cidr": ["bad-type"]}]}}`, "prefix match pattern must be a string", 43, false},
		{`{"a": [{"cidr": "10.0.0.0"}]}`, "Malformed CIDR, one '/' required", 0, false},
		{`{"a": [{"cidr": "10.0.0.0/x"}]}`, "Malformed CIDR, mask bits must be an integer", 0, false},
		{`{"a": [{"cidr": "xx.11.xx/8"}]}`, "Nonstandard IP address: xx.11.xx", 0, false},
		{`{"a": [{"cidr": "xxxx:db8:1234:1a00::/64"}]}`, "Nonstandard IP address: xxxx:db8:1234:1a00::", 0, false},
		{`{"a": [{"cidr": "10.0.0.0/32"}]}`, "IPv4 mask bits must be < 32", 0, false},
		{`{"a": [{"exists": "true"}]}`, "exists match pattern must be either true or false.", 20, false},
		{`{"a": [{"prefix": "x", "suffix": "y"}]}`, "Only one key allowed in match expression", 35, false},
		{`{"a": [{"anything-but": ["x", 1]}]}`, "Inside anything but list, either all values are number or string, mixed type is not supported", 33, false},
		{`{"a": [{"anything-but": [null]}]}`, "Inside anything but list, start|null|boolean is not supported.", 30, true},
		{`{"$or": [{"a": [1]}]}`, "There must have at least 2 Objects in $or relationship.", 21, false},
		{`{"$or": {"a": [1]}}`, "It must be an Array followed with $or.", 10, false},
		{`{"$or": [1, 2]}`, "Only JSON object is allowed in array of $or relationship.", 11, false},
		{`{"$or": [{"prefix": ["a"]}, {"b": [1]}]}`, "prefix is Ruler reserved fieldName which cannot be used inside $or.", 22, false},
		{`this is valid json but not a dict`, "Unrecognized token 'this': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')", 5, false},
		{`{'bad': 'quotation'}`, "Unexpected character (''' (code 39)): was expecting double-quote to start field name", 2, false},
		{`{"not": closed mark"`, "Unrecognized token 'closed': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')", 15, false},
	} {
		t.Run(c.pattern, func(t *testing.T) {
			_, err := Compile([]byte(c.pattern))
			var refusal *Error
			if !errors.As(err, &refusal) {
				t.Fatalf("%T: %v", err, err)
			}
			want := c.reason
			if c.column > 0 {
				place := fmt.Sprintf("\n at [Source: (String)\"%s\"; line: 1, column: %d]", c.pattern, c.column)
				want += place
				if c.twice {
					want += place
				}
			}
			if err.Error() != want {
				t.Errorf("\n got %s\nwant %s", err, want)
			}
		})
	}
}

func TestRefusesWhatIsNoDocument(t *testing.T) {
	for _, source := range []string{"", "  ", "{", `{"a"`, `{"a":`, `{"a":[`, `{"a":["x"`, `{"a":["x"]`, `{"a":["x",]}`, `{"a":["x"],}`, `{"a" ["x"]}`, `{"a":["x" "y"]}`,
		`{"a":["x"]} x`, `{"a":["\q"]}`, "{\"a\":[\"\n\"]}", `{"a":[01]}`, `{"a":[-]}`, `{"a":["x"]]`, `{"a":["x"}]`} {
		if _, err := Compile([]byte(source)); err == nil {
			t.Errorf("%q was accepted", source)
		}
	}
	if _, err := ParseEvent([]byte(`[1]`)); err == nil || err.Error() != "Event must be a JSON object" {
		t.Errorf("an event that is a list: %v", err)
	}
	if _, err := NewEvent(map[string]any{"a": 1}); err == nil {
		t.Error("an int was accepted")
	}
}

func TestLimits(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 2*maxDepth)
	if _, err := Compile([]byte(deep)); !errors.Is(err, errTooDeep) {
		t.Errorf("a deep pattern: %v", err)
	}
	if _, err := ParseEvent([]byte(deep)); !errors.Is(err, errTooDeep) {
		t.Errorf("a deep event: %v", err)
	}
	// 2^10 combinations.
	var many strings.Builder
	for i := range 10 {
		fmt.Fprintf(&many, `"f%d":{"$or":[{"a":[1]},{"b":[1]}]},`, i)
	}
	if _, err := Compile([]byte("{" + many.String() + `"x":[1]}`)); err == nil {
		t.Error("1,024 combinations of $or were accepted")
	}
}

// TestHostileInput: neither a pattern nor an event can make matching slow.
func TestHostileInput(t *testing.T) {
	p := mustCompile(t, `{"a":{"b":[{"wildcard":"*a*a*a*a*a*a*a*a*b"}],"c":[{"exists":false}],"d":{"e":[1],"f":[2],"g":[3]}}}`)
	text := strings.Repeat("a", 50_000)
	element := `{"b":"` + text[:20] + `","d":[{"e":1},{"f":2},{"g":3}]},`
	event := `{"a":[` + strings.Repeat(element, 5000) + `{"b":"` + text + `"}]}`
	e, err := ParseEvent([]byte(event))
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if p.Match(e) {
		t.Error("it matched")
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}

func FuzzCompile(f *testing.F) {
	f.Add(`{"a":[{"prefix":"x"}],"$or":[{"b":[1]},{"c":[{"exists":false}]}]}`, `{"a":"xy","b":[{"c":1}]}`)
	f.Add(`{"a":[{"numeric":[">",0,"<",1e3]},{"anything-but":{"wildcard":"*\\*"}},{"cidr":"::/0"}]}`, `{"a.b":null}`)
	f.Fuzz(func(t *testing.T, source, event string) {
		p, err := Compile([]byte(source))
		var refusal *Error
		if err != nil && (!errors.As(err, &refusal) || refusal.Reason == "") {
			t.Fatalf("%T %v", err, err)
		}
		if err == nil && !json.Valid([]byte(source)) {
			t.Fatalf("%q is no JSON", source)
		}
		e, eventErr := ParseEvent([]byte(event))
		if eventErr == nil && !json.Valid([]byte(event)) {
			t.Fatalf("%q is no JSON", event)
		}
		if err != nil || eventErr != nil {
			return
		}
		first := p.Match(e)
		again, err := Compile([]byte(source))
		if err != nil || again.Match(e) != first {
			t.Fatalf("another answer: %v", err)
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	p, err := Compile([]byte(`{"source":["orders"],"detail":{"state":[{"anything-but":"new"}],"amount":[{"numeric":[">",100]}]}}`))
	if err != nil {
		b.Fatal(err)
	}
	event := []byte(`{"version":"0","id":"x","detail-type":"t","source":"orders","account":"000000000000","time":"2026-01-01T00:00:00Z","region":"us-east-1","resources":[],"detail":{"state":"paid","amount":120}}`)
	for b.Loop() {
		e, err := ParseEvent(event)
		if err != nil || !p.Match(e) {
			b.Fatal(err)
		}
	}
}
