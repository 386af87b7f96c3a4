package apigateway

import (
	"context"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/api/apigatewayapi"
	"github.com/lambkin-dev/lambkin/internal/core/restapi"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

// restAPIs are the operations of APIs as such, of tags and of the account.
func (a *api) restAPIs() []wire.Operation {
	return []wire.Operation{
		apigatewayapi.HandleCreateRestApi(wrap(a.createRestAPI)),
		apigatewayapi.HandleGetRestApi(wrap(a.getRestAPI)),
		apigatewayapi.HandleGetRestApis(wrap(a.getRestAPIs)),
		apigatewayapi.HandleUpdateRestApi(wrap(a.updateRestAPI)),
		apigatewayapi.HandleDeleteRestApi(wrap(a.deleteRestAPI)),
		apigatewayapi.HandleGetTags(wrap(a.getTags)),
		apigatewayapi.HandleTagResource(wrap(a.tagResource)),
		apigatewayapi.HandleUntagResource(wrap(a.untagResource)),
		apigatewayapi.HandleGetAccount(wrap(a.getAccount)),
		apigatewayapi.HandleUpdateAccount(wrap(a.updateAccount)),
	}
}

// showAPI is what clients see of an API.
//
// AWS: the policy comes with its quotes escaped, which clients undo.
func showAPI(api *restapi.API) *apigatewayapi.RestApi {
	out := show[apigatewayapi.RestApi](api)
	out.Policy = member.Optional(strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(api.Policy))
	out.EndpointConfiguration = &apigatewayapi.EndpointConfiguration{Types: api.EndpointTypes, IpAddressType: member.Optional("ipv4")}
	out.ApiStatus = member.Optional("AVAILABLE")
	if root := api.Root(); root != nil {
		out.RootResourceId = &root.Id
	}
	return out
}

// endpointTypes are those of a configuration. AWS: EDGE if none is named.
func endpointTypes(c *apigatewayapi.EndpointConfiguration) ([]string, error) {
	if c == nil || len(c.Types) == 0 {
		return []string{"EDGE"}, nil
	}
	return c.Types, refuse(refusedOption{"EndpointConfiguration.VpcEndpointIds", len(c.VpcEndpointIds) > 0}, refusedOption{"An IpAddressType of dualstack", member.Text(c.IpAddressType) == "dualstack"})
}

func (a *api) createRestAPI(ctx context.Context, call *wire.Call, in *apigatewayapi.CreateRestApiInput) (*apigatewayapi.RestApi, error) {
	wanted := *show[restapi.API](in)
	if in.CloneFrom != nil {
		source, err := a.apis.Get(restapi.ID{Scope: scope(call), ID: *in.CloneFrom})
		if err != nil {
			return nil, err
		}
		wanted.Definition = source.Definition
	}
	if wanted.ApiKeySource == "" {
		wanted.ApiKeySource = restapi.KeyInHeader
	}
	var err error
	if wanted.EndpointTypes, err = endpointTypes(in.EndpointConfiguration); err != nil {
		return nil, err
	}
	wanted.ForFunction = call.Function
	made, err := a.apis.Create(ctx, scope(call), wanted)
	if err != nil {
		return nil, err
	}
	return showAPI(made), nil
}

func (a *api) getRestAPI(_ context.Context, call *wire.Call, in *apigatewayapi.GetRestApiInput) (*apigatewayapi.RestApi, error) {
	api, err := a.apis.Get(idOf(call, in))
	if err != nil {
		return nil, err
	}
	return showAPI(api), nil
}

func (a *api) getRestAPIs(_ context.Context, call *wire.Call, in *apigatewayapi.GetRestApisInput) (*apigatewayapi.RestApis, error) {
	shown, next, err := page(a.apis.List(scope(call)), in.Position, in.Limit)
	out := &apigatewayapi.RestApis{Items: []apigatewayapi.RestApi{}, Position: next}
	for _, api := range shown {
		out.Items = append(out.Items, *showAPI(api))
	}
	return out, err
}

func (a *api) updateRestAPI(ctx context.Context, call *wire.Call, in *apigatewayapi.UpdateRestApiInput) (*apigatewayapi.RestApi, error) {
	changed, err := a.apis.Change(ctx, idOf(call, in), func(api *restapi.API) error { return restapi.PatchAPI(api, patches(in.PatchOperations)) })
	if err != nil {
		return nil, err
	}
	return showAPI(changed), nil
}

func (a *api) deleteRestAPI(ctx context.Context, call *wire.Call, in *apigatewayapi.DeleteRestApiInput) (*struct{}, error) {
	return &struct{}{}, a.apis.Delete(ctx, idOf(call, in))
}

func (a *api) getTags(ctx context.Context, call *wire.Call, in *apigatewayapi.GetTagsInput) (*apigatewayapi.Tags, error) {
	tags, err := a.tagsOf(ctx, call, *in.ResourceArn, nil)
	return &apigatewayapi.Tags{Tags: tags}, err
}

func (a *api) tagResource(ctx context.Context, call *wire.Call, in *apigatewayapi.TagResourceInput) (*struct{}, error) {
	_, err := a.tagsOf(ctx, call, *in.ResourceArn, func(tags map[string]string) {
		for key, value := range in.Tags {
			tags[key] = value
		}
	})
	return &struct{}{}, err
}

func (a *api) untagResource(ctx context.Context, call *wire.Call, in *apigatewayapi.UntagResourceInput) (*struct{}, error) {
	_, err := a.tagsOf(ctx, call, *in.ResourceArn, func(tags map[string]string) {
		for _, key := range in.TagKeys {
			delete(tags, key)
		}
	})
	return &struct{}{}, err
}

// The throttle of an account. AWS: 10,000 requests a second, 5,000 at once. Nothing
// here limits an account so; the numbers are what clients expect to see.
var (
	accountRate  = 10_000.0
	accountBurst = int32(5_000)
)

func showAccount(c *restapi.Account) *apigatewayapi.Account {
	return &apigatewayapi.Account{CloudwatchRoleArn: member.Optional(c.CloudwatchRoleArn), ThrottleSettings: &apigatewayapi.ThrottleSettings{BurstLimit: &accountBurst, RateLimit: &accountRate},
		Features: []string{"UsagePlans"}, ApiKeyVersion: member.Optional("4")}
}

func (a *api) getAccount(_ context.Context, call *wire.Call, _ *apigatewayapi.GetAccountInput) (*apigatewayapi.Account, error) {
	return showAccount(a.apis.GetAccount(scope(call))), nil
}

func (a *api) updateAccount(ctx context.Context, call *wire.Call, in *apigatewayapi.UpdateAccountInput) (*apigatewayapi.Account, error) {
	wanted := *a.apis.GetAccount(scope(call))
	if err := restapi.PatchAccount(&wanted, patches(in.PatchOperations)); err != nil {
		return nil, err
	}
	return showAccount(&wanted), a.apis.SetAccount(ctx, scope(call), wanted)
}
