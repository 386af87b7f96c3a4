package libraries

import (
	"bytes"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/wire/shape"
)

// compareBody compares two bodies by what they mean in the protocol.
func compareBody(protocol shape.Protocol, want, got []byte) string {
	if len(want) == 0 && saysNothing(protocol, got) {
		return "" // a vector without a body makes no statement about one
	}
	return diff(withoutNamespace(plainOf(protocol, want)), withoutNamespace(plainOf(protocol, got)))
}

// saysNothing tells whether a body holds no member.
func saysNothing(protocol shape.Protocol, body []byte) bool {
	switch value := plainOf(protocol, body).(type) {
	case nil:
		return true
	case map[string]any:
		return len(value) == 0
	case []*element:
		return !slices.ContainsFunc(value, (*element).says)
	}
	return false
}

// says tells whether there is any text in an element.
func (e *element) says() bool {
	return e.Text != "" || slices.ContainsFunc(e.Children, (*element).says)
}

func plainOf(protocol shape.Protocol, body []byte) any {
	switch protocol {
	case shape.CBOR:
		return plainCBOR(body)
	case shape.Query, shape.RestXML, shape.EC2:
		return plainXML(body)
	}
	return plainJSON(body)
}

// withoutNamespace cuts "namespace#Code:uri" down to the code, as clients do.
func withoutNamespace(body any) any {
	if members, ok := body.(map[string]any); ok {
		if code, ok := members["__type"].(string); ok {
			code, _, _ = strings.Cut(code, ":")
			if _, after, found := strings.Cut(code, "#"); found {
				code = after
			}
			members["__type"] = code
		}
	}
	return body
}

// element is an XML element without what has no meaning: prefixes, comments and
// space between elements.
type element struct {
	Name       string
	Attributes map[string]string
	Text       string
	Children   []*element
}

// plainXML parses XML. The request id is left out, wherever the protocol puts it:
// vectors have it or not.
func plainXML(data []byte) any {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil
	}
	root := &element{}
	stack := []*element{root}
	for d := xml.NewDecoder(bytes.NewReader(data)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Sprintf("no XML: %v: %s", err, data)
		}
		top := stack[len(stack)-1]
		switch token := token.(type) {
		case xml.StartElement:
			e := &element{Name: token.Name.Local}
			for _, a := range token.Attr {
				if a.Name.Space == "xmlns" || a.Name.Local == "xmlns" {
					continue
				}
				if e.Attributes == nil {
					e.Attributes = map[string]string{}
				}
				e.Attributes[a.Name.Local] = a.Value
			}
			top.Children = append(top.Children, e)
			stack = append(stack, e)
		case xml.EndElement:
			if len(top.Children) > 0 || strings.Contains(top.Text, "\n") && strings.TrimSpace(top.Text) == "" {
				top.Text = strings.TrimSpace(top.Text)
			}
			stack = stack[:len(stack)-1]
			parent := stack[len(stack)-1]
			if strings.EqualFold(top.Name, "requestid") || top.Name == "ResponseMetadata" && len(top.Children) == 0 {
				if parent.Children = parent.Children[:len(parent.Children)-1]; len(parent.Children) == 0 {
					parent.Children, parent.Text = nil, ""
				}
			}
		case xml.CharData:
			top.Text += string(token)
		}
	}
	root.sort()
	return root.Children
}

// sort brings elements of different names into one order, and the entries of a
// map, which have two children: only the order of list elements has a meaning.
func (e *element) sort() {
	for _, c := range e.Children {
		c.sort()
	}
	slices.SortStableFunc(e.Children, func(a, b *element) int {
		if order := strings.Compare(a.Name, b.Name); order != 0 || len(a.Children) != 2 || len(b.Children) != 2 {
			return order
		}
		return strings.Compare(a.Children[0].Text, b.Children[0].Text)
	})
}

// plainCBOR decodes CBOR into comparable values: numbers by their value, since
// a writer may choose the size.
func plainCBOR(data []byte) any {
	if len(data) == 0 {
		return nil
	}
	d := &cborReader{data: data}
	value := d.value()
	if d.err != nil {
		return fmt.Sprintf("no CBOR: %v: %x", d.err, data)
	}
	return value
}

type cborReader struct {
	data []byte
	err  error
}

func (d *cborReader) take(n int) []byte {
	if d.err != nil || n < 0 || n > len(d.data) {
		d.err = io.ErrUnexpectedEOF
		return make([]byte, max(0, min(n, 8)))
	}
	head := d.data[:n]
	d.data = d.data[n:]
	return head
}

// head reads a major type and its argument; indefinite lengths are -1.
func (d *cborReader) head() (major byte, info byte, n int64) {
	b := d.take(1)[0]
	major, info = b>>5, b&31
	switch {
	case info < 24:
		return major, info, int64(info)
	case info == 24:
		return major, info, int64(d.take(1)[0])
	case info == 25:
		return major, info, int64(binary.BigEndian.Uint16(d.take(2)))
	case info == 26:
		return major, info, int64(binary.BigEndian.Uint32(d.take(4)))
	case info == 27:
		return major, info, int64(binary.BigEndian.Uint64(d.take(8)))
	}
	return major, info, -1
}

func (d *cborReader) value() any {
	major, info, n := d.head()
	if d.err != nil {
		return nil
	}
	switch major {
	case 0:
		return fmt.Sprint(n)
	case 1:
		return fmt.Sprint(-1 - n)
	case 2, 3:
		return d.text(n)
	case 4:
		out := []any{}
		for ; d.more(n, len(out)); out = append(out, d.value()) {
		}
		return out
	case 5:
		out := map[string]any{}
		for i := 0; d.more(n, i); i++ {
			key := fmt.Sprint(d.value())
			out[key] = d.value()
		}
		return out
	case 6:
		return map[string]any{fmt.Sprintf("tag %d", n): d.value()}
	}
	return simple(info, n)
}

// more tells whether a collection of n elements goes on after i.
func (d *cborReader) more(n int64, i int) bool {
	if d.err != nil {
		return false
	}
	if n >= 0 {
		return int64(i) < n
	}
	if len(d.data) > 0 && d.data[0] == 0xff {
		d.take(1)
		return false
	}
	return true
}

func (d *cborReader) text(n int64) string {
	if n >= 0 {
		return string(d.take(int(n)))
	}
	out := ""
	for d.more(n, 0) {
		_, _, size := d.head()
		out += string(d.take(int(size)))
	}
	return out
}

func simple(info byte, n int64) any {
	switch info {
	case 20, 21:
		return info == 21
	case 22, 23:
		return nil
	case 25:
		return fmt.Sprint(half(uint16(n)))
	case 26:
		return fmt.Sprint(float64(math.Float32frombits(uint32(n))))
	case 27:
		return fmt.Sprint(math.Float64frombits(uint64(n)))
	}
	return fmt.Sprintf("simple %d", n)
}

// half is the value of a float of 16 bits.
func half(bits uint16) float64 {
	sign, exponent, fraction := 1.0, int(bits>>10&31), float64(bits&1023)
	if bits>>15 == 1 {
		sign = -1
	}
	switch exponent {
	case 0:
		return sign * math.Ldexp(fraction, -24)
	case 31:
		if fraction != 0 {
			return math.NaN()
		}
		return math.Inf(int(sign))
	}
	return sign * math.Ldexp(fraction+1024, exponent-25)
}
