package apigatewayv2

import (
	"context"

	v2 "github.com/lambkin-dev/lambkin/internal/api/apigatewayv2api"
	"github.com/lambkin-dev/lambkin/internal/core/httpapi"
	"github.com/lambkin-dev/lambkin/internal/wire"
)

func (a *api) createRoute(ctx context.Context, call *wire.Call, in *v2.CreateRouteInput) (*v2.CreateRouteOutput, error) {
	row, err := from[httpapi.Route](in)
	if err != nil {
		return nil, err
	}
	return reply[v2.CreateRouteOutput](a.apis.CreateRoute(ctx, scope(call), *in.ApiId, row))
}

func (a *api) getRoute(ctx context.Context, call *wire.Call, in *v2.GetRouteInput) (*v2.GetRouteOutput, error) {
	return reply[v2.GetRouteOutput](a.apis.Route(ctx, scope(call), *in.ApiId, *in.RouteId))
}

func (a *api) getRoutes(ctx context.Context, call *wire.Call, in *v2.GetRoutesInput) (*v2.GetRoutesOutput, error) {
	all, err := a.apis.Routes(ctx, scope(call), *in.ApiId)
	return items[v2.GetRoutesOutput](all, err, in.MaxResults, in.NextToken, func(row *httpapi.Route) string { return row.ID })
}

func (a *api) updateRoute(ctx context.Context, call *wire.Call, in *v2.UpdateRouteInput) (*v2.UpdateRouteOutput, error) {
	return reply[v2.UpdateRouteOutput](a.apis.UpdateRoute(ctx, scope(call), *in.ApiId, *in.RouteId, func(row *httpapi.Route) error { return merge(row, in) }))
}

func (a *api) deleteRoute(ctx context.Context, call *wire.Call, in *v2.DeleteRouteInput) (*v2.DeleteRouteOutput, error) {
	return nil, translate(a.apis.DeleteRoute(ctx, scope(call), *in.ApiId, *in.RouteId))
}

func (a *api) createIntegration(ctx context.Context, call *wire.Call, in *v2.CreateIntegrationInput) (*v2.CreateIntegrationOutput, error) {
	row, err := from[httpapi.Integration](in)
	if err != nil {
		return nil, err
	}
	row.ForFunction = call.Function
	return reply[v2.CreateIntegrationOutput](a.apis.CreateIntegration(ctx, scope(call), *in.ApiId, row))
}

func (a *api) getIntegration(ctx context.Context, call *wire.Call, in *v2.GetIntegrationInput) (*v2.GetIntegrationOutput, error) {
	return reply[v2.GetIntegrationOutput](a.apis.Integration(ctx, scope(call), *in.ApiId, *in.IntegrationId))
}

func (a *api) getIntegrations(ctx context.Context, call *wire.Call, in *v2.GetIntegrationsInput) (*v2.GetIntegrationsOutput, error) {
	all, err := a.apis.Integrations(ctx, scope(call), *in.ApiId)
	return items[v2.GetIntegrationsOutput](all, err, in.MaxResults, in.NextToken, func(row *httpapi.Integration) string { return row.ID })
}

func (a *api) updateIntegration(ctx context.Context, call *wire.Call, in *v2.UpdateIntegrationInput) (*v2.UpdateIntegrationOutput, error) {
	return reply[v2.UpdateIntegrationOutput](a.apis.UpdateIntegration(ctx, scope(call), *in.ApiId, *in.IntegrationId, func(row *httpapi.Integration) error {
		row.ForFunction = row.ForFunction || call.Function
		return merge(row, in)
	}))
}

func (a *api) deleteIntegration(ctx context.Context, call *wire.Call, in *v2.DeleteIntegrationInput) (*v2.DeleteIntegrationOutput, error) {
	return nil, translate(a.apis.DeleteIntegration(ctx, scope(call), *in.ApiId, *in.IntegrationId))
}

func (a *api) createAuthorizer(ctx context.Context, call *wire.Call, in *v2.CreateAuthorizerInput) (*v2.CreateAuthorizerOutput, error) {
	row, err := from[httpapi.Authorizer](in)
	if err != nil {
		return nil, err
	}
	row.ForFunction = call.Function
	return reply[v2.CreateAuthorizerOutput](a.apis.CreateAuthorizer(ctx, scope(call), *in.ApiId, row))
}

func (a *api) getAuthorizer(ctx context.Context, call *wire.Call, in *v2.GetAuthorizerInput) (*v2.GetAuthorizerOutput, error) {
	return reply[v2.GetAuthorizerOutput](a.apis.Authorizer(ctx, scope(call), *in.ApiId, *in.AuthorizerId))
}

func (a *api) getAuthorizers(ctx context.Context, call *wire.Call, in *v2.GetAuthorizersInput) (*v2.GetAuthorizersOutput, error) {
	all, err := a.apis.Authorizers(ctx, scope(call), *in.ApiId)
	return items[v2.GetAuthorizersOutput](all, err, in.MaxResults, in.NextToken, func(row *httpapi.Authorizer) string { return row.ID })
}

func (a *api) updateAuthorizer(ctx context.Context, call *wire.Call, in *v2.UpdateAuthorizerInput) (*v2.UpdateAuthorizerOutput, error) {
	return reply[v2.UpdateAuthorizerOutput](a.apis.UpdateAuthorizer(ctx, scope(call), *in.ApiId, *in.AuthorizerId, func(row *httpapi.Authorizer) error {
		row.ForFunction = row.ForFunction || call.Function
		return merge(row, in)
	}))
}

func (a *api) deleteAuthorizer(ctx context.Context, call *wire.Call, in *v2.DeleteAuthorizerInput) (*v2.DeleteAuthorizerOutput, error) {
	return nil, translate(a.apis.DeleteAuthorizer(ctx, scope(call), *in.ApiId, *in.AuthorizerId))
}
