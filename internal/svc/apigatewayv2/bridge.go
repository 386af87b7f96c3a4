package apigatewayv2

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/lambkin-dev/lambkin/internal/api/apigatewayv2api"
	"github.com/lambkin-dev/lambkin/internal/core/httpapi"
)

// The types of core/httpapi have the members of the API model by name, in JSON.
// So a shape becomes one of them, and the reverse, without a line for each member;
// TestNoMemberIsLost sees to it that none is forgotten.

// members are the members of a shape that are given.
func members(in any) (map[string]json.RawMessage, error) {
	text, err := json.Marshal(in)
	if err != nil {
		return nil, fmt.Errorf("read a shape: %w", err)
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, fmt.Errorf("read a shape: %w", err)
	}
	for name, value := range all {
		if value = withoutNulls(value); string(value) == "null" {
			delete(all, name)
		} else {
			all[name] = value
		}
	}
	return all, nil
}

// withoutNulls leaves members that were not given out of nested structures too.
func withoutNulls(value json.RawMessage) json.RawMessage {
	value = bytes.TrimSpace(value)
	var all map[string]json.RawMessage
	if len(value) == 0 || value[0] != '{' || json.Unmarshal(value, &all) != nil {
		return value
	}
	for name, member := range all {
		if member = withoutNulls(member); string(member) == "null" {
			delete(all, name)
		} else {
			all[name] = member
		}
	}
	text, err := json.Marshal(all)
	if err != nil {
		return value
	}
	return text
}

// from makes a T of core of a shape.
func from[T any](in any) (T, error) {
	var out T
	given, err := members(in)
	if err != nil {
		return out, err
	}
	text, err := json.Marshal(given)
	if err != nil {
		return out, err
	}
	return out, json.Unmarshal(text, &out)
}

// to makes a shape of a value of core.
func to[Out any](value any) (*Out, error) {
	out := new(Out)
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	return out, json.Unmarshal(text, out)
}

// merged are the members whose entries a change sets one by one; an empty value
// removes one. AWS: Terraform and CloudFormation send it for those that are gone.
var merged = map[string]bool{"RequestParameters": true, "ResponseParameters": true, "RequestTemplates": true, "ResponseTemplates": true, "StageVariables": true, "RouteSettings": true}

// merge puts what a shape gives into a value of core.
func merge[T any](into *T, in any) error {
	given, err := members(in)
	if err != nil {
		return err
	}
	text, err := json.Marshal(into)
	if err != nil {
		return err
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		return err
	}
	for name, value := range given {
		if merged[name] {
			if value, err = entries(all[name], value); err != nil {
				return err
			}
		}
		all[name] = value
	}
	if text, err = json.Marshal(all); err != nil {
		return err
	}
	var whole T
	if err := json.Unmarshal(text, &whole); err != nil {
		return err
	}
	*into = whole
	return nil
}

// entries joins two maps.
func entries(old, given json.RawMessage) (json.RawMessage, error) {
	all, changes := map[string]json.RawMessage{}, map[string]json.RawMessage{}
	if len(old) > 0 && string(old) != "null" {
		if err := json.Unmarshal(old, &all); err != nil {
			return nil, err
		}
	}
	if err := json.Unmarshal(given, &changes); err != nil {
		return nil, err
	}
	for name, value := range changes {
		if text := string(value); text == `""` || text == "{}" {
			delete(all, name)
		} else {
			all[name] = value
		}
	}
	return json.Marshal(all)
}

// translate turns an error of core into AWS's.
func translate(err error) error {
	err = domainError(err)
	var refusal *httpapi.Error
	if !errors.As(err, &refusal) {
		return err
	}
	switch refusal.Kind {
	case httpapi.NotFound:
		return apigatewayv2api.NotFoundException("%s", refusal.Message)
	case httpapi.Conflict:
		return apigatewayv2api.ConflictException("%s", refusal.Message)
	}
	return apigatewayv2api.BadRequestException("%s", refusal.Message)
}
