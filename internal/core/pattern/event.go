package pattern

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Event is an event that was read, to be matched with many patterns.
type Event struct{ root node }

// node is a place in an event. An array's scalars are its own values, its objects
// and arrays are elements. Keys with dots are taken apart: AWS's engine joins the
// names of a path by dots, so that {"a.b": 1} and {"a": {"b": 1}} are the same.
type node struct {
	values   []value
	fields   map[string]*node
	elements []*node
}

// value is a scalar.
type value struct {
	kind    tokenKind // text, number or literal
	text    string    // decoded for texts, as written for the others
	decimal int64     // of a number in millionths
	exact   bool      // decimal is set: the number is in the range that can be compared
	address netip.Addr
}

// ParseEvent reads an event in JSON. It must be an object.
func ParseEvent(text []byte) (*Event, error) {
	p := newParser(text)
	p.noLocation = true
	t, err := p.next()
	if err != nil {
		return nil, err
	}
	if t.kind != objectBegin {
		return nil, &Error{Reason: "Event must be a JSON object"}
	}
	e := &Event{}
	if err := e.root.readObject(p); err != nil {
		return nil, err
	}
	return e, p.end()
}

// NewEvent makes an event of values: string, json.Number, bool, nil,
// map[string]any, []any, and json.RawMessage for what is JSON already.
func NewEvent(fields map[string]any) (*Event, error) {
	e := &Event{}
	return e, e.root.put(fields, 0)
}

func (n *node) put(v any, depth int) error {
	if depth > maxDepth {
		return errTooDeep
	}
	switch v := v.(type) {
	case nil:
		n.add(token{kind: literal, text: "null"})
	case string:
		n.add(token{kind: text, text: v})
	case json.Number:
		n.add(token{kind: number, text: v.String()})
	case bool:
		n.add(token{kind: literal, text: strconv.FormatBool(v)})
	case json.RawMessage:
		return n.putRaw(v)
	case map[string]any:
		for name, field := range v {
			if err := n.field(name).put(field, depth+1); err != nil {
				return err
			}
		}
	case []any:
		for _, element := range v {
			if err := n.element(element).put(element, depth+1); err != nil {
				return err
			}
		}
	default:
		return fmt.Errorf("pattern: an event cannot hold a %T", v)
	}
	return nil
}

// element is where an element of an array belongs.
func (n *node) element(v any) *node {
	switch v.(type) {
	case map[string]any, []any, json.RawMessage:
		n.elements = append(n.elements, &node{})
		return n.elements[len(n.elements)-1]
	}
	return n
}

func (n *node) putRaw(raw []byte) error {
	p := newParser(raw)
	p.noLocation = true
	t, err := p.next()
	if err != nil {
		return err
	}
	if err := n.read(p, t); err != nil {
		return err
	}
	return p.end()
}

// read reads a value whose first token is t.
func (n *node) read(p *parser, t token) error {
	switch t.kind {
	case objectBegin:
		return n.readObject(p)
	case arrayBegin:
		return n.readArray(p)
	}
	n.add(t)
	return nil
}

func (n *node) readObject(p *parser) error {
	for {
		name, err := p.next()
		if err != nil || name.kind == objectEnd {
			return err
		}
		t, err := p.next()
		if err != nil {
			return err
		}
		if err := n.field(name.text).read(p, t); err != nil {
			return err
		}
	}
}

func (n *node) readArray(p *parser) error {
	for {
		t, err := p.next()
		if err != nil || t.kind == arrayEnd {
			return err
		}
		at := n
		if t.kind == objectBegin || t.kind == arrayBegin {
			at = &node{}
			n.elements = append(n.elements, at)
		}
		if err := at.read(p, t); err != nil {
			return err
		}
	}
}

// field is the node of a name below this one, made if it is not there.
func (n *node) field(name string) *node {
	first, rest, dotted := strings.Cut(name, ".")
	if n.fields == nil {
		n.fields = map[string]*node{}
	}
	child := n.fields[first]
	if child == nil {
		child = &node{}
		n.fields[first] = child
	}
	if dotted {
		return child.field(rest)
	}
	return child
}

func (n *node) add(t token) { n.values = append(n.values, newValue(t)) }

// newValue makes a scalar ready to be compared.
func newValue(t token) value {
	v := value{kind: t.kind, text: t.text}
	switch t.kind {
	case number:
		v.decimal, v.exact = millionths(t.text)
	case text:
		v.address = address(t.text)
	}
	return v
}

// has tells whether there is a value at a path, in any element of any array.
func (n *node) has(path []string) bool {
	if len(path) == 0 {
		if len(n.values) > 0 {
			return true
		}
	} else if field := n.fields[path[0]]; field != nil && field.has(path[1:]) {
		return true
	}
	for _, element := range n.elements {
		if element.has(path) {
			return true
		}
	}
	return false
}
