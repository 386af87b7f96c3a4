package httpapi

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/core/httpapi"
	"github.com/lambkin-dev/lambkin/internal/front/proxy"
	"github.com/lambkin-dev/lambkin/internal/front/roles"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/jsonrpc"
	"github.com/lambkin-dev/lambkin/internal/wire/local"
	"github.com/lambkin-dev/lambkin/internal/wire/query"
)

// codecs are how API Gateway speaks with services: their answers, errors as well, are
// passed on as they are.
//
// AWS: the form of answers is not documented; that SQS is spoken to by its query protocol, so
// that clients get XML, is our memory of it and not recorded.
var codecs = map[string]wire.Codec{"sqs": query.Codec{}, "events": jsonrpc.Codec{}}

// maxSelected bounds the bodies that a path is looked for in.
// AWS: bodies are cut there, which leaves nothing to find a path in,
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-aws-services.html
const maxSelected = 100 << 10

// structures are the parameters that are no text: those that are an object, and lists.
var (
	objects = map[string]bool{"MessageAttributes": true, "MessageSystemAttributes": true}
	lists   = map[string]bool{"Resources": true, "AttributeNames": true, "MessageAttributeNames": true}
)

// input is one parameter of a service made ready: a text, or a tree of JSON whose
// texts are expressions, so that what a client sends cannot leave its place in it.
type input struct {
	name, given string
	text        httpapi.Expression
	tree        any
}

// newInputs reads the parameters.
func newInputs(parameters map[string]string) (inputs []input) {
	for name, given := range parameters {
		in := input{name: name, given: given, text: httpapi.ParseExpression(given)}
		if objects[name] || lists[name] {
			in.tree = tree(given)
		}
		inputs = append(inputs, in)
	}
	return inputs
}

// tree is an object or list of JSON, or nil.
func tree(text string) any {
	var value any
	if text = strings.TrimSpace(text); !strings.HasPrefix(text, "{") && !strings.HasPrefix(text, "[") || json.Unmarshal([]byte(text), &value) != nil {
		return nil
	}
	return value
}

// badInput is a parameter that cannot be made of the request.
type badInput struct{ text string }

func (e *badInput) Error() string { return e.text }

// unresolved words that a source leads to nothing. AWS: the first sentence as users report it
// (https://github.com/hashicorp/terraform-provider-aws/issues/19443), the second is ours.
func unresolved(in *input) error {
	return &badInput{"Unable to resolve property " + in.name + " from source " + in.given +
		". Please make sure that the request to API Gateway contains all the necessary fields specified in request parameters."}
}

// service calls the operation of an integration with a subtype.
func (x *exchange) service(i *integration) failure {
	ctx, cancel := context.WithTimeout(x.r.Context(), i.timeout)
	defer cancel()
	parameters, err := x.parameters(i.inputs)
	if err != nil {
		x.fail("a parameter of a service could not be made", err)
		return badRequest
	}
	region := x.live.API.Scope.Region
	if named, ok := parameters[httpapi.RegionParameter].(string); ok {
		region = named
		delete(parameters, httpapi.RegionParameter)
	}
	who, err := x.actsBy(ctx, i, region)
	if err != nil {
		x.fail("an integration has no role to act by", err)
		return internalError
	}
	if i.subtype.Operation == "PutEvents" {
		parameters = map[string]any{"Entries": []any{parameters}}
	}
	answer, err := x.server.config.Services.Answer(ctx, who, codecs[i.subtype.Service], i.subtype.Service, i.subtype.Operation, parameters)
	switch {
	case ctx.Err() != nil:
		x.fail("a service did not answer in time", errors.Join(ctx.Err(), err))
		return unavailable
	case err != nil:
		x.fail("a service could not be called", err)
		return internalError
	}
	x.integrated.status, x.integrated.id = answer.Status, answer.Header.Get("X-Amzn-Requestid")
	if answer.Status >= http.StatusBadRequest {
		x.integrated.err = string(answer.Body[:min(len(answer.Body), maxLogged)])
	}
	answer.Header.Del("Content-Length")
	x.answer = &proxy.Answer{Status: answer.Status, Header: answer.Header, Body: answer.Body}
	return failure{}
}

// actsBy is on whose behalf an integration calls: its role, or who called the API.
func (x *exchange) actsBy(ctx context.Context, i *integration, region string) (local.Identity, error) {
	if i.CredentialsARN != httpapi.CallerCredentials {
		who, err := x.server.config.Roles.Identity(ctx, x.live.API.Scope.Account, i.CredentialsARN, region)
		who.Function = i.ForFunction
		return who, err
	}
	key := x.authorized.key
	if key == nil {
		return local.Identity{}, roles.ErrNoRole
	}
	return local.Identity{Account: key.Account, Region: region, AccessKeyID: key.AccessKeyID, CallerARN: key.ARN, UserID: key.UserID, Session: key.Session,
		Function: i.ForFunction}, nil
}

// parameters are the values of an operation's parameters, from the request.
func (x *exchange) parameters(inputs []input) (map[string]any, error) {
	out := make(map[string]any, len(inputs))
	for i := range inputs {
		in := &inputs[i]
		value, err := x.parameter(in)
		if err != nil {
			return nil, err
		}
		out[in.name] = value
	}
	return out, nil
}

func (x *exchange) parameter(in *input) (any, error) {
	if in.tree != nil {
		return binary(x.grow(in.tree)), nil
	}
	text := in.text.Resolve(x.selected)
	switch {
	case text == "":
		return nil, unresolved(in)
	case objects[in.name]:
		object, ok := tree(text).(map[string]any)
		if !ok {
			return nil, unresolved(in)
		}
		return binary(object), nil
	case lists[in.name]:
		if list, ok := tree(text).([]any); ok {
			return list, nil
		}
		var list []any
		for item := range strings.SplitSeq(text, ",") {
			list = append(list, strings.TrimSpace(item))
		}
		return list, nil
	case in.name == "Time":
		return moment(text)
	}
	return text, nil
}

// selected is the value of a reference.
func (x *exchange) selected(ref string) string {
	if strings.HasPrefix(ref, "request.body.") && len(x.body) > maxSelected {
		return ""
	}
	return x.value(ref)
}

// grow is a tree with values in the place of references.
func (x *exchange) grow(value any) any {
	switch v := value.(type) {
	case string:
		return httpapi.ParseExpression(v).Resolve(x.selected)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = x.grow(v[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, member := range v {
			out[name] = x.grow(member)
		}
		return out
	}
	return value
}

// binary makes bytes of the binary values of message attributes, which JSON has in base64.
func binary(attributes any) any {
	all, _ := attributes.(map[string]any)
	for _, attribute := range all {
		members, _ := attribute.(map[string]any)
		if text, ok := members["BinaryValue"].(string); ok {
			if data, err := base64.StdEncoding.DecodeString(text); err == nil {
				members["BinaryValue"] = data
			}
		}
	}
	return attributes
}

// moment reads a time, as RFC 3339 has it or in seconds.
func moment(text string) (time.Time, error) {
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Unix(seconds, 0).UTC(), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, &badInput{fmt.Sprintf("Time is no time: %.60q", text)}
	}
	return at, nil
}
