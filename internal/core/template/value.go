package template

import (
	"encoding/json"
	"math/big"

	"github.com/lambkin-dev/lambkin/internal/base/lazy"
)

// Unknown is the value of what is not known yet: the attribute of a resource that
// a change set would create, and every function of it.
var Unknown any = unknown{}

type unknown struct{}

// IsUnknown tells whether a value is Unknown itself.
func IsUnknown(value any) bool { _, is := value.(unknown); return is }

// HasUnknown tells whether Unknown is anywhere inside a value.
func HasUnknown(value any) bool {
	switch value := value.(type) {
	case unknown:
		return true
	case []any:
		for _, item := range value {
			if HasUnknown(item) {
				return true
			}
		}
	case map[string]any:
		for _, item := range value {
			if HasUnknown(item) {
				return true
			}
		}
	}
	return false
}

// noValue is what Ref of AWS::NoValue gives: the member that has it goes away.
type noValue struct{}

func isNoValue(value any) bool { _, is := value.(noValue); return is }

// Inside is a copy of a map or a list whose members are changed; any other value
// is given back as it is.
func Inside(value any, change func(any) (any, error)) (any, error) {
	switch value := value.(type) {
	case []any:
		items := make([]any, len(value))
		for i, item := range value {
			one, err := change(item)
			if err != nil {
				return nil, err
			}
			items[i] = one
		}
		return items, nil
	case map[string]any:
		object := make(map[string]any, len(value))
		for _, key := range sorted(value) { // of several errors always the same
			one, err := change(value[key])
			if err != nil {
				return nil, err
			}
			object[key] = one
		}
		return object, nil
	}
	return value, nil
}

// Text is a scalar as CloudFormation sees it where it wants a text.
func Text(value any) (string, bool) {
	switch value := value.(type) {
	case string:
		return value, true
	case json.Number:
		return value.String(), true
	case bool:
		if value {
			return "true", true
		}
		return "false", true
	}
	return "", false
}

// boolean reads true and false, also as texts.
func boolean(value any, path string) (bool, error) {
	switch text, _ := Text(value); text {
	case "true", "True", "TRUE":
		return true, nil
	case "false", "False", "FALSE":
		return false, nil
	}
	return false, refuse("Template format error: [%s] must be a boolean", path)
}

var decimalNumber = lazy.MustCompile(`^[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?$`)

func isNumber(text string) bool { return decimalNumber.MatchString(text) }

// compareNumbers compares two texts for which isNumber holds, exactly.
func compareNumbers(a, b string) int {
	x, _ := new(big.Rat).SetString(a)
	y, _ := new(big.Rat).SetString(b)
	if x == nil || y == nil {
		return 0
	}
	return x.Cmp(y)
}
