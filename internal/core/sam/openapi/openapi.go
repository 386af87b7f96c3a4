package openapi

import (
	"regexp"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/sam/fail"
	"github.com/lambkin-dev/lambkin/internal/core/sam/intrinsic"
	"github.com/lambkin-dev/lambkin/internal/core/sam/pyjson"
)

// DefaultRoute is the path that takes what no other path does.
const DefaultRoute = "$default"

const cors = "x-amazon-apigateway-cors"

// OpenAPI edits the definition of an HTTP API.
type OpenAPI struct {
	editor
	schemes any // components.securitySchemes
	tags    any
	info    any
}

// Skeleton is the definition of an HTTP API without paths.
func Skeleton() *dict {
	return pyjson.New27("openapi", "3.0.1",
		"info", pyjson.New27("version", "1.0", "title", defaultTitle()),
		"paths", pyjson.New27())
}

func defaultTitle() *dict { return intrinsic.Ref("AWS::StackName") }

// HasDefaultTitle tells the title of Skeleton.
func HasDefaultTitle(title any) bool { return pyjson.Equal(title, defaultTitle()) }

// IsOpenAPI tells a definition that can be edited.
func IsOpenAPI(value any) bool {
	doc, _ := value.(*dict)
	_, ok := doc.Get("paths").(*dict)
	return ok && pyjson.Truthy(doc.Get("openapi")) && IsVersion3(doc.Get("openapi"))
}

// NewOpenAPI starts to edit.
func NewOpenAPI(definition any) *OpenAPI {
	if !IsOpenAPI(definition) {
		fail.Document("Invalid OpenApi document. Invalid values or missing keys for 'openapi' or 'paths' in 'DefinitionBody'.")
	}
	doc := copied(definition.(*dict))
	o := &OpenAPI{editor: editor{doc: doc, paths: doc.Get("paths").(*dict)}}
	schemes, wrong := GetDeep(doc, "components", "securitySchemes")
	if wrong != "" {
		fail.Document("Invalid OpenApi document: %s", wrong)
	}
	o.schemes, o.info, o.tags = orEmpty(schemes), orEmpty(doc.Get("info")), doc.Get("tags")
	if !pyjson.Truthy(o.tags) {
		o.tags = []any{}
	}
	return o
}

// Document is the definition with all changes.
func (o *OpenAPI) Document() *dict {
	o.doc.Set("paths", o.paths)
	if pyjson.Truthy(o.tags) {
		o.doc.Set("tags", o.tags)
	}
	if pyjson.Truthy(o.schemes) {
		if !pyjson.Truthy(o.doc.Get("components")) {
			o.doc.Set("components", pyjson.New27())
		}
		fail.Dict(o.doc.Get("components")).Set("securitySchemes", o.schemes)
	}
	if pyjson.Truthy(o.info) {
		o.doc.Set("info", o.info)
	}
	return copied(o.doc)
}

var functionARN = regexp.MustCompile(`[A-Za-z0-9]+\.Arn`)

// Calls tells whether a method calls the function of a logical id.
func (o *OpenAPI) Calls(path string, method any, function string) bool {
	if !o.HasIntegration(path, method) {
		return false
	}
	calls := true
	o.methodsAt(path, normalize(method), true, func(definition *dict) {
		call := definition.Get(integration)
		if call == nil {
			call = pyjson.New()
		}
		uri, ok := MustDict(call, "Value of '%s' must be a dictionary according to Swagger spec.", integration).Get("uri").(*dict)
		if !ok {
			calls = false
			return
		}
		for _, content := range contents(uri) {
			text, _ := pyjson.Text(fail.Dict(content).Get("Fn::Sub"))
			if functionARN.FindString(text) != function+".Arn" {
				calls = false
			}
		}
	})
	return calls
}

// AddLambda lets a method call a function, unless it has an integration.
func (o *OpenAPI) AddLambda(path, method any, call Integration) {
	name, _ := pyjson.Text(path)
	key, _ := pyjson.Text(normalize(method))
	if o.HasIntegration(name, method) {
		return
	}
	o.AddPath(path, method)
	uri := call.URI
	if pyjson.Truthy(call.Condition) {
		uri = intrinsic.If(call.Condition, uri)
	}
	for _, item := range o.items(name) {
		if item.Get(key) == nil {
			item.Set(key, pyjson.New27())
		}
		definition := fail.Dict(item.Get(key))
		definition.Set(integration, pyjson.New27("type", "aws_proxy", "httpMethod", "POST", "payloadFormatVersion", "2.0", "uri", uri))
		if name == DefaultRoute && key == AnyMethod {
			definition.Set("isDefaultRoute", true)
		}
		definition.Default("responses", pyjson.New27())
		if pyjson.Truthy(call.Condition) {
			item.Set(key, intrinsic.If(call.Condition, definition))
		}
	}
}

// AddPathParameters declares the parameters in a path.
func (o *OpenAPI) AddPathParameters(path string, method any, names []string) {
	o.methodsAt(path, method, false, func(definition *dict) {
		list := fail.List(definition.Default("parameters", []any{}))
		for _, name := range names {
			at := slices.IndexFunc(list, func(p any) bool { return pyjson.Is(fail.Dict(p).Get("name"), name) })
			if at < 0 {
				list = with(list, pyjson.New27("name", pyjson.Unicode(name), "in", "path", "required", true))
				continue
			}
			list[at].(*dict).Set("in", "path")
			list[at].(*dict).Set("required", true)
		}
		definition.Set("parameters", list)
	})
}

// SetPayloadVersion sets the format of a method's events.
func (o *OpenAPI) SetPayloadVersion(path string, method, version any) {
	o.methodsAt(path, method, false, func(definition *dict) {
		fail.Dict(definition.Get(integration)).Set("payloadFormatVersion", version)
	})
}

// AddAuthorizer defines an authorizer.
func (o *OpenAPI) AddAuthorizer(name any, definition *dict) {
	fail.Dict(o.schemes).SetKey(name, definition)
}

// DefaultAuthorizer guards the methods of a path that have no security of their own.
func (o *OpenAPI) DefaultAuthorizer(path string, authorizer any, scopes any) {
	for _, item := range o.items(path) {
		for _, key := range item.Keys() {
			name, _ := pyjson.Text(normalize(key))
			if name == "parameters" || name == "options" {
				continue
			}
			if !item.Has(name) {
				fail.Document("Could not find %s in %s within DefinitionBody.", name, path)
			}
			for _, content := range contents(item.Get(key)) {
				definition := methodDefinition(content, path, key)
				if !hasIntegration(definition) || pyjson.Truthy(definition.Get("security")) {
					continue
				}
				entry := pyjson.New()
				entry.SetKey(authorizer, scopes)
				definition.Set("security", []any{entry})
			}
		}
	}
}

// MethodAuthorizer guards one method.
func (o *OpenAPI) MethodAuthorizer(path string, method, authorizer, authorizers, scopes any) {
	name, _ := pyjson.Text(authorizer)
	methodName, _ := pyjson.Text(method)
	o.methodsAt(path, method, false, func(definition *dict) {
		entry := pyjson.New()
		entry.SetKey(authorizer, []any{})
		if name != "NONE" && name != "AWS_IAM" {
			own, _ := authorizerScopes(authorizers, name)
			if pyjson.Truthy(scopes) {
				own = scopes
			}
			if pyjson.Truthy(fail.Dict(authorizers).Get(name)) && pyjson.Truthy(own) {
				entry.Set(name, own)
			}
		}
		definition.Set("security", with(securityOf(definition, path, methodName), entry))
	})
}

// AddTags tags the API.
func (o *OpenAPI) AddTags(tags *dict) {
	for _, name := range tags.Keys() {
		list, ok := o.tags.([]any)
		if !ok {
			fail.Document("Tags in OpenApi DefinitionBody needs to be a list. %s is a %s not a list.", pyjson.String(o.tags), pyjson.TypeName(o.tags))
		}
		at := slices.IndexFunc(list, func(tag any) bool { return pyjson.Is(fail.Dict(tag).Get("name"), name) })
		if at >= 0 {
			list[at].(*dict).Set("x-amazon-apigateway-tag-value", tags.Get(name))
			continue
		}
		o.tags = with(list, pyjson.New27("name", tags.Key(name), "x-amazon-apigateway-tag-value", tags.Get(name)))
	}
}

// DisableExecuteAPIEndpoint sets whether clients may use the default endpoint.
func (o *OpenAPI) DisableExecuteAPIEndpoint(disable any) {
	servers := []any{pyjson.New27()}
	if o.doc.Has("servers") {
		servers = fail.List(o.doc.Get("servers"))
	}
	for _, server := range servers {
		d := MustDict(server, "Value of 'servers' item must be a dictionary according to Swagger spec.")
		settings := d.Get(endpoint)
		if settings == nil {
			settings = pyjson.New()
		}
		fail.Dict(settings).Set("disableExecuteApiEndpoint", disable)
		d.Set(endpoint, settings)
	}
	o.doc.Set("servers", servers)
}

// HTTPCORS is what a browser is told. Origins may be an intrinsic function that gives
// all of it.
type HTTPCORS struct {
	Origins, Headers, Methods, Expose, MaxAge, Credentials any
}

// AddCORS adds to the API's configuration of CORS.
func (o *OpenAPI) AddCORS(c HTTPCORS) {
	existing := o.doc.Get(cors)
	if existing == nil {
		existing = pyjson.New()
	}
	settings := MustDict(existing, "Value of '%s' must be a dictionary according to Swagger spec.", cors)
	fields := []struct {
		name  string
		value any
		set   bool
	}{
		{"allowOrigins", c.Origins, pyjson.Truthy(c.Origins)},
		{"allowHeaders", c.Headers, pyjson.Truthy(c.Headers)},
		{"allowMethods", c.Methods, pyjson.Truthy(c.Methods)},
		{"exposeHeaders", c.Expose, pyjson.Truthy(c.Expose)},
		{"maxAge", c.MaxAge, c.MaxAge != nil},
		{"allowCredentials", c.Credentials, c.Credentials == true},
	}
	if pyjson.Truthy(c.Origins) && intrinsic.Is(c.Origins) {
		text := pyjson.Dump(c.Origins)
		for _, f := range fields {
			text = strings.ReplaceAll(text, strings.ToUpper(f.name[:1])+f.name[1:], f.name)
		}
		if renamed, err := pyjson.Decode([]byte(text)); err == nil {
			settings.Update(renamed.(*dict))
		}
	} else {
		for _, f := range fields {
			if f.set {
				settings.Set(f.name, f.value)
			}
		}
	}
	o.doc.Set(cors, settings)
}

// SetInfo sets an entry of the document's info.
func (o *OpenAPI) SetInfo(key string, value any) { fail.Dict(o.info).Set(key, value) }

var httpPathParameter = regexp.MustCompile(`\{([a-zA-Z0-9._-]+|proxy\+)\}`)

// HTTPPathPattern is PathPattern for an HTTP API, where only proxy+ is greedy.
func HTTPPathPattern(path string) string { return httpPathParameter.ReplaceAllString(path, "*") }
