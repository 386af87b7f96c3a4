package runtimeapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/limit"
)

// runtime is a client of the API under test.
type runtime struct {
	t      *testing.T
	server *httptest.Server
}

func newRuntime(t *testing.T) (*API, *runtime) {
	t.Helper()
	api := New()
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	return api, &runtime{t: t, server: server}
}

func (r *runtime) do(method, path string, body io.Reader, headers ...string) (int, http.Header, string) {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), method, r.server.URL+version+path, body)
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	reply, err := r.server.Client().Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return reply.StatusCode, reply.Header, string(text)
}

func (r *runtime) want(status int, text string, method, path, body string, headers ...string) {
	r.t.Helper()
	gotStatus, _, got := r.do(method, path, strings.NewReader(body), headers...)
	if gotStatus != status || strings.TrimSpace(got) != text {
		r.t.Errorf("%s %s: %d %s\nwant %d %s", method, path, gotStatus, got, status, text)
	}
}

// begin has the API hand out an event; the outcome of Invoke comes on the channel.
func begin(t *testing.T, api *API, event *Event) <-chan *Answer {
	t.Helper()
	answers := make(chan *Answer, 1)
	go func() { // ends with Invoke, at the latest when the test ends
		answer, err := api.Invoke(t.Context(), event)
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		answers <- answer
	}()
	return answers
}

const (
	accepted  = `{"status":"OK"}`
	invalidID = `{"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"}`
)

func transition(from, to state) string {
	return `{"errorMessage":"State transition from ` + string(from) + ` to ` + string(to) + ` failed for runtime. Error: State transition is not allowed","errorType":"InvalidStateTransition"}`
}

func TestAnEventAndItsResponse(t *testing.T) {
	api, r := newRuntime(t)
	r.want(400, invalidID, "POST", "/runtime/invocation/one/response", "{}")
	answers := begin(t, api, &Event{RequestID: "one", Deadline: time.UnixMilli(1_700_000_000_123), InvokedARN: "arn:f", TraceID: "Root=1",
		ClientContext: []byte(`{"custom":{}}`), Identity: []byte(`{"cognitoIdentityId":"i"}`), TenantID: "blue", Payload: []byte(`{"n":1}`)})
	for range 2 { // the second time as after a lost reply
		status, header, body := r.do("GET", "/runtime/invocation/next", nil)
		if status != 200 || body != `{"n":1}` {
			t.Errorf("next: %d %s", status, body)
		}
		for name, want := range map[string]string{"Lambda-Runtime-Aws-Request-Id": "one", "Lambda-Runtime-Deadline-Ms": "1700000000123", "Lambda-Runtime-Invoked-Function-Arn": "arn:f",
			"Lambda-Runtime-Trace-Id": "Root=1", "Lambda-Runtime-Client-Context": `{"custom":{}}`, "Lambda-Runtime-Cognito-Identity": `{"cognitoIdentityId":"i"}`,
			"Lambda-Runtime-Aws-Tenant-Id": "blue", "Content-Type": "application/json"} {
			if header.Get(name) != want {
				t.Errorf("%s: %q, want %q", name, header.Get(name), want)
			}
		}
	}
	r.want(400, invalidID, "POST", "/runtime/invocation/two/response", "{}")
	r.want(400, `{"errorMessage":"Invalid function response mode","errorType":"InvalidFunctionResponseMode"}`, "POST", "/runtime/invocation/one/response", "{}",
		"Lambda-Runtime-Function-Response-Mode", "sideways")
	r.want(403, transition(ready, initError), "POST", "/runtime/init/error", "{}")
	r.want(202, accepted, "POST", "/runtime/invocation/one/response", `{"ok":true}`, "Content-Type", "text/plain")
	if a := <-answers; string(a.Payload) != `{"ok":true}` || a.ErrorType != "" || a.ContentType != "text/plain" {
		t.Errorf("answer %+v", a)
	}
	r.want(403, transition(responseSent, response), "POST", "/runtime/invocation/one/response", "{}")
	r.want(403, transition(responseSent, errorResponse), "POST", "/runtime/invocation/one/error", "{}")
}

func TestALateAnswerReachesNobody(t *testing.T) {
	api, r := newRuntime(t)
	first := begin(t, api, &Event{RequestID: "one"})
	r.do("GET", "/runtime/invocation/next", nil)
	r.want(202, accepted, "POST", "/runtime/invocation/one/response", `1`)
	<-first
	second := begin(t, api, &Event{RequestID: "two"})
	r.do("GET", "/runtime/invocation/next", nil)
	r.want(400, invalidID, "POST", "/runtime/invocation/one/response", `"late"`)
	r.want(400, invalidID, "POST", "/runtime/invocation/one/error", `"late"`)
	r.want(202, accepted, "POST", "/runtime/invocation/two/response", `2`)
	if a := <-second; string(a.Payload) != "2" {
		t.Errorf("the second caller got %s", a.Payload)
	}
}

func TestErrors(t *testing.T) {
	tests := []struct{ kind, want string }{
		{"Function.MyError", "Function.MyError"}, {"", "Runtime.Unknown"}, {"Function.", "Function.Unknown"}, {"ValueError", "Runtime.Unknown"},
	}
	for _, test := range tests {
		api, r := newRuntime(t)
		answers := begin(t, api, &Event{RequestID: "one"})
		r.do("GET", "/runtime/invocation/next", nil)
		r.want(202, accepted, "POST", "/runtime/invocation/one/error", `{"errorMessage":"m"}`, "Lambda-Runtime-Function-Error-Type", test.kind)
		if a := <-answers; a.ErrorType != test.want || string(a.Payload) != `{"errorMessage":"m"}` {
			t.Errorf("type %q: %+v", test.kind, a)
		}
	}
}

func TestErrorCauseIsLeftOut(t *testing.T) {
	api, r := newRuntime(t)
	answers := begin(t, api, &Event{RequestID: "one"})
	r.do("GET", "/runtime/invocation/next", nil)
	r.want(202, accepted, "POST", "/runtime/invocation/one/error", `{"errorMessage":"m","errorType":"E","stackTrace":["s"],"cause":{"x":1}}`, "Content-Type", causeContentType)
	if a := <-answers; string(a.Payload) != `{"errorMessage":"m","errorType":"E","stackTrace":["s"]}` {
		t.Errorf("payload %s", a.Payload)
	}
}

func TestATooLargeResponseEndsTheEvent(t *testing.T) {
	api, r := newRuntime(t)
	answers := begin(t, api, &Event{RequestID: "one"})
	r.do("GET", "/runtime/invocation/next", nil)
	status, _, text := r.do("POST", "/runtime/invocation/one/response", bytes.NewReader(make([]byte, limit.ResponseBytes+1)))
	if status != 413 || strings.TrimSpace(text) != `{"errorMessage":"Exceeded maximum allowed payload size (6291556 bytes).","errorType":"RequestEntityTooLarge"}` {
		t.Errorf("%d %s", status, text)
	}
	if a := <-answers; !a.TooLarge || a.Payload != nil {
		t.Errorf("answer %+v", a)
	}
	next := begin(t, api, &Event{RequestID: "two"})
	r.do("GET", "/runtime/invocation/next", nil)
	status, _, _ = r.do("POST", "/runtime/invocation/two/response", bytes.NewReader(make([]byte, limit.ResponseBytes)))
	if a := <-next; status != 202 || len(a.Payload) != limit.ResponseBytes {
		t.Errorf("a response of exactly the limit: %d, %d bytes", status, len(a.Payload))
	}
}

func TestInitErrorIsReported(t *testing.T) {
	api, r := newRuntime(t)
	r.want(202, accepted, "POST", "/runtime/init/error", `{"errorMessage":"no","errorType":"E"}`, "Lambda-Runtime-Function-Error-Type", "Runtime.NoSuchHandler")
	<-api.InitDone()
	if fault := api.InitFault(); fault == nil || fault.ErrorType != "Runtime.NoSuchHandler" || string(fault.Payload) != `{"errorMessage":"no","errorType":"E"}` {
		t.Errorf("fault %+v", fault)
	}
	r.want(403, transition(initError, ready), "GET", "/runtime/invocation/next", "")
	r.want(403, transition(initError, initError), "POST", "/runtime/init/error", "{}")
}

func TestInitEndsAtTheFirstNext(t *testing.T) {
	api, r := newRuntime(t)
	answers := begin(t, api, &Event{RequestID: "one"})
	r.do("GET", "/runtime/invocation/next", nil)
	<-api.InitDone()
	if api.InitFault() != nil {
		t.Error("a fault without a report")
	}
	r.want(202, accepted, "POST", "/runtime/invocation/one/response", `1`)
	<-answers
}

func TestAStreamThatFailsIsAnError(t *testing.T) {
	api, r := newRuntime(t)
	answers := begin(t, api, &Event{RequestID: "one"})
	r.do("GET", "/runtime/invocation/next", nil)
	body := struct{ io.Reader }{strings.NewReader("half")} // of unknown length: sent in chunks
	request, err := http.NewRequestWithContext(t.Context(), "POST", r.server.URL+version+"/runtime/invocation/one/response", body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Lambda-Runtime-Function-Response-Mode", "streaming")
	request.Trailer = http.Header{"Lambda-Runtime-Function-Error-Type": {"Runtime.StreamError"}, "Lambda-Runtime-Function-Error-Body": {"eyJlIjoxfQ=="}}
	reply, err := r.server.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	reply.Body.Close()
	if a := <-answers; a.ErrorType != "Runtime.StreamError" || string(a.Payload) != `{"e":1}` {
		t.Errorf("answer %+v", a)
	}
}

// FuzzErrorBody feeds error bodies with a cause from hostile runtimes.
func FuzzErrorBody(f *testing.F) {
	f.Add([]byte(`{"errorMessage":"m","cause":{}}`))
	f.Add([]byte(`[`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if plain, contentType := withoutCause(body); len(plain) == 0 || contentType == "" {
			t.Errorf("%q gives %q, %q", body, plain, contentType)
		}
	})
}
