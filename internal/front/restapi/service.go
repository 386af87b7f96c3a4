package restapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/core/restapi"
	"github.com/lambkin-dev/lambkin/internal/front/functions"
	"github.com/lambkin-dev/lambkin/internal/front/proxy"
	"github.com/lambkin-dev/lambkin/internal/front/roles"
	"github.com/lambkin-dev/lambkin/internal/wire/local"
)

// lambdaEvent queues an asynchronous call of a function.
func (e *exchange) lambdaEvent(i *restapi.Integration, made *request) (*proxy.Answer, error) {
	target, err := functions.Parse(e.substitute(i.Uri))
	if err != nil {
		return nil, errInternal.with(err)
	}
	source := e.methodARN(e.r.Method, e.resource.Path)
	permitted, err := e.server.config.Functions.Registry.Permits(e.r.Context(), target, function.Caller{Service: functions.APIGateway, Source: source})
	if err != nil || !permitted {
		return nil, errInternal.with(errors.Join(functions.ErrForbidden, err))
	}
	_, err = e.server.config.Local.Call(e.r.Context(), e.platform(target.Scope.Region), "lambda", "Invoke", map[string]any{"FunctionName": target.ARN(), "InvocationType": "Event", "Payload": []byte(made.body)})
	if err != nil {
		return nil, errInternal.with(err)
	}
	e.backend.status = http.StatusAccepted
	return e.makeAnswer(i, &result{header: http.Header{}})
}

// platform is who calls where API Gateway acts itself.
func (e *exchange) platform(region string) local.Identity {
	return local.Identity{Account: e.id.Account, Region: region, Function: e.ofFunction(), CallerARN: "arn:aws:iam::" + e.id.Account + ":root"}
}

// serviceCall calls an operation of one of our own services, by
// arn:aws:apigateway:REGION:SERVICE:action/NAME or :path/PATH. The operation is named by
// the ARN, by the header X-Amz-Target, or by Action in a form.
//
// AWS: signs a request for the service. Here the call stays inside; of a form, the
// members without structure (MessageBody, not MessageAttribute.1.Name) can be given.
func (e *exchange) serviceCall(i *restapi.Integration) (*proxy.Answer, error) {
	made, err := e.makeRequest(i)
	if err != nil {
		return nil, err
	}
	parts := strings.SplitN(e.substitute(i.Uri), ":", 6)
	if len(parts) < 6 {
		return nil, errInternal
	}
	who, err := e.role(i, parts[3])
	if err != nil {
		return nil, errInternal.with(err)
	}
	service := parts[4][strings.LastIndexByte(parts[4], '.')+1:]
	action, input, form, err := operationOf(parts[5], made)
	if err != nil {
		return nil, errInternal.with(err)
	}
	if service == "sqs" && input["QueueUrl"] == nil {
		if path, found := strings.CutPrefix(parts[5], "path/"); found {
			input["QueueUrl"] = "http://localhost/" + strings.Trim(path, "/")
		}
	}
	output, err := e.server.config.Local.Call(e.r.Context(), who, service, action, input)
	got := &result{header: http.Header{"Content-Type": {jsonType}}}
	e.backend.status = http.StatusOK
	var refusal *fault.Fault
	switch {
	case errors.As(err, &refusal):
		e.backend.status = refusal.Status
		output = map[string]any{"__type": refusal.Code, "message": refusal.Message}
		if form {
			output = map[string]any{"Error": map[string]any{"Code": refusal.Code, "Message": refusal.Message, "Type": "Sender"}, "RequestId": ids.UUID()}
		}
	case err != nil:
		return nil, errInternal.with(err)
	case form:
		output = map[string]any{action + "Response": map[string]any{action + "Result": output, "ResponseMetadata": map[string]any{"RequestId": ids.UUID()}}}
	}
	if got.body, err = json.Marshal(output); err != nil {
		return nil, errInternal.with(err)
	}
	got.choose = strconv.Itoa(e.backend.status)
	return e.makeAnswer(i, got)
}

// role is on whose behalf an integration calls.
func (e *exchange) role(i *restapi.Integration, region string) (local.Identity, error) {
	allowed := roles.Roles{Assume: e.server.config.Assume}
	who, err := allowed.Identity(e.r.Context(), e.id.Account, e.substitute(i.Credentials), region)
	who.Function = e.ofFunction()
	return who, err
}

// operationOf finds the operation and its input. form tells that the caller spoke as
// the query protocol does, and is answered so.
func operationOf(resource string, made *request) (action string, input map[string]any, form bool, err error) {
	input = map[string]any{}
	for name, value := range made.header {
		if http.CanonicalHeaderKey(name) == "X-Amz-Target" {
			action = value[strings.LastIndexByte(value, '.')+1:]
		}
	}
	values := url.Values(made.query)
	if named, found := strings.CutPrefix(resource, "action/"); found {
		named, more, _ := strings.Cut(named, "&")
		action = named
		given, err := url.ParseQuery(more)
		if err != nil {
			return "", nil, false, err
		}
		for name, list := range given {
			values[name] = list
		}
	}
	contentType := made.contentType
	for name, value := range made.header {
		if http.CanonicalHeaderKey(name) == "Content-Type" {
			contentType = value
		}
	}
	switch {
	case strings.HasPrefix(contentType, "application/x-www-form-urlencoded") || strings.HasPrefix(strings.TrimSpace(made.body), "Action="):
		given, err := url.ParseQuery(strings.TrimSpace(made.body))
		if err != nil {
			return "", nil, false, err
		}
		for name, list := range given {
			values[name] = list
		}
		form = true
	case made.body != "" && len(values) == 0:
		d := json.NewDecoder(strings.NewReader(made.body))
		d.UseNumber()
		if err := d.Decode(&input); err != nil {
			return "", nil, false, err
		}
	}
	form = form || len(values) > 0
	for name, list := range values {
		switch {
		case len(list) == 0 || name == "Version":
		case name == "Action":
			action = list[0]
		default:
			input[name] = list[0]
		}
	}
	return action, input, form, nil
}
