package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/core/httpapi"
	"github.com/lambkin-dev/lambkin/internal/core/invoke"
	"github.com/lambkin-dev/lambkin/internal/engine/store/localstore"
	"github.com/lambkin-dev/lambkin/internal/front"
	"github.com/lambkin-dev/lambkin/internal/front/functions"
)

// trivial is every function, which answers at once.
type trivial struct{}

func (trivial) Resolve(_ context.Context, _ function.Scope, name, _ string) (*function.Resolved, error) {
	return &function.Resolved{Version: &function.Version{Name: name}, InvokedARN: name}, nil
}

func (trivial) Permits(context.Context, function.Target, function.Caller) (bool, error) {
	return true, nil
}

func (trivial) Invoke(context.Context, *invoke.Request) (*invoke.Response, error) {
	return &invoke.Response{Payload: []byte(`{"statusCode": 200, "body": "ok"}`)}, nil
}

// BenchmarkRequest is what an HTTP API adds to an invocation: from the door to the
// event, and from the function's answer to the client's.
func BenchmarkRequest(b *testing.B) {
	state, err := localstore.Open(localstore.Config{Folder: filepath.Join(b.TempDir(), "store")})
	if err != nil {
		b.Fatal(err)
	}
	defer state.Close()
	apis, err := httpapi.New(httpapi.Config{Store: state})
	if err != nil {
		b.Fatal(err)
	}
	scope := httpapi.Scope{Account: "000000000000", Region: "us-east-1"}
	api, err := apis.Create(b.Context(), scope, httpapi.API{Name: "a", ProtocolType: httpapi.HTTP}, &httpapi.Quick{Target: "arn:aws:lambda:us-east-1:000000000000:function:f"}, nil)
	if err != nil {
		b.Fatal(err)
	}
	directory := front.NewDirectory()
	directory.Enter(api.ID, New(Config{APIs: apis, Functions: &functions.Functions{Registry: trivial{}, Invoker: trivial{}}, Logger: slog.New(slog.DiscardHandler)}))
	door := front.New(front.Config{APIs: directory}).APIs()
	r := httptest.NewRequest("POST", "http://"+api.ID+".execute-api.us-east-1.localhost/part/7/sub", nil)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "bench")
	b.ReportAllocs()
	for b.Loop() {
		r.Body, r.ContentLength = http.NoBody, 0
		w := httptest.NewRecorder()
		door.ServeHTTP(w, r)
		if w.Code != http.StatusOK || !strings.HasPrefix(w.Body.String(), "ok") {
			b.Fatal(w.Code, w.Body)
		}
	}
}
