package logs

import (
	"fmt"
	"strings"
)

// fieldPattern is one field of a space-delimited pattern.
type fieldPattern struct {
	name  string
	match func(text string) bool // nil: anything
}

// fields reads [name, name = value, ..., name].
func (p *patternParser) fields() (matcher, error) {
	p.at++
	var list []fieldPattern
	ellipsis := -1
	for {
		p.space()
		if p.take("...") {
			if ellipsis >= 0 {
				return nil, fmt.Errorf("more than one ellipsis")
			}
			ellipsis = len(list)
		} else {
			field, err := p.field()
			if err != nil {
				return nil, err
			}
			list = append(list, field)
		}
		p.space()
		if p.take("]") {
			break
		}
		if !p.take(",") {
			return nil, p.unexpected()
		}
	}
	if p.space(); p.at < len(p.text) {
		return nil, p.unexpected()
	}
	return func(message string) bool { return matchFields(list, ellipsis, splitFields(message)) }, nil
}

// matchFields lays the patterns over the fields of a message; the ellipsis
// stands for any number of fields.
func matchFields(list []fieldPattern, ellipsis int, fields []string) bool {
	if ellipsis < 0 && len(fields) != len(list) || len(fields) < len(list) {
		return false
	}
	skipped := len(fields) - len(list)
	for i, field := range list {
		at := i
		if ellipsis >= 0 && i >= ellipsis {
			at += skipped
		}
		if field.match != nil && !field.match(fields[at]) {
			return false
		}
	}
	return true
}

// field reads a name or conditions on it.
func (p *patternParser) field() (fieldPattern, error) {
	start := p.at
	name := p.word(wordRune)
	p.space()
	if c := p.peek(); c == ',' || c == ']' {
		return fieldPattern{name: name}, nil
	}
	p.at = start
	match, err := logical(p, p.fieldCondition(&name))
	return fieldPattern{name: name, match: match}, err
}

// fieldCondition reads "name op value" or, after the first, "op value"; every
// name must be the field's.
func (p *patternParser) fieldCondition(name *string) func() (func(string) bool, error) {
	return func() (func(string) bool, error) {
		p.space()
		if word := p.word(wordRune); word != *name && word != "" {
			if *name != "" {
				return nil, fmt.Errorf("field %s in the condition of field %s", word, *name)
			}
			*name = word
		}
		c, err := p.compare()
		if err != nil {
			return nil, err
		}
		return c.matchText, nil
	}
}

// splitFields divides a message at spaces; "quoted" and [bracketed] texts are
// one field each.
func splitFields(message string) []string {
	var fields []string
	for message = strings.TrimLeft(message, " \t\r\n"); message != ""; message = strings.TrimLeft(message, " \t\r\n") {
		end, size := -1, 0
		switch message[0] {
		case '"':
			end, size = strings.IndexByte(message[1:], '"'), 1
		case '[':
			end, size = strings.IndexByte(message[1:], ']'), 1
		}
		if end >= 0 {
			fields = append(fields, message[size:size+end])
			message = message[size+end+size:]
			continue
		}
		end = strings.IndexAny(message, " \t\r\n")
		if end < 0 {
			end = len(message)
		}
		fields = append(fields, message[:end])
		message = message[end:]
	}
	return fields
}
