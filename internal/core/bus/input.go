package bus

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Transformer makes the input of a target out of an event.
//
// AWS: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html.
type Transformer struct {
	Paths    map[string]string `json:",omitempty"` // by name of a variable
	Template string
}

// reserved begins the names of variables that every template may use.
const reserved = "aws.events."

// The variables of AWS.
const (
	ruleARNVariable   = reserved + "rule-arn"
	ruleNameVariable  = reserved + "rule-name"
	ingestionVariable = reserved + "event.ingestion-time"
	eventVariable     = reserved + "event"      // without its detail
	wholeVariable     = reserved + "event.json" // with it
)

func (t *Transformer) check(target string) error {
	if len(t.Paths) > maxPathsOfInput {
		return fail(Validation, "InputPathsMap of target %s has more than %d entries.", target, maxPathsOfInput)
	}
	if len(t.Template) > maxTemplateBytes {
		return fail(Validation, "InputTemplate of target %s is longer than %d bytes.", target, maxTemplateBytes)
	}
	for name, text := range t.Paths {
		if strings.HasPrefix(strings.ToLower(name), "aws") {
			return fail(Validation, "InputPathsMap of target %s: names must not begin with AWS: %s.", target, name)
		}
		if _, err := parsePath(text); err != nil {
			return fail(Validation, "Invalid InputPath for target %s: %s", target, err.Error())
		}
	}
	for rest := t.Template; ; {
		_, after, found := strings.Cut(rest, "<")
		if !found {
			return nil
		}
		name, beyond, closed := strings.Cut(after, ">")
		if closed && isVariable(name) && !t.has(name) {
			return fail(Validation, "InputTemplate for target %s contains invalid placeholder %s.", target, name)
		}
		if rest = after; closed && t.has(name) {
			rest = beyond
		}
	}
}

// isVariable tells a placeholder from other text between angle brackets.
func isVariable(name string) bool {
	return name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") == ""
}

func (t *Transformer) has(name string) bool {
	switch name {
	case ruleARNVariable, ruleNameVariable, ingestionVariable, eventVariable, wholeVariable:
		return true
	}
	_, found := t.Paths[name]
	return found
}

// occasion is what an input is made for.
type occasion struct {
	ruleARN, ruleName string
	event             *event
}

// shape makes the input of the target.
func (t *Target) shape(o *occasion) ([]byte, error) {
	switch {
	case t.Input != "":
		return []byte(t.Input), nil
	case t.InputPath != "":
		path, err := parsePath(t.InputPath)
		if err != nil {
			return nil, err
		}
		if found := path.in(o.event.text); found != nil {
			return found, nil
		}
		return []byte("null"), nil // AWS: not documented; a target must get something
	case t.Transformer != nil:
		return t.Transformer.render(o)
	}
	return o.event.text, nil
}

// value is what a variable stands for, nil if the event does not have it.
func (t *Transformer) value(name string, o *occasion) (json.RawMessage, error) {
	switch name {
	case ruleARNVariable:
		return json.Marshal(o.ruleARN)
	case ruleNameVariable:
		return json.Marshal(o.ruleName)
	case ingestionVariable:
		return json.Marshal(o.event.ingested.UTC().Format(time.RFC3339))
	case wholeVariable:
		return o.event.text, nil
	case eventVariable:
		without := *o.event
		without.Detail = nil
		return without.encode()
	}
	path, err := parsePath(t.Paths[name])
	if err != nil {
		return nil, err
	}
	return path.in(o.event.text), nil
}

// render fills the template: a variable in a string of the template becomes part
// of the string, elsewhere a value of JSON. One that the event does not have
// becomes an empty string (AWS: recorded for the first case).
func (t *Transformer) render(o *occasion) ([]byte, error) {
	var out bytes.Buffer
	quoted, escaped := false, false
	for rest := t.Template; rest != ""; {
		c := rest[0]
		if c == '<' && !escaped {
			name, after, closed := strings.Cut(rest[1:], ">")
			if closed && t.has(name) {
				value, err := t.value(name, o)
				if err != nil {
					return nil, err
				}
				out.Write(inserted(value, quoted))
				rest = after
				continue
			}
		}
		switch {
		case escaped:
			escaped = false
		case c == '\\':
			escaped = true
		case c == '"':
			quoted = !quoted
		}
		out.WriteByte(c)
		rest = rest[1:]
	}
	return out.Bytes(), nil
}

// inserted is a value as a template gets it.
func inserted(value json.RawMessage, quoted bool) []byte {
	switch {
	case value == nil && quoted:
		return nil
	case value == nil:
		return []byte(`""`)
	case !quoted:
		return value
	case value[0] == '"':
		return value[1 : len(value)-1] // still escaped, so that the string stays one
	}
	return bytes.ReplaceAll(value, []byte{'"'}, nil) // AWS: objects lose their quotes
}

// path is the parts of a JSON path: names and indexes.
type path []any

// parsePath reads "$", ".name", "['name']" and "[n]".
//
// AWS: "dot notation", with the parts of JSON path that choose one value
// (eb-transform-target-input.html).
func parsePath(text string) (path, error) {
	rest, found := strings.CutPrefix(text, "$")
	if !found || len(text) > 256 {
		return nil, fmt.Errorf("%.80q does not begin with $", text)
	}
	var p path
	for rest != "" {
		var part any
		switch {
		case strings.HasPrefix(rest, "['") || strings.HasPrefix(rest, `["`):
			name, after, closed := strings.Cut(rest[2:], rest[1:2]+"]")
			if !closed {
				return nil, fmt.Errorf("%q has an open bracket", text)
			}
			part, rest = name, after
		case rest[0] == '[':
			number, after, closed := strings.Cut(rest[1:], "]")
			n, err := strconv.ParseUint(number, 10, 16)
			if !closed || err != nil {
				return nil, fmt.Errorf("%q: %q is no index", text, number)
			}
			part, rest = int(n), after
		case rest[0] == '.':
			end := strings.IndexAny(rest[1:], ".[")
			if end < 0 {
				end = len(rest) - 1
			}
			name := rest[1 : end+1]
			if name == "" || strings.ContainsAny(name, "*?@()'\" ") {
				return nil, fmt.Errorf("%q: %q is no name", text, name)
			}
			part, rest = name, rest[end+1:]
		default:
			return nil, fmt.Errorf("%q cannot be read from %q on", text, rest)
		}
		p = append(p, part)
	}
	return p, nil
}

// in is the value in a JSON text, nil if it is not there.
func (p path) in(text json.RawMessage) json.RawMessage {
	for _, part := range p {
		switch part := part.(type) {
		case string:
			var fields map[string]json.RawMessage
			if json.Unmarshal(text, &fields) != nil {
				return nil
			}
			text = fields[part]
		case int:
			var elements []json.RawMessage
			if json.Unmarshal(text, &elements) != nil || part >= len(elements) {
				return nil
			}
			text = elements[part]
		}
		if text == nil {
			return nil
		}
	}
	return text
}
