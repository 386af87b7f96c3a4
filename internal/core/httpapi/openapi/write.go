package openapi

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/httpapi"
	"github.com/lambkin-dev/lambkin/internal/core/template/syntax"
)

// Write writes a document of an API and its definition, as JSON or YAML. Without
// extensions it says only what OpenAPI has words for.
func Write(api *httpapi.API, d *httpapi.Definition, address string, extensions, asYAML bool) (string, error) {
	version := "1.0"
	if api.Version != nil {
		version = *api.Version
	}
	info := map[string]any{"title": api.Name, "version": version}
	if api.Description != nil {
		info["description"] = *api.Description
	}
	root := map[string]any{"openapi": "3.0.1", "info": info, "servers": []any{map[string]any{"url": address}}, "paths": paths(d, extensions)}
	if schemes := securitySchemes(d, extensions); len(schemes) > 0 {
		root["components"] = map[string]any{"securitySchemes": schemes}
	}
	if extensions {
		root[importExport] = "1.0"
		if d.CORS != nil {
			cors, err := members(d.CORS)
			if err != nil {
				return "", err
			}
			root[corsMember] = cors
		}
		if api.DisableExecuteAPIEndpoint {
			root[endpointMember] = map[string]any{"disableExecuteApiEndpoint": true}
		}
		var tags []any
		for _, name := range slices.Sorted(maps.Keys(api.Tags)) {
			tags = append(tags, map[string]any{"name": name, tagValue: api.Tags[name]})
		}
		if tags != nil {
			root["tags"] = tags
		}
	}
	if asYAML {
		return syntax.YAML(root)
	}
	return syntax.JSON(root)
}

// members are the members of a value with small first letters, as documents have them.
func members(value any) (map[string]any, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	var all map[string]any
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.UseNumber()
	if err := decoder.Decode(&all); err != nil {
		return nil, err
	}
	out := make(map[string]any, len(all))
	for name, member := range all {
		out[strings.ToLower(name[:1])+name[1:]] = member
	}
	return out, nil
}

func paths(d *httpapi.Definition, extensions bool) map[string]any {
	out := map[string]any{}
	for i := range d.Routes {
		r := &d.Routes[i]
		method, path, _ := strings.Cut(r.Key, " ")
		name := strings.ToLower(method)
		operation := map[string]any{"responses": map[string]any{"default": map[string]any{"description": "Default response for " + r.Key}}}
		if r.Key == httpapi.DefaultRoute {
			name, path, operation["isDefaultRoute"] = anyMethod, "/$default", true
		} else if method == httpapi.AnyMethod {
			name = anyMethod
		}
		if r.OperationName != "" {
			operation["operationId"] = r.OperationName
		}
		var parameters []any
		for segment := range strings.SplitSeq(path, "/") {
			if strings.HasPrefix(segment, "{") {
				parameters = append(parameters, map[string]any{"name": strings.Trim(segment, "{+}"), "in": "path", "required": true, "schema": map[string]any{"type": "string"}})
			}
		}
		if parameters != nil {
			operation["parameters"] = parameters
		}
		switch r.AuthorizationType {
		case httpapi.AuthIAM:
			operation["security"] = []any{map[string]any{signedScheme: []any{}}}
		case httpapi.AuthJWT, httpapi.AuthLambda:
			scopes := []any{}
			for _, scope := range r.AuthorizationScopes {
				scopes = append(scopes, scope)
			}
			operation["security"] = []any{map[string]any{d.Authorizers[r.AuthorizerID].Name: scopes}}
		}
		if integration, ok := d.Integrations[strings.TrimPrefix(r.Target, "integrations/")]; ok && extensions {
			operation[integrationMember] = integrationOf(&integration)
		}
		item, _ := out[path].(map[string]any)
		if item == nil {
			item = map[string]any{}
			out[path] = item
		}
		item[name] = operation
	}
	return out
}

func integrationOf(i *httpapi.Integration) map[string]any {
	out := map[string]any{"type": strings.ToLower(i.Type), "payloadFormatVersion": i.PayloadFormatVersion, "connectionType": i.ConnectionType}
	for name, value := range map[string]string{"httpMethod": i.Method, "uri": i.URI, "integrationSubtype": i.Subtype} {
		if value != "" {
			out[name] = value
		}
	}
	if i.TimeoutMS != httpapi.MaxTimeoutMS {
		out["timeoutInMillis"] = json.Number(strconv.Itoa(i.TimeoutMS))
	}
	if i.CredentialsARN != "" {
		out["credentials"] = i.CredentialsARN
	}
	if i.Description != nil {
		out["description"] = *i.Description
	}
	if len(i.RequestParameters) > 0 {
		out["requestParameters"] = texts(i.RequestParameters)
	}
	if len(i.ResponseParameters) > 0 {
		mappings := map[string]any{}
		for status, mapping := range i.ResponseParameters {
			mappings[status] = texts(mapping)
		}
		out["responseParameters"] = mappings
	}
	return out
}

func texts(given map[string]string) map[string]any {
	out := make(map[string]any, len(given))
	for name, value := range given {
		out[name] = value
	}
	return out
}

// signedScheme is the name of the scheme of IAM authorization.
const signedScheme = "sigv4"

func securitySchemes(d *httpapi.Definition, extensions bool) map[string]any {
	out := map[string]any{}
	for i := range d.Routes {
		if d.Routes[i].AuthorizationType == httpapi.AuthIAM {
			out[signedScheme] = map[string]any{"type": "apiKey", "name": "Authorization", "in": "header", authType: "awsSigv4"}
		}
	}
	for _, a := range d.Authorizers {
		scheme := map[string]any{"type": "apiKey", "name": "Authorization", "in": "header"}
		if a.Type == httpapi.JWT {
			scheme = map[string]any{"type": "oauth2", "flows": map[string]any{}}
		}
		if extensions {
			scheme[authorizerMember] = authorizerOf(&a)
		}
		out[a.Name] = scheme
	}
	return out
}

func authorizerOf(a *httpapi.Authorizer) map[string]any {
	out := map[string]any{"type": strings.ToLower(a.Type), "identitySource": strings.Join(a.IdentitySource, ", ")}
	if a.JWT != nil {
		audience := []any{}
		for _, name := range a.JWT.Audience {
			audience = append(audience, name)
		}
		out["jwtConfiguration"] = map[string]any{"issuer": a.JWT.Issuer, "audience": audience}
		return out
	}
	out["authorizerUri"], out["authorizerPayloadFormatVersion"] = a.URI, a.PayloadFormatVersion
	if a.EnableSimpleResponses != nil {
		out["enableSimpleResponses"] = *a.EnableSimpleResponses
	}
	if a.TTLSeconds != nil {
		out["authorizerResultTtlInSeconds"] = json.Number(strconv.Itoa(*a.TTLSeconds))
	}
	if a.CredentialsARN != "" {
		out["authorizerCredentials"] = a.CredentialsARN
	}
	return out
}
