package logs

import (
	"encoding/json"
	"strconv"
	"strings"
)

// json reads { expression }.
func (p *patternParser) json() (matcher, error) {
	p.at++
	expression, err := logical(p, p.jsonCondition)
	if err != nil {
		return nil, err
	}
	if p.space(); !p.take("}") {
		return nil, p.unexpected()
	}
	if p.space(); p.at < len(p.text) {
		return nil, p.unexpected()
	}
	return func(message string) bool {
		message = strings.TrimSpace(message)
		if message == "" || message[0] != '{' && message[0] != '[' {
			return false
		}
		decoder := json.NewDecoder(strings.NewReader(message))
		decoder.UseNumber()
		var document any
		return decoder.Decode(&document) == nil && expression(document)
	}, nil
}

// selector is a path into a document: a string is a member, an int an index.
type selector []any

// find is the value at the path; false if there is none.
func (s selector) find(document any) (any, bool) {
	for _, step := range s {
		switch step := step.(type) {
		case string:
			object, ok := document.(map[string]any)
			if !ok {
				return nil, false
			}
			if document, ok = object[step]; !ok {
				return nil, false
			}
		case int:
			list, ok := document.([]any)
			if !ok || step >= len(list) {
				return nil, false
			}
			document = list[step]
		}
	}
	return document, true
}

// selector reads $.name, $["name"] and $.list[0].
func (p *patternParser) selector() (selector, error) {
	p.space()
	if !p.take("$") {
		return nil, p.unexpected()
	}
	var steps selector
	for {
		switch {
		case p.take("."):
			name := p.word(func(r rune) bool { return wordRune(r) || r == '-' })
			if name == "" {
				return nil, p.unexpected()
			}
			steps = append(steps, name)
		case p.take(`[`):
			step, err := p.bracketStep()
			if err != nil {
				return nil, err
			}
			steps = append(steps, step)
		case len(steps) == 0:
			return nil, p.unexpected()
		default:
			return steps, nil
		}
	}
}

func (p *patternParser) bracketStep() (step any, err error) {
	if p.peek() == '"' {
		step, err = p.quoted()
	} else {
		step, err = strconv.Atoi(p.word(func(r rune) bool { return r >= '0' && r <= '9' }))
	}
	if err != nil || !p.take("]") {
		return nil, p.unexpected()
	}
	return step, nil
}

// jsonCondition reads one comparison of a selector.
func (p *patternParser) jsonCondition() (func(any) bool, error) {
	path, err := p.selector()
	if err != nil {
		return nil, err
	}
	p.space()
	if p.keyword("NOT") {
		if p.space(); !p.keyword("EXISTS") {
			return nil, p.unexpected()
		}
		return func(document any) bool { _, there := path.find(document); return !there }, nil
	}
	if p.keyword("EXISTS") {
		return func(document any) bool { _, there := path.find(document); return there }, nil
	}
	if p.keyword("IS") {
		return p.is(path)
	}
	c, err := p.compare()
	if err != nil {
		return nil, err
	}
	return func(document any) bool {
		value, there := path.find(document)
		return there && c.matchJSON(value)
	}, nil
}

// keyword takes a word in any case of letters.
func (p *patternParser) keyword(word string) bool {
	rest := p.text[p.at:]
	if len(rest) < len(word) || !strings.EqualFold(rest[:len(word)], word) {
		return false
	}
	if len(rest) > len(word) && wordRune(rune(rest[len(word)])) {
		return false
	}
	p.at += len(word)
	return true
}

func (p *patternParser) is(path selector) (func(any) bool, error) {
	p.space()
	for word, want := range map[string]any{"TRUE": true, "FALSE": false, "NULL": nil} {
		if p.keyword(word) {
			return func(document any) bool {
				value, there := path.find(document)
				return there && value == want
			}, nil
		}
	}
	return nil, p.unexpected()
}

// matchJSON compares a value of a document. Objects, lists and null match nothing.
func (c *comparison) matchJSON(value any) bool {
	switch value := value.(type) {
	case string:
		// AWS: a number in the pattern is compared with numbers; a text with texts.
		return !c.isNum && c.matchText(value) || c.isNum && c.op == "=" && value == c.text || c.isNum && c.op == "!=" && value != c.text
	case json.Number:
		number, err := value.Float64()
		if err == nil && c.isNum {
			return c.matchNumber(number)
		}
		return !c.quoted && c.matchText(value.String()) // 4* matches 404
	case bool:
		return !c.quoted && c.matchText(strconv.FormatBool(value))
	}
	return false
}
