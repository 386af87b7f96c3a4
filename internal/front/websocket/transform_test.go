package websocket

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/core/httpapi"
)

func text(s string) *string { return &s }

// integrated adds a two-way route with an integration and its responses.
func (w *world) integrated(key string, i httpapi.Integration, responses ...httpapi.IntegrationResponse) {
	i.ID, i.TimeoutMS = key, MaxWait
	w.def.Integrations[key] = i
	if w.def.Responses == nil {
		w.def.Responses = map[string][]httpapi.IntegrationResponse{}
	}
	w.def.Responses[key] = responses
	w.def.Routes = append(w.def.Routes, httpapi.Route{ID: key, Key: key, Target: "integrations/" + key, RouteResponseSelectionExpression: text("$default")})
	w.def.Answers[key] = true
}

// seen answers what it got, as JSON; ?status chooses the status.
func seen(t *testing.T) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Kind", r.URL.Query().Get("kind"))
		if status := r.URL.Query().Get("status"); status != "" {
			n := 0
			_, _ = fmt.Sscan(status, &n)
			w.WriteHeader(n)
		}
		out, _ := json.Marshal(map[string]string{"method": r.Method, "uri": r.URL.RequestURI(), "body": string(body), "connection": r.Header.Get("Connection-Id"), "static": r.Header.Get("Static"), "color": r.Header.Get("Color"),
			"who": r.Header.Get("Who"), "user": r.Header.Get("User-Agent"), "api": r.Header.Get("X-Amzn-Apigateway-Api-Id"), "key": r.Header.Get("Sec-Websocket-Key")})
		_, _ = w.Write(out)
	}))
	t.Cleanup(s.Close)
	return s
}

// AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-data-mapping.html
func TestEndpointsGetWhatIsMapped(t *testing.T) {
	upstream, w := seen(t), start(t)
	parameters := map[string]string{"integration.request.header.Connection-Id": "context.connectionId", "integration.request.header.Static": "'fixed'", "integration.request.header.Color": "stageVariables.color",
		"integration.request.path.room": "route.request.body.room", "integration.request.querystring.kind": "route.request.body.kind", "integration.request.querystring.status": "route.request.body.status",
		"integration.request.header.Who": "route.request.querystring.a"}
	w.integrated("proxy", httpapi.Integration{Type: httpapi.HTTPProxy, Method: "PUT", URI: upstream.URL + "/${stageVariables.color}/{room}?x=1", RequestParameters: parameters})
	w.integrated("http", httpapi.Integration{Type: httpapi.Backend, Method: "POST", URI: upstream.URL, RequestParameters: parameters,
		TemplateSelectionExpression: text("${request.body.form}"), RequestTemplates: map[string]string{"short": `{"said":$input.json('$.text')}`, "$default": "unused"}, PassthroughBehavior: text(httpapi.PassNever)},
		httpapi.IntegrationResponse{Key: "$default", TemplateSelectionExpression: text("${integration.response.header.X-Kind}"), ResponseTemplates: map[string]string{"loud": `$input.path('$.body')!`}},
		httpapi.IntegrationResponse{Key: `/4\d\d/`, ResponseTemplates: map[string]string{"$default": "refused $context.routeKey"}},
		httpapi.IntegrationResponse{Key: `/503/`, ContentHandlingStrategy: text(httpapi.ToText), ResponseTemplates: map[string]string{"$default": "busy"}})
	c := w.connect()
	ask := func(message string) string {
		t.Helper()
		w.say(c, message)
		return w.hear(c)
	}
	var got map[string]string
	if err := json.Unmarshal([]byte(ask(`{"action":"proxy","room":"a b","kind":"k"}`)), &got); err != nil {
		t.Fatal(err)
	}
	id := w.known().socket.ConnectionID
	for name, want := range map[string]string{"method": "PUT", "uri": "/red/a%20b?kind=k&x=1", "body": `{"action":"proxy","room":"a b","kind":"k"}`, "connection": id, "static": "fixed", "color": "red", "who": "",
		"user": "AmazonAPIGateway_abcdefghij", "api": "abcdefghij"} {
		if got[name] != want {
			t.Errorf("%s: %q, want %q", name, got[name], want)
		}
	}
	for message, want := range map[string]string{
		`{"action":"http","form":"short","text":"hi","kind":"loud"}`:  `{"said":"hi"}!`,
		`{"action":"http","form":"short","text":"hi","kind":"quiet"}`: `{"api":"abcdefghij","body":"{\"said\":\"hi\"}"`, // no template: as it came
		`{"action":"http","form":"short","status":404}`:               "refused http",
		`{"action":"http","form":"short","status":503}`:               "YnVzeQ==",
		`{"action":"http","form":"none"}`:                             `{"message":"Internal server error"`, // NEVER
	} {
		if answer := ask(message); !strings.HasPrefix(answer, want) {
			t.Errorf("%s: %s, want %s", message, answer, want)
		}
	}
}

func TestHandshakesReachEndpoints(t *testing.T) {
	upstream, w := seen(t), start(t)
	yes := true
	w.integrated("$connect", httpapi.Integration{Type: httpapi.Backend, Method: "GET", URI: upstream.URL, RequestParameters: map[string]string{"integration.request.querystring.status": "route.request.header.Wanted"}})
	w.def.Routes[0].RequestParameters = map[string]httpapi.Constraint{"route.request.header.Wanted": {Required: &yes}}
	for wanted, want := range map[string]int{"204": http.StatusSwitchingProtocols, "403": http.StatusForbidden, "": http.StatusBadRequest} {
		header := http.Header{}
		if wanted != "" {
			header.Set("Wanted", wanted)
		}
		c, reply, err := w.dial(header)
		if err == nil {
			c.Close()
		}
		if reply == nil || reply.StatusCode != want {
			t.Errorf("%q: %+v, %v", wanted, reply, err)
		}
	}
}

// AWS: for functions the message of an error chooses the response,
// https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-data-transformations.html
func TestFunctionsGetWhatTemplatesMake(t *testing.T) {
	w := start(t)
	w.answers["f"] = `{"said":"yes"}`
	w.integrated("ask", httpapi.Integration{Type: httpapi.AWS, Method: "POST", URI: prefix + "f", RequestTemplates: map[string]string{"$default": `{"id":"$context.connectionId","color":"$stageVariables.color","text":$input.json('$.text')}`}},
		httpapi.IntegrationResponse{Key: "$default", ResponseTemplates: map[string]string{"$default": "it said $input.path('$.said')"}},
		httpapi.IntegrationResponse{Key: "/.*not here.*/", ResponseTemplates: map[string]string{"$default": "nobody"}})
	w.integrated("plain", httpapi.Integration{Type: httpapi.AWS, Method: "POST", URI: prefix + "f", ContentHandlingStrategy: text(httpapi.ToBinary)})
	c := w.connect()
	ask := func(message string) string {
		t.Helper()
		w.say(c, message)
		return w.hear(c)
	}
	w.raw = true
	if got := ask(`{"action":"ask","text":"é"}`); got != "it said yes" {
		t.Error(got)
	}
	want := `{"id":"` + w.known().socket.ConnectionID + `","color":"red","text":"é"}`
	if got := (<-w.calls).raw; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	w.mu.Lock()
	w.answers["f"] = `fail:{"errorMessage":"it is not here"}`
	w.mu.Unlock()
	if got := ask(`{"action":"ask","text":1}`); got != "nobody" {
		t.Error(got)
	}
	w.mu.Lock()
	w.answers["f"] = `fail:{"errorMessage":"other"}`
	w.mu.Unlock()
	if got := ask(`{"action":"ask","text":1}`); got != "it said " {
		t.Error(got) // $default takes the rest, as in REST APIs
	}
	if got := ask(`{"action":"plain"}`); !strings.HasPrefix(got, `{"message":"Internal server error"`) {
		t.Error(got) // no base64
	}
}

// AWS: the answer is that of the example of
// https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-request-validation.html
func TestMessagesFitTheirModels(t *testing.T) {
	w := start(t, routed{"send", "f", true}, routed{"loose", "f", true})
	w.answers["f"] = `{"statusCode":200,"body":"yes"}`
	w.def.Models = map[string]string{"Email": `{"type":"object","required":["address"]}`, "Any": ""}
	for i := range w.def.Routes {
		w.def.Routes[i].ModelSelectionExpression, w.def.Routes[i].RequestModels = text("$request.body.kind"), map[string]string{"email": "Email", "any": "Any"}
	}
	w.def.Routes[1].RequestModels = map[string]string{"email": "Email", "$default": "Any"}
	c := w.connect()
	const refused = `{"message":"Invalid request body","connectionId":"`
	for message, want := range map[string]string{
		`{"action":"send","kind":"email","address":"a@example.com"}`: "yes", `{"action":"send","kind":"email"}`: refused, `{"action":"send","kind":"any"}`: "yes", `{"action":"send","kind":"none"}`: refused,
		`{"action":"loose","kind":"none"}`: "yes", `{"action":"loose","kind":"email"}`: refused, `{"action":"loose"}`: "yes",
	} {
		w.say(c, message)
		if got := w.hear(c); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", message, got, want)
		}
	}
}
