package apigatewayv2

import (
	"context"

	v2 "github.com/lambkin-dev/lambkin/internal/api/apigatewayv2api"
	"github.com/lambkin-dev/lambkin/internal/core/httpapi"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

// checkDomain refuses what would have no effect.
func checkDomain(mutual *v2.MutualTlsAuthenticationInput, mode *string) error {
	switch {
	case mutual != nil && member.Text(mutual.TruststoreUri) != "":
		return v2.BadRequestException("This platform does not ask clients for certificates (MutualTlsAuthentication)")
	case mode != nil && *mode != "API_MAPPING_ONLY":
		return v2.BadRequestException("This platform has no routing rules: RoutingMode must be API_MAPPING_ONLY")
	}
	return nil
}

func (a *api) createDomainName(ctx context.Context, call *wire.Call, in *v2.CreateDomainNameInput) (*v2.CreateDomainNameOutput, error) {
	if err := checkDomain(in.MutualTlsAuthentication, in.RoutingMode); err != nil {
		return nil, err
	}
	row, err := from[httpapi.Domain](in)
	if err != nil {
		return nil, err
	}
	return reply[v2.CreateDomainNameOutput](a.apis.CreateDomain(ctx, scope(call), row))
}

func (a *api) getDomainName(ctx context.Context, call *wire.Call, in *v2.GetDomainNameInput) (*v2.GetDomainNameOutput, error) {
	return reply[v2.GetDomainNameOutput](a.apis.Domain(ctx, scope(call), *in.DomainName))
}

func (a *api) getDomainNames(ctx context.Context, call *wire.Call, in *v2.GetDomainNamesInput) (*v2.GetDomainNamesOutput, error) {
	all, err := a.apis.Domains(ctx, scope(call))
	return items[v2.GetDomainNamesOutput](all, err, in.MaxResults, in.NextToken, func(row *httpapi.Domain) string { return row.Name })
}

func (a *api) updateDomainName(ctx context.Context, call *wire.Call, in *v2.UpdateDomainNameInput) (*v2.UpdateDomainNameOutput, error) {
	if err := checkDomain(in.MutualTlsAuthentication, in.RoutingMode); err != nil {
		return nil, err
	}
	return reply[v2.UpdateDomainNameOutput](a.apis.UpdateDomain(ctx, scope(call), *in.DomainName, func(row *httpapi.Domain) error { return merge(row, in) }))
}

func (a *api) deleteDomainName(ctx context.Context, call *wire.Call, in *v2.DeleteDomainNameInput) (*v2.DeleteDomainNameOutput, error) {
	return nil, translate(a.apis.DeleteDomain(ctx, scope(call), *in.DomainName))
}

func (a *api) createMapping(ctx context.Context, call *wire.Call, in *v2.CreateApiMappingInput) (*v2.CreateApiMappingOutput, error) {
	return reply[v2.CreateApiMappingOutput](a.apis.CreateMapping(ctx, scope(call), *in.DomainName, httpapi.Mapping{APIID: *in.ApiId, Key: member.Text(in.ApiMappingKey), Stage: *in.Stage}))
}

func (a *api) getMapping(ctx context.Context, call *wire.Call, in *v2.GetApiMappingInput) (*v2.GetApiMappingOutput, error) {
	return reply[v2.GetApiMappingOutput](a.apis.Mapping(ctx, scope(call), *in.DomainName, *in.ApiMappingId))
}

func (a *api) getMappings(ctx context.Context, call *wire.Call, in *v2.GetApiMappingsInput) (*v2.GetApiMappingsOutput, error) {
	all, err := a.apis.Mappings(ctx, scope(call), *in.DomainName)
	return items[v2.GetApiMappingsOutput](all, err, in.MaxResults, in.NextToken, func(row *httpapi.Mapping) string { return row.ID })
}

func (a *api) updateMapping(ctx context.Context, call *wire.Call, in *v2.UpdateApiMappingInput) (*v2.UpdateApiMappingOutput, error) {
	return reply[v2.UpdateApiMappingOutput](a.apis.UpdateMapping(ctx, scope(call), *in.DomainName, *in.ApiMappingId, func(row *httpapi.Mapping) error { return merge(row, in) }))
}

func (a *api) deleteMapping(ctx context.Context, call *wire.Call, in *v2.DeleteApiMappingInput) (*v2.DeleteApiMappingOutput, error) {
	return nil, translate(a.apis.DeleteMapping(ctx, scope(call), *in.DomainName, *in.ApiMappingId))
}
