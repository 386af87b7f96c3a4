package gateway

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/intake"
	"github.com/lambkin-dev/lambkin/internal/wire/sigv4"
)

// TestOwnAPIsAreGuardedAsAWSs sends to an API of our own what must not come
// through, and one request that must.
func TestOwnAPIsAreGuardedAsAWSs(t *testing.T) {
	const path = "/_lambkin/own/thing"
	for _, development := range []bool{false, true} {
		served := 0
		s := start(t, development, func(c *Config) {
			c.Mounts = []Mount{{Path: "/_lambkin/own/", API: &API{Service: "lambda", BodyBytes: 10, Serve: func(_ context.Context, call *wire.Call, w http.ResponseWriter, body []byte) error {
				served++
				_, err := w.Write([]byte(call.Account + " " + call.Region + " " + string(body)))
				return err
			}}}}
		})
		body := []byte("body")
		changed := s.request("PUT", path, body)
		sigv4.Sign(changed, ada, "lambda", "eu-west-1", time.Now(), sigv4.PayloadHash([]byte("other")))
		for name, test := range map[string]struct {
			request *http.Request
			status  int
			code    string
		}{
			"no signature":    {s.request("PUT", path, body), 403, "MissingAuthenticationTokenException"},
			"another service": {sign(s.request("PUT", path, body), ada, "sts", body), 403, "SignatureDoesNotMatch"},
			"another body":    {changed, 403, "InvalidSignatureException"},
			"a wrong secret":  {sign(s.request("PUT", path, body), sigv4.Credentials{AccessKeyID: ada.AccessKeyID, SecretAccessKey: "wrong"}, "lambda", body), 403, "InvalidSignatureException"},
			"too large":       {sign(s.request("PUT", path, []byte(strings.Repeat("x", 11))), ada, "lambda", []byte(strings.Repeat("x", 11))), 413, "RequestEntityTooLargeException"},
			"a web page":      {sign(s.request("PUT", path, body, "Origin", "https://evil.example"), ada, "lambda", body), 403, "AccessDeniedException"},
			"a local page":    {sign(s.request("PUT", path, body, "Origin", "http://localhost:3000"), ada, "lambda", body), 403, "AccessDeniedException"},
		} {
			if got := s.send(test.request); got.status != test.status || got.code() != test.code && !strings.Contains(got.body, "Credential should be scoped") {
				t.Errorf("%s: %+v", name, got)
			}
		}
		// A page whose name was bound to our address, with a key that it invented.
		stranger := sigv4.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}
		if got := s.call(stranger, "lambda", "PUT", path, body, "Host", "evil.example"); got.status != 403 {
			t.Errorf("a foreign name: %+v", got)
		}
		if served != 0 {
			t.Errorf("%d refused requests were served", served)
		}
		if got := s.call(ada, "lambda", "PUT", path, body); got.status != 200 || got.body != adaAccount+" eu-west-1 body" {
			t.Errorf("a good request: %+v", got)
		}
	}
}

// TestFunctionsAreKeptFromOurOwnAPIs sends the same good request by the listener
// of functions.
func TestFunctionsAreKeptFromOurOwnAPIs(t *testing.T) {
	const path = "/_lambkin/own/thing"
	served := false
	s := start(t, true, func(c *Config) {
		c.Mounts = []Mount{{Path: "/_lambkin/own/", API: &API{Service: "lambda", BodyBytes: 10, Serve: func(context.Context, *wire.Call, http.ResponseWriter, []byte) error {
			served = true
			return nil
		}}}}
	})
	r := sign(s.request("PUT", path, []byte("body")), ada, "lambda", []byte("body"))
	w := httptest.NewRecorder()
	s.gateway.ServeHTTP(w, r.WithContext(intake.FromFunctions(r.Context())))
	if w.Code != 403 || served || !strings.Contains(w.Body.String(), refusedFunction) {
		t.Errorf("%d %s, served: %v", w.Code, w.Body, served)
	}
}

// TestUnsignedRequestsAreForDevelopmentAndThisMachine sends requests without a
// signature to an API that takes them, and what must not pass with them.
func TestUnsignedRequestsAreForDevelopmentAndThisMachine(t *testing.T) {
	const path = "/_lambkin/own/thing"
	for _, development := range []bool{false, true} {
		served := 0
		s := start(t, development, func(c *Config) {
			c.Mounts = []Mount{{Path: "/_lambkin/own/", API: &API{Service: "events", BodyBytes: 10, Unsigned: true, Serve: func(_ context.Context, call *wire.Call, w http.ResponseWriter, body []byte) error {
				served++
				_, err := w.Write([]byte(call.Account + " " + call.Region + " " + string(body)))
				return err
			}}}}
		})
		body := []byte("body")
		elsewhere := s.request("POST", path, body)
		elsewhere.RemoteAddr = "192.0.2.1:4000"
		fromFunction := s.request("POST", path, body)
		fromFunction.RemoteAddr = "127.0.0.1:4000"
		for name, r := range map[string]*http.Request{"another machine": elsewhere, "a function": fromFunction.WithContext(intake.FromFunctions(fromFunction.Context()))} {
			w := httptest.NewRecorder()
			s.gateway.ServeHTTP(w, r)
			if w.Code != 403 {
				t.Errorf("%s: %d %s", name, w.Code, w.Body)
			}
		}
		for name, r := range map[string]*http.Request{
			"a web page":                s.request("POST", path, body, "Origin", "http://localhost:3000"),
			"a page without its origin": s.request("POST", path, body, "Sec-Fetch-Site", "cross-site"),
			"a foreign name":            s.request("POST", path, body, "Host", "evil.example"),
			"a broken signature":        s.request("POST", path, body, "Authorization", "AWS4-HMAC-SHA256 Credential=x"),
		} {
			if got := s.send(r); got.status != 403 {
				t.Errorf("%s: %+v", name, got)
			}
		}
		if served != 0 {
			t.Errorf("%d refused requests were served", served)
		}
		got := s.send(s.request("POST", path, body))
		if development && (got.status != 200 || got.body != "000000000000 us-east-1 body") || !development && (got.status != 403 || got.code() != "MissingAuthenticationTokenException") {
			t.Errorf("development %v, without a signature: %+v", development, got)
		}
		if got := s.call(ada, "events", "POST", path, body); got.status != 200 || got.body != adaAccount+" eu-west-1 body" {
			t.Errorf("a good signature: %+v", got)
		}
	}
}
