package restapi

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/core/restapi"
	"github.com/lambkin-dev/lambkin/internal/front/backend"
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
	_, err = e.server.config.Local.Call(e.r.Context(), e.platform(target.Scope.Region), "lambda", "Invoke", map[string]any{"FunctionName": target.ARN(), "InvocationType": "Event", "Payload": []byte(made.Body)})
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

// serviceCall calls an operation of one of our own services.
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
	method := i.HttpMethod
	if method == restapi.AnyMethod {
		method = e.r.Method
	}
	services := backend.Services{Local: e.server.config.Local, Forward: e.server.config.Forward}
	got, err := services.Call(e.r.Context(), timeout(i), who, &backend.Operation{Service: parts[4], Resource: parts[5], Method: method, Request: made, Sending: e.tracing()})
	switch {
	case errors.Is(err, backend.ErrTimeout):
		return nil, errTimeout
	case errors.Is(err, backend.ErrAnswer):
		return nil, errMalformedAnswer.with(err)
	case err != nil:
		return nil, errInternal.with(err)
	}
	e.backend.status = got.Status
	if e.traced {
		e.heard(got.Status, got.Header, got.Body)
	}
	return e.makeAnswer(i, &result{body: got.Body, header: got.Header, choose: strconv.Itoa(got.Status)})
}

// role is on whose behalf an integration calls.
func (e *exchange) role(i *restapi.Integration, region string) (local.Identity, error) {
	allowed := roles.Roles{Assume: e.server.config.Assume}
	who, err := allowed.Identity(e.r.Context(), e.id.Account, e.substitute(i.Credentials), region)
	who.Function = e.ofFunction()
	return who, err
}
