package gateway

import (
	"regexp"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/sam/draft"
	"github.com/lambkin-dev/lambkin/internal/core/sam/fail"
	"github.com/lambkin-dev/lambkin/internal/core/sam/intrinsic"
	"github.com/lambkin-dev/lambkin/internal/core/sam/pyjson"
)

const (
	hostedZone = "HostedZoneId or HostedZoneName is required to enable Route53 support on Custom Domains."
	// edgeZone is the hosted zone of all CloudFront distributions.
	edgeZone = "Z2FDTNDATAQYW2"
)

// addDomain makes the custom domain of a REST API, its mappings and its DNS records.
func (a *apiMaker) addDomain(api *draft.Resource) []*draft.Resource {
	if a.domain == nil {
		return nil
	}
	config := fail.Property(a.ID, "Domain").Dict(a.domain)
	name := fail.Property(a.ID, "Domain.DomainName").Present(config.Get("DomainName"))
	certificate := fail.Property(a.ID, "Domain.CertificateArn").Present(config.Get("CertificateArn"))
	private := pyjson.Is(config.Get("EndpointConfiguration"), "PRIVATE")
	d := a.domainName(config, name, certificate, private)
	target := any(d.ID)
	if private {
		target = name
	}
	resources := append([]*draft.Resource{d}, a.basePaths(config, d, private)...)
	var association []*draft.Resource
	if private && config.Get("AccessAssociation") != nil {
		given := fail.Property(a.ID, "Domain.AccessAssociation").Dict(config.Get("AccessAssociation"))
		endpoint := given.Get("VpcEndpointId")
		association = append(association, draft.New("AWS::ApiGateway::DomainNameAccessAssociation",
			draft.HashedID("DomainNameAccessAssociation", []any{endpoint, d.ID}), a.Passed(),
			"DomainNameArn", d.Ref(), "AccessAssociationSourceType", "VPCE", "AccessAssociationSource", endpoint))
	}
	if config.Get("Route53") != nil {
		zone := fail.Property(a.ID, "Domain.Route53").Dict(config.Get("Route53"))
		resources = append(resources, a.records(config, zone, target))
	}
	return append(resources, association...)
}

func (a *apiMaker) domainName(config *dict, name, certificate any, private bool) *draft.Resource {
	kind, id := "AWS::ApiGateway::DomainName", draft.HashedID("ApiGatewayDomainName", name)
	if private {
		kind, id = "AWS::ApiGateway::DomainNameV2", draft.HashedID("ApiGatewayDomainNameV2", name)
	} else {
		config.Set("ApiDomainName", id)
	}
	d := draft.New(kind, id, a.Passed(), "DomainName", name)
	endpoint := config.Get("EndpointConfiguration")
	if endpoint == nil {
		endpoint = "REGIONAL"
		config.Set("EndpointConfiguration", endpoint)
	}
	if text, _ := pyjson.Text(endpoint); !slices.Contains([]string{"EDGE", "REGIONAL", "PRIVATE"}, text) {
		fail.Resource(a.ID, "EndpointConfiguration for Custom Domains must be one of ['EDGE', 'REGIONAL', 'PRIVATE'].")
	}
	if pyjson.Is(endpoint, "REGIONAL") {
		d.Set("RegionalCertificateArn", certificate)
	} else {
		d.Set("CertificateArn", certificate)
	}
	types := pyjson.New("Types", []any{endpoint})
	if pyjson.Truthy(config.Get("IpAddressType")) {
		types.Set("IpAddressType", config.Get("IpAddressType"))
	}
	d.Set("EndpointConfiguration", types)
	if tls := config.Get("MutualTlsAuthentication"); pyjson.Truthy(tls) && !private {
		given := fail.Property(a.ID, "Domain.MutualTlsAuthentication").Dict(tls)
		if !draft.OnlyKeys(given, trustStore) {
			fail.Resource(a.ID, "Available Domain.MutualTlsAuthentication fields are ['TruststoreUri', 'TruststoreVersion'].")
		}
		d.Set("MutualTlsAuthentication", draft.TruthyOf(given, trustStore))
	}
	optional := []string{"SecurityPolicy", "EndpointAccessMode", "OwnershipVerificationCertificateArn"}
	if private {
		optional = []string{"SecurityPolicy", "EndpointAccessMode", "Policy"}
	}
	d.Properties.Update(draft.TruthyOf(config, optional))
	return d
}

var trustStore = []string{"TruststoreUri", "TruststoreVersion"}

// pathsOf reads BasePath: nil if there is none.
func pathsOf(config *dict) []any {
	switch v := config.Get("BasePath").(type) {
	case string, pyjson.Unicode:
		if pyjson.Truthy(v) {
			return []any{v}
		}
	case []any:
		if len(v) > 0 {
			return v
		}
	}
	return nil
}

var notAlphanumeric = regexp.MustCompile(`[^\p{L}\p{N}]`)

// basePaths map paths of the domain to the API.
func (a *apiMaker) basePaths(config *dict, d *draft.Resource, private bool) []*draft.Resource {
	kind, name := "AWS::ApiGateway::BasePathMapping", "DomainName"
	if private {
		kind, name = "AWS::ApiGateway::BasePathMappingV2", "DomainNameArn"
	}
	mapping := func(path string) *draft.Resource {
		return draft.New(kind, a.ID+path+"BasePathMapping", a.Passed(), name, d.Ref(), "RestApiId", intrinsic.Ref(a.ID), "Stage", intrinsic.Ref(a.ID+".Stage"))
	}
	paths := pathsOf(config)
	if paths == nil {
		return []*draft.Resource{mapping("")}
	}
	var mappings []*draft.Resource
	for _, path := range fail.Property(a.ID, "Domain.BasePath").Texts(paths) {
		text, _ := pyjson.Text(path)
		plain := notAlphanumeric.ReplaceAllString(text, "")
		m := mapping(plain)
		if m.Set("BasePath", text); !config.Has("NormalizeBasePath") || pyjson.Truthy(config.Get("NormalizeBasePath")) {
			m.Set("BasePath", plain)
		}
		mappings = append(mappings, m)
	}
	return mappings
}

// records are the DNS records of a domain, in a group with others of the same zone.
func (a *apiMaker) records(config, zone *dict, target any) *draft.Resource {
	if zone.Get("HostedZoneId") == nil && zone.Get("HostedZoneName") == nil {
		fail.Resource(a.ID, "%s", hostedZone)
	}
	key := zone.Get("HostedZoneId")
	if !pyjson.Truthy(key) {
		key = zone.Get("HostedZoneName")
	}
	group := func(id string) *draft.Resource {
		return draft.New("AWS::Route53::RecordSetGroup", id, a.Passed(), "HostedZoneId", zone.Get("HostedZoneId"),
			"HostedZoneName", zone.Get("HostedZoneName"), "RecordSets", []any{})
	}
	var g *draft.Resource
	if separate := zone.Get("SeparateRecordSetGroup"); pyjson.Truthy(separate) {
		fail.Property(a.ID, "Domain.Route53.SeparateRecordSetGroup").Bool(separate)
		g = group(draft.HashedID("RecordSetGroup", []any{key, config.Get("DomainName")}))
	} else {
		id := draft.HashedID("RecordSetGroup", key)
		if a.RecordSets[id] == nil {
			a.RecordSets[id] = group(id)
		}
		g = a.RecordSets[id]
	}
	addRecords(g, config, zone, aliasTarget(config, zone, target))
	return g
}

// addRecords adds the records of a domain to a group.
func addRecords(group *draft.Resource, config, zone *dict, target any) {
	types := []string{"A"}
	if zone.Get("IpV6") == true {
		types = append(types, "AAAA")
	}
	list := fail.List(group.Get("RecordSets"))
	for _, kind := range types {
		record := pyjson.New("Name", config.Get("DomainName"), "Type", kind, "AliasTarget", target)
		for _, name := range []string{"Region", "SetIdentifier"} {
			if zone.Get(name) != nil {
				record.Set(name, zone.Get(name))
			}
		}
		list = draft.With(list, record)
	}
	group.Set("RecordSets", list)
}

func aliasTarget(config, zone *dict, name any) *dict {
	target := pyjson.New()
	if health := zone.Get("EvaluateTargetHealth"); health != nil {
		target.Set("EvaluateTargetHealth", health)
	}
	switch endpoint, _ := pyjson.Text(config.Get("EndpointConfiguration")); endpoint {
	case "REGIONAL":
		target.Set("HostedZoneId", attribute(name, "RegionalHostedZoneId"))
		target.Set("DNSName", attribute(name, "RegionalDomainName"))
	case "EDGE":
		if zone.Get("DistributionDomainName") == nil {
			zone.Set("DistributionDomainName", attribute(name, "DistributionDomainName"))
		}
		target.Set("HostedZoneId", edgeZone)
		target.Set("DNSName", zone.Get("DistributionDomainName"))
	default:
		target.Set("HostedZoneId", zone.Get("VpcEndpointHostedZoneId"))
		target.Set("DNSName", zone.Get("VpcEndpointDomainName"))
	}
	return target
}

func attribute(name any, attribute string) *dict {
	return pyjson.New("Fn::GetAtt", []any{name, attribute})
}

// usagePlanProperties are what UsagePlan may have.
var usagePlanProperties = []string{"CreateUsagePlan", "Description", "Quota", "Tags", "Throttle", "UsagePlanName"}

const sharedPlanCondition = "SharedUsagePlanCondition"

// usagePlan makes a usage plan with a key: one for the API, or one for all of them.
func (a *apiMaker) usagePlan(stage *draft.Resource) []*draft.Resource {
	value := a.auth.Get("UsagePlan")
	if value == nil {
		return nil
	}
	config, ok := value.(*dict)
	if !ok {
		fail.Resource(a.ID, "'UsagePlan' must be a dictionary")
	}
	if !draft.OnlyKeys(config, usagePlanProperties) {
		fail.Resource(a.ID, "Invalid property for 'UsagePlan'")
	}
	create := config.Get("CreateUsagePlan")
	if create == nil {
		fail.Resource(a.ID, "'CreateUsagePlan' is a required field for UsagePlan.")
	}
	used := pyjson.New("ApiId", intrinsic.Ref(a.ID), "Stage", stage.Ref())
	keyed := pyjson.New("RestApiId", intrinsic.Ref(a.ID), "StageName", stage.Ref())
	prefix, apis, stages, keys, attributes := a.ID, []any{a.ID}, []any{used}, []any{keyed}, a.Passed
	switch mode, _ := pyjson.Text(create); mode {
	case "NONE":
		return nil
	case "PER_API":
	case "SHARED":
		p := &a.Plan
		addOnce := func(list *[]any, value any) {
			if !pyjson.Contains(*list, value) {
				*list = draft.With(*list, value)
			}
		}
		addOnce(&p.APIs, a.ID)
		addOnce(&p.Stages, used)
		addOnce(&p.Keys, keyed)
		prefix, apis, stages, keys = "Serverless", p.APIs, p.Stages, p.Keys
		attributes = a.planAttributes
	default:
		fail.Resource(a.ID, "'CreateUsagePlan' accepts one of ['SHARED', 'PER_API', 'NONE'].")
	}
	plan := draft.New("AWS::ApiGateway::UsagePlan", prefix+"UsagePlan", attributes(), "ApiStages", stages).After(apis)
	key := draft.New("AWS::ApiGateway::ApiKey", prefix+"ApiKey", attributes(), "Enabled", true, "StageKeys", keys).After([]any{plan.ID})
	link := draft.New("AWS::ApiGateway::UsagePlanKey", prefix+"UsagePlanKey", attributes(), "KeyId", key.Ref(), "KeyType", "API_KEY",
		"UsagePlanId", plan.Ref()).After([]any{key.ID})
	plan.Properties.Update(draft.TruthyOf(config, []string{"UsagePlanName", "Description", "Quota", "Tags", "Throttle"}))
	return []*draft.Resource{plan, key, link}
}

// planAttributes are the attributes of the shared plan: it is there if one of its APIs
// is, and goes by the strictest policies of them.
func (a *apiMaker) planAttributes() *dict {
	p, own := &a.Plan, a.Passed()
	if policy := own.Get("DeletionPolicy"); pyjson.Truthy(policy) && (!pyjson.Truthy(p.Deletion) || pyjson.Is(policy, "Retain")) {
		p.Deletion = policy
	}
	if policy := own.Get("UpdateReplacePolicy"); pyjson.Truthy(policy) && (!pyjson.Truthy(p.Replacement) || pyjson.Is(policy, "Retain") ||
		pyjson.Is(policy, "Snapshot") && pyjson.Is(p.Replacement, "Delete")) {
		p.Replacement = policy
	}
	a.noteCondition(own.Get("Condition"))
	attributes := pyjson.New()
	if pyjson.Truthy(p.Deletion) {
		attributes.Set("DeletionPolicy", p.Deletion)
	}
	if pyjson.Truthy(p.Replacement) {
		attributes.Set("UpdateReplacePolicy", p.Replacement)
	}
	if len(p.Conditions) > 0 && !p.Unconditional {
		attributes.Set("Condition", sharedPlanCondition)
	}
	return attributes
}

func (a *apiMaker) noteCondition(condition any) {
	p := &a.Plan
	switch {
	case p.Unconditional:
	case condition == nil:
		p.Unconditional = true
		if a.Conditions != nil {
			a.Conditions.Delete(sharedPlanCondition)
		}
	case pyjson.Truthy(condition) && !pyjson.Contains(p.Conditions, condition):
		if a.Conditions == nil {
			fail.Template("Can't have condition without having 'Conditions' section in the template")
		}
		if p.Conditions = append(p.Conditions, condition); len(p.Conditions) == 1 {
			a.Conditions.Set(sharedPlanCondition, condition)
			return
		}
		// AWS: in the order of a Python set; we sort them.
		sorted := slices.Clone(p.Conditions)
		slices.SortFunc(sorted, func(x, y any) int { return strings.Compare(pyjson.String(x), pyjson.String(y)) })
		a.Conditions.Set(sharedPlanCondition, intrinsic.AnyOf(sorted))
	}
}
