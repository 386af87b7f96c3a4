package front

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWhichOriginsAreAllowed(t *testing.T) {
	for _, c := range []struct {
		patterns []string
		origin   string
		want     bool
	}{
		{[]string{"*"}, "https://any.example", true}, {[]string{"https://a.example"}, "https://A.example", true}, {[]string{"https://a.example"}, "https://a.example.evil", false},
		{[]string{"https://*.a.example"}, "https://x.a.example", true}, {[]string{"https://*"}, "http://x", false},
		{nil, "https://x", false}, {[]string{"https://*.aa"}, "https://.a", false},
	} {
		if got := (&CORS{AllowOrigins: c.patterns}).Allows(c.origin); got != c.want {
			t.Errorf("%v %s: %v", c.patterns, c.origin, got)
		}
	}
}

func TestPreflight(t *testing.T) {
	age := 5
	ask := func(c *CORS, origin string) http.Header {
		r := httptest.NewRequest("OPTIONS", "/", nil)
		r.Header.Set("Origin", origin)
		r.Header.Set("Access-Control-Request-Method", "PATCH")
		r.Header.Set("Access-Control-Request-Headers", "x-mine")
		w := httptest.NewRecorder()
		if !IsPreflight(r) {
			t.Fatal("no preflight")
		}
		c.Preflight(w, r, http.StatusNoContent)
		return w.Header()
	}
	for _, c := range []struct {
		rules CORS
		want  http.Header
	}{
		{CORS{AllowOrigins: []string{"*"}, AllowMethods: []string{"*"}, AllowHeaders: []string{"*"}, MaxAge: &age},
			http.Header{"Access-Control-Allow-Origin": {"*"}, "Access-Control-Allow-Methods": {"*"}, "Access-Control-Allow-Headers": {"*"}, "Access-Control-Max-Age": {"5"}}},
		{CORS{AllowOrigins: []string{"https://x"}, AllowMethods: []string{"*"}, AllowHeaders: []string{"*"}, AllowCredentials: true},
			http.Header{"Access-Control-Allow-Origin": {"https://x"}, "Access-Control-Allow-Methods": {"PATCH"}, "Access-Control-Allow-Headers": {"x-mine"}, "Access-Control-Allow-Credentials": {"true"}, "Vary": {"Origin"}}},
		{CORS{AllowOrigins: []string{"https://y"}}, http.Header{}},
	} {
		if diff := cmp.Diff(c.want, ask(&c.rules, "https://x")); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", c.rules, diff)
		}
	}
}
