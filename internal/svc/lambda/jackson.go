package lambda

import (
	"fmt"
	"unicode/utf8"
)

// AWS's front end parses the event with Jackson and shows its message to the
// caller, so that the text of a syntax error is Jackson's. This file words the
// first error of a document that is known to be no JSON; it runs for errors only.
//
// Source: recorded replies of Invoke, and the messages of jackson-core
// (ParserMinimalBase, UTF8StreamJsonParser).

// jacksonMaxDepth is Jackson's limit of nesting.
const jacksonMaxDepth = 1000

// jacksonTokenBytes is how much of an unknown word Jackson shows.
const jacksonTokenBytes = 256

const (
	jacksonValues = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
	jacksonSource = "\n at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: %d, column: %d]"
)

// jacksonError is the message for data, which must not be valid JSON.
func jacksonError(data []byte) string {
	p := &jackson{data: data}
	p.value(1)
	if p.problem == "" {
		p.space()
		if p.at < len(p.data) {
			p.unexpected("expected end-of-input after the value")
		} else {
			// Only a difference between the two parsers leads here.
			p.fail("Unexpected input", p.at)
		}
	}
	return p.problem
}

// jackson walks a document up to its first error, kept in problem.
type jackson struct {
	data    []byte
	at      int
	problem string
}

// fail keeps the message with the place after data[:end], counted as Jackson
// counts: lines and columns from 1, columns in bytes.
func (p *jackson) fail(message string, end int) {
	line, begin := 1, 0
	for i, c := range p.data[:end] {
		if c == '\n' {
			line, begin = line+1, i+1
		}
	}
	p.problem = message + fmt.Sprintf(jacksonSource, line, end-begin+1)
}

// unexpected complains of the byte at the current place; Jackson has read it
// already, so that the column is the one after it.
func (p *jackson) unexpected(wanted string) {
	p.fail("Unexpected character ("+character(p.data[p.at])+"): "+wanted, p.at+1)
}

// character shows a byte as Jackson does.
func character(c byte) string {
	if c < ' ' || c == 0x7f {
		return fmt.Sprintf("(CTRL-CHAR, code %d)", c)
	}
	return fmt.Sprintf("'%c' (code %d)", c, c)
}

func (p *jackson) space() {
	for p.at < len(p.data) {
		switch p.data[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

func (p *jackson) value(depth int) {
	p.space()
	if p.at == len(p.data) {
		p.fail("No content to map due to end-of-input", p.at)
		return
	}
	switch c := p.data[p.at]; {
	case c == '{' || c == '[':
		if depth > jacksonMaxDepth {
			p.fail(fmt.Sprintf("Document nesting depth (%d) exceeds the maximum allowed (%d, from `StreamReadConstraints.getMaxNestingDepth()`)", depth, jacksonMaxDepth), p.at+1)
			return
		}
		p.container(c, depth)
	case c == '"':
		p.text()
	case c == '-' || '0' <= c && c <= '9':
		p.number()
	case isIdentifier(c):
		p.word()
	default:
		p.unexpected("expected a valid value " + jacksonValues)
	}
}

// container reads an object or an array from its opening bracket.
func (p *jackson) container(open byte, depth int) {
	kind, closing := "Array", byte(']')
	if open == '{' {
		kind, closing = "Object", '}'
	}
	start := p.at
	p.at++
	for first := true; ; first = false {
		p.space()
		switch {
		case p.at == len(p.data):
			p.unclosed(kind, start)
			return
		case p.data[p.at] == closing:
			p.at++
			return
		case !first && p.data[p.at] != ',':
			p.unexpected("was expecting comma to separate " + kind + " entries")
			return
		case !first:
			p.at++
		}
		if open == '{' {
			p.name(start)
		}
		if p.problem == "" {
			p.element(kind, start, depth)
		}
		if p.problem != "" {
			return
		}
	}
}

// element reads one value inside a container.
func (p *jackson) element(kind string, start, depth int) {
	if p.space(); p.at == len(p.data) {
		p.unclosed(kind, start)
		return
	}
	p.value(depth + 1)
}

func (p *jackson) unclosed(kind string, start int) {
	at := &jackson{data: p.data}
	at.fail("", start+1)
	p.fail("Unexpected end-of-input: expected close marker for "+kind+" (start marker at"+at.problem[len("\n at"):]+")", len(p.data))
}

// name reads a field name and its colon.
func (p *jackson) name(start int) {
	p.space()
	switch {
	case p.at == len(p.data):
		p.unclosed("Object", start)
		return
	case p.data[p.at] != '"':
		p.unexpected("was expecting double-quote to start field name")
		return
	}
	if p.text(); p.problem != "" {
		return
	}
	p.space()
	switch {
	case p.at == len(p.data):
		p.unclosed("Object", start)
	case p.data[p.at] != ':':
		p.unexpected("was expecting a colon to separate field name and value")
	default:
		p.at++
	}
}

func (p *jackson) text() {
	for p.at++; p.at < len(p.data); p.at++ {
		switch c := p.data[p.at]; {
		case c == '"':
			p.at++
			return
		case c == '\\':
			if p.escape(); p.problem != "" {
				return
			}
		case c < ' ':
			p.fail("Illegal unquoted character ("+character(c)+"): has to be escaped using backslash to be included in string value", p.at+1)
			return
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRune(p.data[p.at:])
			if r == utf8.RuneError && size == 1 {
				p.fail(fmt.Sprintf("Invalid UTF-8 start byte 0x%x", c), p.at+1)
				return
			}
			p.at += size - 1
		}
	}
	p.fail("Unexpected end-of-input: was expecting closing quote for a string value", p.at)
}

// escape reads what follows a backslash and stays on its last byte.
func (p *jackson) escape() {
	p.at++
	if p.at == len(p.data) {
		p.fail("Unexpected end-of-input in character escape sequence", p.at)
		return
	}
	switch c := p.data[p.at]; c {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
	case 'u':
		for range 4 {
			p.at++
			if p.at == len(p.data) {
				p.fail("Unexpected end-of-input in character escape sequence", p.at)
				return
			}
			if !isHex(p.data[p.at]) {
				p.unexpected("expected a hex-digit for character escape sequence")
				return
			}
		}
	default:
		p.fail("Unrecognized character escape "+character(c), p.at+1)
	}
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func (p *jackson) number() {
	if p.data[p.at] == '-' {
		p.at++
		if p.at < len(p.data) && (p.data[p.at] < '0' || p.data[p.at] > '9') {
			p.unexpected("expected digit (0-9) to follow minus sign, for valid numeric value")
			return
		}
	}
	begin := p.at
	if p.digits(); p.at-begin > 1 && p.data[begin] == '0' {
		p.fail("Invalid numeric value: Leading zeroes not allowed", begin+1)
		return
	}
	if p.at < len(p.data) && p.data[p.at] == '.' {
		p.at++
		if !p.digits() {
			p.digitWanted("Decimal point not followed by a digit")
			return
		}
	}
	if p.at < len(p.data) && (p.data[p.at] == 'e' || p.data[p.at] == 'E') {
		p.at++
		if p.at < len(p.data) && (p.data[p.at] == '+' || p.data[p.at] == '-') {
			p.at++
		}
		if !p.digits() {
			p.digitWanted("Exponent indicator not followed by a digit")
			return
		}
	}
	if begin == p.at {
		p.digitWanted("expected digit (0-9) to follow minus sign, for valid numeric value")
	}
}

func (p *jackson) digits() bool {
	begin := p.at
	for p.at < len(p.data) && '0' <= p.data[p.at] && p.data[p.at] <= '9' {
		p.at++
	}
	return p.at > begin
}

func (p *jackson) digitWanted(message string) {
	if p.at == len(p.data) {
		p.fail("Unexpected end-of-input in a numeric value", p.at)
		return
	}
	p.unexpected(message)
}

func isIdentifier(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c == '$'
}

// word reads null, true, false, or complains.
func (p *jackson) word() {
	begin := p.at
	for p.at < len(p.data) && (isIdentifier(p.data[p.at]) || '0' <= p.data[p.at] && p.data[p.at] <= '9') {
		p.at++
	}
	switch word := string(p.data[begin:p.at]); word {
	case "null", "true", "false":
	default:
		if len(word) > jacksonTokenBytes {
			word = word[:jacksonTokenBytes] + "..."
		}
		p.fail("Unrecognized token '"+word+"': was expecting "+jacksonValues, p.at)
	}
}
