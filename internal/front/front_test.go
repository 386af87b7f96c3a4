package front

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/base/hosts"
)

// echo answers with what the door made of the request.
func echo(kind string) Handler {
	return HandlerFunc(func(w http.ResponseWriter, r *Request) {
		body, err := r.Read(w, 10)
		if err != nil {
			body = []byte(err.Error())
		}
		io.WriteString(w, strings.Join([]string{kind, r.ID, r.Region, r.Path, r.Domain, r.SourceIP, string(body)}, " "))
	})
}

func TestTheDoorFindsTheIDByHostAndByPath(t *testing.T) {
	apis := NewDirectory()
	apis.Enter("a1b2c3", echo("http"))
	apis.Enter("r1", echo("rest"))
	apis.Enter("gone", echo("gone"))
	apis.Remove("gone")
	door := New(Config{URLs: echo("url"), APIs: apis})
	for _, c := range []struct {
		handler        http.Handler
		host, path     string
		status         int
		want           string
		body, wantBody string
	}{
		{door.URLs(), "abc.lambda-url.eu-west-1.localhost:4566", "/x/%2F?q=1", 200, "url abc eu-west-1 /x/%2F abc.lambda-url.eu-west-1.localhost 192.0.2.1 hi", "hi", ""},
		{door.URLs(), "127.0.0.1:4566", "/_aws/lambda-url/abc/x/y", 200, "url abc  /x/y 127.0.0.1 192.0.2.1 ", "", ""},
		{door.URLs(), "127.0.0.1:4566", "/_aws/lambda-url/abc", 200, "url abc  / 127.0.0.1 192.0.2.1 ", "", ""},
		{door.APIs(), "A1B2C3.execute-api.us-east-1.localhost", "/", 200, "http a1b2c3 us-east-1 / a1b2c3.execute-api.us-east-1.localhost 192.0.2.1 ", "", ""},
		{door.APIs(), "r1.execute-api.us-east-1.amazonaws.com", "/prod/pets", 200, "rest r1 us-east-1 /prod/pets r1.execute-api.us-east-1.amazonaws.com 192.0.2.1 ", "", ""},
		{door.APIs(), "localhost:4566", "/_aws/execute-api/r1/prod/pets/", 200, "rest r1  /prod/pets/ localhost 192.0.2.1 ", "", ""},
		{door.APIs(), "localhost:4566", "/_aws/execute-api/r1/prod", 200, "rest r1  /prod localhost 192.0.2.1 the request body is too large", "more than ten bytes", ""},
		{door.APIs(), "gone.execute-api.us-east-1.localhost", "/", 403, `{"message":"Forbidden"}`, "", ""},
		{door.Scripts(), "localhost:4566", "/restapis/r1/prod/_user_request_/a%2Fb/c?q=1", 200, "rest r1  /prod/a%2Fb/c localhost 192.0.2.1 ", "", ""},
		{door.Scripts(), "localhost:4566", "/restapis/r1/prod/_user_request_", 200, "rest r1  /prod/ localhost 192.0.2.1 ", "", ""},
		{door.Scripts(), "localhost:4566", "/restapis/r1/prod/%5Fuser_request_/a", 403, `{"message":"Forbidden"}`, "", ""},
		{door.Scripts(), "localhost:4566", "/restapis/nobody/prod/_user_request_/a", 403, `{"message":"Forbidden"}`, "", ""},
		{door.APIs(), "localhost", "/_aws/execute-api/", 403, `{"message":"Forbidden"}`, "", ""},
	} {
		r := httptest.NewRequest("POST", "http://"+c.host+c.path, strings.NewReader(c.body))
		w := httptest.NewRecorder()
		c.handler.ServeHTTP(w, r)
		if w.Code != c.status || w.Body.String() != c.want {
			t.Errorf("%s%s: %d %q, want %d %q", c.host, c.path, w.Code, w.Body, c.status, c.want)
		}
	}
}

func TestAPanicEndsOneRequest(t *testing.T) {
	door := New(Config{Logger: slog.New(slog.DiscardHandler), URLs: HandlerFunc(func(http.ResponseWriter, *Request) { panic("bug") })})
	server := httptest.NewServer(door.URLs())
	defer server.Close()
	for range 2 {
		reply, err := http.Get(server.URL + hosts.URLPath + "x")
		if err != nil {
			continue // cut off
		}
		reply.Body.Close()
		if reply.StatusCode != 500 {
			t.Errorf("%d", reply.StatusCode)
		}
	}
}

func TestExtendedIDs(t *testing.T) {
	if a, b := ExtendedID(), ExtendedID(); a == b || len(a) != 16 || !strings.HasSuffix(a, "=") {
		t.Errorf("%q %q", a, b)
	}
}

// FuzzRequest looks for paths and hosts that confuse the door.
func FuzzRequest(f *testing.F) {
	f.Add("abc.lambda-url.x.localhost:1", "/a/b")
	f.Add("", "/_aws/lambda-url/")
	f.Add("[::1]:9", "*")
	f.Add("....", "/_aws/lambda-url//%2e%2e/")
	door := New(Config{})
	f.Fuzz(func(t *testing.T, host, path string) {
		in := httptest.NewRequest("GET", "http://x/", nil)
		in.Host, in.URL.Path = host, path
		r := door.request(in, hosts.URLPath)
		if !strings.HasPrefix(r.Path, "/") || strings.Contains(r.ID, "/") && r.ByPath {
			t.Errorf("%q %q: id %q, path %q", host, path, r.ID, r.Path)
		}
	})
}
