// Package jsonvalue turns JSON text into the generated Go structs and back,
// guided by a shape table. It serves the rest-json and json 1.0/1.1 protocols
// and knows no service and no HTTP.
//
// Decoding is bounded: nesting by MaxDepth, collection elements of one document
// by MaxElements, everything else by the length of the text, which the caller
// bounds. Unknown members are skipped, null is absence, wrong types are an
// *Error with AWS's text for a SerializationException. Encoding appends to a
// byte slice, writes members in model order and leaves out absent ones.
//
// No goroutines, no locks. Start reading at Decode and Append.
package jsonvalue

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"reflect"
	"strconv"
	"time"

	"github.com/lambkin-dev/lambkin/internal/wire/shape"
)

// Bounds of a decoded document.
const (
	MaxDepth    = 200     // nesting; DynamoDB's 32 levels of item are about 100 of JSON
	MaxElements = 500_000 // elements of all lists and maps: `[{},{},…` costs us a struct each
)

// Error is a document that does not fit the shape. Message is AWS's text for a
// SerializationException; it is empty where AWS sends none (malformed JSON).
// AWS: recorded by kinesalite's and others' comparisons with the real services.
type Error struct {
	Message string
	Detail  string // what is wrong with malformed JSON, for our own logs and tests
}

func (e *Error) Error() string {
	if e.Message != "" {
		return e.Message
	}
	return "malformed JSON: " + e.Detail
}

const (
	textList   = "Start of list found where not expected"
	textObject = "Start of structure or map found where not expected."
)

// Decode reads one JSON document into the struct that into points to; s is the
// structure shape of that struct. The empty text and null leave it as it is.
// The error is always an *Error.
func Decode(model *shape.Service, s shape.Index, data []byte, into any) error {
	d := decoder{model: model, data: data}
	return d.document(func() error { return d.structure(s, reflect.ValueOf(into).Elem(), false) })
}

// DecodeBody is Decode for the body of a rest protocol: members that travel
// elsewhere in HTTP are treated as unknown.
func DecodeBody(model *shape.Service, s shape.Index, data []byte, into any) error {
	d := decoder{model: model, data: data}
	return d.document(func() error { return d.structure(s, reflect.ValueOf(into).Elem(), true) })
}

// DecodeMember reads one JSON document into v, which must be settable and of
// the Go type of member m (the payload of a rest-json request).
func DecodeMember(model *shape.Service, m *shape.Member, data []byte, v reflect.Value) error {
	d := decoder{model: model, data: data}
	return d.document(func() error { return d.value(m, v) })
}

type decoder struct {
	scanner
	model    *shape.Service
	data     []byte
	elements int
}

// document runs read on the only value of the text.
func (d *decoder) document(read func() error) error {
	d.scanner.data = d.data
	d.space()
	if d.pos == len(d.data) {
		return nil
	}
	if !d.null() {
		if err := read(); err != nil {
			return err
		}
	}
	d.space()
	if d.pos != len(d.data) {
		return d.malformed("text after the document")
	}
	return nil
}

// mismatch is the error for the value at pos where want (a Coral type name with
// its article) was expected.
func (d *decoder) mismatch(want string) error {
	switch c := d.peek(); {
	case c == '[':
		return &Error{Message: textList}
	case c == '{':
		return &Error{Message: textObject}
	case c == '"':
		return &Error{Message: "STRING_VALUE can not be converted to " + want}
	case c == 't':
		return &Error{Message: "TRUE_VALUE can not be converted to " + want}
	case c == 'f':
		return &Error{Message: "FALSE_VALUE can not be converted to " + want}
	case c == '-' || c >= '0' && c <= '9':
		return &Error{Message: "NUMBER_VALUE can not be converted to " + want}
	}
	return d.malformed("no JSON value")
}

// container checks that the value at pos begins with open; otherwise it is
// AWS's error for scalars (want) or for the other container.
func (d *decoder) container(open byte, want string) error {
	switch c := d.peek(); {
	case c == open:
		return d.enter()
	case c == '[':
		return &Error{Message: textList}
	case c == '{':
		return &Error{Message: textObject}
	case c == '"', c == 't', c == 'f', c == '-', c >= '0' && c <= '9':
		return &Error{Message: want}
	}
	return d.malformed("no JSON value")
}

// element counts one element of a collection.
func (d *decoder) element() error {
	if d.elements++; d.elements > MaxElements {
		return &Error{Message: "Request has more than " + strconv.Itoa(MaxElements) + " elements"}
	}
	return nil
}

// structure reads an object into v, the struct of shape s.
func (d *decoder) structure(s shape.Index, v reflect.Value, bodyOnly bool) error {
	if err := d.container('{', "Expected null"); err != nil {
		return err
	}
	sh := &d.model.Shapes[s]
	set := 0
	for first := true; ; first = false {
		key, more, err := d.key(first)
		if err != nil || !more {
			return err
		}
		i := memberByWire(sh, key, bodyOnly)
		if i < 0 {
			if err := d.skip(); err != nil {
				return err
			}
			continue
		}
		field := v.Field(i)
		if d.null() {
			field.SetZero()
			continue
		}
		if set++; sh.Union && set > 1 {
			return &Error{Message: "Union must have exactly one member set"}
		}
		if err := d.value(&sh.Members[i], field); err != nil {
			return err
		}
	}
}

// memberByWire is the index of the member with that wire name, or -1.
func memberByWire(sh *shape.Shape, key []byte, bodyOnly bool) int {
	for i := range sh.Members {
		m := &sh.Members[i]
		name := m.Wire
		if name == "" {
			name = m.Name
		}
		if name == string(key) && (!bodyOnly || m.Location == shape.Body) {
			return i
		}
	}
	return -1
}

// value reads the value at pos, which is not null, into v.
func (d *decoder) value(m *shape.Member, v reflect.Value) error {
	if v.Kind() == reflect.Pointer {
		if err := d.pointer(m, v); err != nil {
			return err
		}
		return nil
	}
	switch d.model.Shapes[m.Shape].Kind {
	case shape.Structure:
		return d.structure(m.Shape, v, false)
	case shape.List:
		return d.list(m.Shape, v)
	case shape.Map:
		return d.mapping(m.Shape, v)
	}
	return d.scalar(m, v)
}

// pointer allocates what v points to and reads into it. Strings take a short
// way because they are most of every request.
func (d *decoder) pointer(m *shape.Member, v reflect.Value) error {
	if p, ok := v.Addr().Interface().(**string); ok {
		s, err := d.text(m)
		if err != nil {
			return err
		}
		*p = &s
		return nil
	}
	n := reflect.New(v.Type().Elem())
	if err := d.value(m, n.Elem()); err != nil {
		return err
	}
	v.Set(n)
	return nil
}

// text reads a string; that of a JSONValue member holds JSON text itself.
func (d *decoder) text(m *shape.Member) (string, error) {
	if d.peek() != '"' {
		return "", d.mismatch("a String")
	}
	s, err := d.string()
	if err != nil {
		return "", err
	}
	if m.JSONValue && !json.Valid(s) {
		return "", &Error{Message: "Could not parse the JSON text of member " + m.Name}
	}
	return string(s), nil
}

func (d *decoder) list(s shape.Index, v reflect.Value) error {
	if err := d.container('[', "Expected list or null"); err != nil {
		return err
	}
	sh := &d.model.Shapes[s]
	v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	for first := true; ; first = false {
		more, err := d.next(first, ']')
		if err != nil || !more {
			return err
		}
		if err := d.element(); err != nil {
			return err
		}
		null := d.null()
		if null && !sh.Sparse {
			continue // AWS: clients' vectors demand that null is skipped in dense lists
		}
		n := v.Len()
		v.Grow(1)
		v.SetLen(n + 1)
		v.Index(n).SetZero()
		if null {
			continue
		}
		if err := d.value(sh.Elem, v.Index(n)); err != nil {
			return err
		}
	}
}

func (d *decoder) mapping(s shape.Index, v reflect.Value) error {
	if err := d.container('{', "Expected map or null"); err != nil {
		return err
	}
	sh := &d.model.Shapes[s]
	v.Set(reflect.MakeMap(v.Type()))
	elem := reflect.New(v.Type().Elem()).Elem()
	for first := true; ; first = false {
		raw, more, err := d.key(first)
		if err != nil || !more {
			return err
		}
		key := reflect.ValueOf(string(raw)) // before the next string is read
		if err := d.element(); err != nil {
			return err
		}
		elem.SetZero()
		if d.null() {
			if sh.Sparse {
				v.SetMapIndex(key, elem)
			}
			continue
		}
		if err := d.value(sh.Elem, elem); err != nil {
			return err
		}
		v.SetMapIndex(key, elem)
	}
}

// scalar reads a value that is neither a container nor behind a pointer.
func (d *decoder) scalar(m *shape.Member, v reflect.Value) error {
	switch p := v.Addr().Interface().(type) {
	case *string:
		s, err := d.text(m)
		*p = s
		return err
	case *bool:
		return d.boolean(p)
	case *int32:
		n, err := d.integer("an Integer", 32)
		*p = int32(n)
		return err
	case *int64:
		n, err := d.integer("a Long", 64)
		*p = n
		return err
	case *float32:
		f, err := d.float("a Float", 32)
		*p = float32(f)
		return err
	case *float64:
		f, err := d.float("a Double", 64)
		*p = f
		return err
	case *[]byte:
		return d.blob(p)
	case *time.Time:
		return d.time(p)
	case *json.RawMessage:
		raw, err := d.raw()
		*p = append(json.RawMessage(nil), raw...)
		return err
	case *io.ReadCloser, *shape.EventStream:
		return &Error{Message: "A stream is not allowed in a JSON document"}
	}
	panic("jsonvalue: no codec for Go type " + v.Type().String())
}

func (d *decoder) boolean(p *bool) error {
	switch d.peek() {
	case 't':
		*p = true
		return d.literal("true")
	case 'f':
		*p = false
		return d.literal("false")
	}
	return d.mismatch("a Boolean")
}

// integer reads a whole number. AWS: a fraction is cut off (Coral's
// TruncatingBigNumber); what does not fit saturates, so that the constraint
// check complains about the value as it does there.
func (d *decoder) integer(want string, bits int) (int64, error) {
	if c := d.peek(); c != '-' && (c < '0' || c > '9') {
		return 0, d.mismatch(want)
	}
	text, err := d.number()
	if err != nil {
		return 0, err
	}
	lowest, highest := int64(-1)<<(bits-1), int64(1)<<(bits-1)-1
	if n, err := strconv.ParseInt(string(text), 10, 64); err == nil {
		return min(max(n, lowest), highest), nil
	}
	f, _ := strconv.ParseFloat(string(text), 64) // the grammar is checked; only ±Inf remains
	switch {
	case f <= float64(lowest):
		return lowest, nil
	case f >= float64(highest):
		return highest, nil
	}
	return int64(f), nil
}

func (d *decoder) float(want string, bits int) (float64, error) {
	if d.peek() == '"' {
		start := d.pos
		s, err := d.string()
		if err != nil {
			return 0, err
		}
		switch string(s) {
		case "NaN", "Infinity", "-Infinity":
			f, err := strconv.ParseFloat(string(s), bits)
			return f, err
		}
		d.pos = start
		return 0, d.mismatch(want)
	}
	if c := d.peek(); c != '-' && (c < '0' || c > '9') {
		return 0, d.mismatch(want)
	}
	text, err := d.number()
	if err != nil {
		return 0, err
	}
	f, _ := strconv.ParseFloat(string(text), bits) // ±Inf when out of range, as in Java
	return f, nil
}

func (d *decoder) blob(p *[]byte) error {
	if d.peek() != '"' {
		return d.mismatch("a Blob")
	}
	s, err := d.string()
	if err != nil {
		return err
	}
	out := make([]byte, base64.StdEncoding.DecodedLen(len(s)))
	n, err := base64.StdEncoding.Decode(out, s)
	if err != nil {
		// AWS adds the exact reason; only that of the length is recorded.
		if len(s)%4 != 0 {
			return &Error{Message: "'" + clip(s) + "' can not be converted to a Blob: Base64 encoded length is expected a multiple of 4 bytes but found: " + strconv.Itoa(len(s))}
		}
		return &Error{Message: "'" + clip(s) + "' can not be converted to a Blob: Invalid Base64 character"}
	}
	*p = out[:n:n]
	return nil
}

// maxEcho bounds how much of a wrong value an error message repeats.
const maxEcho = 256

func clip(s []byte) string {
	if len(s) > maxEcho {
		s = s[:maxEcho]
	}
	return string(s)
}

func (d *decoder) time(p *time.Time) error {
	var t time.Time
	var err error
	switch c := d.peek(); {
	case c == '"':
		s, serr := d.string()
		if serr != nil {
			return serr
		}
		if t, err = shape.ParseTime(string(s)); err != nil {
			return &Error{Message: "STRING_VALUE can not be converted to a Timestamp"}
		}
	case c == '-' || c >= '0' && c <= '9':
		text, nerr := d.number()
		if nerr != nil {
			return nerr
		}
		if t, err = shape.ParseTime(string(text)); err != nil {
			return &Error{Message: "NUMBER_VALUE can not be converted to a Timestamp"}
		}
	default:
		return d.mismatch("a Timestamp")
	}
	*p = t
	return nil
}
