package pyjson

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Compact is json.dumps(value, separators=(',', ':'), sort_keys=True): what hashes
// in logical ids are made of.
func Compact(value any) string {
	return string(printer{item: ",", colon: ":", sorted: true}.value(nil, value, 0))
}

// Dump is json.dumps(value): keys in their order, spaces behind separators.
func Dump(value any) string {
	return string(printer{item: ", ", colon: ": "}.value(nil, value, 0))
}

// Indented is json.dumps(value, sort_keys=True, indent=4, separators=(',', ': ')).
func Indented(value any) string {
	return string(printer{item: ",", colon: ": ", sorted: true, indent: 4}.value(nil, value, 0))
}

// printer is json.dumps with its settings.
type printer struct {
	item, colon string
	sorted      bool
	indent      int
}

func (p printer) value(out []byte, value any, depth int) []byte {
	switch v := value.(type) {
	case nil:
		return append(out, "null"...)
	case bool:
		return strconv.AppendBool(out, v)
	case json.Number:
		return append(out, Number(v)...)
	case []any:
		return p.all(out, '[', ']', len(v), depth, func(out []byte, i int) []byte { return p.value(out, v[i], depth+1) })
	case *Dict:
		keys := v.Keys()
		if p.sorted {
			slices.Sort(keys)
		}
		return p.all(out, '{', '}', len(keys), depth, func(out []byte, i int) []byte {
			return p.value(append(quoteJSON(out, keys[i]), p.colon...), v.Get(keys[i]), depth+1)
		})
	}
	text, _ := Text(value)
	return quoteJSON(out, text)
}

func (p printer) all(out []byte, first, last byte, n, depth int, item func([]byte, int) []byte) []byte {
	out = append(out, first)
	for i := range n {
		if i > 0 {
			out = append(out, p.item...)
		}
		out = item(p.newline(out, depth+1), i)
	}
	if n > 0 {
		out = p.newline(out, depth)
	}
	return append(out, last)
}

func (p printer) newline(out []byte, depth int) []byte {
	if p.indent == 0 {
		return out
	}
	return append(append(out, '\n'), strings.Repeat(" ", p.indent*depth)...)
}

// quoteJSON writes a string as json.dumps does: ASCII only.
func quoteJSON(out []byte, text string) []byte {
	out = append(out, '"')
	for _, c := range text {
		switch {
		case c == '"' || c == '\\':
			out = append(out, '\\', byte(c))
		case c == '\n':
			out = append(out, `\n`...)
		case c == '\r':
			out = append(out, `\r`...)
		case c == '\t':
			out = append(out, `\t`...)
		case c == '\b':
			out = append(out, `\b`...)
		case c == '\f':
			out = append(out, `\f`...)
		case c >= ' ' && c < 0x7f:
			out = append(out, byte(c))
		case c > 0xffff:
			c -= 0x10000
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xd800+c>>10, 0xdc00+c&0x3ff)
		default:
			out = fmt.Appendf(out, `\u%04x`, c)
		}
	}
	return append(out, '"')
}

// Number is a number as Python prints it.
func Number(n json.Number) string {
	text := n.String()
	if IsInt(n) {
		if text == "-0" {
			return "0"
		}
		return text
	}
	f, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil && f > 0:
		return "Infinity"
	case err != nil:
		return "-Infinity"
	}
	return float(f)
}

// float is Python's repr of a float: the shortest text that reads back as the same,
// with an exponent below 1e-4 and from 1e16 on.
func float(f float64) string {
	short := strconv.FormatFloat(f, 'e', -1, 64)
	mantissa, exponent, _ := strings.Cut(short, "e")
	if n, _ := strconv.Atoi(exponent); n >= -4 && n < 16 {
		plain := strconv.FormatFloat(f, 'f', -1, 64)
		if !strings.Contains(plain, ".") {
			plain += ".0"
		}
		return plain
	}
	return mantissa + "e" + exponent
}

// String is Python's str() of a value.
func String(value any) string {
	if text, ok := Text(value); ok {
		return text
	}
	return Repr(value)
}

// Repr is Python's repr() of a value.
func Repr(value any) string { return string(repr(nil, value)) }

func repr(out []byte, value any) []byte {
	switch v := value.(type) {
	case nil:
		return append(out, "None"...)
	case bool:
		if v {
			return append(out, "True"...)
		}
		return append(out, "False"...)
	case json.Number:
		switch text := Number(v); text {
		case "Infinity":
			return append(out, "inf"...)
		case "-Infinity":
			return append(out, "-inf"...)
		default:
			return append(out, text...)
		}
	case []any:
		out = append(out, '[')
		for i, item := range v {
			if i > 0 {
				out = append(out, ", "...)
			}
			out = repr(out, item)
		}
		return append(out, ']')
	case *Dict:
		out = append(out, '{')
		for i, key := range v.Keys() {
			if i > 0 {
				out = append(out, ", "...)
			}
			out = append(repr(out, v.Key(key)), ": "...)
			out = repr(out, v.Get(key))
		}
		return append(out, '}')
	case Unicode:
		shown := reprText(unicodeEscape(string(v)))
		return append(append(out, 'u'), strings.ReplaceAll(shown, `\\`, `\`)...)
	}
	text, _ := Text(value)
	return append(out, reprText(text)...)
}

// reprText is the repr of a str: in single quotes unless only those are inside.
func reprText(text string) string {
	quote := '\''
	if strings.Contains(text, "'") && !strings.Contains(text, `"`) {
		quote = '"'
	}
	out := []byte{byte(quote)}
	for _, c := range text {
		switch {
		case c == quote || c == '\\':
			out = append(out, '\\', byte(c))
		case c == '\n':
			out = append(out, `\n`...)
		case c == '\r':
			out = append(out, `\r`...)
		case c == '\t':
			out = append(out, `\t`...)
		case unicode.IsPrint(c):
			out = append(out, string(c)...)
		default:
			out = appendEscape(out, c)
		}
	}
	return string(append(out, byte(quote)))
}

// unicodeEscape is Python's codec of that name.
func unicodeEscape(text string) string {
	var out []byte
	for _, c := range text {
		switch {
		case c == '\\':
			out = append(out, `\\`...)
		case c == '\n':
			out = append(out, `\n`...)
		case c == '\r':
			out = append(out, `\r`...)
		case c == '\t':
			out = append(out, `\t`...)
		case c >= ' ' && c < 0x7f:
			out = append(out, byte(c))
		default:
			out = appendEscape(out, c)
		}
	}
	return string(out)
}

func appendEscape(out []byte, c rune) []byte {
	switch {
	case c <= 0xff:
		return fmt.Appendf(out, `\x%02x`, c)
	case c <= 0xffff:
		return fmt.Appendf(out, `\u%04x`, c)
	}
	return fmt.Appendf(out, `\U%08x`, c)
}

// Itoa is a number's text.
func Itoa(n int) string { return strconv.Itoa(n) }

// TypeName is the name of a value's type in Python.
func TypeName(value any) string {
	switch v := value.(type) {
	case nil:
		return "NoneType"
	case bool:
		return "bool"
	case json.Number:
		if IsInt(v) {
			return "int"
		}
		return "float"
	case []any:
		return "list"
	case *Dict:
		return "dict"
	case Unicode:
		return "Py27UniStr"
	}
	return "str"
}
