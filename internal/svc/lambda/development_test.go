package lambda

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/core/invoke"
	"github.com/lambkin-dev/lambkin/internal/wire"
)

// develop sends one request to the API for development, as the gateway hands it on.
func (b *bench) develop(t *testing.T, method, path, body string) (*httptest.ResponseRecorder, error) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, endpoint+DevelopmentPath+path, strings.NewReader(body))
	w := httptest.NewRecorder()
	call := &wire.Call{Account: account, Region: region, RequestID: requestID, Request: r, Header: http.Header{}}
	return w, b.lambda.Development(t.Context(), call, w, []byte(body))
}

func wantCode(t *testing.T, what string, err error, code string) {
	t.Helper()
	if f := fault.From(err); f == nil || f.Code != code {
		t.Errorf("%s: %v, not %s", what, err, code)
	}
}

func TestDevelopmentIsRefusedOutsideItsMode(t *testing.T) {
	b := newBench(t)
	for _, request := range []string{"PUT f/source", "DELETE f/source", "POST f/debug"} {
		method, path, _ := strings.Cut(request, " ")
		_, err := b.develop(t, method, path, "{}")
		wantCode(t, request, err, "AccessDeniedException")
	}
}

func TestDevelopmentRefusesWhatItCannotDo(t *testing.T) {
	b := newBench(t)
	b.lambda.development = true
	b.do(t, "CreateFunction", functions, create(t, "f", ""))
	b.wait(t, "f")
	for request, code := range map[string]string{
		"PUT f/source {":            "InvalidRequestContentException",
		"PUT f/source {}":           "ResourceConflictException", // not the deployed package
		"PUT nobody/source {}":      "ResourceNotFoundException",
		"PUT f:live/source {}":      "InvalidParameterValueException",
		"PUT a%2Fb/source {}":       "ValidationException",
		"GET f/source {}":           "UnknownOperationException",
		"POST f/other {}":           "UnknownOperationException",
		"POST nobody/debug {}":      "ResourceNotFoundException",
		"POST f/debug nothing":      "InvalidRequestContentException",
		"POST f/debug?Port=x {}":    "InvalidParameterValueException",
		"POST f/debug?Port=-1 {}":   "InvalidParameterValueException",
		"POST f/debug?Port=1e99 {}": "InvalidParameterValueException",
	} {
		fields := strings.SplitN(request, " ", 3)
		_, err := b.develop(t, fields[0], fields[1], fields[2])
		wantCode(t, request, err, code)
	}
}

// TestDebugCallsWhatTheDebuggerSees looks at what the invoker is asked for.
func TestDebugCallsWhatTheDebuggerSees(t *testing.T) {
	b := newBench(t)
	b.lambda.development = true
	b.lambda.debugLayer = func(_ context.Context, runtime, opt string) (string, error) { return "/debugger of " + runtime, nil }
	b.do(t, "CreateFunction", functions, create(t, "f", ""))
	b.wait(t, "f")
	b.runner.response = &invoke.Response{Payload: []byte(`{"a":   "<b>"}`), LogTail: []byte("log")}
	w, err := b.develop(t, "POST", "f/debug?Port=0", `{"n": 1}`)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(w.Body)
	var first, second debugLine
	for _, line := range []*debugLine{&first, &second} {
		if !lines.Scan() || json.Unmarshal(lines.Bytes(), line) != nil {
			t.Fatalf("the reply is %s", w.Body)
		}
	}
	if host, _, _ := net.SplitHostPort(first.Address); host != "127.0.0.1" {
		t.Errorf("the debugger is awaited at %s", first.Address)
	}
	if string(second.Payload) != `{"a":   "<b>"}` || second.LogTail != "log" {
		t.Errorf("the outcome is %+v", second)
	}
	got, plain := b.runner.got, b.resolved(t, "f")
	if got.Debug == nil || got.Version.Timeout != debugTimeout || got.Version.OptDir != "/debugger of "+plain.Runtime || string(got.Payload) != `{"n": 1}` {
		t.Errorf("the call is %+v of %+v", got, got.Version)
	}
	if got.Version.Generation == plain.Generation || plain.Timeout == debugTimeout {
		t.Error("an ordinary call would meet the environment of the debugger, or its time limit")
	}
	b.lambda.debugged.Add(maxDebugged)
	if _, err := b.develop(t, "POST", "f/debug?Port=0", `{}`); err == nil || !strings.Contains(err.Error(), "16 calls are being debugged already") {
		t.Errorf("one too many: %v", err)
	}
	b.lambda.debugged.Add(-maxDebugged)
	if _, err := b.develop(t, "POST", "f/debug?Port=0", `{}`); err != nil {
		t.Errorf("the place of a call that ended: %v", err)
	}
	if _, err := net.DialTimeout("tcp", first.Address, time.Second); err == nil {
		t.Error("the port is open after the call")
	}
	b.lambda.debugLayer = func(context.Context, string, string) (string, error) { return "", errors.New("no index") }
	_, err = b.develop(t, "POST", "f/debug?Port=0", "{}")
	wantCode(t, "without a debugger", err, "InvalidParameterValueException")
}

func (b *bench) resolved(t *testing.T, name string) *function.Version {
	t.Helper()
	r, err := b.lambda.registry.Resolve(t.Context(), function.Scope{Account: account, Region: region}, name, "")
	if err != nil {
		t.Fatal(err)
	}
	return r.Version
}
