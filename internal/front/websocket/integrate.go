package websocket

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/core/httpapi"
	"github.com/lambkin-dev/lambkin/internal/front/backend"
	"github.com/lambkin-dev/lambkin/internal/front/functions"
	"github.com/lambkin-dev/lambkin/internal/front/proxy"
	"github.com/lambkin-dev/lambkin/internal/wire/local"
)

// result is what an integration that is no proxy answered; the patterns of integration
// responses are compared with choose.
type result struct {
	backend.Reply
	choose string
}

// answerOf is the answer of an integration.
func (x *exchange) answerOf(ctx context.Context, i *integration) (*proxy.Answer, error) {
	if i.broken != nil {
		return nil, i.broken
	}
	if i.Type == httpapi.LambdaProxy {
		response, err := x.invoke(ctx, i, x.event.JSON())
		if err != nil {
			return nil, err
		}
		if response.failure != "" {
			return nil, fmt.Errorf("the function failed: %.200s", response.payload)
		}
		return proxy.Parse(proxy.V1, response.payload)
	}
	made, err := x.makeRequest(ctx, i)
	if err != nil {
		return nil, err
	}
	got, err := x.call(ctx, i, made)
	if err != nil {
		return nil, err
	}
	x.integrated.status = got.Status
	if i.Type == httpapi.HTTPProxy {
		return &proxy.Answer{Status: got.Status, Header: got.Header, Body: got.Body}, nil
	}
	return x.makeAnswer(ctx, i, got)
}

// call hands a request to what stands behind an integration.
func (x *exchange) call(ctx context.Context, i *integration, made *backend.Request) (*result, error) {
	switch i.Type {
	case httpapi.Mock:
		status, ok := backend.MockStatus(made.Body)
		if !ok || status < http.StatusOK || status > 599 {
			return nil, errors.New("the request template of a mock makes no statusCode")
		}
		return plain(&backend.Reply{Status: status, Header: http.Header{}}), nil
	case httpapi.AWS:
		if i.service != "" {
			return x.callService(ctx, i, made)
		}
		return x.callFunction(ctx, i, made)
	}
	client := x.server.config.Outside
	if i.ForFunction {
		client = x.server.config.ForFunctions
	}
	header := http.Header{}
	if h := x.event.Handshake; h != nil && i.Type == httpapi.HTTPProxy {
		for name, values := range backend.Sent(h.HTTP.Header) {
			if !strings.HasPrefix(name, "Sec-Websocket-") {
				header[name] = values
			}
		}
	}
	if made.Body != "" {
		header.Set("Content-Type", made.ContentType)
	}
	own := http.Header{"X-Amzn-Apigateway-Api-Id": {x.event.APIID}, "X-Amzn-Trace-Id": {x.trace}, "X-Forwarded-For": {x.event.SourceIP}}
	reply, err := backend.Fetch(ctx, client, i.timeout(), &backend.Call{Method: i.method(), URI: httpapi.StageVariables(i.URI, x.stage.stage.Variables), API: x.event.APIID, Header: header, Own: own, Request: made})
	if err != nil {
		return nil, err
	}
	return plain(reply), nil
}

// plain is a result that is chosen by its status.
func plain(reply *backend.Reply) *result {
	return &result{Reply: *reply, choose: fmt.Sprint(reply.Status)}
}

// method is that of a request; a message has none of its own.
func (i *integration) method() string {
	if i.Method == httpapi.AnyMethod {
		return http.MethodPost
	}
	return i.Method
}

func (i *integration) timeout() time.Duration { return time.Duration(i.TimeoutMS) * time.Millisecond }

// invoked is what a function answered; failure is its FunctionError.
type invoked struct {
	payload []byte
	failure string
}

// invoke runs the function of an integration.
func (x *exchange) invoke(ctx context.Context, i *integration, payload []byte) (*invoked, error) {
	call := &functions.Call{Target: i.target, Service: functions.APIGateway, Source: x.stage.arn(x.route.Key), RequestID: ids.UUID(), TraceID: x.trace, Payload: payload}
	if i.CredentialsARN != "" {
		call.Service, call.Role = "", i.CredentialsARN // the role's permissions count, where permissions are enforced
	}
	response, err := x.server.config.Functions.InvokeWithin(ctx, call, i.timeout())
	if err != nil {
		return nil, err
	}
	x.integrated.status = http.StatusOK // AWS: of the call, whatever the function makes of it
	return &invoked{response.Payload, response.FunctionError}, nil
}

// callFunction hands a function what the template made: at once, or later where the
// request says so.
func (x *exchange) callFunction(ctx context.Context, i *integration, made *backend.Request) (*result, error) {
	payload := []byte(made.Body)
	if len(payload) == 0 {
		payload = []byte("{}")
	}
	if !json.Valid(payload) {
		return nil, errors.New("the request body of a function is no JSON")
	}
	for name, value := range made.Header {
		if http.CanonicalHeaderKey(name) == "X-Amz-Invocation-Type" && strings.EqualFold(value, "Event") {
			return x.queue(ctx, i, payload)
		}
	}
	response, err := x.invoke(ctx, i, payload)
	if err != nil {
		return nil, err
	}
	got := &result{Reply: backend.Reply{Status: http.StatusOK, Header: http.Header{"Content-Type": {jsonType}}, Body: response.payload}}
	if response.failure != "" {
		var told struct {
			ErrorMessage string `json:"errorMessage"`
		}
		// A function that fails without a message has an empty one.
		_ = json.Unmarshal(response.payload, &told)
		got.choose = told.ErrorMessage
	}
	return got, nil
}

// queue has a function called later.
func (x *exchange) queue(ctx context.Context, i *integration, payload []byte) (*result, error) {
	scope := x.stage.api.Scope
	who := local.Identity{Account: scope.Account, Region: i.target.Scope.Region, Function: i.ForFunction, CallerARN: "arn:aws:iam::" + scope.Account + ":root"}
	if i.CredentialsARN != "" {
		var err error
		if who, err = x.role(ctx, i, who.Region); err != nil {
			return nil, err
		}
	} else {
		permitted, err := x.server.config.Functions.Registry.Permits(ctx, i.target, function.Caller{Service: functions.APIGateway, Source: x.stage.arn(x.route.Key)})
		if err != nil || !permitted {
			return nil, errors.Join(functions.ErrForbidden, err)
		}
	}
	_, err := x.server.config.Services.Local.Call(ctx, who, "lambda", "Invoke", map[string]any{"FunctionName": i.target.ARN(), "InvocationType": "Event", "Payload": payload})
	if err != nil {
		return nil, err
	}
	return &result{Reply: backend.Reply{Status: http.StatusAccepted, Header: http.Header{}}}, nil
}

// role is on whose behalf an integration calls a service.
func (x *exchange) role(ctx context.Context, i *integration, region string) (local.Identity, error) {
	who, err := x.server.config.Roles.Identity(ctx, x.stage.api.Scope.Account, httpapi.StageVariables(i.CredentialsARN, x.stage.stage.Variables), region)
	who.Function = i.ForFunction
	return who, err
}

// callService calls an operation of a service.
func (x *exchange) callService(ctx context.Context, i *integration, made *backend.Request) (*result, error) {
	who, err := x.role(ctx, i, i.region)
	if err != nil {
		return nil, err
	}
	reply, err := x.server.config.Services.Call(ctx, i.timeout(), who, &backend.Operation{Service: i.service, Resource: i.resource, Method: i.method(), Request: made})
	if err != nil {
		return nil, err
	}
	return plain(reply), nil
}
