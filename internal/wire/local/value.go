package local

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

// maxDepth bounds the nesting of an input.
const maxDepth = 64

// fill sets the members of into, a pointer to the struct of structure s.
func fill(model *shape.Service, s shape.Index, input map[string]any, into any) error {
	return (&filler{model}).structure(s, input, reflect.ValueOf(into).Elem(), "", maxDepth)
}

type filler struct{ model *shape.Service }

// structure reads members by their names; a service's names may begin with a
// small letter where the caller has a capital one, as CloudFormation has them.
func (f *filler) structure(s shape.Index, value any, v reflect.Value, path string, depth int) error {
	members, ok := value.(map[string]any)
	if !ok {
		return mismatch(path, "an object", value)
	}
	sh := &f.model.Shapes[s]
	for name, value := range members {
		i := member(sh, name)
		if i < 0 {
			return fmt.Errorf("%s has no member %s", sh.Name, join(path, name))
		}
		if value == nil {
			continue
		}
		if err := f.value(sh.Members[i].Shape, value, v.Field(i), join(path, name), depth-1); err != nil {
			return err
		}
	}
	return nil
}

// member is the index of the member of that name, or -1.
func member(sh *shape.Shape, name string) int {
	for i := range sh.Members {
		if m := sh.Members[i].Name; m == name || len(m) == len(name) && m != "" && m[1:] == name[1:] && strings.EqualFold(m[:1], name[:1]) {
			return i
		}
	}
	return -1
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func mismatch(path, want string, value any) error {
	return fmt.Errorf("%s must be %s, not %.100v", path, want, value)
}

// value sets v, a field or an element of shape s, behind its pointer.
func (f *filler) value(s shape.Index, value any, v reflect.Value, path string, depth int) error {
	if depth <= 0 {
		return fmt.Errorf("%s is nested too deep", path)
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	sh := &f.model.Shapes[s]
	switch sh.Kind {
	case shape.Structure:
		return f.structure(s, value, v, path, depth)
	case shape.List:
		return f.list(sh, value, v, path, depth)
	case shape.Map:
		return f.mapping(sh, value, v, path, depth)
	}
	return scalar(value, v, path)
}

func (f *filler) list(sh *shape.Shape, value any, v reflect.Value, path string, depth int) error {
	elements, ok := value.([]any)
	if !ok {
		return mismatch(path, "a list", value)
	}
	v.Set(reflect.MakeSlice(v.Type(), len(elements), len(elements)))
	for i, element := range elements {
		if element == nil {
			continue
		}
		if err := f.value(sh.Elem.Shape, element, v.Index(i), path+"["+strconv.Itoa(i)+"]", depth-1); err != nil {
			return err
		}
	}
	return nil
}

func (f *filler) mapping(sh *shape.Shape, value any, v reflect.Value, path string, depth int) error {
	entries, ok := value.(map[string]any)
	if !ok {
		return mismatch(path, "an object", value)
	}
	v.Set(reflect.MakeMapWithSize(v.Type(), len(entries)))
	for key, value := range entries {
		element := reflect.New(v.Type().Elem()).Elem()
		if value != nil {
			if err := f.value(sh.Elem.Shape, value, element, join(path, key), depth-1); err != nil {
				return err
			}
		}
		v.SetMapIndex(reflect.ValueOf(key), element)
	}
	return nil
}

// scalar sets v to the value; text that reads as the type that is wanted will
// do, and the reverse, since the values of templates and forms are text.
func scalar(value any, v reflect.Value, path string) error {
	switch p := v.Addr().Interface().(type) {
	case *[]byte:
		if b, ok := value.([]byte); ok {
			*p = b
			return nil
		}
	case *io.ReadCloser:
		if b, ok := value.([]byte); ok {
			*p = payload{bytes.NewReader(b)}
			return nil
		}
	case *time.Time:
		if t, ok := value.(time.Time); ok {
			*p = t
			return nil
		}
	case *json.RawMessage:
		text, err := json.Marshal(value)
		*p = text
		return err
	}
	text, ok := plain(value)
	if !ok {
		return mismatch(path, "a plain value", value)
	}
	return parse(text, v, path)
}

// payload is a body whose length is known.
type payload struct{ *bytes.Reader }

func (payload) Close() error { return nil }

// plain is the text of a value that is neither a list nor an object.
func plain(value any) (string, bool) {
	switch value := value.(type) {
	case string:
		return value, true
	case json.Number:
		return value.String(), true
	case bool:
		return strconv.FormatBool(value), true
	case float64:
		return strconv.FormatFloat(value, 'f', -1, 64), true
	case int:
		return strconv.Itoa(value), true
	case int64:
		return strconv.FormatInt(value, 10), true
	}
	return "", false
}

// parse reads text into v.
func parse(text string, v reflect.Value, path string) error {
	switch p := v.Addr().Interface().(type) {
	case *string:
		*p = text
	case *[]byte:
		*p = []byte(text)
	case *io.ReadCloser:
		*p = payload{bytes.NewReader([]byte(text))}
	case *bool:
		switch strings.ToLower(text) {
		case "true":
			*p = true
		case "false":
			*p = false
		default:
			return mismatch(path, "true or false", text)
		}
	case *int32:
		n, err := integer(text, 32)
		if err != nil {
			return mismatch(path, "an integer", text)
		}
		*p = int32(n)
	case *int64:
		n, err := integer(text, 64)
		if err != nil {
			return mismatch(path, "an integer", text)
		}
		*p = n
	case *float32:
		n, err := strconv.ParseFloat(text, 32)
		if err != nil {
			return mismatch(path, "a number", text)
		}
		*p = float32(n)
	case *float64:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return mismatch(path, "a number", text)
		}
		*p = n
	case *time.Time:
		t, err := shape.ParseTime(text)
		if err != nil {
			return mismatch(path, "a time", text)
		}
		*p = t
	default:
		return fmt.Errorf("%s cannot be given here", path)
	}
	return nil
}

// integer reads whole numbers, in whatever form JSON has them: 1e3 and 3.0 too.
func integer(text string, bits int) (int64, error) {
	if n, err := strconv.ParseInt(text, 10, bits); err == nil {
		return n, nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) >= math.Exp2(float64(bits-1)) {
		return 0, strconv.ErrSyntax
	}
	return int64(f), nil
}

// read is the reverse of fill: the members of out that have a value.
func read(model *shape.Service, s shape.Index, out any) map[string]any {
	v := reflect.ValueOf(out)
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return map[string]any{}
		}
		v = v.Elem()
	}
	return structureOf(model, &model.Shapes[s], v)
}

func structureOf(model *shape.Service, sh *shape.Shape, v reflect.Value) map[string]any {
	members := make(map[string]any, len(sh.Members))
	for i := range sh.Members {
		if value := valueOf(model, sh.Members[i].Shape, v.Field(i)); value != nil {
			members[sh.Members[i].Name] = value
		}
	}
	return members
}

// valueOf is nil for what has no value.
func valueOf(model *shape.Service, s shape.Index, v reflect.Value) any {
	switch v.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface, reflect.Func:
		if v.IsNil() {
			return nil
		}
	}
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	sh := &model.Shapes[s]
	switch sh.Kind {
	case shape.Structure:
		return structureOf(model, sh, v)
	case shape.List:
		elements := make([]any, v.Len())
		for i := range elements {
			elements[i] = valueOf(model, sh.Elem.Shape, v.Index(i))
		}
		return elements
	case shape.Map:
		entries := make(map[string]any, v.Len())
		for _, key := range v.MapKeys() {
			entries[key.String()] = valueOf(model, sh.Elem.Shape, v.MapIndex(key))
		}
		return entries
	case shape.Integer, shape.Long:
		return json.Number(strconv.FormatInt(v.Int(), 10))
	case shape.Float, shape.Double:
		return json.Number(strconv.FormatFloat(v.Float(), 'f', -1, 64))
	}
	return v.Interface()
}
