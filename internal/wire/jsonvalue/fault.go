package jsonvalue

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"reflect"
	"slices"

	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/wire/shape"
)

// Fault makes the SerializationException of a document that does not fit.
//
// AWS: the message member of this error has a capital letter and is missing
// where the text is no JSON at all (recorded for Kinesis and DynamoDB).
func Fault(err error) *fault.Fault {
	f := &fault.Fault{Code: "SerializationException", Status: http.StatusBadRequest, Sender: true, MessageMember: "Message"}
	var mine *Error
	if errors.As(err, &mine) {
		f.Message = mine.Message
	} else {
		f.Message = err.Error()
	}
	return f
}

// AppendFault writes the body of an error: typeMember with the error's code
// (left out when typeMember is empty), the message and the details that the
// model, or nobody, places in the body. Detail members that are headers are the
// caller's.
//
// AWS: the members are in the order of their names, capitals first (recorded:
// `{"Message":…,"Type":"User"}` and `{"Reason":…,"Type":"User","message":…}`).
func AppendFault(dst []byte, model *shape.Service, f *fault.Fault, typeMember string) []byte {
	var exception *shape.Shape
	if model != nil {
		exception = model.Exception(f.Code)
	}
	values := make(map[string]any, len(f.Detail)+2)
	maps.Copy(values, f.Detail)
	if _, set := values["Type"]; !set && exception.Detail("Type") != nil { // Lambda's exceptions have it
		values["Type"] = "Service"
		if f.Sender {
			values["Type"] = "User"
		}
	}
	if f.Message != "" || f.MessageMember != "" && exception != nil {
		name := f.MessageMember
		if name == "" {
			name = "message"
		}
		values[name] = f.Message
	}
	dst = append(dst, '{')
	open := len(dst)
	if typeMember != "" {
		dst = append(AppendString(dst, typeMember), ':')
		dst = AppendString(dst, f.Code)
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		m := exception.Detail(name)
		if m != nil && m.Location != shape.Body {
			continue
		}
		if len(dst) > open {
			dst = append(dst, ',')
		}
		dst = append(AppendString(dst, name), ':')
		dst = appendDetail(dst, model, m, values[name])
	}
	return append(dst, '}')
}

// appendDetail writes a detail by its shape when the Go type is that of the
// shape, else as encoding/json does.
func appendDetail(dst []byte, model *shape.Service, m *shape.Member, value any) []byte {
	v := reflect.ValueOf(value)
	if m != nil && v.IsValid() && model.Fits(m, v.Type()) {
		return AppendMember(dst, model, m, v)
	}
	if text, ok := value.(string); ok {
		return AppendString(dst, text)
	}
	text, err := json.Marshal(value)
	if err != nil {
		return append(dst, "null"...)
	}
	return append(dst, text...)
}
