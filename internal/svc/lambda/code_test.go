package lambda

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
)

// newRequest is an HTTP request without a body.
func newRequest(method string) (*http.Request, error) { return http.NewRequest(method, "/", nil) }

// later is a clock that is ahead of the system's.
type later struct {
	clock.Clock
	by time.Duration
}

func (c later) Now() time.Time { return time.Now().Add(c.by) }

func TestALinkServesTheCodeUntilItExpires(t *testing.T) {
	b := newBench(t)
	b.do(t, "CreateFunction", functions, create(t, "foo", ""))
	b.wait(t, "foo")
	body := b.do(t, "GetFunction", functions+"/foo", "").Body.String()
	_, rest, _ := strings.Cut(body, `"Location":"`+endpoint)
	link, _, ok := strings.Cut(rest, `"`)
	if !ok {
		t.Fatal(body)
	}
	get := func(method, link string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		b.lambda.CodeHandler().ServeHTTP(w, httptest.NewRequest(method, link, nil))
		return w
	}
	w := get("GET", link)
	if w.Code != 200 || w.Header().Get("Content-Type") != "application/zip" || w.Body.String() != string(archive(t, map[string]string{"app.py": "one"})) {
		t.Fatalf("%d %v %d bytes", w.Code, w.Header(), w.Body.Len())
	}
	path, query, _ := strings.Cut(link, "?")
	unknown := "/_lambkin/code/" + strings.Repeat("0", 64)
	for name, test := range map[string]struct {
		method, link string
		want         int
	}{
		"no signature":      {"GET", path, 403},
		"another package":   {"GET", unknown + "?" + query, 403},
		"a longer life":     {"GET", strings.Replace(link, "Expires=", "Expires=9", 1), 403},
		"another method":    {"DELETE", link, 405},
		"a deleted package": {"GET", unknown + "?Expires=9999999999&Signature=" + b.lambda.signature(strings.Repeat("0", 64), "9999999999"), 404},
	} {
		if w := get(test.method, test.link); w.Code != test.want {
			t.Errorf("%s: %d, want %d", name, w.Code, test.want)
		}
	}
	b.lambda.clock = later{by: CodeLinkLife + time.Minute}
	if w := get("GET", link); w.Code != 403 {
		t.Errorf("expired: %d, want 403", w.Code)
	}
}
