package apigatewayv2

import (
	"context"
	"errors"
	"maps"
	"strings"
	"time"

	v2 "github.com/lambkin-dev/lambkin/internal/api/apigatewayv2api"
	"github.com/lambkin-dev/lambkin/internal/core/domain"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

// Domain names are seen by both versions of the API. The types below have the members
// of this one, by name.

type domainName struct {
	DomainName                    string
	DomainNameArn                 string         `json:",omitempty"`
	ApiMappingSelectionExpression string         `json:",omitempty"`
	DomainNameConfigurations      []domainConfig `json:",omitempty"`
	RoutingMode                   string         `json:",omitempty"`
	Tags                          map[string]string
}

type domainConfig struct {
	ApiGatewayDomainName, CertificateArn, CertificateName, DomainNameStatus, EndpointType, HostedZoneId string     `json:",omitempty"`
	IpAddressType, SecurityPolicy, OwnershipVerificationCertificateArn                                  string     `json:",omitempty"`
	CertificateUploadDate                                                                               *time.Time `json:",omitempty"`
}

type apiMapping struct{ ApiMappingId, ApiId, ApiMappingKey, Stage string }

// The values that all names have.
const (
	mappingSelection = "$request.basepath"
	routingMode      = "API_MAPPING_ONLY"
	noZone           = "Z00000000000000000000"
)

func shownDomain(row *domain.Name) domainName {
	d := domainName{DomainName: row.Name, DomainNameArn: row.ARN(), ApiMappingSelectionExpression: mappingSelection, RoutingMode: routingMode, Tags: row.Tags}
	for _, kind := range row.EndpointTypes {
		c := domainConfig{ApiGatewayDomainName: row.Target(), CertificateArn: row.RegionalARN, CertificateName: row.RegionalCertificate, DomainNameStatus: "AVAILABLE", EndpointType: kind,
			HostedZoneId: noZone, IpAddressType: "ipv4", SecurityPolicy: row.SecurityPolicy, OwnershipVerificationCertificateArn: row.VerificationARN, CertificateUploadDate: &row.Uploaded}
		if kind == domain.Edge {
			c.CertificateArn, c.CertificateName = row.CertificateARN, row.CertificateName
		}
		d.DomainNameConfigurations = append(d.DomainNameConfigurations, c)
	}
	return d
}

// configure takes over what a client says of how a name is reached.
func configure(row *domain.Name, configurations []domainConfig) error {
	if len(configurations) > 1 {
		return v2.BadRequestException("A domain name has one DomainNameConfiguration")
	}
	for _, c := range configurations {
		if c.EndpointType != "" && c.EndpointType != domain.Regional {
			return v2.BadRequestException("Only REGIONAL domain names can be managed through the API Gateway V2 API. For EDGE domain names, please use the API Gateway V1 API. Also note that only REST APIs can be attached to EDGE domain names.")
		}
		row.EndpointTypes = []string{domain.Regional}
		row.RegionalARN, row.RegionalCertificate, row.VerificationARN = c.CertificateArn, c.CertificateName, c.OwnershipVerificationCertificateArn
		if c.SecurityPolicy != "" {
			row.SecurityPolicy = c.SecurityPolicy
		}
	}
	return nil
}

func nameScope(call *wire.Call) domain.Scope {
	return domain.Scope{Account: call.Account, Region: call.Region}
}

// domainError words an error about domain names as this version of the API does.
func domainError(err error) error {
	var invalid *domain.Invalid
	switch {
	case errors.As(err, &invalid):
		return v2.BadRequestException("%s", invalid.Text)
	case errors.Is(err, domain.ErrNone):
		return v2.NotFoundException("The domain name resource specified in the request was not found.")
	case errors.Is(err, domain.ErrTaken):
		return v2.ConflictException("The domain name resource already exists.")
	case errors.Is(err, domain.ErrNoMapping):
		return v2.NotFoundException("The api mapping resource specified in the request was not found.")
	case errors.Is(err, domain.ErrMapped):
		return v2.ConflictException("ApiMapping key already exists for this domain name")
	case errors.Is(err, domain.ErrNoStage):
		return v2.BadRequestException("Invalid stage identifier specified")
	}
	return err
}

func replyDomain[Out any](row *domain.Name, err error) (*Out, error) {
	if err != nil {
		return nil, translate(err)
	}
	return to[Out](shownDomain(row))
}

func replyMapping[Out any](m *domain.Mapping, err error) (*Out, error) {
	if err != nil {
		return nil, translate(err)
	}
	return to[Out](shownMapping(m))
}

func shownMapping(m *domain.Mapping) apiMapping {
	return apiMapping{ApiMappingId: m.ID, ApiId: m.API, ApiMappingKey: m.Key, Stage: m.Stage}
}

// checkDomain refuses what would have no effect.
func checkDomain(mutual *v2.MutualTlsAuthenticationInput, mode *string) error {
	switch {
	case mutual != nil && member.Text(mutual.TruststoreUri) != "":
		return v2.BadRequestException("This platform does not ask clients for certificates (MutualTlsAuthentication)")
	case mode != nil && *mode != routingMode:
		return v2.BadRequestException("This platform has no routing rules: RoutingMode must be API_MAPPING_ONLY")
	}
	return nil
}

func (a *api) createDomainName(ctx context.Context, call *wire.Call, in *v2.CreateDomainNameInput) (*v2.CreateDomainNameOutput, error) {
	if err := checkDomain(in.MutualTlsAuthentication, in.RoutingMode); err != nil {
		return nil, err
	}
	given, err := from[domainName](in)
	if err != nil {
		return nil, err
	}
	row := domain.Name{Name: given.DomainName, Scope: nameScope(call), Tags: given.Tags}
	if err := configure(&row, given.DomainNameConfigurations); err != nil {
		return nil, err
	}
	return replyDomain[v2.CreateDomainNameOutput](a.names.Create(ctx, row))
}

func (a *api) getDomainName(_ context.Context, call *wire.Call, in *v2.GetDomainNameInput) (*v2.GetDomainNameOutput, error) {
	return replyDomain[v2.GetDomainNameOutput](a.names.Get(nameScope(call), *in.DomainName))
}

func (a *api) getDomainNames(_ context.Context, call *wire.Call, in *v2.GetDomainNamesInput) (*v2.GetDomainNamesOutput, error) {
	var all []domainName
	for _, row := range a.names.List(nameScope(call)) {
		all = append(all, shownDomain(row))
	}
	return items[v2.GetDomainNamesOutput](all, nil, in.MaxResults, in.NextToken, func(row *domainName) string { return row.DomainName })
}

func (a *api) updateDomainName(ctx context.Context, call *wire.Call, in *v2.UpdateDomainNameInput) (*v2.UpdateDomainNameOutput, error) {
	if err := checkDomain(in.MutualTlsAuthentication, in.RoutingMode); err != nil {
		return nil, err
	}
	given, err := from[domainName](in)
	if err != nil {
		return nil, err
	}
	return replyDomain[v2.UpdateDomainNameOutput](a.names.Change(ctx, nameScope(call), *in.DomainName, func(row *domain.Name) error {
		return configure(row, given.DomainNameConfigurations)
	}))
}

func (a *api) deleteDomainName(ctx context.Context, call *wire.Call, in *v2.DeleteDomainNameInput) (*v2.DeleteDomainNameOutput, error) {
	return nil, translate(a.names.Delete(ctx, nameScope(call), *in.DomainName))
}

// putMapping writes a mapping.
func (a *api) putMapping(ctx context.Context, call *wire.Call, name string, m *domain.Mapping) error {
	err := a.names.PutMapping(ctx, nameScope(call), name, m)
	if errors.Is(err, domain.ErrNoAPI) {
		return v2.NotFoundException("Invalid API identifier specified %s", m.API)
	}
	return err
}

func (a *api) createMapping(ctx context.Context, call *wire.Call, in *v2.CreateApiMappingInput) (*v2.CreateApiMappingOutput, error) {
	m := &domain.Mapping{API: *in.ApiId, Key: member.Text(in.ApiMappingKey), Stage: *in.Stage}
	return replyMapping[v2.CreateApiMappingOutput](m, a.putMapping(ctx, call, *in.DomainName, m))
}

func (a *api) getMapping(_ context.Context, call *wire.Call, in *v2.GetApiMappingInput) (*v2.GetApiMappingOutput, error) {
	return replyMapping[v2.GetApiMappingOutput](a.names.Mapping(nameScope(call), *in.DomainName, *in.ApiMappingId))
}

func (a *api) getMappings(_ context.Context, call *wire.Call, in *v2.GetApiMappingsInput) (*v2.GetApiMappingsOutput, error) {
	row, err := a.names.Get(nameScope(call), *in.DomainName)
	if err != nil {
		return nil, translate(err)
	}
	var all []apiMapping
	for _, m := range row.Sorted() {
		all = append(all, shownMapping(m))
	}
	return items[v2.GetApiMappingsOutput](all, nil, in.MaxResults, in.NextToken, func(m *apiMapping) string { return m.ApiMappingId })
}

func (a *api) updateMapping(ctx context.Context, call *wire.Call, in *v2.UpdateApiMappingInput) (*v2.UpdateApiMappingOutput, error) {
	m, err := a.names.Mapping(nameScope(call), *in.DomainName, *in.ApiMappingId)
	if err != nil {
		return nil, translate(err)
	}
	m.API = *in.ApiId
	if in.ApiMappingKey != nil {
		m.Key = *in.ApiMappingKey
	}
	if in.Stage != nil {
		m.Stage = *in.Stage
	}
	return replyMapping[v2.UpdateApiMappingOutput](m, a.putMapping(ctx, call, *in.DomainName, m))
}

func (a *api) deleteMapping(ctx context.Context, call *wire.Call, in *v2.DeleteApiMappingInput) (*v2.DeleteApiMappingOutput, error) {
	return nil, translate(a.names.DeleteMapping(ctx, nameScope(call), *in.DomainName, *in.ApiMappingId))
}

// named is the domain name of an ARN.
func named(call *wire.Call, resource string) (string, bool) {
	return strings.CutPrefix(resource, "arn:aws:apigateway:"+call.Region+"::/domainnames/")
}

// tagDomain changes the tags of a domain name.
func (a *api) tagDomain(ctx context.Context, call *wire.Call, name string, add map[string]string, remove []string) error {
	_, err := a.names.Change(ctx, nameScope(call), name, func(row *domain.Name) error {
		if row.Tags == nil {
			row.Tags = map[string]string{}
		}
		maps.Copy(row.Tags, add)
		for _, tag := range remove {
			delete(row.Tags, tag)
		}
		return nil
	})
	return translate(err)
}
