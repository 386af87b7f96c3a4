package resource

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/svc/resource/value"
	"github.com/lambkin-dev/lambkin/internal/wire/local"
)

// call is one request at work.
type call struct {
	context.Context
	k          *kind
	r          *stack.Request
	physical   string // the name, until there is a physical id
	properties values // as wanted; for what is removed as deployed
	secret     string // what only the making of the resource tells
	reading    bool   // the resource is read for the user
}

func (k *kind) call(ctx context.Context, r *stack.Request) *call {
	c := &call{Context: ctx, k: k, r: r, properties: r.Properties}
	if c.properties == nil {
		c.properties = r.Previous
	}
	return c
}

// do calls an operation of the type's own service.
func (c *call) do(operation string, in values) (values, error) {
	return c.of(c.k.service, operation, in)
}

// run is do without the answer.
func (c *call) run(operation string, in values) error {
	_, err := c.do(operation, in)
	return err
}

// of calls an operation of any service.
func (c *call) of(service, operation string, in values) (values, error) {
	who := c.who(operation)
	out, err := c.k.caller.Call(c, who, service, operation, in)
	if f := fault.From(err); f != nil {
		return nil, &refusal{service, f}
	} else if err != nil {
		return nil, err
	}
	return value.Timeless(out).(values), err
}

// who is in whose name an operation is called.
func (c *call) who(operation string) local.Identity {
	if !c.reading && slices.Contains(c.k.ours, operation) {
		return local.Identity{Account: c.r.Account, Region: c.r.Region, CallerARN: arn.New("iam", "", c.r.Account, "root").String(), Endpoint: c.r.Caller.Endpoint}
	}
	return local.Identity{Account: c.r.Account, Region: c.r.Region, AccessKeyID: c.r.Caller.AccessKeyID, CallerARN: c.r.Caller.ARN, UserID: c.r.Caller.UserID, Endpoint: c.r.Caller.Endpoint, Function: c.r.Caller.Function, Session: c.r.Caller.Session,
		Token: c.r.Token}
}

// identity are the members that name the resource, of the caller's own.
func (c *call) identity() values {
	if c.k.definition.identity == nil {
		return values{}
	}
	return maps.Clone(c.k.definition.identity(c))
}

// named tells whether the user has named the resource.
func (c *call) named() bool { return c.properties[c.k.naming.property] != nil }

// name is the user's name for the resource, or the one that was made up.
func (c *call) name() string {
	if c.named() {
		return c.text(c.k.naming.property)
	}
	return c.r.Name
}

func (c *call) text(property string) string { return value.Text(c.properties[property]) }

// arn is one of the request's account and region.
func (c *call) arn(service, resource string) string {
	return "arn:aws:" + service + ":" + c.r.Region + ":" + c.r.Account + ":" + resource
}

// refusal is an error of an API.
type refusal struct {
	service string
	fault   *fault.Fault
}

func (r *refusal) Error() string { return r.fault.Error() }
func (r *refusal) Unwrap() error { return r.fault }

// serviceNames are those that errors name, where they are not in capital letters.
var serviceNames = map[string]string{
	"lambda": "Lambda", "iam": "Iam", "sqs": "Sqs", "sns": "Sns", "s3": "S3", "events": "EventBridge", "scheduler": "Scheduler", "ssm": "Ssm", "secretsmanager": "SecretsManager",
	"logs": "CloudWatchLogs", "apigateway": "ApiGateway", "apigatewayv2": "ApiGatewayV2", "ecr": "Ecr",
}

// worded gives an error the text that CloudFormation has for it.
// AWS: the form of https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/troubleshooting.html, with ids of our own.
func (c *call) worded(err error) error {
	var r *refusal
	if !errors.As(err, &r) {
		return err
	}
	detail := fmt.Sprintf("(Service: %s, Status Code: %d, Request ID: %s)", serviceNames[r.service], r.fault.Status, ids.UUID())
	if r.service == "" {
		detail = ""
	}
	code, message := handlerCode(r.fault), strings.TrimSpace(r.fault.Message+" "+detail)
	return &handlerError{fmt.Sprintf("Resource handler returned message: \"%s\" (RequestToken: %s, HandlerErrorCode: %s)", message, c.r.Token, code), code, message, err}
}

// handlerError is an error in the words of CloudFormation.
type handlerError struct {
	text, code, message string
	cause               error
}

// Handler are the code and the message alone, for who has other words around them.
func (e *handlerError) Handler() (code, message string) { return e.code, e.message }

func (e *handlerError) Error() string { return e.text }
func (e *handlerError) Unwrap() error { return e.cause }

// handlerCode sorts an API's error into those of CloudFormation's handlers.
// https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-test-contract-errors.html
func handlerCode(f *fault.Fault) string {
	switch {
	case exists(f):
		return "AlreadyExists"
	case absent(f):
		return "NotFound"
	case strings.Contains(f.Code, "AccessDenied"):
		return "AccessDenied"
	case strings.Contains(f.Code, "Throttl") || strings.Contains(f.Code, "TooManyRequests"):
		return "Throttling"
	case strings.Contains(f.Code, "LimitExceeded"):
		return "ServiceLimitExceeded"
	case strings.Contains(f.Code, "Conflict"):
		return "ResourceConflict"
	case f.Status >= 500:
		return "ServiceInternalError"
	}
	return "InvalidRequest"
}

// failed is an error of the type itself.
func failed(format string, args ...any) error {
	return &refusal{"", &fault.Fault{Code: "ValidationException", Status: 400, Message: fmt.Sprintf(format, args...)}}
}

// exists is the error of a name that is taken.
func (k *kind) exists(c *call) error {
	return &refusal{"", &fault.Fault{Code: "AlreadyExists", Status: 409, Message: fmt.Sprintf("Resource of type '%s' with identifier '%s' already exists.", k.name, c.physical)}}
}

// absent tells an error that says that a resource is not there.
func absent(err error) bool {
	if errors.Is(err, stack.ErrAbsent) {
		return true
	}
	f := fault.From(err)
	return f != nil && (strings.Contains(f.Code, "NotFound") || strings.HasPrefix(f.Code, "NoSuch") || strings.Contains(f.Code, "NonExistent") || strings.Contains(f.Code, "DoesNotExist"))
}

// exists tells an error that says that a resource is there already.
func exists(err error) bool {
	f := fault.From(err)
	return f != nil && (strings.Contains(f.Message, "already has") || strings.Contains(f.Message, "already exist") || strings.Contains(f.Code, "Exists") && !strings.Contains(f.Code, "NotExist") || strings.Contains(f.Code, "AlreadyOwned") ||
		strings.Contains(f.Code, "Conflict") && (strings.Contains(f.Message, "exist") || strings.Contains(f.Message, "already")))
}

func ignoreAbsent(err error) error {
	if absent(err) {
		return nil
	}
	return err
}

// Pauses between two looks at a resource that is being made; they grow.
const (
	firstPause = 10 * time.Millisecond
	lastPause  = 500 * time.Millisecond
)

// wait asks until it is done.
func wait(c *call, done func(c *call) (bool, error)) error {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		if ok, err := done(c); ok || err != nil {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-c.Done():
			timer.Stop()
			return c.Err()
		case <-timer.C:
		}
	}
}
