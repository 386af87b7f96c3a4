package httpapi

import (
	"encoding/json"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambkin-dev/lambkin/internal/core/httpapi"
	"github.com/lambkin-dev/lambkin/internal/front"
)

func exchangeOf(body string) *exchange {
	r := httptest.NewRequest("POST", "/?q=1&q=2", nil)
	r.Header.Set("X-Text", `a","b`)
	return &exchange{r: &front.Request{Request: r, Received: time.Unix(1000, 0)}, body: []byte(body), live: &httpapi.Live{API: &httpapi.API{ID: "abc"}}, stage: &compiled{stage: &httpapi.Stage{}}}
}

func TestParametersOfServices(t *testing.T) {
	x := exchangeOf(`{"text": "t", "object": {"n": 1}, "list": ["a", "b"], "attributes": {"k": {"DataType": "Binary", "BinaryValue": "AQ=="}}}`)
	attribute := func(members map[string]any) map[string]any { return map[string]any{"k": members} }
	for _, c := range []struct {
		name, given string
		want        any // nil: refused
	}{
		{"MessageBody", "$request.body.text", "t"},
		{"MessageBody", "$request.body.object", `{"n": 1}`},
		{"MessageBody", "${request.querystring.q} and ${context.apiId}", "1,2 and abc"},
		{"MessageBody", "$request.body.none", nil},
		{"MessageBody", "$request.header.x-none", nil},
		{"AttributeNames", "All", []any{"All"}},
		{"AttributeNames", "A, B", []any{"A", "B"}},
		{"AttributeNames", `["A", "B"]`, []any{"A", "B"}},
		{"Resources", "$request.body.list", []any{"a", "b"}},
		{"MessageAttributes", `{"k": {"DataType": "String", "StringValue": "x ${request.header.x-text}"}}`, attribute(map[string]any{"DataType": "String", "StringValue": `x a","b`})},
		{"MessageAttributes", "$request.body.attributes", attribute(map[string]any{"DataType": "Binary", "BinaryValue": []byte{1}})},
		{"MessageAttributes", "$request.body.text", nil},
		{"Time", "$context.requestTimeEpoch", time.Unix(1000, 0).UTC()},
		{"Time", "2026-01-02T03:04:05Z", time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)},
		{"Time", "soon", nil},
	} {
		got, err := x.parameters(newInputs(map[string]string{c.name: c.given}))
		var refused *badInput
		if c.want == nil && !errors.As(err, &refused) || c.want != nil && err != nil {
			t.Errorf("%s of %s: %v", c.name, c.given, err)
		} else if diff := cmp.Diff(c.want, got[c.name]); c.want != nil && diff != "" {
			t.Errorf("%s of %s (-want +got):\n%s", c.name, c.given, diff)
		}
	}
	x.body = []byte(`{"text": "` + strings.Repeat("x", maxSelected) + `"}`)
	if got, err := x.parameters(newInputs(map[string]string{"MessageBody": "$request.body.text"})); err == nil {
		t.Errorf("a path was looked for in a body of %d bytes: %.50v", len(x.body), got)
	}
	if got, err := x.parameters(newInputs(map[string]string{"MessageBody": "$request.body"})); err != nil || got["MessageBody"] != string(x.body) {
		t.Errorf("a whole body: %v", err)
	}
}

// FuzzParameters looks for clients that leave their place in a tree of JSON, and for
// texts that break the reader.
func FuzzParameters(f *testing.F) {
	f.Add("$request.body.a", `{"a": [1]}`)
	f.Add(`{"k": {"StringValue": "${request.body}"}}`, `"}, "evil": {`)
	f.Fuzz(func(t *testing.T, given, body string) {
		x := exchangeOf(body)
		for name := range map[string]bool{"MessageAttributes": true, "Resources": true, "Time": true, "Detail": true} {
			if _, err := x.parameters(newInputs(map[string]string{name: given})); err != nil {
				continue
			}
		}
		var plain, full map[string]any
		if json.Unmarshal([]byte(given), &plain) != nil {
			return
		}
		got, err := x.parameters(newInputs(map[string]string{"MessageAttributes": given}))
		if full, _ = got["MessageAttributes"].(map[string]any); err == nil && len(full) != len(plain) {
			t.Errorf("%q has %d attributes, not %d, by the body %q", given, len(full), len(plain), body)
		}
	})
}
