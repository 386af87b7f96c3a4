package cbor

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/wire/shape"
)

// Major types of RFC 8949.
const (
	majorUint = iota
	majorNegative
	majorBytes
	majorText
	majorArray
	majorMap
	majorTag
	majorSimple
)

// Values of majorSimple, and the one tag of the protocol.
const (
	simpleFalse     = 20
	simpleTrue      = 21
	simpleNull      = 22
	simpleUndefined = 23
	simpleHalf      = 25
	simpleFloat     = 26
	simpleDouble    = 27
	indefinite      = 31
	tagEpoch        = 1 // seconds since 1970
)

type encoder struct {
	model *shape.Service
	out   []byte
}

// head writes a major type with its argument in the shortest form.
func (e *encoder) head(major byte, n uint64) {
	switch {
	case n < 24:
		e.out = append(e.out, major<<5|byte(n))
	case n <= math.MaxUint8:
		e.out = append(e.out, major<<5|24, byte(n))
	case n <= math.MaxUint16:
		e.out = binary.BigEndian.AppendUint16(append(e.out, major<<5|25), uint16(n))
	case n <= math.MaxUint32:
		e.out = binary.BigEndian.AppendUint32(append(e.out, major<<5|26), uint32(n))
	default:
		e.out = binary.BigEndian.AppendUint64(append(e.out, major<<5|27), n)
	}
}

func (e *encoder) text(s string) {
	e.head(majorText, uint64(len(s)))
	e.out = append(e.out, s...)
}

func (e *encoder) simple(value byte) { e.out = append(e.out, majorSimple<<5|value) }

func (e *encoder) integer(n int64) {
	if n < 0 {
		e.head(majorNegative, uint64(-1-n))
		return
	}
	e.head(majorUint, uint64(n))
}

func (e *encoder) double(f float64) {
	e.out = binary.BigEndian.AppendUint64(append(e.out, majorSimple<<5|simpleDouble), math.Float64bits(f))
}

// fault writes the code, the message and the details of an error, which are
// sorted by name.
func (e *encoder) fault(f *fault.Fault) {
	var exception *shape.Shape
	if e.model != nil {
		exception = e.model.Exception(f.Code)
	}
	members, message := 1+len(f.Detail), f.Message != "" || f.MessageMember != "" || exception == nil
	if message {
		members++
	}
	e.head(majorMap, uint64(members))
	e.text("__type")
	e.text(f.Code)
	if message {
		e.text(cmp.Or(f.MessageMember, "message"))
		e.text(f.Message)
	}
	for _, name := range slices.Sorted(maps.Keys(f.Detail)) {
		e.text(name)
		e.detail(exception.Detail(name), f.Detail[name])
	}
}

// detail writes a detail by its shape when the Go type is that of the shape.
func (e *encoder) detail(m *shape.Member, value any) {
	if v := reflect.ValueOf(value); m != nil && v.IsValid() && e.model.Fits(m, v.Type()) {
		e.value(m, v)
		return
	}
	switch value := value.(type) {
	case string:
		e.text(value)
	case bool:
		e.boolean(value)
	case int:
		e.integer(int64(value))
	case int64:
		e.integer(value)
	default:
		e.text(fmt.Sprint(value))
	}
}

func (e *encoder) boolean(b bool) {
	if b {
		e.simple(simpleTrue)
	} else {
		e.simple(simpleFalse)
	}
}

func (e *encoder) structure(sh *shape.Shape, v reflect.Value) {
	present := uint64(0)
	for i := range sh.Members {
		if !absent(v.Field(i)) {
			present++
		}
	}
	e.head(majorMap, present)
	for i := range sh.Members {
		if field := v.Field(i); !absent(field) {
			e.text(sh.Members[i].Name)
			e.value(&sh.Members[i], field)
		}
	}
}

func (e *encoder) value(m *shape.Member, v reflect.Value) {
	if absent(v) {
		e.simple(simpleNull)
		return
	}
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	sh := &e.model.Shapes[m.Shape]
	switch sh.Kind {
	case shape.Structure:
		e.structure(sh, v)
	case shape.List:
		e.head(majorArray, uint64(v.Len()))
		for i := range v.Len() {
			e.value(sh.Elem, v.Index(i))
		}
	case shape.Map:
		values := map[string]reflect.Value{}
		for iterator := v.MapRange(); iterator.Next(); {
			values[iterator.Key().String()] = iterator.Value()
		}
		e.head(majorMap, uint64(len(values)))
		for _, key := range slices.Sorted(maps.Keys(values)) {
			e.text(key)
			e.value(sh.Elem, values[key])
		}
	default:
		e.scalar(v)
	}
}

func (e *encoder) scalar(v reflect.Value) {
	switch value := v.Interface().(type) {
	case string:
		e.text(value)
	case bool:
		e.boolean(value)
	case int32:
		e.integer(int64(value))
	case int64:
		e.integer(value)
	case float32:
		e.out = binary.BigEndian.AppendUint32(append(e.out, majorSimple<<5|simpleFloat), math.Float32bits(value))
	case float64:
		e.double(value)
	case []byte:
		e.head(majorBytes, uint64(len(value)))
		e.out = append(e.out, value...)
	case time.Time:
		e.head(majorTag, tagEpoch)
		e.double(float64(value.UnixMilli()) / 1000)
	case json.RawMessage:
		e.text(string(value)) // the protocol has no documents
	default:
		panic("cbor: no codec for Go type " + v.Type().String())
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
