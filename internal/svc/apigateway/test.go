package apigateway

import (
	"context"

	"github.com/lambkin-dev/lambkin/internal/api/apigatewayapi"
	"github.com/lambkin-dev/lambkin/internal/core/restapi"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

// tests are the operations that call methods and authorizers, and forget what
// authorizers told.
func (a *api) tests() []wire.Operation {
	return []wire.Operation{
		apigatewayapi.HandleTestInvokeMethod(wrap(a.testInvokeMethod)),
		apigatewayapi.HandleTestInvokeAuthorizer(wrap(a.testInvokeAuthorizer)),
		apigatewayapi.HandleFlushStageAuthorizersCache(wrap(func(_ context.Context, call *wire.Call, in *apigatewayapi.FlushStageAuthorizersCacheInput) (*struct{}, error) {
			api, err := a.apis.Get(idOf(call, in))
			if err != nil {
				return nil, err
			}
			if _, err := api.Stage(*in.StageName); err != nil {
				return nil, err
			}
			a.front().Flush(idOf(call, in), *in.StageName)
			return &struct{}{}, nil
		})),
	}
}

// headersOf joins the two ways to give headers.
func headersOf(single map[string]string, multi map[string][]string) map[string][]string {
	headers := map[string][]string{}
	for name, value := range single {
		headers[name] = []string{value}
	}
	for name, values := range multi {
		headers[name] = values
	}
	return headers
}

func (a *api) testInvokeMethod(ctx context.Context, call *wire.Call, in *apigatewayapi.TestInvokeMethodInput) (*apigatewayapi.TestInvokeMethodOutput, error) {
	if err := refuse(refusedOption{"ClientCertificateId", member.Text(in.ClientCertificateId) != ""}); err != nil {
		return nil, err
	}
	api, err := a.apis.Get(idOf(call, in))
	if err != nil {
		return nil, err
	}
	if err := a.mayPass(ctx, call, nil, api.RolesBy(in.StageVariables)); err != nil {
		return nil, err
	}
	got, err := a.front().Test(ctx, idOf(call, in), &restapi.Test{RequestID: call.RequestID, ResourceID: *in.ResourceId, Method: *in.HttpMethod, PathWithQuery: member.Text(in.PathWithQueryString), Body: member.Text(in.Body),
		Headers: headersOf(in.Headers, in.MultiValueHeaders), StageVariables: in.StageVariables})
	if err != nil {
		return nil, err
	}
	status, latency := int32(got.Status), got.Latency.Milliseconds()
	out := &apigatewayapi.TestInvokeMethodOutput{Status: &status, Body: &got.Body, Headers: map[string]string{}, MultiValueHeaders: got.Header, Log: &got.Log, Latency: &latency}
	for name, values := range got.Header {
		out.Headers[name] = values[len(values)-1]
	}
	return out, nil
}

func (a *api) testInvokeAuthorizer(ctx context.Context, call *wire.Call, in *apigatewayapi.TestInvokeAuthorizerInput) (*apigatewayapi.TestInvokeAuthorizerOutput, error) {
	if err := refuse(refusedOption{"AdditionalContext", len(in.AdditionalContext) > 0}); err != nil {
		return nil, err
	}
	api, err := a.apis.Get(idOf(call, in))
	if err != nil {
		return nil, err
	}
	z, err := authorizer(api, in.AuthorizerId)
	if err != nil {
		return nil, err
	}
	got, err := a.front().TestAuthorizer(ctx, idOf(call, in), z, &restapi.Test{RequestID: call.RequestID, Method: "GET", PathWithQuery: member.Text(in.PathWithQueryString), Body: member.Text(in.Body),
		Headers: headersOf(in.Headers, in.MultiValueHeaders), StageVariables: in.StageVariables})
	if err != nil {
		return nil, err
	}
	status, latency := int32(got.Status), got.Latency.Milliseconds()
	out := &apigatewayapi.TestInvokeAuthorizerOutput{ClientStatus: &status, PrincipalId: member.Optional(got.PrincipalID), Policy: member.Optional(got.Policy), Log: &got.Log, Latency: &latency, Claims: got.Context}
	return out, nil
}
