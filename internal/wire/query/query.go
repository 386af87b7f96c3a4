// Package query is the codec of AWS's query protocol: form parameters in, XML
// out. It serves STS, IAM, SQS, SNS, CloudFormation and their like.
//
// It promises bounded work: at most MaxParameters parameters, MaxDepth names in
// a row. Unknown parameters are ignored, as AWS does. No goroutines, no locks.
// Start reading at Codec.
package query

import (
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/shape"
	"github.com/lambkin-dev/lambkin/internal/wire/textvalue"
	"github.com/lambkin-dev/lambkin/internal/wire/xmlvalue"
)

// Bounds of a request.
const (
	MaxParameters = 50_000
	MaxDepth      = 64
)

// Codec is the query protocol.
type Codec struct{}

var _ wire.Codec = Codec{}

// malformed is AWS's answer to parameters that fit no type.
func malformed(format string, args ...any) error {
	return &fault.Fault{Code: "MalformedQueryString", Message: fmt.Sprintf(format, args...), Status: http.StatusBadRequest, Sender: true}
}

// Parameters reads the form of the body, or of the URL for a GET.
func Parameters(r *http.Request, body []byte) (url.Values, error) {
	text := string(body)
	if r.Method == http.MethodGet || len(body) == 0 {
		text = r.URL.RawQuery
	}
	if strings.Count(text, "&") >= MaxParameters {
		return nil, malformed("The query string has more than %d parameters.", MaxParameters)
	}
	form, err := url.ParseQuery(text)
	if err != nil {
		return nil, malformed("The query string could not be parsed.")
	}
	return form, nil
}

// Decode reads the operation's input; see wire.Codec.
func (Codec) Decode(x *wire.Exchange) (any, error) {
	in := x.Operation.NewInput()
	if x.Operation.Input == shape.None {
		return in, nil
	}
	form, err := Parameters(x.Call.Request, x.Body)
	if err != nil {
		return nil, err
	}
	root := &node{}
	for name, values := range form {
		if err := root.put(name, values[0]); err != nil {
			return nil, err
		}
	}
	d := decoder{model: x.Service}
	if err := d.structure(x.Operation.Input, root, reflect.ValueOf(in).Elem()); err != nil {
		return nil, malformed("%s", err)
	}
	return in, nil
}

// node is one step of a dotted parameter name.
type node struct {
	value    string
	present  bool
	children map[string]*node
}

func (n *node) put(name, value string) error {
	if strings.Count(name, ".") > MaxDepth {
		return malformed("The parameter %.80s is nested too deeply.", name)
	}
	for part := range strings.SplitSeq(name, ".") {
		child := n.children[part]
		if child == nil {
			child = &node{}
			if n.children == nil {
				n.children = map[string]*node{}
			}
			n.children[part] = child
		}
		n = child
	}
	n.value, n.present = value, true
	return nil
}

// at walks a dotted name; nil if there is nothing.
func (n *node) at(name string) *node {
	for part := range strings.SplitSeq(name, ".") {
		if n = n.children[part]; n == nil {
			return nil
		}
	}
	return n
}

// numbered are the children with a number for a name, in the order of the numbers.
func (n *node) numbered() []*node {
	type item struct {
		number int
		child  *node
	}
	items := make([]item, 0, len(n.children))
	for name, child := range n.children {
		if number, err := strconv.Atoi(name); err == nil && number >= 0 {
			items = append(items, item{number, child})
		}
	}
	slices.SortFunc(items, func(a, b item) int { return a.number - b.number })
	children := make([]*node, len(items))
	for i, it := range items {
		children[i] = it.child
	}
	return children
}

type decoder struct{ model *shape.Service }

func (d *decoder) structure(s shape.Index, n *node, v reflect.Value) error {
	sh := &d.model.Shapes[s]
	for i := range sh.Members {
		m := &sh.Members[i]
		if err := d.member(m, n, v.Field(i)); err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
	}
	return nil
}

func (d *decoder) member(m *shape.Member, n *node, v reflect.Value) error {
	sh := &d.model.Shapes[m.Shape]
	child := n.at(m.WireName())
	if sh.Kind == shape.List && (m.Flattened || sh.Flattened) && sh.Elem.Wire != "" {
		// The elements of a flattened list are named for themselves; some
		// clients name them for the list all the same.
		if own := n.at(sh.Elem.Wire); own != nil {
			child = own
		}
	}
	if child == nil {
		return nil
	}
	return d.value(m, child, v)
}

func (d *decoder) value(m *shape.Member, n *node, v reflect.Value) error {
	sh := &d.model.Shapes[m.Shape]
	switch sh.Kind {
	case shape.Structure:
		if v.Kind() == reflect.Pointer {
			v.Set(reflect.New(v.Type().Elem()))
			v = v.Elem()
		}
		return d.structure(m.Shape, n, v)
	case shape.List:
		return d.list(m, sh, n, v)
	case shape.Map:
		return d.mapping(m, sh, n, v)
	}
	if !n.present {
		return nil
	}
	return textvalue.Set(v, n.value)
}

func (d *decoder) list(m *shape.Member, sh *shape.Shape, n *node, v reflect.Value) error {
	items := n
	if !m.Flattened && !sh.Flattened {
		name := sh.Elem.Wire
		if name == "" {
			name = "member"
		}
		if inner := n.at(name); inner != nil {
			items = inner
		}
	}
	children := items.numbered()
	if len(children) == 0 && !n.present {
		return nil
	}
	v.Set(reflect.MakeSlice(v.Type(), len(children), len(children)))
	for i, child := range children {
		if err := d.value(sh.Elem, child, v.Index(i)); err != nil {
			return err
		}
	}
	return nil
}

func (d *decoder) mapping(m *shape.Member, sh *shape.Shape, n *node, v reflect.Value) error {
	if !m.Flattened && !sh.Flattened {
		if n = n.at("entry"); n == nil {
			return nil
		}
	}
	keyName, valueName := nameOr(sh.Key, "key"), nameOr(sh.Elem, "value")
	v.Set(reflect.MakeMap(v.Type()))
	for _, entry := range n.numbered() {
		key, value := entry.at(keyName), entry.at(valueName)
		if key == nil {
			return fmt.Errorf("an entry has no %s", keyName)
		}
		element := reflect.New(v.Type().Elem()).Elem()
		if value != nil {
			if err := d.value(sh.Elem, value, element); err != nil {
				return err
			}
		}
		v.SetMapIndex(reflect.ValueOf(key.value), element)
	}
	return nil
}

func nameOr(m *shape.Member, fallback string) string {
	if m.Wire != "" {
		return m.Wire
	}
	return fallback
}

// Encode writes the reply; see wire.Codec.
func (Codec) Encode(w http.ResponseWriter, x *wire.Exchange, out any) error {
	e := xmlvalue.Encoder{Model: x.Service}
	root := x.Operation.Name + "Response"
	e.Open(root, x.Service.XMLNamespace)
	if v := reflect.ValueOf(out); x.Operation.Output != shape.None && v.IsValid() && !v.IsNil() {
		if x.Operation.Wrapper != "" {
			e.Open(x.Operation.Wrapper, "")
		}
		e.Members(x.Operation.Output, v.Elem(), false)
		if x.Operation.Wrapper != "" {
			e.Close(x.Operation.Wrapper)
		}
	}
	e.Open("ResponseMetadata", "")
	e.Element("RequestId", x.Call.RequestID)
	e.Close("ResponseMetadata")
	e.Close(root)
	return send(w, x, http.StatusOK, &e)
}

// EncodeFault writes an error reply; see wire.Codec.
func (Codec) EncodeFault(w http.ResponseWriter, x *wire.Exchange, f *fault.Fault) {
	e := xmlvalue.Encoder{Model: x.Service}
	namespace := ""
	if x.Service != nil {
		namespace = x.Service.XMLNamespace
	}
	e.Open("ErrorResponse", namespace)
	e.Fault(f)
	e.Element("RequestId", x.Call.RequestID)
	e.Close("ErrorResponse")
	for name, value := range f.Header {
		w.Header().Set(name, value)
	}
	send(w, x, f.Status, &e) // a client that is gone needs no error
}

func send(w http.ResponseWriter, x *wire.Exchange, status int, e *xmlvalue.Encoder) error {
	header := w.Header()
	for name, values := range x.Call.Header {
		header[name] = values
	}
	header.Set("Content-Type", "text/xml")
	header.Set("X-Amzn-Requestid", x.Call.RequestID)
	header.Set("Content-Length", strconv.Itoa(len(e.Bytes())))
	w.WriteHeader(status)
	_, err := w.Write(e.Bytes())
	return err
}
