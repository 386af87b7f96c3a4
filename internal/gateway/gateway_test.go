package gateway

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/limit"
	"github.com/lambkin-dev/lambkin/internal/wire/shape"
	"github.com/lambkin-dev/lambkin/internal/wire/sigv4"
)

func TestInvokeReachesItsOperation(t *testing.T) {
	s := start(t, false)
	got := s.call(ada, "lambda", "POST", invoke, []byte(`{"a":1}`))
	if got.status != 200 || got.body != `{"a":1}` || got.header.Get("X-Amz-Executed-Version") != "f" {
		t.Fatalf("%+v", got)
	}
	call := s.lambda.last()
	if call.Account != adaAccount || call.Region != "eu-west-1" || call.AccessKeyID != ada.AccessKeyID || call.CallerARN != "arn:aws:iam::123456789012:user/ada" ||
		call.UserID != "AIDAADA" || call.Endpoint != s.URL || call.RequestID != got.header.Get("X-Amzn-Requestid") || len(call.RequestID) != 36 {
		t.Errorf("call %+v", call)
	}
}

func TestCredentialsOfAFunctionAreAccepted(t *testing.T) {
	s := start(t, false)
	c := s.keys.ForRole(adaAccount, "arn:aws:iam::123456789012:role/worker", "my-function", time.Hour)
	function := sigv4.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}
	form := "application/x-www-form-urlencoded"
	got := s.call(function, "sts", "POST", "/", []byte("Action=GetCallerIdentity&Version=2011-06-15"), "Content-Type", form)
	if got.status != 200 || !strings.Contains(got.body, "<Arn>arn:aws:sts::123456789012:assumed-role/worker/my-function</Arn>") {
		t.Errorf("%+v", got)
	}
	function.SecretAccessKey = "guess"
	if got := s.call(function, "lambda", "POST", invoke, nil); got.code() != "InvalidSignatureException" {
		t.Errorf("another secret: %+v", got)
	}
	expired := s.keys.ForRole(adaAccount, "arn:aws:iam::123456789012:role/worker", "f", -time.Second)
	got = s.call(sigv4.Credentials{AccessKeyID: expired.AccessKeyID, SecretAccessKey: expired.SecretAccessKey, SessionToken: expired.SessionToken}, "lambda", "POST", invoke, nil)
	if got.status != 403 || got.code() != "ExpiredTokenException" || got.body != `{"message":"The security token included in the request is expired"}` {
		t.Errorf("expired: %+v", got)
	}
}

func TestDevelopmentModeAcceptsUnknownKeysUnverified(t *testing.T) {
	s := start(t, true)
	for id, account := range map[string]string{"test": "000000000000", "999999999999": "999999999999"} {
		got := s.call(sigv4.Credentials{AccessKeyID: id, SecretAccessKey: "any"}, "lambda", "POST", invoke, []byte("{}"))
		if call := s.lambda.last(); got.status != 200 || call.Account != account {
			t.Errorf("%s: %+v, account %s", id, got, call.Account)
		}
	}
	// A configured key is verified all the same.
	if got := s.call(intruder, "lambda", "POST", invoke, nil); got.status != 403 || got.code() != "InvalidSignatureException" {
		t.Errorf("a wrong signature of a configured key: %+v", got)
	}
}

func TestARNsArriveInPaths(t *testing.T) {
	s := start(t, false)
	const arn = "arn:aws:lambda:eu-west-1:123456789012:function:f"
	for _, path := range []string{"/2017-03-31/tags/" + arn, "/2017-03-31/tags/" + strings.ReplaceAll(arn, ":", "%3A"), "/2017-03-31/tags/" + arn + "/"} {
		if got := s.call(ada, "lambda", "GET", path, nil); got.status != 200 || !strings.Contains(got.body, `"resource":"`+arn+`"`) {
			t.Errorf("%s: %+v", path, got)
		}
	}
	// A slash inside a label arrives escaped and stays one label.
	got := s.call(ada, "lambda", "POST", "/2015-03-31/functions/a%2Fb/invocations", []byte("{}"))
	if got.status != 400 || got.code() != "ValidationException" || !strings.Contains(got.body, "functionName") {
		t.Errorf("an escaped slash: %+v", got)
	}
	if got := s.call(ada, "lambda", "POST", "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A123456789012%3Afunction%3Af/invocations?Qualifier=%24LATEST", []byte("{}")); got.status != 200 {
		t.Errorf("an ARN as the name: %+v", got)
	}
}

func TestConstraintsAreChecked(t *testing.T) {
	s := start(t, false)
	got := s.call(ada, "lambda", "GET", "/2015-03-31/functions/not%20a%20name", nil)
	if got.status != 400 || got.code() != "ValidationException" || !strings.Contains(got.body, "1 validation error detected: Value") {
		t.Errorf("%+v", got)
	}
}

func TestOversizeBodies(t *testing.T) {
	s := start(t, false)
	const code = "/2015-03-31/functions/f/code"
	tests := []struct {
		name, method, path string
		size               int
		message            string
	}{
		{"invoke", "POST", invoke, limit.SyncRequestBytes + 1, "Request must be smaller than 6291456 bytes for the InvokeFunction operation"},
		{"code", "PUT", code, limit.CreateBodyBytes + 1, "Request must be smaller than 70167211 bytes for the UpdateFunctionCode operation"},
		{"another operation", "PUT", "/2015-03-31/functions/f/configuration", limit.ControlBodyBytes + 1, "Request must be smaller than 6291968 bytes for the UpdateFunctionConfiguration operation"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			body := bytes.Repeat([]byte("x"), test.size)
			got := s.call(ada, "lambda", test.method, test.path, body)
			if got.status != 413 || got.code() != "RequestEntityTooLargeException" || !strings.Contains(got.body, `"Message":"`+test.message+`"`) {
				t.Errorf("%+v", got)
			}
			if test.size > 2*limit.SyncRequestBytes {
				return // 70 MB once are enough
			}
			// The same without a length.
			r := s.request(test.method, test.path, body)
			sign(r, ada, "lambda", body)
			r.ContentLength = -1
			r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body)))
			if got := s.send(r); got.status != 413 || !strings.Contains(got.body, test.message) {
				t.Errorf("chunked: %+v", got)
			}
		})
	}
	if got := s.call(ada, "lambda", "POST", invoke, append([]byte(`"`), append(bytes.Repeat([]byte("x"), limit.SyncRequestBytes-2), '"')...)); got.status != 200 || len(got.body) != limit.SyncRequestBytes {
		t.Errorf("exactly the limit: %d, %d bytes", got.status, len(got.body))
	}
}

func TestGzippedBodiesAreUndoneWithABound(t *testing.T) {
	s := start(t, false)
	plain := []byte(`{"zipped":true}`)
	body := gzipped(t, plain)
	if got := s.call(ada, "lambda", "POST", invoke, body, "Content-Encoding", "gzip"); got.status != 200 || got.body != string(plain) {
		t.Errorf("%+v", got)
	}
	if got := s.call(ada, "lambda", "POST", invoke, body[:len(body)-3], "Content-Encoding", "gzip"); got.status != 400 || got.code() != "SerializationException" {
		t.Errorf("broken: %+v", got)
	}
	bomb := gzipped(t, make([]byte, limit.SyncRequestBytes+1))
	if got := s.call(ada, "lambda", "POST", invoke, bomb, "Content-Encoding", "gzip"); got.status != 413 {
		t.Errorf("%d bytes that unfold to too many: %+v", len(bomb), got)
	}
}

func TestPanicsAndOurErrorsAreAnsweredWithoutTheirText(t *testing.T) {
	s := start(t, false)
	for _, name := range []string{"panics", "breaks"} {
		s.log.Reset()
		got := s.call(ada, "lambda", "GET", "/2015-03-31/functions/"+name, nil)
		if got.status != 500 || got.code() != "ServiceException" || strings.Contains(got.body, "invariant") || strings.Contains(got.body, "secret") {
			t.Errorf("%s: %+v", name, got)
		}
		id := got.header.Get("X-Amzn-Requestid")
		if log := s.log.String(); strings.Count(log, "\n") != 1 || !strings.Contains(log, "request_id="+id) || !strings.Contains(log, "op=Lambda.GetFunction") {
			t.Errorf("%s: log %q", name, log)
		}
	}
	if got := s.gateway.Stats(); got.Panics != 1 || got.Internal != 2 || got.Requests != 2 {
		t.Errorf("%+v", got)
	}
	if _, err := s.Client().Do(sign(s.request("GET", "/2015-03-31/functions/aborts", nil), ada, "lambda", nil)); err == nil {
		t.Error("an aborted reply was answered")
	}
	if got := s.call(ada, "lambda", "POST", invoke, []byte("{}")); got.status != 200 {
		t.Errorf("after the panic: %+v", got)
	}
}

func TestSecretsAreNotLogged(t *testing.T) {
	s := start(t, false)
	s.call(ada, "lambda", "GET", "/2015-03-31/functions/breaks", nil)
	s.call(intruder, "lambda", "GET", "/2015-03-31/functions/panics", nil)
	for _, secret := range []string{ada.SecretAccessKey, intruder.SecretAccessKey, "Signature=", "AWS4"} {
		if strings.Contains(s.log.String(), secret) {
			t.Errorf("%q is in the log", secret)
		}
	}
}

func TestHealth(t *testing.T) {
	s := start(t, false)
	if got := s.send(s.request("GET", HealthPath, nil)); got.status != 200 || got.body != `{"status":"ok"}`+"\n" {
		t.Errorf("%+v", got)
	}
	if got := s.send(s.request("HEAD", HealthPath, nil)); got.status != 200 {
		t.Errorf("HEAD: %+v", got)
	}
	if got := s.send(s.request("POST", HealthPath, nil)); got.status != 405 {
		t.Errorf("POST: %+v", got)
	}
}

func TestMounts(t *testing.T) {
	say := func(text string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, text+" "+r.URL.Path) })
	}
	s := start(t, false, func(c *Config) {
		c.Mounts = []Mount{{Path: "/_lambkin/console/", Handler: say("console")}, {Path: "/_lambkin/one", Handler: say("one")}, {Label: "lambda-url", Handler: say("url")}}
	})
	for _, test := range []struct{ host, path, want string }{
		{"", "/_lambkin/console/", "console /_lambkin/console/"},
		{"", "/_lambkin/console/a/b", "console /_lambkin/console/a/b"},
		{"", "/_lambkin/one", "one /_lambkin/one"},
		{"abc.lambda-url.us-east-1.localhost:4566", "/any", "url /any"},
		{"abc.LAMBDA-URL.us-east-1.localhost", "/", "url /"},
	} {
		r := s.request("GET", test.path, nil)
		if test.host != "" {
			r.Host = test.host
		}
		if got := s.send(r); got.status != 200 || got.body != test.want {
			t.Errorf("%s%s: %+v", test.host, test.path, got)
		}
	}
	for _, path := range []string{"/_lambkin/one/more", "/_lambkin/console", "/"} {
		if got := s.send(s.request("GET", path, nil)); got.status != 403 {
			t.Errorf("%s: %+v", path, got)
		}
	}
}

func TestBadConfigurationIsRefused(t *testing.T) {
	s := start(t, false)
	h := http.NotFoundHandler()
	for name, change := range map[string]func(*Config){
		"no identity":     func(c *Config) { c.Identity = nil },
		"no codec":        func(c *Config) { delete(c.Codecs, shape.Query) },
		"twice a service": func(c *Config) { c.Services = append(c.Services, fakeLogs()) },
		"no handler":      func(c *Config) { c.Mounts = []Mount{{Path: "/x"}} },
		"path and label":  func(c *Config) { c.Mounts = []Mount{{Path: "/x", Label: "y", Handler: h}} },
		"relative path":   func(c *Config) { c.Mounts = []Mount{{Path: "x", Handler: h}} },
		"twice a path":    func(c *Config) { c.Mounts = []Mount{{Path: HealthPath, Handler: h}} },
	} {
		config := Config{Services: s.services(), Codecs: codecs(), Identity: s.keys}
		change(&config)
		if _, err := New(config); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestBrowsersOfStrangersCannotUseDevelopmentMode(t *testing.T) {
	s := start(t, true, func(c *Config) {
		c.AllowedOrigins, c.AllowedHosts = []string{"https://console.example.org/"}, []string{"lambkin.example.org"}
	})
	for _, test := range []struct {
		name   string
		header []string
		status int
	}{
		{"no browser", nil, 200},
		{"a local page", []string{"Origin", "http://localhost:3000"}, 200},
		{"a local page by address", []string{"Origin", "http://127.0.0.1:8080"}, 200},
		{"a configured page", []string{"Origin", "https://console.example.org"}, 200},
		{"a page of a stranger", []string{"Origin", "https://evil.example.com"}, 403},
		{"a page of a stranger with our name in its own", []string{"Origin", "https://localhost.evil.example.com"}, 403},
		{"a sandboxed frame", []string{"Origin", "null"}, 403},
		{"an image of a stranger's page", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"typed into the address bar", []string{"Sec-Fetch-Site", "none"}, 200},
		{"a name bound to us by a stranger", []string{"Host", "evil.example.com:4566"}, 403},
		{"a name that any device of the network can take", []string{"Host", "evil.local:4566"}, 403},
		{"a name that a router gave", []string{"Host", "evil.lan:4566"}, 403},
		{"a configured name", []string{"Host", "Lambkin.example.org:4566"}, 200},
		{"a local name", []string{"Host", "lambda.us-east-1.localhost:4566"}, 200},
		{"a container's name", []string{"Host", "lambkin:4566"}, 200},
		{"an address", []string{"Host", "[::1]:4566"}, 200},
	} {
		got := s.call(tester, "lambda", "POST", invoke, []byte("{}"), test.header...)
		if got.status != test.status || test.status == 403 && got.code() != "AccessDeniedException" {
			t.Errorf("%s: %+v", test.name, got)
		}
		if test.status == 200 && len(test.header) > 0 && test.header[0] == "Origin" && got.header.Get("Access-Control-Allow-Origin") != test.header[1] {
			t.Errorf("%s: the page may not read the reply: %v", test.name, got.header)
		}
	}
	// Proven callers may use any name.
	if got := s.call(ada, "lambda", "POST", invoke, []byte("{}"), "Host", "lambkin.example.com"); got.status != 200 {
		t.Errorf("a verified key by a public name: %+v", got)
	}
}

func TestPreflight(t *testing.T) {
	s := start(t, true)
	ask := func(origin string) answer {
		return s.send(s.request("OPTIONS", invoke, nil, "Origin", origin, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,x-amz-date"))
	}
	got := ask("http://localhost:3000")
	if got.status != 204 || got.header.Get("Access-Control-Allow-Origin") != "http://localhost:3000" || got.header.Get("Access-Control-Allow-Headers") != "authorization,x-amz-date" {
		t.Errorf("%+v", got)
	}
	if got := ask("https://evil.example.com"); got.status != 403 || got.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("a stranger: %+v", got)
	}
}
