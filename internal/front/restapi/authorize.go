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
		return e.askBoth(who, key)
	case restapi.AuthCustom:
		// AWS: with an authorizer a policy that refuses ends it before, and one that says
		// nothing leaves it to the authorizer.
		if err := e.askPolicy(who); err != nil && e.explicit {
			return err
		}
		return e.askAuthorizer()
	}
	return e.askPolicy(who)
}

// askBoth asks the policy of the API and what the identity may do. AWS: in the API's own
// account one of them is enough, from another both are needed.
func (e *exchange) askBoth(who policy.Who, key *identity.Key) error {
	if e.deployed.policy == nil {
		if key.Account != e.id.Account {
			return e.denied(key.ARN, "")
		}
		return e.permit(key)
	}
	switch err := e.askPolicy(who); {
	case err != nil && (e.explicit || key.Account != e.id.Account):
		return err
	case err != nil || key.Account != e.id.Account:
		return e.permit(key)
	}
	return nil
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

// everything are the rights of an identity of another account, while only the policy
// of the API is asked.
var everything = func() *policy.Rights {
	all, err := policy.Compile(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`)
	if err != nil {
		panic(err)
	}
	return &policy.Rights{Identity: []*policy.Policy{all}}
}()

// askPolicy asks the policy of the API, if it has one, and notes whether it refuses by
// name.
func (e *exchange) askPolicy(who policy.Who) error {
	if e.deployed.policy == nil {
		return nil
	}
	rights := &policy.Rights{}
	if who.Account != e.id.Account {
		rights = everything
	}
	verdict := policy.Decide(e.question(who), rights, &policy.Target{Account: e.id.Account, Policy: e.deployed.policy})
	if verdict.Allowed {
		return nil
	}
	name, how := who.ARN, ""
	if name == "" {
		name = "anonymous"
	}
	if e.explicit = verdict.Explicit; e.explicit {
		how = " with an explicit deny"
	}
	return e.denied(name, how)
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
