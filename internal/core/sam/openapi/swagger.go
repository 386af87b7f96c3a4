package openapi

import (
	"regexp"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/sam/fail"
	"github.com/lambkin-dev/lambkin/internal/core/sam/intrinsic"
	"github.com/lambkin-dev/lambkin/internal/core/sam/pyjson"
)

// Swagger edits the definition of a REST API.
type Swagger struct {
	editor
	security    any // securityDefinitions
	responses   any // of the gateway
	policy      any
	definitions any
}

const (
	gatewayResponses  = "x-amazon-apigateway-gateway-responses"
	resourcePolicy    = "x-amazon-apigateway-policy"
	requestValidators = "x-amazon-apigateway-request-validators"
	binaryMediaTypes  = "x-amazon-apigateway-binary-media-types"
)

// notMethods are keys of a path that are no methods.
var notMethods = []string{"summary", "description", "parameters"}

// SwaggerSkeleton is the definition of a REST API without paths.
func SwaggerSkeleton() *dict {
	return pyjson.New27("swagger", "2.0",
		"info", pyjson.New27("version", "1.0", "title", intrinsic.Ref("AWS::StackName")),
		"paths", pyjson.New27())
}

// IsSwagger tells a definition that can be edited.
func IsSwagger(value any) bool {
	doc, _ := value.(*dict)
	if _, ok := doc.Get("paths").(*dict); !ok {
		return false
	}
	if pyjson.Truthy(doc.Get("swagger")) {
		return true
	}
	return pyjson.Truthy(doc.Get("openapi")) && IsVersion3(doc.Get("openapi"))
}

// NewSwagger starts to edit.
func NewSwagger(definition any) *Swagger {
	if !IsSwagger(definition) {
		fail.Document("Invalid Swagger document or the Swagger document is not explicitly defined in 'DefinitionBody'.")
	}
	doc := copied(definition.(*dict))
	s := &Swagger{editor: editor{doc: doc, paths: doc.Get("paths").(*dict)}}
	s.security = orEmpty(doc.Get("securityDefinitions"))
	s.responses = orEmpty(doc.Get(gatewayResponses))
	s.policy = orEmpty(doc.Get(resourcePolicy))
	if s.definitions = doc.Get("definitions"); !doc.Has("definitions") {
		s.definitions = pyjson.New27()
	}
	s.checkItems()
	return s
}

func orEmpty(value any) any {
	if pyjson.Truthy(value) {
		return value
	}
	return pyjson.New27()
}

// Document is the definition with all changes.
func (s *Swagger) Document() *dict {
	s.doc.Set("paths", s.paths)
	for _, part := range []struct {
		key   string
		value any
	}{{"securityDefinitions", s.security}, {gatewayResponses, s.responses}, {"definitions", s.definitions}} {
		if pyjson.Truthy(part.value) {
			s.doc.Set(part.key, part.value)
		}
	}
	return copied(s.doc)
}

// DisableExecuteAPIEndpoint sets whether clients may use the default endpoint.
func (s *Swagger) DisableExecuteAPIEndpoint(disable any) {
	path := []string{endpoint, "disableExecuteApiEndpoint"}
	if pyjson.Truthy(s.doc.Get("openapi")) && IsVersion3(s.doc.Get("openapi")) {
		servers := []any{pyjson.New27()}
		if s.doc.Has("servers") {
			servers = fail.List(s.doc.Get("servers"))
		}
		for i, server := range servers {
			if wrong, bad := setDeep(server, path, disable); bad {
				fail.Document("Invalid OpenAPI definition of 'servers[%d]': %s.", i, notMap(wrong))
			}
		}
		s.doc.Set("servers", servers)
		return
	}
	if wrong, bad := setDeep(s.doc, path, disable); bad {
		fail.Document("Invalid OpenAPI definition: %s.", notMap(wrong))
	}
}

// Integration is what a method of a REST API calls.
type Integration struct {
	URI         any
	Credentials any // nil: none
	Stream      bool
	Condition   any // nil: none
}

// AddLambda lets a method call a function.
func (s *Swagger) AddLambda(path, method any, call Integration) {
	s.addIntegration(path, method, call, "Lambda integration", func(definition, added *dict) {
		added.Set("type", "aws_proxy")
		added.Set("httpMethod", "POST")
		added.Set("uri", call.URI)
		if call.Stream {
			added.Set("responseTransferMode", "STREAM")
		}
		if call.Credentials != nil {
			added.Set("credentials", call.Credentials)
		}
		definition.Default("responses", pyjson.New27())
	})
}

// AddStateMachine lets a method start a state machine.
func (s *Swagger) AddStateMachine(path, method any, call Integration, templates *dict) {
	s.addIntegration(path, method, call, "Integration", func(definition, added *dict) {
		added.Set("type", "aws")
		added.Set("httpMethod", "POST")
		added.Set("uri", call.URI)
		added.Set("responses", pyjson.New27("200", pyjson.New27("statusCode", "200"), "400", pyjson.New27("statusCode", "400")))
		added.Set("credentials", call.Credentials)
		definition.Default("responses", pyjson.New27("200", pyjson.New27("description", "OK"), "400", pyjson.New27("description", "Bad Request")))
		added.Update(pyjson.New("requestTemplates", templates))
	})
}

func (s *Swagger) addIntegration(path, method any, call Integration, what string, set func(definition, added *dict)) {
	name, _ := pyjson.Text(path)
	key := normalize(method)
	keyText, _ := pyjson.Text(key)
	if s.HasIntegration(name, method) {
		fail.Document("%s already exists on Path=%s, Method=%s", what, name, keyText)
	}
	s.AddPath(path, method)
	for _, item := range s.items(name) {
		definition := fail.Dict(item.Get(keyText))
		if definition == nil {
			fail.Odd("The method %s of the path %s has no definition.", keyText, name)
		}
		added := pyjson.New27()
		definition.Set(integration, added)
		set(definition, added)
		if pyjson.Truthy(call.Condition) {
			added.Set("uri", intrinsic.If(call.Condition, call.URI))
			item.Set(keyText, intrinsic.If(call.Condition, definition))
		}
	}
}

// eachMethod visits the methods of a path that have an integration.
func (s *Swagger) eachMethod(path string, visit func(method string, definition *dict)) {
	for _, item := range s.items(path) {
		for _, key := range item.Keys() {
			if slices.Contains(notMethods, key) {
				continue
			}
			for _, content := range contents(item.Get(key)) {
				definition := methodDefinition(content, path, key)
				if hasIntegration(definition) {
					name, _ := pyjson.Text(normalize(key))
					visit(name, definition)
				}
			}
		}
	}
}

// CORS is what a browser is told.
type CORS struct {
	Methods, Headers, Origin, MaxAge, Credentials any
}

// AddCORS lets the method OPTIONS of a path answer browsers.
func (s *Swagger) AddCORS(path string, c CORS) {
	for _, item := range s.items(path) {
		if item.Has("options") {
			continue
		}
		if !pyjson.Truthy(c.Origin) {
			fail.Template("Invalid input. Value for AllowedOrigins is required")
		}
		if !pyjson.Truthy(c.Methods) {
			c.Methods = "'" + allowedMethods(item) + "'"
		}
		item.Set("options", c.response())
	}
}

func allowedMethods(item *dict) string {
	names := append(item.Keys(), "options")
	if item.Has(AnyMethod) {
		names = []string{"OPTIONS", "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"}
	}
	for i := range names {
		names[i] = strings.ToUpper(names[i])
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ",")
}

// response is the definition of a method that answers with the headers of CORS.
func (c CORS) response() *dict {
	parameters := pyjson.New27("method.response.header.Access-Control-Allow-Origin", c.Origin)
	headers := pyjson.New27("Access-Control-Allow-Origin", pyjson.New("type", "string"))
	add := func(name string, value any, kind string) {
		parameters.Set("method.response.header."+name, value)
		headers.Set(name, pyjson.New("type", kind))
	}
	if pyjson.Truthy(c.Headers) {
		add("Access-Control-Allow-Headers", c.Headers, "string")
	}
	if pyjson.Truthy(c.Methods) {
		add("Access-Control-Allow-Methods", c.Methods, "string")
	}
	if c.MaxAge != nil {
		add("Access-Control-Max-Age", c.MaxAge, "integer")
	}
	if c.Credentials == true {
		add("Access-Control-Allow-Credentials", "'true'", "string")
	}
	return pyjson.New27(
		"summary", "CORS support",
		"consumes", []any{"application/json"},
		"produces", []any{"application/json"},
		integration, pyjson.New27(
			"type", "mock",
			"requestTemplates", pyjson.New("application/json", "{\n  \"statusCode\" : 200\n}\n"),
			"responses", pyjson.New27("default", pyjson.New27(
				"statusCode", "200",
				"responseParameters", parameters,
				"responseTemplates", pyjson.New("application/json", "{}\n")))),
		"responses", pyjson.New27("200", pyjson.New27("description", "Default response for CORS method", "headers", headers)))
}

// AddBinaryMediaTypes sets the content types that are binary; ~1 stands for a slash.
func (s *Swagger) AddBinaryMediaTypes(types any) {
	s.doc.Set(binaryMediaTypes, slashes(types))
}

func slashes(value any) any {
	switch v := value.(type) {
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = slashes(v[i])
		}
		return list
	case *dict:
		d := pyjson.New27()
		for _, key := range v.Keys() {
			d.SetKey(pyjson.Unicode(strings.ReplaceAll(key, "~1", "/")), slashes(v.Get(key)))
		}
		return d
	}
	if text, ok := pyjson.Text(value); ok {
		return pyjson.Unicode(strings.ReplaceAll(text, "~1", "/"))
	}
	return value
}

// AddValidator lets the gateway check requests of a method.
func (s *Swagger) AddValidator(path string, method any, body, parameters bool) {
	name := "no-validation"
	switch {
	case body && parameters:
		name = "body-and-params"
	case body:
		name = "body-only"
	case parameters:
		name = "params-only"
	}
	if !pyjson.Truthy(s.doc.Get(requestValidators)) {
		s.doc.Set(requestValidators, pyjson.New27())
	}
	all := fail.Dict(s.doc.Get(requestValidators))
	if !pyjson.Truthy(all.Get(name)) {
		all.Update(pyjson.New27(name, pyjson.New27("validateRequestBody", body, "validateRequestParameters", parameters)))
	}
	s.methodsAt(path, method, false, func(definition *dict) {
		definition.Update(pyjson.New27("x-amazon-apigateway-request-validator", name))
	})
}

// AddModel says of which model the body of a method's requests is.
func (s *Swagger) AddModel(path string, method any, model string, required any) {
	model = strings.ToLower(model)
	s.methodsAt(path, method, false, func(definition *dict) {
		switch {
		case s.doc.Get("swagger") != nil:
			parameter := pyjson.New27("in", "body", "name", pyjson.Unicode(model), "schema", pyjson.New("$ref", "#/definitions/"+model))
			if required != nil {
				parameter.Set("required", required)
			}
			definition.Set("parameters", with(fail.List(definition.Get("parameters")), parameter))
		case pyjson.Truthy(s.doc.Get("openapi")) && IsVersion3(s.doc.Get("openapi")):
			body := pyjson.New("content", pyjson.New("application/json", pyjson.New("schema", pyjson.New("$ref", "#/components/schemas/"+model))))
			if required != nil {
				body.Set("required", required)
			}
			definition.Set("requestBody", body)
		}
	})
}

// Parameter is one that a method's requests have.
type Parameter struct {
	Name              any
	Required, Caching any
}

// AddParameters says which parameters the requests of a method have.
func (s *Swagger) AddParameters(path string, method any, parameters []Parameter) {
	s.methodsAt(path, method, false, func(definition *dict) {
		list := fail.List(definition.Get("parameters"))
		for _, p := range parameters {
			whole, _ := pyjson.Text(p.Name)
			location, name, _ := strings.Cut(strings.ReplaceAll(whole, "method.request.", ""), ".")
			in := pyjson.As(p.Name, location)
			if location == "querystring" {
				in = "query"
			}
			list = with(list, pyjson.New27("in", in, "name", pyjson.As(p.Name, name), "required", p.Required, "type", "string"))
			if pyjson.Truthy(p.Caching) {
				call := fail.Dict(definition.Get(integration))
				call.Set("cacheKeyParameters", with(fail.List(call.Get("cacheKeyParameters")), p.Name))
			}
		}
		definition.Set("parameters", list)
	})
}

// AddGatewayResponse sets what the gateway itself answers.
func (s *Swagger) AddGatewayResponse(kind any, response *dict) {
	fail.Dict(s.responses).SetKey(kind, response)
}

// AddModels defines models.
func (s *Swagger) AddModels(models *dict) {
	s.definitions = orEmpty(s.definitions)
	for _, name := range models.Keys() {
		if !pyjson.Truthy(fail.Dict(models.Get(name)).Get("type")) {
			fail.Document("'Models' schema is missing 'type'.")
		}
		fail.Dict(s.definitions).SetKey(pyjson.As(models.Key(name), strings.ToLower(name)), models.Get(name))
	}
}

var pathParameter = regexp.MustCompile(`\{([a-zA-Z0-9._-]+|[a-zA-Z0-9._-]+\+|proxy\+)\}`)

// PathPattern is a path with * for its parameters, as in ARNs.
func PathPattern(path string) string { return pathParameter.ReplaceAllString(path, "*") }
