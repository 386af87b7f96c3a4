package restapi

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/core/identity"
	"github.com/lambkin-dev/lambkin/internal/core/policy"
	"github.com/lambkin-dev/lambkin/internal/core/restapi"
	"github.com/lambkin-dev/lambkin/internal/front"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/outbound"
)

var here = restapi.ID{Scope: restapi.Scope{Account: "123456789012", Region: "us-east-1"}, ID: "a1b2c3d4e5"}

// withPaths is a definition with a GET method, and ANY at the greedy paths.
func withPaths(t testing.TB, paths ...string) *restapi.Snapshot {
	t.Helper()
	d := restapi.Definition{}
	restapi.AddRoot(&d)
	for _, path := range paths {
		at := d.Root()
		for part := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
			next := d.At(strings.TrimSuffix(at.Path, "/") + "/" + part)
			if next == nil {
				var err error
				if next, err = d.AddResource(at.Id, part); err != nil {
					t.Fatal(err)
				}
			}
			at = next
		}
		method := "GET"
		if strings.HasSuffix(path, "+}") {
			method = restapi.AnyMethod
		}
		if err := d.PutMethod(at.Id, &restapi.Method{HttpMethod: method, AuthorizationType: restapi.AuthNone}); err != nil {
			t.Fatal(err)
		}
	}
	return &restapi.Snapshot{Definition: d}
}

// TestRoutes: a fixed segment before {name} before {name+}; the method counts too.
func TestRoutes(t *testing.T) {
	d := newDeployment(here, withPaths(t, "/pets", "/pets/{id}", "/pets/{id}/toys", "/pets/list", "/{proxy+}", "/pets/{id}/{rest+}"))
	for _, c := range []struct{ method, path, want, parameters string }{
		{"GET", "/pets", "/pets", ""},
		{"GET", "/pets/", "/pets", ""},
		{"GET", "/pets/list", "/pets/list", ""},
		{"GET", "/pets/7", "/pets/{id}", "id=7"},
		{"GET", "/pets/a%2Fb", "/pets/{id}", "id=a/b"},
		{"GET", "/pets/7/toys", "/pets/{id}/toys", "id=7"},
		{"GET", "/pets/list/toys", "/pets/{id}/toys", "id=list"},
		{"POST", "/pets/7/toys", "/pets/{id}/{rest+}", "id=7 rest=toys"},
		{"POST", "/pets", "/{proxy+}", "proxy=pets"},
		{"GET", "/other/a%20b", "/{proxy+}", "proxy=other/a b"},
		{"GET", "/", "", ""},
		{"GET", "/" + strings.Repeat("a/", 2000), "", ""},
	} {
		r, m, parameters := d.route(c.path, c.method)
		got := ""
		if r != nil {
			got = r.Path
		}
		var told []string
		for _, name := range []string{"id", "proxy", "rest"} {
			if value, found := parameters[name]; found {
				told = append(told, name+"="+value)
			}
		}
		if got != c.want || strings.Join(told, " ") != c.parameters || (m != nil) != (c.want != "") {
			t.Errorf("%s %.50s: %s %v, want %s %s", c.method, c.path, got, told, c.want, c.parameters)
		}
	}
}

func FuzzRoute(f *testing.F) {
	d := newDeployment(here, withPaths(f, "/a/{b}/c", "/a/{b}/{d+}", "/{e+}"))
	f.Add("/a/b/c", "GET")
	f.Add("//%zz/%2f", "PUT")
	f.Fuzz(func(t *testing.T, path, method string) {
		r, m, parameters := d.route(path, method)
		if r != nil && (m == nil || parameters == nil) {
			t.Errorf("%q %q: %v", path, method, r)
		}
		firstSegment(path)
	})
}

// TestPoliciesOfAPIs: the short form of resources is about this API only.
func TestPoliciesOfAPIs(t *testing.T) {
	p := compilePolicy(here, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"execute-api:Invoke","Resource":"execute-api:/prod/*"}]}`)
	for resource, want := range map[string]policy.Answer{
		"arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/prod/GET/x": policy.Granted,
		"arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/dev/GET/x":  policy.Silent,
		"arn:aws:execute-api:us-east-1:123456789012:other/prod/GET/x":      policy.Silent,
	} {
		if got := p.Evaluate(&policy.Request{Action: invokeAction, Resource: resource}); got != want {
			t.Errorf("%s: %v", resource, got)
		}
	}
	if got := compilePolicy(here, "{").Evaluate(&policy.Request{Action: invokeAction, Resource: "*"}); got != policy.Silent {
		t.Error("a policy that cannot be read lets somebody in")
	}
}

// exchangeFor is a request to an API that has no store behind it.
func exchangeFor(t *testing.T, snapshot *restapi.Snapshot, method, target, body string) *exchange {
	t.Helper()
	s := New(Config{Outbound: &outbound.Guard{}})
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	e := &exchange{server: s, id: here, stage: &restapi.Stage{StageName: "prod", Variables: map[string]string{"v": "w"}}, deployed: newDeployment(here, snapshot), body: []byte(body), path: "/x", received: time.Now(),
		r: &front.Request{Request: r, RequestID: "id", SourceIP: "192.0.2.1", Domain: "api.example.com"}, parameters: map[string]string{"id": "7"}, method: &restapi.Method{}, resource: &restapi.Resource{Path: "/x"}}
	return e
}

// TestAnAPIOfAFunctionCallsWhatTheFunctionMay: an HTTP integration is no way out of the
// sandbox.
func TestAnAPIOfAFunctionCallsWhatTheFunctionMay(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer upstream.Close()
	for ofFunction, want := range map[bool]bool{false: true, true: false} {
		e := exchangeFor(t, &restapi.Snapshot{}, "GET", "/", "")
		e.server = New(Config{Outbound: &outbound.Guard{Loopback: true, Functions: func(netip.AddrPort) bool { return false }}})
		defer e.server.Close()
		e.api = &restapi.API{ForFunction: ofFunction}
		if _, err := e.httpProxy(&restapi.Integration{Uri: upstream.URL, HttpMethod: "GET"}); (err == nil) != want {
			t.Errorf("of a function %v: %v", ofFunction, err)
		}
	}
}

// TestAnEncodedAnswerSaysSo: what the client asked for itself comes as it was sent.
func TestAnEncodedAnswerSaysSo(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") == "gzip" {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			defer z.Close()
			_, _ = z.Write([]byte("text")) // the body is compared below
		}
	}))
	defer upstream.Close()
	for asked, want := range map[string]string{"gzip": "gzip", "": ""} {
		e := exchangeFor(t, &restapi.Snapshot{}, "GET", "/", "")
		e.server = New(Config{Outbound: &outbound.Guard{Loopback: true}})
		defer e.server.Close()
		if e.api = (&restapi.API{}); asked != "" {
			e.r.Header.Set("Accept-Encoding", asked)
		}
		a, err := e.httpProxy(&restapi.Integration{Uri: upstream.URL, HttpMethod: "GET"})
		if err != nil || a.Header.Get("Content-Encoding") != want || (string(a.Body) == "text") != (asked == "") {
			t.Errorf("%q: %q %q, %v", asked, a.Header, a.Body, err)
		}
	}
}

// TestExpressions of mappings; request-response-data-mappings.html.
func TestExpressions(t *testing.T) {
	e := exchangeFor(t, &restapi.Snapshot{}, "POST", "/?q=1&q=2", `{"a":{"b":[1,2]},"s":"t"}`)
	e.r.Header.Set("X-One", "1")
	for expression, want := range map[string]string{
		"'constant'": "constant", "method.request.path.id": "7", "method.request.querystring.q": "2", "method.request.multivaluequerystring.q": "1,2", "method.request.header.x-one": "1",
		"method.request.body.s": "t", "method.request.body.a.b": "[1,2]", "method.request.body.a.b[1]": "2", "context.stage": "prod", "context.identity.sourceIp": "192.0.2.1", "stageVariables.v": "w",
		"method.request.path.none": "", "context.none.x": "", "nonsense": "", "method.request.body.none": "",
	} {
		if got, _ := e.value(expression); got != want {
			t.Errorf("%s: %q, want %q", expression, got, want)
		}
	}
}

// TestRefusalsAreGatewayResponses: those of the API count more than AWS's.
func TestRefusalsAreGatewayResponses(t *testing.T) {
	snapshot := &restapi.Snapshot{}
	e := exchangeFor(t, snapshot, "GET", "/", "")
	for _, c := range []struct {
		err    *refusal
		status int
		body   string
	}{
		{errMissingToken, 403, `{"message":"Missing Authentication Token"}`}, {errAuthorizer, 500, `{"message":null}`}, {errDenied, 403, `{"Message":"User is not authorized to access this resource with an explicit deny"}`},
		{errMalformedAnswer, 502, `{"message":"Internal server error"}`}, {errInternal, 500, `{"message":"Internal server error"}`}, {errTimeout, 504, `{"message":"Endpoint request timed out"}`},
		{errForbidden, 403, `{"message":"Forbidden"}`}, {errTooLarge, 413, `{"message":"Request Too Long"}`}, {errQuota, 429, `{"message":"Limit Exceeded"}`},
	} {
		if a := e.refuse(c.err); a.Status != c.status || string(a.Body) != c.body || a.Header.Get("X-Amzn-Errortype") == "" {
			t.Errorf("%v: %d %s %v", c.err, a.Status, a.Body, a.Header)
		}
	}
	for _, g := range []*restapi.GatewayResponse{
		{ResponseType: restapi.Default5XX, ResponseParameters: map[string]string{"gatewayresponse.header.X-Bad": "'a\r\nb'", "gatewayresponse.header.Access-Control-Allow-Origin": "'*'"}},
		{ResponseType: restapi.Throttled, StatusCode: "503", ResponseTemplates: map[string]string{"application/json": `{"m":$context.error.messageString,"s":"$context.stage","x":"$context.nosuch"}`}},
	} {
		if err := snapshot.PutGatewayResponse(g); err != nil {
			t.Fatal(err)
		}
	}
	if a := e.refuse(errMalformedAnswer); a.Status != 502 || a.Header.Get("Access-Control-Allow-Origin") != "*" || a.Header.Get("X-Bad") != "" {
		t.Errorf("%d %v", a.Status, a.Header)
	}
	if a := e.refuse(errThrottled); a.Status != 503 || string(a.Body) != `{"m":"Too Many Requests","s":"prod","x":""}` {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

// TestThrottles fill again with time.
func TestThrottles(t *testing.T) {
	now := time.Now()
	s := New(Config{Outbound: &outbound.Guard{}, Clock: fixed{clock.System, &now}})
	limit := &restapi.Throttle{RateLimit: 2, BurstLimit: 3}
	for i, want := range []bool{true, true, true, false} {
		if s.take("k", limit) != want {
			t.Errorf("take %d", i)
		}
	}
	now = now.Add(500 * time.Millisecond)
	if !s.take("k", limit) || s.take("k", limit) {
		t.Error("half a second gives one of two a second")
	}
	if !s.take("other", limit) {
		t.Error("keys share a bucket")
	}
}

// fixed is a clock that stands still.
type fixed struct {
	clock.Clock
	now *time.Time
}

// Now is the time that the test set.
func (f fixed) Now() time.Time { return *f.now }

// TestWhatAuthorizersReturn is refused if it is not what AWS takes.
func TestWhatAuthorizersReturn(t *testing.T) {
	const document = `"policyDocument":{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"execute-api:Invoke","Resource":"*"}]}`
	v, err := readVerdict([]byte(`{"principalId":"u",` + document + `,"context":{"n":1.5,"b":true,"t":"x","z":null},"usageIdentifierKey":"k"}`))
	if err != nil || v.usageKey != "k" || v.context["principalId"] != "u" || v.context["n"] != "1.5" || v.context["b"] != "true" || v.context["t"] != "x" || len(v.context) != 4 {
		t.Errorf("%+v %v", v, err)
	}
	for _, payload := range []string{"", "null", "[]", `{"principalId":"u"}`, `{` + document + `}`, `{"principalId":null,` + document + `}`, `{"principalId":"u","policyDocument":{}}`,
		`{"principalId":"u",` + document + `,"context":{"o":{}}}`, `{"principalId":"u",` + document + `,"context":{"l":[1]}}`, `{"principalId":"u",` + document + `,"context":{"t":"` + strings.Repeat("x", maxContextBytes) + `"}}`} {
		if _, err := readVerdict([]byte(payload)); err == nil {
			t.Errorf("%.80s was taken", payload)
		}
	}
}

// TestEventsOfAuthorizers have the members of AWS's own structs, and no others.
func TestEventsOfAuthorizers(t *testing.T) {
	e := exchangeFor(t, &restapi.Snapshot{}, "POST", "/?q=1", "body")
	e.r.Header.Set("X-One", "1")
	text, err := e.requestEvent("arn")
	if err != nil {
		t.Fatal(err)
	}
	var event events.APIGatewayCustomAuthorizerRequestTypeRequest
	if err := json.Unmarshal(text, &event); err != nil {
		t.Fatal(err)
	}
	if event.Type != "REQUEST" || event.MethodArn != "arn" || event.Resource != "/x" || event.HTTPMethod != "POST" || event.Headers["X-One"] != "1" || event.QueryStringParameters["q"] != "1" ||
		event.PathParameters["id"] != "7" || event.StageVariables["v"] != "w" || event.RequestContext.Stage != "prod" || event.RequestContext.Identity.SourceIP != "192.0.2.1" {
		t.Errorf("%s", text)
	}
	for _, member := range []string{`"body"`, `"isBase64Encoded"`} {
		if strings.Contains(string(text), member) {
			t.Errorf("%s is in %s", member, text)
		}
	}
	text, err = json.Marshal(tokenEvent{"TOKEN", "arn", "t"})
	if err != nil {
		t.Fatal(err)
	}
	var token events.APIGatewayCustomAuthorizerRequest
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(&token); err != nil || token.AuthorizationToken != "t" || token.MethodArn != "arn" || token.Type != "TOKEN" {
		t.Errorf("%s %v", text, err)
	}
}

// TestIAM: in the own account the identity or the policy lets in; from another both must.
func TestIAM(t *testing.T) {
	const allow = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::%s:user/u"},"Action":"execute-api:Invoke","Resource":"execute-api:/*"}]}`
	own, other := here.Account, "999999999999"
	for _, c := range []struct {
		account, policy string
		identity, want  bool
	}{
		{own, "", true, true}, {own, "", false, false}, {other, "", true, false},
		{own, strings.Replace(allow, "%s", own, 1), false, true}, {own, strings.Replace(allow, "%s", other, 1), true, true}, {own, strings.Replace(allow, "%s", other, 1), false, false},
		{other, strings.Replace(allow, "%s", other, 1), true, true}, {other, strings.Replace(allow, "%s", other, 1), false, false}, {other, strings.Replace(allow, "%s", own, 1), true, false},
		{own, strings.NewReplacer("%s", own, "Allow", "Deny").Replace(allow), true, false}, {own, strings.NewReplacer("%s", other, "Allow", "Deny").Replace(allow), true, true},
	} {
		e := exchangeFor(t, &restapi.Snapshot{Definition: restapi.Definition{Policy: c.policy}}, "GET", "/", "")
		e.server.config.Permit = func(context.Context, *wire.Call, string) error {
			if c.identity {
				return nil
			}
			return &fault.Fault{Code: "AccessDenied"}
		}
		arn := "arn:aws:iam::" + c.account + ":user/u" // of the root everything is allowed
		err := e.askBoth(policy.Who{Account: c.account, ARN: arn}, &identity.Key{Account: c.account, ARN: arn})
		if (err == nil) != c.want {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// TestModelsReferToModels, in each way, and read nothing else.
func TestModelsReferToModels(t *testing.T) {
	model := func(name, schema string) *restapi.Model {
		return &restapi.Model{Name: name, Schema: schema, ContentType: "application/json"}
	}
	snapshot := &restapi.Snapshot{Definition: restapi.Definition{Models: map[string]*restapi.Model{
		"Pet":   model("Pet", `{"$schema":"http://json-schema.org/draft-04/schema#","id":"x","type":"object","properties":{"id":{"type":"integer"},"o":{"$ref":"#/definitions/Owner"},"p":{"$ref":"https://apigateway.amazonaws.com/restapis/zz/models/Pet"}}}`),
		"Owner": model("Owner", `{"type":"string","minLength":2}`),
		"Own":   model("Own", `{"definitions":{"Owner":{"type":"boolean"}},"$ref":"#/definitions/Owner"}`),
	}}}
	d := newDeployment(here, snapshot)
	for _, c := range []struct {
		model, body string
		good        bool
	}{{"Pet", `{"id":1,"o":"ab","p":{"id":2}}`, true}, {"Pet", `{"o":"a"}`, false}, {"Pet", `{"p":{"id":"x"}}`, false}, {"Own", "true", true}, {"Own", `"ab"`, false}} {
		e := exchangeFor(t, snapshot, "POST", "/", c.body)
		e.deployed, e.method = d, &restapi.Method{RequestModels: map[string]string{"application/json": c.model}}
		if err := e.validateBody(); (err == nil) != c.good {
			t.Errorf("%s %s: %v", c.model, c.body, err)
		}
	}
}

// TestBinaryTypes; api-gateway-payload-encodings.html.
func TestBinaryTypes(t *testing.T) {
	e := exchangeFor(t, &restapi.Snapshot{Definition: restapi.Definition{BinaryMediaTypes: []string{"image/*", "application/zip"}}}, http.MethodGet, "/", "")
	for mediaType, want := range map[string]bool{"image/png": true, "IMAGE/PNG; q=1": true, "application/zip": true, "application/json": false, "": false} {
		if e.binary(mediaType) != want {
			t.Errorf("%q", mediaType)
		}
	}
	e.deployed.BinaryMediaTypes = []string{"*/*"}
	if !e.binary("text/plain") {
		t.Error("*/*")
	}
}

// TestPatternsAreBounded: those that choose an answer, and those of tokens.
func TestPatternsAreBounded(t *testing.T) {
	d := newDeployment(here, &restapi.Snapshot{})
	long := strings.Repeat("(a|b)+", 1000)
	if fits, err := d.fits(long, strings.Repeat("a", 1000)); err != nil || !fits {
		t.Errorf("%v %v", fits, err)
	}
	if fits, err := d.fits(long, strings.Repeat("a", 1<<20)); err == nil {
		t.Errorf("%v %v", fits, err)
	}
	if fits, err := d.fits(".*timed.out.*", "it\ntimed out"); err != nil || !fits {
		t.Errorf("%v %v", fits, err)
	}
	if _, err := d.fits(strings.Repeat("a{1000}", 20), "a"); err == nil {
		t.Error("an expression of 20,000 steps was compiled")
	}
}
