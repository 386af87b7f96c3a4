package libraries

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/wire/shape"
)

// set puts the value of a vector, as encoding/json reads it, into v, which has
// the Go type of shape i. In vectors blobs are plain text and timestamps seconds.
func set(model *shape.Service, i shape.Index, value any, v reflect.Value) error {
	if value == nil {
		return nil
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return set(model, i, value, v.Elem())
	case reflect.Interface: // a stream
		v.Set(reflect.ValueOf(io.NopCloser(strings.NewReader(value.(string)))))
		return nil
	case reflect.Func:
		return fmt.Errorf("events are not supported by this harness")
	}
	s := &model.Shapes[i]
	switch s.Kind {
	case shape.Structure:
		for j := range s.Members {
			m := &s.Members[j]
			given, ok := value.(map[string]any)[m.Name]
			if !ok {
				continue
			}
			if err := set(model, m.Shape, given, v.Field(j)); err != nil {
				return fmt.Errorf("%s: %w", m.Name, err)
			}
		}
	case shape.List:
		given := value.([]any)
		v.Set(reflect.MakeSlice(v.Type(), len(given), len(given)))
		for j := range given {
			if err := set(model, s.Elem.Shape, given[j], v.Index(j)); err != nil {
				return err
			}
		}
	case shape.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for key, given := range value.(map[string]any) {
			elem := reflect.New(v.Type().Elem()).Elem()
			if err := set(model, s.Elem.Shape, given, elem); err != nil {
				return err
			}
			v.SetMapIndex(reflect.ValueOf(key), elem)
		}
	default:
		return setScalar(value, v)
	}
	return nil
}

func setScalar(value any, v reflect.Value) error {
	switch p := v.Addr().Interface().(type) {
	case *string:
		text, ok := value.(string)
		if !ok { // a JSON value
			raw, err := json.Marshal(value)
			if err != nil {
				return err
			}
			text = string(raw)
		}
		*p = text
	case *[]byte:
		*p = []byte(value.(string))
	case *bool:
		*p = value.(bool)
	case *int32:
		*p = int32(value.(float64))
	case *int64:
		*p = int64(value.(float64))
	case *float32:
		*p = float32(float(value))
	case *float64:
		*p = float(value)
	case *time.Time:
		*p = time.UnixMilli(int64(math.Round(value.(float64) * 1000))).UTC()
	case *json.RawMessage:
		raw, err := json.Marshal(value)
		*p = raw
		return err
	default:
		return fmt.Errorf("no scalar: %s", v.Type())
	}
	return nil
}

func float(value any) float64 {
	if text, ok := value.(string); ok {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			panic(err)
		}
		return f
	}
	return value.(float64)
}

// plain turns a value into maps, lists and scalars that can be compared and
// printed: absent members are left out, streams are read.
func plain(model *shape.Service, i shape.Index, v reflect.Value) any {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return plain(model, i, v.Elem())
	case reflect.Interface:
		if v.IsNil() {
			return nil
		}
		data, err := io.ReadAll(v.Interface().(io.Reader))
		if err != nil {
			return err
		}
		return string(data)
	case reflect.Func:
		return nil
	}
	s := &model.Shapes[i]
	switch s.Kind {
	case shape.Structure:
		out := map[string]any{}
		for j := range s.Members {
			if value := plain(model, s.Members[j].Shape, v.Field(j)); value != nil {
				out[s.Members[j].Name] = value
			}
		}
		return out
	case shape.List:
		if v.IsNil() {
			return nil
		}
		out := []any{}
		for j := range v.Len() {
			out = append(out, plain(model, s.Elem.Shape, v.Index(j)))
		}
		return out
	case shape.Map:
		if v.IsNil() {
			return nil
		}
		out := map[string]any{}
		for entries := v.MapRange(); entries.Next(); {
			out[entries.Key().String()] = plain(model, s.Elem.Shape, entries.Value())
		}
		return out
	}
	return plainScalar(v.Interface())
}

func plainScalar(value any) any {
	switch value := value.(type) {
	case []byte:
		if value == nil {
			return nil
		}
		return string(value)
	case json.RawMessage:
		return plainJSON(value)
	case time.Time:
		return value.UTC().Format(time.RFC3339Nano)
	case float64:
		return fmt.Sprint(value)
	case float32:
		return fmt.Sprint(value)
	}
	return value
}

// plainJSON is JSON text as comparable values; numbers by their value.
func plainJSON(text []byte) any {
	if len(bytes.TrimSpace(text)) == 0 {
		return nil
	}
	var out any
	if err := json.Unmarshal(text, &out); err != nil {
		return fmt.Sprintf("no JSON: %v: %s", err, text)
	}
	return out
}
