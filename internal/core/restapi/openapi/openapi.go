// Package openapi reads OpenAPI documents (Swagger 2.0 and OpenAPI 3.0, in JSON or
// YAML, with the extensions x-amazon-apigateway-*) into definitions of REST APIs, and
// writes them back.
//
// It promises: a hostile document is refused with AWS's error, in time and memory
// bounded by its length; what is in a document and cannot take effect is refused,
// and what AWS ignores is ignored. Descriptions, which AWS makes documentation of,
// are dropped.
//
// Pure: no state, no goroutines, no locks. Start reading at Read.
//
// AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions.html
package openapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/restapi"
	"github.com/lambkin-dev/lambkin/internal/core/template/syntax"
)

// Limits of a document. AWS: 6 MB.
const (
	MaxBytes       = 6 << 20
	maxReferences  = 10 // one after the other
	maxParameters  = 1000
	maxErrorsShown = 20
)

// Options are the parameters of an import.
type Options struct {
	BasePath string // ignore, prepend or split
	Types    []string
}

// reader holds a document while it is read.
type reader struct {
	document map[string]any
	swagger  bool // version 2.0
	api      *restapi.API
	errors   []string

	authorizers map[string]string // ids, by the names of the document
	validators  map[string]string
	keys        map[string]bool   // security schemes that ask for an API key
	types       map[string]string // authorization types of the other schemes
	inline      map[string]string // models made of schemas without a name, by their text
}

// Read makes an API of a document; its name, description, version and definition
// are set, and Warnings. With into the document is merged into a copy of it.
func Read(text []byte, options Options, into *restapi.API) (*restapi.API, error) {
	if len(text) > MaxBytes {
		return nil, restapi.Invalid("Invalid OpenAPI input: it is larger than %d bytes", MaxBytes)
	}
	document, err := syntax.Parse(string(text))
	if err != nil {
		return nil, restapi.Invalid("Unable to parse API definition because of a malformed integration at path /: %s", syntax.Reason(err))
	}
	r := &reader{document: document, api: into, authorizers: map[string]string{}, validators: map[string]string{}, keys: map[string]bool{}, types: map[string]string{}, inline: map[string]string{}}
	switch version := scalarText(document["swagger"]) + scalarText(document["openapi"]); {
	case strings.HasPrefix(version, "2."):
		r.swagger = true
	case strings.HasPrefix(version, "3.0"):
	default:
		return nil, restapi.Invalid("Invalid OpenAPI input.")
	}
	if r.api == nil {
		r.api = &restapi.API{}
		r.api.Resources = map[string]*restapi.Resource{}
		r.api.ApiKeySource = restapi.KeyInHeader
	}
	if err := r.read(options); err != nil {
		return nil, err
	}
	if len(r.errors) > 0 {
		if len(r.errors) > maxErrorsShown {
			r.errors = append(r.errors[:maxErrorsShown], "...")
		}
		return nil, restapi.Invalid("Errors found during import:\n\t%s", strings.Join(r.errors, "\n\t"))
	}
	return r.api, nil
}

// trouble notes an error; AWS tells them all at once.
func (r *reader) trouble(what string, err error) {
	var refusal *restapi.Error
	message := err.Error()
	if asError(err, &refusal) {
		message = refusal.Message
	}
	r.errors = append(r.errors, fmt.Sprintf("%s: %s", what, message))
}

func (r *reader) read(options Options) error {
	info := object(r.document["info"])
	if title := scalarText(info["title"]); title != "" {
		r.api.Name = title
	}
	if r.api.Name == "" {
		return restapi.Invalid("Unable to create API: the title of the API is missing in info")
	}
	if description := scalarText(info["description"]); description != "" {
		r.api.Description = description
	}
	if version := scalarText(info["version"]); version != "" {
		r.api.Version = version
	}
	if err := r.settings(); err != nil {
		return err
	}
	r.models()
	r.securitySchemes()
	r.requestValidators()
	r.gatewayResponses()
	return r.paths(options)
}

// settings are the extensions of the document itself.
func (r *reader) settings() error {
	d := r.document
	if types, given := d["x-amazon-apigateway-binary-media-types"]; given {
		r.api.BinaryMediaTypes = texts(types)
	}
	if source := scalarText(d["x-amazon-apigateway-api-key-source"]); source != "" {
		r.api.ApiKeySource = source
	}
	if policy, given := d["x-amazon-apigateway-policy"]; given {
		encoded, err := json.Marshal(policy)
		if err != nil {
			return err
		}
		r.api.Policy = string(encoded)
	}
	if size, given := d["x-amazon-apigateway-minimum-compression-size"]; given {
		n, ok := integer(size)
		if !ok {
			return restapi.Invalid("Invalid minimum compression size, must be between 0 and 10485760")
		}
		r.api.MinimumCompressionSize = &n
	}
	endpoint := object(d["x-amazon-apigateway-endpoint-configuration"])
	for _, server := range list(d["servers"]) {
		if extension := object(object(server)["x-amazon-apigateway-endpoint-configuration"]); len(extension) > 0 {
			endpoint = extension
		}
	}
	if off, given := endpoint["disableExecuteApiEndpoint"].(bool); given {
		r.api.DisableExecuteApiEndpoint = off
	}
	if len(list(endpoint["vpcEndpointIds"])) > 0 {
		return restapi.Invalid("This platform has no private endpoints: it has no VPCs")
	}
	return nil
}

// models are the named schemas.
func (r *reader) models() {
	schemas := object(r.document["definitions"])
	if !r.swagger {
		schemas = object(object(r.document["components"])["schemas"])
	}
	if r.api.Models == nil {
		r.api.Models = map[string]*restapi.Model{}
	}
	for _, name := range slices.Sorted(maps.Keys(schemas)) {
		r.model(name, schemas[name])
	}
}

// model makes one, or replaces it.
func (r *reader) model(name string, schema any) {
	encoded, err := json.Marshal(schema)
	if err != nil {
		r.trouble("Unable to create model for '"+name+"'", err)
		return
	}
	delete(r.api.Models, name)
	made := &restapi.Model{Name: name, ContentType: "application/json", Schema: string(encoded), Description: scalarText(object(schema)["description"])}
	if err := r.api.AddModel(made); err != nil {
		r.trouble("Unable to create model for '"+name+"'", err)
	}
}

// modelOf is the name of the model that a schema refers to; a schema without a name
// becomes a model.
func (r *reader) modelOf(schema any) string {
	s := object(schema)
	if len(s) == 0 {
		return ""
	}
	if name := scalarText(s["$ref"]); name != "" {
		return name[strings.LastIndexByte(name, '/')+1:]
	}
	encoded, err := json.Marshal(schema)
	if err != nil {
		return ""
	}
	if made := r.inline[string(encoded)]; made != "" {
		return made
	}
	name := fmt.Sprintf("MODEL%06x", checksum(encoded)&0xffffff)
	r.model(name, schema)
	r.inline[string(encoded)] = name
	return name
}

// securitySchemes are API keys and authorizers.
func (r *reader) securitySchemes() {
	schemes := object(r.document["securityDefinitions"])
	if !r.swagger {
		schemes = object(object(r.document["components"])["securitySchemes"])
	}
	for _, name := range slices.Sorted(maps.Keys(schemes)) {
		r.securityScheme(name, object(r.resolve(schemes[name])))
	}
}

func (r *reader) securityScheme(name string, scheme map[string]any) {
	kind := scalarText(scheme["x-amazon-apigateway-authtype"])
	authorizer := object(scheme["x-amazon-apigateway-authorizer"])
	switch {
	case strings.EqualFold(kind, "awsSigv4"):
		r.types[name] = restapi.AuthIAM
	case strings.EqualFold(kind, "cognito_user_pools") || strings.EqualFold(scalarText(authorizer["type"]), "cognito_user_pools"):
		r.trouble("Unable to create authorizer for '"+name+"'", restapi.ErrNoCognito)
	case len(authorizer) > 0:
		r.authorizer(name, kind, scheme, authorizer)
	case strings.EqualFold(scalarText(scheme["name"]), "x-api-key"):
		r.keys[name] = true
	}
}

func (r *reader) authorizer(name, kind string, scheme, given map[string]any) {
	made := &restapi.Authorizer{Name: name, AuthType: kind, Type: strings.ToUpper(scalarText(given["type"])), AuthorizerUri: scalarText(given["authorizerUri"]),
		AuthorizerCredentials: scalarText(given["authorizerCredentials"]), IdentitySource: scalarText(given["identitySource"]),
		IdentityValidationExpression: scalarText(given["identityValidationExpression"])}
	if seconds, ok := integer(given["authorizerResultTtlInSeconds"]); ok {
		made.AuthorizerResultTtlInSeconds = &seconds
	}
	if made.Type == restapi.AuthorizerToken && made.IdentitySource == "" && scalarText(scheme["name"]) != "" {
		made.IdentitySource = "method.request.header." + scalarText(scheme["name"])
	}
	r.types[name] = restapi.AuthCustom
	for id, old := range r.api.Authorizers {
		if old.Name == name { // merged: the document's replaces it
			if err := made.Check(); err != nil {
				r.trouble("Unable to create authorizer for '"+name+"'", err)
			}
			made.Id, r.api.Authorizers[id], r.authorizers[name] = id, made, id
			return
		}
	}
	if err := r.api.AddAuthorizer(made); err != nil {
		r.trouble("Unable to create authorizer for '"+name+"'", err)
		return
	}
	r.authorizers[name] = made.Id
}

func (r *reader) requestValidators() {
	for id, v := range r.api.RequestValidators {
		r.validators[v.Name] = id
	}
	given := object(r.document["x-amazon-apigateway-request-validators"])
	for _, name := range slices.Sorted(maps.Keys(given)) {
		v := object(given[name])
		body, _ := v["validateRequestBody"].(bool)
		parameters, _ := v["validateRequestParameters"].(bool)
		if old := r.api.RequestValidators[r.validators[name]]; old != nil {
			old.ValidateRequestBody, old.ValidateRequestParameters = body, parameters
			continue
		}
		made := &restapi.RequestValidator{Name: name, ValidateRequestBody: body, ValidateRequestParameters: parameters}
		r.api.AddValidator(made)
		r.validators[name] = made.Id
	}
}

func (r *reader) gatewayResponses() {
	given := object(r.document["x-amazon-apigateway-gateway-responses"])
	for _, kind := range slices.Sorted(maps.Keys(given)) {
		g := object(given[kind])
		made := &restapi.GatewayResponse{ResponseType: kind, StatusCode: scalarText(g["statusCode"]), ResponseParameters: textMap(g["responseParameters"]), ResponseTemplates: textMap(g["responseTemplates"])}
		if err := r.api.PutGatewayResponse(made); err != nil {
			r.trouble("Unable to put gateway response '"+kind+"'", err)
		}
	}
}

// resolve follows a reference inside the document.
func (r *reader) resolve(value any) any {
	for range maxReferences {
		path, found := object(value)["$ref"].(string)
		if !found {
			return value
		}
		rest, inside := strings.CutPrefix(path, "#/")
		if !inside {
			r.errors = append(r.errors, "Invalid reference: "+path)
			return nil
		}
		value = any(r.document)
		for segment := range strings.SplitSeq(rest, "/") {
			value = object(value)[strings.ReplaceAll(strings.ReplaceAll(segment, "~1", "/"), "~0", "~")]
		}
		if value == nil {
			r.errors = append(r.errors, "Invalid reference: "+path)
			return nil
		}
	}
	r.errors = append(r.errors, "A reference never ends")
	return nil
}
