package openapi

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambkin-dev/lambkin/internal/core/httpapi"
	"github.com/lambkin-dev/lambkin/internal/engine/store/localstore"
)

var scope = httpapi.Scope{Account: "000000000000", Region: "us-east-1"}

const functionURI = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:000000000000:function:f/invocations"

// whole has something of everything that SAM and AWS's documentation write.
const whole = `
openapi: 3.0.1
info: {title: pets, version: "7", description: about pets}
servers: [{url: "https://x.example.com/{base}", variables: {base: {default: v1/deep}}}]
tags: [{name: "httpapi:createdBy", x-amazon-apigateway-tag-value: SAM}]
x-amazon-apigateway-cors: {allowOrigins: ["https://a.example"], maxAge: 5, allowCredentials: true}
paths:
  /pets:
    get:
      operationId: listPets
      security: [{jwt: [read, write]}]
      x-amazon-apigateway-integration: {$ref: "#/components/x-amazon-apigateway-integrations/fn"}
    post:
      security: [{ask: []}]
      x-amazon-apigateway-integration: {$ref: "#/components/x-amazon-apigateway-integrations/fn"}
    put:
      security: [{AWS_IAM: []}]
      x-amazon-apigateway-integration: {type: http_proxy, httpMethod: ANY, uri: "https://example.org/{x}", payloadFormatVersion: "1.0", timeoutInMillis: 1000, requestParameters: {"overwrite:path": /x}, responseParameters: {"200": {"append:header.x": y}}}
  /{proxy+}:
    x-amazon-apigateway-any-method:
      x-amazon-apigateway-integration: {$ref: "#/components/x-amazon-apigateway-integrations/fn"}
  /$default:
    x-amazon-apigateway-any-method:
      isDefaultRoute: true
      x-amazon-apigateway-integration: {$ref: "#/components/x-amazon-apigateway-integrations/fn"}
components:
  securitySchemes:
    jwt: {type: oauth2, x-amazon-apigateway-authorizer: {type: jwt, jwtConfiguration: {issuer: "https://issuer.example", audience: [app]}, identitySource: $request.header.Authorization}}
    ask: {type: apiKey, name: Authorization, in: header, x-amazon-apigateway-authorizer: {type: request, authorizerUri: "` + functionURI + `", authorizerPayloadFormatVersion: "2.0", enableSimpleResponses: true, authorizerResultTtlInSeconds: 60, identitySource: "$request.header.Authorization, $request.querystring.q"}}
    AWS_IAM: {type: apiKey, name: Authorization, in: header, x-amazon-apigateway-authtype: awsSigv4}
    note: {type: http, scheme: basic}
  x-amazon-apigateway-integrations:
    fn: {type: aws_proxy, httpMethod: POST, uri: "` + functionURI + `", payloadFormatVersion: "2.0"}
x-amazon-apigateway-importexport-version: "1.0"
`

func open(t testing.TB) *httpapi.APIs {
	t.Helper()
	state, err := localstore.Open(localstore.Config{Folder: filepath.Join(t.TempDir(), "store")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { state.Close() })
	apis, err := httpapi.New(httpapi.Config{Store: state})
	if err != nil {
		t.Fatal(err)
	}
	return apis
}

// load makes an API of a document.
func load(t testing.TB, apis *httpapi.APIs, text, base string) (*httpapi.API, error) {
	d, err := Read(text, base)
	if err != nil {
		return nil, err
	}
	var row httpapi.API
	if err := d.Apply(&row); err != nil {
		return nil, err
	}
	return apis.Create(t.Context(), scope, row, nil, func(b *httpapi.Builder) error { return d.Fill(b, false) })
}

// summary is an API without its ids.
func summary(t *testing.T, apis *httpapi.APIs, id string) map[string]string {
	t.Helper()
	_, d, err := apis.Now(t.Context(), scope, id)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, r := range d.Routes {
		i := d.Integrations[strings.TrimPrefix(r.Target, "integrations/")]
		out[r.Key] = strings.Join([]string{r.AuthorizationType, d.Authorizers[r.AuthorizerID].Name, strings.Join(r.AuthorizationScopes, "+"), r.OperationName, i.Type, i.Method, i.PayloadFormatVersion}, " ")
	}
	return out
}

func TestADocumentBecomesAnAPI(t *testing.T) {
	apis := open(t)
	made, err := load(t, apis, whole, "")
	if err != nil {
		t.Fatal(err)
	}
	if made.Name != "pets" || *made.Version != "7" || *made.Description != "about pets" || made.Tags["httpapi:createdBy"] != "SAM" || made.CORS.AllowOrigins[0] != "https://a.example" || *made.CORS.MaxAge != 5 || !*made.CORS.AllowCredentials {
		t.Errorf("%+v", made)
	}
	want := map[string]string{
		"GET /pets":     "JWT jwt read+write listPets AWS_PROXY POST 2.0",
		"POST /pets":    "CUSTOM ask   AWS_PROXY POST 2.0",
		"PUT /pets":     "AWS_IAM    HTTP_PROXY ANY 1.0",
		"ANY /{proxy+}": "NONE    AWS_PROXY POST 2.0",
		"$default":      "NONE    AWS_PROXY POST 2.0",
	}
	if diff := cmp.Diff(want, summary(t, apis, made.ID)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	_, d, err := apis.Now(t.Context(), scope, made.ID)
	if err != nil || len(d.Integrations) != 2 {
		t.Errorf("%d integrations, %v: equal ones are one", len(d.Integrations), err)
	}
	for _, a := range d.Authorizers {
		if a.Type == httpapi.Request && (len(a.IdentitySource) != 2 || *a.TTLSeconds != 60 || !*a.EnableSimpleResponses) {
			t.Errorf("%+v", a)
		}
	}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	apis := open(t)
	made, err := load(t, apis, whole, "")
	if err != nil {
		t.Fatal(err)
	}
	want := summary(t, apis, made.ID)
	for _, asYAML := range []bool{false, true} {
		row, d, err := apis.Now(t.Context(), scope, made.ID)
		if err != nil {
			t.Fatal(err)
		}
		text, err := Write(row, d, "http://x", true, asYAML)
		if err != nil {
			t.Fatal(err)
		}
		again, err := load(t, apis, text, "")
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		if diff := cmp.Diff(want, summary(t, apis, again.ID)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(made.CORS, again.CORS); diff != "" || again.Tags["httpapi:createdBy"] != "SAM" {
			t.Errorf("%s %v", diff, again.Tags)
		}
		if plain, err := Write(row, d, "http://x", false, asYAML); err != nil || strings.Contains(plain, "x-amazon-apigateway-integration") {
			t.Errorf("%v %s", err, plain)
		}
	}
}

func TestBasePaths(t *testing.T) {
	apis := open(t)
	for base, want := range map[string]string{"ignore": "GET /pets", "prepend": "GET /v1/deep/pets", "split": "GET /deep/pets"} {
		made, err := load(t, apis, whole, base)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := summary(t, apis, made.ID)[want]; !ok {
			t.Errorf("%s: %v", base, summary(t, apis, made.ID))
		}
	}
	if _, err := Read(whole, "other"); err == nil {
		t.Error("an unknown basepath was taken")
	}
}

func TestHostileDocuments(t *testing.T) {
	apis := open(t)
	const head = `{"openapi":"3.0.1","info":{"title":"x"},"paths":`
	for name, text := range map[string]string{
		"nothing":              "",
		"no document":          "[1]",
		"swagger":              `{"swagger":"2.0","info":{"title":"x"}}`,
		"no title":             `{"openapi":"3.0.1","info":{}}`,
		"a loop of references": head + `{"/x":{"get":{"x-amazon-apigateway-integration":{"$ref":"#/a"}}}},"a":{"$ref":"#/a"},"x":` + `1,"y":{"$ref":"#/y"}}`,
		"a bad path":           head + `{"/{a+}/b":{"get":{}}}}`,
		"a bad integration":    head + `{"/x":{"get":{"x-amazon-apigateway-integration":{"type":"mock"}}}}}`,
		"two authorizers":      head + `{"/x":{"get":{"security":[{"a":[]},{"b":[]}]}}},"components":{"securitySchemes":{"a":` + jwtScheme + `,"b":` + jwtScheme + `}}}`,
		"a bad authorizer":     head + `{},"components":{"securitySchemes":{"a":{"x-amazon-apigateway-authorizer":{"type":"jwt"}}}}}`,
		"deep":                 strings.Repeat(`{"a":`, 100_000),
		"large":                strings.Repeat(" ", MaxBytes+1),
		"aliases":              "a: &a [x, x, x]\nb: &b [*a, *a, *a]\nc: [*b, *b]\nopenapi: 3.0.1",
		"too many routes":      head + `{` + manyPaths(2100) + `}}`,
	} {
		began := time.Now()
		_, err := load(t, apis, text, "")
		var refusal *httpapi.Error
		switch {
		case name == "a loop of references": // leads nowhere: a route without integration
		case err == nil:
			t.Errorf("%s was taken", name)
		case !asRefusal(err, &refusal):
			t.Errorf("%s: %v is no error of the caller", name, err)
		}
		if took := time.Since(began); took > time.Minute {
			t.Errorf("%s took %s", name, took)
		}
	}
	if all, err := apis.List(t.Context(), scope); err != nil || len(all) != 1 {
		t.Errorf("%d APIs were left, %v", len(all), err)
	}
}

func asRefusal(err error, refusal **httpapi.Error) bool { return errors.As(err, refusal) }

func manyPaths(n int) string {
	paths := make([]string, n)
	for i := range paths {
		paths[i] = fmt.Sprintf(`"/p%d":{"get":{}}`, i)
	}
	return strings.Join(paths, ",")
}

const jwtScheme = `{"type":"oauth2","x-amazon-apigateway-authorizer":{"type":"jwt","jwtConfiguration":{"issuer":"https://i","audience":["a"]},"identitySource":"$request.header.Authorization"}}`

func FuzzRead(f *testing.F) {
	f.Add(whole)
	f.Add(`{"openapi":"3.0.1","info":{"title":"x"},"paths":{"/a":{"get":{"security":[{"b":["c"]}],"x-amazon-apigateway-integration":{"$ref":"#/paths/~1a"}}}}}`)
	apis := open(f)
	f.Fuzz(func(t *testing.T, text string) {
		var refusal *httpapi.Error
		made, err := load(t, apis, text, "prepend")
		if err != nil && !asRefusal(err, &refusal) {
			t.Fatalf("%v of %q", err, text)
		}
		if err == nil {
			if err := apis.Delete(t.Context(), scope, made.ID); err != nil {
				t.Fatal(err)
			}
		}
	})
}
