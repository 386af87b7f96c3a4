// Package xmlvalue turns XML into the generated Go structs and back, guided by
// a shape table. It serves the rest-xml protocol and the replies of the query
// protocol, and knows no service and no HTTP.
//
// Parsing is bounded: nesting by MaxDepth, elements of a document by
// MaxElements, everything else by the length of the text, which the caller
// bounds. Document type definitions and entities beyond XML's own five are
// refused. Encoding writes members in model order and leaves out absent ones.
//
// No goroutines, no locks. Start reading at Parse and Encoder.
package xmlvalue

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Bounds of a parsed document.
const (
	MaxDepth    = 64
	MaxElements = 200_000
)

// Node is one element of a document. Namespaces are dropped: AWS's servers
// accept documents with and without them.
type Node struct {
	Name       string
	Text       string // character data, elements cut out
	Attributes []xml.Attr
	Children   []*Node
}

// Child is the first child of that name, or nil.
func (n *Node) Child(name string) *Node {
	for _, child := range n.Children {
		if child.Name == name {
			return child
		}
	}
	return nil
}

// Parse reads one document and returns its root element; nil for the empty text.
func Parse(data []byte) (*Node, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, nil
	}
	p := parser{decoder: xml.NewDecoder(bytes.NewReader(data))}
	p.decoder.CharsetReader = func(charset string, input io.Reader) (io.Reader, error) {
		if strings.EqualFold(charset, "us-ascii") {
			return input, nil
		}
		return nil, fmt.Errorf("character set %q is not supported", charset)
	}
	var root *Node
	for {
		token, err := p.decoder.Token()
		if errors.Is(err, io.EOF) && root != nil {
			return root, nil
		}
		if err != nil {
			return nil, fmt.Errorf("malformed XML: %w", err)
		}
		switch token := token.(type) {
		case xml.Directive:
			return nil, errors.New("malformed XML: document type definitions are not allowed")
		case xml.CharData:
			if len(bytes.TrimSpace(token)) > 0 {
				return nil, errors.New("malformed XML: text outside of the document")
			}
		case xml.StartElement:
			if root != nil {
				return nil, errors.New("malformed XML: more than one document")
			}
			if root, err = p.element(token, 1); err != nil {
				return nil, err
			}
		}
	}
}

type parser struct {
	decoder  *xml.Decoder
	elements int
}

// element reads up to the end of the element that start opened.
func (p *parser) element(start xml.StartElement, depth int) (*Node, error) {
	if p.elements++; depth > MaxDepth || p.elements > MaxElements {
		return nil, errors.New("malformed XML: nested too deeply or too many elements")
	}
	n := &Node{Name: start.Name.Local, Attributes: start.Copy().Attr}
	text := []byte{}
	for {
		token, err := p.decoder.Token()
		if err != nil {
			return nil, fmt.Errorf("malformed XML: %w", err)
		}
		switch token := token.(type) {
		case xml.CharData:
			text = append(text, token...)
		case xml.StartElement:
			child, err := p.element(token, depth+1)
			if err != nil {
				return nil, err
			}
			n.Children = append(n.Children, child)
		case xml.EndElement:
			n.Text = string(text)
			return n, nil
		}
	}
}
