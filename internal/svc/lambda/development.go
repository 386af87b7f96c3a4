package lambda

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/api/lambdaapi"
	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

// DevelopmentPath is where lambkin's own API for development is mounted: what
// AWS has no operation for. docs/api.md describes it, DESIGN.md has its reasons.
const DevelopmentPath = "/_lambkin/functions/"

// DevelopmentBodyBytes bounds a request of it: source, in base64.
const DevelopmentBodyBytes = 64 << 20

// Development answers it. It exists in development mode only: elsewhere code
// comes by deployments, which last, and nobody holds calls with a debugger.
func (l *Lambda) Development(ctx context.Context, call *wire.Call, w http.ResponseWriter, body []byte) error {
	if !l.development {
		return &fault.Fault{Code: "AccessDeniedException", MessageMember: "Message", Status: http.StatusForbidden, Sender: true,
			Message: "The development API works in development mode only: on a server that listens on the loopback interface and has no access key configured."}
	}
	path := strings.TrimPrefix(call.Request.URL.EscapedPath(), DevelopmentPath)
	escaped, what, _ := strings.Cut(path, "/")
	name, err := url.PathUnescape(escaped)
	if err != nil {
		return lambdaapi.InvalidParameterValueException("The name of the function cannot be read.")
	}
	t, err := target(call, "UpdateFunctionCode", &name, member.Optional(call.Request.URL.Query().Get("Qualifier")))
	if err != nil {
		return err
	}
	if call.Request.Method+" "+what == "POST debug" {
		return l.debug(ctx, call, w, t, body)
	}
	if t.Qualifier != "" && t.Qualifier != function.Latest {
		return lambdaapi.InvalidParameterValueException("Only $LATEST can be developed: versions do not change.")
	}
	switch call.Request.Method + " " + what {
	case "PUT source":
		return l.putSource(ctx, w, t, body)
	case "DELETE source":
		if err := l.registry.EndSource(t.Scope, t.Name); err != nil {
			return err
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return &fault.Fault{Code: "UnknownOperationException", Status: http.StatusNotFound, Sender: true,
		Message: "The development API has no operation " + call.Request.Method + " " + what + "."}
}

// putSource changes files of the function until its next deployment.
func (l *Lambda) putSource(ctx context.Context, w http.ResponseWriter, t function.Target, body []byte) error {
	s := &function.Source{}
	if err := json.Unmarshal(body, s); err != nil {
		return lambdaapi.InvalidRequestContentException("Could not parse request body into json: %s", err.Error())
	}
	revision, err := l.registry.PutSource(ctx, t, s)
	if err != nil {
		return translate(err)
	}
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(map[string]string{"Revision": revision})
}
