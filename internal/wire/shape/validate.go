package shape

import (
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/lambkin-dev/lambkin/internal/base/fault"
)

// Bounds of an error text.
const (
	maxViolations = 100  // further ones are not looked for
	maxEchoBytes  = 4096 // how much of a wrong value is repeated
)

// Validate checks the constraints of the model on v, a pointer to the generated
// struct of structure s, and returns a *fault.Fault with AWS's text of all
// violations, or nil.
//
// AWS: the texts, the order (pattern before length, maximum before minimum) and
// the form for elements ("Member must satisfy constraint: […, Member must not be
// null]") are those of recorded replies of Lambda, DynamoDB, IAM and Cognito.
// Enum values are listed in model order; AWS's own order is that of a hash table.
func Validate(model *Service, s Index, v any) error {
	rv := reflect.ValueOf(v)
	if s == None || !rv.IsValid() || rv.Kind() == reflect.Pointer && rv.IsNil() {
		return nil
	}
	c := checker{model: model}
	c.structure(&model.Shapes[s], reflect.Indirect(rv))
	if len(c.found) == 0 {
		return nil
	}
	errors := "1 validation error"
	if n := len(c.found); n > 1 {
		errors = strconv.Itoa(n) + " validation errors"
	}
	code := model.ValidationCode
	if code == "" {
		code = "ValidationException"
	}
	return &fault.Fault{
		Code: code, QueryCode: "ValidationError", Status: 400, Sender: true, MessageMember: "message",
		Message: errors + " detected: " + strings.Join(c.found, "; "),
	}
}

type checker struct {
	model *Service
	path  []string
	found []string
}

// violation notes that the value at the path breaks a constraint.
func (c *checker) violation(m *Member, v reflect.Value, constraint string) {
	if len(c.found) >= maxViolations {
		return
	}
	value := ""
	switch sensitive := m != nil && c.sensitive(m); {
	case sensitive:
	case !v.IsValid():
		value = " null"
	default:
		var out strings.Builder
		c.print(&out, m, v)
		value = " '" + clip(out.String()) + "'"
	}
	c.found = append(c.found, "Value"+value+" at '"+strings.Join(c.path, ".")+"' failed to satisfy constraint: "+constraint)
}

// sensitive tells whether a value or what is in it must not be repeated.
func (c *checker) sensitive(m *Member) bool {
	s := &c.model.Shapes[m.Shape]
	if s.Sensitive {
		return true
	}
	if s.Key != nil && c.model.Shapes[s.Key.Shape].Sensitive {
		return true
	}
	return s.Elem != nil && c.sensitive(s.Elem)
}

func clip(s string) string {
	if len(s) <= maxEchoBytes {
		return s
	}
	return strings.ToValidUTF8(s[:maxEchoBytes], "")
}

// coral is the name of a member in AWS's texts: "FunctionName" is functionName.
func coral(name string) string {
	r, size := utf8.DecodeRuneInString(name)
	return string(unicode.ToLower(r)) + name[size:]
}

func (c *checker) structure(s *Shape, v reflect.Value) {
	for i := range s.Members {
		m := &s.Members[i]
		field := v.Field(i)
		if isNil(field) {
			if m.Required {
				c.path = append(c.path, coral(m.Name))
				c.violation(m, reflect.Value{}, "Member must not be null")
				c.path = c.path[:len(c.path)-1]
			}
			continue
		}
		if m.Streaming || c.model.Shapes[m.Shape].EventStream {
			continue
		}
		c.path = append(c.path, coral(m.Name))
		c.value(m, reflect.Indirect(field))
		c.path = c.path[:len(c.path)-1]
	}
}

func isNil(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface, reflect.Func:
		return v.IsNil()
	}
	return false
}

// value checks a present value and what is in it.
func (c *checker) value(m *Member, v reflect.Value) {
	s := &c.model.Shapes[m.Shape]
	for _, broken := range c.broken(s, v) {
		c.violation(m, v, broken)
	}
	switch s.Kind {
	case Structure:
		c.structure(s, v)
	case List:
		c.list(m, s, v)
	case Map:
		c.mapping(m, s, v)
	}
}

// list checks the elements. Violations of elements that are no structures are
// one violation of the list itself.
func (c *checker) list(m *Member, s *Shape, v reflect.Value) {
	elem := &c.model.Shapes[s.Elem.Shape]
	for i := range v.Len() {
		e := v.Index(i)
		if isNil(e) {
			if !s.Sparse {
				c.violation(m, v, "Member must satisfy constraint: "+c.constraints(elem, !s.Sparse))
				return
			}
			continue
		}
		e = reflect.Indirect(e)
		if elem.Kind == Structure {
			c.path = append(c.path, strconv.Itoa(i+1), "member")
			c.structure(elem, e)
			c.path = c.path[:len(c.path)-2]
			continue
		}
		if len(c.broken(elem, e)) > 0 {
			c.violation(m, v, "Member must satisfy constraint: "+c.constraints(elem, !s.Sparse))
			return
		}
	}
}

func (c *checker) mapping(m *Member, s *Shape, v reflect.Value) {
	key, elem := &c.model.Shapes[s.Key.Shape], &c.model.Shapes[s.Elem.Shape]
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	for _, k := range keys {
		if len(c.broken(key, k)) > 0 {
			c.violation(m, v, "Map keys must satisfy constraint: "+c.constraints(key, false))
			break
		}
	}
	for _, k := range keys {
		e := v.MapIndex(k)
		if isNil(e) {
			continue
		}
		e = reflect.Indirect(e)
		if elem.Kind == Structure {
			c.path = append(c.path, k.String(), "member")
			c.structure(elem, e)
			c.path = c.path[:len(c.path)-2]
			continue
		}
		if len(c.broken(elem, e)) > 0 {
			c.violation(m, v, "Map value must satisfy constraint: "+c.constraints(elem, !s.Sparse))
			return
		}
	}
}

const (
	textEnum    = "Member must satisfy enum value set: "
	textPattern = "Member must satisfy regular expression pattern: "
	textMost    = "less than or equal to "
	textLeast   = "greater than or equal to "
)

// constraints lists all constraints of an element, broken or not.
func (c *checker) constraints(s *Shape, notNull bool) string {
	var all []string
	if s.Range != nil {
		noun := "Member must have " + measure(s.Kind) + " "
		if s.Range.MaxText != "" {
			all = append(all, noun+textMost+s.Range.MaxText)
		}
		if s.Range.MinText != "" {
			all = append(all, noun+textLeast+s.Range.MinText)
		}
	}
	if s.Pattern != "" {
		all = append(all, textPattern+s.Pattern)
	}
	if len(s.Enum) > 0 {
		all = append(all, textEnum+"["+strings.Join(s.Enum, ", ")+"]")
	}
	if notNull {
		all = append(all, "Member must not be null")
	}
	return "[" + strings.Join(all, ", ") + "]"
}

// measure is what the range of a kind limits.
func measure(k Kind) string {
	switch k {
	case Integer, Long, Float, Double:
		return "value"
	}
	return "length"
}

// broken lists the constraints that v itself breaks.
func (c *checker) broken(s *Shape, v reflect.Value) (found []string) {
	if s.Kind == String {
		text := v.String()
		if len(s.Enum) > 0 && !slices.Contains(s.Enum, text) {
			found = append(found, textEnum+"["+strings.Join(s.Enum, ", ")+"]")
		}
		if s.Pattern != "" && !matches(s.Pattern, text) {
			found = append(found, textPattern+s.Pattern)
		}
	}
	if s.Range == nil {
		return found
	}
	var n float64
	switch s.Kind {
	case String:
		n = float64(utf8.RuneCountInString(v.String()))
	case Blob, List, Map:
		n = float64(v.Len())
	case Integer, Long:
		n = float64(v.Int())
	case Float, Double:
		n = v.Float()
	default:
		return found
	}
	noun := "Member must have " + measure(s.Kind) + " "
	if s.Range.MaxText != "" && n > s.Range.Max {
		found = append(found, noun+textMost+s.Range.MaxText)
	}
	if s.Range.MinText != "" && n < s.Range.Min {
		found = append(found, noun+textLeast+s.Range.MinText)
	}
	return found
}

// print writes a value as Java's toString does, since that is what AWS shows.
func (c *checker) print(out *strings.Builder, m *Member, v reflect.Value) {
	if out.Len() > maxEchoBytes {
		return
	}
	if isNil(v) {
		out.WriteString("null")
		return
	}
	v = reflect.Indirect(v)
	s := &c.model.Shapes[m.Shape]
	switch s.Kind {
	case Structure:
		c.printStructure(out, s, v)
	case List:
		out.WriteByte('[')
		for i := range v.Len() {
			if i > 0 {
				out.WriteString(", ")
			}
			c.print(out, s.Elem, v.Index(i))
		}
		out.WriteByte(']')
	case Map:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		out.WriteByte('{')
		for i, k := range keys {
			if i > 0 {
				out.WriteString(", ")
			}
			out.WriteString(k.String() + "=")
			c.print(out, s.Elem, v.MapIndex(k))
		}
		out.WriteByte('}')
	default:
		printScalar(out, v)
	}
}

func (c *checker) printStructure(out *strings.Builder, s *Shape, v reflect.Value) {
	out.WriteString(s.Name + "(")
	first := true
	for i := range s.Members {
		m := &s.Members[i]
		if isNil(v.Field(i)) || c.sensitive(m) {
			continue
		}
		if !first {
			out.WriteString(", ")
		}
		first = false
		out.WriteString(coral(m.Name) + "=")
		c.print(out, m, v.Field(i))
	}
	out.WriteByte(')')
}

func printScalar(out *strings.Builder, v reflect.Value) {
	switch x := v.Interface().(type) {
	case string:
		out.WriteString(x)
	case []byte:
		fmt.Fprintf(out, "java.nio.HeapByteBuffer[pos=0 lim=%d cap=%d]", len(x), len(x))
	case json.RawMessage:
		out.Write(x)
	case float32:
		out.WriteString(javaFloat(float64(x), 32))
	case float64:
		out.WriteString(javaFloat(x, 64))
	case time.Time:
		out.Write(AppendTime(nil, x, ISO8601))
	case io.ReadCloser, EventStream:
		out.WriteString("stream")
	default:
		fmt.Fprint(out, x)
	}
}

// javaFloat keeps the ".0" of whole numbers.
func javaFloat(f float64, bits int) string {
	text := strconv.FormatFloat(f, 'f', -1, bits)
	if !strings.ContainsAny(text, ".NI") {
		text += ".0"
	}
	return text
}
