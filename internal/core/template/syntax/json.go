package syntax

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
)

// ParseJSON reads one value in JSON. A key that is there twice is refused.
//
// AWS: the documentation calls the behaviour undefined for keys that are there
// twice (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-formats.html).
func ParseJSON(text string) (any, error) {
	p := &jsonParser{text: text, decoder: json.NewDecoder(strings.NewReader(text))}
	p.decoder.UseNumber()
	value, err := p.value(0)
	if err != nil {
		return nil, p.refusal(err)
	}
	if _, err := p.decoder.Token(); err != io.EOF {
		return nil, p.refusal(errors.New("text behind the value"))
	}
	return value, nil
}

type jsonParser struct {
	text    string
	decoder *json.Decoder
}

// refusal says where the text stops being JSON: behind the character that does
// not fit, as Jackson counts (recorded: localstack, test_validate_invalid_json_template_should_fail).
func (p *jsonParser) refusal(err error) error {
	var ours *Error
	if errors.As(err, &ours) {
		return ours
	}
	offset := p.decoder.InputOffset()
	var whole json.RawMessage
	var syntax *json.SyntaxError
	if errors.As(json.Unmarshal([]byte(p.text), &whole), &syntax) {
		offset = syntax.Offset
	}
	return p.at(notJSON, int(offset))
}

func (p *jsonParser) at(message string, offset int) *Error {
	line, column := place(p.text, offset)
	return &Error{Message: message, Line: line, Column: column}
}

// value reads the next value, below depth containers.
func (p *jsonParser) value(depth int) (any, error) {
	token, err := p.decoder.Token()
	if err != nil {
		return nil, err
	}
	open, ok := token.(json.Delim)
	if !ok {
		return token, nil
	}
	if depth >= MaxDepth {
		return nil, p.at("Template format error: the template is nested too deeply.", int(p.decoder.InputOffset()))
	}
	if open == '[' {
		return p.list(depth)
	}
	return p.object(depth)
}

func (p *jsonParser) list(depth int) (any, error) {
	list := []any{}
	for p.decoder.More() {
		value, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, value)
	}
	_, err := p.decoder.Token() // the closing bracket
	return list, err
}

func (p *jsonParser) object(depth int) (any, error) {
	object := map[string]any{}
	for p.decoder.More() {
		token, err := p.decoder.Token()
		if err != nil {
			return nil, err
		}
		key, ok := token.(string)
		if !ok {
			return nil, p.at(notJSON, int(p.decoder.InputOffset()))
		}
		if _, twice := object[key]; twice {
			return nil, p.at("Template format error: JSON not well-formed. Duplicate key "+key, int(p.decoder.InputOffset())-len(key)-2)
		}
		value, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		object[key] = value
	}
	_, err := p.decoder.Token()
	return object, err
}
