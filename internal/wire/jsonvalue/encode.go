package jsonvalue

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/lambkin-dev/lambkin/internal/wire/shape"
)

// Append writes the struct that v points to (or holds) as a JSON object; s is
// its structure shape. A nil pointer is {}.
func Append(dst []byte, model *shape.Service, s shape.Index, v any) []byte {
	return appendDocument(dst, model, s, v, false)
}

// AppendBody is Append for the body of a rest protocol: members that travel
// elsewhere in HTTP are left out.
func AppendBody(dst []byte, model *shape.Service, s shape.Index, v any) []byte {
	return appendDocument(dst, model, s, v, true)
}

func appendDocument(dst []byte, model *shape.Service, s shape.Index, v any, bodyOnly bool) []byte {
	rv := reflect.ValueOf(v)
	if rv.Kind() == reflect.Pointer {
		if rv.IsNil() {
			return append(dst, "{}"...)
		}
		rv = rv.Elem()
	}
	e := encoder{model: model}
	return e.structure(dst, &model.Shapes[s], rv, bodyOnly)
}

// AppendMember writes the value of one member (the payload of a rest-json
// reply, a detail of an error). v may lack the pointer of the field's type.
func AppendMember(dst []byte, model *shape.Service, m *shape.Member, v reflect.Value) []byte {
	if !v.CanAddr() {
		c := reflect.New(v.Type()).Elem()
		c.Set(v)
		v = c
	}
	e := encoder{model: model}
	return e.value(dst, m, v)
}

type encoder struct {
	model *shape.Service
}

// absent tells whether the field has no value.
func absent(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface, reflect.Func:
		return v.IsNil()
	}
	return false
}

func (e *encoder) structure(dst []byte, sh *shape.Shape, v reflect.Value, bodyOnly bool) []byte {
	dst = append(dst, '{')
	first := true
	for i := range sh.Members {
		m := &sh.Members[i]
		if bodyOnly && m.Location != shape.Body {
			continue
		}
		field := v.Field(i)
		if absent(field) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(AppendString(dst, m.WireName()), ':')
		dst = e.value(dst, m, field)
	}
	return append(dst, '}')
}

// value writes v, which is addressable: the fields and elements of what a
// pointer leads to.
func (e *encoder) value(dst []byte, m *shape.Member, v reflect.Value) []byte {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return append(dst, "null"...)
		}
		v = v.Elem()
	}
	sh := &e.model.Shapes[m.Shape]
	switch sh.Kind {
	case shape.Structure:
		return e.structure(dst, sh, v, false)
	case shape.List:
		return e.list(dst, sh, v)
	case shape.Map:
		return e.mapping(dst, sh, v)
	}
	return e.scalar(dst, m, v)
}

func (e *encoder) list(dst []byte, sh *shape.Shape, v reflect.Value) []byte {
	if v.IsNil() {
		return append(dst, "null"...)
	}
	dst = append(dst, '[')
	for i := range v.Len() {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = e.value(dst, sh.Elem, v.Index(i))
	}
	return append(dst, ']')
}

// mapping writes a map sorted by key, so that equal values give equal text.
func (e *encoder) mapping(dst []byte, sh *shape.Shape, v reflect.Value) []byte {
	if v.IsNil() {
		return append(dst, "null"...)
	}
	dst = append(dst, '{')
	if plain, ok := v.Interface().(map[string]string); ok {
		for i, k := range slices.Sorted(maps.Keys(plain)) {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(AppendString(dst, k), ':')
			dst = AppendString(dst, plain[k])
		}
		return append(dst, '}')
	}
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int {
		switch {
		case a.String() < b.String():
			return -1
		case a.String() > b.String():
			return 1
		}
		return 0
	})
	elem := reflect.New(v.Type().Elem()).Elem() // map elements are not addressable
	for i, k := range keys {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(AppendString(dst, k.String()), ':')
		elem.Set(v.MapIndex(k))
		dst = e.value(dst, sh.Elem, elem)
	}
	return append(dst, '}')
}

func (e *encoder) scalar(dst []byte, m *shape.Member, v reflect.Value) []byte {
	switch p := v.Addr().Interface().(type) {
	case *string:
		return AppendString(dst, *p)
	case *bool:
		return strconv.AppendBool(dst, *p)
	case *int32:
		return strconv.AppendInt(dst, int64(*p), 10)
	case *int64:
		return strconv.AppendInt(dst, *p, 10)
	case *float32:
		return AppendFloat(dst, float64(*p), 32)
	case *float64:
		return AppendFloat(dst, *p, 64)
	case *[]byte:
		if *p == nil {
			return append(dst, "null"...)
		}
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, *p)
		return append(dst, '"')
	case *time.Time:
		return e.time(dst, m, *p)
	case *json.RawMessage:
		if len(*p) == 0 {
			return append(dst, "null"...)
		}
		return append(dst, *p...)
	}
	panic("jsonvalue: no codec for Go type " + v.Type().String())
}

func (e *encoder) time(dst []byte, m *shape.Member, t time.Time) []byte {
	format := e.model.TimeFormat(m, shape.UnixTimestamp)
	if format == shape.UnixTimestamp {
		return shape.AppendTime(dst, t, format)
	}
	dst = append(dst, '"')
	dst = shape.AppendTime(dst, t, format)
	return append(dst, '"')
}

// AppendFloat writes a float as AWS does: whole numbers keep a ".0" as Java
// prints them, and the values that JSON lacks are strings.
func AppendFloat(dst []byte, f float64, bits int) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(dst, `"-Infinity"`...)
	case f == math.Trunc(f) && math.Abs(f) < 1e15:
		return append(strconv.AppendFloat(dst, f, 'f', 0, bits), ".0"...)
	}
	format := byte('f')
	if a := math.Abs(f); a < 1e-6 || a >= 1e21 {
		format = 'e'
	}
	return strconv.AppendFloat(dst, f, format, -1, bits)
}

const hexDigits = "0123456789abcdef"

// AppendString writes s as a JSON string. Only what JSON demands is escaped:
// AWS sends other text, "<" and U+2028 included, as it is.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
			dst = append(append(dst, s[start:i]...), "\uFFFD"...)
			i++
			start = i
			continue
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\f':
			dst = append(dst, '\\', 'f')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		start = i
	}
	return append(append(dst, s[start:]...), '"')
}
