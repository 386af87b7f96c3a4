package xmlvalue

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/wire/shape"
	"github.com/lambkin-dev/lambkin/internal/wire/textvalue"
)

// Declaration begins every document that AWS sends.
const Declaration = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"

// Encoder writes one document. The zero value with Model set is ready.
type Encoder struct {
	Model *shape.Service
	out   bytes.Buffer
}

// Bytes is what was written so far.
func (e *Encoder) Bytes() []byte { return e.out.Bytes() }

// Raw writes text as it is.
func (e *Encoder) Raw(text string) { e.out.WriteString(text) }

// Open writes a start tag; an empty namespace is left out.
func (e *Encoder) Open(name, namespace string) {
	e.out.WriteByte('<')
	e.out.WriteString(name)
	if namespace != "" {
		e.attribute("xmlns", namespace)
	}
	e.out.WriteByte('>')
}

// Close writes an end tag.
func (e *Encoder) Close(name string) {
	e.out.WriteString("</")
	e.out.WriteString(name)
	e.out.WriteByte('>')
}

// Element writes an element with text.
func (e *Encoder) Element(name, text string) {
	e.Open(name, "")
	e.text(text)
	e.Close(name)
}

func (e *Encoder) text(text string) { xml.EscapeText(&e.out, []byte(text)) } // a Buffer never fails

func (e *Encoder) attribute(name, value string) {
	e.out.WriteByte(' ')
	e.out.WriteString(name)
	e.out.WriteString(`="`)
	e.text(value)
	e.out.WriteByte('"')
}

// Members writes the members of the struct v, without an element around them;
// with bodyOnly those that travel elsewhere in HTTP are left out.
func (e *Encoder) Members(s shape.Index, v reflect.Value, bodyOnly bool) {
	sh := &e.Model.Shapes[s]
	for i := range sh.Members {
		m := &sh.Members[i]
		if m.Attribute || bodyOnly && m.Location != shape.Body || absent(v.Field(i)) {
			continue
		}
		e.Member(m, v.Field(i))
	}
}

// Member writes one present member with its element.
func (e *Encoder) Member(m *shape.Member, v reflect.Value) {
	sh := &e.Model.Shapes[m.Shape]
	if !flattened(sh, m) {
		e.Value(m, m.WireName(), v)
		return
	}
	if sh.Kind == shape.List {
		for i := range v.Len() {
			e.Value(sh.Elem, flatName(sh, m), v.Index(i))
		}
		return
	}
	e.entries(sh, m.WireName(), v)
}

// Value writes v as an element of that name.
func (e *Encoder) Value(m *shape.Member, name string, v reflect.Value) {
	sh := &e.Model.Shapes[m.Shape]
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			e.Open(name, "")
			e.Close(name)
			return
		}
		v = v.Elem()
	}
	e.start(m, sh, name, v)
	switch sh.Kind {
	case shape.Structure:
		e.Members(m.Shape, v, false)
	case shape.List:
		inner := sh.Elem.Wire
		if inner == "" {
			inner = "member"
		}
		for i := range v.Len() {
			e.Value(sh.Elem, inner, v.Index(i))
		}
	case shape.Map:
		e.entries(sh, "entry", v)
	default:
		e.text(string(textvalue.Append(nil, v, e.Model.TimeFormat(m, shape.ISO8601))))
	}
	e.Close(name)
}

// Document writes the struct v of shape s as a root element, without the
// members that travel elsewhere in HTTP.
func (e *Encoder) Document(s shape.Index, name, namespace string, v reflect.Value) {
	e.start(&shape.Member{Namespace: namespace}, &e.Model.Shapes[s], name, v)
	e.Members(s, v, true)
	e.Close(name)
}

// start writes the start tag with the namespace and the attribute members.
func (e *Encoder) start(m *shape.Member, sh *shape.Shape, name string, v reflect.Value) {
	e.out.WriteByte('<')
	e.out.WriteString(name)
	if m.Namespace != "" {
		attribute := "xmlns"
		if m.Prefix != "" {
			attribute += ":" + m.Prefix
		}
		e.attribute(attribute, m.Namespace)
	}
	if sh.Kind == shape.Structure {
		for i := range sh.Members {
			if a := &sh.Members[i]; a.Attribute && !absent(v.Field(i)) {
				e.attribute(a.WireName(), string(textvalue.Append(nil, v.Field(i), shape.ISO8601)))
			}
		}
	}
	e.out.WriteByte('>')
}

// entries writes a map sorted by key, so that equal values give equal text.
func (e *Encoder) entries(sh *shape.Shape, name string, v reflect.Value) {
	values := map[string]reflect.Value{}
	for iterator := v.MapRange(); iterator.Next(); {
		values[iterator.Key().String()] = iterator.Value()
	}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		e.Open(name, "")
		e.Element(mapName(sh.Key, "key"), key)
		e.Value(sh.Elem, mapName(sh.Elem, "value"), values[key])
		e.Close(name)
	}
}

// absent tells whether the field has no value.
func absent(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface, reflect.Func:
		return v.IsNil()
	}
	return false
}

// Fault writes the Error element that the query and rest-xml protocols share.
func (e *Encoder) Fault(f *fault.Fault) {
	kind := "Receiver"
	if f.Sender {
		kind = "Sender"
	}
	e.Open("Error", "")
	e.Element("Type", kind)
	e.faultMembers(f)
	e.Close("Error")
}

// BareFault writes the Error element of S3, which stands alone.
func (e *Encoder) BareFault(f *fault.Fault, requestID, hostID string) {
	e.Open("Error", "")
	e.faultMembers(f)
	e.Element("RequestId", requestID)
	e.Element("HostId", hostID)
	e.Close("Error")
}

func (e *Encoder) faultMembers(f *fault.Fault) {
	var exception *shape.Shape
	if e.Model != nil {
		exception = e.Model.Exception(f.Code)
	}
	e.Element("Code", cmp.Or(f.QueryCode, f.Code))
	if f.Message != "" || f.MessageMember != "" || exception == nil {
		e.Element("Message", f.Message)
	}
	for _, name := range slices.Sorted(maps.Keys(f.Detail)) {
		m, v := exception.Detail(name), reflect.ValueOf(f.Detail[name])
		switch {
		case m != nil && m.Location != shape.Body:
		case m != nil && v.IsValid() && e.Model.Fits(m, v.Type()):
			e.Member(m, v)
		default:
			e.Element(name, fmt.Sprint(f.Detail[name]))
		}
	}
}
