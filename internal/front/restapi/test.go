package restapi

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/policy"
	"github.com/lambkin-dev/lambkin/internal/core/restapi"
	"github.com/lambkin-dev/lambkin/internal/front"
)

// testStage is the stage of tests, as functions and policies see it.
const testStage = "test-invoke-stage"

// testExchange is a request that came by the API.
func (s *Server) testExchange(ctx context.Context, id restapi.ID, t *restapi.Test) (*exchange, error) {
	api, err := s.config.APIs.Get(id)
	if err != nil {
		return nil, err
	}
	path := t.PathWithQuery
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	target, err := url.Parse(path)
	if err != nil {
		return nil, restapi.Invalid("Invalid path specified: %s", path)
	}
	r, err := http.NewRequestWithContext(ctx, t.Method, "http://"+testStage+target.RequestURI(), http.NoBody)
	if err != nil {
		return nil, restapi.Invalid("Invalid method or path specified")
	}
	r.Header = http.Header{}
	for name, values := range t.Headers {
		for _, value := range values {
			r.Header.Add(name, value)
		}
	}
	now := s.config.Clock.Now()
	e := &exchange{server: s, id: id, api: api, path: target.EscapedPath(), test: true, received: now, extendedID: front.ExtendedID(), body: []byte(t.Body),
		r:     &front.Request{Request: r, ID: id.ID, Region: id.Region, Path: target.EscapedPath(), RequestID: t.RequestID, Received: now, SourceIP: "test-invoke-source-ip"},
		stage: &restapi.Stage{StageName: testStage, Variables: t.StageVariables}, deployed: newDeployment(id, &restapi.Snapshot{Definition: api.Definition, Name: api.Name})}
	e.traceID = e.r.TraceID()
	return e, nil
}

// Test calls a method of the API as it is configured now. Nobody is asked who calls.
func (s *Server) Test(ctx context.Context, id restapi.ID, t *restapi.Test) (*restapi.TestAnswer, error) {
	e, err := s.testExchange(ctx, id, t)
	if err != nil {
		return nil, err
	}
	if e.resource, err = e.api.Resource(t.ResourceID); err != nil {
		return nil, err
	}
	if e.method = methodOf(e.resource, t.Method); e.method == nil {
		return nil, &restapi.Error{Code: restapi.NotFound, Message: "Invalid Method identifier specified"}
	}
	e.parameters = map[string]string{}
	if found, _, parameters := e.deployed.route(e.path, t.Method); found != nil && found.Id == e.resource.Id {
		e.parameters = parameters
	}
	answer, err := e.serveMethod()
	if err != nil {
		answer = e.refuse(err)
	}
	e.status = answer.Status
	return &restapi.TestAnswer{Status: answer.Status, Body: string(answer.Body), Header: answer.Header, Log: e.testLog(), Latency: s.config.Clock.Now().Sub(e.received)}, nil
}

// testLog is the log of an execution. AWS: each line has the time.
func (e *exchange) testLog() string {
	now := e.server.config.Clock.Now().UTC().Format("Mon Jan 02 15:04:05 UTC 2006")
	return "Execution log for request " + e.r.RequestID + "\n" + now + " : " + strings.Join(e.executionLines(), "\n"+now+" : ") + "\n"
}

// TestAuthorizer asks an authorizer, whose answer is not remembered.
func (s *Server) TestAuthorizer(ctx context.Context, id restapi.ID, z *restapi.Authorizer, t *restapi.Test) (*restapi.TestVerdict, error) {
	e, err := s.testExchange(ctx, id, t)
	if err != nil {
		return nil, err
	}
	e.resource, e.method = e.api.Root(), &restapi.Method{HttpMethod: t.Method}
	out := &restapi.TestVerdict{}
	identity, complete := e.identitySource(z)
	if !complete {
		out.Status = http.StatusUnauthorized
	} else if told, err := e.callAuthorizer(z, identity); err != nil {
		r, known := refused(err)
		if !known {
			return nil, err
		}
		out.Status, _ = strconv.Atoi(e.deployed.EffectiveResponse(r.kind).StatusCode)
		e.note(r.Error())
	} else {
		out.PrincipalID, _ = told.context["principalId"].(string)
		out.Policy, out.Context = told.text, map[string]string{}
		for name, value := range told.context {
			if text, is := value.(string); is && name != "principalId" {
				out.Context[name] = text
			}
		}
		if told.policy.Evaluate(e.question(policy.Who{})) != policy.Granted {
			e.note("The policy of the authorizer does not allow " + e.methodARN(t.Method, e.path))
		}
	}
	out.Log, out.Latency = e.testLog(), s.config.Clock.Now().Sub(e.received)
	return out, nil
}

// compact is a document without its white space.
func compact(raw json.RawMessage) string {
	var value any
	if json.Unmarshal(raw, &value) != nil {
		return string(raw)
	}
	text, err := json.Marshal(value)
	if err != nil {
		return string(raw)
	}
	return string(text)
}
