package restapi

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/hosts"
	"github.com/lambkin-dev/lambkin/internal/base/limit"
	"github.com/lambkin-dev/lambkin/internal/core/restapi"
	"github.com/lambkin-dev/lambkin/internal/front"
	"github.com/lambkin-dev/lambkin/internal/front/functions"
	"github.com/lambkin-dev/lambkin/internal/front/proxy"
	"github.com/lambkin-dev/lambkin/internal/wire/intake"
)

// exchange is one request on its way.
type exchange struct {
	server     *Server
	w          http.ResponseWriter
	r          *front.Request
	id         restapi.ID
	api        *restapi.API
	stage      *restapi.Stage
	deployed   *deployment
	path       string // escaped, without the stage
	base       string // what it has before the path
	received   time.Time
	extendedID string
	traceID    string
	canary     bool // the deployment is that of the canary of the stage
	test       bool // of TestInvokeMethod: nobody is asked who calls

	resource   *restapi.Resource
	method     *restapi.Method
	parameters map[string]string // of the path, by name
	body       []byte
	content    *content
	identity   proxy.Identity
	authorizer map[string]any // what the authorizer told
	usageKey   string         // the API key that the authorizer named
	explicit   bool           // the API's policy denies

	overrides overrides
	failed    *refusal
	status    int
	length    int // of the answer's body
	backend   behind
	notes     []string // for the execution log
	traced    bool     // it has what was sent, too
	metered   bool     // a usage plan took the request
	sent      time.Time
}

// behind is what the integration did.
type behind struct {
	status  int
	latency time.Duration
}

// run serves a request until there is an answer of the integration, or an error.
func (e *exchange) run() (*proxy.Answer, error) {
	e.resource, e.method, e.parameters = e.deployed.route(e.path, e.r.Method)
	if e.method == nil {
		return nil, errMissingToken
	}
	if err := e.readBody(); err != nil {
		return nil, err
	}
	if err := e.authorize(); err != nil {
		return nil, err
	}
	if err := e.meter(); err != nil {
		return nil, err
	}
	e.metered = true
	if err := e.inflate(); err != nil {
		return nil, err
	}
	answer, err := e.serveMethod()
	if err == nil {
		err = e.compress(answer)
	}
	return answer, err
}

// serveMethod checks what is sent and calls the integration.
func (e *exchange) serveMethod() (*proxy.Answer, error) {
	e.trace()
	if err := e.validate(); err != nil {
		return nil, err
	}
	answer, err := e.integrate()
	if err == nil && e.traced {
		e.note("Method response body after transformations: " + clip(answer.Body))
		e.note("Method response headers: " + printed(answer.Header))
	}
	return answer, err
}

// integrate calls the integration.
func (e *exchange) integrate() (*proxy.Answer, error) {
	i := e.method.MethodIntegration
	if i == nil {
		return nil, errInternal
	}
	started := e.server.config.Clock.Now()
	defer func() { e.backend.latency = e.server.config.Clock.Now().Sub(started) }()
	switch i.Type {
	case restapi.TypeAWSProxy:
		return e.lambdaProxy(i)
	case restapi.TypeMock:
		return e.mock(i)
	case restapi.TypeHTTPProxy:
		return e.httpProxy(i)
	case restapi.TypeHTTP:
		return e.httpCall(i)
	}
	if restapi.FunctionOf(i.Uri) != "" {
		return e.lambdaCall(i)
	}
	return e.serviceCall(i)
}

func (e *exchange) readBody() error {
	if e.test {
		return nil
	}
	body, err := e.r.Read(e.w, MaxPayloadBytes)
	switch {
	case errors.Is(err, intake.ErrTooLarge):
		return err
	case err != nil:
		return errBadRequest.with(err)
	}
	e.body = body
	return nil
}

// write sends an answer.
func (e *exchange) write(a *proxy.Answer) {
	e.status, e.length = a.Status, len(a.Body)
	h := e.w.Header()
	h.Set("X-Amzn-Requestid", e.r.RequestID)
	h.Set("X-Amz-Apigw-Id", e.extendedID)
	e.r.Answer(e.w, a)
}

// timeout is how long an integration may take.
func timeout(i *restapi.Integration) time.Duration {
	if i.TimeoutInMillis > 0 {
		return time.Duration(i.TimeoutInMillis) * time.Millisecond
	}
	return defaultTimeout
}

// methodARN is what policies and functions' permissions are about. AWS: of a function's
// permission it has the path of the resource, of a caller's that of the request.
func (e *exchange) methodARN(method, path string) string {
	return e.id.InvokeARN() + "/" + e.stage.StageName + "/" + method + "/" + strings.TrimPrefix(path, "/")
}

// domain is the host name that the event tells.
func (e *exchange) domain() string {
	if e.r.ByPath || e.test {
		return e.id.ID + "." + hosts.APILabel + "." + e.id.Region + ".localhost"
	}
	return e.r.Domain
}

// event is the request as functions get it.
func (e *exchange) event() *proxy.Request {
	domain := e.domain()
	prefix, _, _ := strings.Cut(domain, ".")
	parameters := e.parameters
	if len(parameters) == 0 {
		parameters = nil
	}
	var authorizer any
	if e.authorizer != nil {
		authorizer = e.authorizer
	}
	variables := e.stage.Variables
	if len(variables) == 0 {
		variables = nil
	}
	return &proxy.Request{HTTP: e.r.Request, Body: e.body, Path: e.eventPath(), PathParameters: parameters, StageVariables: variables, Context: proxy.Context{
		AccountID: e.id.Account, APIID: e.id.ID, Stage: e.stage.StageName, ResourceID: e.resource.Id, Resource: e.resource.Path, OperationName: e.method.OperationName,
		FullPath: e.fullPath(), DomainName: domain, DomainPrefix: prefix, RequestID: e.r.RequestID, ExtendedRequestID: e.extendedID, DeploymentID: e.stage.DeploymentId,
		Received: e.received, SourceIP: e.r.SourceIP, TraceID: e.traceID, Forwarded: true, Authorizer: authorizer, Identity: e.identity}}
}

// eventPath is the path that the event tells. AWS: with what a domain name has before it.
func (e *exchange) eventPath() string { return e.base + e.path }

// fullPath is the path as the client named it: with the stage, unless a domain name
// leads here.
func (e *exchange) fullPath() string {
	if e.test {
		return e.resource.Path
	}
	return e.r.Path
}

// invoke runs the function of a URI.
func (e *exchange) invoke(uri string, payload []byte, within time.Duration, source string) ([]byte, string, error) {
	target, err := functions.Parse(e.substitute(uri))
	if err != nil {
		return nil, "", errInternal.with(err)
	}
	if len(payload) > limit.SyncRequestBytes {
		return nil, "", errTooLarge
	}
	if e.traced {
		header := http.Header{"Accept": {jsonType}, "Content-Type": {jsonType}, "X-Amzn-Trace-Id": {e.traceID}, "x-amzn-apigateway-api-id": {e.id.ID}}
		e.sending("https://lambda."+target.Scope.Region+".amazonaws.com/2015-03-31/functions/"+target.ARN()+"/invocations", header, payload)
	}
	response, err := e.server.config.Functions.InvokeWithin(e.r.Context(), &functions.Call{Target: target, Service: functions.APIGateway, Source: source, TraceID: e.traceID, Payload: payload}, within)
	switch {
	case errors.Is(err, functions.ErrTimeout):
		return nil, "", errTimeout
	case err != nil:
		e.note("Execution failed due to configuration error: " + err.Error())
		return nil, "", errInternal.with(err)
	}
	if e.traced {
		e.heard(http.StatusOK, http.Header{"Content-Type": {jsonType}, "X-Amzn-Trace-Id": {e.traceID}}, response.Payload)
	}
	return response.Payload, response.FunctionError, nil
}

// lambdaProxy hands the request to a function as it is.
func (e *exchange) lambdaProxy(i *restapi.Integration) (*proxy.Answer, error) {
	event := e.event().EventREST(e.binary(e.r.Header.Get("Content-Type")))
	payload, failed, err := e.invoke(i.Uri, event, timeout(i), e.methodARN(e.r.Method, e.resource.Path))
	if err != nil {
		return nil, err
	}
	e.backend.status = http.StatusOK
	if failed != "" {
		e.note("Lambda execution failed with status 200 due to customer function error")
		return nil, errMalformedAnswer
	}
	answer, err := proxy.Parse(proxy.REST, payload)
	if err != nil {
		e.note("Execution failed due to configuration error: Malformed Lambda proxy response")
		return nil, errMalformedAnswer.with(err)
	}
	if answer.Base64 && e.acceptsBinary() {
		if err := answer.Decode(); err != nil {
			return nil, errMalformedAnswer.with(err)
		}
	}
	if len(answer.Body) > MaxPayloadBytes {
		return nil, errMalformedAnswer
	}
	answer.Header.Set("X-Amzn-Trace-Id", e.traceID)
	return answer, nil
}

// binary tells whether the API takes a media type for binary.
// AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-payload-encodings.html
func (e *exchange) binary(mediaType string) bool {
	mediaType, _, _ = strings.Cut(strings.ToLower(mediaType), ";")
	mediaType = strings.TrimSpace(mediaType)
	return slices.ContainsFunc(e.deployed.BinaryMediaTypes, func(configured string) bool {
		configured = strings.ToLower(configured)
		family, wild := strings.CutSuffix(configured, "/*")
		return configured == mediaType || configured == "*/*" || wild && strings.HasPrefix(mediaType, family+"/")
	})
}

// acceptsBinary tells whether the client wants bytes. AWS: only the first media type
// of Accept counts.
func (e *exchange) acceptsBinary() bool {
	first, _, _ := strings.Cut(e.r.Header.Get("Accept"), ",")
	return e.binary(first)
}

// substitute fills ${stageVariables.name} in.
func (e *exchange) substitute(text string) string { return restapi.Substitute(text, e.stage.Variables) }

// note adds a line to the execution log.
func (e *exchange) note(line string) {
	if len(e.notes) < maxNotes {
		e.notes = append(e.notes, line)
	}
}

const maxNotes = 100
