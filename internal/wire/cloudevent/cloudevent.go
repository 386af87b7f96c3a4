// Package cloudevent reads CloudEvents 1.0 from HTTP requests: in binary mode
// (attributes in headers), structured mode (one JSON object) and batches (a list
// of them).
//
// It promises that an Event has the attributes that the specification requires,
// in its forms; that data which says it is JSON is JSON; and that an Error tells
// the sender what is wrong, in a batch of which event. It neither knows what a
// type or an extension means nor looks at a dataschema.
//
// No goroutines, no locks. Start reading at Parse.
//
// https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md,
// bindings/http-protocol-binding.md and formats/json-format.md beside it.
package cloudevent

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"
)

// Media types of the structured modes.
const (
	Structured = "application/cloudevents+json"
	Batch      = "application/cloudevents-batch+json"
)

// MaxBatch is how many events a batch may have.
const MaxBatch = 100

// version is the specversion that is read.
const version = "1.0"

// Event is one event. Strings that an event does not have are empty; where the
// specification allows an attribute, it does not allow it to be empty.
type Event struct {
	ID, Source, Type string
	Time             time.Time // zero if it has none
	Subject          string
	DataContentType  string
	DataSchema       string
	Extensions       map[string]any // string, bool, or json.Number

	JSON   json.RawMessage // the data, if it is JSON
	Binary []byte          // the data, if it is anything else
}

// Error is what is wrong with a request.
type Error struct {
	Unsupported bool // a form that is not read here, rather than one that is broken
	Message     string
}

// Error is the message.
func (e *Error) Error() string { return e.Message }

func wrong(format string, args ...any) *Error { return &Error{Message: fmt.Sprintf(format, args...)} }

// Parse reads the events of a request.
func Parse(header http.Header, body []byte) ([]*Event, error) {
	kind := header.Get("Content-Type")
	media, _, err := mime.ParseMediaType(kind)
	if err != nil && kind != "" {
		return nil, wrong("The Content-Type %q cannot be read.", kind)
	}
	switch {
	case media == Structured:
		e, err := structured(body)
		if err != nil {
			return nil, err
		}
		return []*Event{e}, nil
	case media == Batch:
		return batch(body)
	case strings.HasPrefix(media, "application/cloudevents"):
		return nil, &Error{Unsupported: true, Message: fmt.Sprintf("Events come as %s, as %s or in binary mode; %s is not read.", Structured, Batch, media)}
	}
	e, err := binary(header, kind, body)
	if err != nil {
		return nil, err
	}
	return []*Event{e}, nil
}

func batch(body []byte) ([]*Event, error) {
	var list []json.RawMessage
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, wrong("The body of a batch must be a JSON list of events: %s.", err)
	}
	if len(list) > MaxBatch {
		return nil, wrong("The batch has %d events; it may have %d.", len(list), MaxBatch)
	}
	events := make([]*Event, len(list))
	for i, text := range list {
		var err error
		if events[i], err = structured(text); err != nil {
			return nil, wrong("Event %d of the batch: %s", i+1, err)
		}
	}
	return events, nil
}

// structured reads the JSON format.
func structured(body []byte) (*Event, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return nil, wrong("The event must be a JSON object: %s.", err)
	}
	if members == nil {
		return nil, wrong("The event must be a JSON object.")
	}
	if !utf8.Valid(body) {
		return nil, wrong("The event is not valid UTF-8.")
	}
	data, encoded := members["data"], members["data_base64"]
	delete(members, "data")
	delete(members, "data_base64")
	attributes := make(map[string]any, len(members))
	for name, text := range members {
		value, err := scalar(name, text)
		if err != nil {
			return nil, err
		}
		if value != nil { // null means that it is not there
			attributes[name] = value
		}
	}
	e, err := made(attributes)
	switch {
	case err != nil:
		return nil, err
	case data != nil && encoded != nil:
		return nil, wrong("The event has both data and data_base64.")
	case encoded != nil:
		var text string
		if err := json.Unmarshal(encoded, &text); err != nil {
			return nil, wrong("data_base64 must be a string.")
		}
		bytes, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, wrong("data_base64 is not base64.")
		}
		return e, e.take(bytes)
	}
	e.JSON = data
	return e, nil
}

// scalar reads the value of an attribute.
func scalar(name string, text json.RawMessage) (any, error) {
	var value any
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		return nil, wrong("The attribute %s cannot be read.", name)
	}
	switch v := value.(type) {
	case nil, string, bool:
		return value, nil
	case json.Number:
		if strings.ContainsAny(v.String(), ".eE") {
			return nil, wrong("The attribute %s is not a whole number.", name)
		}
		return v, nil
	}
	return nil, wrong("The attribute %s must be a string, a whole number or a boolean.", name)
}

// headerPrefix begins the headers of attributes in binary mode.
const headerPrefix = "Ce-"

// binary reads the attributes from the headers; the body is the data.
func binary(header http.Header, contentType string, body []byte) (*Event, error) {
	attributes := map[string]any{}
	for name, values := range header {
		if !strings.HasPrefix(name, headerPrefix) {
			continue
		}
		name = strings.ToLower(name[len(headerPrefix):])
		if len(values) > 1 {
			return nil, wrong("The header ce-%s comes %d times.", name, len(values))
		}
		value, err := unescape(values[0])
		if err != nil {
			return nil, wrong("The header ce-%s cannot be decoded.", name)
		}
		attributes[name] = value
	}
	if len(attributes) == 0 {
		return nil, wrong("The request is no CloudEvent: it has neither the Content-Type %s or %s nor the header ce-specversion.", Structured, Batch)
	}
	if attributes["datacontenttype"] != nil {
		return nil, wrong("In binary mode Content-Type is the datacontenttype; there is no header for it.")
	}
	if contentType != "" {
		attributes["datacontenttype"] = contentType
	}
	e, err := made(attributes)
	if err != nil {
		return nil, err
	}
	return e, e.take(body)
}

// unescape undoes what the HTTP binding does to values in headers (3.1.3.2): a
// quoted string, which older senders write, then percent-encoding.
func unescape(value string) (string, error) {
	if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
		var plain strings.Builder
		for i := 1; i < len(value)-1; i++ {
			if value[i] == '\\' && i+1 < len(value)-1 {
				i++
			}
			plain.WriteByte(value[i])
		}
		value = plain.String()
	}
	value, err := url.PathUnescape(value)
	if err == nil && !utf8.ValidString(value) {
		err = wrong("not UTF-8")
	}
	return value, err
}

// made is the event of these attributes.
func made(attributes map[string]any) (*Event, error) {
	e := &Event{}
	var specVersion, at string
	known := []struct {
		name     string
		into     *string
		required bool
	}{
		{"specversion", &specVersion, true}, {"id", &e.ID, true}, {"source", &e.Source, true}, {"type", &e.Type, true},
		{"time", &at, false}, {"subject", &e.Subject, false}, {"datacontenttype", &e.DataContentType, false}, {"dataschema", &e.DataSchema, false},
	}
	for _, k := range known {
		value, found := attributes[k.name]
		if !found && !k.required {
			continue
		}
		if *k.into, _ = value.(string); *k.into == "" {
			return nil, wrong("The attribute %s must be a string that is not empty.", k.name)
		}
		delete(attributes, k.name)
	}
	if specVersion != version {
		return nil, &Error{Unsupported: true, Message: fmt.Sprintf("The specversion %q is not read; %s is.", specVersion, version)}
	}
	for name := range attributes {
		if !isName(name) {
			return nil, wrong("The name of the attribute %q must consist of lower-case letters and digits.", name)
		}
	}
	if len(attributes) > 0 {
		e.Extensions = attributes
	}
	if at != "" {
		var err error
		if e.Time, err = time.Parse(time.RFC3339, at); err != nil {
			return nil, wrong("The time %q is not in the form of RFC 3339.", at)
		}
	}
	return e, nil
}

func isName(name string) bool {
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

// take makes bytes the data, as what the datacontenttype says that they are.
func (e *Event) take(data []byte) error {
	media, _, err := mime.ParseMediaType(e.DataContentType)
	switch {
	case len(data) == 0:
	case err == nil && (media == "application/json" || media == "text/json" || strings.HasSuffix(media, "+json")):
		if !json.Valid(data) || !utf8.Valid(data) {
			return wrong("The data is not the JSON that its content type %s says.", e.DataContentType)
		}
		e.JSON = data
	case err == nil && strings.HasPrefix(media, "text/") && utf8.Valid(data):
		e.JSON, err = json.Marshal(string(data))
		return err
	default:
		e.Binary = data
	}
	return nil
}
