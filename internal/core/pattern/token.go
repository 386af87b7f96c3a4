package pattern

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// tokenKind says what a token is.
type tokenKind uint8

const (
	objectBegin tokenKind = iota
	objectEnd
	arrayBegin
	arrayEnd
	fieldName
	text    // a JSON string
	number  // of JSON
	literal // true, false, null
)

// token is one step of a JSON document.
type token struct {
	kind tokenKind
	text string // decoded for names and texts, as written for the others
	end  int    // offset behind it
}

// parser reads the tokens of one JSON document. It knows at which place AWS's
// parser, Jackson, would be, because refusals show it: after a name it has begun
// with the value already, and a text is read to its end only when it is used.
type parser struct {
	source     []byte
	at         int
	place      int    // offset that a refusal shows
	open       []byte // '{' and '[' that are not closed
	begun      bool   // a container was opened just now: no comma is due
	value      *token // that was read together with its name
	noLocation bool   // refusals name no place: the document is no pattern
}

func newParser(source []byte) *parser { return &parser{source: source} }

// fail is a refusal at the current place.
func (p *parser) fail(format string, args ...any) error {
	return &Error{Reason: fmt.Sprintf(format, args...), Location: p.location()}
}

func (p *parser) location() string {
	if p.noLocation {
		return ""
	}
	before := string(p.source[:p.place])
	line := strings.Count(before, "\n") + 1
	column := utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1
	shown := string(p.source)
	if len(shown) > shownBytes {
		shown = strings.ToValidUTF8(shown[:shownBytes], "") + fmt.Sprintf("\"[truncated %d chars]", len(p.source)-shownBytes)
	} else {
		shown += `"`
	}
	return fmt.Sprintf("\n at [Source: (String)\"%s; line: %d, column: %d]", shown, line, column)
}

// shownBytes is how much of a document Jackson shows.
const shownBytes = 500

var errTooDeep = &Error{Reason: fmt.Sprintf("Document nesting depth exceeds the maximum allowed (%d)", maxDepth)}

// use moves the place behind a text, whose content is looked at.
func (p *parser) use(t token) string {
	p.place = t.end
	return t.text
}

// next reads a token.
func (p *parser) next() (token, error) {
	if p.value != nil {
		t := *p.value
		p.value = nil
		return t, nil
	}
	c, err := p.separator()
	if err != nil {
		return token{}, err
	}
	inObject := len(p.open) > 0 && p.open[len(p.open)-1] == '{'
	switch {
	case c == '}' && inObject, c == ']' && len(p.open) > 0 && !inObject:
		return p.close(), nil
	case !inObject:
		return p.scan(c)
	case c != '"':
		return token{}, p.unexpected(c, "was expecting double-quote to start field name")
	}
	return p.scanField()
}

// separator finds the first character of the next token.
func (p *parser) separator() (byte, error) {
	c, err := p.character()
	if err != nil || p.begun || len(p.open) == 0 {
		return c, err
	}
	switch {
	case c == '}' || c == ']':
		return c, nil
	case c != ',':
		kind := "Object"
		if p.open[len(p.open)-1] == '[' {
			kind = "Array"
		}
		return 0, p.unexpected(c, "was expecting comma to separate "+kind+" entries")
	}
	p.at++
	p.begun = true // one value must follow
	c, err = p.character()
	if err == nil && (c == '}' || c == ']') {
		return 0, p.unexpected(c, "was expecting a value after the comma")
	}
	return c, err
}

// character skips white space.
func (p *parser) character() (byte, error) {
	for p.at < len(p.source) {
		switch c := p.source[p.at]; c {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return c, nil
		}
	}
	p.place = p.at
	return 0, p.fail("Unexpected end-of-input")
}

func (p *parser) unexpected(c byte, wanted string) error {
	p.place = p.at
	return p.fail("Unexpected character ('%c' (code %d)): %s", c, c, wanted)
}

func (p *parser) close() token {
	kind := objectEnd
	if p.open[len(p.open)-1] == '[' {
		kind = arrayEnd
	}
	p.open = p.open[:len(p.open)-1]
	p.at++
	p.place, p.begun = p.at, false
	return token{kind: kind, end: p.at}
}

// scanField reads a name, its colon and the first token of its value.
func (p *parser) scanField() (token, error) {
	name, err := p.scanText()
	if err != nil {
		return token{}, err
	}
	name.kind = fieldName
	c, err := p.character()
	if err != nil {
		return token{}, err
	}
	if c != ':' {
		return token{}, p.unexpected(c, "was expecting a colon to separate field name and value")
	}
	p.at++
	if c, err = p.character(); err != nil {
		return token{}, err
	}
	value, err := p.scan(c)
	p.value = &value
	return name, err
}

// scan reads the token of a value that begins with c.
func (p *parser) scan(c byte) (token, error) {
	switch {
	case c == '{' || c == '[':
		if len(p.open) == maxDepth {
			return token{}, errTooDeep
		}
		kind := objectBegin
		if c == '[' {
			kind = arrayBegin
		}
		p.open = append(p.open, c)
		p.at++
		p.place, p.begun = p.at, true
		return token{kind: kind, end: p.at}, nil
	case c == '"':
		return p.scanText()
	case c == '-' || c >= '0' && c <= '9':
		return p.scanNumber()
	case c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
		return p.scanLiteral()
	}
	return token{}, p.unexpected(c, "expected a valid value (JSON String, Number, Array, Object or token 'null', 'true' or 'false')")
}

func (p *parser) scanText() (token, error) {
	begin := p.at
	plain := true
	for i := begin + 1; i < len(p.source); i++ {
		switch c := p.source[i]; {
		case c == '\\':
			plain = false
			i++
		case c < ' ':
			p.place = i
			return token{}, p.fail("Illegal unquoted character ((CTRL-CHAR, code %d)): has to be escaped using backslash to be included in string value", c)
		case c == '"':
			t := token{kind: text, end: i + 1}
			p.place, p.at, p.begun = begin+1, i+1, false
			if raw := p.source[begin : i+1]; plain && utf8.Valid(raw) {
				t.text = string(raw[1 : len(raw)-1])
			} else if err := json.Unmarshal(raw, &t.text); err != nil {
				return token{}, p.fail("Unrecognized character escape in a string value")
			}
			return t, nil
		}
	}
	p.place = len(p.source)
	return token{}, p.fail("Unexpected end-of-input: was expecting closing quote for a string value")
}

func (p *parser) scanNumber() (token, error) {
	end := p.at
	for end < len(p.source) && strings.IndexByte("+-.eE0123456789", p.source[end]) >= 0 {
		end++
	}
	raw := p.source[p.at:end]
	p.place = end
	if !json.Valid(raw) {
		return token{}, p.fail("Invalid numeric value: %s", raw)
	}
	p.at, p.begun = end, false
	return token{kind: number, text: string(raw), end: end}, nil
}

func (p *parser) scanLiteral() (token, error) {
	end := p.at
	for end < len(p.source) && (p.source[end] == '_' || p.source[end]|0x20 >= 'a' && p.source[end]|0x20 <= 'z' || p.source[end] >= '0' && p.source[end] <= '9') {
		end++
	}
	word := string(p.source[p.at:end])
	p.place = end
	switch word {
	case "true", "false", "null":
		p.at, p.begun = end, false
		return token{kind: literal, text: word, end: end}, nil
	}
	return token{}, p.fail("Unrecognized token '%s': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')", word)
}

// end refuses what comes after the document.
//
// AWS: the engine does not look at what follows a pattern.
func (p *parser) end() error {
	for ; p.at < len(p.source); p.at++ {
		if strings.IndexByte(" \t\r\n", p.source[p.at]) < 0 {
			return p.unexpected(p.source[p.at], "expected the end of the document")
		}
	}
	return nil
}
