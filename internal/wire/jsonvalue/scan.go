package jsonvalue

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// scanner walks JSON text (RFC 8259, nothing more lenient).
type scanner struct {
	data    []byte
	pos     int
	depth   int
	scratch []byte // of the last string with escapes; valid until the next one
}

func (s *scanner) malformed(what string) error {
	return &Error{Detail: what + " at byte " + itoa(s.pos)}
}

func itoa(n int) string {
	var b [20]byte
	i := len(b)
	for ok := true; ok; ok = n > 0 {
		i--
		b[i] = byte('0' + n%10)
		n /= 10
	}
	return string(b[i:])
}

// peek is the byte at pos, or 0 at the end.
func (s *scanner) peek() byte {
	if s.pos < len(s.data) {
		return s.data[s.pos]
	}
	return 0
}

func (s *scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

// null consumes a null; it leaves anything else.
func (s *scanner) null() bool {
	if len(s.data)-s.pos >= 4 && string(s.data[s.pos:s.pos+4]) == "null" {
		s.pos += 4
		return true
	}
	return false
}

func (s *scanner) literal(text string) error {
	if len(s.data)-s.pos < len(text) || string(s.data[s.pos:s.pos+len(text)]) != text {
		return s.malformed("no JSON literal")
	}
	s.pos += len(text)
	return nil
}

// enter consumes the opening bracket of a container.
func (s *scanner) enter() error {
	if s.depth++; s.depth > MaxDepth {
		return &Error{Message: "Request is nested more deeply than " + itoa(MaxDepth) + " levels"}
	}
	s.pos++
	return nil
}

// next moves to the next element of a container that ends with end.
func (s *scanner) next(first bool, end byte) (more bool, err error) {
	s.space()
	if s.peek() == end {
		s.pos++
		s.depth--
		return false, nil
	}
	if !first {
		if s.peek() != ',' {
			return false, s.malformed("no comma")
		}
		s.pos++
		s.space()
		if s.peek() == end {
			return false, s.malformed("comma before the end")
		}
	}
	return true, nil
}

// key moves to the next value of an object and returns its key, which is valid
// until the next string is read.
func (s *scanner) key(first bool) (key []byte, more bool, err error) {
	if more, err = s.next(first, '}'); err != nil || !more {
		return nil, false, err
	}
	if s.peek() != '"' {
		return nil, false, s.malformed("no key")
	}
	if key, err = s.string(); err != nil {
		return nil, false, err
	}
	s.space()
	if s.peek() != ':' {
		return nil, false, s.malformed("no colon")
	}
	s.pos++
	s.space()
	return key, true, nil
}

// string reads the string at pos. The result may alias the text or scratch.
func (s *scanner) string() ([]byte, error) {
	s.pos++ // the quote
	start, plain := s.pos, true
	for ; s.pos < len(s.data); s.pos++ {
		switch c := s.data[s.pos]; {
		case c == '"':
			raw := s.data[start:s.pos]
			s.pos++
			if plain || utf8.Valid(raw) {
				return raw, nil
			}
			return []byte(strings.ToValidUTF8(string(raw), "\uFFFD")), nil
		case c == '\\':
			return s.escaped(start)
		case c < ' ':
			return nil, s.malformed("control character in a string")
		case c >= utf8.RuneSelf:
			plain = false
		}
	}
	return nil, s.malformed("string without an end")
}

// escaped reads the rest of a string that began at start, into scratch.
func (s *scanner) escaped(start int) ([]byte, error) {
	out := append(s.scratch[:0], s.data[start:s.pos]...)
	for s.pos < len(s.data) {
		c := s.data[s.pos]
		switch {
		case c == '"':
			s.pos++
			s.scratch = out
			if !utf8.Valid(out) {
				return []byte(strings.ToValidUTF8(string(out), "\uFFFD")), nil
			}
			return out, nil
		case c < ' ':
			return nil, s.malformed("control character in a string")
		case c != '\\':
			out = append(out, c)
			s.pos++
			continue
		}
		s.pos++
		e := s.peek()
		s.pos++
		switch e {
		case '"', '\\', '/':
			out = append(out, e)
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r, err := s.unicode()
			if err != nil {
				return nil, err
			}
			out = utf8.AppendRune(out, r)
		default:
			return nil, s.malformed("unknown escape")
		}
	}
	return nil, s.malformed("string without an end")
}

// unicode reads the digits after \u, and those of a second surrogate. A lone
// surrogate becomes U+FFFD: Go's strings cannot hold it.
func (s *scanner) unicode() (rune, error) {
	r, ok := s.hex4(s.pos)
	if !ok {
		return 0, s.malformed("no four hexadecimal digits")
	}
	s.pos += 4
	if !utf16.IsSurrogate(r) {
		return r, nil
	}
	if len(s.data)-s.pos >= 6 && s.data[s.pos] == '\\' && s.data[s.pos+1] == 'u' {
		if low, ok := s.hex4(s.pos + 2); ok {
			if both := utf16.DecodeRune(r, low); both != utf8.RuneError {
				s.pos += 6
				return both, nil
			}
		}
	}
	return utf8.RuneError, nil
}

func (s *scanner) hex4(at int) (r rune, ok bool) {
	if len(s.data)-at < 4 {
		return 0, false
	}
	for _, c := range s.data[at : at+4] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

// number reads the number at pos and checks its grammar.
func (s *scanner) number() ([]byte, error) {
	start := s.pos
	if s.peek() == '-' {
		s.pos++
	}
	switch c := s.peek(); {
	case c == '0':
		s.pos++
	case c >= '1' && c <= '9':
		s.digits()
	default:
		return nil, s.malformed("no digit")
	}
	if s.peek() == '.' {
		s.pos++
		if s.digits() == 0 {
			return nil, s.malformed("no digit after the point")
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.pos++
		if c := s.peek(); c == '+' || c == '-' {
			s.pos++
		}
		if s.digits() == 0 {
			return nil, s.malformed("no digit in the exponent")
		}
	}
	return s.data[start:s.pos], nil
}

func (s *scanner) digits() (n int) {
	for s.pos < len(s.data) && s.data[s.pos] >= '0' && s.data[s.pos] <= '9' {
		s.pos++
		n++
	}
	return n
}

// raw consumes the value at pos and returns its text.
func (s *scanner) raw() ([]byte, error) {
	start := s.pos
	if err := s.skip(); err != nil {
		return nil, err
	}
	return s.data[start:s.pos], nil
}

// skip consumes the value at pos, checking its grammar.
func (s *scanner) skip() error {
	switch c := s.peek(); {
	case c == '"':
		_, err := s.string()
		return err
	case c == 't':
		return s.literal("true")
	case c == 'f':
		return s.literal("false")
	case c == 'n':
		return s.literal("null")
	case c == '{':
		if err := s.enter(); err != nil {
			return err
		}
		for first := true; ; first = false {
			if _, more, err := s.key(first); err != nil || !more {
				return err
			}
			if err := s.skip(); err != nil {
				return err
			}
		}
	case c == '[':
		if err := s.enter(); err != nil {
			return err
		}
		for first := true; ; first = false {
			if more, err := s.next(first, ']'); err != nil || !more {
				return err
			}
			if err := s.skip(); err != nil {
				return err
			}
		}
	case c == '-' || c >= '0' && c <= '9':
		_, err := s.number()
		return err
	}
	return s.malformed("no JSON value")
}
