package template

import (
	"context"
	"encoding/base64"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// resolver resolves one value; it counts its work.
type resolver struct {
	e      *Evaluation
	ctx    context.Context
	steps  int
	bytes  int
	asking []string // conditions that are being decided
}

func (e *Evaluation) newResolver(ctx context.Context) *resolver { return &resolver{e: e, ctx: ctx} }

// made counts a text that a function made.
func (r *resolver) made(text string) (any, error) {
	if r.bytes += len(text); r.bytes > maxResolvedBytes {
		return nil, refuse("Template error: the resolved template is larger than %d bytes", maxResolvedBytes)
	}
	return text, nil
}

func (r *resolver) value(value any, depth int) (any, error) {
	if r.steps++; depth > maxDepth || r.steps > maxSteps {
		return nil, refuse("Template error: the resolved template is too large")
	}
	if function, argument, ok := call(value); ok {
		return r.call(function, argument, depth+1)
	}
	resolved, err := Inside(value, func(item any) (any, error) { return r.value(item, depth+1) })
	if err != nil {
		return nil, err
	}
	switch resolved := resolved.(type) {
	case map[string]any:
		maps.DeleteFunc(resolved, func(_ string, item any) bool { return isNoValue(item) })
	case []any:
		return slices.DeleteFunc(resolved, isNoValue), nil
	}
	return resolved, nil
}

func (r *resolver) call(function string, argument any, depth int) (any, error) {
	switch function {
	case "Ref":
		name, ok := argument.(string)
		if !ok {
			return nil, refuse("%s", badRef)
		}
		return r.ref(name)
	case "Fn::GetAtt":
		return r.getAtt(argument, depth)
	case "Fn::Sub":
		return r.sub(argument, depth)
	case "Fn::If":
		return r.branch(argument, depth)
	case "Fn::FindInMap":
		return r.findInMap(argument, depth)
	case "Fn::Join":
		return r.join(argument, depth)
	case "Fn::Split":
		return r.split(argument, depth)
	case "Fn::Select":
		return r.pick(argument, depth)
	case "Fn::Cidr":
		return r.cidr(argument, depth)
	case "Fn::Base64", "Fn::GetAZs", "Fn::ImportValue":
		text, unknown, err := r.text(argument, depth, notText(function))
		if err != nil || unknown {
			return Unknown, err
		}
		return r.ofText(function, text)
	case "Fn::GetStackOutput":
		return r.stackOutput(argument, depth)
	case "Fn::Length":
		return r.length(argument, depth)
	case "Fn::ToJsonString":
		return r.toJSON(argument, depth)
	}
	if slices.Contains(booleanFunctions, function) {
		return nil, refuse("Template error: %s cannot be partially collapsed", function)
	}
	return nil, unsupportedFunction(function)
}

// ofText are the functions of one text.
func (r *resolver) ofText(function, text string) (any, error) {
	switch function {
	case "Fn::Base64":
		return r.made(base64.StdEncoding.EncodeToString([]byte(text)))
	case "Fn::GetAZs":
		return r.zones(text), nil
	}
	if r.e.scope.Export == nil {
		return Unknown, nil
	}
	return r.e.scope.Export(r.ctx, text)
}

// stackOutput is an output of another stack, which need not be exported.
func (r *resolver) stackOutput(argument any, depth int) (any, error) {
	object, err := stackOutput(argument)
	if err != nil {
		return nil, err
	}
	wanted := StackOutput{Region: r.e.scope.Region}
	for key, into := range map[string]*string{"StackName": &wanted.Stack, "OutputName": &wanted.Output, "Region": &wanted.Region, "RoleArn": &wanted.RoleARN} {
		value, there := object[key]
		if !there {
			continue
		}
		text, unknown, err := r.text(value, depth, refuse("%s", badOutput))
		if err != nil || unknown {
			return Unknown, err
		}
		*into = text
	}
	if r.e.scope.StackOutput == nil {
		return Unknown, nil
	}
	return r.e.scope.StackOutput(r.ctx, wanted)
}

// text resolves what must be a text.
func (r *resolver) text(value any, depth int, refusal error) (text string, unknown bool, err error) {
	resolved, err := r.value(value, depth)
	if err != nil || IsUnknown(resolved) {
		return "", true, err
	}
	text, ok := Text(resolved)
	if !ok {
		return "", false, refusal
	}
	return text, false, nil
}

func (r *resolver) ref(name string) (any, error) {
	scope := r.e.scope
	switch name {
	case "AWS::AccountId":
		return scope.Account, nil
	case "AWS::Region":
		return scope.Region, nil
	case "AWS::Partition":
		return scope.Partition(), nil
	case "AWS::URLSuffix":
		return scope.suffix(), nil
	case "AWS::StackName":
		if scope.StackName == "" {
			return Unknown, nil
		}
		return scope.StackName, nil
	case "AWS::StackId":
		if scope.StackID == "" {
			return Unknown, nil
		}
		return scope.StackID, nil
	case "AWS::NotificationARNs":
		if r.e.open {
			return Unknown, nil
		}
		list := make([]any, 0, len(scope.NotificationARNs))
		for _, arn := range scope.NotificationARNs {
			list = append(list, arn)
		}
		return list, nil
	case "AWS::NoValue":
		return noValue{}, nil
	}
	if argument, ok := scope.Arguments[name]; ok {
		return argument.Value, nil
	}
	if !r.e.open && !r.e.Active(name) {
		return nil, unresolvedIn("Resources", []string{name})
	}
	return r.resource(name, "")
}

func (r *resolver) resource(name, attribute string) (any, error) {
	if r.e.scope.Resource == nil {
		return Unknown, nil
	}
	return r.e.scope.Resource(r.ctx, name, attribute)
}

func (r *resolver) getAtt(argument any, depth int) (any, error) {
	name, attribute, err := getAtt(argument)
	if err != nil {
		return nil, err
	}
	text, unknown, err := r.text(attribute, depth, refuse("%s", badGetAtt))
	switch {
	case err != nil || unknown || r.e.open:
		return Unknown, err
	case r.e.Template.Resources[name] == nil:
		return nil, refuse("Template error: instance of Fn::GetAtt references undefined resource %s", name)
	case !r.e.Active(name):
		return nil, unresolvedIn("Resources", []string{name})
	}
	return r.resource(name, text)
}

func (r *resolver) sub(argument any, depth int) (any, error) {
	parts, variables, err := sub(argument)
	if err != nil {
		return nil, err
	}
	var text strings.Builder
	unknown := false
	for _, p := range parts {
		if !p.variable {
			text.WriteString(p.text)
			continue
		}
		piece, hidden, err := r.text(variableValue(p.text, variables), depth, refuse("%s", badSubValue))
		if err != nil {
			return nil, err
		}
		unknown = unknown || hidden
		text.WriteString(piece)
		if text.Len() > maxResolvedBytes {
			break
		}
	}
	if unknown {
		return Unknown, nil
	}
	return r.made(text.String())
}

// variableValue is what a ${...} stands for, as a value to resolve.
func variableValue(name string, variables map[string]any) any {
	if value, own := variables[name]; own {
		return value
	}
	if resource, attribute, dotted := strings.Cut(name, "."); dotted {
		return map[string]any{"Fn::GetAtt": []any{resource, attribute}}
	}
	return map[string]any{"Ref": name}
}

func (r *resolver) branch(argument any, depth int) (any, error) {
	name, branches, err := conditionIf(argument)
	if err != nil {
		return nil, err
	}
	if _, decided := r.e.conditions[name]; r.e.open && !decided {
		return Unknown, nil
	}
	holds, err := r.named(name, "Fn::If", depth)
	switch {
	case errors.Is(err, errUndecided):
		return Unknown, nil
	case err != nil:
		return nil, err
	case holds:
		return r.value(branches[0], depth)
	}
	return r.value(branches[1], depth)
}

func (r *resolver) findInMap(argument any, depth int) (any, error) {
	keys, instead, err := findInMap(argument)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(keys))
	for i, key := range keys {
		text, unknown, err := r.text(key, depth, refuse("%s", badFindInMap))
		if err != nil || unknown {
			return Unknown, err
		}
		names[i] = text
	}
	if value, ok := r.e.Template.Mappings[names[0]][names[1]][names[2]]; ok {
		return value, nil
	}
	switch {
	case instead != nil:
		return r.value(instead, depth)
	case r.e.Template.Mappings[names[0]] == nil:
		return nil, refuse("Template error: Mapping named '%s' is not present in the 'Mappings' section of template.", names[0])
	}
	return nil, refuse("Template error: Unable to get mapping for %s", strings.Join(names, "::"))
}

// items resolves what must be a list of texts.
func (r *resolver) items(value any, depth int, refusal string) (texts []string, unknown bool, err error) {
	resolved, err := r.value(value, depth)
	if err != nil || IsUnknown(resolved) {
		return nil, true, err
	}
	list, ok := resolved.([]any)
	if !ok {
		return nil, false, refuse("%s", refusal)
	}
	for _, item := range list {
		text, ok := Text(item)
		if IsUnknown(item) {
			unknown = true
		} else if !ok {
			return nil, false, refuse("%s", refusal)
		}
		texts = append(texts, text)
	}
	return texts, unknown, nil
}

func (r *resolver) join(argument any, depth int) (any, error) {
	pair, err := list(argument, 2, 2, badJoin)
	if err != nil {
		return nil, err
	}
	delimiter, unknown, err := r.text(pair[0], depth, refuse("%s", badJoin))
	if err != nil {
		return nil, err
	}
	texts, hidden, err := r.items(pair[1], depth, badJoin)
	if err != nil || unknown || hidden {
		return Unknown, err
	}
	if len(delimiter)*len(texts) > maxResolvedBytes {
		return r.made(strings.Repeat(" ", maxResolvedBytes+1))
	}
	return r.made(strings.Join(texts, delimiter))
}

func (r *resolver) split(argument any, depth int) (any, error) {
	pair, err := list(argument, 2, 2, badSplit)
	if err != nil {
		return nil, err
	}
	delimiter, ok := pair[0].(string)
	if !ok || delimiter == "" {
		return nil, refuse("%s", badSplit)
	}
	text, unknown, err := r.text(pair[1], depth, refuse("%s", badSplit))
	if err != nil || unknown {
		return Unknown, err
	}
	var parts []any
	for piece := range strings.SplitSeq(text, delimiter) {
		parts = append(parts, piece)
	}
	r.steps += len(parts)
	return parts, nil
}

func (r *resolver) pick(argument any, depth int) (any, error) {
	pair, err := list(argument, 2, 2, badSelect)
	if err != nil {
		return nil, err
	}
	text, unknown, err := r.text(pair[0], depth, refuse("%s", badSelect))
	if err != nil {
		return nil, err
	}
	resolved, err := r.value(pair[1], depth)
	if err != nil || unknown || IsUnknown(resolved) {
		return Unknown, err
	}
	items, ok := resolved.([]any)
	index, problem := strconv.Atoi(text)
	switch {
	case !ok || problem != nil:
		return nil, refuse("%s", badSelect)
	case index < 0 || index >= len(items):
		return nil, refuse("Template error: Fn::Select cannot select nonexistent value at index %d", index)
	}
	return items[index], nil
}

func (r *resolver) zones(region string) []any {
	if region == "" {
		region = r.e.scope.Region
	}
	names := []string{region + "a", region + "b", region + "c"}
	if r.e.scope.Zones != nil {
		names = r.e.scope.Zones(region)
	}
	list := make([]any, 0, len(names))
	for _, name := range names {
		list = append(list, name)
	}
	return list
}
