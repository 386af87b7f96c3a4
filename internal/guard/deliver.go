package guard

import (
	"context"
	"errors"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/core/delivery"
	"github.com/lambkin-dev/lambkin/internal/core/iam"
	"github.com/lambkin-dev/lambkin/internal/core/identity"
	"github.com/lambkin-dev/lambkin/internal/core/policy"
	"github.com/lambkin-dev/lambkin/internal/wire"
)

// deliveries are the actions by which messages arrive, by the service of the target.
var deliveries = map[string]string{"sqs": "sqs:SendMessage", "sns": "sns:Publish", "lambda": "lambda:InvokeFunction", "events": "events:PutEvents", "s3": "s3:PutObject"}

// Permit tells whether a message of the outbox may be delivered: with a role, by what
// the role may; else by the policy of the target, which must name the service that
// sends. Its error is permanent, so that the message goes to its dead-letter queue.
//
// AWS: https://docs.aws.amazon.com/sns/latest/dg/subscribe-sqs-queue-to-sns-topic.html, eventbridge/latest/userguide/eb-use-resource-based.html,
// AmazonS3/latest/userguide/grant-destinations-permissions-to-s3.html, scheduler/latest/UserGuide/setting-up.html#setting-up-execution-role,
// lambda/latest/dg/invocation-async-configuring.html (destinations by the execution role).
func (g *Guard) Permit(ctx context.Context, m *delivery.Message) error {
	service := delivery.Service(m.Target)
	action := deliveries[service]
	if action == "" || m.Principal == "" {
		return nil // it has no policy (a URL), or is checked when it calls (a schedule's operation), or is the platform's own
	}
	c, err := g.sender(ctx, m)
	if c == nil || err != nil {
		return err
	}
	on := &resource{arn: m.Target}
	if service == "s3" {
		b, err := g.bucket(ctx, strings.TrimPrefix(m.Target, "arn:aws:s3:::"))
		if err != nil {
			return err
		}
		on.arn += "/" + m.Subject
		if b != nil {
			on.owner = b.Account
		}
	}
	verdict, _, err := c.verdict(action, on)
	if err != nil || verdict.Allowed {
		return err
	}
	code := "AccessDeniedException"
	if m.Principal == eventsService {
		code = "NO_PERMISSIONS" // AWS: eb-rule-dlq.html
	}
	who := c.CallerARN
	if who == "" {
		who = m.Principal
	}
	return delivery.Permanent(delivery.Coded(code, errors.New("User: "+who+" is not authorized to perform: "+action+" on resource: "+on.arn+" "+verdict.Reason(action))))
}

const eventsService = "events.amazonaws.com"

// polling are the actions that an event source mapping needs of its queue.
//
// AWS: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html#events-sqs-permissions
var polling = []string{"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}

// PermitPolling tells whether the role of a function may take messages of a queue.
func (g *Guard) PermitPolling(ctx context.Context, roleARN, queueARN string) error {
	refused, err := g.refusesPolling(ctx, roleARN, queueARN)
	if err == nil && refused != "" {
		err = errors.New("the role " + roleARN + " of the function does not allow " + refused + " on " + queueARN)
	}
	return err
}

// refusesPolling is the first action that a role may not do, "" for none.
func (g *Guard) refusesPolling(ctx context.Context, roleARN, queueARN string) (action string, err error) {
	c, err := g.actingAs(ctx, roleARN, "mapping")
	if err != nil {
		return "", err
	}
	for _, action := range polling {
		verdict, _, err := c.verdict(action, &resource{arn: queueARN})
		if err != nil || !verdict.Allowed {
			return action, err
		}
	}
	return "", nil
}

// RoleMay tells whether a service may do something in the name of a role: the role
// must trust it and allow the action.
func (g *Guard) RoleMay(ctx context.Context, service, roleARN, action, on string) (bool, error) {
	if trusted, err := g.Trusts(ctx, roleARN, service); err != nil || !trusted {
		return false, err
	}
	c, err := g.actingAs(ctx, roleARN, "service")
	if err != nil {
		return false, err
	}
	verdict, _, err := c.verdict(action, &resource{arn: on})
	return verdict.Allowed, err
}

// sender is who delivers a message; nil if it needs no permission here.
func (g *Guard) sender(ctx context.Context, m *delivery.Message) (*call, error) {
	roleARN := m.Role
	if isARN(m.Principal) {
		roleARN = m.Principal // a function's, for its destinations
	}
	if roleARN != "" {
		return g.actingAs(ctx, roleARN, "delivery")
	}
	source, err := arn.Parse(m.Source)
	if err != nil {
		return nil, nil
	}
	account := source.Account
	if source.Service == "s3" {
		if b, err := g.bucket(ctx, source.Resource); err != nil {
			return nil, err
		} else if b != nil {
			account = b.Account
		}
	}
	switch delivery.Service(m.Target) {
	case "lambda":
		return nil, nil // core/async asks the policy of the function, always
	case "events":
		// AWS: services put their events on the buses of their account; from another
		// account the bus must let that in.
		if accountOf(m.Target) == account {
			return nil, nil
		}
		return g.service(ctx, policy.Who{Account: account, ARN: "arn:aws:iam::" + account + ":root"}, m, account), nil
	}
	return g.service(ctx, policy.Who{Service: m.Principal}, m, account), nil
}

// service is a service that acts for a resource.
func (g *Guard) service(ctx context.Context, who policy.Who, m *delivery.Message, account string) *call {
	return &call{Call: &wire.Call{Account: account}, ctx: ctx, guard: g, plan: &plan{}, session: &policy.Rights{}, caller: &caller{who: who, kind: "Service"},
		extra: map[string][]string{"aws:sourcearn": {m.Source}, "aws:sourceaccount": {account}, "aws:principalservicename": {m.Principal},
			"aws:principalservicenameslist": {m.Principal}, "aws:principalisawsservice": {"true"}}}
}

// actingAs is a call of a service in the name of a role.
func (g *Guard) actingAs(ctx context.Context, roleARN, session string) (*call, error) {
	account := accountOf(roleARN)
	w := &wire.Call{Account: account, CallerARN: arn.New("sts", "", account, "assumed-role/"+iam.RoleName(roleARN)+"/"+session).String(), UserID: identity.RoleID(roleARN) + ":" + session}
	c := &call{Call: w, ctx: ctx, guard: g, plan: &plan{}}
	var err error
	if c.caller, err = g.callerOf(ctx, w.CallerARN, w.UserID); err != nil {
		return nil, err
	}
	c.session = &c.caller.rights
	return c, nil
}
