package cloudevent

import (
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"
)

// binaryMode is the head of an event in binary mode, with changes: name, value.
func binaryMode(changes ...string) http.Header {
	h := http.Header{}
	for i, list := 0, append([]string{"ce-specversion", "1.0", "ce-id", "A-1", "ce-source", "/shop", "ce-type", "com.example.order"}, changes...); i < len(list); i += 2 {
		if h.Set(list[i], list[i+1]); list[i+1] == "" {
			h.Del(list[i])
		}
	}
	return h
}

func typed(media string) http.Header { return http.Header{"Content-Type": {media}} }

// The forms of the specification: HTTP binding 3.1 to 3.3, JSON format 2 to 4.
func TestEveryModeIsRead(t *testing.T) {
	plain := Event{ID: "A-1", Source: "/shop", Type: "com.example.order"}
	with := func(change func(*Event)) []*Event {
		e := plain
		change(&e)
		return []*Event{&e}
	}
	const head = `"specversion":"1.0","id":"A-1","source":"/shop","type":"com.example.order"`
	for name, test := range map[string]struct {
		header http.Header
		body   string
		want   []*Event
	}{
		"binary, JSON": {binaryMode("Content-Type", "application/json; charset=utf-8", "ce-time", "2026-11-28T07:00:00.5Z", "ce-subject", "order/1", "ce-dataschema", "https://example.com/s", "ce-tenant", "a"), `{"total":1}`,
			with(func(e *Event) {
				e.JSON, e.DataContentType, e.Time = json.RawMessage(`{"total":1}`), "application/json; charset=utf-8", time.Date(2026, 11, 28, 7, 0, 0, 5e8, time.UTC)
				e.Subject, e.DataSchema, e.Extensions = "order/1", "https://example.com/s", map[string]any{"tenant": "a"}
			})},
		"binary, JSON by suffix": {binaryMode("Content-Type", "application/x+json"), `[1]`, with(func(e *Event) { e.JSON, e.DataContentType = json.RawMessage(`[1]`), "application/x+json" })},
		"binary, text":           {binaryMode("Content-Type", "text/plain"), `say "hi"`, with(func(e *Event) { e.JSON, e.DataContentType = json.RawMessage(`"say \"hi\""`), "text/plain" })},
		"binary, bytes":          {binaryMode("Content-Type", "image/png"), "\x89P", with(func(e *Event) { e.Binary, e.DataContentType = []byte("\x89P"), "image/png" })},
		"binary, no type":        {binaryMode(), "{}", with(func(e *Event) { e.Binary = []byte("{}") })},
		"binary, no data":        {binaryMode(), "", with(func(*Event) {})},
		// HTTP binding 3.1.3.2: its own example of percent-encoding, and a quoted string.
		"binary, encoded": {binaryMode("ce-subject", "Euro%20%E2%82%AC%20%F0%9F%98%80", "ce-tenant", `"a \"b\" %25"`), "",
			with(func(e *Event) { e.Subject, e.Extensions = "Euro € 😀", map[string]any{"tenant": `a "b" %`} })},
		"structured": {typed(Structured + "; charset=UTF-8"), `{` + head + `,"data":{"total":1},"flag":true,"number":-5,"nothing":null,"subject":null}`,
			with(func(e *Event) {
				e.JSON, e.Extensions = json.RawMessage(`{"total":1}`), map[string]any{"flag": true, "number": json.Number("-5")}
			})},
		"structured, base64":      {typed(Structured), `{` + head + `,"data_base64":"iVA="}`, with(func(e *Event) { e.Binary = []byte("\x89P") })},
		"structured, base64 JSON": {typed(Structured), `{` + head + `,"datacontenttype":"text/json","data_base64":"WzFd"}`, with(func(e *Event) { e.JSON, e.DataContentType = json.RawMessage(`[1]`), "text/json" })},
		"structured, text":        {typed(Structured), `{` + head + `,"datacontenttype":"text/xml","data":"<a/>"}`, with(func(e *Event) { e.JSON, e.DataContentType = json.RawMessage(`"<a/>"`), "text/xml" })},
		"batch":                   {typed(Batch), `[{` + head + `},{` + head + `}]`, []*Event{&plain, &plain}},
		"empty batch":             {typed(Batch), `[]`, []*Event{}},
	} {
		got, err := Parse(test.header, []byte(test.body))
		if err != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %v\ngot  %+v\nwant %+v", name, err, got, test.want)
		}
	}
}

func TestRefusalsSayWhatIsWrong(t *testing.T) {
	const head = `"specversion":"1.0","id":"A-1","source":"/shop","type":"t"`
	for name, test := range map[string]struct {
		header      http.Header
		body, want  string
		unsupported bool
	}{
		"no event":             {typed("application/json"), `{}`, "The request is no CloudEvent", false},
		"another format":       {typed("application/cloudevents+avro"), `x`, "application/cloudevents+avro is not read", true},
		"another version":      {binaryMode("ce-specversion", "0.3"), "", `The specversion "0.3" is not read; 1.0 is.`, true},
		"no version":           {binaryMode("ce-specversion", ""), "", "The attribute specversion must be a string that is not empty.", false},
		"no id":                {binaryMode("ce-id", ""), "", "The attribute id must be", false},
		"no type":              {typed(Structured), `{"specversion":"1.0","id":"A-1","source":"/shop"}`, "The attribute type must be", false},
		"empty subject":        {typed(Structured), `{` + head + `,"subject":""}`, "The attribute subject must be", false},
		"id is a number":       {typed(Structured), `{"specversion":"1.0","id":1,"source":"/shop","type":"t"}`, "The attribute id must be", false},
		"bad time":             {binaryMode("ce-time", "yesterday"), "", `The time "yesterday" is not in the form of RFC 3339.`, false},
		"bad escape":           {binaryMode("ce-subject", "%zz"), "", "The header ce-subject cannot be decoded.", false},
		"not UTF-8":            {binaryMode("ce-subject", "%ff"), "", "The header ce-subject cannot be decoded.", false},
		"two ids":              {http.Header{"Ce-Id": {"a", "b"}}, "", "The header ce-id comes 2 times.", false},
		"data type by header":  {binaryMode("ce-datacontenttype", "text/plain"), "", "In binary mode Content-Type is the datacontenttype", false},
		"data is no JSON":      {binaryMode("Content-Type", "application/json"), `{`, "The data is not the JSON", false},
		"bad content type":     {binaryMode("Content-Type", ";"), ``, `The Content-Type ";" cannot be read.`, false},
		"body is a list":       {typed(Structured), `[]`, "The event must be a JSON object", false},
		"body is null":         {typed(Structured), `null`, "The event must be a JSON object.", false},
		"upper-case extension": {typed(Structured), `{` + head + `,"Tenant":"a"}`, `The name of the attribute "Tenant" must consist`, false},
		"extension is a list":  {typed(Structured), `{` + head + `,"tenant":[]}`, "The attribute tenant must be a string, a whole number or a boolean.", false},
		"extension is half":    {typed(Structured), `{` + head + `,"tenant":0.5}`, "The attribute tenant is not a whole number.", false},
		"both data":            {typed(Structured), `{` + head + `,"data":1,"data_base64":"AA=="}`, "The event has both data and data_base64.", false},
		"bad base64":           {typed(Structured), `{` + head + `,"data_base64":"?"}`, "data_base64 is not base64.", false},
		"batch of one object":  {typed(Batch), `{}`, "The body of a batch must be a JSON list", false},
		"second of a batch":    {typed(Batch), `[{` + head + `},{}]`, "Event 2 of the batch: The attribute specversion", false},
		"long batch":           {typed(Batch), "[" + strings.Repeat("{},", MaxBatch) + "{}]", "The batch has 101 events; it may have 100.", false},
	} {
		_, err := Parse(test.header, []byte(test.body))
		var refused *Error
		if !errors.As(err, &refused) || !strings.HasPrefix(refused.Message, test.want) && !strings.Contains(refused.Message, test.want) || refused.Unsupported != test.unsupported {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzParse looks for input that breaks what Parse promises of events.
func FuzzParse(f *testing.F) {
	f.Add(Structured, "", `{"specversion":"1.0","id":"A-1","source":"/shop","type":"t","data":{"a":1}}`)
	f.Add(Batch, "", `[{"specversion":"1.0","id":"A-1","source":"/shop","type":"t","data_base64":"AA=="}]`)
	f.Add("application/json", "order%20%E2%82%AC", `{"a":1}`)
	f.Add("text/plain", `"a \"b\""`, "\xff")
	f.Fuzz(func(t *testing.T, media, subject, body string) {
		events, err := Parse(binaryMode("Content-Type", media, "ce-subject", subject), []byte(body))
		var refused *Error
		if err != nil && !errors.As(err, &refused) {
			t.Fatalf("%v is no refusal", err)
		}
		for _, e := range events {
			if e.ID == "" || e.Source == "" || e.Type == "" || e.JSON != nil && !json.Valid(e.JSON) || e.JSON != nil && e.Binary != nil {
				t.Fatalf("%+v", e)
			}
			if _, err := json.Marshal(e.Extensions); err != nil {
				t.Fatal(err)
			}
		}
	})
}
