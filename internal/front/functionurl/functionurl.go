// Package functionurl serves function URLs: it checks who calls, makes the event,
// runs the function and answers with what it returns, at once or as a stream.
//
// It promises: without the permissions that AWS wants nothing runs; a function's
// answer cannot break out of its status, headers and body; a streamed answer is
// written while the function runs, by the goroutine that runs the call, so a
// client that reads slowly holds the function back inside its own timeout.
//
// No state, no goroutines, no locks. Start reading at Server.ServeFront.
package functionurl

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"

	"github.com/lambkin-dev/lambkin/internal/base/hosts"
	"github.com/lambkin-dev/lambkin/internal/base/limit"
	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/core/functionurl"
	"github.com/lambkin-dev/lambkin/internal/core/identity"
	"github.com/lambkin-dev/lambkin/internal/core/invoke"
	"github.com/lambkin-dev/lambkin/internal/front"
	"github.com/lambkin-dev/lambkin/internal/front/caller"
	"github.com/lambkin-dev/lambkin/internal/front/functions"
	"github.com/lambkin-dev/lambkin/internal/front/proxy"
	"github.com/lambkin-dev/lambkin/internal/wire/intake"
)

// URLs finds them; *functionurl.URLs is one.
type URLs interface {
	Find(ctx context.Context, id string) (*functionurl.URL, error)
}

// Policies tells what function policies permit; *function.Registry is one.
type Policies interface {
	PermitsURL(ctx context.Context, t function.Target, who function.URLCaller, authType string) (bool, error)
}

// Server is the front door of all function URLs.
type Server struct {
	URLs      URLs
	Policies  Policies
	Functions *functions.Functions
	Callers   *caller.Callers
	Logger    *slog.Logger
	// May decides about a caller who signed, by the policies of both sides; nil: permissions
	// are not enforced.
	May func(r *http.Request, who *identity.Key, t function.Target) (bool, error)
}

// forbidden is AWS's text for a caller without the permissions.
const forbidden = "Forbidden. For troubleshooting Function URL authorization issues, see: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"

// signingName is that of requests to URLs with AuthType AWS_IAM.
const signingName = "lambda"

// ServeFront answers one request.
func (s *Server) ServeFront(w http.ResponseWriter, r *front.Request) {
	w.Header().Set("X-Amzn-Requestid", r.RequestID)
	u, err := s.URLs.Find(r.Context(), r.ID)
	if err != nil {
		s.internal(w, r, err)
		return
	}
	if u == nil {
		// AWS: recorded, for an id that does not exist.
		refuse(w, http.StatusForbidden, "AccessDeniedException", []byte(`{"Message":null}`))
		return
	}
	if u.CORS != nil && front.IsPreflight(r.Request) {
		cors(u.CORS).Preflight(w, r.Request, http.StatusOK)
		return
	}
	if u.CORS != nil {
		w = &corsWriter{ResponseWriter: w, rules: cors(u.CORS), r: r.Request}
	}
	body, err := r.Read(w, limit.SyncRequestBytes)
	switch {
	case errors.Is(err, intake.ErrTooLarge):
		intake.Drain(w, r.Request)
		tooLarge(w)
		return
	case err != nil:
		front.Refuse(w, http.StatusBadRequest, "", "Bad Request")
		return
	}
	who, ok := s.admit(w, r, u, body)
	if !ok {
		return
	}
	event := event(r, u, who, body)
	if len(event) > limit.SyncRequestBytes {
		tooLarge(w)
		return
	}
	s.invoke(w, r, u, event)
}

func refuse(w http.ResponseWriter, status int, errorType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	if errorType != "" {
		h.Set("X-Amzn-Errortype", errorType)
	}
	w.WriteHeader(status)
	// A client that does not wait for the answer needs none.
	_, _ = w.Write(body)
}

// tooLarge is the refusal of an event over the limit of a call.
func tooLarge(w http.ResponseWriter) {
	front.Refuse(w, http.StatusRequestEntityTooLarge, "RequestTooLargeException", "Request must be smaller than "+strconv.Itoa(limit.SyncRequestBytes)+" bytes for the InvokeFunction operation")
}

func (s *Server) internal(w http.ResponseWriter, r *front.Request, err error) {
	if r.Context().Err() == nil {
		s.Logger.Error("internal error", "request_id", r.RequestID, "op", "function URL", "err", err)
	}
	refuse(w, http.StatusInternalServerError, "InternalFailure", []byte(`{"Message":null}`))
}

// admit finds out who calls and answers those who may not.
//
// AWS: a caller of the function's own account needs permission by its identity or
// by the function's policy. Where permissions are not enforced it may; everybody
// else needs the policy.
func (s *Server) admit(w http.ResponseWriter, r *front.Request, u *functionurl.URL, body []byte) (*identity.Key, bool) {
	var who *identity.Key
	asked := function.URLCaller{}
	if u.AuthType == functionurl.AuthIAM {
		var err error
		who, err = s.Callers.Identify(r.Request, signingName, body)
		var refusal *caller.Refusal
		switch {
		case errors.As(err, &refusal) && refusal.Missing:
			refuse(w, http.StatusForbidden, "AccessDeniedException", []byte(`{"Message":"`+forbidden+`"}`))
			return nil, false
		case errors.As(err, &refusal):
			front.Refuse(w, http.StatusForbidden, refusal.Code, refusal.Message)
			return nil, false
		case err != nil:
			s.internal(w, r, err)
			return nil, false
		case s.May != nil:
			may, err := s.May(r.Request, who, u.Target)
			return who, s.decided(w, r, may, err)
		case who.Account == u.Target.Scope.Account:
			return who, true
		}
		asked = function.URLCaller{Account: who.Account, ARN: who.ARN}
	}
	permitted, err := s.Policies.PermitsURL(r.Context(), u.Target, asked, u.AuthType)
	return who, s.decided(w, r, permitted, err)
}

// decided answers those who may not.
func (s *Server) decided(w http.ResponseWriter, r *front.Request, may bool, err error) bool {
	switch {
	case err != nil:
		s.internal(w, r, err)
		return false
	case !may:
		refuse(w, http.StatusForbidden, "AccessDeniedException", []byte(`{"Message":"`+forbidden+`"}`))
	}
	return may
}

// event is what the function gets.
func event(r *front.Request, u *functionurl.URL, who *identity.Key, body []byte) []byte {
	e := proxy.Request{HTTP: r.Request, Body: body, Path: r.Path, Context: proxy.Context{
		AccountID: "anonymous", APIID: u.ID, Stage: "$default", RouteKey: "$default", DomainName: r.Domain, DomainPrefix: u.ID,
		RequestID: r.RequestID, Received: r.Received, SourceIP: r.SourceIP, TraceID: r.TraceID(),
	}}
	if r.ByPath {
		e.Context.DomainName = u.ID + "." + hosts.URLLabel + "." + u.Target.Scope.Region + ".localhost"
	}
	if who != nil {
		e.Context.AccountID = who.Account
		e.Context.Authorizer = (&proxy.Identity{AccessKey: who.AccessKeyID, AccountID: who.Account, CallerID: who.UserID, UserARN: who.ARN, UserID: who.UserID}).IAM()
	}
	return e.EventURL()
}

// invoke runs the function and answers.
func (s *Server) invoke(w http.ResponseWriter, r *front.Request, u *functionurl.URL, event []byte) {
	call := &functions.Call{Target: u.Target, RequestID: r.RequestID, TraceID: r.TraceID(), Payload: event}
	w.Header().Set("X-Amzn-Trace-Id", call.TraceID)
	var out *stream
	if u.InvokeMode == functionurl.Stream {
		out = &stream{w: w}
		call.Stream = out.write
	}
	response, err := s.Functions.Invoke(r.Context(), call)
	switch {
	case err != nil && out.begun():
		panic(http.ErrAbortHandler) // only a cut connection tells that the answer is not whole
	case err != nil:
		s.fail(w, r, err)
	case out.gone():
	case out.begun() && response.FunctionError != "":
		panic(http.ErrAbortHandler)
	case response.FunctionError != "":
		badGateway(w)
	case out != nil:
		out.end(response.Payload)
	default:
		answer, err := proxy.Parse(proxy.URL, response.Payload)
		if err != nil {
			badGateway(w)
			return
		}
		r.Answer(w, answer)
	}
}

// badGateway is the answer for a function that failed, or returned no answer.
// AWS: recorded.
func badGateway(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusBadGateway)
	_, _ = w.Write([]byte("Internal Server Error"))
}

// fail answers a call that did not run.
func (s *Server) fail(w http.ResponseWriter, r *front.Request, err error) {
	var missing *function.NotFoundError
	var conflict *function.ConflictError
	var throttled *invoke.ThrottledError
	switch {
	case errors.As(err, &missing):
		refuse(w, http.StatusForbidden, "AccessDeniedException", []byte(`{"Message":null}`))
	case errors.As(err, &conflict):
		front.Refuse(w, http.StatusConflict, "ResourceConflictException", conflict.Message)
	case errors.As(err, &throttled):
		w.Header().Set("Retry-After", strconv.Itoa(max(1, int(throttled.RetryAfter.Seconds()))))
		refuse(w, http.StatusTooManyRequests, "TooManyRequestsException", []byte(`{"Reason":"`+string(throttled.Reason)+`","Type":"User","message":"Rate Exceeded."}`))
	case errors.Is(err, invoke.ErrRecursive):
		front.Refuse(w, http.StatusBadRequest, "RecursiveInvocationException", err.Error())
	case errors.Is(err, invoke.ErrShuttingDown):
		front.Refuse(w, http.StatusServiceUnavailable, "ServiceUnavailableException", "Service Unavailable")
	default:
		s.internal(w, r, err)
	}
}

func cors(c *functionurl.CORS) *front.CORS {
	return &front.CORS{AllowCredentials: c.AllowCredentials, AllowHeaders: c.AllowHeaders, AllowMethods: c.AllowMethods, AllowOrigins: c.AllowOrigins, ExposeHeaders: c.ExposeHeaders, MaxAge: c.MaxAge}
}

// corsWriter sets the CORS headers when the answer begins.
type corsWriter struct {
	http.ResponseWriter
	rules *front.CORS
	r     *http.Request
	begun bool
}

// WriteHeader begins the answer.
func (w *corsWriter) WriteHeader(status int) {
	if !w.begun {
		w.begun = true
		w.rules.Set(w.Header(), w.r)
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write writes a part of the body.
func (w *corsWriter) Write(p []byte) (int, error) {
	if !w.begun {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController find the connection.
func (w *corsWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Address is the URL by which clients reach a function URL on a server that they
// reach at endpoint (scheme://host:port): by host, or by path where the host is
// an address that has no names below it.
func Address(endpoint, id, region string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return endpoint
	}
	return hosts.Address(u, hosts.URLLabel, hosts.URLPath, id, region) + "/"
}
