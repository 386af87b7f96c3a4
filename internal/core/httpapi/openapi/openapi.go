// Package openapi reads OpenAPI 3 documents, in JSON or YAML, with the extensions
// x-amazon-apigateway-*, into HTTP APIs, and writes them back.
//
// It promises: a hostile document is refused with an error of the caller, in time and
// memory bounded by its length; what is in a document and cannot take effect is
// refused when the API is built of it, and what AWS ignores is ignored.
//
// Pure: no state, no goroutines, no locks. Start reading at Read.
//
// AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-open-api.html
package openapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/httpapi"
	"github.com/lambkin-dev/lambkin/internal/core/template/syntax"
)

// MaxBytes bounds a document. AWS: 6 MB.
const MaxBytes = 6 << 20

// maxReferences bounds how many $ref may follow one another.
const maxReferences = 10

// The extensions.
const (
	extension         = "x-amazon-apigateway-"
	anyMethod         = extension + "any-method"
	integrationMember = extension + "integration"
	authorizerMember  = extension + "authorizer"
	corsMember        = extension + "cors"
	endpointMember    = extension + "endpoint-configuration"
	authType          = extension + "authtype"
	authMember        = extension + "auth"
	tagValue          = extension + "tag-value"
	importExport      = extension + "importexport-version"
)

// methods are the operations of a path, with those of route keys.
var methods = map[string]string{
	"get": "GET", "put": "PUT", "post": "POST", "delete": "DELETE", "options": "OPTIONS", "head": "HEAD", "patch": "PATCH", anyMethod: httpapi.AnyMethod,
}

// Document is a document that was read.
type Document struct {
	root     map[string]any
	basePath string
}

func bad(format string, values ...any) error {
	return &httpapi.Error{Kind: httpapi.BadRequest, Message: fmt.Sprintf(format, values...)}
}

// Read reads a document. base tells what becomes of the path of its first server:
// ignore (or empty), prepend or split.
func Read(text, base string) (*Document, error) {
	if len(text) > MaxBytes {
		return nil, bad("Invalid OpenAPI input: it is larger than %d bytes", MaxBytes)
	}
	root, err := syntax.Parse(text)
	if err != nil {
		return nil, bad("Invalid OpenAPI input: %s", syntax.Reason(err))
	}
	d := &Document{root: root}
	if version := word(root["openapi"]); !strings.HasPrefix(version, "3.") {
		return nil, bad("Invalid OpenAPI input: the version %.20q is not 3.0", version+word(root["swagger"]))
	}
	switch base {
	case "", "ignore":
	case "prepend", "split":
		d.basePath = d.serverPath()
		if base == "split" {
			_, rest, _ := strings.Cut(strings.TrimPrefix(d.basePath, "/"), "/")
			d.basePath = strings.TrimSuffix("/"+rest, "/")
		}
	default:
		return nil, bad("Invalid basepath: %.40s: it is ignore, prepend or split", base)
	}
	return d, nil
}

// serverPath is the path of the first server.
func (d *Document) serverPath() string {
	servers := list(d.root["servers"])
	if len(servers) == 0 {
		return ""
	}
	server := object(servers[0])
	address := word(server["url"])
	for name, variable := range object(server["variables"]) {
		address = strings.ReplaceAll(address, "{"+name+"}", word(object(variable)["default"]))
	}
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(u.Path, "/")
}

// Apply sets what a document says of the API itself.
func (d *Document) Apply(api *httpapi.API) error {
	info := object(d.root["info"])
	if title := word(info["title"]); title != "" {
		api.Name = title
	}
	if api.Name == "" {
		return bad("Invalid OpenAPI input: info has no title")
	}
	api.ProtocolType = httpapi.HTTP
	if version := word(info["version"]); version != "" {
		api.Version = &version
	}
	if description := word(info["description"]); description != "" {
		api.Description = &description
	}
	for _, item := range list(d.root["tags"]) {
		tag := object(item)
		if value, given := tag[tagValue]; given {
			if api.Tags == nil {
				api.Tags = map[string]string{}
			}
			api.Tags[word(tag["name"])] = word(value)
		}
	}
	if given, ok := d.root[corsMember].(map[string]any); ok {
		cors, err := convert[httpapi.CORS](capitals(given))
		if err != nil {
			return bad("Invalid %s: %s", corsMember, err)
		}
		api.CORS = &cors
	}
	if disabled, ok := object(d.root[endpointMember])["disableExecuteApiEndpoint"]; ok {
		api.DisableExecuteAPIEndpoint = word(disabled) == "true"
	}
	return nil
}

// Fill adds the authorizers, integrations and routes. forFunction marks what a
// function configured.
func (d *Document) Fill(b *httpapi.Builder, forFunction bool) error {
	f := &filler{Document: d, builder: b, forFunction: forFunction, authorizers: map[string]httpapi.Authorizer{}, signed: map[string]bool{}, integrations: map[string]string{}}
	if err := f.schemes(); err != nil {
		return err
	}
	paths := object(d.root["paths"])
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		item := object(d.resolve(paths[path]))
		for _, name := range slices.Sorted(maps.Keys(methods)) {
			operation, ok := item[name].(map[string]any)
			if !ok {
				continue
			}
			if err := f.route(path, methods[name], operation); err != nil {
				return err
			}
		}
	}
	return nil
}

// filler builds an API.
type filler struct {
	*Document
	builder      *httpapi.Builder
	forFunction  bool
	authorizers  map[string]httpapi.Authorizer // by the names of their schemes
	signed       map[string]bool               // schemes of IAM authorization
	integrations map[string]string             // ids, by their text: equal ones are one
}

// schemes makes the authorizers.
func (f *filler) schemes() error {
	schemes := object(object(f.root["components"])["securitySchemes"])
	for _, name := range slices.Sorted(maps.Keys(schemes)) {
		scheme := object(f.resolve(schemes[name]))
		if strings.EqualFold(word(scheme[authType]), "awsSigv4") {
			f.signed[name] = true
			continue
		}
		given, ok := f.resolve(scheme[authorizerMember]).(map[string]any)
		if !ok {
			continue // AWS: a scheme without an authorizer is documentation
		}
		a := httpapi.Authorizer{Name: name, Type: strings.ToUpper(word(given["type"])), URI: word(given["authorizerUri"]), CredentialsARN: word(given["authorizerCredentials"]),
			PayloadFormatVersion: word(given["authorizerPayloadFormatVersion"]), ForFunction: f.forFunction}
		if own := word(given["name"]); own != "" {
			a.Name = own
		}
		for _, source := range sources(given["identitySource"]) {
			if source = strings.TrimSpace(source); source != "" {
				a.IdentitySource = append(a.IdentitySource, source)
			}
		}
		if simple, ok := given["enableSimpleResponses"]; ok {
			on := word(simple) == "true"
			a.EnableSimpleResponses = &on
		}
		if ttl, err := strconv.Atoi(word(given["authorizerResultTtlInSeconds"])); err == nil {
			a.TTLSeconds = &ttl
		}
		if config, ok := given["jwtConfiguration"].(map[string]any); ok {
			a.JWT = &httpapi.JWTConfig{Issuer: word(config["issuer"]), Audience: sources(config["audience"])}
		}
		if err := f.builder.Authorizer(&a); err != nil {
			return err
		}
		f.authorizers[name] = a
	}
	return nil
}

// sources reads a list of texts, or one text with commas.
func sources(value any) []string {
	if items, ok := value.([]any); ok {
		texts := make([]string, len(items))
		for i, item := range items {
			texts[i] = word(item)
		}
		return texts
	}
	if text := word(value); text != "" {
		return strings.Split(text, ",")
	}
	return nil
}

func (f *filler) route(path, method string, operation map[string]any) error {
	r := httpapi.Route{Key: method + " " + f.basePath + path, OperationName: word(operation["operationId"])}
	if path == "/$default" || word(operation["isDefaultRoute"]) == "true" {
		r.Key = httpapi.DefaultRoute
	}
	if err := f.security(&r, operation); err != nil {
		return err
	}
	if given, ok := f.resolve(operation[integrationMember]).(map[string]any); ok {
		id, err := f.integration(given)
		if err != nil {
			return err
		}
		r.Target = "integrations/" + id
	}
	return f.builder.Route(&r)
}

// security is the authorization of a route: of the operation, or of all.
func (f *filler) security(r *httpapi.Route, operation map[string]any) error {
	if strings.EqualFold(word(object(operation[authMember])["type"]), httpapi.AuthIAM) {
		r.AuthorizationType = httpapi.AuthIAM
		return nil
	}
	given, ok := operation["security"]
	if !ok {
		given = f.root["security"]
	}
	for _, item := range list(given) {
		requirement := object(item)
		for _, name := range slices.Sorted(maps.Keys(requirement)) {
			if f.signed[name] {
				r.AuthorizationType = httpapi.AuthIAM
				continue
			}
			a, known := f.authorizers[name]
			if !known {
				continue
			}
			if r.AuthorizationType != "" {
				return bad("Route %s has more than one authorizer", r.Key)
			}
			r.AuthorizationType, r.AuthorizerID = httpapi.AuthLambda, a.ID
			if a.Type == httpapi.JWT {
				r.AuthorizationType, r.AuthorizationScopes = httpapi.AuthJWT, sources(requirement[name])
			}
		}
	}
	return nil
}

func (f *filler) integration(given map[string]any) (string, error) {
	text, err := json.Marshal(given)
	if err != nil {
		return "", bad("Invalid %s: %s", integrationMember, err)
	}
	if id, ok := f.integrations[string(text)]; ok {
		return id, nil
	}
	i := httpapi.Integration{Type: strings.ToUpper(word(given["type"])), Method: strings.ToUpper(word(given["httpMethod"])), URI: word(given["uri"]), CredentialsARN: word(given["credentials"]),
		ConnectionType: strings.ToUpper(word(given["connectionType"])), ConnectionID: word(given["connectionId"]), PayloadFormatVersion: word(given["payloadFormatVersion"]),
		Subtype: word(given["integrationSubtype"]), RequestParameters: words(given["requestParameters"]), ForFunction: f.forFunction}
	if i.Method == "X-AMAZON-APIGATEWAY-ANY-METHOD" {
		i.Method = httpapi.AnyMethod
	}
	if description := word(given["description"]); description != "" {
		i.Description = &description
	}
	if timeout, err := strconv.Atoi(word(given["timeoutInMillis"])); err == nil {
		i.TimeoutMS = timeout
	}
	if mappings, ok := given["responseParameters"].(map[string]any); ok {
		i.ResponseParameters = map[string]map[string]string{}
		for status, mapping := range mappings {
			i.ResponseParameters[status] = words(mapping)
		}
	}
	if err := f.builder.Integration(&i); err != nil {
		return "", err
	}
	f.integrations[string(text)] = i.ID
	return i.ID, nil
}

// resolve follows references within the document.
func (d *Document) resolve(value any) any {
	for range maxReferences {
		reference, ok := object(value)["$ref"].(string)
		if !ok {
			return value
		}
		path, ok := strings.CutPrefix(reference, "#/")
		if !ok {
			return nil // AWS: documents are read alone
		}
		value = any(d.root)
		for step := range strings.SplitSeq(path, "/") {
			value = object(value)[strings.NewReplacer("~1", "/", "~0", "~").Replace(step)]
		}
	}
	return nil
}

func object(value any) map[string]any {
	m, _ := value.(map[string]any)
	return m
}

func list(value any) []any {
	l, _ := value.([]any)
	return l
}

// word is a text, number or boolean as a text.
func word(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}

func words(value any) map[string]string {
	given := object(value)
	if len(given) == 0 {
		return nil
	}
	out := make(map[string]string, len(given))
	for name, member := range given {
		out[name] = word(member)
	}
	return out
}

// capitals names members as the types of core do.
func capitals(given map[string]any) map[string]any {
	out := make(map[string]any, len(given))
	for name, value := range given {
		if name != "" {
			out[strings.ToUpper(name[:1])+name[1:]] = value
		}
	}
	return out
}

func convert[T any](value any) (T, error) {
	var out T
	text, err := json.Marshal(value)
	if err != nil {
		return out, err
	}
	return out, json.Unmarshal(text, &out)
}
