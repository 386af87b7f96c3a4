package restapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/core/policy"
	"github.com/lambkin-dev/lambkin/internal/core/restapi"
	"github.com/lambkin-dev/lambkin/internal/core/vtl"
)

// verdict is what an authorizer told.
type verdict struct {
	policy   *policy.Policy
	text     string // the policy's
	context  map[string]any
	usageKey string
}

// remembered is a verdict that still holds.
type remembered struct {
	verdict
	until time.Time
}

// askAuthorizer asks the method's Lambda authorizer, or remembers what it told.
// AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-use-lambda-authorizer.html
func (e *exchange) askAuthorizer() error {
	z := e.deployed.Authorizers[e.method.AuthorizerId]
	if z == nil {
		return errAuthorizer
	}
	identity, complete := e.identitySource(z)
	if !complete {
		return errUnauthorized
	}
	ttl := restapi.DefaultAuthorizerTTL * time.Second
	if z.AuthorizerResultTtlInSeconds != nil {
		ttl = time.Duration(*z.AuthorizerResultTtlInSeconds) * time.Second
	}
	// Values of the client are quoted: none can pass for two.
	key := strings.Join([]string{e.id.Account, e.id.Region, e.id.ID, e.stage.StageName, e.stage.DeploymentId, z.Id, fmt.Sprintf("%q", identity)}, "\x00")
	now := e.server.config.Clock.Now()
	told, found := e.server.remember(key, now)
	if !found || ttl == 0 {
		var err error
		if told, err = e.callAuthorizer(z, identity); err != nil {
			return err
		}
		if ttl > 0 && len(identity) > 0 {
			e.server.keep(key, remembered{told, now.Add(ttl)})
		}
	}
	e.authorizer, e.usageKey = told.context, told.usageKey
	switch told.policy.Evaluate(e.question(policy.Who{})) {
	case policy.Granted:
		return nil
	case policy.Refused:
		return errDenied
	}
	return errNotAllowed
}

// remember finds what an authorizer told earlier.
func (s *Server) remember(key string, now time.Time) (verdict, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, found := s.answers[key]
	return r.verdict, found && now.Before(r.until)
}

func (s *Server) keep(key string, r remembered) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for old := range s.answers { // any one goes: its authorizer is asked again
		if len(s.answers) < maxAnswers {
			break
		}
		delete(s.answers, old)
	}
	s.answers[key] = r
}

// Flush forgets what the authorizers of a stage told.
func (s *Server) Flush(id restapi.ID, stage string) {
	prefix := strings.Join([]string{id.Account, id.Region, id.ID, stage, ""}, "\x00")
	s.mu.Lock()
	defer s.mu.Unlock()
	for key := range s.answers {
		if strings.HasPrefix(key, prefix) {
			delete(s.answers, key)
		}
	}
}

// identitySource are the values by which an authorizer knows the client; not complete
// if one is not there, or does not have the form that is wanted.
func (e *exchange) identitySource(z *restapi.Authorizer) (values []string, complete bool) {
	for source := range strings.SplitSeq(z.IdentitySource, ",") {
		if source = strings.TrimSpace(source); source == "" {
			continue
		}
		value, found := e.value(source)
		if !found || value == "" {
			return nil, false
		}
		values = append(values, value)
	}
	if z.IdentityValidationExpression != "" && z.Type == restapi.AuthorizerToken {
		if len(values) == 0 {
			return nil, false
		}
		if fits, err := e.deployed.fits(z.IdentityValidationExpression, values[0]); err != nil || !fits {
			return nil, false
		}
	}
	return values, true
}

// tokenEvent is what an authorizer of the type TOKEN gets.
type tokenEvent struct {
	Type  string `json:"type"`
	ARN   string `json:"methodArn"`
	Token string `json:"authorizationToken"`
}

// callAuthorizer runs the authorizer's function.
func (e *exchange) callAuthorizer(z *restapi.Authorizer, identity []string) (verdict, error) {
	arn := e.methodARN(e.r.Method, e.path)
	var event []byte
	var err error
	if z.Type == restapi.AuthorizerToken {
		event, err = json.Marshal(tokenEvent{"TOKEN", arn, identity[0]})
	} else {
		event, err = e.requestEvent(arn)
	}
	if err != nil {
		return verdict{}, err
	}
	payload, failed, err := e.invoke(z.AuthorizerUri, event, defaultTimeout, e.id.InvokeARN()+"/authorizers/"+z.Id)
	switch {
	case errors.Is(err, errTimeout):
		return verdict{}, errAuthorizer
	case err != nil:
		return verdict{}, errAuthorizer.with(err)
	case failed != "":
		var told struct {
			ErrorMessage string `json:"errorMessage"`
		}
		if json.Unmarshal(payload, &told) == nil && told.ErrorMessage == "Unauthorized" {
			return verdict{}, errUnauthorized // AWS: that is how a function says so
		}
		return verdict{}, errAuthorizer
	}
	return readVerdict(payload)
}

// requestEvent is what an authorizer of the type REQUEST gets: the event of a proxy
// integration without the body.
func (e *exchange) requestEvent(arn string) ([]byte, error) {
	request := e.event()
	request.Body = nil
	var members map[string]json.RawMessage
	if err := json.Unmarshal(request.EventREST(false), &members); err != nil {
		return nil, err
	}
	delete(members, "body")
	delete(members, "isBase64Encoded")
	members["type"], members["methodArn"] = json.RawMessage(`"REQUEST"`), json.RawMessage(quote(arn))
	return json.Marshal(members)
}

// maxContextBytes bounds what an authorizer tells.
const maxContextBytes = 8192

// readVerdict reads what an authorizer returned.
func readVerdict(payload []byte) (verdict, error) {
	var told struct {
		PrincipalID json.RawMessage            `json:"principalId"`
		Policy      json.RawMessage            `json:"policyDocument"`
		Context     map[string]json.RawMessage `json:"context"`
		UsageKey    string                     `json:"usageIdentifierKey"`
	}
	if err := json.Unmarshal(payload, &told); err != nil {
		return verdict{}, errAuthorizer.with(err)
	}
	var principal any
	if err := json.Unmarshal(told.PrincipalID, &principal); err != nil || principal == nil {
		return verdict{}, errAuthorizer
	}
	compiled, err := policy.Compile(string(told.Policy))
	if err != nil {
		return verdict{}, errAuthorizer.with(err)
	}
	v := verdict{policy: compiled, text: compact(told.Policy), usageKey: told.UsageKey, context: map[string]any{"principalId": scalar(told.PrincipalID)}}
	size := 0
	for name, raw := range told.Context {
		if raw = bytes.TrimSpace(raw); len(raw) > 0 && (raw[0] == '{' || raw[0] == '[') {
			return verdict{}, errAuthorizer // AWS: objects and lists are not allowed
		}
		if size += len(name) + len(raw); size > maxContextBytes {
			return verdict{}, errAuthorizer
		}
		if string(raw) != "null" {
			v.context[name] = scalar(raw)
		}
	}
	return v, nil
}

// scalar is a value of JSON as a text.
func scalar(raw json.RawMessage) string {
	value, err := vtl.ParseJSON(string(raw))
	if err != nil {
		return ""
	}
	return vtl.Text(value)
}
