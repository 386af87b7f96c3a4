package websocket

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/gorilla/websocket"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/core/httpapi"
	"github.com/lambkin-dev/lambkin/internal/core/invoke"
	"github.com/lambkin-dev/lambkin/internal/engine/telemetry"
	"github.com/lambkin-dev/lambkin/internal/front"
	"github.com/lambkin-dev/lambkin/internal/front/functions"
)

const prefix = "arn:aws:lambda:us-east-1:000000000000:function:"

// call is one that a function got.
type call struct {
	function, source string
	event            events.APIGatewayWebsocketProxyRequest
	raw              string
}

// world is a server with the API "abcdefghij", stage "prod".
type world struct {
	t       *testing.T
	server  *Server
	http    *httptest.Server
	live    *httpapi.Live
	def     *httpapi.Definition
	calls   chan call
	mu      sync.Mutex
	answers map[string]string // of functions, by name
	source  string            // of the last call
	clock   *hand

	raw         bool // functions get what is no event of a proxy
	missingFrom int  // which reading from now on does not find the stage; 0: none
}

// hand is a clock that a test moves.
type hand struct {
	clock.Clock
	mu  sync.Mutex
	now time.Time
}

func (h *hand) Now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *hand) move(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

func (w *world) Live(context.Context, string, ...string) (*httpapi.Live, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.missingFrom > 0 {
		if w.missingFrom--; w.missingFrom == 0 {
			return nil, &httpapi.Error{Kind: httpapi.NotFound}
		}
	}
	return w.live, nil
}

func (w *world) Definition(context.Context, httpapi.Scope, string, string) (*httpapi.Definition, error) {
	return w.def, nil
}

func (w *world) Resolve(_ context.Context, _ function.Scope, name, _ string) (*function.Resolved, error) {
	return &function.Resolved{Version: &function.Version{Name: name}, InvokedARN: prefix + name}, nil
}

func (w *world) Permits(_ context.Context, t function.Target, who function.Caller) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.source = who.Source
	return t.Name != "forbidden", nil
}

func (w *world) Invoke(_ context.Context, r *invoke.Request) (*invoke.Response, error) {
	w.mu.Lock()
	answer, source := w.answers[r.Version.Name], w.source
	w.mu.Unlock()
	made := call{function: r.Version.Name, source: source, raw: string(r.Payload)}
	d := json.NewDecoder(bytes.NewReader(r.Payload))
	d.DisallowUnknownFields()
	if err := d.Decode(&made.event); err != nil && r.Version.Name != "authorizer" && !w.raw {
		return nil, err
	}
	w.calls <- made
	if text, failed := strings.CutPrefix(answer, "fail:"); failed {
		return &invoke.Response{FunctionError: "Unhandled", Payload: []byte(text)}, nil
	}
	return &invoke.Response{Payload: []byte(answer)}, nil
}

// route is one with a function of its own.
type routed struct {
	key, function string
	answers       bool
}

func start(t *testing.T, routes ...routed) *world {
	t.Helper()
	w := &world{t: t, calls: make(chan call, 1000), answers: map[string]string{}, clock: &hand{Clock: clock.System, now: time.Now()}}
	w.live = &httpapi.Live{API: &httpapi.API{ID: "abcdefghij", ProtocolType: httpapi.WebSocket, Scope: httpapi.Scope{Account: "000000000000", Region: "us-east-1"}},
		Stage: &httpapi.Stage{Name: "prod", DeploymentID: "d", Variables: map[string]string{"color": "red"}}, Version: 1}
	w.def = &httpapi.Definition{Selection: "$request.body.action", Integrations: map[string]httpapi.Integration{}, Answers: map[string]bool{}, Authorizers: map[string]httpapi.Authorizer{}}
	choose := "$default"
	for _, r := range routes {
		w.answers[r.function] = `{"statusCode":200}`
		w.def.Integrations[r.key] = httpapi.Integration{ID: r.key, Type: httpapi.LambdaProxy, URI: prefix + r.function, TimeoutMS: MaxWait}
		row := httpapi.Route{ID: r.key, Key: r.key, Target: "integrations/" + r.key}
		if r.answers {
			row.RouteResponseSelectionExpression, w.def.Answers[r.key] = &choose, true
		}
		w.def.Routes = append(w.def.Routes, row)
	}
	w.server = New(Config{APIs: w, Functions: &functions.Functions{Registry: w, Invoker: w}, Outside: http.DefaultClient, Clock: w.clock})
	directory := front.NewDirectory()
	directory.Enter("abcdefghij", front.HandlerFunc(func(out http.ResponseWriter, r *front.Request) {
		path := strings.TrimPrefix(r.Path, "/prod")
		w.server.Serve(out, r, w.live, path)
	}))
	w.http = httptest.NewServer(front.New(front.Config{APIs: directory}).APIs())
	t.Cleanup(func() {
		w.server.Stop()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		w.server.Wait(ctx)
		w.http.Close()
	})
	return w
}

// MaxWait is the time of functions in tests, in milliseconds.
const MaxWait = 29000

func (w *world) dial(header http.Header, protocols ...string) (*websocket.Conn, *http.Response, error) {
	d := websocket.Dialer{Subprotocols: protocols}
	return d.Dial("ws"+strings.TrimPrefix(w.http.URL, "http")+"/_aws/execute-api/abcdefghij/prod?a=1&a=2", header)
}

func (w *world) connect() *websocket.Conn {
	w.t.Helper()
	c, _, err := w.dial(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	return c
}

// known waits until the server knows of the one connection: the client's side of a
// handshake is done before.
func (w *world) known() *connection {
	for {
		if all := w.server.all(); len(all) == 1 {
			return all[0]
		}
		runtime.Gosched()
	}
}

func (w *world) next(function string) call {
	w.t.Helper()
	select {
	case c := <-w.calls:
		if c.function != function {
			w.t.Fatalf("%s was called, want %s", c.function, function)
		}
		return c
	case <-time.After(time.Minute):
		w.t.Fatalf("%s was not called", function)
	}
	panic("not reached")
}

func (w *world) say(c *websocket.Conn, text string) {
	w.t.Helper()
	if err := c.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) hear(c *websocket.Conn) string {
	w.t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		w.t.Fatal(err)
	}
	_, text, err := c.ReadMessage()
	if err != nil {
		w.t.Fatal(err)
	}
	return string(text)
}

// closed is the code with which a connection ends.
func (w *world) closed(c *websocket.Conn) int {
	w.t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		w.t.Fatal(err)
	}
	for {
		_, _, err := c.ReadMessage()
		var closed *websocket.CloseError
		if errors.As(err, &closed) {
			return closed.Code
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
}

// The shapes of events are those of the struct that AWS publishes; the values those of
// https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-lambda-integration.html
func TestTheEventsOfAConnection(t *testing.T) {
	w := start(t, routed{"$connect", "connect", false}, routed{"send", "send", false}, routed{"$disconnect", "disconnect", false})
	w.answers["connect"] = `{"statusCode":200,"headers":{"Sec-WebSocket-Protocol":"two"}}`
	c, response, err := w.dial(http.Header{"X-One": {"1", "2"}, "User-Agent": {"test"}}, "one", "two")
	if err != nil || response.Header.Get("Sec-Websocket-Protocol") != "two" || c.Subprotocol() != "two" {
		t.Fatalf("%v %+v", err, response)
	}
	got := w.next("connect")
	e := got.event
	id := e.RequestContext.ConnectionID
	same(t, got.raw, map[string][2]any{
		"headers": {e.Headers["X-One"], "2"}, "multiValueHeaders": {len(e.MultiValueHeaders["X-One"]), 2}, "query": {e.QueryStringParameters["a"], "2"},
		"multiValueQuery": {len(e.MultiValueQueryStringParameters["a"]), 2}, "variables": {e.StageVariables["color"], "red"}, "forwarded": {e.Headers["X-Forwarded-For"], "127.0.0.1"},
		"host": {e.Headers["Host"], strings.TrimPrefix(w.http.URL, "http://")}, "message": {e.RequestContext.MessageID, nil}, "agent": {e.RequestContext.Identity.UserAgent, "test"},
		"disconnect": {e.RequestContext.DisconnectReason == nil, true},
	})
	w.inContext(got, "CONNECT", "$connect", id)
	w.say(c, `{"action":"send","text":"é<"}`)
	got = w.next("send")
	e = got.event
	same(t, got.raw, map[string][2]any{"body": {e.Body, `{"action":"send","text":"é<"}`}, "base64": {e.IsBase64Encoded, false}, "headers": {len(e.Headers), 0}, "message": {e.RequestContext.MessageID != nil, true}})
	w.inContext(got, "MESSAGE", "send", id)
	if err := c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(4000, "bye"), time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	got = w.next("disconnect")
	same(t, got.raw, map[string][2]any{"code": {got.event.RequestContext.DisconnectStatusCode, int64(4000)}, "reason": {*got.event.RequestContext.DisconnectReason, "bye"}})
	w.inContext(got, "DISCONNECT", "$disconnect", id)
}

func same(t *testing.T, raw string, values map[string][2]any) {
	t.Helper()
	for name, v := range values {
		if v[0] != v[1] {
			t.Errorf("%s: %v, want %v, in %s", name, v[0], v[1], raw)
		}
	}
}

// inContext checks what the events of all kinds tell.
func (w *world) inContext(c call, kind, route, id string) {
	w.t.Helper()
	rc := c.event.RequestContext
	same(w.t, c.raw, map[string][2]any{
		"kind": {rc.EventType, kind}, "route": {rc.RouteKey, route}, "id": {rc.ConnectionID, id}, "stage": {rc.Stage, "prod"}, "api": {rc.APIID, "abcdefghij"},
		"domain": {rc.DomainName, "abcdefghij.execute-api.us-east-1.localhost"}, "direction": {rc.MessageDirection, "IN"}, "source": {rc.Identity.SourceIP, "127.0.0.1"},
		"request": {rc.RequestID != "" && rc.RequestID == rc.ExtendedRequestID, true}, "time": {rc.ConnectedAt > 0 && rc.RequestTimeEpoch >= rc.ConnectedAt && rc.RequestTime != "", true},
		"permission": {c.source, "arn:aws:execute-api:us-east-1:000000000000:abcdefghij/prod/" + route},
	})
}

func TestMessagesFindTheirRoutes(t *testing.T) {
	w := start(t, routed{"ask", "ask", true}, routed{"quiet", "quiet", false}, routed{"bad", "bad", false}, routed{"odd", "odd", false}, routed{"locked", "forbidden", false})
	w.answers["ask"], w.answers["quiet"], w.answers["bad"], w.answers["odd"] = `{"statusCode":200,"body":"yes"}`, `{"statusCode":200,"body":"no"}`, `fail:{"errorMessage":"x"}`, `null`
	c := w.connect()
	for message, want := range map[string]string{
		`{"action":"ask"}`: `yes`, `{"action":"bad"}`: `{"message":"Internal server error","connectionId":"`, `{"action":"odd"}`: `{"message":"Internal server error","connectionId":"`,
		`{"action":"locked"}`: `{"message":"Internal server error","connectionId":"`,
		`{"action":"none"}`:   `{"message":"Forbidden","connectionId":"`, `no JSON`: `{"message":"Forbidden","connectionId":"`, `{"action":"$connect"}`: `{"message":"Forbidden","connectionId":"`,
	} {
		w.say(c, `{"action":"quiet"}`) // is not answered
		w.say(c, message)
		if got := w.hear(c); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", message, got, want)
		}
	}
}

func TestAMockAnswersByItsTemplates(t *testing.T) {
	w := start(t)
	choose := "$default"
	w.def.Integrations["m"] = httpapi.Integration{ID: "m", Type: httpapi.Mock, RequestTemplates: map[string]string{"$default": `{"statusCode": $input.path('$.status')}`}}
	w.def.Responses = map[string][]httpapi.IntegrationResponse{"m": {
		{Key: "$default", ResponseTemplates: map[string]string{"$default": "pong $context.connectionId"}}, {Key: "/4\\d\\d/", ResponseTemplates: map[string]string{"$default": "refused"}}}}
	w.def.Routes = []httpapi.Route{{ID: "p", Key: "ping", Target: "integrations/m", RouteResponseSelectionExpression: &choose}}
	w.def.Answers["p"] = true
	c := w.connect()
	for message, want := range map[string]string{`{"action":"ping","status":200}`: "pong ", `{"action":"ping","status":404}`: "refused", `{"action":"ping"}`: `{"message":"Internal server error"`} {
		w.say(c, message)
		if got := w.hear(c); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s", message, got)
		}
	}
}

// AWS: the statuses are in
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-route-keys-connect-disconnect.html
func TestWhoIsRefusedGetsNoConnection(t *testing.T) {
	w := start(t, routed{"$connect", "connect", false})
	refused := func(want int, body string) {
		t.Helper()
		c, response, err := w.dial(nil)
		if err == nil {
			c.Close()
			t.Fatal("there is a connection")
		}
		if response == nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(response.Body)
		if response.StatusCode != want || !strings.HasPrefix(string(text), body) {
			t.Errorf("%d %s, want %d %s", response.StatusCode, text, want, body)
		}
	}
	w.answers["connect"] = `{"statusCode":403}`
	refused(http.StatusForbidden, `{"message":"Forbidden","connectionId":"`)
	w.answers["connect"] = `fail:{"errorMessage":"x"}`
	refused(http.StatusBadGateway, `{"message":"Internal server error","connectionId":"`)
	w.answers["connect"] = `{"statusCode":200}`
	w.def.Routes[0].AuthorizationType, w.def.Routes[0].AuthorizerID = httpapi.AuthLambda, "z"
	w.def.Authorizers["z"] = httpapi.Authorizer{ID: "z", Type: httpapi.Request, URI: prefix + "authorizer", IdentitySource: []string{"route.request.header.Auth"}}
	w.live.Version++
	refused(http.StatusUnauthorized, `{"message":"Unauthorized","connectionId":"`)
	const allow = `{"principalId":"me","policyDocument":{"Version":"2012-10-17","Statement":[{"Action":"execute-api:Invoke","Effect":"%","Resource":"*"}]},"context":{"team":"blue"}}`
	w.def.Authorizers["z"] = httpapi.Authorizer{ID: "z", Type: httpapi.Request, URI: prefix + "authorizer", IdentitySource: []string{"route.request.querystring.a"}}
	w.live.Version++
	w.answers["authorizer"] = strings.Replace(allow, "%", "Deny", 1)
	refused(http.StatusForbidden, `{"message":"User is not authorized to access this resource with an explicit deny","connectionId":"`)
	w.answers["authorizer"] = `fail:{"errorMessage":"Unauthorized"}`
	refused(http.StatusUnauthorized, `{"message":"Unauthorized"`)
	w.answers["authorizer"] = `{}`
	refused(http.StatusInternalServerError, `{"message":null,"connectionId":"`)
	w.answers["authorizer"] = strings.Replace(allow, "%", "Allow", 1)
	for len(w.calls) > 0 {
		<-w.calls
	}
	w.connect()
	asked := w.next("authorizer")
	var event events.APIGatewayCustomAuthorizerRequestTypeRequest
	if err := json.Unmarshal([]byte(asked.raw), &event); err != nil || event.Type != "REQUEST" || event.MethodArn != "arn:aws:execute-api:us-east-1:000000000000:abcdefghij/prod/$connect" || event.QueryStringParameters["a"] != "2" {
		t.Errorf("%v %s", err, asked.raw)
	}
	if asked.source != "arn:aws:execute-api:us-east-1:000000000000:abcdefghij/authorizers/z" {
		t.Error(asked.source)
	}
	got := w.next("connect")
	if context, _ := got.event.RequestContext.Authorizer.(map[string]any); context["principalId"] != "me" || context["team"] != "blue" {
		t.Errorf("%s", got.raw)
	}
	response, err := http.Get(w.http.URL + "/_aws/execute-api/abcdefghij/prod")
	if err != nil || response.StatusCode != http.StatusUpgradeRequired {
		t.Errorf("%v %v", response, err)
	}
}

// AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
func TestMessagesAndFramesAreBounded(t *testing.T) {
	w := start(t, routed{"$default", "f", true})
	w.answers["f"] = `{"statusCode":200,"body":"` + strings.Repeat("x", 100<<10) + `"}`
	frames := func(c *websocket.Conn, sizes ...int) {
		out, err := c.NextWriter(websocket.TextMessage)
		if err != nil {
			t.Fatal(err)
		}
		for _, size := range sizes {
			if _, err := out.Write(bytes.Repeat([]byte("a"), size)); err != nil {
				return // the server has ended it
			}
		}
		_ = out.Close()
	}
	dial := func(buffer int) *websocket.Conn {
		d := websocket.Dialer{WriteBufferSize: buffer}
		c, _, err := d.Dial("ws"+strings.TrimPrefix(w.http.URL, "http")+"/_aws/execute-api/abcdefghij/prod", nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	c := dial(maxFrame)
	frames(c, maxFrame, maxFrame, maxFrame, maxFrame) // 128 KB in frames of 32
	if got := w.hear(c); len(got) != 100<<10 {
		t.Errorf("the answer has %d bytes", len(got))
	}
	frames(c, maxFrame, maxFrame, maxFrame, maxFrame, 1)
	if code := w.closed(c); code != websocket.CloseMessageTooBig {
		t.Errorf("a large message ends with %d", code)
	}
	c = dial(64 << 10)
	frames(c, maxFrame+1)
	if code := w.closed(c); code != websocket.CloseMessageTooBig {
		t.Errorf("a large frame ends with %d", code)
	}
	c = dial(0)
	if err := c.WriteMessage(websocket.BinaryMessage, []byte{1}); err != nil {
		t.Fatal(err)
	}
	if code := w.closed(c); code != websocket.CloseUnsupportedData {
		t.Errorf("a binary message ends with %d", code)
	}
}

func TestIdleAndOldConnectionsEnd(t *testing.T) {
	w := start(t, routed{"$disconnect", "disconnect", false}, routed{"$default", "f", true})
	w.answers["f"] = `{"statusCode":200,"body":"yes"}`
	c := w.connect()
	w.clock.move(idleTime - time.Second)
	w.server.sweep()
	w.say(c, "hi")
	w.next("f")
	w.hear(c)
	w.clock.move(idleTime - time.Second)
	w.server.sweep()
	w.say(c, "still there?")
	w.next("f")
	w.hear(c)
	w.clock.move(idleTime)
	w.server.sweep()
	if code := w.closed(c); code != goingAway {
		t.Errorf("it ends with %d", code)
	}
	if rc := w.next("disconnect").event.RequestContext; rc.DisconnectStatusCode != goingAway || *rc.DisconnectReason != "Going away" {
		t.Errorf("%+v", rc)
	}
	c = w.connect()
	w.known()
	for range int(longestTime / (idleTime / 2)) {
		w.clock.move(idleTime / 2)
		w.server.all()[0].touch()
	}
	w.server.sweep()
	if code := w.closed(c); code != goingAway {
		t.Errorf("it ends with %d", code)
	}
}

func TestAServerThatStopsSaysSo(t *testing.T) {
	w := start(t, routed{"$disconnect", "disconnect", false})
	c := w.connect()
	w.known()
	done := make(chan struct{})
	go func() { w.server.Wait(t.Context()); close(done) }() // ends with the connection
	if code := w.closed(c); code != goingAway {
		t.Errorf("it ends with %d", code)
	}
	<-done
	if rc := w.next("disconnect").event.RequestContext; rc.DisconnectStatusCode != goingAway {
		t.Errorf("%+v", rc)
	}
	if _, response, err := w.dial(nil); err == nil || response == nil || response.StatusCode != http.StatusTooManyRequests {
		t.Errorf("a server that stops takes connections: %v %v", response, err)
	}
}

// A client whose buffers are full makes senders wait: it is cut off.
func TestAFullClientIsCutOff(t *testing.T) {
	w := start(t, routed{"$disconnect", "disconnect", false})
	c := w.connect() // does not read
	open := w.known()
	open.patience = time.Second
	message := bytes.Repeat([]byte("x"), maxMessage)
	for range 1000 { // of 128 KB: more than the kernel's buffers hold
		if err := open.send(message); err != nil {
			if !errors.Is(err, errGone) {
				t.Error(err)
			}
			w.next("disconnect")
			c.Close()
			return
		}
	}
	t.Error("a client that does not read may keep everything waiting")
}

func TestMoreThanMayWaitIsRefused(t *testing.T) {
	w := start(t)
	w.connect()
	c := w.known()
	c.writing.Lock() // as if a message were being sent
	done := make(chan error, maxWaiting)
	for range maxWaiting {
		go func() { done <- c.send([]byte("x")) }() // ends when the lock is free
	}
	for c.waiting.Load() < maxWaiting {
		runtime.Gosched()
	}
	if err := c.send([]byte("x")); !errors.Is(err, errWaiting) {
		t.Errorf("more waits than may: %v", err)
	}
	c.writing.Unlock()
	for range maxWaiting {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func FuzzMeter(f *testing.F) {
	f.Add([]byte{0x81, 0x85, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0x89, 0x00}, 3)
	f.Add([]byte{0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}, 1)
	f.Add([]byte{0x82, 126, 0x80, 0x01}, 2)
	f.Fuzz(func(t *testing.T, stream []byte, step int) {
		if step < 1 {
			step = 1
		}
		whole, parts := meter{}, meter{}
		at, ok := whole.pass(stream)
		got, still := 0, true
		for begin := 0; begin < len(stream) && still; begin += step {
			var n int
			n, still = parts.pass(stream[begin:min(begin+step, len(stream))])
			got += n
		}
		if got != at || ok != still {
			t.Errorf("in parts %d %v, at once %d %v", got, still, at, ok)
		}
	})
}

func TestBadHandshakes(t *testing.T) {
	w := start(t)
	address := strings.TrimPrefix(w.http.URL, "http://")
	for name, head := range map[string]string{
		"no key":      "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n",
		"short key":   "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: abc\r\n",
		"old version": "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
		"no upgrade":  "Connection: keep-alive\r\n",
	} {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte("GET /_aws/execute-api/abcdefghij/prod HTTP/1.1\r\nHost: x\r\n" + head + "\r\n")); err != nil {
			t.Fatal(err)
		}
		status := make([]byte, len("HTTP/1.1 426"))
		if _, err := io.ReadFull(c, status); err != nil || string(status) != "HTTP/1.1 426" {
			t.Errorf("%s: %s %v", name, status, err)
		}
		c.Close()
	}
}

// TestTheRoleOfAnIntegrationIsAsked: credentials are no way around the permissions of
// the function.
func TestTheRoleOfAnIntegrationIsAsked(t *testing.T) {
	w := start(t, routed{key: "$connect", function: "connect"})
	made := w.def.Integrations["$connect"]
	made.CredentialsARN = "arn:aws:iam::000000000000:role/weak"
	w.def.Integrations["$connect"] = made
	asked := make(chan string, 1)
	w.server.config.Functions.RoleMay = func(_ context.Context, role, on string) (bool, error) {
		asked <- role + " " + on
		return false, nil
	}
	if _, reply, err := w.dial(nil); err == nil || reply == nil || reply.StatusCode != http.StatusBadGateway || len(w.calls) != 0 {
		t.Errorf("%v, %v, %d calls", reply, err, len(w.calls))
	}
	if got := <-asked; got != made.CredentialsARN+" "+prefix+"connect" {
		t.Error(got)
	}
}

// lines are the log events that a server wrote, by group.
type lines struct {
	mu  sync.Mutex
	all map[string][]string
}

func (l *lines) Append(stream telemetry.LogStream, events []telemetry.LogEvent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range events {
		l.all[stream.Group] = append(l.all[stream.Group], e.Message)
	}
}

// wait waits for a number of lines of a group.
func (l *lines) wait(t *testing.T, group string, count int) []string {
	t.Helper()
	for t.Context().Err() == nil {
		l.mu.Lock()
		got := l.all[group]
		l.mu.Unlock()
		if len(got) >= count {
			return got
		}
		runtime.Gosched()
	}
	return nil
}

func TestStagesLimitAndLog(t *testing.T) {
	w := start(t, routed{"$connect", "connect", false}, routed{"ask", "ask", true}, routed{"free", "ask", true}, routed{"bad", "bad", false}, routed{"$disconnect", "disconnect", false})
	w.answers["ask"], w.answers["bad"] = `{"statusCode":201,"body":"yes"}`, `fail:{"errorMessage":"x"}`
	logs := &lines{all: map[string][]string{}}
	w.server.config.Logs = logs
	one, rate, level, on := 1, 0.001, httpapi.LogInfo, true
	w.live.Stage.RouteSettings = map[string]httpapi.Settings{"ask": {ThrottlingBurstLimit: &one, ThrottlingRateLimit: &rate, LoggingLevel: &level, DataTraceEnabled: &on}}
	w.live.Stage.AccessLog = &httpapi.AccessLog{DestinationARN: "arn:aws:logs:us-east-1:000000000000:log-group:access",
		Format: `$context.eventType $context.routeKey $context.status $context.error.message $context.integration.status $context.connectionId $context.connectedAt $context.identity.sourceIp $context.none`}
	w.live.Version++
	c := w.connect()
	open := w.known()
	for message, want := range map[string]string{`{"action":"free"}`: "yes", `{"action":"bad"}`: `{"message":"Internal server error"`, `{"action":"none"}`: `{"message":"Forbidden"`} {
		w.say(c, message)
		if got := w.hear(c); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s", message, got)
		}
	}
	w.say(c, `{"action":"ask"}`)
	if got := w.hear(c); got != "yes" {
		t.Error(got)
	}
	w.say(c, `{"action":"ask"}`)
	if got := w.hear(c); !strings.HasPrefix(got, `{"message":"Too Many Requests","connectionId":"`) {
		t.Error(got)
	}
	logs.wait(t, "access", 6)
	c.Close()
	id := open.socket.ConnectionID + " " + strconv.FormatInt(open.socket.Connected.UnixMilli(), 10) + " 127.0.0.1 -\n"
	got := logs.wait(t, "access", 7)
	for _, want := range []string{"CONNECT $connect 200 - 200 ", "MESSAGE free 201 - 200 ", "MESSAGE bad 500 Internal server error 200 ", "MESSAGE - 403 Forbidden - ", "MESSAGE ask 201 - 200 ", "MESSAGE ask 429 Too Many Requests - ", "DISCONNECT $disconnect 200 - 200 "} {
		if !slices.Contains(got, want+id) {
			t.Errorf("%q is not in %q", want+id, got)
		}
	}
	told := strings.Join(logs.wait(t, "/aws/apigateway/abcdefghij/prod", 11), "")
	for _, want := range []string{"Event Type: MESSAGE, Route: ask, Connection Id: " + open.socket.ConnectionID, `Route request body before transformations: {"action":"ask"}`, "Method completed with status: 201", "Gateway response type: THROTTLED with status code: 429"} {
		if !strings.Contains(told, want) {
			t.Errorf("%q is not in %s", want, told)
		}
	}
	if strings.Contains(told, "Route: free") {
		t.Errorf("a route without a level is logged: %s", told)
	}
}

func TestADeletedStageEndsItsConnections(t *testing.T) {
	w := start(t, routed{"$disconnect", "disconnect", false})
	c := w.connect()
	w.known()
	w.server.ForgetStage("abcdefghij", "other")
	w.server.ForgetStage("other", "prod")
	w.server.ForgetStage("abcdefghij", "prod")
	if code := w.closed(c); code != goingAway {
		t.Errorf("it ends with %d", code)
	}
	w.next("disconnect")
	// One that is made while the stage goes ends as well.
	w.mu.Lock()
	w.missingFrom = 1 // the handshake found the stage, the connection does not
	w.mu.Unlock()
	c = w.connect()
	if code := w.closed(c); code != goingAway {
		t.Errorf("it ends with %d", code)
	}
}
