package compute

import (
	"regexp"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/sam/draft"
	"github.com/lambkin-dev/lambkin/internal/core/sam/fail"
	"github.com/lambkin-dev/lambkin/internal/core/sam/intrinsic"
	"github.com/lambkin-dev/lambkin/internal/core/sam/openapi"
	"github.com/lambkin-dev/lambkin/internal/core/sam/pyjson"
)

// linkRestAPI finds the API of an event and the stage in the id of its permission.
func (t *translator) linkRestAPI(m *draft.Macro) link {
	id, ok := pyjson.Text(draft.APIID(m.Get("RestApiId")))
	if !ok {
		return link{stage: "AllStages"}
	}
	resource := fail.EventProperty(m.Relative, "RestApiId").
		Saying("RestApiId property of Api event must reference a valid resource in the same template.").Dict(t.Inputs.Get(id))
	l := link{apiID: id, api: pyjson.New(), stage: "Stage"}
	if resource.Has("Properties") {
		l.api = fail.Attribute(id, "Properties").Dict(resource.Get("Properties"))
	}
	if name, ok := pyjson.Text(l.api.Get("StageName")); ok {
		if name == "" {
			fail.Resource(id, "StageName cannot be empty.")
		}
		l.stage = l.api.Get("StageName")
	}
	return l
}

func (t *translator) linkHTTPAPI(m *draft.Macro) link {
	id := fail.Text(draft.APIID(m.Get("ApiId")))
	resource := fail.Dict(t.Inputs.Get(id))
	l := link{apiID: id, api: pyjson.New()}
	if resource.Has("Properties") {
		l.api = fail.Dict(resource.Get("Properties"))
	}
	return l
}

// withoutSlash is a path without the slash at its end.
func withoutSlash(path string) string {
	if len(path) > 1 {
		return strings.TrimSuffix(path, "/")
	}
	return path
}

// integrationURI is where API Gateway calls the target.
func (t *translator) integrationURI(target *eventTarget, partition string, stream bool) *dict {
	path := "2015-03-31/functions/%/invocations"
	if stream {
		path = "2021-11-15/functions/%/response-streaming-invocations"
	}
	name := "${" + target.ID + "}"
	isFunction := target.Kind == "AWS::Lambda::Function"
	if isFunction {
		name = "${" + target.ID + ".Arn}"
	}
	text := any("arn:" + partition + ":apigateway:${AWS::Region}:lambda:path/" + strings.Replace(path, "%", name, 1))
	if isFunction && t.Python27 {
		text = pyjson.Unicode(text.(string))
	}
	return pyjson.New27("Fn::Sub", text)
}

// restEvent lets a method of a REST API call a function.
func (t *translator) restEvent(e *event) []*draft.Resource {
	method := fail.Text(e.Get("Method"))
	e.Properties.Set("Method", pyjson.As(e.Get("Method"), strings.ToLower(method)))
	path := openapi.PathPattern(withoutSlash(fail.Text(e.Get("Path"))))
	verb := strings.ToUpper(method)
	if verb == "ANY" {
		verb = "*"
	}
	source := intrinsic.Sub(t.Env.ARN("execute-api", "${__ApiId__}/${__Stage__}/"+verb+path), "__ApiId__", e.Get("RestApiId"), "__Stage__", "*")
	permission := e.permission(permissionParts{principal: "apigateway.amazonaws.com", source: source, suffix: fail.Text(e.stage)})
	if pyjson.Truthy(e.api.Get(draft.Managed)) || pyjson.Truthy(e.api.Get("MergeDefinitions")) {
		t.integrate(e)
	}
	auth := e.Dict("Auth")
	if body := e.api.Get("DefinitionBody"); pyjson.Truthy(body) && pyjson.Truthy(auth.Get("OverrideApiAuth")) {
		if !pyjson.Truthy(auth.Get("Authorizer")) && !pyjson.Truthy(auth.Get("ApiKeyRequired")) && !pyjson.Truthy(auth.Get("ResourcePolicy")) {
			fail.Event(e.Relative, "Must define one of: Authorizer, ApiKeyRequired or ResourcePolicy when using the OverrideApiAuth property.")
		}
		editor := openapi.NewSwagger(body)
		t.guard(e, editor)
		e.api.Set("DefinitionBody", editor.Document())
	}
	return []*draft.Resource{permission}
}

// integrate writes the event into the definition of its API.
func (t *translator) integrate(e *event) {
	body := e.api.Get("DefinitionBody")
	if body == nil {
		return
	}
	merges := pyjson.Truthy(e.api.Get("MergeDefinitions"))
	if merges {
		body = openapi.SwaggerSkeleton()
	}
	editor := openapi.NewSwagger(body)
	path, method := fail.Text(e.Get("Path")), fail.Text(e.Get("Method"))
	if editor.HasIntegration(path, e.Get("Method")) {
		fail.Event(e.Relative, `API method "%s" defined multiple times for path "%s".`, method, path)
	}
	auth := draft.OrNew(fail.EventProperty(e.Relative, "Auth").Dict(draft.OrEmpty(e.Get("Auth"))))
	apiAuth := fail.Property(e.apiID, "Auth").Dict(draft.OrEmpty(e.api.Get("Auth")))
	stream := pyjson.Is(e.Get("ResponseTransferMode"), "RESPONSE_STREAM")
	editor.AddLambda(e.Get("Path"), e.Get("Method"), openapi.Integration{
		URI: t.integrationURI(e.target, t.Env.Partition(), stream), Credentials: t.credentials(auth, apiAuth), Stream: stream, Condition: e.target.condition(),
	})
	if e.Truthy("Auth") {
		t.guard(e, editor)
	}
	if e.Truthy("TimeoutInMillis") {
		editor.AddTimeout(path, e.Get("Method"), e.Get("TimeoutInMillis"))
	}
	if e.Truthy("RequestModel") {
		e.addModel(editor)
	}
	if e.Truthy("RequestParameters") {
		e.addParameters(editor)
	}
	if merges {
		e.merge(editor)
		return
	}
	e.api.Set("DefinitionBody", editor.Document())
}

// credentials are those with which a method that IAM guards calls its function.
func (t *translator) credentials(auth, apiAuth *dict) any {
	if !pyjson.Is(auth.Get("Authorizer"), "AWS_IAM") && (!pyjson.Is(apiAuth.Get("DefaultAuthorizer"), "AWS_IAM") || auth.Len() > 0) {
		return nil
	}
	role := any(nil)
	for _, from := range []*dict{auth, apiAuth} {
		if role = from.Get("InvokeRole"); !pyjson.Truthy(role) && from.Has("InvokeRole") {
			role = "NONE"
		}
		if pyjson.Truthy(role) {
			break
		}
	}
	if !pyjson.Truthy(role) || pyjson.Is(role, "CALLER_CREDENTIALS") {
		return "arn:" + t.Env.Partition() + ":iam::*:user/*"
	}
	if pyjson.Is(role, "NONE") {
		return nil
	}
	return role
}

// unable says that an authorizer cannot be set.
func (e *event) unable(authorizer any, why string) {
	named := ""
	if authorizer != nil {
		named = " [" + pyjson.String(authorizer) + "]"
	}
	fail.Event(e.Relative, "Unable to set Authorizer%s on API method [%s] for path [%s] because %s", named, pyjson.String(e.Get("Method")), pyjson.String(e.Get("Path")), why)
}

const noneWithoutDefault = "'NONE' is only a valid value when a DefaultAuthorizer on the API is specified."

func (e *event) checkAuthorizerTypes(authorizer, authorizers any) {
	if pyjson.Is(authorizer, "NONE") {
		return
	}
	_, isText := pyjson.Text(authorizer)
	if _, isDict := authorizers.(*dict); !isText || !isDict {
		fail.Event(e.Relative, "Unable to set Authorizer [%s] on API method [%s] for path [%s]. The method authorizer must be a string with a corresponding dict entry in the api authorizer.",
			pyjson.String(authorizer), pyjson.String(e.Get("Method")), pyjson.String(e.Get("Path")))
	}
}

// guard says who may call the event's method.
func (t *translator) guard(e *event, editor *openapi.Swagger) {
	auth := e.Dict("Auth")
	apiAuth := fail.Dict(t.Resolver.Resolve(e.api.Get("Auth")))
	path, method := fail.Text(e.Get("Path")), e.Get("Method")
	authorizer := auth.Get("Authorizer")
	if pyjson.Truthy(authorizer) {
		e.checkAuthorizer(authorizer, apiAuth)
	}
	if scopes := auth.Get("AuthorizationScopes"); pyjson.Truthy(scopes) {
		fail.EventProperty(e.Relative, "Auth.AuthorizationScopes").List(scopes)
		if !pyjson.Truthy(authorizer) {
			fail.Event(e.Relative, "AuthorizationScopes works only when Authorizer is set")
		}
	}
	key := auth.Get("ApiKeyRequired")
	if key != nil && !pyjson.Truthy(key) && !pyjson.Truthy(apiAuth.Get("ApiKeyRequired")) {
		fail.Event(e.Relative, "Unable to set ApiKeyRequired [False] on API method [%s] for path [%s] because the related API does not specify any ApiKeyRequired.",
			pyjson.String(method), path)
	}
	if pyjson.Truthy(authorizer) {
		editor.MethodAuthorizer(path, method, authorizer, apiAuth.Get("Authorizers"), auth.Get("AuthorizationScopes"))
	}
	if key != nil {
		editor.MethodAPIKey(path, method, pyjson.Truthy(key))
	}
	if policy := auth.Get("ResourcePolicy"); pyjson.Truthy(policy) {
		p := fail.Property(e.Relative, "Auth.ResourcePolicy").Dict(policy)
		editor.AddPolicy(p, e.Get("Path"), e.stage)
		if pyjson.Truthy(p.Get("CustomStatements")) {
			editor.AddStatements(p.Get("CustomStatements"))
		}
	}
}

// checkAuthorizer checks that the API has the authorizer of a method.
func (e *event) checkAuthorizer(authorizer any, apiAuth *dict) {
	authorizers := apiAuth.Get("Authorizers")
	if pyjson.Truthy(authorizers) {
		fail.Property(e.apiID, "Auth.Authorizers").Dict(authorizers)
	}
	switch {
	case pyjson.Is(authorizer, "AWS_IAM"):
	case pyjson.Is(authorizer, "NONE"):
		if !pyjson.Truthy(apiAuth.Get("DefaultAuthorizer")) {
			e.unable(nil, noneWithoutDefault)
		}
	default:
		if !pyjson.Truthy(authorizers) {
			e.unable(authorizer, "the related API does not define any Authorizers.")
		}
		e.checkAuthorizerTypes(authorizer, authorizers)
		if !pyjson.Truthy(fail.Dict(authorizers).Get(fail.Text(authorizer))) {
			e.unable(authorizer, "it wasn't defined in the API's Authorizers.")
		}
	}
}

// addModel says of which model the body of requests is, and whether it is checked.
func (e *event) addModel(editor *openapi.Swagger) {
	request := fail.EventProperty(e.Relative, "RequestModel").Dict(e.Get("RequestModel"))
	model := request.Get("Model")
	if !pyjson.Truthy(model) {
		return
	}
	path, method := fail.Text(e.Get("Path")), e.Get("Method")
	about := "[" + pyjson.String(model) + "] on API method [" + pyjson.String(method) + "] for path [" + path + "] "
	unable := func(why string) {
		fail.Event(e.Relative, "Unable to set RequestModel %sbecause %s", about, why)
	}
	models := e.api.Get("Models")
	if !pyjson.Truthy(models) {
		unable("the related API does not define any Models.")
	}
	defined, ok := models.(*dict)
	if !ok {
		unable("the related API Models defined is of invalid type.")
	}
	name, ok := pyjson.Text(model)
	if !ok {
		unable("the related API does not contain valid Models.")
	}
	if !pyjson.Truthy(defined.Get(name)) {
		unable("it wasn't defined in the API's Models.")
	}
	editor.AddModel(path, method, name, request.Get("Required"))
	if request.Get("ValidateBody") == nil && request.Get("ValidateParameters") == nil {
		return
	}
	var checks [2]bool
	for i, key := range []string{"ValidateBody", "ValidateParameters"} {
		if value := request.Get(key); value != nil {
			if checks[i], ok = value.(bool); !ok {
				fail.Event(e.Relative, "Unable to set Validator to RequestModel %sValidateBody and ValidateParameters must be a boolean type, strings or intrinsics are not supported.", about)
			}
		}
	}
	editor.AddValidator(path, method, checks[0], checks[1])
}

var requestParameter = regexp.MustCompile(`^method\.request\.(querystring|path|header)\.`)

// addParameters declares the parameters of requests.
func (e *event) addParameters(editor *openapi.Swagger) {
	const wrong = "Invalid value for 'RequestParameters' property. "
	const wrongKey = wrong + "Keys must be in the format 'method.request.[querystring|path|header].{value}', e.g 'method.request.header.Authorization'."
	var parameters []openapi.Parameter
	for _, value := range fail.List(e.Get("RequestParameters")) {
		p := openapi.Parameter{Name: value, Required: false, Caching: false}
		settings, isDict := value.(*dict)
		if isDict && settings.Len() > 0 {
			p.Name = settings.Key(settings.Keys()[0])
		}
		name, ok := pyjson.Text(p.Name)
		if !ok {
			fail.Event(e.Relative, "%s", wrong+"Property must be either a string or an object")
		}
		if !requestParameter.MatchString(name) {
			fail.Event(e.Relative, "%s", wrongKey)
		}
		if isDict {
			own, ok := settings.Get(name).(*dict)
			for _, key := range own.Keys() {
				ok = ok && (key == "Required" || key == "Caching")
			}
			if !ok {
				fail.Event(e.Relative, "%s", wrong+"Values must be an object, e.g { Required: true, Caching: false }")
			}
			if own.Has("Required") {
				p.Required = own.Get("Required")
			}
			if own.Has("Caching") {
				p.Caching = own.Get("Caching")
			}
		}
		parameters = append(parameters, p)
	}
	editor.AddParameters(fail.Text(e.Get("Path")), e.Get("Method"), parameters)
}

// merge adds the generated definition of a method to a definition that the template has.
func (e *event) merge(editor *openapi.Swagger) {
	path, method := fail.Text(e.Get("Path")), fail.Text(e.Get("Method"))
	body := fail.Dict(e.api.Get("DefinitionBody")).Copy()
	paths := fail.Dict(draft.OrEmpty(body.Get("paths")))
	existing, wrong := openapi.GetDeep(paths, path, method)
	if wrong != "" {
		fail.Resource(e.apiID, "Property 'DefinitionBody' is invalid: %s", wrong)
	}
	mergedMethod := pyjson.New()
	mergedMethod.Update(fail.Property(e.apiID, "DefinitionBody.paths."+path+"."+method).Dict(draft.OrEmpty(existing)))
	key := method
	if key == "any" {
		key = openapi.AnyMethod
	}
	added, _ := openapi.GetDeep(editor.Document(), "paths", path, key)
	mergedMethod.Update(fail.Dict(added))
	if !paths.Has(path) {
		paths.SetKey(e.Get("Path"), pyjson.New())
	}
	item := fail.Dict(paths.Get(path))
	item.Touch()
	item.SetKey(e.Get("Method"), mergedMethod)
	e.api.Set("DefinitionBody", body)
}

// httpEvent lets a route of an HTTP API call a function.
func (t *translator) httpEvent(e *event) []*draft.Resource {
	method := strings.ToLower(fail.Text(e.Get("Method")))
	e.Properties.Set("Method", pyjson.As(e.Get("Method"), method))
	permission := t.routePermission(e, withoutSlash(fail.Text(e.Get("Path"))), method)
	if e.api.Get("DefinitionBody") != nil {
		t.addRoute(e)
	}
	return permission
}

// routePermission lets the API call the function, unless it may already as that of the
// default route.
func (t *translator) routePermission(e *event, path, method string) []*draft.Resource {
	var editor *openapi.OpenAPI
	if body := e.api.Get("DefinitionBody"); pyjson.Truthy(body) {
		failure := fail.Catch(func() { editor = openapi.NewOpenAPI(body) })
		if failure != nil && failure.Kind == fail.InDocument {
			fail.Resource(e.apiID, "%s", failure.Causes[0].Message())
		} else if failure != nil {
			panic(failure)
		}
	}
	if path == openapi.DefaultRoute {
		path = ""
	} else if editor != nil && editor.Calls(openapi.DefaultRoute, openapi.AnyMethod, e.target.ID) {
		return nil
	}
	path = openapi.HTTPPathPattern(path)
	verb := strings.ToUpper(method)
	if method == "any" || method == openapi.AnyMethod {
		verb = "*"
	}
	suffix := "/" + verb + path
	if method == "any" && path == "/"+openapi.DefaultRoute {
		suffix = path
	}
	source := intrinsic.Sub(draft.ARN("${AWS::Partition}", "execute-api", "${__ApiId__}/${__Stage__}"+suffix), "__ApiId__", e.Get("ApiId"), "__Stage__", "*")
	return []*draft.Resource{e.permission(permissionParts{principal: "apigateway.amazonaws.com", source: source})}
}

var inBraces = regexp.MustCompile(`\{(.*?)\}`)

// addRoute writes the event into the definition of its API.
func (t *translator) addRoute(e *event) {
	editor := openapi.NewOpenAPI(e.api.Get("DefinitionBody"))
	path, method := fail.Text(e.Get("Path")), e.Get("Method")
	if pyjson.Truthy(e.api.Get(draft.Managed)) && editor.HasIntegration(path, method) {
		fail.Event(e.Relative, "API method '%s' defined multiple times for path '%s'.", pyjson.String(method), path)
	}
	editor.AddLambda(e.Get("Path"), method, openapi.Integration{URI: t.integrationURI(e.target, "${AWS::Partition}", false), Condition: e.target.condition()})
	if e.Truthy("Auth") {
		e.guardRoute(editor)
	}
	if e.Truthy("TimeoutInMillis") {
		editor.AddTimeout(path, method, e.Get("TimeoutInMillis"))
	}
	var names []string
	for _, match := range inBraces.FindAllStringSubmatch(path, -1) {
		names = append(names, match[1])
	}
	if len(names) > 0 {
		editor.AddPathParameters(path, method, names)
	}
	if e.Truthy("PayloadFormatVersion") {
		editor.SetPayloadVersion(path, method, e.Get("PayloadFormatVersion"))
	}
	e.api.Set("DefinitionBody", editor.Document())
}

// guardRoute says who may call the event's route.
func (e *event) guardRoute(editor *openapi.OpenAPI) {
	auth := e.Dict("Auth")
	apiAuth := pyjson.New()
	if e.api.Has("Auth") {
		apiAuth = fail.Property(e.apiID, "Auth").Dict(e.api.Get("Auth"))
	}
	authorizer := auth.Get("Authorizer")
	if !pyjson.Truthy(authorizer) {
		if authorizer = apiAuth.Get("DefaultAuthorizer"); !pyjson.Truthy(authorizer) {
			fail.Event(e.Relative, "'Auth' section requires either an explicit 'Authorizer' set or a 'DefaultAuthorizer' configured on the HttpApi.")
		}
		auth.Set("Authorizer", authorizer)
	}
	authorizers := apiAuth.Get("Authorizers")
	if apiAuth.Len() == 0 {
		authorizers = apiAuth
	}
	byIAM := pyjson.Is(authorizer, "AWS_IAM") && apiAuth.Get("EnableIamAuthorizer") == true
	if !byIAM {
		e.checkAuthorizerTypes(authorizer, authorizers)
	}
	switch {
	case byIAM:
	case pyjson.Is(authorizer, "NONE"):
		if !pyjson.Truthy(apiAuth.Get("DefaultAuthorizer")) {
			e.unable(nil, noneWithoutDefault)
		}
	case !pyjson.Truthy(authorizers):
		e.unable(authorizer, "the related API does not define any Authorizers.")
	case !pyjson.Truthy(fail.Dict(authorizers).Get(fail.Text(authorizer))):
		e.unable(authorizer, "it wasn't defined in the API's Authorizers.")
	}
	scopes := auth.Get("AuthorizationScopes")
	if _, ok := scopes.([]any); pyjson.Truthy(scopes) && !ok {
		e.unable(nil, "'AuthorizationScopes' must be a list of strings.")
	}
	editor.MethodAuthorizer(fail.Text(e.Get("Path")), e.Get("Method"), authorizer, authorizers, scopes)
}
