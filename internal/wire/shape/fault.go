package shape

import (
	"fmt"
	"reflect"

	"github.com/lambkin-dev/lambkin/internal/base/fault"
)

// Errorf makes the Fault of an exception shape: wire codes, status, sender and
// the spelling of the message member come from the model. The generated error
// constructors call it; a shape that is no exception panics.
func Errorf(s *Shape, format string, args ...any) *fault.Fault {
	return &fault.Fault{
		Code:          s.Name,
		QueryCode:     s.Error.Code,
		Message:       fmt.Sprintf(format, args...),
		MessageMember: s.Error.MessageMember,
		Status:        s.Error.Status,
		Sender:        s.Error.Sender,
	}
}

// Detail is the member of an exception that has that name or wire name; nil when
// there is none or no exception.
func (s *Shape) Detail(name string) *Member {
	if s == nil {
		return nil
	}
	for i := range s.Members {
		if m := &s.Members[i]; m.WireName() == name || m.Name == name {
			return m
		}
	}
	return nil
}

// Fits tells whether a codec can write values of that Go type as member m: the
// details of a fault have whatever type the service gave them.
func (s *Service) Fits(m *Member, t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch sh := &s.Shapes[m.Shape]; sh.Kind {
	case Structure:
		return t.Kind() == reflect.Struct && t.NumField() == len(sh.Members)
	case List:
		return t.Kind() == reflect.Slice && s.Fits(sh.Elem, t.Elem())
	case Map:
		return t.Kind() == reflect.Map && t.Key().Kind() == reflect.String && s.Fits(sh.Elem, t.Elem())
	case Timestamp, Blob, Document:
		return false // only inside lists and structures
	}
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Int32, reflect.Int64, reflect.Float32, reflect.Float64:
		return t.PkgPath() == "" // only the plain types have a codec
	}
	return false
}
