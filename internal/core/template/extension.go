package template

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// The functions of AWS::LanguageExtensions that may depend on resources
// (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/transform-aws-languageextensions.html);
// those that may not are gone when a template is resolved.

func (r *resolver) length(argument any, depth int) (any, error) {
	resolved, err := r.value(argument, depth)
	if err != nil || IsUnknown(resolved) {
		return Unknown, err
	}
	list, ok := resolved.([]any)
	if !ok {
		return nil, refuse("Template error: every Fn::Length object must have a list as its value.")
	}
	return json.Number(strconv.Itoa(len(list))), nil
}

func (r *resolver) toJSON(argument any, depth int) (any, error) {
	resolved, err := r.value(argument, depth)
	if err != nil || HasUnknown(resolved) {
		return Unknown, err
	}
	switch resolved.(type) {
	case map[string]any, []any:
	default:
		return nil, refuse("Template error: every Fn::ToJsonString object must have an object or a list as its value.")
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(resolved); err != nil {
		return nil, err
	}
	return r.made(string(bytes.TrimSuffix(text.Bytes(), []byte("\n"))))
}
