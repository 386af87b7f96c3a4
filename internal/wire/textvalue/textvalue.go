// Package textvalue turns scalars of the generated structs into text and back:
// what stands between two XML tags, in a query parameter, a header or a label.
//
// It promises that a text that is no value of the type is an error that says
// so. No goroutines, no locks. Start reading at Set and Append.
package textvalue

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"time"

	"github.com/lambkin-dev/lambkin/internal/wire/shape"
)

// Set parses text into the scalar v: a settable field, or element of a
// collection, of the Go type of the shape. A field's pointer is made.
func Set(v reflect.Value, text string) error {
	if v.Kind() == reflect.Pointer {
		target := reflect.New(v.Type().Elem())
		if err := Set(target.Elem(), text); err != nil {
			return err
		}
		v.Set(target)
		return nil
	}
	switch p := v.Addr().Interface().(type) {
	case *string:
		*p = text
	case *bool:
		return parsed(p, text, strconv.ParseBool)
	case *int32:
		return parsed(p, text, func(s string) (int32, error) { n, err := strconv.ParseInt(s, 10, 32); return int32(n), err })
	case *int64:
		return parsed(p, text, func(s string) (int64, error) { return strconv.ParseInt(s, 10, 64) })
	case *float32:
		return parsed(p, text, func(s string) (float32, error) { f, err := parseFloat(s, 32); return float32(f), err })
	case *float64:
		return parsed(p, text, func(s string) (float64, error) { return parseFloat(s, 64) })
	case *[]byte:
		return parsed(p, text, base64.StdEncoding.DecodeString)
	case *time.Time:
		return parsed(p, text, shape.ParseTime)
	case *json.RawMessage:
		*p = json.RawMessage(text)
	default:
		// A collection where the wire has text: our own tables are wrong.
		return fmt.Errorf("%.40q stands where a structure or a list belongs", text)
	}
	return nil
}

func parsed[T any](into *T, text string, parse func(string) (T, error)) error {
	value, err := parse(text)
	if err != nil {
		return fmt.Errorf("%.40q is not a valid value", text)
	}
	*into = value
	return nil
}

// parseFloat reads a number or one of the three words that AWS writes for
// values that are none; the other words that strconv knows are refused.
func parseFloat(s string, bits int) (float64, error) {
	switch s {
	case "NaN":
		return math.NaN(), nil
	case "Infinity":
		return math.Inf(1), nil
	case "-Infinity":
		return math.Inf(-1), nil
	}
	f, err := strconv.ParseFloat(s, bits)
	if err == nil && (math.IsInf(f, 0) || math.IsNaN(f)) {
		err = strconv.ErrSyntax
	}
	return f, err
}

// Append writes the scalar v; time is the format of timestamps at this place.
func Append(dst []byte, v reflect.Value, format shape.TimestampFormat) []byte {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	switch value := v.Interface().(type) {
	case string:
		return append(dst, value...)
	case bool:
		return strconv.AppendBool(dst, value)
	case int32:
		return strconv.AppendInt(dst, int64(value), 10)
	case int64:
		return strconv.AppendInt(dst, value, 10)
	case float32:
		return appendFloat(dst, float64(value), 32)
	case float64:
		return appendFloat(dst, value, 64)
	case []byte:
		return base64.StdEncoding.AppendEncode(dst, value)
	case time.Time:
		return shape.AppendTime(dst, value, format)
	case json.RawMessage:
		return append(dst, value...)
	}
	panic("textvalue: no text for Go type " + v.Type().String())
}

func appendFloat(dst []byte, f float64, bits int) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, "NaN"...)
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	case f == math.Trunc(f) && math.Abs(f) < 1e15:
		return strconv.AppendFloat(dst, f, 'f', 1, bits)
	}
	return strconv.AppendFloat(dst, f, 'g', -1, bits)
}
