package extension

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"
)

// caller is the extensions' side of the API under test.
type caller struct {
	t      *testing.T
	server *httptest.Server
}

func newCaller(t *testing.T, external ...string) (*Registry, *caller) {
	t.Helper()
	r := New(Function{Account: "123456789012", Name: "f", Version: "$LATEST", Handler: "app.handler"}, external)
	mux := http.NewServeMux()
	r.Handle(mux)
	c := &caller{t: t, server: httptest.NewServer(mux)}
	t.Cleanup(c.server.CloseClientConnections)
	t.Cleanup(c.server.Close)
	return r, c
}

func (c *caller) do(ctx context.Context, method, path, body string, headers ...string) (int, http.Header, string, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.server.URL+version+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, "", err
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	reply, err := c.server.Client().Do(request)
	if err != nil {
		return 0, nil, "", err
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	return reply.StatusCode, reply.Header, strings.TrimSpace(string(text)), err
}

func (c *caller) want(status int, text, method, path, body string, headers ...string) http.Header {
	c.t.Helper()
	gotStatus, header, got, err := c.do(c.t.Context(), method, path, body, headers...)
	if err != nil || gotStatus != status || got != text {
		c.t.Errorf("%s %s %s: %d %s %v\nwant %d %s", method, path, body, gotStatus, got, err, status, text)
	}
	return header
}

func (c *caller) register(name, events string) (id string) {
	c.t.Helper()
	return c.want(200, `{"functionName":"f","functionVersion":"$LATEST","handler":"app.handler"}`, "POST", "/register", `{"events":[`+events+`]}`, nameHeader, name).Get(idHeader)
}

// next asks for an event and waits until the registry has seen it.
func (c *caller) next(r *Registry, id string) <-chan string {
	c.t.Helper()
	events := make(chan string, 1)
	go func() { // ends with the answer, at the latest when the test ends
		_, header, text, err := c.do(c.t.Context(), "GET", "/event/next", "", idHeader, id)
		if err == nil && header.Get(eventIDHeader) == "" {
			text = "an event without an identifier: " + text
		}
		events <- text
	}()
	if err := r.wait(c.t.Context(), func() bool { return r.find(id).state == Ready }); err != nil {
		c.t.Fatal(err)
	}
	return events
}

func refusal(kind, message string) string {
	body, _ := json.Marshal(map[string]string{"errorMessage": message, "errorType": kind})
	return string(body)
}

// The texts are those of aws-lambda-runtime-interface-emulator, rapi/handler.
func TestRegistrationsThatAreRefused(t *testing.T) {
	r, c := newCaller(t, "outer")
	c.want(403, refusal("Extension.InvalidExtensionName", "Empty extension name"), "POST", "/register", `{}`)
	c.want(403, refusal("Extension.InvalidExtensionName", "Extension name is too long"), "POST", "/register", `{}`, nameHeader, strings.Repeat("x", 256))
	c.want(403, refusal("InvalidRequestFormat", "unexpected end of JSON input"), "POST", "/register", ``, nameHeader, "outer")
	c.want(403, refusal("InvalidRequestFormat", "configurationKeys are deprecated; use environment variables instead"), "POST", "/register", `{"configurationKeys":["x"]}`, nameHeader, "outer")
	c.want(403, refusal("InvalidRequestFormat", "http: request body too large"), "POST", "/register", strings.Repeat(" ", maxBodyBytes+1), nameHeader, "outer")
	c.want(403, refusal("Extension.InvalidEventType", "BOOM: ErrorInvalidEventType"), "POST", "/register", `{"events":["BOOM"]}`, nameHeader, "outer")
	c.want(403, refusal("Extension.InvalidEventType", "SHUTDOWN: ShutdownEventNotSupportedForInternalExtension"), "POST", "/register", `{"events":["INVOKE","SHUTDOWN"]}`, nameHeader, "inner")
	if infos := r.Infos(); len(infos) != 1 || infos[0].State != Started {
		t.Errorf("a refused request changed a state: %+v", infos)
	}
	c.register("outer", `"INVOKE","SHUTDOWN"`)
	c.want(403, refusal("Extension.InvalidExtensionState", "State transition from Registered to Registered failed for extension outer. Error: State transition is not allowed"),
		"POST", "/register", `{"events":[]}`, nameHeader, "outer")
	c.register("inner", `"INVOKE"`)
	c.want(403, refusal("Extension.InvalidExtensionState", "Extension with this name already registered"), "POST", "/register", `{"events":[]}`, nameHeader, "inner")
	for i := range Most - 2 {
		c.register(fmt.Sprint("inner", i), `"INVOKE"`)
	}
	c.want(403, refusal("Extension.TooManyExtensions", "Extension limit (10) reached"), "POST", "/register", `{"events":[]}`, nameHeader, "one too many")
	r.Close()
	c.want(403, refusal("Extension.RegistrationClosed", "Extension registration closed already"), "POST", "/register", `{"events":[]}`, nameHeader, "late")
}

func TestTheAccountIsToldToWhoAsks(t *testing.T) {
	_, c := newCaller(t, "outer")
	c.want(200, `{"accountId":"123456789012","functionName":"f","functionVersion":"$LATEST","handler":"app.handler"}`, "POST", "/register", `{"events":[]}`,
		nameHeader, "outer", featureHeader, "other, accountId")
}

func TestIdentifiers(t *testing.T) {
	_, c := newCaller(t)
	const stranger = "12345678-1234-1234-1234-123456789012"
	for _, call := range [][2]string{{"GET", "/event/next"}, {"POST", "/init/error"}, {"POST", "/exit/error"}} {
		c.want(403, refusal("Extension.MissingExtensionIdentifier", "Missing Lambda-Extension-Identifier header"), call[0], call[1], "")
		c.want(403, refusal("Extension.InvalidExtensionIdentifier", "Invalid Lambda-Extension-Identifier"), call[0], call[1], "", idHeader, "garbage")
	}
	c.want(403, refusal("Extension.UnknownExtensionIdentifier", "Unknown extension "+stranger), "GET", "/event/next", "", idHeader, stranger)
	c.want(403, refusal("Extension.MissingHeader", "Lambda-Extension-Function-Error-Type not found"), "POST", "/init/error", "", idHeader, stranger)
	c.want(403, refusal("Extension.UnknownExtensionIdentifier", "Unknown Lambda-Extension-Identifier"), "POST", "/exit/error", "", idHeader, stranger, errorTypeHeader, "X")
}

func TestEventsGoToWhoRegisteredForThem(t *testing.T) {
	r, c := newCaller(t, "both", "last", "none")
	both, last, none := c.register("both", `"INVOKE","SHUTDOWN","INVOKE"`), c.register("last", `"SHUTDOWN"`), c.register("none", "")
	inner := c.register("inner", `"INVOKE"`)
	if err := r.AwaitRegistered(t.Context()); err != nil {
		t.Fatal(err)
	}
	ofBoth, ofLast, ofInner := c.next(r, both), c.next(r, last), c.next(r, inner)
	c.next(r, none)
	if err := r.AwaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.want(403, refusal("Extension.InvalidExtensionState", "State transition from Ready to Ready failed for extension "+both+". Error: State transition is not allowed"), "GET", "/event/next", "", idHeader, both)
	r.Invoke("id-1", "arn:f", "Root=1", time.UnixMilli(1_700_000_000_123))
	const invoke = `{"eventType":"INVOKE","deadlineMs":1700000000123,"requestId":"id-1","invokedFunctionArn":"arn:f","tracing":{"type":"X-Amzn-Trace-Id","value":"Root=1"}}`
	for _, events := range []<-chan string{ofBoth, ofInner} {
		if got := <-events; got != invoke {
			t.Errorf("got %s\nwant %s", got, invoke)
		}
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if r.AwaitReady(over) == nil {
		t.Error("ready though nobody asked for the next event")
	}
	ofBoth = c.next(r, both)
	c.next(r, inner)
	if err := r.AwaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	others := r.Shutdown("spindown", time.UnixMilli(5))
	if !reflect.DeepEqual(others, []string{"none"}) {
		t.Errorf("to be killed: %v", others)
	}
	for _, events := range []<-chan string{ofBoth, ofLast} {
		if got, want := <-events, `{"eventType":"SHUTDOWN","deadlineMs":5,"shutdownReason":"spindown"}`; got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	}
	want := []Info{{"both", Running, []string{"INVOKE", "SHUTDOWN"}, ""}, {"last", Running, []string{"SHUTDOWN"}, ""}, {"none", Ready, []string{}, ""}, {"inner", Ready, []string{"INVOKE"}, ""}}
	if got := r.Infos(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

func TestAnExtensionThatWentAwayMayAskAgain(t *testing.T) {
	r, c := newCaller(t, "outer")
	id := c.register("outer", `"INVOKE"`)
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan struct{})
	go func() { // ends with leave
		c.do(ctx, "GET", "/event/next", "", idHeader, id)
		close(left)
	}()
	if err := r.AwaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	leave()
	<-left
	if err := r.wait(t.Context(), func() bool { return r.find(id).state == Registered }); err != nil {
		t.Fatal(err)
	}
	r.Invoke("one", "arn:f", "", time.UnixMilli(7))
	events := make(chan string, 1)
	go func() { // ends with the answer
		_, _, text, _ := c.do(t.Context(), "GET", "/event/next", "", idHeader, id)
		events <- text
	}()
	if got, want := <-events, `{"eventType":"INVOKE","deadlineMs":7,"requestId":"one","invokedFunctionArn":"arn:f"}`; got != want {
		t.Errorf("got %s", got)
	}
}

func TestFaults(t *testing.T) {
	const accepted = `{"status":"OK"}`
	tests := []struct {
		name   string
		report string
		want   Fault
		state  State
	}{
		{"crash", "", Fault{"Extension.Crash", "exit status 1"}, Registered},
		{"init", "/init/error", Fault{"Extension.InitError", "exit status 1"}, InitError},
		{"exit", "/exit/error", Fault{"Extension.ExitError", "exit status 1"}, ExitError},
	}
	for _, test := range tests {
		r, c := newCaller(t, "outer")
		id := c.register("outer", `"SHUTDOWN"`)
		if test.report != "" {
			for range 2 { // the second changes nothing
				c.want(202, accepted, "POST", test.report, "{}", idHeader, id, errorTypeHeader, "Extension.Mine")
			}
			if got := r.Infos()[0]; got.ErrorType != "Extension.Mine" {
				t.Errorf("%s: %+v", test.name, got)
			}
		}
		if got := r.Ended("outer", "exit status 1"); got == nil || *got != test.want {
			t.Errorf("%s: %+v", test.name, got)
		}
		if got := r.Infos()[0].State; got != test.state {
			t.Errorf("%s: state %s", test.name, got)
		}
	}
	r, c := newCaller(t, "outer", "broken")
	id := c.register("outer", `"SHUTDOWN"`)
	c.next(r, id)
	c.want(403, refusal("Extension.InvalidExtensionState", "State transition from Ready to InitError failed for extension "+id+". Error: State transition is not allowed"), "POST", "/init/error", "",
		idHeader, id, errorTypeHeader, "X")
	if got := r.NotStarted("broken", "PermissionDenied", "fork/exec /opt/extensions/broken: permission denied"); got.Type != "Extension.LaunchError" {
		t.Errorf("%+v", got)
	}
	if got := r.Infos()[1]; got.State != LaunchError || got.ErrorType != "PermissionDenied" {
		t.Errorf("%+v", got)
	}
	r.Stop()
	if got := r.Ended("outer", "exit code 0"); got != nil {
		t.Errorf("a fault of who ended when told so: %+v", got)
	}
	if err := r.AwaitGone(t.Context()); err != nil {
		t.Error(err)
	}
	if got := r.Ended("nobody", ""); got != nil {
		t.Errorf("a fault of nobody: %+v", got)
	}
}
