package restapi

import (
	"errors"
	"net/http"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/core/identity"
	"github.com/lambkin-dev/lambkin/internal/core/policy"
	"github.com/lambkin-dev/lambkin/internal/core/restapi"
	"github.com/lambkin-dev/lambkin/internal/front/caller"
	"github.com/lambkin-dev/lambkin/internal/front/proxy"
	"github.com/lambkin-dev/lambkin/internal/wire"
)

// What signed requests name, and what policies are asked for.
const (
	signingName  = "execute-api"
	invokeAction = "execute-api:Invoke"
)

// compilePolicy makes the policy of an API ready.
//
// AWS: in its resources execute-api:/stage/METHOD/path stands for those of the API.
// A policy that cannot be read lets nobody in.
func compilePolicy(id restapi.ID, text string) *policy.Policy {
	text = strings.ReplaceAll(text, `"execute-api:/`, `"`+id.InvokeARN()+`/`)
	made, err := policy.Compile(text)
	if err != nil {
		return &policy.Policy{}
	}
	return made
}

// authorize finds out who calls and whether they may.
// AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-authorization-flow.html
func (e *exchange) authorize() error {
	if e.test {
		return nil
	}
	who := policy.Who{}
	switch e.method.AuthorizationType {
	case restapi.AuthIAM:
		key, err := e.server.config.Callers.Identify(e.r.Request, signingName, e.body)
		if err != nil {
			return unidentified(err)
		}
		who = policy.Who{Account: key.Account, ARN: key.ARN, ID: key.UserID}
		e.identity = proxy.Identity{AccessKey: key.AccessKeyID, AccountID: key.Account, CallerID: key.UserID, UserARN: key.ARN, UserID: key.UserID}
		if key.Account != e.id.Account && e.deployed.policy == nil {
			return e.denied(key.ARN, "")
		}
		if err := e.permit(key); err != nil {
			return err
		}
	case restapi.AuthCustom:
		// AWS: with an authorizer a policy that refuses ends it before, and one that says
		// nothing leaves it to the authorizer.
		if e.deployed.policy != nil && e.deployed.policy.Evaluate(e.question(who)) == policy.Refused {
			return e.denied("anonymous", " with an explicit deny")
		}
		return e.askAuthorizer()
	}
	return e.askPolicy(who)
}

// permit asks what the caller's identity may do.
func (e *exchange) permit(key *identity.Key) error {
	if e.server.config.Permit == nil {
		return nil
	}
	call := &wire.Call{RequestID: e.r.RequestID, Account: key.Account, Region: e.id.Region, AccessKeyID: key.AccessKeyID, CallerARN: key.ARN, UserID: key.UserID, Session: key.Session, Request: e.r.Request, Header: http.Header{}}
	err := e.server.config.Permit(e.r.Context(), call, e.methodARN(e.r.Method, e.path))
	var refusal *fault.Fault
	if errors.As(err, &refusal) {
		return e.denied(key.ARN, "")
	}
	return err
}

// unidentified words why a signature is not that of a caller.
func unidentified(err error) error {
	var r *caller.Refusal
	switch {
	case errors.As(err, &r) && r.Missing:
		return errMissingToken
	case errors.As(err, &r) && r.Code == "ExpiredTokenException":
		return &refusal{kind: restapi.ExpiredToken, message: r.Message}
	case errors.As(err, &r):
		return &refusal{kind: restapi.InvalidSignature, errorType: r.Code, message: r.Message}
	}
	return err
}

// question is what policies are asked.
func (e *exchange) question(who policy.Who) *policy.Request {
	return &policy.Request{Action: invokeAction, Resource: e.methodARN(e.r.Method, e.path), Who: who, Values: func(key string) []string {
		switch key {
		case "aws:sourceip":
			return []string{e.r.SourceIP}
		case "aws:useragent":
			return []string{e.r.UserAgent()}
		case "aws:referer":
			return e.r.Header.Values("Referer")
		case "aws:currenttime":
			return []string{e.received.UTC().Format("2006-01-02T15:04:05Z")}
		case "aws:principalaccount":
			return []string{who.Account}
		case "aws:principalarn":
			return []string{who.ARN}
		}
		return nil
	}}
}

// askPolicy asks the policy of the API, if it has one.
//
// AWS: a caller of the API's own account needs permission by its identity or by the
// policy. What identities may do is not asked here, so it may unless the policy refuses.
func (e *exchange) askPolicy(who policy.Who) error {
	if e.deployed.policy == nil {
		return nil
	}
	name := who.ARN
	if name == "" {
		name = "anonymous"
	}
	r := e.question(who)
	verdict := policy.Decide(r, &policy.Rights{}, &policy.Target{Account: e.id.Account, Policy: e.deployed.policy})
	switch {
	case verdict.Allowed:
		return nil
	case who.Account == e.id.Account && e.deployed.policy.Evaluate(r) != policy.Refused:
		return nil
	case e.deployed.policy.Evaluate(r) == policy.Refused:
		return e.denied(name, " with an explicit deny")
	}
	return e.denied(name, "")
}

// denied words a refusal of a policy. AWS: the account in it is masked.
func (e *exchange) denied(who, how string) error {
	arn := strings.Replace(e.methodARN(e.r.Method, e.path), ":"+e.id.Account+":", ":********"+e.id.Account[8:]+":", 1)
	return &refusal{kind: restapi.AccessDenied, capital: true, message: "User: " + who + " is not authorized to perform: " + invokeAction + " on resource: " + arn + how}
}

// accessDenied is the refusal of an authorizer.
var (
	errNotAllowed = &refusal{kind: restapi.AccessDenied, capital: true, message: "User is not authorized to access this resource"}
	errDenied     = &refusal{kind: restapi.AccessDenied, capital: true, message: "User is not authorized to access this resource with an explicit deny"}
)
