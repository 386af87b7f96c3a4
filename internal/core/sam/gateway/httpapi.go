package gateway

import (
	"regexp"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/sam/draft"
	"github.com/lambkin-dev/lambkin/internal/core/sam/fail"
	"github.com/lambkin-dev/lambkin/internal/core/sam/intrinsic"
	"github.com/lambkin-dev/lambkin/internal/core/sam/openapi"
	"github.com/lambkin-dev/lambkin/internal/core/sam/pyjson"
)

// HTTPProperties are those of a SAM HTTP API.
const HTTPProperties = draft.Managed + ":b Name~:* StageName:s|d Tags:d PropagateTags:b DefinitionBody:d DefinitionUri:s|d StageVariables:d" +
	" CorsConfiguration:b|d AccessLogSettings:d DefaultRouteSettings:d Auth:d RouteSettings:d Domain:d FailOnWarnings:b Description:s" +
	" DisableExecuteApiEndpoint:b"

// httpMaker makes the resources of one HTTP API.
type httpMaker struct {
	*draft.Transform
	*draft.Macro
	auth *dict
	tags *dict
}

func (a *httpMaker) body() any { return a.Get("DefinitionBody") }

// HTTP replaces a SAM HTTP API.
func HTTP(t *draft.Transform, m *draft.Macro) []*draft.Resource {
	for _, name := range []string{"CorsConfiguration", "Domain"} {
		if m.Has(name) {
			m.Properties.Set(name, t.Resolver.Resolve(m.Get(name)))
		}
	}
	a := &httpMaker{t, m, m.Dict("Auth"), m.Dict("Tags")}
	hasBody := m.Has("DefinitionBody")
	api := a.api()
	var domain []*draft.Resource
	if m.Has("Domain") {
		domain = domainV2(t, m, m.Dict("Domain"))
	}
	resources := append([]*draft.Resource{api}, a.authorizerPermissions()...)
	resources = append(resources, domain...)
	resources = append(resources, a.stage())
	draft.PropagateTags(resources, m.Dict("Tags"), hasBody)
	return resources
}

func (a *httpMaker) api() *draft.Resource {
	if a.Truthy("DefinitionUri") && a.Truthy("DefinitionBody") {
		fail.Resource(a.ID, "Specify either 'DefinitionUri' or 'DefinitionBody' property and not both.")
	}
	api := draft.New(draft.V2APIType, a.ID, a.Attributes).After(a.DependsOn)
	a.addCORS()
	a.addAuth()
	a.addTags()
	if a.Truthy("FailOnWarnings") {
		api.Set("FailOnWarnings", a.Get("FailOnWarnings"))
	}
	if a.Has("DisableExecuteApiEndpoint") {
		a.needsBody("DisableExecuteApiEndpoint works only within 'DefinitionBody' property.")
		a.edit(func(o *openapi.OpenAPI) { o.DisableExecuteAPIEndpoint(a.Get("DisableExecuteApiEndpoint")) })
	}
	a.addInfo()
	if paths, _ := fail.Dict(a.body()).Get("paths").(*dict); a.Truthy("FailOnWarnings") && paths.Has(openapi.DefaultRoute) {
		route := paths.Get(openapi.DefaultRoute)
		paths.Delete(openapi.DefaultRoute)
		paths.Set("/"+openapi.DefaultRoute, route)
	}
	switch {
	case a.Truthy("DefinitionUri"):
		at := draft.S3Location(a.ID, "DefinitionUri", a.Get("DefinitionUri"), false)
		body := pyjson.New("Bucket", at.Bucket, "Key", at.Key)
		if at.Version != nil {
			body.Set("Version", at.Version)
		}
		api.Set("BodyS3Location", body)
	case pyjson.Truthy(a.body()):
		api.Set("Body", a.body())
	default:
		fail.Resource(a.ID, "'DefinitionUri' or 'DefinitionBody' are required properties of an 'AWS::Serverless::HttpApi'."+
			" Add a value for one of these properties or add a 'HttpApi' event to an 'AWS::Serverless::Function'.")
	}
	return api
}

func (a *httpMaker) needsBody(message string) {
	if !pyjson.Truthy(a.body()) {
		fail.Resource(a.ID, "%s", message)
	}
}

func (a *httpMaker) needsOpenAPI(what string) {
	if !openapi.IsOpenAPI(a.body()) {
		fail.Resource(a.ID, "Unable to add %s because 'DefinitionBody' does not contain a valid OpenApi definition.", what)
	}
}

func (a *httpMaker) edit(change func(*openapi.OpenAPI)) {
	o := openapi.NewOpenAPI(a.body())
	change(o)
	a.Properties.Set("DefinitionBody", o.Document())
}

func (a *httpMaker) addCORS() {
	given := a.Get("CorsConfiguration")
	if !pyjson.Truthy(given) {
		return
	}
	a.needsBody("Cors works only with inline OpenApi specified in 'DefinitionBody' property.")
	var c openapi.HTTPCORS
	settings, isDict := given.(*dict)
	switch _, isBool := given.(bool); {
	case isBool:
		c.Origins = []any{"*"}
	case intrinsic.Is(given):
		c.Origins = given
	case isDict:
		fields := map[string]*any{"AllowMethods": &c.Methods, "AllowHeaders": &c.Headers, "AllowOrigins": &c.Origins, "MaxAge": &c.MaxAge,
			"ExposeHeaders": &c.Expose, "AllowCredentials": &c.Credentials}
		for _, name := range settings.Keys() {
			if fields[name] == nil {
				fail.Resource(a.ID, "Invalid key '%s' for 'Cors' property.", name)
			}
			*fields[name] = settings.Get(name)
		}
	default:
		fail.Resource(a.ID, "Invalid value for 'Cors' property.")
	}
	a.needsOpenAPI("Cors configuration")
	if c.Credentials == true && pyjson.Equal(c.Origins, []any{"*"}) {
		fail.Resource(a.ID, `Unable to add Cors configuration because 'AllowCredentials' can not be true when 'AllowOrigin' is "'*'" or not set.`)
	}
	a.edit(func(o *openapi.OpenAPI) { o.AddCORS(c) })
}

func (a *httpMaker) addAuth() {
	if a.auth.Len() == 0 {
		return
	}
	a.needsBody("Auth works only with inline OpenApi specified in the 'DefinitionBody' property.")
	if !draft.OnlyKeys(a.auth, []string{"Authorizers", "DefaultAuthorizer", "EnableIamAuthorizer"}) {
		fail.Resource(a.ID, "Invalid value for 'Auth' property")
	}
	a.needsOpenAPI("Auth configuration")
	a.edit(func(o *openapi.OpenAPI) {
		authorizers := a.authorizers()
		for _, name := range authorizers.Keys() {
			o.AddAuthorizer(authorizers.Key(name), authorizers.Get(name).(*httpAuthorizer).openAPI(a.Env))
		}
		chosen := a.auth.Get("DefaultAuthorizer")
		if !pyjson.Truthy(chosen) || intrinsic.IsNoValue(chosen) {
			return
		}
		name := fail.Property(a.ID, "Auth.DefaultAuthorizer").Text(chosen)
		guard, _ := authorizers.Get(name).(*httpAuthorizer)
		if guard == nil {
			fail.Resource(a.ID, "Unable to set DefaultAuthorizer because '%s' was not defined in 'Authorizers'.", name)
		}
		scopes := guard.config.Get("AuthorizationScopes")
		if scopes == nil {
			scopes = []any{}
		}
		for _, path := range o.Paths() {
			o.DefaultAuthorizer(path, chosen, scopes)
		}
	})
}

func (a *httpMaker) authorizers() *dict {
	all := pyjson.New()
	if a.auth.Get("EnableIamAuthorizer") == true {
		all.Set("AWS_IAM", &httpAuthorizer{kind: "AWS_IAM"})
	}
	given := a.auth.Get("Authorizers")
	if !pyjson.Truthy(given) {
		return all
	}
	configs := fail.Property(a.ID, "Auth.Authorizers").Dict(given)
	for _, name := range configs.Keys() {
		config := fail.Property(a.ID, "Auth.Authorizers."+name).Dict(configs.Get(name))
		if config.Has("OpenIdConnectUrl") {
			fail.Resource(a.ID, "'OpenIdConnectUrl' is no longer a supported property for authorizer '%s'. Please refer to the AWS SAM documentation.", name)
		}
		all.SetKey(configs.Key(name), newHTTPAuthorizer(a.ID, name, config))
	}
	return all
}

func (a *httpMaker) authorizerPermissions() (permissions []*draft.Resource) {
	if a.auth.Len() == 0 {
		return nil
	}
	authorizers := a.authorizers()
	for _, name := range authorizers.Keys() {
		each := authorizers.Get(name).(*httpAuthorizer)
		if pyjson.Truthy(each.config.Get("FunctionArn")) && pyjson.Truthy(each.config.Get("EnableFunctionDefaultPermissions")) {
			permissions = append(permissions, authorizerPermission(a.Macro, a.ID+name+"AuthorizerPermission", each.config.Get("FunctionArn")))
		}
	}
	return permissions
}

// authorizerPermission lets an API of version 2 call the function of an authorizer.
func authorizerPermission(m *draft.Macro, id string, function any) *draft.Resource {
	return draft.New("AWS::Lambda::Permission", id, m.Passed(), "Action", "lambda:InvokeFunction", "FunctionName", function,
		"Principal", "apigateway.amazonaws.com",
		"SourceArn", intrinsic.Sub(draft.ARN("${AWS::Partition}", "execute-api", "${__ApiId__}/authorizers/*"), "__ApiId__", intrinsic.Ref(m.ID)))
}

func (a *httpMaker) addTags() {
	if a.tags.Len() > 0 {
		a.needsBody("Tags works only with inline OpenApi specified in the 'DefinitionBody' property.")
		a.needsOpenAPI("`Tags`")
	}
	if !openapi.IsOpenAPI(a.body()) {
		return
	}
	if a.tags.Len() == 0 {
		a.tags = pyjson.New()
	}
	a.tags.Set("httpapi:createdBy", "SAM")
	a.edit(func(o *openapi.OpenAPI) { o.AddTags(a.tags) })
}

// addInfo puts the API's name and description into its definition.
func (a *httpMaker) addInfo() {
	if a.Truthy("Name") {
		a.needsBody("Name works only with inline OpenApi specified in the 'DefinitionBody' property.")
		title, wrong := openapi.GetDeep(a.body(), "info", "title")
		if wrong != "" {
			fail.Resource(a.ID, "Invalid 'DefinitionBody': %s.", wrong)
		}
		if !openapi.HasDefaultTitle(title) {
			fail.Resource(a.ID, "Unable to set Name because it is already defined within inline OpenAPI specified in the 'DefinitionBody' property.")
		}
		a.edit(func(o *openapi.OpenAPI) { o.SetInfo("title", a.Get("Name")) })
	}
	if a.Truthy("Description") {
		a.needsBody("Description works only with inline OpenApi specified in the 'DefinitionBody' property.")
		description, wrong := openapi.GetDeep(a.body(), "info", "description")
		if wrong != "" {
			fail.Resource(a.ID, "Invalid 'DefinitionBody': %s'.", wrong)
		}
		if pyjson.Truthy(description) {
			fail.Resource(a.ID, "Unable to set Description because it is already defined within inline OpenAPI specified in the 'DefinitionBody' property.")
		}
		a.edit(func(o *openapi.OpenAPI) { o.SetInfo("description", a.Get("Description")) })
	}
}

func (a *httpMaker) stage() *draft.Resource {
	name := a.Get("StageName")
	if !pyjson.Truthy(name) {
		name = openapi.DefaultRoute
	}
	text, _ := pyjson.Text(name)
	id := a.ID + text + "Stage"
	switch {
	case text == openapi.DefaultRoute:
		id = a.ID + "ApiGatewayDefaultStage"
	case !draft.IsAlphanumeric(text):
		id = draft.HashedID(a.ID+"Stage", text)
	}
	stage := draft.New("AWS::ApiGatewayV2::Stage", id, a.Passed(), "ApiId", intrinsic.Ref(a.ID), "StageName", name, "AutoDeploy", true)
	for _, name := range []string{"StageVariables", "AccessLogSettings", "DefaultRouteSettings", "RouteSettings"} {
		stage.Set(name, a.Get(name))
	}
	if a.tags != nil {
		stage.Set("Tags", a.tags)
	}
	return stage
}

// domainV2 makes the custom domain of an API of version 2, mappings and DNS records.
func domainV2(t *draft.Transform, m *draft.Macro, config *dict) []*draft.Resource {
	name, certificate := config.Get("DomainName"), config.Get("CertificateArn")
	if name == nil || certificate == nil {
		fail.Resource(m.ID, "Custom Domains only works if both DomainName and CertificateArn are provided.")
	}
	d := draft.New("AWS::ApiGatewayV2::DomainName", draft.HashedID("ApiGatewayDomainNameV2", name), m.Passed(), "DomainName", name)
	tag := "httpapi:createdBy"
	if m.Kind == draft.WebSocketType {
		tag = websocketTag
	}
	d.Set("Tags", pyjson.New(tag, "SAM"))
	endpoint := config.Get("EndpointConfiguration")
	if endpoint == nil {
		endpoint = "REGIONAL"
		config.Set("EndpointConfiguration", endpoint)
	} else if !pyjson.Is(endpoint, "REGIONAL") {
		fail.Resource(m.ID, "EndpointConfiguration for Custom Domains must be one of ['REGIONAL'].")
	}
	settings := pyjson.New("CertificateArn", certificate, "EndpointType", endpoint)
	settings.Update(draft.TruthyOf(config, []string{"OwnershipVerificationCertificateArn", "SecurityPolicy"}))
	d.Set("DomainNameConfigurations", []any{settings})
	if tls := config.Get("MutualTlsAuthentication"); pyjson.Truthy(tls) {
		d.Set("MutualTlsAuthentication", trustOf(m, tls))
	}
	resources := append([]*draft.Resource{d}, apiMappings(m, config, d)...)
	if config.Get("Route53") == nil {
		return resources
	}
	zone := fail.Property(m.ID, "Domain.Route53").Dict(config.Get("Route53"))
	zoneID, zoneName := zone.Get("HostedZoneId"), zone.Get("HostedZoneName")
	if zoneID == nil && zoneName == nil {
		fail.Resource(m.ID, "%s", hostedZone)
	}
	key := zoneID
	if !pyjson.Truthy(key) {
		key = zoneName
	}
	if zone.Has("HostedZoneId") {
		zoneName = nil
	}
	groups := t.RecordSets
	if m.Kind == draft.WebSocketType {
		groups = map[string]*draft.Resource{} // AWS: a WebSocket API does not find the groups of other APIs
	}
	id := draft.HashedID("RecordSetGroup", key)
	if groups[id] == nil {
		groups[id] = draft.New("AWS::Route53::RecordSetGroup", id, m.Passed(), "HostedZoneId", zoneID, "HostedZoneName", zoneName, "RecordSets", []any{})
	}
	group := groups[id]
	addRecords(group, config, zone, aliasTarget(config, zone, d.ID))
	return append(resources, group)
}

func trustOf(m *draft.Macro, tls any) *dict {
	given, ok := tls.(*dict)
	if !ok {
		fail.Resource(m.ID, "MutualTlsAuthentication must be a map with at least one of the following fields ['TruststoreUri', 'TruststoreVersion'].")
	}
	if !draft.OnlyKeys(given, trustStore) {
		wrong := slices.DeleteFunc(given.Keys(), func(key string) bool { return slices.Contains(trustStore, key) })
		slices.Sort(wrong)
		fail.Resource(strings.Join(wrong, ","), "Available MutualTlsAuthentication fields are ['TruststoreUri', 'TruststoreVersion'].")
	}
	return draft.TruthyOf(given, trustStore)
}

var (
	wrongBasePath  = regexp.MustCompile(`[^0-9a-zA-Z/\-_]+`)
	notInMappingID = regexp.MustCompile(`[\-_/]+`)
)

// apiMappings map paths of a domain to an API of version 2.
func apiMappings(m *draft.Macro, config *dict, d *draft.Resource) (mappings []*draft.Resource) {
	mapping := func(path string) *draft.Resource {
		return draft.New("AWS::ApiGatewayV2::ApiMapping", m.ID+path+"ApiMapping", m.Passed(), "DomainName", d.Ref(), "ApiId", intrinsic.Ref(m.ID),
			"Stage", intrinsic.Ref(m.ID+".Stage"))
	}
	paths := pathsOf(config)
	if paths == nil {
		return []*draft.Resource{mapping("")}
	}
	for _, path := range paths {
		text, ok := pyjson.Text(path)
		if !ok {
			fail.Resource(m.ID, "Basepath must be a string.")
		}
		if wrongBasePath.MatchString(text) {
			fail.Resource(m.ID, "Invalid Basepath name provided.")
		}
		each := mapping(notInMappingID.ReplaceAllString(text, ""))
		each.Set("ApiMappingKey", strings.Trim(text, "/"))
		mappings = append(mappings, each)
	}
	return mappings
}

// httpAuthorizer is one of an HTTP API.
type httpAuthorizer struct {
	api, name, kind string // AWS_IAM, JWT or REQUEST
	config          *dict
	jwt             *dict
}

// authorizerFields are the properties of authorizers, of which kind they are, and how
// that is said.
var authorizerFields = []struct{ name, kind, only string }{
	{"AuthorizationScopes", "JWT", "OAuth2 Authorizer"},
	{"JwtConfiguration", "JWT", "OAuth2 Authorizer"},
	{"IdentitySource", "JWT", "OAuth2 Authorizer. For Lambda Authorizer, use the 'Identity' property instead"},
	{"FunctionArn", "REQUEST", "Lambda Authorizer"},
	{"FunctionInvokeRole", "REQUEST", "Lambda Authorizer"},
	{"Identity", "REQUEST", "Lambda Authorizer"},
	{"AuthorizerPayloadFormatVersion", "REQUEST", "Lambda Authorizer"},
	{"EnableSimpleResponses", "REQUEST", "Lambda Authorizer"},
	{"EnableFunctionDefaultPermissions", "REQUEST", "Lambda Authorizer"},
}

func newHTTPAuthorizer(api, name string, config *dict) *httpAuthorizer {
	a := &httpAuthorizer{api: api, name: name, kind: "REQUEST", config: config}
	if value := config.Get("JwtConfiguration"); pyjson.Truthy(value) {
		a.kind, a.jwt = "JWT", pyjson.New()
		given := fail.Property(api, "JwtConfiguration").Dict(value)
		for _, key := range given.Keys() {
			a.jwt.SetKey(pyjson.As(given.Key(key), strings.ToLower(key)), given.Get(key))
		}
	}
	if scopes := config.Get("AuthorizationScopes"); scopes != nil {
		if _, ok := scopes.([]any); !ok {
			fail.Resource(api, "AuthorizationScopes must be a list.")
		}
	}
	for _, field := range authorizerFields {
		empty := field.name == "JwtConfiguration" && a.jwt == nil
		if config.Get(field.name) != nil && field.kind != a.kind && !empty {
			fail.Resource(api, "%s is only supported for %s.", field.name, field.only)
		}
	}
	needs := func(what, field string) {
		if !pyjson.Truthy(config.Get(field)) {
			fail.Resource(api, "%s %s Authorizer must define '%s'.", name, what, field)
		}
	}
	if a.kind == "JWT" {
		needs("OAuth2", "IdentitySource")
	} else {
		needs("Lambda", "FunctionArn")
		needs("Lambda", "AuthorizerPayloadFormatVersion")
	}
	if value := config.Get("EnableFunctionDefaultPermissions"); value != nil {
		fail.Property(api, "Authorizers."+name+".EnableFunctionDefaultPermissions").Bool(value)
	}
	return a
}

// openAPI is the definition of the authorizer.
func (a *httpAuthorizer) openAPI(env *draft.Environment) *dict {
	const extension = "x-amazon-apigateway-authorizer"
	switch a.kind {
	case "AWS_IAM":
		return pyjson.New("type", "apiKey", "name", "Authorization", "in", "header", "x-amazon-apigateway-authtype", "awsSigv4")
	case "JWT":
		return pyjson.New("type", "oauth2", extension, pyjson.New("jwtConfiguration", a.jwt, "identitySource", a.config.Get("IdentitySource"), "type", "jwt"))
	}
	uri := "arn:" + env.Partition() + ":apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${__FunctionArn__}/invocations"
	d := pyjson.New("type", "request", "authorizerUri", intrinsic.Sub(uri, "__FunctionArn__", a.config.Get("FunctionArn")))
	if role := a.config.Get("FunctionInvokeRole"); pyjson.Truthy(role) && !pyjson.Is(role, "NONE") {
		d.Set("authorizerCredentials", role)
	}
	if value := a.config.Get("Identity"); pyjson.Truthy(value) {
		identity := fail.Property(a.api, "Auth.Authorizers."+a.name+".Identity").Dict(value)
		if every := identity.Get("ReauthorizeEvery"); every != nil {
			d.Set("authorizerResultTtlInSeconds", every)
		}
		sources := []any{}
		for _, kind := range [][2]string{{"$request.header.", "Headers"}, {"$request.querystring.", "QueryStrings"},
			{"$stageVariables.", "StageVariables"}, {"$context.", "Context"}} {
			if values := identity.Get(kind[1]); pyjson.Truthy(values) {
				for _, each := range fail.Property(a.api, "Authorizers."+a.name+".Identity."+kind[1]).Texts(values) {
					sources = append(sources, kind[0]+pyjson.String(each))
				}
			}
		}
		d.Set("identitySource", sources)
	}
	d.Set("authorizerPayloadFormatVersion", a.config.Get("AuthorizerPayloadFormatVersion"))
	if pyjson.Truthy(a.config.Get("EnableSimpleResponses")) {
		d.Set("enableSimpleResponses", a.config.Get("EnableSimpleResponses"))
	}
	return pyjson.New("type", "apiKey", "name", "Unused", "in", "header", extension, d)
}
