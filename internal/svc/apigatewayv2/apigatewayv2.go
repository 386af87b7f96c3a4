// Package apigatewayv2 is the API Gateway V2 API: it translates between the wire
// and core/httpapi, which keeps the APIs; front/httpapi and front/websocket serve them.
//
// It promises AWS's codes and texts of errors; an option without effect is refused
// or listed as inert in docs/api.md.
//
// No goroutines, no locks. Start reading at Service, then bridge.go.
package apigatewayv2

import (
	"context"
	"encoding/base64"
	"strings"

	v2 "github.com/lambkin-dev/lambkin/internal/api/apigatewayv2api"
	"github.com/lambkin-dev/lambkin/internal/core/domain"
	"github.com/lambkin-dev/lambkin/internal/core/httpapi"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

// Config is what the service works with.
type Config struct {
	APIs  *httpapi.APIs
	Names *domain.Names
	// Address is how a client that reaches us at endpoint reaches an API.
	Address func(endpoint, id, region string) string
}

type api struct {
	apis    *httpapi.APIs
	names   *domain.Names
	address func(endpoint, id, region string) string
}

// Service is the table of the operations.
func Service(c Config) *wire.Service {
	a := &api{apis: c.APIs, names: c.Names, address: c.Address}
	return wire.NewService(v2.Model, append(a.parts(),
		v2.HandleCreateApi(a.createAPI),
		v2.HandleGetApi(a.getAPI),
		v2.HandleGetApis(a.getAPIs),
		v2.HandleUpdateApi(a.updateAPI),
		v2.HandleDeleteApi(a.deleteAPI),
		v2.HandleDeleteCorsConfiguration(a.deleteCORS),
		v2.HandleImportApi(a.importAPI),
		v2.HandleReimportApi(a.reimportAPI),
		v2.HandleExportApi(a.exportAPI),
		v2.HandleGetTags(a.getTags),
		v2.HandleTagResource(a.tagResource),
		v2.HandleUntagResource(a.untagResource),

		v2.HandleCreateStage(a.createStage),
		v2.HandleGetStage(a.getStage),
		v2.HandleGetStages(a.getStages),
		v2.HandleUpdateStage(a.updateStage),
		v2.HandleDeleteStage(a.deleteStage),
		v2.HandleDeleteRouteSettings(a.deleteRouteSettings),
		v2.HandleDeleteAccessLogSettings(a.deleteAccessLogSettings),
		v2.HandleResetAuthorizersCache(a.resetAuthorizersCache),

		v2.HandleCreateDeployment(a.createDeployment),
		v2.HandleGetDeployment(a.getDeployment),
		v2.HandleGetDeployments(a.getDeployments),
		v2.HandleUpdateDeployment(a.updateDeployment),
		v2.HandleDeleteDeployment(a.deleteDeployment),

		v2.HandleCreateDomainName(a.createDomainName),
		v2.HandleGetDomainName(a.getDomainName),
		v2.HandleGetDomainNames(a.getDomainNames),
		v2.HandleUpdateDomainName(a.updateDomainName),
		v2.HandleDeleteDomainName(a.deleteDomainName),
		v2.HandleCreateApiMapping(a.createMapping),
		v2.HandleGetApiMapping(a.getMapping),
		v2.HandleGetApiMappings(a.getMappings),
		v2.HandleUpdateApiMapping(a.updateMapping),
		v2.HandleDeleteApiMapping(a.deleteMapping),
	)...)
}

// parts are the operations on what an API is made of.
func (a *api) parts() []wire.Operation {
	return []wire.Operation{
		v2.HandleCreateRoute(a.createRoute),
		v2.HandleGetRoute(a.getRoute),
		v2.HandleGetRoutes(a.getRoutes),
		v2.HandleUpdateRoute(a.updateRoute),
		v2.HandleDeleteRoute(a.deleteRoute),

		v2.HandleCreateIntegration(a.createIntegration),
		v2.HandleGetIntegration(a.getIntegration),
		v2.HandleGetIntegrations(a.getIntegrations),
		v2.HandleUpdateIntegration(a.updateIntegration),
		v2.HandleDeleteIntegration(a.deleteIntegration),

		v2.HandleCreateAuthorizer(a.createAuthorizer),
		v2.HandleGetAuthorizer(a.getAuthorizer),
		v2.HandleGetAuthorizers(a.getAuthorizers),
		v2.HandleUpdateAuthorizer(a.updateAuthorizer),
		v2.HandleDeleteAuthorizer(a.deleteAuthorizer),

		v2.HandleCreateModel(a.createModel),
		v2.HandleGetModel(a.getModel),
		v2.HandleGetModels(a.getModels),
		v2.HandleUpdateModel(a.updateModel),
		v2.HandleDeleteModel(a.deleteModel),

		v2.HandleCreateRouteResponse(a.createRouteResponse),
		v2.HandleGetRouteResponse(a.getRouteResponse),
		v2.HandleGetRouteResponses(a.getRouteResponses),
		v2.HandleUpdateRouteResponse(a.updateRouteResponse),
		v2.HandleDeleteRouteResponse(a.deleteRouteResponse),

		v2.HandleCreateIntegrationResponse(a.createIntegrationResponse),
		v2.HandleGetIntegrationResponse(a.getIntegrationResponse),
		v2.HandleGetIntegrationResponses(a.getIntegrationResponses),
		v2.HandleUpdateIntegrationResponse(a.updateIntegrationResponse),
		v2.HandleDeleteIntegrationResponse(a.deleteIntegrationResponse),
	}
}

func scope(call *wire.Call) httpapi.Scope {
	return httpapi.Scope{Account: call.Account, Region: call.Region}
}

// reply makes a shape of what core returned.
func reply[Out any](value any, err error) (*Out, error) {
	if err != nil {
		return nil, translate(err)
	}
	return to[Out](value)
}

// Pages of lists. AWS: the API model gives no numbers; the default is 100.
const (
	defaultPage = 100
	maxPage     = 500
)

// items cuts a list, which is in the order of its ids, into a page.
func items[Out, Row any](all []Row, err error, max, token *string, id func(*Row) string) (*Out, error) {
	if err != nil {
		return nil, translate(err)
	}
	size, err := pageSize(max)
	if err != nil {
		return nil, err
	}
	after, err := base64.RawURLEncoding.DecodeString(member.Text(token))
	if err != nil {
		return nil, v2.BadRequestException("Invalid NextToken: %s", member.Text(token))
	}
	page := struct {
		Items     []Row
		NextToken string `json:",omitempty"`
	}{Items: []Row{}}
	for i := range all {
		if len(after) > 0 && id(&all[i]) <= string(after) {
			continue
		}
		if len(page.Items) == size {
			page.NextToken = base64.RawURLEncoding.EncodeToString([]byte(id(&page.Items[size-1])))
			break
		}
		page.Items = append(page.Items, all[i])
	}
	return to[Out](page)
}

func pageSize(max *string) (int, error) {
	if member.Text(max) == "" {
		return defaultPage, nil
	}
	n := 0
	for _, c := range *max {
		if c < '0' || c > '9' || n > maxPage {
			return 0, v2.BadRequestException("Invalid value for maxResults: %.20s", *max)
		}
		n = n*10 + int(c-'0')
	}
	if n == 0 {
		return 0, v2.BadRequestException("Invalid value for maxResults: %.20s", *max)
	}
	return min(n, maxPage), nil
}

// shown is an API as AWS shows it.
type shown struct {
	*httpapi.API
	APIEndpoint string `json:"ApiEndpoint"`
}

func (a *api) show(call *wire.Call, row *httpapi.API) shown {
	endpoint := a.address(call.Endpoint, row.ID, row.Scope.Region)
	if rest, ok := strings.CutPrefix(endpoint, "http"); ok && row.ProtocolType == httpapi.WebSocket {
		endpoint = "ws" + rest // wss where the server has TLS
	}
	return shown{row, endpoint}
}

func (a *api) createAPI(ctx context.Context, call *wire.Call, in *v2.CreateApiInput) (*v2.CreateApiOutput, error) {
	if member.Text(in.ProtocolType) == httpapi.WebSocket && (in.Target != nil || in.RouteKey != nil || in.CredentialsArn != nil) {
		return nil, v2.BadRequestException("Quick create is only supported for HTTP APIs")
	}
	row, err := from[httpapi.API](in)
	if err != nil {
		return nil, err
	}
	if member.Text(in.Target) == "" && (in.RouteKey != nil || in.CredentialsArn != nil) {
		return nil, v2.BadRequestException("routeKey and credentialsArn need a target")
	}
	made, err := a.apis.Create(ctx, scope(call), row, &httpapi.Quick{Target: member.Text(in.Target), RouteKey: member.Text(in.RouteKey), CredentialsARN: member.Text(in.CredentialsArn), ForFunction: call.Function}, nil)
	if err != nil {
		return nil, translate(err)
	}
	return to[v2.CreateApiOutput](a.show(call, made))
}

func (a *api) getAPI(ctx context.Context, call *wire.Call, in *v2.GetApiInput) (*v2.GetApiOutput, error) {
	row, err := a.apis.Get(ctx, scope(call), *in.ApiId)
	if err != nil {
		return nil, translate(err)
	}
	return to[v2.GetApiOutput](a.show(call, row))
}

func (a *api) getAPIs(ctx context.Context, call *wire.Call, in *v2.GetApisInput) (*v2.GetApisOutput, error) {
	all, err := a.apis.List(ctx, scope(call))
	list := make([]shown, len(all))
	for i := range all {
		list[i] = a.show(call, &all[i])
	}
	return items[v2.GetApisOutput](list, err, in.MaxResults, in.NextToken, func(row *shown) string { return row.ID })
}

func (a *api) updateAPI(ctx context.Context, call *wire.Call, in *v2.UpdateApiInput) (*v2.UpdateApiOutput, error) {
	var quick *httpapi.Quick
	if in.Target != nil || in.RouteKey != nil || in.CredentialsArn != nil {
		quick = &httpapi.Quick{Target: member.Text(in.Target), RouteKey: member.Text(in.RouteKey), CredentialsARN: member.Text(in.CredentialsArn), ForFunction: call.Function}
	}
	row, err := a.apis.Update(ctx, scope(call), *in.ApiId, quick, func(row *httpapi.API) error { return merge(row, in) })
	if err != nil {
		return nil, translate(err)
	}
	return to[v2.UpdateApiOutput](a.show(call, row))
}

func (a *api) deleteAPI(ctx context.Context, call *wire.Call, in *v2.DeleteApiInput) (*v2.DeleteApiOutput, error) {
	return nil, translate(a.apis.Delete(ctx, scope(call), *in.ApiId))
}

func (a *api) deleteCORS(ctx context.Context, call *wire.Call, in *v2.DeleteCorsConfigurationInput) (*v2.DeleteCorsConfigurationOutput, error) {
	_, err := a.apis.Update(ctx, scope(call), *in.ApiId, nil, func(row *httpapi.API) error {
		row.CORS = nil
		return nil
	})
	return nil, translate(err)
}

func (a *api) getTags(ctx context.Context, call *wire.Call, in *v2.GetTagsInput) (*v2.GetTagsOutput, error) {
	tags, err := a.tags(ctx, call, *in.ResourceArn)
	if err != nil {
		return nil, translate(err)
	}
	if tags == nil {
		tags = map[string]string{}
	}
	return &v2.GetTagsOutput{Tags: tags}, nil
}

func (a *api) tags(ctx context.Context, call *wire.Call, resource string) (map[string]string, error) {
	name, found := named(call, resource)
	if !found {
		return a.apis.Tags(ctx, scope(call), resource)
	}
	row, err := a.names.Get(nameScope(call), name)
	if err != nil {
		return nil, err
	}
	return row.Tags, nil
}

func (a *api) tagResource(ctx context.Context, call *wire.Call, in *v2.TagResourceInput) (*v2.TagResourceOutput, error) {
	if name, found := named(call, *in.ResourceArn); found {
		return &v2.TagResourceOutput{}, a.tagDomain(ctx, call, name, in.Tags, nil)
	}
	return &v2.TagResourceOutput{}, translate(a.apis.Tag(ctx, scope(call), *in.ResourceArn, in.Tags, nil))
}

func (a *api) untagResource(ctx context.Context, call *wire.Call, in *v2.UntagResourceInput) (*v2.UntagResourceOutput, error) {
	if name, found := named(call, *in.ResourceArn); found {
		return nil, a.tagDomain(ctx, call, name, nil, in.TagKeys)
	}
	return nil, translate(a.apis.Tag(ctx, scope(call), *in.ResourceArn, nil, in.TagKeys))
}
