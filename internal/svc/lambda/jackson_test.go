package lambda

import (
	"encoding/json"
	"strings"
	"testing"
)

const redacted = "\n at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: "

func TestSyntaxErrorsAreWordedAsJacksonDoes(t *testing.T) {
	for document, want := range map[string]string{
		"{nope":             "Unexpected character ('n' (code 110)): was expecting double-quote to start field name" + redacted + "1, column: 3]",
		"nope":              "Unrecognized token 'nope': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')" + redacted + "1, column: 5]",
		"'a'":               "Unexpected character (''' (code 39)): expected a valid value (JSON String, Number, Array, Object or token 'null', 'true' or 'false')" + redacted + "1, column: 2]",
		"{\"a\" 1}":         "Unexpected character ('1' (code 49)): was expecting a colon to separate field name and value" + redacted + "1, column: 7]",
		"[1 2]":             "Unexpected character ('2' (code 50)): was expecting comma to separate Array entries" + redacted + "1, column: 5]",
		"{\"a\":1,}":        "Unexpected character ('}' (code 125)): was expecting double-quote to start field name" + redacted + "1, column: 9]",
		"{\"a\":\n \"\\x\"": "Unrecognized character escape 'x' (code 120)" + redacted + "2, column: 5]",
		"\"a\nb\"":          "Illegal unquoted character ((CTRL-CHAR, code 10)): has to be escaped using backslash to be included in string value" + redacted + "2, column: 1]",
		"01":                "Invalid numeric value: Leading zeroes not allowed" + redacted + "1, column: 2]",
		"\"a":               "Unexpected end-of-input: was expecting closing quote for a string value" + redacted + "1, column: 3]",
	} {
		if json.Valid([]byte(document)) {
			t.Fatalf("%q is valid JSON", document)
		}
		if got := jacksonError([]byte(document)); got != want {
			t.Errorf("%q:\ngot  %s\nwant %s", document, got, want)
		}
	}
}

func FuzzEverythingThatIsNoJSONGetsAMessage(f *testing.F) {
	for _, seed := range []string{"{", "[1,", `{"a":tru}`, "\xff", `"\ud8`, "-", "1e", "{} {}", strings.Repeat("[", 2000), "\x00", " "} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		if json.Valid(document) {
			return
		}
		if got := jacksonError(document); !strings.Contains(got, redacted) {
			t.Errorf("%q: %q", document, got)
		}
	})
}
