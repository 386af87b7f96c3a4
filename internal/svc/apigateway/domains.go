package apigateway

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/api/apigatewayapi"
	"github.com/lambkin-dev/lambkin/internal/core/domain"
	"github.com/lambkin-dev/lambkin/internal/core/restapi"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

// Domain names are seen by both versions of the API. What the second version maps is
// shown here too: the id of any API as restApiId, a key of several levels as base path.

// domains are the operations of domain names and their base paths.
func (a *api) domains() []wire.Operation {
	return []wire.Operation{
		apigatewayapi.HandleCreateDomainName(wrap(a.createDomainName)),
		apigatewayapi.HandleGetDomainName(wrap(func(_ context.Context, call *wire.Call, in *apigatewayapi.GetDomainNameInput) (*apigatewayapi.DomainName, error) {
			return showDomain(a.names.Get(nameScope(call), *in.DomainName))
		})),
		apigatewayapi.HandleGetDomainNames(wrap(func(_ context.Context, call *wire.Call, in *apigatewayapi.GetDomainNamesInput) (*apigatewayapi.DomainNames, error) {
			shown, next, err := page(a.names.List(nameScope(call)), in.Position, in.Limit)
			out := &apigatewayapi.DomainNames{Items: []apigatewayapi.DomainName{}, Position: next}
			for _, row := range shown {
				d, _ := showDomain(row, nil)
				out.Items = append(out.Items, *d)
			}
			return out, err
		})),
		apigatewayapi.HandleUpdateDomainName(wrap(func(ctx context.Context, call *wire.Call, in *apigatewayapi.UpdateDomainNameInput) (*apigatewayapi.DomainName, error) {
			return showDomain(a.names.Change(ctx, nameScope(call), *in.DomainName, func(row *domain.Name) error { return patchDomain(row, patches(in.PatchOperations)) }))
		})),
		apigatewayapi.HandleDeleteDomainName(wrap(func(ctx context.Context, call *wire.Call, in *apigatewayapi.DeleteDomainNameInput) (*struct{}, error) {
			return &struct{}{}, a.names.Delete(ctx, nameScope(call), *in.DomainName)
		})),
		apigatewayapi.HandleCreateBasePathMapping(wrap(func(ctx context.Context, call *wire.Call, in *apigatewayapi.CreateBasePathMappingInput) (*apigatewayapi.BasePathMapping, error) {
			m := &domain.Mapping{API: *in.RestApiId, Key: member.Text(in.BasePath), Stage: member.Text(in.Stage)}
			return a.putMapping(ctx, call, *in.DomainName, m)
		})),
		apigatewayapi.HandleGetBasePathMapping(wrap(func(_ context.Context, call *wire.Call, in *apigatewayapi.GetBasePathMappingInput) (*apigatewayapi.BasePathMapping, error) {
			return showMapping(a.names.MappingOf(nameScope(call), *in.DomainName, *in.BasePath))
		})),
		apigatewayapi.HandleGetBasePathMappings(wrap(func(_ context.Context, call *wire.Call, in *apigatewayapi.GetBasePathMappingsInput) (*apigatewayapi.BasePathMappings, error) {
			row, err := a.names.Get(nameScope(call), *in.DomainName)
			if err != nil {
				return nil, err
			}
			all := row.Sorted()
			slices.SortFunc(all, func(x, y *domain.Mapping) int { return strings.Compare(x.Key, y.Key) })
			shown, next, err := page(all, in.Position, in.Limit)
			out := &apigatewayapi.BasePathMappings{Items: []apigatewayapi.BasePathMapping{}, Position: next}
			for _, m := range shown {
				one, _ := showMapping(m, nil)
				out.Items = append(out.Items, *one)
			}
			return out, err
		})),
		apigatewayapi.HandleUpdateBasePathMapping(wrap(func(ctx context.Context, call *wire.Call, in *apigatewayapi.UpdateBasePathMappingInput) (*apigatewayapi.BasePathMapping, error) {
			m, err := a.names.MappingOf(nameScope(call), *in.DomainName, *in.BasePath)
			if err != nil {
				return nil, err
			}
			changed := restapi.BasePathMapping{BasePath: m.Key, RestApiId: m.API, Stage: m.Stage}
			if err := restapi.PatchMapping(&changed, patches(in.PatchOperations)); err != nil {
				return nil, err
			}
			m.Key, m.API, m.Stage = changed.BasePath, changed.RestApiId, changed.Stage
			return a.putMapping(ctx, call, *in.DomainName, m)
		})),
		apigatewayapi.HandleDeleteBasePathMapping(wrap(func(ctx context.Context, call *wire.Call, in *apigatewayapi.DeleteBasePathMappingInput) (*struct{}, error) {
			m, err := a.names.MappingOf(nameScope(call), *in.DomainName, *in.BasePath)
			if err != nil {
				return nil, err
			}
			return &struct{}{}, a.names.DeleteMapping(ctx, nameScope(call), *in.DomainName, m.ID)
		})),
	}
}

func nameScope(call *wire.Call) domain.Scope {
	return domain.Scope{Account: call.Account, Region: call.Region}
}

// domainError words an error about domain names as this version of the API does.
//
// AWS: the texts as users report them.
func domainError(err error) error {
	var invalid *domain.Invalid
	switch {
	case errors.As(err, &invalid):
		return restapi.Invalid("%s", invalid.Text)
	case errors.Is(err, domain.ErrNone):
		return apigatewayapi.NotFoundException("Invalid domain name identifier specified")
	case errors.Is(err, domain.ErrTaken):
		return restapi.Invalid("The domain name you provided already exists.")
	case errors.Is(err, domain.ErrNoMapping):
		return apigatewayapi.NotFoundException("Invalid base path mapping identifier specified")
	case errors.Is(err, domain.ErrMapped):
		return apigatewayapi.ConflictException("Base path already exists for this domain name")
	case errors.Is(err, domain.ErrNoAPI), errors.Is(err, domain.ErrNoStage):
		return restapi.Invalid("Invalid stage identifier specified")
	}
	return err
}

// showDomain shows a domain name. The names that DNS should lead it to are ours:
// nothing here resolves them.
func showDomain(row *domain.Name, err error) (*apigatewayapi.DomainName, error) {
	if err != nil {
		return nil, err
	}
	out := &apigatewayapi.DomainName{DomainName: &row.Name, CertificateName: member.Optional(row.CertificateName), CertificateArn: member.Optional(row.CertificateARN),
		CertificateUploadDate: &row.Uploaded, RegionalCertificateName: member.Optional(row.RegionalCertificate), RegionalCertificateArn: member.Optional(row.RegionalARN),
		SecurityPolicy: &row.SecurityPolicy, Tags: row.Tags, OwnershipVerificationCertificateArn: member.Optional(row.VerificationARN)}
	out.DomainNameArn = member.Optional(row.ARN())
	out.EndpointConfiguration = &apigatewayapi.EndpointConfiguration{Types: row.EndpointTypes, IpAddressType: member.Optional("ipv4")}
	out.DomainNameStatus = member.Optional("AVAILABLE")
	target := row.Target()
	for _, kind := range row.EndpointTypes {
		if kind == domain.Regional {
			out.RegionalDomainName = &target
		} else {
			out.DistributionDomainName = &target
		}
	}
	return out, nil
}

func showMapping(m *domain.Mapping, err error) (*apigatewayapi.BasePathMapping, error) {
	if err != nil {
		return nil, err
	}
	key := m.Key
	if key == "" {
		key = noBasePath
	}
	return &apigatewayapi.BasePathMapping{BasePath: &key, RestApiId: &m.API, Stage: member.Optional(m.Stage)}, nil
}

// noBasePath is the base path of a mapping for all paths.
const noBasePath = "(none)"

// putMapping writes a mapping of a REST API.
func (a *api) putMapping(ctx context.Context, call *wire.Call, name string, m *domain.Mapping) (*apigatewayapi.BasePathMapping, error) {
	if strings.Contains(m.Key, "/") {
		return nil, restapi.Invalid("API Gateway V1 doesn't support the slash character (/) in base path mappings. To create a multi-level base path mapping, use API Gateway V2.")
	}
	if _, err := a.apis.Get(restapi.ID{Scope: scope(call), ID: m.API}); err != nil {
		return nil, domain.ErrNoAPI
	}
	return showMapping(m, a.names.PutMapping(ctx, nameScope(call), name, m))
}

// patchDomain changes what can be changed.
func patchDomain(row *domain.Name, patches []restapi.Patch) error {
	d := restapi.DomainName{CertificateArn: row.CertificateARN, CertificateName: row.CertificateName, RegionalCertificateArn: row.RegionalARN,
		RegionalCertificateName: row.RegionalCertificate, SecurityPolicy: row.SecurityPolicy}
	if err := restapi.PatchDomain(&d, patches); err != nil {
		return err
	}
	row.CertificateARN, row.CertificateName, row.RegionalARN, row.RegionalCertificate, row.SecurityPolicy = d.CertificateArn, d.CertificateName, d.RegionalCertificateArn, d.RegionalCertificateName, d.SecurityPolicy
	return nil
}

func (a *api) createDomainName(ctx context.Context, call *wire.Call, in *apigatewayapi.CreateDomainNameInput) (*apigatewayapi.DomainName, error) {
	if err := refuse(refusedOption{"MutualTlsAuthentication", in.MutualTlsAuthentication != nil}, refusedOption{"CertificateBody", member.Text(in.CertificateBody) != ""},
		refusedOption{"CertificatePrivateKey", member.Text(in.CertificatePrivateKey) != ""}, refusedOption{"A Policy of a domain name", member.Text(in.Policy) != ""},
		refusedOption{"RoutingMode", in.RoutingMode != nil && *in.RoutingMode != "BASE_PATH_MAPPING_ONLY"}); err != nil {
		return nil, err
	}
	types, err := endpointTypes(in.EndpointConfiguration)
	if err != nil {
		return nil, err
	}
	return showDomain(a.names.Create(ctx, domain.Name{Name: *in.DomainName, Scope: nameScope(call), EndpointTypes: types, CertificateARN: member.Text(in.CertificateArn), CertificateName: member.Text(in.CertificateName),
		RegionalARN: member.Text(in.RegionalCertificateArn), RegionalCertificate: member.Text(in.RegionalCertificateName), VerificationARN: member.Text(in.OwnershipVerificationCertificateArn),
		SecurityPolicy: member.Text(in.SecurityPolicy), Tags: in.Tags}))
}

// tagsOf changes the tags of what an ARN names; change may be nil.
func (a *api) tagsOf(ctx context.Context, call *wire.Call, resource string, change func(map[string]string)) (map[string]string, error) {
	name, found := strings.CutPrefix(resource, "arn:aws:apigateway:"+call.Region+"::/domainnames/")
	if !found {
		return a.apis.TagsOf(ctx, scope(call), resource, change)
	}
	if change == nil {
		row, err := a.names.Get(nameScope(call), name)
		if err != nil {
			return nil, err
		}
		return row.Tags, nil
	}
	_, err := a.names.Change(ctx, nameScope(call), name, func(row *domain.Name) error {
		tags := map[string]string{}
		maps.Copy(tags, row.Tags)
		change(tags)
		row.Tags = tags
		return nil
	})
	return nil, err
}
