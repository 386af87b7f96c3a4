package httpapi

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/core/httpapi"
	"github.com/lambkin-dev/lambkin/internal/core/identity"
	"github.com/lambkin-dev/lambkin/internal/core/policy"
	"github.com/lambkin-dev/lambkin/internal/front/caller"
	"github.com/lambkin-dev/lambkin/internal/front/functions"
	"github.com/lambkin-dev/lambkin/internal/front/proxy"
)

// authorized is what is known of a caller.
type authorized struct {
	identity proxy.Identity
	key      *identity.Key // of who signed
	context2 any           // requestContext.authorizer of payload 2.0
	context1 any           // of payload 1.0
	values   map[string]any
	err      string // for the access log
}

// property is $context.authorizer.NAME.
func (a *authorized) property(name string) string {
	name = strings.TrimPrefix(name, "claims.")
	value, ok := a.values[name]
	if !ok {
		return ""
	}
	return plain(value)
}

// plain is a value of JSON as a text.
func plain(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		return v
	}
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(text)
}

// authorizer is one made ready, with what it remembers.
type authorizer struct {
	httpapi.Authorizer
	target  function.Target
	broken  error
	sources []httpapi.Expression
	ttl     time.Duration

	mu     sync.Mutex
	memory map[[sha256.Size]byte]*decision
}

// decision is what a Lambda authorizer said of a caller.
type decision struct {
	until     time.Time
	simple    bool
	allowed   bool           // of a simple response
	policy    *policy.Policy // of an IAM response
	principal string
	context   map[string]any
}

// maxRemembered bounds the decisions of one authorizer; then all are forgotten.
const maxRemembered = 10000

// authorizerTimeout bounds a Lambda authorizer. AWS: 10 seconds.
const authorizerTimeout = 10 * time.Second

// defaultTTL is AWS's for HTTP APIs: nothing is remembered unless that is asked for.
const defaultTTL = 0

func newAuthorizer(row *httpapi.Authorizer, stageVariables map[string]string) *authorizer {
	a := &authorizer{Authorizer: *row, memory: map[[sha256.Size]byte]*decision{}}
	for _, source := range row.IdentitySource {
		a.sources = append(a.sources, httpapi.ParseExpression(source))
	}
	if row.Type == httpapi.Request {
		a.target, a.broken = functions.Parse(httpapi.StageVariables(row.URI, stageVariables))
	}
	seconds := defaultTTL
	if row.TTLSeconds != nil {
		seconds = *row.TTLSeconds
	}
	a.ttl = time.Duration(seconds) * time.Second
	return a
}

// recall finds a decision that still holds.
func (a *authorizer) recall(key [sha256.Size]byte, now time.Time) *decision {
	a.mu.Lock()
	defer a.mu.Unlock()
	d := a.memory[key]
	if d == nil || now.After(d.until) {
		return nil
	}
	return d
}

func (a *authorizer) remember(key [sha256.Size]byte, d *decision) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.memory) >= maxRemembered {
		clear(a.memory)
	}
	a.memory[key] = d
}

// authorize finds out whether the caller may use the route.
func (x *exchange) authorize() failure {
	switch x.route.AuthorizationType {
	case httpapi.AuthNone, "":
		return failure{}
	case httpapi.AuthIAM:
		return x.authorizeIAM()
	}
	a := x.route.authorizer
	if a == nil {
		return authorizerFail
	}
	if a.Type == httpapi.JWT {
		return x.authorizeJWT(a)
	}
	return x.authorizeLambda(a)
}

// signingName is that of requests to routes with IAM authorization.
const signingName = "execute-api"

// authorizeIAM wants a signature.
//
// AWS: the caller's identity must permit execute-api:Invoke. Where permissions are
// not enforced, callers of the API's account may. HTTP APIs have no resource
// policies, so others may not.
func (x *exchange) authorizeIAM() failure {
	key, err := x.server.config.Callers.Identify(x.r.Request, signingName, x.body)
	var refusal *caller.Refusal
	switch {
	case errors.As(err, &refusal):
		x.authorized.err = refusal.Message
		f := forbidden
		if !refusal.Missing {
			f.text = refusal.Message
		}
		f.header = http.Header{"X-Amzn-Errortype": {refusal.Code}}
		return f
	case err != nil:
		x.fail("a caller could not be found", err)
		return internalError
	case key.Account != x.live.API.Scope.Account:
		return forbidden
	}
	if may := x.server.config.May; may != nil {
		if permitted, err := may(x.r.Request, key, x.live.API.Scope.Region, "execute-api:Invoke", x.source(x.path)); err != nil {
			x.fail("the permissions of a caller could not be read", err)
			return internalError
		} else if !permitted {
			return forbidden
		}
	}
	x.authorized.key = key
	x.authorized.identity = proxy.Identity{AccessKey: key.AccessKeyID, AccountID: key.Account, CallerID: key.UserID, UserARN: key.ARN, UserID: key.UserID}
	x.authorized.context2 = x.authorized.identity.IAM()
	return failure{}
}

// authorizeLambda asks a function.
func (x *exchange) authorizeLambda(a *authorizer) failure {
	if a.broken != nil {
		x.authorized.err = a.broken.Error()
		return authorizerFail
	}
	values := make([]string, len(a.sources))
	for i, source := range a.sources {
		if values[i] = source.Resolve(x.value); values[i] == "" {
			return unauthorized // AWS: without asking the function
		}
	}
	now := x.server.config.Clock.Now()
	key := sha256.Sum256(encodeJSON(values))
	d := (*decision)(nil)
	if a.ttl > 0 {
		d = a.recall(key, now)
	}
	if d == nil {
		var err error
		if d, err = x.ask(a, values); err != nil {
			x.authorized.err = err.Error()
			x.server.config.Logger.Debug("an authorizer failed", "request_id", x.id, "api", x.live.API.ID, "authorizer", a.Name, "err", err)
			return authorizerFail
		}
		if d == nil {
			return unauthorized
		}
		if d.until = now.Add(a.ttl); a.ttl > 0 {
			a.remember(key, d)
		}
	}
	allowed := d.allowed
	if !d.simple {
		allowed = d.policy.Evaluate(&policy.Request{Action: "execute-api:Invoke", Resource: x.source(x.path)}) == policy.Granted
	}
	if !allowed {
		return forbidden
	}
	x.authorized.values = map[string]any{}
	for name, value := range d.context {
		x.authorized.values[name] = value
	}
	one := map[string]any{}
	for name, value := range d.context {
		one[name] = value
	}
	if !d.simple {
		x.authorized.values["principalId"], one["principalId"] = d.principal, d.principal
	}
	x.authorized.context2, x.authorized.context1 = map[string]any{"lambda": d.context}, one
	return failure{}
}

func encodeJSON(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic("values must be writable as JSON: " + err.Error())
	}
	return text
}

// ask has the function decide; nil says that the caller must say who it is.
func (x *exchange) ask(a *authorizer, values []string) (*decision, error) {
	p := x.proxyRequest()
	p.Body = nil
	event, err := p.AuthorizerEvent(a.PayloadFormatVersion, x.source(x.path), values)
	if err != nil {
		return nil, err
	}
	call := &functions.Call{Target: a.target, Service: functions.APIGateway, Source: x.authorizerARN(a), RequestID: ids.UUID(), TraceID: x.r.TraceID(), Payload: event}
	if a.CredentialsARN != "" {
		call.Service, call.Role = "", a.CredentialsARN
	}
	response, err := x.server.config.Functions.InvokeWithin(x.r.Context(), call, authorizerTimeout)
	if err != nil {
		return nil, err
	}
	if response.FunctionError != "" {
		var told struct {
			ErrorMessage string `json:"errorMessage"`
		}
		if json.Unmarshal(response.Payload, &told) == nil && told.ErrorMessage == "Unauthorized" {
			return nil, nil // AWS: how an authorizer asks for 401
		}
		return nil, fmt.Errorf("the authorizer failed: %.200s", response.Payload)
	}
	return readDecision(response.Payload, a.EnableSimpleResponses != nil && *a.EnableSimpleResponses)
}

// authorizerARN is what an authorizer's function is called for.
func (x *exchange) authorizerARN(a *authorizer) string {
	api := x.live.API
	return "arn:aws:execute-api:" + api.Scope.Region + ":" + api.Scope.Account + ":" + api.ID + "/authorizers/" + a.ID
}

// readDecision reads what an authorizer returned.
// AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html
func readDecision(payload []byte, simple bool) (*decision, error) {
	var told struct {
		IsAuthorized   *bool           `json:"isAuthorized"`
		PrincipalID    *string         `json:"principalId"`
		PolicyDocument json.RawMessage `json:"policyDocument"`
		Context        map[string]any  `json:"context"`
	}
	if err := json.Unmarshal(payload, &told); err != nil {
		return nil, fmt.Errorf("the authorizer's answer: %w", err)
	}
	d := &decision{simple: simple, context: told.Context}
	if simple {
		if told.IsAuthorized == nil {
			return nil, errors.New("the authorizer's answer has no isAuthorized")
		}
		d.allowed = *told.IsAuthorized
		return d, nil
	}
	if told.PrincipalID == nil || told.PolicyDocument == nil {
		return nil, errors.New("the authorizer's answer has no principalId or no policyDocument")
	}
	d.principal = *told.PrincipalID
	var err error
	d.policy, err = policy.Compile(string(told.PolicyDocument))
	return d, err
}
