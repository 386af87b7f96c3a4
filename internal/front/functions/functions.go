// Package functions invokes functions for the front doors, as the services do
// whose APIs they are: the function's resource policy must let the service in.
//
// It promises: a function runs only if its policy permits the caller, as on AWS,
// or if the caller brings permissions of its own; the call goes straight to the
// invoker. Errors: ErrForbidden, those of function.Registry.Resolve and those of
// invoke.Invoker.Invoke; a function that fails is a Response with FunctionError.
//
// No state of its own, no goroutines, no locks. Start reading at Functions.Invoke.
package functions

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/core/invoke"
)

// ErrForbidden tells that the function's policy does not permit the call.
var ErrForbidden = errors.New("the function's resource policy does not permit the call")

// APIGateway is the service that AddPermission names for APIs.
const APIGateway = "apigateway.amazonaws.com"

// Registry finds functions; *function.Registry is one.
type Registry interface {
	Resolve(ctx context.Context, scope function.Scope, name, qualifier string) (*function.Resolved, error)
	Permits(ctx context.Context, t function.Target, who function.Caller) (bool, error)
}

// Invoker runs them; *invoke.Invoker is one.
type Invoker interface {
	Invoke(ctx context.Context, request *invoke.Request) (*invoke.Response, error)
}

// Functions invokes.
type Functions struct {
	Registry Registry
	Invoker  Invoker
	// RoleMay tells whether an API may invoke a function in the name of a role; nil: it may.
	RoleMay func(ctx context.Context, roleARN, functionARN string) (bool, error)
}

// Call is one invocation.
type Call struct {
	Target    function.Target
	Service   string // who invokes, "" for a caller with permissions of its own
	Role      string // ARN of the role in whose name an API of the account of Source invokes, without Service
	Source    string // ARN of what invokes: of an API's method and route
	RequestID string // that the handler sees; "" for a new one
	TraceID   string
	Payload   []byte
	// Stream takes what the function streams; see invoke.Request.
	Stream func(ctx context.Context, chunk []byte) error
}

// Invoke runs a function.
func (f *Functions) Invoke(ctx context.Context, c *Call) (*invoke.Response, error) {
	resolved, err := f.Registry.Resolve(ctx, c.Target.Scope, c.Target.Name, c.Target.Qualifier)
	if err != nil {
		return nil, err
	}
	service, err := f.asking(c)
	if err != nil {
		return nil, err
	}
	if service != "" {
		permitted, err := f.Registry.Permits(ctx, c.Target, function.Caller{Service: service, Source: c.Source})
		if err != nil {
			return nil, err
		}
		if !permitted {
			return nil, fmt.Errorf("%w: %s from %s", ErrForbidden, c.Target.ARN(), c.Source)
		}
	}
	if c.Role != "" && f.RoleMay != nil {
		may, err := f.RoleMay(ctx, c.Role, c.Target.ARN())
		if err != nil {
			return nil, err
		}
		if !may {
			return nil, fmt.Errorf("%w: %s in the name of %s", ErrForbidden, c.Target.ARN(), c.Role)
		}
	}
	if c.RequestID == "" {
		c.RequestID = ids.UUID()
	}
	return f.Invoker.Invoke(ctx, &invoke.Request{
		Version: resolved.Version, InvokedARN: resolved.InvokedARN, Reserved: resolved.ReservedConcurrency,
		Provisioned: resolved.Provisioned, FunctionProvisioned: resolved.FunctionProvisioned, RecursionAllowed: resolved.RecursionAllowed,
		RequestID: c.RequestID, TraceID: c.TraceID, Payload: c.Payload, Stream: c.Stream,
	})
}

// asking is the service that the function's policy must let in; "" where the caller
// or its role is asked. A role of another account is nobody's to use, and where roles
// are not asked the function of another account has its policy.
//
// AWS: passing a role of another account is refused
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html). In
// arn:aws:iam::*:user/* the star stands for the account of the API.
func (f *Functions) asking(c *Call) (service string, err error) {
	if c.Service != "" || c.Role == "" {
		return c.Service, nil
	}
	role, errOfRole := arn.Parse(c.Role)
	source, errOfSource := arn.Parse(c.Source)
	if errOfRole != nil || errOfSource != nil || role.Account != "*" && role.Account != source.Account {
		return "", fmt.Errorf("%w: %s is not a role of the account of %s", ErrForbidden, c.Role, c.Source)
	}
	if f.RoleMay == nil && c.Target.Scope.Account != source.Account {
		return APIGateway, nil
	}
	return "", nil
}

// The path of a function in the URI of an integration.
const (
	pathMark = "lambda:path/"
	namePart = "/functions/"
	endPart  = "/invocations"
)

// Parse reads what names a function in an integration or authorizer: its ARN, or
// arn:aws:apigateway:REGION:lambda:path/2015-03-31/functions/ARN/invocations.
//
// AWS: https://docs.aws.amazon.com/apigateway/latest/api/API_Integration.html
func Parse(uri string) (function.Target, error) {
	name := uri
	if _, path, ok := strings.Cut(uri, ":"+pathMark); ok && strings.HasPrefix(uri, "arn:") {
		_, path, ok = strings.Cut(path, namePart)
		if !ok {
			return function.Target{}, fmt.Errorf("%q names no function", uri)
		}
		name, ok = strings.CutSuffix(path, endPart)
		if !ok {
			return function.Target{}, fmt.Errorf("%q does not end with %s", uri, endPart)
		}
	}
	if plain, err := url.PathUnescape(name); err == nil { // a ${stageVariables.x} may follow the ARN in escapes
		name = plain
	}
	a, err := arn.Parse(name)
	if err != nil || a.Service != "lambda" {
		return function.Target{}, fmt.Errorf("%q is no ARN of a function", name)
	}
	t, err := function.ParseTarget(function.Scope{Account: a.Account, Region: a.Region}, name, "")
	if err != nil {
		return t, fmt.Errorf("%q is no ARN of a function: %w", name, err)
	}
	return t, nil
}
