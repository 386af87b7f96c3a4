package xmlvalue

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/wire/shape"
	"github.com/lambkin-dev/lambkin/internal/wire/textvalue"
)

// Decode reads the element into the struct v; s is its structure shape. With
// bodyOnly, members that travel elsewhere in HTTP are left alone. Unknown
// elements are skipped.
func Decode(model *shape.Service, s shape.Index, n *Node, v reflect.Value, bodyOnly bool) error {
	sh := &model.Shapes[s]
	for i := range sh.Members {
		m := &sh.Members[i]
		if bodyOnly && m.Location != shape.Body {
			continue
		}
		if err := decodeMember(model, m, n, v.Field(i)); err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
	}
	return nil
}

// decodeMember finds the member's elements below the parent n.
func decodeMember(model *shape.Service, m *shape.Member, n *Node, field reflect.Value) error {
	sh := &model.Shapes[m.Shape]
	if m.Attribute {
		for _, attribute := range n.Attributes {
			if attribute.Name.Local == localName(m.WireName()) {
				return textvalue.Set(field, attribute.Value)
			}
		}
		return nil
	}
	if flattened(sh, m) {
		return decodeFlattened(model, sh, m, n, field)
	}
	child := n.Child(m.WireName())
	if child == nil {
		return nil
	}
	return DecodeValue(model, m, child, field)
}

func flattened(sh *shape.Shape, m *shape.Member) bool {
	return (sh.Kind == shape.List || sh.Kind == shape.Map) && (m.Flattened || sh.Flattened)
}

// flatName is the name of the elements of a flattened list.
func flatName(sh *shape.Shape, m *shape.Member) string {
	if sh.Kind == shape.List && m.Wire == "" && sh.Elem.Wire != "" {
		return sh.Elem.Wire
	}
	return m.WireName()
}

func decodeFlattened(model *shape.Service, sh *shape.Shape, m *shape.Member, n *Node, field reflect.Value) error {
	name := flatName(sh, m)
	if n.Child(name) == nil {
		name = m.WireName() // so do some clients name the elements
	}
	for _, child := range n.Children {
		if child.Name != name {
			continue
		}
		var err error
		if sh.Kind == shape.List {
			err = appendElement(model, sh, child, field)
		} else {
			err = putEntry(model, sh, child, field)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// DecodeValue reads the element into v, which is settable and of the Go type of m.
func DecodeValue(model *shape.Service, m *shape.Member, n *Node, v reflect.Value) error {
	sh := &model.Shapes[m.Shape]
	switch sh.Kind {
	case shape.Structure:
		if v.Kind() == reflect.Pointer {
			v.Set(reflect.New(v.Type().Elem()))
			v = v.Elem()
		}
		return Decode(model, m.Shape, n, v, false)
	case shape.List:
		v.Set(reflect.MakeSlice(v.Type(), 0, len(n.Children)))
		for _, child := range n.Children {
			if err := appendElement(model, sh, child, v); err != nil {
				return err
			}
		}
		return nil
	case shape.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for _, child := range n.Children {
			if err := putEntry(model, sh, child, v); err != nil {
				return err
			}
		}
		return nil
	case shape.String:
		return textvalue.Set(v, n.Text)
	}
	return textvalue.Set(v, strings.TrimSpace(n.Text))
}

func appendElement(model *shape.Service, sh *shape.Shape, n *Node, list reflect.Value) error {
	element := reflect.New(list.Type().Elem()).Elem()
	if err := DecodeValue(model, sh.Elem, n, element); err != nil {
		return err
	}
	list.Set(reflect.Append(list, element))
	return nil
}

func putEntry(model *shape.Service, sh *shape.Shape, entry *Node, into reflect.Value) error {
	key, value := entry.Child(mapName(sh.Key, "key")), entry.Child(mapName(sh.Elem, "value"))
	if key == nil {
		return fmt.Errorf("a map entry has no %s", mapName(sh.Key, "key"))
	}
	if into.IsNil() {
		into.Set(reflect.MakeMap(into.Type()))
	}
	element := reflect.New(into.Type().Elem()).Elem()
	if value != nil {
		if err := DecodeValue(model, sh.Elem, value, element); err != nil {
			return err
		}
	}
	into.SetMapIndex(reflect.ValueOf(key.Text), element)
	return nil
}

func mapName(m *shape.Member, fallback string) string {
	if m.Wire != "" {
		return m.Wire
	}
	return fallback
}

// localName cuts the prefix of "xsi:type".
func localName(name string) string { return name[strings.IndexByte(name, ':')+1:] }
