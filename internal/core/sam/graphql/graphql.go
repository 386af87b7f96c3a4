// Package graphql transforms SAM's GraphQL APIs into those of AppSync: schema, keys,
// data sources with roles, functions and resolvers.
//
// All follows the rules of package draft. Start reading at Transform.
package graphql

import (
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/sam/connector"
	"github.com/lambkin-dev/lambkin/internal/core/sam/draft"
	"github.com/lambkin-dev/lambkin/internal/core/sam/fail"
	"github.com/lambkin-dev/lambkin/internal/core/sam/intrinsic"
	"github.com/lambkin-dev/lambkin/internal/core/sam/property"
	"github.com/lambkin-dev/lambkin/internal/core/sam/pyjson"
)

type dict = pyjson.Dict

// Properties are those of a SAM GraphQL API.
const Properties = "Name~:* Tags~:d XrayEnabled~:* Auth!~:d SchemaInline~:s SchemaUri~:s Logging~:d|b DataSources~:d Functions~:d Resolvers~:d ApiKeys~:d" +
	" DomainName~:d Cache~:d Visibility~:* OwnerContact~:* IntrospectionConfig~:* QueryDepthLimit~:* ResolverCountLimit~:* ..."

const authorizerModel = "Type:=AWS_IAM,API_KEY,AWS_LAMBDA,OPENID_CONNECT,AMAZON_COGNITO_USER_POOLS ?LambdaAuthorizer:@lambda ?OpenIDConnect:@openid ?UserPool:@pool"

var schema = property.NewSchema("properties", map[string]string{
	"properties": "Auth:@auth ?Tags:d ?Name:* ?XrayEnabled:b ?SchemaInline:* ?SchemaUri:* ?Logging:@logging|b ?DataSources:@sources ?Functions:{@function}" +
		" ?Resolvers:{{@resolver}} ?ApiKeys:{@key} ?DomainName:@domain ?Cache:@cache ?Visibility:* ?OwnerContact:* ?IntrospectionConfig:* ?QueryDepthLimit:*" +
		" ?ResolverCountLimit:*",
	"auth":       authorizerModel + " ?Additional:[@authorizer]",
	"authorizer": authorizerModel,
	"lambda":     "?AuthorizerResultTtlInSeconds:* AuthorizerUri:* ?IdentityValidationExpression:*",
	"openid":     "?AuthTTL:* ?ClientId:* ?IatTTL:* ?Issuer:*",
	"pool":       "?AppIdClientRegex:* ?AwsRegion:* ?DefaultAction:* UserPoolId:*",
	"logging":    "?CloudWatchLogsRoleArn:* ?ExcludeVerboseContent:* ?FieldLogLevel:*",
	"sources":    "?DynamoDb:{@table} ?Lambda:{@call}",
	"table": "TableName:* ?ServiceRoleArn:* ?TableArn:* ?Permissions:[=Read,Write] ?Name:* ?Description:* ?Region:* ?DeltaSync:@delta" +
		" ?UseCallerCredentials:* ?Versioned:*",
	"delta":    "BaseTableTTL:* DeltaSyncTableName:* DeltaSyncTableTTL:*",
	"call":     "FunctionArn:* ?ServiceRoleArn:* ?Name:* ?Description:*",
	"function": "?DataSource:d|s ?Runtime:@runtime ?InlineCode:* ?CodeUri:* ?Description:* ?MaxBatchSize:* ?Name:s ?Id:* ?Sync:@sync",
	"runtime":  "Name:* Version:*",
	"sync":     "ConflictDetection:* ?ConflictHandler:* ?LambdaConflictHandlerConfig:@conflict",
	"conflict": "LambdaConflictHandlerArn:*",
	"resolver": "?FieldName:s ?Caching:@caching ?InlineCode:* ?CodeUri:* ?MaxBatchSize:* ?Pipeline:[s] ?Runtime:@runtime ?Sync:@sync",
	"caching":  "Ttl:* ?CachingKeys:[*]",
	"key":      "?ApiKeyId:* ?Description:* ?ExpiresOn:*",
	"domain":   "CertificateArn:* DomainName:* ?Description:*",
	"cache":    "ApiCachingBehavior:* Ttl:* Type:* ?AtRestEncryptionEnabled:* ?TransitEncryptionEnabled:*",
})

// maker makes the resources of one API.
type maker struct {
	*draft.Transform
	*draft.Macro
	api       *dict           // reference to its id
	none      *draft.Resource // the data source of functions that need none
	sources   map[string]any  // names of data sources, by their key in the template
	functions map[string]any  // ids of functions, likewise
}

// Transform replaces a SAM GraphQL API.
func Transform(t *draft.Transform, m *draft.Macro) []*draft.Resource {
	schema.CheckFirst(m.ID, withoutNil(m.Properties))
	g := &maker{t, m, intrinsic.GetAtt(m.ID, "ApiId"), nil, map[string]any{}, map[string]any{}}
	api, connectors := g.graphQLAPI()
	resources := []*draft.Resource{api, nil}
	role := g.log(api)
	resources[1] = g.schema()
	for _, each := range connectors {
		resources = append(resources, connector.Transform(t, each)...)
	}
	if role != nil {
		resources = append(resources, role)
	}
	resources = append(resources, g.keys()...)
	if cache := m.Dict("Cache"); cache.Len() > 0 {
		resources = append(resources, g.resource("ApiCache", "ApiCache", cache, "ApiCachingBehavior", "Type", "Ttl", "AtRestEncryptionEnabled", "TransitEncryptionEnabled"))
	}
	resources = append(resources, g.dataSources()...)
	resources = append(resources, g.domain()...)
	resources = append(resources, g.functionConfigurations()...)
	resources = append(resources, g.resolvers(resources[1].ID)...)
	if g.none != nil {
		resources = append(resources, g.none)
	}
	return resources
}

func withoutNil(d *dict) *dict {
	kept := pyjson.New()
	for _, key := range d.Keys() {
		if d.Get(key) != nil {
			kept.SetKey(d.Key(key), d.Get(key))
		}
	}
	return kept
}

// resource makes a resource of AppSync that belongs to the API, with properties taken
// over from a map.
func (g *maker) resource(kind, id string, from *dict, names ...string) *draft.Resource {
	r := draft.New("AWS::AppSync::"+kind, g.ID+id, g.Attributes, "ApiId", g.api).After(g.DependsOn)
	for _, name := range names {
		r.Set(name, from.Get(name))
	}
	return r
}

// named is a map's text at a key, or another.
func named(d *dict, key, otherwise string) any {
	if pyjson.Truthy(d.Get(key)) {
		return d.Get(key)
	}
	return otherwise
}

// graphQLAPI makes the API and the connectors to the functions that authorize calls.
func (g *maker) graphQLAPI() (*draft.Resource, []*draft.Macro) {
	api := draft.New("AWS::AppSync::GraphQLApi", g.ID, g.Attributes, "Name", named(g.Properties, "Name", g.ID)).After(g.DependsOn)
	api.Properties.Update(draft.TruthyOf(g.Properties, []string{"Visibility", "OwnerContact", "IntrospectionConfig", "QueryDepthLimit", "ResolverCountLimit"}))
	api.Set("XrayEnabled", boolOf(g.Get("XrayEnabled")))
	functions := g.authorize(api)
	var connectors []*draft.Macro
	for i, arn := range functions {
		connectors = append(connectors, g.connect("ToLambdaAuthConnector"+pyjson.Itoa(i+1),
			pyjson.New("Type", "AWS::AppSync::GraphQLApi", "Arn", intrinsic.Ref(g.ID), "ResourceId", g.api),
			pyjson.New("Type", "AWS::Lambda::Function", "Arn", arn), []any{"Write"}))
	}
	tags := draft.OrNew(g.Dict("Tags")).Copy()
	tags.Set("graphqlapi:createdBy", "SAM")
	api.Set("Tags", draft.Tags(tags))
	return api, connectors
}

// boolOf reads a text as a boolean, as the translator does.
func boolOf(value any) any {
	switch text := strings.ToLower(pyjson.String(value)); {
	case value == nil:
		return nil
	case slices.Contains([]string{"true", "on", "t", "y", "yes", "1"}, text):
		return true
	default:
		return false
	}
}

// connect makes a connector between resources of the API and others.
func (g *maker) connect(id string, source, destination *dict, permissions any) *draft.Macro {
	properties := pyjson.New("Source", source, "Destination", destination, "Permissions", permissions)
	return draft.Read(connector.Kind(), g.ID+id, "", pyjson.New("Type", draft.ConnectorType, "Properties", properties), nil)
}

// authorizers are the kinds of authorization that need more than a type.
var authorizers = map[string][2]string{
	"AWS_LAMBDA":                {"LambdaAuthorizer", "LambdaAuthorizerConfig"},
	"OPENID_CONNECT":            {"OpenIDConnect", "OpenIDConnectConfig"},
	"AMAZON_COGNITO_USER_POOLS": {"UserPool", "UserPoolConfig"},
}

// authorize says who may call the API, and returns the functions that decide it.
func (g *maker) authorize(api *draft.Resource) (functions []any) {
	auth := withoutNil(g.Dict("Auth"))
	more := fail.List(auth.Get("Additional"))
	auth = auth.Copy()
	auth.Delete("Additional")
	add := func(to *dict, given *dict, index int) {
		name, config := g.authorizer(given, index)
		to.Set("AuthenticationType", given.Get("Type"))
		if config.Len() > 0 {
			to.Set(name, config)
			if name == "LambdaAuthorizerConfig" {
				functions = append(functions, config.Get("AuthorizerUri"))
			}
		}
	}
	add(api.Properties, auth, -1)
	var providers []any
	for i, value := range more {
		provider := pyjson.New()
		add(provider, withoutNil(fail.Dict(value)), i)
		providers = append(providers, provider)
	}
	if len(providers) > 0 {
		api.Set("AdditionalAuthenticationProviders", providers)
	}
	return functions
}

// authorizer reads one way to be let in; index is -1 for the default one.
func (g *maker) authorizer(given *dict, index int) (name string, config *dict) {
	if given.Len() > 2 {
		at := "'Auth'"
		if index > 0 {
			at = "'Auth.Additional." + pyjson.Itoa(index) + "'"
		}
		fail.Resource(g.ID, "%s has more than one authentication configuration defined.", at)
	}
	kind := pyjson.String(given.Get("Type"))
	names, found := authorizers[kind]
	if !found {
		return "", nil
	}
	if given.Get(names[0]) == nil {
		fail.Resource(g.ID, "'%s' must be defined if type is '%s'.", names[0], kind)
	}
	config = withoutNil(fail.Dict(given.Get(names[0])))
	if index >= 0 && names[0] == "UserPool" {
		config.Delete("DefaultAction")
	}
	return names[1], config
}

// log sets where the API logs, and returns the role for it if one is made.
func (g *maker) log(api *draft.Resource) *draft.Resource {
	config, isDict := g.Get("Logging").(*dict)
	if g.Has("Logging") && !isDict && boolOf(g.Get("Logging")) == false {
		return nil
	}
	log := pyjson.New("FieldLogLevel", named(config, "FieldLogLevel", "ALL"))
	if pyjson.Truthy(config.Get("ExcludeVerboseContent")) {
		log.Set("ExcludeVerboseContent", config.Get("ExcludeVerboseContent"))
	}
	api.Set("LogConfig", log)
	if role := config.Get("CloudWatchLogsRoleArn"); pyjson.Truthy(role) {
		log.Set("CloudWatchLogsRoleArn", role)
		return nil
	}
	role := g.role("CloudWatchRole")
	role.Set("ManagedPolicyArns", []any{intrinsic.Sub("arn:${AWS::Partition}:iam::aws:policy/service-role/AWSAppSyncPushToCloudWatchLogs")})
	log.Set("CloudWatchLogsRoleArn", role.ARN())
	return role
}

// role is one that AppSync takes on.
func (g *maker) role(id string) *draft.Resource {
	return draft.New("AWS::IAM::Role", g.ID+id, g.Attributes, "AssumeRolePolicyDocument", draft.AssumeRole("appsync.amazonaws.com")).After(g.DependsOn)
}

func (g *maker) schema() *draft.Resource {
	inline, uri := g.Truthy("SchemaInline"), g.Truthy("SchemaUri")
	if !inline && !uri {
		fail.Resource(g.ID, "One of 'SchemaInline' or 'SchemaUri' must be set.")
	}
	if inline && uri {
		fail.Resource(g.ID, "Both 'SchemaInline' and 'SchemaUri' cannot be defined at the same time.")
	}
	s := g.resource("GraphQLSchema", "Schema", nil)
	s.Set("Definition", g.Get("SchemaInline"))
	s.Set("DefinitionS3Location", g.Get("SchemaUri"))
	return s
}

func (g *maker) keys() (resources []*draft.Resource) {
	keys := g.Dict("ApiKeys")
	for _, name := range keys.Keys() {
		given := fail.Dict(keys.Get(name))
		key := g.resource("ApiKey", name, given, "ApiKeyId", "Description")
		key.Set("Expires", given.Get("ExpiresOn"))
		resources = append(resources, key)
	}
	return resources
}

func (g *maker) domain() []*draft.Resource {
	given := g.Dict("DomainName")
	if given.Len() == 0 {
		return nil
	}
	domain := g.resource("DomainName", "DomainName", given, "CertificateArn", "DomainName", "Description")
	domain.Set("ApiId", nil)
	link := g.resource("DomainNameApiAssociation", "DomainNameApiAssociation", nil)
	link.Set("DomainName", domain.Ref())
	return []*draft.Resource{domain, link}
}

func (g *maker) dataSources() (resources []*draft.Resource) {
	all := g.Dict("DataSources")
	tables, calls := fail.Dict(all.Get("DynamoDb")), fail.Dict(all.Get("Lambda"))
	for _, key := range tables.Keys() {
		resources = append(resources, g.tableSource(key, fail.Dict(tables.Get(key)))...)
	}
	for _, key := range calls.Keys() {
		given := fail.Dict(calls.Get(key))
		source := g.source(key, "Lambda", "AWS_LAMBDA", given)
		source.Set("LambdaConfig", pyjson.New("LambdaFunctionArn", given.Get("FunctionArn")))
		resources = append(resources, g.withRole(source, given, "ToLambdaConnector",
			pyjson.New("Type", "AWS::Lambda::Function", "Arn", given.Get("FunctionArn")), []any{"Write"})...)
	}
	return resources
}

func (g *maker) source(key, suffix, kind string, given *dict) *draft.Resource {
	source := g.resource("DataSource", key+suffix+"DataSource", given, "Description")
	source.Set("Name", named(given, "Name", key))
	source.Set("Type", kind)
	g.sources[key] = intrinsic.GetAtt(source.ID, "Name")
	return source
}

func (g *maker) tableSource(key string, given *dict) []*draft.Resource {
	region := given.Get("Region")
	if !pyjson.Truthy(region) {
		region = intrinsic.Ref("AWS::Region")
	}
	config := pyjson.New("AwsRegion", region, "TableName", given.Get("TableName"))
	config.Update(draft.TruthyOf(given, []string{"UseCallerCredentials", "Versioned"}))
	if delta := given.Get("DeltaSync"); pyjson.Truthy(delta) {
		config.Set("DeltaSyncConfig", delta)
	}
	source := g.source(key, "DynamoDB", "AMAZON_DYNAMODB", given)
	source.Set("DynamoDBConfig", config)
	table := given.Get("TableArn")
	if !pyjson.Truthy(table) {
		table = intrinsic.Sub("arn:${AWS::Partition}:dynamodb:${__Region__}:${AWS::AccountId}:table/${__TableName__}",
			"__TableName__", given.Get("TableName"), "__Region__", region)
	}
	permissions := given.Get("Permissions")
	if !pyjson.Truthy(permissions) {
		permissions = []any{"Read", "Write"}
	}
	return g.withRole(source, given, "ToTableConnector", pyjson.New("Type", "AWS::DynamoDB::Table", "Arn", table), permissions)
}

// withRole gives a data source its role: the given one, or one that is connected.
func (g *maker) withRole(source *draft.Resource, given *dict, id string, destination *dict, permissions any) []*draft.Resource {
	if role := given.Get("ServiceRoleArn"); pyjson.Truthy(role) {
		source.Set("ServiceRoleArn", role)
		return []*draft.Resource{source}
	}
	suffix := strings.TrimPrefix(source.ID, g.ID)
	role := g.role(suffix + "Role")
	source.Set("ServiceRoleArn", role.ARN())
	made := connector.Transform(g.Transform, g.connect(suffix+id, pyjson.New("Type", "AWS::AppSync::DataSource",
		"Arn", intrinsic.GetAtt(source.ID, "DataSourceArn"), "RoleName", role.Ref()), destination, permissions))
	return append([]*draft.Resource{source, role}, made...)
}

func (g *maker) functionConfigurations() (resources []*draft.Resource) {
	all := g.Dict("Functions")
	for _, key := range all.Keys() {
		given := withoutNil(fail.Dict(all.Get(key)))
		if id := given.Get("Id"); pyjson.Truthy(id) {
			if given.Len() != 1 {
				fail.Resource(key, "'Id' cannot be defined with other properties in Function.")
			}
			g.functions[key] = id
			continue
		}
		f := g.resource("FunctionConfiguration", key, given, "MaxBatchSize", "Description")
		f.Set("Name", named(given, "Name", key))
		inline, uri := pyjson.Truthy(given.Get("InlineCode")), pyjson.Truthy(given.Get("CodeUri"))
		switch {
		case inline && uri:
			fail.Resource(key, "Both 'InlineCode' and 'CodeUri' cannot be defined at the same time.")
		case inline:
			f.Set("Code", given.Get("InlineCode"))
		case uri:
			f.Set("CodeS3Location", given.Get("CodeUri"))
		default:
			fail.Resource(key, "One of 'InlineCode' or 'CodeUri' must be set.")
		}
		f.Set("DataSourceName", g.sourceName(key, given.Get("DataSource")))
		f.Set("Runtime", runtime(key, given))
		if sync := fail.Dict(given.Get("Sync")); sync.Len() > 0 {
			f.Set("SyncConfig", withoutNil(sync))
		}
		g.functions[key] = intrinsic.GetAtt(f.ID, "FunctionId")
		resources = append(resources, f)
	}
	return resources
}

// sourceName is the name of the data source that a function names.
func (g *maker) sourceName(function string, source any) any {
	if !pyjson.Truthy(source) {
		fail.Resource(function, "'DataSource' must be set.")
	}
	name, ok := pyjson.Text(source)
	if !ok {
		return source
	}
	if strings.EqualFold(name, "none") {
		if g.none == nil {
			g.none = g.resource("DataSource", "NoneDataSource", nil)
			g.none.Set("Name", g.none.ID)
			g.none.Set("Type", "NONE")
		}
		return intrinsic.GetAtt(g.none.ID, "Name")
	}
	if g.sources[name] == nil {
		fail.Resource(function, "Either define DataSource '%s' in 'DataSources' or use intrinsic function like GetAtt, ImportValue, Sub or another one to reference a DataSource defined outside of this GraphQLApi resource.", name)
	}
	return g.sources[name]
}

func runtime(key string, given *dict) *dict {
	r := fail.Dict(given.Get("Runtime"))
	if r.Len() == 0 {
		fail.Resource(key, "'Runtime' must be defined as a property in %s.", key)
	}
	return pyjson.New("Name", r.Get("Name"), "RuntimeVersion", r.Get("Version"))
}

// passOn is the code of a resolver that has none: it passes the result of its last
// function on.
const passOn = "\nexport function request(ctx) {\n    return {};\n}\n\nexport function response(ctx) {\n    return ctx.prev.result;\n}\n"

func (g *maker) resolvers(schemaID string) (resources []*draft.Resource) {
	all := g.Dict("Resolvers")
	for _, kind := range all.Keys() {
		fields := fail.Dict(all.Get(kind))
		for _, key := range fields.Keys() {
			resources = append(resources, g.resolver(kind, key, fail.Dict(fields.Get(key))).After([]any{schemaID}))
		}
	}
	return resources
}

func (g *maker) resolver(kind, key string, given *dict) *draft.Resource {
	r := g.resource("Resolver", kind+key, nil)
	if pyjson.Truthy(given.Get("InlineCode")) && pyjson.Truthy(given.Get("CodeUri")) {
		fail.Resource(key, "Both 'InlineCode' and 'CodeUri' cannot be defined at the same time.")
	}
	r.Set("Code", given.Get("InlineCode"))
	r.Set("CodeS3Location", given.Get("CodeUri"))
	if !pyjson.Truthy(r.Get("Code")) && !pyjson.Truthy(r.Get("CodeS3Location")) {
		r.Set("Code", passOn)
		r.Set("Runtime", pyjson.New("Name", "APPSYNC_JS", "RuntimeVersion", "1.0.0"))
	} else {
		r.Set("Runtime", runtime(key, given))
	}
	r.Set("FieldName", named(given, "FieldName", key))
	r.Set("TypeName", kind)
	pipeline := fail.List(given.Get("Pipeline"))
	if len(pipeline) == 0 {
		fail.Resource(key, "Resolver '%s' must have Pipeline defined. Unit resolvers are not supported. If you need a Unit resolver you can use AppSync resource.", key)
	}
	r.Set("Kind", "PIPELINE")
	var ids []any
	for _, name := range pipeline {
		id := g.functions[pyjson.String(name)]
		if id == nil {
			fail.Resource(key, "Function '%s' does not exist.", pyjson.String(name))
		}
		ids = append(ids, id)
	}
	r.Set("PipelineConfig", pyjson.New("Functions", ids))
	if caching := fail.Dict(given.Get("Caching")); caching.Len() > 0 {
		r.Set("CachingConfig", withoutNil(caching))
	}
	if pyjson.Truthy(given.Get("MaxBatchSize")) {
		r.Set("MaxBatchSize", given.Get("MaxBatchSize"))
	}
	return r
}
