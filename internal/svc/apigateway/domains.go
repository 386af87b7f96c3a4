package apigateway

import (
	"context"

	"github.com/lambkin-dev/lambkin/internal/api/apigatewayapi"
	"github.com/lambkin-dev/lambkin/internal/core/restapi"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

// domains are the operations of domain names and their base paths.
func (a *api) domains() []wire.Operation {
	return []wire.Operation{
		apigatewayapi.HandleCreateDomainName(wrap(a.createDomainName)),
		apigatewayapi.HandleGetDomainName(wrap(func(_ context.Context, call *wire.Call, in *apigatewayapi.GetDomainNameInput) (*apigatewayapi.DomainName, error) {
			return a.domain(restapi.GetPlain[restapi.DomainName](a.apis, scope(call), *in.DomainName))(call)
		})),
		apigatewayapi.HandleGetDomainNames(wrap(func(_ context.Context, call *wire.Call, in *apigatewayapi.GetDomainNamesInput) (*apigatewayapi.DomainNames, error) {
			shown, next, err := page(restapi.Plain[restapi.DomainName](a.apis, scope(call)), in.Position, in.Limit)
			out := &apigatewayapi.DomainNames{Items: []apigatewayapi.DomainName{}, Position: next}
			for _, d := range shown {
				out.Items = append(out.Items, *showDomain(call, d))
			}
			return out, err
		})),
		apigatewayapi.HandleUpdateDomainName(wrap(func(ctx context.Context, call *wire.Call, in *apigatewayapi.UpdateDomainNameInput) (*apigatewayapi.DomainName, error) {
			return a.domain(restapi.ChangePlain(ctx, a.apis, scope(call), *in.DomainName, func(d *restapi.DomainName) error { return restapi.PatchDomain(d, patches(in.PatchOperations)) }))(call)
		})),
		apigatewayapi.HandleDeleteDomainName(wrap(func(ctx context.Context, call *wire.Call, in *apigatewayapi.DeleteDomainNameInput) (*struct{}, error) {
			return &struct{}{}, a.apis.DeleteDomain(ctx, scope(call), *in.DomainName)
		})),
		apigatewayapi.HandleCreateBasePathMapping(wrap(func(ctx context.Context, call *wire.Call, in *apigatewayapi.CreateBasePathMappingInput) (*apigatewayapi.BasePathMapping, error) {
			wanted := show[restapi.BasePathMapping](in)
			if err := a.apis.PutMapping(ctx, scope(call), *in.DomainName, "", wanted); err != nil {
				return nil, err
			}
			return show[apigatewayapi.BasePathMapping](wanted), nil
		})),
		apigatewayapi.HandleGetBasePathMapping(wrap(func(_ context.Context, call *wire.Call, in *apigatewayapi.GetBasePathMappingInput) (*apigatewayapi.BasePathMapping, error) {
			found, err := a.apis.Mapping(scope(call), *in.DomainName, *in.BasePath)
			if err != nil {
				return nil, err
			}
			return show[apigatewayapi.BasePathMapping](found), nil
		})),
		apigatewayapi.HandleGetBasePathMappings(wrap(func(_ context.Context, call *wire.Call, in *apigatewayapi.GetBasePathMappingsInput) (*apigatewayapi.BasePathMappings, error) {
			d, err := restapi.GetPlain[restapi.DomainName](a.apis, scope(call), *in.DomainName)
			if err != nil {
				return nil, err
			}
			shown, next, err := page(sorted(d.Mappings), in.Position, in.Limit)
			return &apigatewayapi.BasePathMappings{Items: showAll[apigatewayapi.BasePathMapping](shown), Position: next}, err
		})),
		apigatewayapi.HandleUpdateBasePathMapping(wrap(func(ctx context.Context, call *wire.Call, in *apigatewayapi.UpdateBasePathMappingInput) (*apigatewayapi.BasePathMapping, error) {
			old, err := a.apis.Mapping(scope(call), *in.DomainName, *in.BasePath)
			if err != nil {
				return nil, err
			}
			changed := *old
			if err := restapi.PatchMapping(&changed, patches(in.PatchOperations)); err != nil {
				return nil, err
			}
			if err := a.apis.PutMapping(ctx, scope(call), *in.DomainName, old.BasePath, &changed); err != nil {
				return nil, err
			}
			return show[apigatewayapi.BasePathMapping](&changed), nil
		})),
		apigatewayapi.HandleDeleteBasePathMapping(wrap(func(ctx context.Context, call *wire.Call, in *apigatewayapi.DeleteBasePathMappingInput) (*struct{}, error) {
			return &struct{}{}, a.apis.DeleteMapping(ctx, scope(call), *in.DomainName, *in.BasePath)
		})),
	}
}

// domain shows what was found, or tells why not.
func (a *api) domain(d *restapi.DomainName, err error) func(*wire.Call) (*apigatewayapi.DomainName, error) {
	return func(call *wire.Call) (*apigatewayapi.DomainName, error) {
		if err != nil {
			return nil, err
		}
		return showDomain(call, d), nil
	}
}

// showDomain shows a domain name. The names that DNS should lead it to are ours:
// nothing here resolves them.
func showDomain(call *wire.Call, d *restapi.DomainName) *apigatewayapi.DomainName {
	out := show[apigatewayapi.DomainName](d)
	out.DomainNameArn = member.Optional("arn:aws:apigateway:" + call.Region + "::/domainnames/" + d.DomainName)
	out.EndpointConfiguration = &apigatewayapi.EndpointConfiguration{Types: d.EndpointTypes, IpAddressType: member.Optional("ipv4")}
	out.DomainNameStatus = member.Optional("AVAILABLE")
	target := "d-" + d.DomainName + ".execute-api." + call.Region + ".localhost"
	for _, kind := range d.EndpointTypes {
		if kind == "REGIONAL" {
			out.RegionalDomainName = &target
		} else {
			out.DistributionDomainName = &target
		}
	}
	return out
}

func (a *api) createDomainName(ctx context.Context, call *wire.Call, in *apigatewayapi.CreateDomainNameInput) (*apigatewayapi.DomainName, error) {
	if err := refuse(refusedOption{"MutualTlsAuthentication", in.MutualTlsAuthentication != nil}, refusedOption{"CertificateBody", member.Text(in.CertificateBody) != ""},
		refusedOption{"CertificatePrivateKey", member.Text(in.CertificatePrivateKey) != ""}, refusedOption{"A Policy of a domain name", member.Text(in.Policy) != ""},
		refusedOption{"RoutingMode", in.RoutingMode != nil && *in.RoutingMode != "BASE_PATH_MAPPING_ONLY"}); err != nil {
		return nil, err
	}
	wanted := *show[restapi.DomainName](in)
	var err error
	if wanted.EndpointTypes, err = endpointTypes(in.EndpointConfiguration); err != nil {
		return nil, err
	}
	if wanted.SecurityPolicy == "" {
		wanted.SecurityPolicy = "TLS_1_2"
	}
	made, err := a.apis.CreateDomain(ctx, scope(call), wanted)
	if err != nil {
		return nil, err
	}
	return showDomain(call, made), nil
}
