package gateway

import (
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/sam/draft"
	"github.com/lambkin-dev/lambkin/internal/core/sam/fail"
	"github.com/lambkin-dev/lambkin/internal/core/sam/intrinsic"
	"github.com/lambkin-dev/lambkin/internal/core/sam/pyjson"
)

// WebSocketProperties are those of a SAM WebSocket API.
const WebSocketProperties = "ApiKeySelectionExpression:s AccessLogSettings:d Auth:d DefaultRouteSettings:d Description:s DisableExecuteApiEndpoint:b Domain:d" +
	" DisableSchemaValidation:b FailOnWarnings:b IpAddressType:s Name:s PropagateTags:b Routes!:d RouteSettings:d RouteSelectionExpression!:s" +
	" StageName:s|d StageVariables:d Tags:d"

// websocketTag marks resources of WebSocket APIs.
const websocketTag = "websocketapi:createdBy"

// websocketMaker makes the resources of one WebSocket API.
type websocketMaker struct {
	*draft.Transform
	*draft.Macro
	auth   *dict
	routes *dict
	stage  any // name
}

// WebSocket replaces a SAM WebSocket API.
func WebSocket(t *draft.Transform, m *draft.Macro) []*draft.Resource {
	for _, name := range []string{"Auth", "Domain", "Routes"} {
		if m.Has(name) {
			m.Properties.Set(name, t.Resolver.Resolve(m.Get(name)))
		}
	}
	m.Attributes = pyjson.New() // AWS: its resources keep no attributes of the SAM resource
	a := &websocketMaker{t, m, m.Dict("Auth"), m.Dict("Routes"), m.Get("StageName")}
	a.check()
	api := a.api()
	var domain []*draft.Resource
	if m.Has("Domain") {
		domain = domainV2(t, m, m.Dict("Domain"))
	}
	stage := a.stageResource()
	resources := []*draft.Resource{api}
	var authorizer *draft.Resource
	var ids []any
	for _, key := range a.routes.Keys() {
		made, its := a.route(key, a.routes.Get(key))
		resources = append(resources, made...)
		ids = append(ids, made[0].ID)
		if its != nil {
			authorizer = its
		}
	}
	resources = append(resources, domain...)
	if m.Truthy("RouteSettings") {
		stage.After(ids)
	}
	resources = append(resources, stage)
	if authorizer != nil {
		resources = append(resources, authorizer)
		if !pyjson.Truthy(a.auth.Get("InvokeRole")) {
			resources = append(resources, authorizerPermission(m, m.ID+"AuthorizerPermission", a.auth.Get("AuthArn")))
		}
	}
	draft.PropagateTags(resources, m.Dict("Tags"), m.Get("PropagateTags"))
	return resources
}

func (a *websocketMaker) check() {
	if a.routes.Len() == 0 {
		fail.Resource(a.ID, "WebSocket API must have at least one route.")
	}
	if kind := a.Get("IpAddressType"); kind != nil && !intrinsic.Is(kind) && !pyjson.Is(kind, "ipv4") && !pyjson.Is(kind, "dualstack") {
		fail.Resource(a.ID, "IpAddressType must be 'ipv4' or 'dualstack'.")
	}
	if pyjson.Truthy(a.Dict("Domain").Get("MutualTlsAuthentication")) {
		fail.Resource(a.ID, "Mutual TLS domain name association is not supported for Websocket APIs.")
	}
	if a.stage == nil {
		a.stage = "default"
	}
}

func (a *websocketMaker) api() *draft.Resource {
	api := draft.New(draft.V2APIType, a.ID, nil).After(a.DependsOn)
	for _, name := range []string{"ApiKeySelectionExpression", "Description", "DisableExecuteApiEndpoint", "DisableSchemaValidation", "IpAddressType",
		"Name", "RouteSelectionExpression"} {
		api.Set(name, a.Get(name))
	}
	if a.auth.Len() > 0 && !a.routes.Has("$connect") {
		fail.Resource(a.ID, "Authorization is only available if there is a $connect route.")
	}
	if !a.Has("Name") {
		api.Set("Name", a.ID)
	}
	tags := a.Dict("Tags")
	if tags.Len() == 0 {
		tags = pyjson.New()
	}
	tags.Set(websocketTag, "SAM")
	api.Set("Tags", tags)
	api.Set("ProtocolType", "WEBSOCKET")
	return api
}

// route makes a route, its integration and permission, and the authorizer of $connect.
func (a *websocketMaker) route(key string, value any) ([]*draft.Resource, *draft.Resource) {
	clean := strings.TrimPrefix(key, "$")
	special := key == "$connect" || key == "$disconnect" || key == "$default"
	if !special && !draft.IsAlphanumeric(key) {
		fail.Resource(a.ID, "Route key '%s' must be alphanumeric. Only $connect, $disconnect, and $default special routes are supported.", key)
	}
	config := fail.Dict(value)
	base := a.ID + strings.ToUpper(clean[:1]) + strings.ToLower(clean[1:])
	route := draft.New("AWS::ApiGatewayV2::Route", base+"Route", nil, "RouteKey", key, "ApiId", intrinsic.Ref(a.ID),
		"Target", intrinsic.Join("/", "integrations", intrinsic.Ref(base+"Integration")))
	for _, name := range []string{"ApiKeyRequired", "ModelSelectionExpression", "OperationName", "RequestModels", "RouteResponseSelectionExpression"} {
		route.Set(name, config.Get(name))
	}
	if pyjson.Truthy(config.Get("RequestParameters")) {
		if key != "$connect" {
			fail.Resource(a.ID, "Request parameters are only supported for the $connect route in WebSocket APIs.")
		}
		route.Set("RequestParameters", config.Get("RequestParameters"))
	}
	authorizer := a.guard(key, route)
	if !config.Has("FunctionArn") {
		fail.Resource(a.ID, "Route must have associated function.")
	}
	function := config.Get("FunctionArn")
	integration := draft.New("AWS::ApiGatewayV2::Integration", base+"Integration", nil, "ApiId", intrinsic.Ref(a.ID), "IntegrationType", "AWS_PROXY",
		"IntegrationUri", functionInvocation("FunctionArn", function), "TimeoutInMillis", config.Get("IntegrationTimeout"))
	permission := draft.New("AWS::Lambda::Permission", base+"Permission", nil, "Action", "lambda:InvokeFunction", "FunctionName", function,
		"Principal", "apigateway.amazonaws.com", "SourceArn", a.source(key))
	return []*draft.Resource{route, integration, permission}, authorizer
}

func functionInvocation(variable string, function any) *dict {
	return intrinsic.Sub("arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${"+variable+"}/invocations", variable, function)
}

func (a *websocketMaker) source(key string) *dict {
	prefix := draft.ARN("${AWS::Partition}", "execute-api", "${"+a.ID+".ApiId}/")
	if name, ok := pyjson.Text(a.stage); ok {
		return intrinsic.Sub(prefix + name + "/" + key)
	}
	return intrinsic.Sub(prefix+"${__StageName__}/"+key, "__StageName__", a.stage)
}

// guard says who may connect.
func (a *websocketMaker) guard(key string, route *draft.Resource) *draft.Resource {
	if a.auth.Len() == 0 {
		return nil
	}
	kind, _ := pyjson.Text(a.auth.Get("AuthType"))
	switch {
	case !pyjson.Truthy(a.auth.Get("AuthType")):
		fail.Resource(a.ID, "AuthType must be specified for additional auth configurations.")
	case kind != "NONE" && kind != "AWS_IAM" && kind != "CUSTOM":
		fail.Resource(a.ID, "AuthType '%s' is not one of AWS_IAM, CUSTOM or NONE.", pyjson.String(a.auth.Get("AuthType")))
	case kind == "CUSTOM" && !pyjson.Truthy(a.auth.Get("AuthArn")):
		fail.Resource(a.ID, "AuthArn must be specified if AuthType is CUSTOM.")
	case kind != "CUSTOM" && a.auth.Len() > 1:
		fail.Resource(a.ID, "No additional configurations supported for AuthType %s.", kind)
	}
	if key != "$connect" {
		return nil
	}
	route.Set("AuthorizationType", kind)
	if kind != "CUSTOM" {
		return nil
	}
	authorizer := draft.New("AWS::ApiGatewayV2::Authorizer", a.ID+"ConnectAuthorizer", nil, "ApiId", intrinsic.Ref(a.ID),
		"AuthorizerCredentialsArn", a.auth.Get("InvokeRole"), "AuthorizerType", "REQUEST", "IdentitySource", a.auth.Get("IdentitySource"),
		"AuthorizerUri", functionInvocation("AuthArn", a.auth.Get("AuthArn")), "Name", a.auth.Get("Name"))
	if !pyjson.Truthy(a.auth.Get("Name")) {
		authorizer.Set("Name", authorizer.ID)
	}
	route.Set("AuthorizerId", authorizer.Ref())
	return authorizer
}

func (a *websocketMaker) stageResource() *draft.Resource {
	if pyjson.Is(a.stage, "$default") {
		fail.Resource(a.ID, "Stages cannot be named $default for WebSocket APIs.")
	}
	name, _ := pyjson.Text(a.stage)
	id := a.ID + name + "Stage"
	if name == "default" {
		id = a.ID + "DefaultStage"
	}
	stage := draft.New("AWS::ApiGatewayV2::Stage", id, nil, "ApiId", intrinsic.Ref(a.ID), "StageName", a.stage,
		"Tags", pyjson.New(websocketTag, "SAM"), "AutoDeploy", true)
	for _, name := range []string{"StageVariables", "AccessLogSettings", "DefaultRouteSettings", "RouteSettings"} {
		stage.Set(name, a.Get(name))
	}
	return stage
}
