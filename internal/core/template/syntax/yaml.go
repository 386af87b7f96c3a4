package syntax

import (
	"encoding/json"
	"errors"
	"strings"

	"go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"
)

// parseYAML reads one document.
func parseYAML(text string, snippet bool) (any, error) {
	var document yaml.Node
	if err := yaml.Load([]byte(text), &document, yaml.WithPlugin(loaderlimits.New(loaderlimits.DepthValue(MaxDepth)))); err != nil {
		return nil, yamlRefusal(err)
	}
	if len(document.Content) != 1 {
		return nil, &Error{Message: unsupported}
	}
	r := &yamlReader{snippet: snippet, open: map[*yaml.Node]bool{}}
	return r.value(document.Content[0])
}

// yamlRefusal says where the text stops being YAML.
func yamlRefusal(err error) error {
	var load *yaml.LoadError
	if !errors.As(err, &load) {
		return &Error{Message: notYAML}
	}
	switch {
	case strings.HasPrefix(load.Message, "unknown anchor"):
		return &Error{Message: noAliases}
	case strings.Contains(load.Message, "no documents"):
		return &Error{Message: unsupported}
	case strings.HasPrefix(load.Message, "exceeded max depth"):
		return &Error{Message: "Template format error: the template is nested too deeply.", Line: load.Mark.Line, Column: load.Mark.Column}
	}
	return &Error{Message: notYAML, Line: load.Mark.Line, Column: load.Mark.Column}
}

// yamlReader turns nodes into values.
type yamlReader struct {
	snippet bool
	open    map[*yaml.Node]bool // anchored nodes that are being read: an alias to one never ends
	values  int                 // read so far, with what aliases expanded to
}

func (r *yamlReader) at(n *yaml.Node, message string) *Error {
	return &Error{Message: message, Line: n.Line, Column: n.Column}
}

func (r *yamlReader) value(n *yaml.Node) (any, error) {
	if n.Kind == yaml.AliasNode {
		return r.alias(n)
	}
	if r.values++; r.snippet && r.values > maxSnippetValues {
		return nil, r.at(n, "Template format error: the aliases of the snippet expand to too many values.")
	}
	if n.Anchor != "" {
		r.open[n] = true
		defer delete(r.open, n)
	}
	if function, ok := shortTag(n); ok {
		return r.call(n, function)
	}
	if n.Style&yaml.TaggedStyle != 0 && !plainTags[n.ShortTag()] {
		return nil, r.at(n, "Template format error: YAML not well-formed. The tag "+n.Tag+" is not supported.")
	}
	return r.untagged(n)
}

// plainTags are those of YAML itself that CloudFormation knows.
//
// AWS: binary, omap, pairs, set and timestamp are not supported
// (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-formats.html).
var plainTags = map[string]bool{"!!str": true, "!!int": true, "!!float": true, "!!bool": true, "!!null": true, "!!map": true, "!!seq": true}

func (r *yamlReader) untagged(n *yaml.Node) (any, error) {
	switch n.Kind {
	case yaml.MappingNode:
		return r.mapping(n)
	case yaml.SequenceNode:
		list := make([]any, 0, len(n.Content))
		for _, item := range n.Content {
			value, err := r.value(item)
			if err != nil {
				return nil, err
			}
			list = append(list, value)
		}
		return list, nil
	}
	return scalar(n), nil
}

func (r *yamlReader) alias(n *yaml.Node) (any, error) {
	switch {
	case !r.snippet:
		return nil, &Error{Message: noAliases}
	case r.open[n.Alias]:
		return nil, r.at(n, "Template format error: YAML not well-formed. The alias "+n.Value+" contains itself.")
	}
	return r.value(n.Alias)
}

// mapping reads a map. Its keys are texts as they are written: 2012-10-17, on
// and 123456789012 as keys stay what they are.
func (r *yamlReader) mapping(n *yaml.Node) (any, error) {
	object := make(map[string]any, len(n.Content)/2)
	var merged []any
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind != yaml.ScalarNode {
			return nil, r.at(key, "Template format error: map keys must be strings; received a "+kindNames[key.Kind]+" instead")
		}
		if key.Style&yaml.TaggedStyle != 0 && key.ShortTag() != "!!str" {
			return nil, r.at(key, "Template format error: map keys must be strings; received one with the tag "+key.Tag)
		}
		value, err := r.value(n.Content[i+1])
		if err != nil {
			return nil, err
		}
		if r.snippet && key.ShortTag() == "!!merge" {
			merged = append(merged, value)
			continue
		}
		if _, twice := object[key.Value]; twice {
			return nil, r.at(key, "Template format error: YAML not well-formed. Duplicate key "+key.Value)
		}
		object[key.Value] = value
	}
	for _, value := range merged {
		if !merge(object, value) {
			return nil, r.at(n, "Template format error: YAML not well-formed. A merge key needs a map or a list of maps.")
		}
	}
	return object, nil
}

var kindNames = map[yaml.Kind]string{yaml.MappingNode: "map", yaml.SequenceNode: "list", yaml.AliasNode: "alias"}

// merge adds what is not there yet; the first of several maps wins.
func merge(into map[string]any, from any) bool {
	switch from := from.(type) {
	case map[string]any:
		for key, value := range from {
			if _, there := into[key]; !there {
				into[key] = value
			}
		}
		return true
	case []any:
		for _, one := range from {
			if _, ok := one.(map[string]any); !ok || !merge(into, one) {
				return false
			}
		}
		return true
	}
	return false
}

// shortTag is the function that a local tag stands for.
func shortTag(n *yaml.Node) (string, bool) {
	name, ok := strings.CutPrefix(n.Tag, "!")
	switch {
	case !ok || strings.HasPrefix(name, "!") || name == "" || n.Style&yaml.TaggedStyle == 0:
		return "", false
	case name == "Ref" || name == "Condition":
		return name, true
	}
	return "Fn::" + name, true
}

// functionName tells whether a tag has the form of a function's name: letters and
// digits, with :: between them.
func functionName(name string) bool {
	for part := range strings.SplitSeq(name, "::") {
		if part == "" || strings.ContainsFunc(part, func(r rune) bool { return !alphanumeric(r) }) {
			return false
		}
	}
	return true
}

func alphanumeric(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

// call is the long form of a value with a short tag. The text that !GetAtt has
// is split at its first dot, as the two elements of the long form.
func (r *yamlReader) call(n *yaml.Node, function string) (any, error) {
	if !functionName(function) {
		return nil, r.at(n, "Template format error: YAML not well-formed. The tag "+n.Tag+" is not supported.")
	}
	value, err := r.untagged(n)
	if err != nil {
		return nil, err
	}
	if n.Kind == yaml.ScalarNode {
		switch {
		case function == "Fn::GetAtt" && strings.Contains(n.Value, "."):
			resource, attribute, _ := strings.Cut(n.Value, ".")
			value = []any{resource, attribute}
		default:
			value = n.Value // the argument of a tag is text, also an empty one: !Ref 1 names 1
		}
	}
	return map[string]any{function: value}, nil
}

const quoted = yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle

// number tells whether a plain scalar is a number: -12, 1.50, 1.5e-3. Everything
// else is a text: dates, versions, times, hexadecimal and octal forms (an account
// id that begins with 0), 1e3, .5.
func number(text string) bool {
	text = strings.TrimPrefix(text, "-")
	whole, fraction, pointed := strings.Cut(text, ".")
	if !digits(whole) || len(whole) > 1 && whole[0] == '0' {
		return false
	}
	if !pointed {
		return true
	}
	if i := strings.IndexAny(fraction, "eE"); i >= 0 {
		exponent := fraction[i+1:]
		if exponent != "" && (exponent[0] == '-' || exponent[0] == '+') {
			exponent = exponent[1:]
		}
		if !digits(exponent) {
			return false
		}
		fraction = fraction[:i]
	}
	return digits(fraction)
}

func digits(text string) bool { return text != "" && strings.Trim(text, "0123456789") == "" }

// booleans of YAML 1.1 (https://yaml.org/type/bool.html) without y and n, which
// no implementation in use takes.
var booleans = map[string]bool{
	"true": true, "True": true, "TRUE": true, "yes": true, "Yes": true, "YES": true, "on": true, "On": true, "ON": true,
	"false": false, "False": false, "FALSE": false, "no": false, "No": false, "NO": false, "off": false, "Off": false, "OFF": false,
}

func scalar(n *yaml.Node) any {
	text := n.Value
	if n.Style&yaml.TaggedStyle != 0 {
		switch n.ShortTag() {
		case "!!str":
			return text
		case "!!null":
			return nil
		case "!!int", "!!float":
			if text != "" && (text[0] == '-' || digits(text[:1])) && json.Valid([]byte(text)) {
				return json.Number(text)
			}
			return text
		}
	} else if n.Style&quoted != 0 {
		return text
	}
	if value, ok := booleans[text]; ok {
		return value
	}
	switch {
	case text == "" || text == "~" || text == "null" || text == "Null" || text == "NULL":
		return nil
	case number(text):
		return json.Number(text)
	}
	return text
}
