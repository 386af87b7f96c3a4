package proxy

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/wire/intake"
)

// Form is which rules an answer keeps.
type Form int

// The forms.
const (
	URL  Form = iota // function URLs: payload 2.0
	V2               // HTTP APIs, payload 2.0
	V1               // HTTP APIs, payload 1.0
	REST             // REST APIs
)

// Answer is what a client gets.
type Answer struct {
	Status int
	Header http.Header // canonical names, valid values
	Body   []byte
	// Base64 tells that Body is still in base64, as the function gave it: REST APIs
	// decode it for some clients only. For the other forms Parse has decoded it.
	Base64 bool

	headBytes int // of what add took
}

// maxAnswerHead bounds the headers of an answer. AWS: documents 10,240 bytes, and not
// whether answers are meant too; what is larger than this many clients refuse.
const maxAnswerHead = 64 << 10

// ErrMalformed is the error of what is no answer. AWS: answers 502 (function
// URLs, REST APIs) or 500 (HTTP APIs), and names the reason only in its log.
var ErrMalformed = errors.New("malformed Lambda proxy response")

func malformed(format string, values ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, values...))
}

// response is what a function returns. Members that are not known are refused by
// REST APIs and ignored by the others.
type response struct {
	StatusCode        json.RawMessage            `json:"statusCode"`
	Headers           map[string]json.RawMessage `json:"headers"`
	MultiValueHeaders map[string]json.RawMessage `json:"multiValueHeaders"`
	Cookies           []string                   `json:"cookies"`
	Body              json.RawMessage            `json:"body"`
	IsBase64Encoded   bool                       `json:"isBase64Encoded"`
}

// Parse reads the payload of a function that did not fail.
//
// AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
// and https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
func Parse(form Form, payload []byte) (*Answer, error) {
	payload = bytes.TrimSpace(payload)
	if form == URL || form == V2 {
		if !hasStatus(payload) {
			return infer(payload)
		}
	}
	var r response
	if err := decode(form, payload, &r); err != nil {
		return nil, malformed("%v", err)
	}
	a := &Answer{Header: http.Header{}}
	var err error
	if a.Status, err = status(form, r.StatusCode); err != nil {
		return nil, err
	}
	if err := a.headers(form, &r); err != nil {
		return nil, err
	}
	if a.Body, err = body(form, r.Body); err != nil {
		return nil, err
	}
	a.Base64 = r.IsBase64Encoded
	if a.Base64 && form != REST {
		if err := a.Decode(); err != nil {
			return nil, err
		}
	}
	if a.Header.Get("Content-Type") == "" {
		a.Header.Set("Content-Type", defaultType(form))
	}
	return a, nil
}

// defaultType is the Content-Type of an answer that names none.
func defaultType(form Form) string {
	if form == V2 || form == V1 {
		return "text/plain;charset=UTF-8"
	}
	return "application/json"
}

// hasStatus tells whether a payload is an object with a statusCode.
func hasStatus(payload []byte) bool {
	if len(payload) == 0 || payload[0] != '{' {
		return false
	}
	var r struct {
		StatusCode json.RawMessage `json:"statusCode"`
	}
	// What is no JSON is found by infer.
	return json.Unmarshal(payload, &r) == nil && r.StatusCode != nil
}

// infer makes an answer of any JSON. AWS: a text comes without its quotes.
func infer(payload []byte) (*Answer, error) {
	a := &Answer{Status: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}}
	var text string
	if len(payload) > 0 && payload[0] == '"' && json.Unmarshal(payload, &text) == nil {
		a.Body = []byte(text)
		return a, nil
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, payload); err != nil {
		return nil, malformed("it is no JSON")
	}
	a.Body = compact.Bytes()
	return a, nil
}

func decode(form Form, payload []byte, into *response) error {
	if len(payload) == 0 || payload[0] != '{' {
		return errors.New("it is no object")
	}
	d := json.NewDecoder(bytes.NewReader(payload))
	if form == REST {
		d.DisallowUnknownFields()
	}
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the object")
	}
	if form == REST && into.Cookies != nil {
		return errors.New("REST APIs know no cookies")
	}
	return nil
}

// Bounds of a status. One below 200 would not end the request.
const minStatus, maxStatus = 200, 599

// status reads a number, or a text that is one.
func status(form Form, raw json.RawMessage) (int, error) {
	if raw == nil || string(raw) == "null" {
		if form == V1 || form == REST {
			return http.StatusOK, nil // AWS: the default
		}
	}
	number, err := strconv.Atoi(strings.Trim(string(raw), `"`))
	if err != nil || number < minStatus || number > maxStatus {
		return 0, malformed("status %.20s", raw)
	}
	return number, nil
}

// headers reads headers, multiValueHeaders and cookies.
func (a *Answer) headers(form Form, r *response) error {
	for _, name := range sortedNames(r.Headers) {
		value, ok, err := scalar(r.Headers[name])
		if err != nil {
			return malformed("header %.80q: %v", name, err)
		}
		if !ok {
			continue
		}
		if err := a.add(form, name, value); err != nil {
			return err
		}
	}
	if form == V1 || form == REST {
		for _, name := range sortedNames(r.MultiValueHeaders) {
			if err := a.addAll(form, name, r.MultiValueHeaders[name]); err != nil {
				return err
			}
		}
		return nil
	}
	for _, cookie := range r.Cookies {
		if err := a.add(form, "Set-Cookie", cookie); err != nil {
			return err
		}
	}
	return nil
}

// addAll sets a header of multiValueHeaders. AWS: it counts more than the same
// name in headers.
func (a *Answer) addAll(form Form, name string, raw json.RawMessage) error {
	var list []json.RawMessage
	if string(raw) == "null" {
		return nil
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return malformed("multiValueHeaders %.80q is no list", name)
	}
	if to, keep := rename(form, name); keep {
		a.Header.Del(to)
	}
	for _, item := range list {
		value, ok, err := scalar(item)
		if err != nil {
			return malformed("header %.80q: %v", name, err)
		}
		if ok {
			if err := a.add(form, name, value); err != nil {
				return err
			}
		}
	}
	return nil
}

// scalar reads a text, number or boolean; false for null.
func scalar(raw json.RawMessage) (string, bool, error) {
	var value any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&value); err != nil {
		return "", false, err
	}
	switch v := value.(type) {
	case nil:
		return "", false, nil
	case string:
		return v, true, nil
	case json.Number:
		return v.String(), true, nil
	case bool:
		return strconv.FormatBool(v), true, nil
	}
	return "", false, errors.New("a value is no text")
}

// Add appends a header of what an integration answered, if clients may see it.
func (a *Answer) Add(form Form, name, value string) error { return a.add(form, name, value) }

// add appends a header that clients may see. What would end the header, or the
// answer, is refused.
func (a *Answer) add(form Form, name, value string) error {
	name, keep := rename(form, name)
	if !keep {
		return nil
	}
	if !validName(name) || !validValue(value) {
		return malformed("header %.80q has characters that no header may have", name)
	}
	if a.headBytes += len(name) + len(value); a.headBytes > maxAnswerHead {
		return malformed("its headers are larger than %d bytes", maxAnswerHead)
	}
	a.Header.Add(name, value)
	return nil
}

// body reads the member body.
func body(form Form, raw json.RawMessage) ([]byte, error) {
	if raw == nil || string(raw) == "null" {
		return nil, nil
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return []byte(text), nil
	}
	// AWS: REST APIs and function URLs want a text.
	return nil, malformed("the body is no text")
}

// Decode undoes the base64 of a body.
func (a *Answer) Decode() error {
	if !a.Base64 {
		return nil
	}
	plain, err := base64.StdEncoding.DecodeString(string(a.Body))
	if err != nil {
		return malformed("the body is no base64")
	}
	a.Body, a.Base64 = plain, false
	return nil
}

// Write sends the answer.
func (a *Answer) Write(w http.ResponseWriter) {
	h := w.Header()
	for name, values := range a.Header {
		h[name] = append(h[name], values...)
	}
	if a.Status != http.StatusNoContent && a.Status != http.StatusNotModified {
		h.Set("Content-Length", strconv.Itoa(len(a.Body)))
	}
	w.WriteHeader(a.Status)
	// A client that does not wait for the answer needs none.
	_ = intake.Send(w, a.Body)
}

func base64Text(data []byte) string { return base64.StdEncoding.EncodeToString(data) }
