// Package guard enforces permissions: it wraps the operations of the services, so
// that each call is decided by the policies of who makes it and of what it is
// about before it is carried out.
//
// It promises: a wrapped operation acts only if AWS's logic of evaluation
// (core/policy.Decide) allows every permission that AWS documents for it; one
// without an entry in permissions/ is for accounts' roots only, and a test fails
// because of it; a refusal has AWS's words. A call to what belongs to another
// account is carried out in that account, once both have allowed it. What services
// send to each other by the outbox is checked too (Permit).
//
// Which permission an operation needs is data: permissions/SERVICE.txt, read in
// table.go. Rights of callers are kept until something in IAM changes (caller.go),
// compiled policies by their texts. Guard.mu guards what is kept; it is never held
// over a reading. No goroutines. Start reading at Guard.Wrap and Guard.admit.
package guard

import (
	"context"
	"errors"
	"reflect"
	"sync"

	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/core/bus"
	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/core/iam"
	"github.com/lambkin-dev/lambkin/internal/core/mapping"
	"github.com/lambkin-dev/lambkin/internal/core/object"
	"github.com/lambkin-dev/lambkin/internal/core/policy"
	"github.com/lambkin-dev/lambkin/internal/core/queue"
	"github.com/lambkin-dev/lambkin/internal/core/secret"
	"github.com/lambkin-dev/lambkin/internal/core/topic"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/shape"
)

// Config is what a Guard asks for policies. IAM is required; of what is nil no
// resource has a policy.
type Config struct {
	IAM       *iam.IAM
	Functions *function.Registry
	Mappings  *mapping.Mappings
	Queues    *queue.Queues
	Topics    *topic.Topics
	Buses     *bus.Buses
	Objects   *object.Objects
	Secrets   *secret.Secrets
	Clock     clock.Clock
}

// Guard decides.
type Guard struct {
	config   Config
	policies policy.Cache

	mu      sync.RWMutex
	callers map[string]*caller // by ARN
}

// New only builds.
func New(config Config) (*Guard, error) {
	if config.IAM == nil {
		return nil, errors.New("guard: IAM is required")
	}
	if config.Clock == nil {
		config.Clock = clock.System
	}
	return &Guard{config: config, callers: map[string]*caller{}}, nil
}

// Wrap returns the services with their operations under guard. The error tells of
// an entry in permissions/ that does not fit the API.
func (g *Guard) Wrap(services []*wire.Service) ([]*wire.Service, error) {
	wrapped := make([]*wire.Service, len(services))
	for i, s := range services {
		rows, err := readTable(s.Model.ID)
		if err != nil {
			return nil, err
		}
		wrapped[i] = &wire.Service{Model: s.Model, Operations: make(map[string]wire.Operation, len(s.Operations))}
		for name, op := range s.Operations {
			p, err := newPlan(rows, s.Model, op.Model)
			if err != nil {
				return nil, err
			}
			wrapped[i].Operations[name] = g.wrap(s.Model, op, p)
		}
	}
	return wrapped, nil
}

// Gaps tells which operations of a service have no entry in permissions/, or one that
// does not fit: a test of each service asks.
func Gaps(s *wire.Service) (gaps []string) {
	rows, err := readTable(s.Model.ID)
	if err != nil {
		return []string{err.Error()}
	}
	for name, op := range s.Operations {
		p, err := newPlan(rows, s.Model, op.Model)
		switch {
		case err != nil:
			gaps = append(gaps, err.Error())
		case p == nil:
			gaps = append(gaps, name+" has no entry in the table of "+s.Model.ID+" in internal/guard/permissions")
		}
	}
	for name := range rows {
		if name != everything && s.Model.Operation(name) == nil {
			gaps = append(gaps, name+" is no operation of "+s.Model.ID)
		}
	}
	return gaps
}

func (g *Guard) wrap(model *shape.Service, op wire.Operation, p *plan) wire.Operation {
	do, listed := op.Do, p != nil
	if !listed {
		p = &plan{}
	}
	op.Do = func(ctx context.Context, wireCall *wire.Call, in any) (any, error) {
		c := &call{Call: wireCall, ctx: ctx, guard: g, model: model, operation: op.Model, plan: p, listed: listed, in: reflect.ValueOf(in)}
		if err := c.admit(); err != nil {
			return nil, err
		}
		if p.each {
			return c.eachObject(do, in)
		}
		out, err := do(ctx, wireCall, in)
		return out, c.hide(err)
	}
	return op
}

// Check decides one permission of a call that is no operation of a service.
func (g *Guard) Check(ctx context.Context, wireCall *wire.Call, model *shape.Service, action, on string) error {
	c := &call{Call: wireCall, ctx: ctx, guard: g, model: model, plan: &plan{}}
	return c.decideAlone(action, on)
}

// Pass decides whether a caller may hand a role to a service, by what no member of an
// operation shows.
func (g *Guard) Pass(ctx context.Context, wireCall *wire.Call, model *shape.Service, roleARN, service string) error {
	c := &call{Call: wireCall, ctx: ctx, guard: g, model: model, plan: &plan{}, extra: map[string][]string{"iam:passedtoservice": {service}}}
	return c.decideAlone(passRole, roleARN)
}

// decideAlone decides about one action on one resource.
func (c *call) decideAlone(action, on string) error {
	var err error
	if c.caller, err = c.guard.callerOf(c.ctx, c.CallerARN, c.UserID); err != nil {
		return err
	}
	if c.session, err = c.rights(); err != nil {
		return err
	}
	_, err = c.decideOn(action, &resource{arn: on})
	return err
}

// Allows decides about what is no operation of a service, such as a request to a
// function URL: every action must be allowed. Keys are condition keys of its own.
func (g *Guard) Allows(ctx context.Context, wireCall *wire.Call, actions []string, on string, keys map[string][]string) (bool, error) {
	c := &call{Call: wireCall, ctx: ctx, guard: g, plan: &plan{}, extra: keys}
	var err error
	if c.caller, err = g.callerOf(ctx, c.CallerARN, c.UserID); err != nil {
		return false, err
	}
	if c.session, err = c.rights(); err != nil {
		return false, err
	}
	for _, action := range actions {
		verdict, _, err := c.verdict(action, &resource{arn: on})
		if err != nil || !verdict.Allowed {
			return false, err
		}
	}
	return true, nil
}

// call is one call on its way.
type call struct {
	*wire.Call
	ctx       context.Context
	guard     *Guard
	model     *shape.Service
	operation *shape.Operation
	plan      *plan
	listed    bool // plan is from a table
	in        reflect.Value
	caller    *caller
	session   *policy.Rights      // of the caller, with the session's policies
	extra     map[string][]string // values of condition keys, of a service
	need      *need               // that is being decided
	on        *resource           // that is being decided
}

// admit decides a call. If it is about what belongs to another account, that
// account is the call's from here on.
func (c *call) admit() error {
	if c.CallerARN == "" && c.operation.Unsigned {
		return nil // the operation is proven by what it carries: a token
	}
	var err error
	if c.caller, err = c.guard.callerOf(c.ctx, c.CallerARN, c.UserID); err != nil {
		return err
	}
	if c.session, err = c.rights(); err != nil {
		return err
	}
	switch {
	case !c.listed && !c.caller.who.IsRoot():
		return c.refuse(c.model.SigningName+":"+c.operation.Name, &resource{arn: everything}, &policy.Verdict{By: policy.IdentityBased})
	case !c.listed:
		return nil
	}
	if err := c.refuseRoot(); err != nil {
		return err
	}
	owner := ""
	for i := range c.plan.needs {
		account, err := c.decide(&c.plan.needs[i])
		if err != nil {
			return err
		}
		if i == 0 {
			owner = account
		}
	}
	if err := c.checkRoles(); err != nil {
		return err
	}
	if err := c.checkPolling(); err != nil {
		return err
	}
	if owner != "" {
		c.Account = owner
	}
	return nil
}

// decide decides one permission, for each resource that the call names. It tells
// whose the first resource is, "" for the caller's own account.
func (c *call) decide(n *need) (owner string, err error) {
	if applies, err := n.applies(c); err != nil || !applies {
		return "", err
	}
	resources, err := n.resources(c)
	if err != nil {
		return "", err
	}
	c.need = n
	for i := range resources {
		account, err := c.decideOn(n.action, &resources[i])
		if err != nil {
			return "", err
		}
		if i == 0 && account != c.caller.who.Account {
			owner = account
		}
	}
	return owner, nil
}

// decideOn decides one permission for one resource; the error is the refusal.
func (c *call) decideOn(action string, on *resource) (account string, err error) {
	verdict, account, err := c.verdict(action, on)
	if err == nil && !verdict.Allowed {
		err = c.refuse(action, on, &verdict)
	}
	return account, err
}

func (c *call) verdict(action string, on *resource) (policy.Verdict, string, error) {
	c.on = on
	request := &policy.Request{Action: action, Resource: on.arn, Also: on.also, Who: c.caller.who, Values: c.values}
	account := on.owner
	if account == "" {
		account = accountOf(on.arn)
	}
	if own := account == "" || account == c.caller.who.Account; own && c.caller.who.Account != "" && isFunction(on.arn) {
		// Permissions of functions never deny: where the identity may, they say nothing more.
		if verdict := policy.Decide(request, c.session, &policy.Target{}); verdict.Allowed {
			return verdict, account, nil
		}
	}
	target := &policy.Target{Account: account, Required: ofTrust[action]}
	document, err := c.guard.documentOf(c.ctx, on, action)
	if err != nil {
		return policy.Verdict{}, "", err
	}
	if document != "" {
		if target.Policy, err = c.guard.policies.Compile(document); err != nil {
			return c.unreadable(), account, nil
		}
	}
	if c.mayAlways(action, account) {
		return policy.Verdict{Allowed: true}, account, nil
	}
	return policy.Decide(request, c.session, target), account, nil
}

// unreadable decides about a resource whose policy is none: it stays with its account's root.
func (c *call) unreadable() policy.Verdict {
	return policy.Verdict{Allowed: c.caller.who.IsRoot(), Explicit: true, By: policy.ResourceBased}
}

// mayAlways tells of what the root of a bucket's account may do whatever its policy says.
//
// AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketPolicy.html: the root user can perform
// these even if the policy denies them.
func (c *call) mayAlways(action, account string) bool {
	if !c.caller.who.IsRoot() || account != "" && account != c.caller.who.Account {
		return false
	}
	return action == "s3:GetBucketPolicy" || action == "s3:PutBucketPolicy" || action == "s3:DeleteBucketPolicy"
}

const assumeRole = "sts:AssumeRole"

// ofTrust are the actions that the trust policy of a role must grant.
var ofTrust = map[string]bool{assumeRole: true, "sts:TagSession": true, "sts:SetSourceIdentity": true}

// accountOf is the account in an ARN. AWS's own policies are everyone's.
func accountOf(text string) string {
	a, err := arn.Parse(text)
	if err != nil || a.Account == "aws" {
		return ""
	}
	return a.Account
}
