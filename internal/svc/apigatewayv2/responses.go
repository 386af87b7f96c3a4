package apigatewayv2

import (
	"context"

	v2 "github.com/lambkin-dev/lambkin/internal/api/apigatewayv2api"
	"github.com/lambkin-dev/lambkin/internal/core/httpapi"
	"github.com/lambkin-dev/lambkin/internal/wire"
)

func (a *api) createRouteResponse(ctx context.Context, call *wire.Call, in *v2.CreateRouteResponseInput) (*v2.CreateRouteResponseOutput, error) {
	row, err := from[httpapi.RouteResponse](in)
	if err != nil {
		return nil, err
	}
	return reply[v2.CreateRouteResponseOutput](a.apis.CreateRouteResponse(ctx, scope(call), *in.ApiId, *in.RouteId, row))
}

func (a *api) getRouteResponse(ctx context.Context, call *wire.Call, in *v2.GetRouteResponseInput) (*v2.GetRouteResponseOutput, error) {
	return reply[v2.GetRouteResponseOutput](a.apis.RouteResponse(ctx, scope(call), *in.ApiId, *in.RouteId, *in.RouteResponseId))
}

func (a *api) getRouteResponses(ctx context.Context, call *wire.Call, in *v2.GetRouteResponsesInput) (*v2.GetRouteResponsesOutput, error) {
	all, err := a.apis.RouteResponses(ctx, scope(call), *in.ApiId, *in.RouteId)
	return items[v2.GetRouteResponsesOutput](all, err, in.MaxResults, in.NextToken, func(row *httpapi.RouteResponse) string { return row.ID })
}

func (a *api) updateRouteResponse(ctx context.Context, call *wire.Call, in *v2.UpdateRouteResponseInput) (*v2.UpdateRouteResponseOutput, error) {
	return reply[v2.UpdateRouteResponseOutput](a.apis.UpdateRouteResponse(ctx, scope(call), *in.ApiId, *in.RouteId, *in.RouteResponseId, func(row *httpapi.RouteResponse) error { return merge(row, in) }))
}

func (a *api) deleteRouteResponse(ctx context.Context, call *wire.Call, in *v2.DeleteRouteResponseInput) (*v2.DeleteRouteResponseOutput, error) {
	return nil, translate(a.apis.DeleteRouteResponse(ctx, scope(call), *in.ApiId, *in.RouteId, *in.RouteResponseId))
}

func (a *api) createIntegrationResponse(ctx context.Context, call *wire.Call, in *v2.CreateIntegrationResponseInput) (*v2.CreateIntegrationResponseOutput, error) {
	row, err := from[httpapi.IntegrationResponse](in)
	if err != nil {
		return nil, err
	}
	return reply[v2.CreateIntegrationResponseOutput](a.apis.CreateIntegrationResponse(ctx, scope(call), *in.ApiId, *in.IntegrationId, row))
}

func (a *api) getIntegrationResponse(ctx context.Context, call *wire.Call, in *v2.GetIntegrationResponseInput) (*v2.GetIntegrationResponseOutput, error) {
	return reply[v2.GetIntegrationResponseOutput](a.apis.IntegrationResponse(ctx, scope(call), *in.ApiId, *in.IntegrationId, *in.IntegrationResponseId))
}

func (a *api) getIntegrationResponses(ctx context.Context, call *wire.Call, in *v2.GetIntegrationResponsesInput) (*v2.GetIntegrationResponsesOutput, error) {
	all, err := a.apis.IntegrationResponses(ctx, scope(call), *in.ApiId, *in.IntegrationId)
	return items[v2.GetIntegrationResponsesOutput](all, err, in.MaxResults, in.NextToken, func(row *httpapi.IntegrationResponse) string { return row.ID })
}

func (a *api) updateIntegrationResponse(ctx context.Context, call *wire.Call, in *v2.UpdateIntegrationResponseInput) (*v2.UpdateIntegrationResponseOutput, error) {
	return reply[v2.UpdateIntegrationResponseOutput](a.apis.UpdateIntegrationResponse(ctx, scope(call), *in.ApiId, *in.IntegrationId, *in.IntegrationResponseId, func(row *httpapi.IntegrationResponse) error { return merge(row, in) }))
}

func (a *api) deleteIntegrationResponse(ctx context.Context, call *wire.Call, in *v2.DeleteIntegrationResponseInput) (*v2.DeleteIntegrationResponseOutput, error) {
	return nil, translate(a.apis.DeleteIntegrationResponse(ctx, scope(call), *in.ApiId, *in.IntegrationId, *in.IntegrationResponseId))
}
