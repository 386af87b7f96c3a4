package openapi

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambkin-dev/lambkin/internal/core/restapi"
)

const function = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:000000000000:function:f/invocations"

// likeChalice is the form of the documents that Chalice imports.
const likeChalice = `{"swagger": "2.0", "info": {"version": "1.0", "title": "hello"}, "schemes": ["https"],
"x-amazon-apigateway-binary-media-types": ["image/png"],
"paths": {
 "/": {"get": {"consumes": ["application/json"], "produces": ["application/json"], "parameters": [], "security": [{"api_key": []}],
  "responses": {"200": {"description": "200 response", "schema": {"$ref": "#/definitions/Empty"}}},
  "x-amazon-apigateway-integration": {"responses": {"default": {"statusCode": "200"}}, "uri": "` + function + `", "passthroughBehavior": "when_no_match", "httpMethod": "POST", "contentHandling": "CONVERT_TO_TEXT", "type": "aws_proxy"}}},
 "/pets/{id}": {"parameters": [{"name": "id", "in": "path", "required": true, "type": "string"}],
  "get": {"security": [{"auth": []}], "responses": {}, "x-amazon-apigateway-integration": {"uri": "` + function + `", "httpMethod": "POST", "type": "aws_proxy"}},
  "options": {"consumes": ["application/json"], "produces": ["application/json"], "summary": "CORS",
   "responses": {"200": {"description": "Default", "headers": {"Access-Control-Allow-Origin": {"type": "string"}}}},
   "x-amazon-apigateway-integration": {"type": "mock", "requestTemplates": {"application/json": "{\"statusCode\": 200}"},
    "responses": {"default": {"statusCode": "200", "responseParameters": {"method.response.header.Access-Control-Allow-Origin": "'*'"}, "responseTemplates": {"application/json": "{}"}}}}}}},
"definitions": {"Empty": {"type": "object", "title": "Empty Schema"}},
"securityDefinitions": {"api_key": {"type": "apiKey", "name": "x-api-key", "in": "header"},
 "auth": {"type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "custom",
  "x-amazon-apigateway-authorizer": {"type": "token", "authorizerUri": "` + function + `", "authorizerResultTtlInSeconds": 0}}}}`

func TestSwaggerOfChalice(t *testing.T) {
	api, err := Read([]byte(likeChalice), Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	get := api.At("/").ResourceMethods["GET"]
	if api.Name != "hello" || api.BinaryMediaTypes[0] != "image/png" || !get.ApiKeyRequired || get.MethodIntegration.Type != restapi.TypeAWSProxy || get.MethodIntegration.PassthroughBehavior != restapi.PassWhenNoMatch ||
		get.MethodResponses["200"].ResponseModels["application/json"] != "Empty" || get.MethodIntegration.IntegrationResponses["200"].SelectionPattern != "" {
		t.Errorf("%+v %+v", api, get)
	}
	pet := api.At("/pets/{id}")
	if m := pet.ResourceMethods["GET"]; m.AuthorizationType != restapi.AuthCustom || api.Authorizers[m.AuthorizerId].IdentitySource != "method.request.header.Authorization" || *api.Authorizers[m.AuthorizerId].AuthorizerResultTtlInSeconds != 0 || !m.RequestParameters["method.request.path.id"] {
		t.Errorf("%+v", m)
	}
	if m := pet.ResourceMethods["OPTIONS"]; m.MethodIntegration.IntegrationResponses["200"].ResponseParameters["method.response.header.Access-Control-Allow-Origin"] != "'*'" || m.AuthorizationType != restapi.AuthNone {
		t.Errorf("%+v", m)
	}
}

// likeSAM is OpenAPI 3 in YAML, with what SAM writes into it.
const likeSAM = `
openapi: 3.0.1
info: {title: sam, version: '1.0'}
servers:
- url: /{basePath}
  variables: {basePath: {default: v1}}
x-amazon-apigateway-request-validators:
  body: {validateRequestBody: true, validateRequestParameters: false}
x-amazon-apigateway-request-validator: body
x-amazon-apigateway-gateway-responses:
  DEFAULT_4XX: {responseParameters: {gatewayresponse.header.Access-Control-Allow-Origin: "'*'"}}
x-amazon-apigateway-policy: {Version: '2012-10-17', Statement: [{Effect: Allow, Principal: '*', Action: execute-api:Invoke, Resource: ['execute-api:/*']}]}
paths:
  /x:
    x-amazon-apigateway-any-method:
      operationId: op
      security: [{iam: []}]
      requestBody: {$ref: '#/components/requestBodies/B'}
      responses: {'200': {description: d, content: {application/json: {schema: {type: object}}}}}
      x-amazon-apigateway-integration: {type: http_proxy, httpMethod: ANY, uri: 'http://example.com/', requestParameters: {integration.request.header.A: "'b'"}}
components:
  requestBodies: {B: {content: {application/json: {schema: {$ref: '#/components/schemas/Pet'}}}}}
  schemas: {Pet: {type: object, required: [name]}}
  securitySchemes: {iam: {type: apiKey, name: Authorization, in: header, x-amazon-apigateway-authtype: awsSigv4}}
`

func TestOpenAPI3(t *testing.T) {
	api, err := Read([]byte(likeSAM), Options{BasePath: "prepend"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	m := api.At("/v1/x").ResourceMethods[restapi.AnyMethod]
	if m.AuthorizationType != restapi.AuthIAM || m.RequestModels["application/json"] != "Pet" || !api.RequestValidators[m.RequestValidatorId].ValidateRequestBody || m.OperationName != "op" ||
		!strings.HasPrefix(m.MethodResponses["200"].ResponseModels["application/json"], "MODEL") || m.MethodIntegration.RequestParameters["integration.request.header.A"] != "'b'" {
		t.Errorf("%+v", m)
	}
	if !strings.Contains(api.Policy, "execute-api:Invoke") || api.GatewayResponses["DEFAULT_4XX"] == nil {
		t.Errorf("%+v", api)
	}
	merged, err := Read([]byte(likeChalice), Options{}, api)
	if err != nil {
		t.Fatal(err)
	}
	if merged.At("/v1/x") == nil || merged.At("/pets/{id}") == nil || merged.Name != "hello" {
		t.Errorf("%+v", merged)
	}
	if _, err := Read([]byte(likeChalice), Options{}, merged); err != nil { // the same again
		t.Error(err)
	}
}

// TestErrorsAreToldAtOnce, in the form that AWS has.
func TestErrorsAreToldAtOnce(t *testing.T) {
	_, err := Read([]byte(`{"swagger": "2.0", "info": {"title": "t"}, "paths": {
	 "/a": {"get": {"responses": {}, "x-amazon-apigateway-integration": {"type": "http", "httpMethod": "GET", "uri": "x"}}},
	 "/b/{p+}/c": {"get": {}},
	 "/d": {"post": {"parameters": [{"$ref": "#/parameters/none"}], "x-amazon-apigateway-integration": {"type": "mock", "responses": {"default": {"statusCode": "200"}}}}}}}`), Options{}, nil)
	var refusal *restapi.Error
	if !errors.As(err, &refusal) || refusal.Code != restapi.BadRequest {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Errors found during import:", "Unable to put integration on 'GET' for resource at path '/a': Invalid HTTP endpoint specified for URI", "Unable to create resource at path '/b/{p+}/c'",
		"Invalid reference: #/parameters/none", "Unable to put integration response on 'POST' for resource at path '/d'",
	} {
		if !strings.Contains(refusal.Message, want) {
			t.Errorf("%q is not in %s", want, refusal.Message)
		}
	}
}

// TestHostileDocuments are refused soon.
func TestHostileDocuments(t *testing.T) {
	head := `{"swagger": "2.0", "info": {"title": "t"}, `
	for name, text := range map[string]string{
		"no document":   "]",
		"empty":         "",
		"a list":        "[]",
		"other":         `{"hello": 1}`,
		"no title":      `{"swagger": "2.0", "paths": {}}`,
		"too new":       `{"openapi": "3.1.0", "info": {"title": "t"}}`,
		"deep":          head + `"definitions": ` + strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_000) + "}",
		"cycle":         head + `"paths": {"/": {"get": {"parameters": [{"$ref": "#/parameters/a"}]}}}, "parameters": {"a": {"$ref": "#/parameters/b"}, "b": {"$ref": "#/parameters/a"}}}`,
		"self":          head + `"paths": {"/": {"$ref": "#/paths/~1"}}}`,
		"outside":       head + `"paths": {"/": {"$ref": "file:///etc/passwd"}}}`,
		"many paths":    head + `"paths": {` + strings.Repeat(`"/a/b": {},`, 1) + manyPaths() + `}}`,
		"aliases":       "swagger: '2.0'\ninfo: {title: t}\na: &a [1,1]\nb: &b [*a,*a]\nc: [*b,*b]\n",
		"bad validator": head + `"paths": {"/": {"get": {"x-amazon-apigateway-request-validator": "no"}}}}`,
		"cognito":       head + `"securityDefinitions": {"c": {"type": "apiKey", "x-amazon-apigateway-authtype": "cognito_user_pools"}}}`,
		"relative":      head + `"paths": {"a": {}}}`,
	} {
		started := time.Now()
		_, err := Read([]byte(text), Options{}, nil)
		var refusal *restapi.Error
		if !errors.As(err, &refusal) || refusal.Code != restapi.BadRequest {
			t.Errorf("%s: %v", name, err)
		}
		if len(refusal.Message) > 10_000 {
			t.Errorf("%s: a message of %d bytes", name, len(refusal.Message))
		}
		t.Logf("%s: %v", name, time.Since(started))
	}
}

// manyPaths is a document with more resources than an API may have.
func manyPaths() string {
	var b strings.Builder
	for i := range 20_000 {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`"/p` + strings.Repeat("x", i%7) + string(rune('a'+i%26)) + strings.Repeat("y", i/1000) + "/" + string(rune('a'+i/26%26)) + `/{z}": {}`)
	}
	return b.String()
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(likeChalice))
	f.Add([]byte(likeSAM))
	f.Add([]byte(`{"swagger": "2.0", "info": {"title": 1}, "paths": {"//{a}{b}/": {"get": [], "parameters": {}}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		api, err := Read(text, Options{BasePath: "prepend"}, nil)
		var refusal *restapi.Error
		if err != nil && !errors.As(err, &refusal) {
			t.Errorf("%v", err)
		}
		if err == nil && (api.Root() == nil || len(api.Resources) > restapi.MaxResources) {
			t.Errorf("%d resources", len(api.Resources))
		}
	})
}

// TestWhatIsWrittenIsReadAgain, in both versions.
func TestWhatIsWrittenIsReadAgain(t *testing.T) {
	for _, text := range []string{likeChalice, likeSAM} {
		api, err := Read([]byte(text), Options{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, swagger := range []bool{true, false} {
			document, err := json.Marshal(Write(&api.Definition, Export{Swagger: swagger, Integrations: true, Authorizers: true, Title: api.Name, Version: "1", Host: "h", Stage: "s"}))
			if err != nil {
				t.Fatal(err)
			}
			again, err := Read(document, Options{}, nil)
			if err != nil {
				t.Fatalf("%v: %s", err, document)
			}
			if diff := cmp.Diff(plain(api), plain(again)); diff != "" {
				t.Errorf("swagger %v: %s", swagger, diff)
			}
		}
	}
}

// plain is a definition without what is made anew each time: ids, and what their
// maps are keyed by.
func plain(api *restapi.API) map[string]any {
	out := map[string]any{"binary": api.BinaryMediaTypes, "policy": api.Policy}
	for _, r := range api.Resources {
		for name, m := range r.ResourceMethods {
			shown := *m
			if z := api.Authorizers[m.AuthorizerId]; z != nil {
				shown.AuthorizerId = z.Name + " " + z.Type + " " + z.AuthorizerUri + " " + z.IdentitySource
			}
			if v := api.RequestValidators[m.RequestValidatorId]; v != nil {
				shown.RequestValidatorId = v.Name
			}
			if m.MethodIntegration != nil {
				i := *m.MethodIntegration
				i.CacheNamespace = ""
				shown.MethodIntegration = &i
			}
			out[r.Path+" "+name] = shown
		}
	}
	for kind, g := range api.GatewayResponses {
		out["answer "+kind] = *g
	}
	return out
}
