// Package restbind moves members between a generated struct and the parts of
// HTTP that are not the body: labels of the path, the query, headers and the
// status. rest-json and rest-xml share it.
//
// Request reads, Response and Fault write. Texts that do not fit a member are
// SerializationExceptions; parameters and headers that no member names are
// ignored. No goroutines, no locks. Start reading at Request.
package restbind

import (
	"cmp"
	"encoding/base64"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/shape"
	"github.com/lambkin-dev/lambkin/internal/wire/textvalue"
)

// maxItems bounds the elements of one list and the entries of one map.
const maxItems = 10_000

// refused is the error of a text that does not fit member m.
func refused(model *shape.Service, m *shape.Member) error {
	return &fault.Fault{
		Code: cmp.Or(model.ValidationCode, "SerializationException"), Status: http.StatusBadRequest, Sender: true, MessageMember: "Message",
		Message: "STRING_VALUE can not be converted to " + article(model.Shapes[m.Shape].Kind),
	}
}

// article is the name of a scalar in AWS's texts.
func article(k shape.Kind) string {
	switch k {
	case shape.Boolean:
		return "a Boolean"
	case shape.Integer:
		return "an Integer"
	case shape.Long:
		return "a Long"
	case shape.Float:
		return "a Float"
	case shape.Double:
		return "a Double"
	case shape.Timestamp:
		return "a Timestamp"
	case shape.Blob:
		return "a Blob"
	}
	return "a String"
}

// Request sets the fields of v, the input struct of the operation, that travel
// outside the body.
func Request(x *wire.Exchange, v reflect.Value) error {
	in := &x.Service.Shapes[x.Operation.Input]
	r := x.Call.Request
	path := x.Path
	if path == "" {
		path = r.URL.EscapedPath()
	}
	if err := labels(x, in, v, path); err != nil {
		return err
	}
	for i := range in.Members {
		m := &in.Members[i]
		var err error
		switch m.Location {
		case shape.Query_:
			err = parameter(x.Service, m, v.Field(i), r.URL.RawQuery)
		case shape.Header:
			err = header(x.Service, m, v.Field(i), r)
		case shape.Headers:
			err = prefixed(x.Service, m, v.Field(i), r.Header)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// labels sets the members of the path.
func labels(x *wire.Exchange, in *shape.Shape, v reflect.Value, path string) error {
	template := x.Operation.Path
	for {
		name, text, templateRest, pathRest, ok := wire.Label(template, path)
		if !ok || name == "" {
			return nil // the gateway has matched the path
		}
		template, path = templateRest, pathRest
		value, err := url.PathUnescape(text)
		if err != nil {
			value = text
		}
		for i := range in.Members {
			m := &in.Members[i]
			if m.Location != shape.URI || m.WireName() != name {
				continue
			}
			if value == "" {
				break // an empty label is no value: the constraint check says so
			}
			if err := textvalue.Set(v.Field(i), value); err != nil {
				return refused(x.Service, m)
			}
		}
	}
}

// parameters calls visit with each parameter of the query, in order, until it
// returns false. It builds no map: most requests have one parameter or none.
func parameters(query string, visit func(name, value string) bool) {
	for query != "" {
		var part string
		part, query, _ = strings.Cut(query, "&")
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		if !visit(unescape(name), unescape(value)) {
			return
		}
	}
}

func unescape(s string) string {
	if strings.IndexByte(s, '%') < 0 && strings.IndexByte(s, '+') < 0 {
		return s
	}
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}

// parameter sets a member of the query. A map takes all parameters, those that
// have a member of their own included.
func parameter(model *shape.Service, m *shape.Member, field reflect.Value, query string) (err error) {
	s := &model.Shapes[m.Shape]
	parameters(query, func(name, value string) bool {
		if s.Kind == shape.Map {
			if field.Len() < maxItems {
				err = addEntry(model, s, field, name, value)
			}
			return err == nil
		}
		if name != m.WireName() {
			return true
		}
		if s.Kind == shape.List {
			err = addElement(model, s, field, value)
			return err == nil
		}
		if textvalue.Set(field, value) != nil {
			err = refused(model, m)
		}
		return false // the first one counts
	})
	return err
}

// addElement appends a text to a list.
func addElement(model *shape.Service, s *shape.Shape, list reflect.Value, text string) error {
	n := list.Len()
	if n >= maxItems {
		return nil
	}
	list.Grow(1)
	list.SetLen(n + 1)
	list.Index(n).SetZero()
	if err := textvalue.Set(list.Index(n), text); err != nil {
		return refused(model, s.Elem)
	}
	return nil
}

// addEntry puts a text into a map of texts or of lists of texts.
func addEntry(model *shape.Service, s *shape.Shape, m reflect.Value, key, text string) error {
	if m.IsNil() {
		m.Set(reflect.MakeMap(m.Type()))
	}
	value := reflect.New(m.Type().Elem()).Elem()
	old := m.MapIndex(reflect.ValueOf(key))
	switch elem := &model.Shapes[s.Elem.Shape]; {
	case elem.Kind == shape.List:
		if old.IsValid() {
			value.Set(old)
		}
		if err := addElement(model, elem, value, text); err != nil {
			return err
		}
	case old.IsValid():
		return nil // the first one counts
	default:
		if err := textvalue.Set(value, text); err != nil {
			return refused(model, s.Elem)
		}
	}
	m.SetMapIndex(reflect.ValueOf(key), value)
	return nil
}

// header sets a member from its header.
func header(model *shape.Service, m *shape.Member, field reflect.Value, r *http.Request) error {
	values := r.Header[m.Wire]
	if m.Wire == "" {
		values = r.Header[http.CanonicalHeaderKey(m.Name)]
	}
	if len(values) == 0 {
		if m.WireName() != "Host" || r.Host == "" {
			return nil
		}
		values = []string{r.Host}
	}
	s := &model.Shapes[m.Shape]
	if s.Kind == shape.List {
		for _, line := range values {
			for _, text := range items(line, model.Shapes[s.Elem.Shape].Kind == shape.Timestamp) {
				if err := addElement(model, s, field, text); err != nil {
					return err
				}
			}
		}
		return nil
	}
	text := values[0]
	if m.JSONValue {
		plain, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return refused(model, m)
		}
		text = string(plain)
	}
	if err := textvalue.Set(field, text); err != nil {
		return refused(model, m)
	}
	return nil
}

// items splits the value of a list header at its commas. Items may be quoted;
// dates of RFC 822 have a comma of their own.
func items(line string, dates bool) (out []string) {
	for len(line) > 0 && len(out) < maxItems {
		line = strings.TrimLeft(line, " \t")
		var item string
		if strings.HasPrefix(line, `"`) {
			item, line = quoted(line[1:])
		} else {
			end := strings.IndexByte(line, ',')
			if dates && end >= 0 && strings.HasSuffix(line, "GMT") || dates && strings.Contains(line, "GMT,") {
				if more := strings.IndexByte(line[end+1:], ','); more >= 0 {
					end += 1 + more
				} else {
					end = -1
				}
			}
			if end < 0 {
				end = len(line)
			}
			item, line = strings.TrimSpace(line[:end]), line[end:]
		}
		out = append(out, item)
		if i := strings.IndexByte(line, ','); i >= 0 {
			line = line[i+1:]
		} else {
			line = ""
		}
	}
	return out
}

// quoted reads up to the closing quote.
func quoted(s string) (item, rest string) {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			out.WriteByte(s[i])
		case s[i] == '"':
			return out.String(), s[i+1:]
		default:
			out.WriteByte(s[i])
		}
	}
	return out.String(), ""
}

// prefixed sets a map from all headers with a prefix. AWS keeps such names in
// lower case, because HTTP does not keep their case.
func prefixed(model *shape.Service, m *shape.Member, field reflect.Value, headers http.Header) error {
	s := &model.Shapes[m.Shape]
	for name, values := range headers {
		if !strings.HasPrefix(name, m.Wire) || len(values) == 0 || field.Len() >= maxItems {
			continue
		}
		if err := addEntry(model, s, field, strings.ToLower(name[len(m.Wire):]), values[0]); err != nil {
			return err
		}
	}
	return nil
}

// Response writes the headers of out, the output struct of the operation, and
// returns the status of the reply.
func Response(x *wire.Exchange, h http.Header, out reflect.Value) int {
	status := x.Operation.Status
	if status == 0 {
		status = http.StatusOK
	}
	if x.Call.Status != 0 {
		status = x.Call.Status
	}
	if x.Operation.Output == shape.None || !out.IsValid() {
		return status
	}
	Headers(x.Service, x.Operation.Output, h, out)
	s := &x.Service.Shapes[x.Operation.Output]
	for i := range s.Members {
		if s.Members[i].Location == shape.StatusCode {
			if n, ok := out.Field(i).Interface().(*int32); ok && n != nil && *n >= 100 && *n < 1000 {
				status = int(*n)
			}
		}
	}
	return status
}

// Headers writes the members of a structure that travel in headers.
func Headers(model *shape.Service, structure shape.Index, h http.Header, v reflect.Value) {
	s := &model.Shapes[structure]
	for i := range s.Members {
		switch m := &s.Members[i]; m.Location {
		case shape.Header:
			setHeader(model, m, h, v.Field(i))
		case shape.Headers:
			setPrefixed(m, h, v.Field(i))
		}
	}
}

// setHeader writes one member; an absent one and an empty text leave no header.
func setHeader(model *shape.Service, m *shape.Member, h http.Header, field reflect.Value) {
	name := m.Wire
	if name == "" {
		name = http.CanonicalHeaderKey(m.Name)
	}
	s := &model.Shapes[m.Shape]
	if s.Kind != shape.List {
		if field.Kind() == reflect.Pointer && field.IsNil() || field.Kind() == reflect.Slice && field.IsNil() {
			return
		}
		text := string(textvalue.Append(nil, field, model.TimeFormat(m, shape.RFC822)))
		if m.JSONValue {
			text = base64.StdEncoding.EncodeToString([]byte(text))
		}
		h[name] = []string{clean(text)}
		return
	}
	if field.Len() == 0 {
		return
	}
	var line strings.Builder
	for i := range field.Len() {
		if i > 0 {
			line.WriteString(", ")
		}
		text := string(textvalue.Append(nil, field.Index(i), model.TimeFormat(s.Elem, shape.RFC822)))
		if model.Shapes[s.Elem.Shape].Kind == shape.String && strings.ContainsAny(text, `",`) {
			text = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
		}
		line.WriteString(text)
	}
	h[name] = []string{clean(line.String())}
}

func setPrefixed(m *shape.Member, h http.Header, field reflect.Value) {
	for entries := field.MapRange(); entries.Next(); {
		h[http.CanonicalHeaderKey(m.Wire+entries.Key().String())] = []string{clean(string(textvalue.Append(nil, entries.Value(), "")))}
	}
}

// clean keeps a value from ending the header: line ends become spaces.
func clean(text string) string {
	if !strings.ContainsAny(text, "\r\n\x00") {
		return text
	}
	return strings.Map(func(r rune) rune {
		if r == '\r' || r == '\n' || r == 0 {
			return ' '
		}
		return r
	}, text)
}

// Fault writes the headers of an error: those of the fault and the details that
// the model places in headers.
func Fault(model *shape.Service, h http.Header, f *fault.Fault) {
	for name, value := range f.Header {
		h[http.CanonicalHeaderKey(name)] = []string{clean(value)}
	}
	if model == nil {
		return
	}
	exception := model.Exception(f.Code)
	if exception == nil {
		return
	}
	for i := range exception.Members {
		m := &exception.Members[i]
		value, ok := f.Detail[m.Name]
		if !ok {
			value, ok = f.Detail[m.WireName()]
		}
		if ok && m.Location == shape.Header {
			name := http.CanonicalHeaderKey(m.WireName())
			h[name] = []string{clean(text(value))}
		}
	}
}

// text of a detail, whatever Go type the service gave it.
func text(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case *string:
		if v != nil {
			return *v
		}
	case int:
		return strconv.Itoa(v)
	case int32:
		return strconv.Itoa(int(v))
	case int64:
		return strconv.FormatInt(v, 10)
	case bool:
		return strconv.FormatBool(v)
	case time.Time:
		return string(shape.AppendTime(nil, v, shape.RFC822))
	}
	return ""
}
