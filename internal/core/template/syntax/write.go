package syntax

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"go.yaml.in/yaml/v4"
)

// JSON writes values as JSON with sorted keys.
func JSON(value any) (string, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return "", fmt.Errorf("write JSON: %w", err)
	}
	return string(bytes.TrimSuffix(text.Bytes(), []byte("\n"))), nil
}

// YAML writes values as YAML with sorted keys; Parse reads the same values from it.
func YAML(value any) (string, error) {
	n, err := node(value)
	if err != nil {
		return "", err
	}
	text, err := yaml.Dump(n)
	if err != nil {
		return "", fmt.Errorf("write YAML: %w", err)
	}
	return string(text), nil
}

func node(value any) (*yaml.Node, error) {
	switch value := value.(type) {
	case nil:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}, nil
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: fmt.Sprint(value)}, nil
	case json.Number:
		n := &yaml.Node{Kind: yaml.ScalarNode, Value: value.String()}
		if scalar(n) != value { // 1e3 is a number in JSON only
			n.Tag, n.Style = "!!float", yaml.TaggedStyle
		}
		return n, nil
	case string:
		return textNode(value), nil
	case []any:
		list := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for _, item := range value {
			n, err := node(item)
			if err != nil {
				return nil, err
			}
			list.Content = append(list.Content, n)
		}
		return list, nil
	case map[string]any:
		object := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		for _, key := range slices.Sorted(maps.Keys(value)) {
			n, err := node(value[key])
			if err != nil {
				return nil, err
			}
			object.Content = append(object.Content, textNode(key), n)
		}
		return object, nil
	}
	return nil, fmt.Errorf("write YAML: a value of type %T", value)
}

// textNode is a text, in quotes where it would be read as something else.
func textNode(text string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
	if scalar(n) != any(text) {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}
