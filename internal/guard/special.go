package guard

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/api/lambdaapi"
	"github.com/lambkin-dev/lambkin/internal/api/s3api"
	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/core/iam"
	"github.com/lambkin-dev/lambkin/internal/core/policy"
	"github.com/lambkin-dev/lambkin/internal/wire"
)

// What a table cannot say: roles that are handed to services, those behind event source mappings, the root that assumes
// a role, DeleteObjects, and what S3 hides.

// refuseRoot: AWS does not let an account's root assume a role
// (https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html); the text as users report it.
func (c *call) refuseRoot() error {
	if c.operation.Name == "AssumeRole" && c.model.SigningName == "sts" && c.caller.who.IsRoot() {
		return denied("AccessDenied", http.StatusForbidden, "Roles may not be assumed by root accounts.")
	}
	return nil
}

// cannotAssume are the errors of services that may not assume a role which they are
// handed, by the service.
//
// AWS: the texts as users report them.
var cannotAssume = map[string]func(roleARN string) *fault.Fault{
	"lambda.amazonaws.com": func(string) *fault.Fault {
		return invalidRole("InvalidParameterValueException", "The role defined for the function cannot be assumed by Lambda.")
	},
	"events.amazonaws.com": func(roleARN string) *fault.Fault {
		return invalidRole("ValidationException", "Provided role '"+roleARN+"' cannot be assumed by principal 'events.amazonaws.com'.")
	},
	"cloudformation.amazonaws.com": func(roleARN string) *fault.Fault {
		return invalidRole("ValidationError", "Role "+roleARN+" is invalid or cannot be assumed")
	},
	"scheduler.amazonaws.com": func(string) *fault.Fault {
		return invalidRole("ValidationException", "The execution role you provide must allow AWS EventBridge Scheduler to assume the role.")
	},
}

func invalidRole(code, message string) *fault.Fault {
	return &fault.Fault{Code: code, Message: message, MessageMember: "Message", Status: http.StatusBadRequest, Sender: true}
}

// checkRoles refuses roles that the service which gets them may not assume.
func (c *call) checkRoles() error {
	if c.plan.passes == nil {
		return nil
	}
	services, err := c.plan.passes(c)
	if err != nil {
		return err
	}
	roles, err := c.plan.roles(c)
	if err != nil {
		return err
	}
	for i := range roles {
		trusted, err := c.guard.Trusts(c.ctx, roles[i].arn, services[0])
		if err != nil {
			return err
		}
		if words := cannotAssume[services[0]]; !trusted && words != nil {
			return words(roles[i].arn)
		}
	}
	return nil
}

// checkPolling refuses an event source mapping whose function may not read the queue.
//
// AWS: the text as users of the deployment tools report it.
func (c *call) checkPolling() error {
	in, isMapping := c.in.Interface().(*lambdaapi.CreateEventSourceMappingRequest)
	if !isMapping || in.EventSourceArn == nil || in.FunctionName == nil || c.guard.config.Functions == nil {
		return nil
	}
	t, err := function.ParseTarget(function.Scope{Account: c.Account, Region: c.Region}, *in.FunctionName, "")
	if err != nil {
		return nil // the operation says what is wrong
	}
	v, err := c.guard.config.Functions.GetConfiguration(c.ctx, t)
	var missing *function.NotFoundError
	if errors.As(err, &missing) {
		return nil
	} else if err != nil {
		return err
	}
	action, err := c.guard.refusesPolling(c.ctx, v.Role, *in.EventSourceArn)
	if err == nil && action != "" {
		_, name, _ := strings.Cut(action, ":")
		return invalidRole("InvalidParameterValueException", "The provided execution role does not have permissions to call "+name+" on SQS")
	}
	return err
}

// Trusts tells whether a role lets a service assume it.
func (g *Guard) Trusts(ctx context.Context, roleARN, service string) (bool, error) {
	document, err := g.trustOf(ctx, roleARN)
	if err != nil || document == "" {
		return false, err
	}
	p, err := g.policies.Compile(document)
	if err != nil {
		return false, err
	}
	account := accountOf(roleARN)
	request := &policy.Request{Action: assumeRole, Resource: roleARN, Who: policy.Who{Service: service}, Values: func(key string) []string {
		if key == "aws:sourceaccount" {
			return []string{account}
		}
		return nil
	}}
	return policy.Decide(request, &policy.Rights{}, &policy.Target{Account: account, Policy: p}).Allowed, nil
}

// eachObject carries DeleteObjects out for the objects that may be deleted, and
// answers the others as refused, each for itself.
//
// AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
func (c *call) eachObject(do func(context.Context, *wire.Call, any) (any, error), in any) (any, error) {
	request := in.(*s3api.DeleteObjectsInput)
	var allowed []s3api.ObjectIdentifier
	var refused []s3api.Error
	if request.Delete == nil || request.Bucket == nil {
		return do(c.ctx, c.Call, in)
	}
	owner := ""
	for _, o := range request.Delete.Objects {
		on, err := c.bucket(*request.Bucket, "/"+*o.Key)
		if err != nil {
			return nil, err
		}
		action := "s3:DeleteObject"
		if o.VersionId != nil {
			action = "s3:DeleteObjectVersion"
		}
		owner = on[0].owner
		_, err = c.decideOn(action, &on[0])
		if bypass := request.BypassGovernanceRetention; err == nil && bypass != nil && *bypass {
			_, err = c.decideOn("s3:BypassGovernanceRetention", &on[0])
		}
		if err == nil {
			allowed = append(allowed, o)
		} else if f := fault.From(err); f != nil {
			refused = append(refused, s3api.Error{Key: o.Key, VersionId: o.VersionId, Code: &f.Code, Message: &f.Message})
		} else {
			return nil, err
		}
	}
	if len(refused) == 0 || len(allowed) > 0 {
		c.Account = owner
		remaining := *request
		remaining.Delete = &s3api.Delete{Objects: allowed, Quiet: request.Delete.Quiet}
		out, err := do(c.ctx, c.Call, &remaining)
		if err != nil {
			return out, err
		}
		answer := out.(*s3api.DeleteObjectsOutput)
		answer.Errors = append(answer.Errors, refused...)
		return answer, nil
	}
	return &s3api.DeleteObjectsOutput{Errors: refused}, nil
}

// hide keeps from who may not list a bucket that an object is not there.
//
// AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html, "Permissions".
func (c *call) hide(err error) error {
	f := fault.From(err)
	if f == nil || c.model.SigningName != "s3" || f.Code != "NoSuchKey" {
		return err
	}
	if len(c.plan.needs) == 0 {
		return err
	}
	about, wrong := c.plan.needs[0].resources(c)
	if wrong != nil || len(about) == 0 {
		return err
	}
	on := about[0]
	on.arn, _, _ = strings.Cut(on.arn, "/")
	verdict, _, wrong := c.verdict("s3:ListBucket", &on)
	if wrong != nil || verdict.Allowed {
		return err
	}
	return c.refuse("s3:ListBucket", &on, &verdict)
}

// tagsOfEntity are the tags of a role or a user.
func (g *Guard) tagsOfEntity(ctx context.Context, a arn.ARN) (map[string]string, error) {
	kind, rest, _ := strings.Cut(a.Resource, "/")
	name := rest[strings.LastIndexByte(rest, '/')+1:]
	e, err := g.config.IAM.Get(ctx, a.Account, iam.Kind(kind), name)
	if err != nil {
		return nil, err
	}
	tags := map[string]string{}
	for _, tag := range e.Tags {
		tags[tag.Key] = tag.Value
	}
	return tags, nil
}
