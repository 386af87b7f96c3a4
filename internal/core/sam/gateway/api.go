// Package gateway transforms SAM's APIs: REST APIs (api.go), HTTP APIs (httpapi.go) and
// WebSocket APIs (websocket.go), with authorizers, custom domains and usage plans.
//
// What events of functions add to their definitions is there already: package compute
// has run before. All follow the rules of package draft. Start reading at REST.
package gateway

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/sam/draft"
	"github.com/lambkin-dev/lambkin/internal/core/sam/fail"
	"github.com/lambkin-dev/lambkin/internal/core/sam/intrinsic"
	"github.com/lambkin-dev/lambkin/internal/core/sam/openapi"
	"github.com/lambkin-dev/lambkin/internal/core/sam/pyjson"
)

// RESTProperties are those of a SAM API.
const RESTProperties = draft.Managed + ":b Name:s|d StageName!:s|d Tags:d PropagateTags:b DefinitionBody:d DefinitionUri:s|d MergeDefinitions~:b" +
	" CacheClusterEnabled:b CacheClusterSize:s Variables:d EndpointConfiguration:s|d MethodSettings:l BinaryMediaTypes:l MinimumCompressionSize:i" +
	" Cors:s|d Auth:d GatewayResponses:d AccessLogSetting:d CanarySetting:d TracingEnabled:b OpenApiVersion:s Models:d Domain:d FailOnWarnings:b" +
	" Description:s Mode:s DisableExecuteApiEndpoint:b ApiKeySourceType:s AlwaysDeploy~:b Policy:s|d SecurityPolicy:s EndpointAccessMode:s"

type dict = pyjson.Dict

// apiMaker makes the resources of one REST API.
type apiMaker struct {
	*draft.Transform
	*draft.Macro
	auth   *dict
	domain any
}

// body is the API's definition as it is now.
func (a *apiMaker) body() any { return a.Get("DefinitionBody") }

// REST replaces a SAM API.
func REST(t *draft.Transform, m *draft.Macro) []*draft.Resource {
	for _, name := range []string{"BinaryMediaTypes", "Domain", "Auth"} {
		if m.Has(name) {
			m.Properties.Set(name, t.Resolver.Resolve(m.Get(name)))
		}
	}
	a := &apiMaker{Transform: t, Macro: m}
	a.auth, a.domain = m.Dict("Auth"), m.Get("Domain")
	api := a.restAPI()
	domain := a.addDomain(api)
	deployment := draft.New("AWS::ApiGateway::Deployment", m.ID+"Deployment", m.Passed(), "RestApiId", intrinsic.Ref(m.ID))
	if !m.Truthy("OpenApiVersion") {
		deployment.Set("StageName", "Stage")
	}
	stage := a.stage(deployment, api)
	resources := []*draft.Resource{api, deployment, stage}
	resources = append(resources, a.authorizerPermissions()...)
	resources = append(resources, domain...)
	resources = append(resources, a.usagePlan(stage)...)
	draft.PropagateTags(resources, m.Dict("Tags"), m.Get("PropagateTags"))
	return resources
}

func (a *apiMaker) restAPI() *draft.Resource {
	a.checkDefinition()
	api := draft.New("AWS::ApiGateway::RestApi", a.ID, a.Attributes, "BinaryMediaTypes", a.Get("BinaryMediaTypes"),
		"MinimumCompressionSize", a.Get("MinimumCompressionSize")).After(a.DependsOn)
	if a.Truthy("EndpointConfiguration") {
		setEndpoint(api, a.Get("EndpointConfiguration"))
	} else if p := a.Env.Partition(); strings.HasPrefix(p, "aws-iso") || p == "aws-us-gov" || p == "aws-cn" || p == "aws-eusc" {
		setEndpoint(api, "REGIONAL")
	}
	a.addCORS()
	a.addAuth()
	a.addGatewayResponses()
	if a.Truthy("BinaryMediaTypes") && pyjson.Truthy(a.body()) {
		a.edit(func(s *openapi.Swagger) { s.AddBinaryMediaTypes(a.Get("BinaryMediaTypes")) })
	}
	a.addModels()
	if a.Has("DisableExecuteApiEndpoint") {
		a.needsBody("DisableExecuteApiEndpoint works only within 'DefinitionBody' property.")
		a.edit(func(s *openapi.Swagger) { s.DisableExecuteAPIEndpoint(a.Get("DisableExecuteApiEndpoint")) })
	}
	switch {
	case a.Truthy("DefinitionUri"):
		at := draft.S3Location(a.ID, "DefinitionUri", a.Get("DefinitionUri"), false)
		body := pyjson.New27("Bucket", at.Bucket, "Key", at.Key)
		if at.Version != nil {
			body.Set("Version", at.Version)
		}
		api.Set("BodyS3Location", body)
	case pyjson.Truthy(a.body()):
		a.postprocess()
		api.Set("Body", a.body())
	}
	for _, name := range []string{"FailOnWarnings", "Name", "Description", "Mode", "ApiKeySourceType", "Policy", "SecurityPolicy", "EndpointAccessMode"} {
		if a.Truthy(name) {
			api.Set(name, a.Get(name))
		}
	}
	return api
}

var supportedVersion = regexp.MustCompile(`^[2-3](\.\d)(\.\d)?\n?$`)

func (a *apiMaker) checkDefinition() {
	if a.Truthy("DefinitionUri") && a.Truthy("DefinitionBody") {
		fail.Resource(a.ID, "Specify either 'DefinitionUri' or 'DefinitionBody' property and not both.")
	}
	if a.Truthy("DefinitionUri") && a.Truthy("MergeDefinitions") {
		fail.Resource(a.ID, "Cannot set 'MergeDefinitions' to True when using `DefinitionUri`.")
	}
	if a.Truthy("OpenApiVersion") && !supportedVersion.MatchString(pyjson.String(a.Get("OpenApiVersion"))) {
		fail.Resource(a.ID, "The OpenApiVersion value must be of the format '3.0.0'.")
	}
}

func (a *apiMaker) needsBody(message string) {
	if !pyjson.Truthy(a.body()) {
		fail.Resource(a.ID, "%s", message)
	}
}

func (a *apiMaker) needsSwagger(what string) {
	if !openapi.IsSwagger(a.body()) {
		fail.Resource(a.ID, "Unable to add %s because 'DefinitionBody' does not contain a valid Swagger definition.", what)
	}
}

// edit changes the API's definition.
func (a *apiMaker) edit(change func(*openapi.Swagger)) {
	s := openapi.NewSwagger(a.body())
	change(s)
	a.Properties.Set("DefinitionBody", s.Document())
}

func setEndpoint(api *draft.Resource, value any) {
	config, _ := value.(*dict)
	kind := config.Get("Type")
	if !pyjson.Truthy(kind) {
		api.Set("EndpointConfiguration", pyjson.New("Types", []any{value}))
		api.Set("Parameters", pyjson.New("endpointConfigurationTypes", value))
		return
	}
	endpoint := pyjson.New("Types", []any{kind})
	api.Set("Parameters", pyjson.New("endpointConfigurationTypes", kind))
	api.Set("EndpointConfiguration", endpoint)
	if config.Has("VPCEndpointIds") && config.Has("VpcEndpointIds") {
		fail.Resource(api.ID, "'VPCEndpointIds' and 'VpcEndpointIds' cannot be used together in EndpointConfiguration.")
	}
	for _, name := range []string{"VPCEndpointIds", "VpcEndpointIds"} {
		if config.Has(name) {
			endpoint.Set("VpcEndpointIds", config.Get(name))
		}
	}
	if config.Has("IpAddressType") {
		endpoint.Set("IpAddressType", config.Get("IpAddressType"))
	}
}

func (a *apiMaker) addCORS() {
	given := a.Get("Cors")
	if !pyjson.Truthy(given) {
		return
	}
	a.needsBody("Cors works only with inline Swagger specified in 'DefinitionBody' property.")
	cors := openapi.CORS{Origin: "'*'"}
	settings, isDict := given.(*dict)
	if _, isText := pyjson.Text(given); isText || intrinsic.Is(given) {
		cors.Origin = given
	} else if isDict {
		fields := map[string]*any{"AllowMethods": &cors.Methods, "AllowHeaders": &cors.Headers, "AllowOrigin": &cors.Origin, "MaxAge": &cors.MaxAge,
			"AllowCredentials": &cors.Credentials}
		for _, name := range settings.Keys() {
			if fields[name] == nil {
				fail.Resource(a.ID, "Invalid key '%s' for 'Cors' property.", name)
			}
			*fields[name] = settings.Get(name)
		}
	} else {
		fail.Resource(a.ID, "Invalid value for 'Cors' property")
	}
	a.needsSwagger("Cors configuration")
	if cors.Credentials == true && pyjson.Is(cors.Origin, "'*'") {
		fail.Resource(a.ID, `Unable to add Cors configuration because 'AllowCredentials' can not be true when 'AllowOrigin' is "'*'" or not set`)
	}
	a.edit(func(s *openapi.Swagger) {
		seen := map[string]bool{}
		for _, path := range s.Paths() {
			normal := path
			if path != "/" {
				normal = strings.TrimRight(path, "/")
			}
			if seen[normal] {
				continue
			}
			seen[normal] = true
			a.asResource(func() { s.AddCORS(path, cors) })
		}
	})
}

// asResource runs a step whose failure is told of the API.
func (a *apiMaker) asResource(step func()) {
	failure := fail.Catch(step)
	if failure != nil && failure.Kind == fail.InTemplate {
		fail.Resource(a.ID, "%s", failure.Message())
	} else if failure != nil {
		panic(failure)
	}
}

// authProperties are what Auth may have.
var authProperties = []string{"Authorizers", "DefaultAuthorizer", "InvokeRole", "AddDefaultAuthorizerToCorsPreflight", "AddApiKeyRequiredToCorsPreflight",
	"ApiKeyRequired", "ResourcePolicy", "UsagePlan"}

// unless is a setting that is on if it is not given.
func (a *apiMaker) unless(name string) bool {
	return !a.auth.Has(name) || pyjson.Truthy(a.auth.Get(name))
}

func (a *apiMaker) addAuth() {
	if a.auth.Len() == 0 {
		return
	}
	a.needsBody("Auth works only with inline Swagger specified in 'DefinitionBody' property.")
	if !draft.OnlyKeys(a.auth, authProperties) {
		fail.Resource(a.ID, "Invalid value for 'Auth' property")
	}
	a.needsSwagger("Auth configuration")
	s := openapi.NewSwagger(a.body())
	if authorizers := a.authorizers(true); authorizers.Len() > 0 {
		for _, name := range authorizers.Keys() {
			s.AddAuthorizer(authorizers.Key(name), authorizers.Get(name).(*authorizer).swagger(a.Env))
		}
		a.setDefaultAuthorizer(s, authorizers)
	}
	if pyjson.Truthy(a.auth.Get("ApiKeyRequired")) {
		s.AddAPIKey()
		for _, path := range s.Paths() {
			s.DefaultAPIKey(path, a.unless("AddApiKeyRequiredToCorsPreflight"))
		}
	}
	if policy := a.auth.Get("ResourcePolicy"); pyjson.Truthy(policy) {
		p := openapi.MustDict(policy, "ResourcePolicy must be a map (ResourcePolicyStatement).")
		for _, path := range s.Paths() {
			s.AddPolicy(p, s.PathKey(path), a.Get("StageName"))
		}
		if pyjson.Truthy(p.Get("CustomStatements")) {
			s.AddStatements(p.Get("CustomStatements"))
		}
	}
	a.Properties.Set("DefinitionBody", s.Document())
	a.postprocess()
}

func (a *apiMaker) setDefaultAuthorizer(s *openapi.Swagger, authorizers *dict) {
	value := a.auth.Get("DefaultAuthorizer")
	if !pyjson.Truthy(value) {
		return
	}
	name, ok := pyjson.Text(value)
	if !ok {
		fail.Resource(a.ID, "DefaultAuthorizer is not a string.")
	}
	chosen, _ := authorizers.Get(name).(*authorizer)
	if chosen == nil && name != "AWS_IAM" {
		fail.Resource(a.ID, "Unable to set DefaultAuthorizer because '%s' was not defined in 'Authorizers'.", name)
	}
	for _, path := range s.Paths() {
		s.DefaultAuthorizer(path, value, chosen.scopes, authorizers.Keys(), a.unless("AddDefaultAuthorizerToCorsPreflight"))
	}
}

// authorizers reads those of the API, by name.
func (a *apiMaker) authorizers(withIAM bool) *dict {
	all := pyjson.New27()
	if value := a.auth.Get("DefaultAuthorizer"); withIAM && pyjson.Is(value, "AWS_IAM") {
		all.SetKey(value, &authorizer{api: a.ID, name: "AWS_IAM", iam: true, scopes: []any{}})
	}
	given := a.auth.Get("Authorizers")
	if !pyjson.Truthy(given) {
		return all
	}
	configs := fail.Property(a.ID, "Auth.Authorizers").Dict(given)
	for _, name := range configs.Keys() {
		config := fail.Property(a.ID, "Auth.Authorizers."+name).Dict(configs.Get(name))
		all.SetKey(configs.Key(name), newAuthorizer(a.ID, name, config))
	}
	return all
}

// authorizerPermissions let the API call the functions of its authorizers.
func (a *apiMaker) authorizerPermissions() (permissions []*draft.Resource) {
	if a.auth.Len() == 0 {
		return nil
	}
	authorizers := a.authorizers(false)
	for _, name := range authorizers.Keys() {
		each := authorizers.Get(name).(*authorizer)
		if !pyjson.Truthy(each.function) || pyjson.Truthy(each.config.Get("DisableFunctionDefaultPermissions")) {
			continue
		}
		permissions = append(permissions, draft.New("AWS::Lambda::Permission", a.ID+name+"AuthorizerPermission", a.Passed(),
			"Action", "lambda:InvokeFunction", "FunctionName", each.function, "Principal", "apigateway.amazonaws.com",
			"SourceArn", intrinsic.Sub(a.Env.ARN("execute-api", "${__ApiId__}/authorizers/*"), "__ApiId__", intrinsic.Ref(a.ID))))
	}
	return permissions
}

func (a *apiMaker) addGatewayResponses() {
	given := a.Dict("GatewayResponses")
	if given.Len() == 0 {
		return
	}
	a.needsBody("GatewayResponses works only with inline Swagger specified in 'DefinitionBody' property.")
	for _, key := range given.Keys() {
		value := given.Get(key)
		if intrinsic.Is(value) {
			fail.Resource(a.ID, "Unable to set GatewayResponses attribute because intrinsic functions are not supported for this field.")
		}
		response, ok := value.(*dict)
		if !ok {
			fail.Resource(a.ID, "Invalid property type '%s' for GatewayResponses. Expected an object of type 'GatewayResponse'.", pyjson.TypeName(value))
		}
		for _, name := range response.Keys() {
			if name != "ResponseParameters" && name != "ResponseTemplates" && name != "StatusCode" {
				fail.Resource(a.ID, "Invalid property '%s' in 'GatewayResponses' property '%s'.", name, key)
			}
		}
	}
	a.needsSwagger("Auth configuration")
	a.edit(func(s *openapi.Swagger) {
		responses := pyjson.New27()
		for _, key := range given.Keys() {
			responses.SetKey(given.Key(key), a.gatewayResponse(key, given.Get(key).(*dict)))
		}
		for _, key := range responses.Keys() {
			s.AddGatewayResponse(responses.Key(key), responses.Get(key).(*dict))
		}
	})
}

var statusCode = regexp.MustCompile(`^[0-9]{1,3}\n?$`)

func (a *apiMaker) gatewayResponse(key string, response *dict) *dict {
	parameters := pyjson.New27()
	kinds := [][2]string{{"Headers", "header."}, {"Paths", "path."}, {"QueryStrings", "querystring."}}
	if value := response.Get("ResponseParameters"); pyjson.Truthy(value) {
		given := fail.Property(a.ID, "GatewayResponses."+key+".ResponseParameters").Dict(value)
		for _, name := range given.Keys() {
			if !slices.ContainsFunc(kinds, func(k [2]string) bool { return k[0] == name }) {
				fail.Resource(a.ID, "Invalid gateway response parameter '%s'", name)
			}
		}
		for _, kind := range kinds {
			if !given.Has(kind[0]) {
				continue
			}
			values := fail.Property(a.ID, "ResponseParameters."+kind[0]).Dict(given.Get(kind[0]))
			for _, name := range values.Keys() {
				parameters.SetKey(pyjson.As(values.Key(name), "gatewayresponse."+kind[1]+name), values.Get(name))
			}
		}
	}
	made := pyjson.New27("responseParameters", parameters, "responseTemplates", draft.OrEmpty(response.Get("ResponseTemplates")))
	if status := response.Get("StatusCode"); status != nil {
		text := pyjson.String(status)
		if pyjson.Truthy(status) && !statusCode.MatchString(text) {
			fail.Resource(a.ID, "Property 'StatusCode' must be numeric")
		}
		if text != "" {
			made.Set("statusCode", text)
		}
	}
	return made
}

func (a *apiMaker) addModels() {
	models := a.Dict("Models")
	if models.Len() == 0 {
		return
	}
	a.needsBody("Models works only with inline Swagger specified in 'DefinitionBody' property.")
	a.needsSwagger("Models definitions")
	for _, name := range models.Keys() {
		if _, ok := models.Get(name).(*dict); !ok {
			fail.Resource(a.ID, "Invalid value for 'Models' property")
		}
	}
	a.edit(func(s *openapi.Swagger) { s.AddModels(models) })
	a.postprocess()
}

// postprocess makes what is written for Swagger 2 fit a document of OpenAPI 3.
func (a *apiMaker) postprocess() {
	body := fail.Dict(a.body())
	if body.Get("swagger") != nil {
		return
	}
	version := a.Get("OpenApiVersion")
	own := body.Get("openapi")
	if a.Env.On("normalized_open_api_version") && body.Has("openapi") || own != nil && version == nil {
		version = own
	}
	if !pyjson.Truthy(version) || !openapi.IsVersion3(version) {
		return
	}
	openapi.ToVersion3(body)
}

// stage makes the stage, and gives the deployment an id that changes with the API's
// definition: CloudFormation deploys only what is new.
func (a *apiMaker) stage(deployment, api *draft.Resource) *draft.Resource {
	name, _ := pyjson.Text(a.Get("StageName"))
	id := a.ID + name + "Stage"
	if !draft.IsAlphanumeric(name) {
		id = draft.HashedID(a.ID+"Stage", name)
	}
	stage := draft.New("AWS::ApiGateway::Stage", id, a.Passed(), "RestApiId", intrinsic.Ref(a.ID))
	for _, name := range []string{"StageName", "CacheClusterEnabled", "CacheClusterSize", "Variables", "MethodSettings", "AccessLogSetting", "CanarySetting",
		"TracingEnabled"} {
		stage.Set(name, a.Get(name))
	}
	definition := api.Get("Body")
	if definition == nil {
		definition = api.Get("BodyS3Location")
	}
	if pyjson.Truthy(definition) {
		parts := []string{pyjson.String(definition)}
		if a.Truthy("OpenApiVersion") {
			parts = append(parts, pyjson.String(a.Get("OpenApiVersion")))
		}
		if pyjson.Truthy(a.domain) {
			parts = append(parts, pyjson.Dump(a.domain))
		}
		if names := a.FunctionNames[a.ID]; names != "" {
			parts = append(parts, names)
		}
		if a.Truthy("AlwaysDeploy") {
			parts = []string{strconv.FormatInt(a.Env.Seconds, 10)}
		}
		data := strings.Join(parts, "||")
		const wholeHash = 40
		deployment.ID = draft.HashedID(deployment.ID, data)
		deployment.Set("Description", "RestApi deployment id: "+draft.Hash(data, wholeHash))
	}
	stage.Set("DeploymentId", deployment.Ref())
	if a.Has("Tags") {
		stage.Set("Tags", draft.Tags(a.Dict("Tags")))
	}
	return stage
}
