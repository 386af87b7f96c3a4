package openapi

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/restapi"
)

// Export says what a document shall have.
type Export struct {
	Swagger      bool // version 2.0, else OpenAPI 3.0
	Integrations bool // x-amazon-apigateway-integration
	Authorizers  bool // x-amazon-apigateway-authorizer
	Title        string
	Version      string
	Host, Stage  string
}

// writer builds a document.
type writer struct {
	Export
	d *restapi.Definition
}

// Write makes a document of a definition. Read makes the same definition of it, if it
// has the extensions.
func Write(d *restapi.Definition, e Export) map[string]any {
	w := &writer{e, d}
	document := map[string]any{"info": map[string]any{"title": e.Title, "version": e.Version}, "paths": w.paths()}
	schemas := map[string]any{}
	for name, m := range d.Models {
		var schema any
		if json.Unmarshal([]byte(m.Schema), &schema) == nil {
			schemas[name] = schema
		}
	}
	if e.Swagger {
		document["swagger"], document["host"], document["basePath"], document["schemes"] = "2.0", e.Host, "/"+e.Stage, []string{"https"}
		document["definitions"], document["securityDefinitions"] = schemas, w.securitySchemes()
	} else {
		document["openapi"] = "3.0.1"
		document["servers"] = []any{map[string]any{"url": "https://" + e.Host + "/{basePath}", "variables": map[string]any{"basePath": map[string]any{"default": e.Stage}}}}
		document["components"] = map[string]any{"schemas": schemas, "securitySchemes": w.securitySchemes()}
	}
	if e.Integrations {
		w.extend(document)
	}
	return document
}

// extend adds the extensions of the document itself.
func (w *writer) extend(document map[string]any) {
	d := w.d
	if len(d.BinaryMediaTypes) > 0 {
		document["x-amazon-apigateway-binary-media-types"] = d.BinaryMediaTypes
	}
	if d.MinimumCompressionSize != nil {
		document["x-amazon-apigateway-minimum-compression-size"] = *d.MinimumCompressionSize
	}
	if d.ApiKeySource == restapi.KeyOfAuthorizer {
		document["x-amazon-apigateway-api-key-source"] = d.ApiKeySource
	}
	var policy any
	if json.Unmarshal([]byte(d.Policy), &policy) == nil {
		document["x-amazon-apigateway-policy"] = policy
	}
	validators, answers := map[string]any{}, map[string]any{}
	for _, v := range d.RequestValidators {
		validators[v.Name] = map[string]any{"validateRequestBody": v.ValidateRequestBody, "validateRequestParameters": v.ValidateRequestParameters}
	}
	for kind, g := range d.GatewayResponses {
		answers[kind] = set(map[string]any{}, "statusCode", g.StatusCode, "responseParameters", g.ResponseParameters, "responseTemplates", g.ResponseTemplates)
	}
	set(document, "x-amazon-apigateway-request-validators", validators, "x-amazon-apigateway-gateway-responses", answers)
}

// set puts the pairs whose value is not empty.
func set(into map[string]any, pairs ...any) map[string]any {
	for i := 0; i < len(pairs); i += 2 {
		switch v := pairs[i+1].(type) {
		case string:
			if v == "" {
				continue
			}
		case map[string]string:
			if len(v) == 0 {
				continue
			}
		case map[string]any:
			if len(v) == 0 {
				continue
			}
		}
		into[pairs[i].(string)] = pairs[i+1]
	}
	return into
}

// keyScheme is the name of the scheme of API keys.
const keyScheme = "api_key"

func (w *writer) securitySchemes() map[string]any {
	schemes := map[string]any{}
	for _, r := range w.d.Resources {
		for _, m := range r.ResourceMethods {
			if m.ApiKeyRequired {
				schemes[keyScheme] = map[string]any{"type": "apiKey", "name": "x-api-key", "in": "header"}
			}
			if m.AuthorizationType == restapi.AuthIAM {
				schemes["sigv4"] = map[string]any{"type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "awsSigv4"}
			}
		}
	}
	for _, z := range w.d.Authorizers {
		name := "Unused"
		if header, found := strings.CutPrefix(z.IdentitySource, "method.request.header."); found && !strings.Contains(header, ",") {
			name = header
		}
		scheme := map[string]any{"type": "apiKey", "name": name, "in": "header", "x-amazon-apigateway-authtype": z.AuthType}
		if w.Authorizers {
			scheme["x-amazon-apigateway-authorizer"] = set(map[string]any{"type": strings.ToLower(z.Type), "authorizerResultTtlInSeconds": z.AuthorizerResultTtlInSeconds}, "authorizerUri", z.AuthorizerUri,
				"authorizerCredentials", z.AuthorizerCredentials, "identitySource", z.IdentitySource, "identityValidationExpression", z.IdentityValidationExpression)
		}
		schemes[z.Name] = scheme
	}
	return schemes
}

func (w *writer) paths() map[string]any {
	paths := map[string]any{}
	for _, r := range w.d.Resources {
		item := map[string]any{}
		for method, m := range r.ResourceMethods {
			key := strings.ToLower(method)
			if method == restapi.AnyMethod {
				key = anyMethod
			}
			item[key] = w.operation(m)
		}
		if len(item) > 0 {
			paths[r.Path] = item
		}
	}
	return paths
}

func (w *writer) operation(m *restapi.Method) map[string]any {
	o := map[string]any{"responses": w.responses(m)}
	set(o, "operationId", m.OperationName)
	w.inputs(o, m)
	if security := w.security(m); len(security) > 0 {
		o["security"] = security
	}
	if !w.Integrations {
		return o
	}
	if v := w.d.RequestValidators[m.RequestValidatorId]; v != nil {
		o["x-amazon-apigateway-request-validator"] = v.Name
	}
	if i := m.MethodIntegration; i != nil {
		o["x-amazon-apigateway-integration"] = integrationOf(i)
	}
	return o
}

func (w *writer) security(m *restapi.Method) (needs []any) {
	needed := map[string]any{}
	if m.AuthorizationType == restapi.AuthIAM {
		needed["sigv4"] = []string{}
	}
	if z := w.d.Authorizers[m.AuthorizerId]; z != nil {
		needed[z.Name] = append([]string{}, m.AuthorizationScopes...)
	}
	if m.ApiKeyRequired {
		needed[keyScheme] = []string{}
	}
	for _, name := range slices.Sorted(maps.Keys(needed)) {
		needs = append(needs, map[string]any{name: needed[name]})
	}
	return needs
}

// schemaOf refers to a model.
func (w *writer) schemaOf(model string) map[string]any {
	if w.Swagger {
		return map[string]any{"$ref": "#/definitions/" + model}
	}
	return map[string]any{"$ref": "#/components/schemas/" + model}
}

// inputs are the parameters and the body.
func (w *writer) inputs(o map[string]any, m *restapi.Method) {
	parameters := []any{}
	where := map[string]string{"path": "path", "querystring": "query", "header": "header"}
	for _, key := range slices.Sorted(maps.Keys(m.RequestParameters)) {
		place, name, _ := strings.Cut(strings.TrimPrefix(key, "method.request."), ".")
		if where[place] == "" {
			continue
		}
		p := map[string]any{"name": name, "in": where[place], "required": m.RequestParameters[key]}
		if w.Swagger {
			p["type"] = "string"
		} else {
			p["schema"] = map[string]any{"type": "string"}
		}
		parameters = append(parameters, p)
	}
	types := slices.Sorted(maps.Keys(m.RequestModels))
	if len(types) > 0 && w.Swagger {
		o["consumes"] = types
		parameters = append(parameters, map[string]any{"in": "body", "name": m.RequestModels[types[0]], "required": true, "schema": w.schemaOf(m.RequestModels[types[0]])})
	}
	if len(types) > 0 && !w.Swagger {
		o["requestBody"] = map[string]any{"required": true, "content": w.content(m.RequestModels)}
	}
	if len(parameters) > 0 {
		o["parameters"] = parameters
	}
}

func (w *writer) content(models map[string]string) map[string]any {
	content := map[string]any{}
	for contentType, model := range models {
		content[contentType] = map[string]any{"schema": w.schemaOf(model)}
	}
	return content
}

func (w *writer) responses(m *restapi.Method) map[string]any {
	responses := map[string]any{}
	for status, r := range m.MethodResponses {
		answer := map[string]any{"description": status + " response"}
		headers := map[string]any{}
		for parameter := range r.ResponseParameters {
			header := map[string]any{"type": "string"}
			if !w.Swagger {
				header = map[string]any{"schema": header}
			}
			headers[strings.TrimPrefix(parameter, "method.response.header.")] = header
		}
		set(answer, "headers", headers)
		switch {
		case len(r.ResponseModels) == 0:
		case w.Swagger:
			answer["schema"] = w.schemaOf(r.ResponseModels[slices.Sorted(maps.Keys(r.ResponseModels))[0]])
		default:
			answer["content"] = w.content(r.ResponseModels)
		}
		responses[status] = answer
	}
	return responses
}

func integrationOf(i *restapi.Integration) map[string]any {
	answers := map[string]any{}
	for _, r := range i.IntegrationResponses {
		pattern := r.SelectionPattern
		if pattern == "" {
			pattern = "default"
		}
		answers[pattern] = set(map[string]any{"statusCode": r.StatusCode}, "responseParameters", r.ResponseParameters, "responseTemplates", r.ResponseTemplates, "contentHandling", r.ContentHandling)
	}
	return set(map[string]any{"type": strings.ToLower(i.Type), "passthroughBehavior": strings.ToLower(i.PassthroughBehavior), "timeoutInMillis": i.TimeoutInMillis}, "httpMethod", i.HttpMethod, "uri", i.Uri,
		"credentials", i.Credentials, "requestParameters", i.RequestParameters, "requestTemplates", i.RequestTemplates, "contentHandling", i.ContentHandling, "responses", answers)
}
