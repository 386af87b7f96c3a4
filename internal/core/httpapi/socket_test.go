package httpapi

import (
	"errors"
	"testing"
)

func (w *world) socket() string {
	w.t.Helper()
	made, err := w.Create(w.t.Context(), scope, API{Name: "chat", ProtocolType: WebSocket, RouteSelectionExpression: "$request.body.action"}, nil, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return made.ID
}

// AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-develop-routes.html
func TestMessagesSelectRoutes(t *testing.T) {
	for _, c := range []struct{ expression, message, want string }{
		{"$request.body.action", `{"action":"send"}`, "send"},
		{"${request.body.action}", `{"action":"send"}`, "send"},
		{"$request.body.a.b", `{"a":{"b":3}}`, "3"},
		{"${request.body.a[1]}/${request.body.b}", `{"a":["x","y"],"b":true}`, "y/true"},
		{"$request.body.a[2]", `{"a":["x","y"]}`, ""},
		{"$request.body.a[0][1].c", `{"a":[[0,{"c":"deep"}]]}`, "deep"},
		{"$request.body.action", `no JSON`, ""},
		{"$request.body.action", `["action"]`, ""},
		{"$request.body.action", `{"action":{"x":1}}`, ""},
		{"$request.body.action", `{"action":null}`, ""},
	} {
		s, err := ParseSelection(c.expression)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Key([]byte(c.message)); got != c.want {
			t.Errorf("%s of %s: %q, want %q", c.expression, c.message, got, c.want)
		}
	}
	for _, text := range []string{"", "action", "$request.header.x", "$request.body", "$request.body.", "$request.body.a[", "$context.x", "$request.body.a$b", "${request.body.a} $default"} {
		if _, err := ParseSelection(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

func FuzzSelection(f *testing.F) {
	f.Add("$request.body.action", `{"action":"send"}`)
	f.Add("${request.body.a[0][1].c}-${request.body.b}", `{"a":[[0,{"c":1e400}]]}`)
	f.Fuzz(func(t *testing.T, expression, message string) {
		s, err := ParseSelection(expression)
		if err != nil {
			var refusal *Error
			if !errors.As(err, &refusal) {
				t.Error(err)
			}
			return
		}
		s.Key([]byte(message))
	})
}

func TestWhatWebSocketAPIsDoNotHave(t *testing.T) {
	w := open(t)
	ctx := t.Context()
	for _, api := range []API{
		{Name: "a", ProtocolType: WebSocket},
		{Name: "a", ProtocolType: WebSocket, RouteSelectionExpression: "$request.header.x"},
		{Name: "a", ProtocolType: WebSocket, RouteSelectionExpression: "$request.body.x", CORS: &CORS{}},
	} {
		if _, err := w.Create(ctx, scope, api, nil, nil); err == nil {
			t.Errorf("%+v was made", api)
		}
	}
	id, yes, other, wrong := w.socket(), true, "x", "${request.header.x}"
	for _, r := range []Route{
		{Key: ""}, {Key: "$other"}, {Key: "send", APIKeyRequired: true}, {Key: "send", AuthorizationType: AuthIAM}, {Key: ConnectRoute, AuthorizationType: AuthJWT},
		{Key: "send", RouteResponseSelectionExpression: &other}, {Key: "send", RequestModels: map[string]string{"a": "b"}},
		{Key: "send", RequestParameters: map[string]Constraint{"route.request.header.x": {}}}, {Key: ConnectRoute, RequestParameters: map[string]Constraint{"header.x": {}}},
		{Key: ConnectRoute, ModelSelectionExpression: &other}, {Key: "send", ModelSelectionExpression: &wrong},
	} {
		if _, err := w.CreateRoute(ctx, scope, id, r); err == nil {
			t.Errorf("%+v was made", r)
		}
	}
	toText, toBinary := ToText, ToBinary
	if _, err := w.CreateIntegration(ctx, scope, id, Integration{Type: LambdaProxy, URI: functionARN, ContentHandlingStrategy: &toText}); err != nil {
		t.Error(err)
	}
	for _, i := range []Integration{
		{Type: LambdaProxy, URI: functionARN, ContentHandlingStrategy: &toBinary}, {Type: HTTPProxy, URI: "http://a"}, {Type: Backend, Method: "POST", URI: "ftp://a"}, {Type: AWS, URI: functionARN}, {Type: AWS, Method: "POST", URI: "arn:aws:apigateway:us-east-1:sqs:path/a/b"}, {Type: LambdaProxy},
		{Type: HTTPProxy, Method: "POST", URI: "http://a", RequestTemplates: map[string]string{"$default": ""}}, {Type: HTTPProxy, Method: "POST", URI: "http://a", ContentHandlingStrategy: &other},
		{Type: Backend, Method: "POST", URI: "http://a", TemplateSelectionExpression: &wrong}, {Type: Backend, Method: "POST", URI: "http://a", PassthroughBehavior: &other},
		{Type: Backend, Method: "POST", URI: "http://a", RequestParameters: map[string]string{"integration.request.header.x": "method.request.header.x"}},
		{Type: Backend, Method: "POST", URI: "http://a", RequestParameters: map[string]string{"append:header.x": "'x'"}}, {Type: LambdaProxy, URI: functionARN, RequestParameters: map[string]string{"integration.request.header.x": "'x'"}},
		{Type: "OTHER", URI: "http://a"}, {Type: LambdaProxy, URI: functionARN, PayloadFormatVersion: "2.0"},
		{Type: LambdaProxy, URI: functionARN, TimeoutMS: 30000}, {Type: Mock, RequestTemplates: map[string]string{"200": "#if("}},
	} {
		if _, err := w.CreateIntegration(ctx, scope, id, i); err == nil {
			t.Errorf("%+v was made", i)
		}
	}
	for _, a := range []Authorizer{
		{Name: "a", Type: JWT}, {Name: "a", Type: Request, URI: functionARN, EnableSimpleResponses: &yes}, {Name: "a", Type: Request, URI: functionARN, PayloadFormatVersion: "1.0"},
		{Name: "a", Type: Request, URI: functionARN, IdentitySource: []string{"$request.header.Auth"}},
	} {
		if _, err := w.CreateAuthorizer(ctx, scope, id, a); err == nil {
			t.Errorf("%+v was made", a)
		}
	}
	if _, err := w.CreateStage(ctx, scope, id, Stage{Name: DefaultStage}); err == nil {
		t.Error("$default is no stage of WebSocket APIs")
	}
	if _, err := w.CreateRouteResponse(ctx, scope, w.api(), "x", RouteResponse{Key: DefaultRoute}); err == nil {
		t.Error("HTTP APIs have no route responses")
	}
}

func TestModelsBelongToRoutes(t *testing.T) {
	w := open(t)
	ctx, id, choose := t.Context(), w.socket(), "$request.body.kind"
	m, err := w.CreateModel(ctx, scope, id, Model{Name: "Mail", Schema: `{"type":"object"}`})
	if err != nil || m.ContentType != "application/json" {
		t.Fatal(m, err)
	}
	for _, bad := range []Model{{Name: "Mail"}, {Name: "no name"}, {Name: "Schema", Schema: "[]"}, {Name: "Schema", Schema: "{"}, {Name: "Type", ContentType: "text/xml"}} {
		if _, err := w.CreateModel(ctx, scope, id, bad); err == nil {
			t.Errorf("%+v was made", bad)
		}
	}
	if _, err := w.CreateModel(ctx, scope, w.api(), Model{Name: "Mail"}); err == nil {
		t.Error("HTTP APIs have no models")
	}
	if _, err := w.CreateRoute(ctx, scope, id, Route{Key: "send", RequestModels: map[string]string{"a": "None"}}); err == nil {
		t.Error("a route has a model that is not there")
	}
	r, err := w.CreateRoute(ctx, scope, id, Route{Key: "send", ModelSelectionExpression: &choose, RequestModels: map[string]string{"a": "Mail"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, d, err := w.Now(ctx, scope, id); err != nil || d.Models["Mail"] != `{"type":"object"}` {
		t.Errorf("%+v, %v", d, err)
	}
	rename := func(m *Model) error { m.Name = "Other"; return nil }
	if _, err := w.UpdateModel(ctx, scope, id, m.ID, rename); err == nil {
		t.Error("a model that a route has was renamed")
	}
	if err := w.DeleteModel(ctx, scope, id, m.ID); err == nil {
		t.Error("a model that a route has was deleted")
	}
	if err := w.DeleteRoute(ctx, scope, id, r.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := w.UpdateModel(ctx, scope, id, m.ID, rename); err != nil {
		t.Error(err)
	}
	if all, err := w.Models(ctx, scope, id); err != nil || len(all) != 1 || all[0].Name != "Other" {
		t.Errorf("%+v, %v", all, err)
	}
	if err := w.DeleteModel(ctx, scope, id, m.ID); err != nil {
		t.Error(err)
	}
	if _, err := w.Model(ctx, scope, id, m.ID); !IsMissing(err) {
		t.Error(err)
	}
}

func TestTemplatesAreSelected(t *testing.T) {
	message := []byte(`{"kind":"a","list":[{"n":7}]}`)
	answer := func(name string) string { return "<" + name + ">" }
	for given, want := range map[string]string{
		"": "$default", `\$default`: "$default", "$default": "$default", "fixed": "fixed", "$request.body.kind": "a", "${request.body.kind}-${request.body.list[0].n}": "a-7", "$request.body.none": "",
		"${integration.response.statuscode}": "<statuscode>", "x${integration.response.header.X-Kind}": "x<header.X-Kind>", "$integration.response.header.x": "refused", "$context.stage": "refused", "a$b": "refused",
	} {
		s, err := ParseTemplateSelection(&given, true)
		got := "refused"
		if err == nil {
			got = s.Key(message, answer)
		}
		if got != want {
			t.Errorf("%q: %q, want %q", given, got, want)
		}
	}
	ofAnswer := "${integration.response.statuscode}"
	if _, err := ParseTemplateSelection(&ofAnswer, false); err == nil {
		t.Error("a request has no answer yet")
	}
}

func TestADeploymentHasTheResponses(t *testing.T) {
	w := open(t)
	ctx, id := t.Context(), w.socket()
	i, err := w.CreateIntegration(ctx, scope, id, Integration{Type: Mock, RequestTemplates: map[string]string{"$default": `{"statusCode":200}`}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := w.CreateRoute(ctx, scope, id, Route{Key: "ping", Target: "integrations/" + i.ID})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.CreateRouteResponse(ctx, scope, id, r.ID, RouteResponse{Key: "other"}); err == nil {
		t.Error("a route response has the key $default")
	}
	answer, err := w.CreateRouteResponse(ctx, scope, id, r.ID, RouteResponse{Key: DefaultRoute})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.CreateRouteResponse(ctx, scope, id, r.ID, RouteResponse{Key: DefaultRoute}); err == nil {
		t.Error("a second one was made")
	}
	response, err := w.CreateIntegrationResponse(ctx, scope, id, i.ID, IntegrationResponse{Key: "/200/", ResponseTemplates: map[string]string{"$default": "pong"}})
	if err != nil {
		t.Fatal(err)
	}
	_, d, err := w.Now(ctx, scope, id)
	if err != nil || !d.Answers[r.ID] || len(d.Responses[i.ID]) != 1 || d.Selection != "$request.body.action" {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err := w.RouteResponse(ctx, scope, id, "other", answer.ID); !IsMissing(err) {
		t.Errorf("found below another route: %v", err)
	}
	if err := w.DeleteRoute(ctx, scope, id, r.ID); err != nil {
		t.Fatal(err)
	}
	if err := w.DeleteIntegration(ctx, scope, id, i.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := w.RouteResponse(ctx, scope, id, r.ID, answer.ID); !IsMissing(err) {
		t.Errorf("a response outlived its route: %v", err)
	}
	if _, err := w.IntegrationResponse(ctx, scope, id, i.ID, response.ID); !IsMissing(err) {
		t.Errorf("a response outlived its integration: %v", err)
	}
}
