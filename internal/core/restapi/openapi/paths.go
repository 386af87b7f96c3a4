package openapi

import (
	"maps"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/restapi"
)

// anyMethod is the operation for every method without one of its own.
const anyMethod = "x-amazon-apigateway-any-method"

var operations = map[string]string{"get": "GET", "put": "PUT", "post": "POST", "delete": "DELETE", "options": "OPTIONS", "head": "HEAD", "patch": "PATCH", anyMethod: restapi.AnyMethod}

func (r *reader) paths(options Options) error {
	if len(r.api.Resources) == 0 {
		restapi.AddRoot(&r.api.Definition)
	}
	base, err := r.base(options.BasePath)
	if err != nil {
		return err
	}
	paths := object(r.document["paths"])
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		if strings.HasPrefix(path, "x-") {
			continue
		}
		if !strings.HasPrefix(path, "/") {
			return restapi.Invalid("Invalid path specified: %s", path)
		}
		resource, err := r.resource(base + path)
		if err != nil {
			r.trouble("Unable to create resource at path '"+base+path+"'", err)
			continue
		}
		r.pathItem(resource, object(r.resolve(paths[path])))
	}
	return nil
}

// base is what is put before all paths.
func (r *reader) base(how string) (string, error) {
	base := scalarText(r.document["basePath"])
	if servers := list(r.document["servers"]); len(servers) > 0 {
		server := object(servers[0])
		base = scalarText(object(object(server["variables"])["basePath"])["default"])
	}
	base = strings.Trim(base, "/")
	switch how {
	case "", "ignore":
		return "", nil
	case "prepend":
	case "split":
		_, base, _ = strings.Cut(base, "/")
	default:
		return "", restapi.Invalid("Invalid basepath specified: %s", how)
	}
	if base == "" {
		return "", nil
	}
	return "/" + base, nil
}

// resource is that of a path, which is made if it is not there.
func (r *reader) resource(path string) (*restapi.Resource, error) {
	at := r.api.Root()
	for part := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		if part == "" {
			continue
		}
		below := r.child(at, part)
		if below == nil {
			var err error
			if below, err = r.api.AddResource(at.Id, part); err != nil {
				return nil, err
			}
		}
		at = below
	}
	return at, nil
}

func (r *reader) child(of *restapi.Resource, part string) *restapi.Resource {
	for _, resource := range r.api.Resources {
		if resource.ParentId == of.Id && resource.PathPart == part {
			return resource
		}
	}
	return nil
}

func (r *reader) pathItem(resource *restapi.Resource, item map[string]any) {
	shared := list(item["parameters"])
	for _, key := range slices.Sorted(maps.Keys(item)) {
		if method := operations[strings.ToLower(key)]; method != "" {
			r.operation(resource, method, object(item[key]), shared)
		}
	}
}

func (r *reader) operation(resource *restapi.Resource, method string, given map[string]any, shared []any) {
	place := "'" + method + "' for resource at path '" + resource.Path + "'"
	made := &restapi.Method{HttpMethod: method, AuthorizationType: restapi.AuthNone, OperationName: scalarText(given["operationId"]), RequestParameters: map[string]bool{}, RequestModels: map[string]string{}}
	r.parameters(made, append(slices.Clone(shared), list(given["parameters"])...), given)
	r.requestBody(made, given)
	r.security(made, given, place)
	r.validator(made, given, place)
	r.responses(made, given, place)
	delete(resource.ResourceMethods, method)
	if err := r.api.PutMethod(resource.Id, made); err != nil {
		r.trouble("Unable to create method "+place, err)
		return
	}
	if integration := object(r.resolve(given["x-amazon-apigateway-integration"])); len(integration) > 0 {
		r.integration(made, resource, integration, place)
	}
}

// parameters of a path, the query, the headers; Swagger has the body among them.
func (r *reader) parameters(m *restapi.Method, given []any, operation map[string]any) {
	places := map[string]string{"path": "path", "query": "querystring", "header": "header"}
	for i, parameter := range given {
		if i >= maxParameters {
			r.errors = append(r.errors, "An operation has too many parameters")
			return
		}
		p := object(r.resolve(parameter))
		required, _ := p["required"].(bool)
		where, name := scalarText(p["in"]), scalarText(p["name"])
		if place := places[where]; place != "" && name != "" {
			m.RequestParameters["method.request."+place+"."+name] = required
		}
		if where == "body" {
			if model := r.modelOf(p["schema"]); model != "" {
				for _, contentType := range r.contentTypes(operation, "consumes") {
					m.RequestModels[contentType] = model
				}
			}
		}
	}
}

func (r *reader) requestBody(m *restapi.Method, operation map[string]any) {
	content := object(object(r.resolve(operation["requestBody"]))["content"])
	for contentType, given := range content {
		if model := r.modelOf(object(given)["schema"]); model != "" {
			m.RequestModels[contentType] = model
		}
	}
}

// contentTypes are those that an operation, or else the document, consumes or produces.
func (r *reader) contentTypes(operation map[string]any, kind string) []string {
	for _, of := range []map[string]any{operation, r.document} {
		if types := texts(of[kind]); len(types) > 0 {
			return types
		}
	}
	return []string{"application/json"}
}

// security is who may call a method: the operation says it, or else the document.
func (r *reader) security(m *restapi.Method, operation map[string]any, place string) {
	given, own := operation["security"]
	if !own {
		given = r.document["security"]
	}
	for _, requirement := range list(given) {
		needed := object(requirement)
		for _, name := range slices.Sorted(maps.Keys(needed)) {
			switch {
			case r.keys[name]:
				m.ApiKeyRequired = true
			case r.types[name] == restapi.AuthCustom:
				m.AuthorizationType, m.AuthorizerId, m.AuthorizationScopes = restapi.AuthCustom, r.authorizers[name], texts(needed[name])
			case r.types[name] != "":
				m.AuthorizationType = r.types[name]
			case strings.EqualFold(name, "api_key"):
				m.ApiKeyRequired = true
			}
		}
	}
	if kind := scalarText(object(operation["x-amazon-apigateway-auth"])["type"]); kind != "" {
		m.AuthorizationType = strings.ToUpper(kind)
		if m.AuthorizationType == restapi.AuthCognito {
			r.trouble("Unable to create method "+place, restapi.ErrNoCognito)
		}
	}
}

func (r *reader) validator(m *restapi.Method, operation map[string]any, place string) {
	name := scalarText(operation["x-amazon-apigateway-request-validator"])
	if name == "" {
		name = scalarText(r.document["x-amazon-apigateway-request-validator"])
	}
	if name == "" {
		return
	}
	if m.RequestValidatorId = r.validators[name]; m.RequestValidatorId == "" {
		r.trouble("Unable to create method "+place, restapi.Invalid("Invalid request validator specified: %s", name))
	}
}

func (r *reader) responses(m *restapi.Method, operation map[string]any, place string) {
	given := object(operation["responses"])
	for _, status := range slices.Sorted(maps.Keys(given)) {
		answer := object(r.resolve(given[status]))
		made := &restapi.MethodResponse{StatusCode: status, ResponseParameters: map[string]bool{}, ResponseModels: map[string]string{}}
		if status == "default" || strings.HasPrefix(status, "x-") {
			continue // AWS: "default" is no status of a method
		}
		for header, value := range object(answer["headers"]) {
			required, _ := object(value)["required"].(bool)
			made.ResponseParameters["method.response.header."+header] = required
		}
		if model := r.modelOf(answer["schema"]); model != "" {
			for _, contentType := range r.contentTypes(operation, "produces") {
				made.ResponseModels[contentType] = model
			}
		}
		for contentType, content := range object(answer["content"]) {
			if model := r.modelOf(object(content)["schema"]); model != "" {
				made.ResponseModels[contentType] = model
			}
		}
		if err := r.api.PutMethodResponse(m, made); err != nil {
			r.trouble("Unable to create response for method "+place, err)
		}
	}
}

func (r *reader) integration(m *restapi.Method, resource *restapi.Resource, given map[string]any, place string) {
	made := &restapi.Integration{Type: strings.ToUpper(scalarText(given["type"])), HttpMethod: strings.ToUpper(scalarText(given["httpMethod"])), Uri: scalarText(given["uri"]), Credentials: scalarText(given["credentials"]),
		RequestParameters: textMap(given["requestParameters"]), RequestTemplates: textMap(given["requestTemplates"]), PassthroughBehavior: strings.ToUpper(scalarText(given["passthroughBehavior"])),
		ContentHandling: strings.ToUpper(scalarText(given["contentHandling"])), CacheNamespace: scalarText(given["cacheNamespace"]), CacheKeyParameters: texts(given["cacheKeyParameters"]),
		ConnectionType: strings.ToUpper(scalarText(given["connectionType"]))}
	if made.CacheNamespace == "" {
		made.CacheNamespace = resource.Id
	}
	if made.HttpMethod == "X-AMAZON-APIGATEWAY-ANY-METHOD" {
		made.HttpMethod = restapi.AnyMethod
	}
	if ms, ok := integer(given["timeoutInMillis"]); ok {
		made.TimeoutInMillis = ms
	}
	made.TlsInsecure, _ = object(given["tlsConfig"])["insecureSkipVerification"].(bool)
	if err := m.PutIntegration(made); err != nil {
		r.trouble("Unable to put integration on "+place, err)
		return
	}
	answers := object(given["responses"])
	for _, pattern := range slices.Sorted(maps.Keys(answers)) {
		a := object(answers[pattern])
		answer := &restapi.IntegrationResponse{StatusCode: scalarText(a["statusCode"]), SelectionPattern: pattern, ResponseParameters: textMap(a["responseParameters"]),
			ResponseTemplates: textMap(a["responseTemplates"]), ContentHandling: strings.ToUpper(scalarText(a["contentHandling"]))}
		if pattern == "default" {
			answer.SelectionPattern = ""
		}
		if err := made.PutResponse(m, answer); err != nil {
			r.trouble("Unable to put integration response on "+place, err)
		}
	}
}
