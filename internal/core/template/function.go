package template

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/lazy"
)

// call splits a call of a function: a map whose only key names one.
func call(value any) (function string, argument any, ok bool) {
	object, isMap := value.(map[string]any)
	if !isMap || len(object) != 1 {
		return "", nil, false
	}
	for key, argument := range object {
		if key == "Ref" || strings.HasPrefix(key, "Fn::") {
			return key, argument, true
		}
	}
	return "", nil, false
}

// The functions, by where they may stand
// (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html).
var (
	valueFunctions = []string{"Fn::Base64", "Fn::Cidr", "Fn::FindInMap", "Fn::GetAZs", "Fn::GetAtt", "Fn::GetStackOutput", "Fn::If", "Fn::ImportValue", "Fn::Join",
		"Fn::Length", "Fn::Select", "Fn::Split", "Fn::Sub", "Fn::ToJsonString", "Ref"}
	booleanFunctions = []string{"Condition", "Fn::And", "Fn::Equals", "Fn::Not", "Fn::Or"}
	ruleFunctions    = []string{"Fn::Contains", "Fn::EachMemberEquals", "Fn::EachMemberIn", "Fn::RefAll", "Fn::ValueOf", "Fn::ValueOfAll"}
)

func unsupportedFunction(name string) error {
	all := slices.Sorted(slices.Values(slices.Concat(valueFunctions, booleanFunctions, ruleFunctions)))
	return refuse("Template Error: Encountered unsupported function: %s Supported functions are: [%s]", name, strings.Join(all, ", "))
}

// Texts of refusals that several places need.
const (
	badJoin = "Template error: every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of strings to be joined " +
		"or a function that returns a list of strings (such as Fn::GetAZs) to be joined."
	badSplit = "Template error: every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string to be split " +
		"or a function that returns a string to be split."
	badSelect    = "Template error: Fn::Select requires a list argument with two elements: an integer index and a list"
	badFindInMap = "Template error: every Fn::FindInMap object requires three parameters, the map name, map key and the attribute for return value"
	badSub       = "Template error: One or more Fn::Sub intrinsic functions don't specify expected arguments. Specify a string as first argument, " +
		"and an optional second argument to specify a mapping of values to replace in the string"
	badSubKey   = "Template error: every key of the context object of every Fn::Sub object must contain only alphanumeric characters and underscores"
	badSubValue = "Template error: every value of the context object of every Fn::Sub object must be a string or a function that returns a string"
	badSubName  = "Template error: variable names in Fn::Sub syntax must contain only alphanumeric characters, underscores, periods, and colons"
	badGetAtt   = "Template error: every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource attribute"
	badGetAtt1  = "Template error: if specifying one argument to Fn::GetAtt, that argument must be a non-empty string in format <LogicalId>.<Attribute>"
	badRef      = "Template error: every Ref object must have a single String value."
	badCidr     = "Template error: every Fn::Cidr object requires two or three parameters, the IP block, the count and the number of CIDR bits"
	badOutput   = "Template error: every Fn::GetStackOutput object requires a StackName and an OutputName, and may have a Region and a RoleArn"
	badImport   = "Template error: the attribute in Fn::ImportValue must not depend on any resources, imported values, or Fn::GetAZs"
)

func notText(function string) error {
	return refuse("Template error: every %s object must have a String-typed value.", function)
}

// list is an argument that must be written as a list of at least and at most so many.
func list(argument any, least, most int, refusal string) ([]any, error) {
	items, ok := argument.([]any)
	if !ok || len(items) < least || len(items) > most {
		return nil, refuse("%s", refusal)
	}
	return items, nil
}

// getAtt are the resource and the attribute, which may be a function of parameters.
func getAtt(argument any) (resource string, attribute any, err error) {
	if text, ok := argument.(string); ok {
		name, attribute, found := strings.Cut(text, ".")
		if !found || name == "" || attribute == "" {
			return "", nil, refuse("%s", badGetAtt1)
		}
		return name, attribute, nil
	}
	items, err := list(argument, 2, 2, badGetAtt)
	if err != nil {
		return "", nil, err
	}
	resource, ok := items[0].(string)
	if text, isText := items[1].(string); !ok || resource == "" || isText && text == "" {
		return "", nil, refuse("%s", badGetAtt)
	}
	if _, isText := items[1].(string); !isText {
		if function, _, isCall := call(items[1]); !isCall || function != "Ref" {
			return "", nil, refuse("%s", badGetAtt)
		}
	}
	return resource, items[1], nil
}

// findInMap are the three keys and, with the language extensions, what there is
// instead (nil = nothing).
func findInMap(argument any) (keys []any, instead any, err error) {
	items, err := list(argument, 3, 4, badFindInMap)
	if err != nil {
		return nil, nil, err
	}
	if len(items) == 4 {
		options, ok := items[3].(map[string]any)
		if !ok || len(options) != 1 || options["DefaultValue"] == nil {
			return nil, nil, refuse("%s", badFindInMap)
		}
		instead = options["DefaultValue"]
	}
	return items[:3], instead, nil
}

// part is a piece of the text of Fn::Sub.
type part struct {
	text     string
	variable bool
}

var (
	subName = lazy.MustCompile(`^[A-Za-z0-9_.:]+$`)
	subKey  = lazy.MustCompile(`^[A-Za-z0-9_]+$`)
)

// sub are the parts of the text and the variables of the call itself.
func sub(argument any) ([]part, map[string]any, error) {
	text, ok := argument.(string)
	variables := map[string]any{}
	if !ok {
		items, err := list(argument, 2, 2, badSub)
		if err != nil {
			return nil, nil, err
		}
		var isText, isMap bool
		text, isText = items[0].(string)
		variables, isMap = items[1].(map[string]any)
		if !isText || !isMap {
			return nil, nil, refuse("%s", badSub)
		}
		for _, key := range sorted(variables) {
			if !subKey.MatchString(key) {
				return nil, nil, refuse("%s", badSubKey)
			}
		}
	}
	parts, err := subParts(text)
	return parts, variables, err
}

// subParts cuts a text at its ${...}; ${!x} stands for ${x} itself.
func subParts(text string) ([]part, error) {
	var parts []part
	for {
		before, rest, found := strings.Cut(text, "${")
		name, after, closed := strings.Cut(rest, "}")
		if !found || !closed {
			return append(parts, part{text: text}), nil
		}
		if before != "" {
			parts = append(parts, part{text: before})
		}
		if literal, ok := strings.CutPrefix(name, "!"); ok {
			parts = append(parts, part{text: "${" + literal + "}"})
		} else if name = strings.TrimSpace(name); !subName.MatchString(name) { // ${ AWS::Region } is common
			return nil, refuse("%s", badSubName)
		} else {
			parts = append(parts, part{text: name, variable: true})
		}
		text = after
	}
}

// stackOutput checks the members of Fn::GetStackOutput
// (https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference-getstackoutput.html).
func stackOutput(argument any) (map[string]any, error) {
	object, ok := argument.(map[string]any)
	if !ok || object["StackName"] == nil || object["OutputName"] == nil {
		return nil, refuse("%s", badOutput)
	}
	for key := range object {
		if !slices.Contains([]string{"StackName", "OutputName", "Region", "RoleArn"}, key) {
			return nil, refuse("%s", badOutput)
		}
	}
	return object, nil
}

// condition parts: the arguments of boolean functions.
func booleans(function string, argument any) ([]any, error) {
	switch function {
	case "Fn::Equals":
		return list(argument, 2, 2, "Template error: every Fn::Equals object requires a list of 2 string parameters.")
	case "Fn::Not":
		return list(argument, 1, 1, "Template error: every Fn::Not object requires one boolean parameter.")
	}
	return list(argument, 2, 10, fmt.Sprintf("Template error: every %s object requires a list of at least 2 and at most 10 boolean parameters.", function))
}

// conditionIf are the condition's name and the two branches.
func conditionIf(argument any) (name string, branches []any, err error) {
	items, err := list(argument, 1, 1<<20, "Template error: Fn::If requires a list argument with the first element being a condition")
	if err != nil {
		return "", nil, err
	}
	name, ok := items[0].(string)
	switch {
	case !ok:
		return "", nil, refuse("Template error: Fn::If requires a list argument with the first element being a condition")
	case len(items) != 3:
		return "", nil, refuse("Template error: Fn::If requires a list argument with three elements")
	}
	return name, items[1:], nil
}
