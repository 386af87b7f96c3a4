// Package cloudformation is the CloudFormation API: it translates between the wire
// and core/stack/engine.
//
// It promises AWS's codes, statuses and texts of errors, and that an option which
// would have no effect is refused. What a stack is, is core/stack's; templates
// without stacks are package summary's; what templates and custom resources ask of
// the platform is package world's.
//
// No goroutines, no locks. Start reading at Service.
package cloudformation

import (
	"context"
	"errors"
	"slices"

	"github.com/lambkin-dev/lambkin/internal/api/cloudformationapi"
	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/core/stack/engine"
	"github.com/lambkin-dev/lambkin/internal/core/stack/mailbox"
	"github.com/lambkin-dev/lambkin/internal/core/stack/state"
	"github.com/lambkin-dev/lambkin/internal/svc/cloudformation/source"
	"github.com/lambkin-dev/lambkin/internal/svc/cloudformation/summary"
	"github.com/lambkin-dev/lambkin/internal/wire"
)

type api struct {
	engine *engine.Engine
	source *source.Source
	boxes  *mailbox.Boxes
}

// Service is the table of the operations.
func Service(e *engine.Engine, templates *source.Source, boxes *mailbox.Boxes) *wire.Service {
	a := &api{e, templates, boxes}
	ofTemplates := summary.Operations(summary.Config{
		Source: templates,
		OfStack: func(ctx context.Context, call *wire.Call, name string) (string, error) {
			text, err := e.Template(ctx, scope(call), name, "", false)
			return text, translate(err)
		},
		Identifiers: func(resourceType string) ([]string, bool) {
			facts := e.FactsOf(resourceType)
			if facts == nil {
				return nil, false
			}
			return facts.Primary, true
		},
	})
	return wire.NewService(cloudformationapi.Model, slices.Concat(ofTemplates, a.stacks(), a.changeSets(), a.drifts(), a.readings())...)
}

// wrap translates the errors of an operation.
func wrap[In, Out any](do func(context.Context, *wire.Call, *In) (*Out, error)) func(context.Context, *wire.Call, *In) (*Out, error) {
	return wire.Translated(do, translate)
}

// faults are the errors that the API model has.
var faults = map[stack.Code]func(string, ...any) *fault.Fault{
	stack.AlreadyExists:      cloudformationapi.AlreadyExistsException,
	stack.InsufficientCaps:   cloudformationapi.InsufficientCapabilitiesException,
	stack.ChangeSetNotFound:  cloudformationapi.ChangeSetNotFoundException,
	stack.InvalidChangeSet:   cloudformationapi.InvalidChangeSetStatusException,
	stack.TokenAlreadyExists: cloudformationapi.TokenAlreadyExistsException,
	stack.LimitExceeded:      cloudformationapi.LimitExceededException,
	stack.TypeNotFound:       cloudformationapi.TypeNotFoundException,
}

// translate makes AWS's error; one that is not the caller's stays as it is.
func translate(err error) error {
	var refusal *stack.Error
	switch {
	case !errors.As(err, &refusal):
		return summary.Translate(err)
	case faults[refusal.Code] != nil:
		return faults[refusal.Code]("%s", refusal.Message)
	}
	return summary.Invalid(refusal.Message)
}

func scope(call *wire.Call) state.Scope {
	return state.Scope{Account: call.Account, Region: call.Region}
}

func who(call *wire.Call) stack.Caller {
	return stack.Caller{AccessKeyID: call.AccessKeyID, ARN: call.CallerARN, UserID: call.UserID, Endpoint: call.Endpoint, Function: call.Function, Session: call.Session}
}

// each maps a list.
func each[T, U any](list []T, show func(T) U) []U {
	out := make([]U, 0, len(list))
	for _, item := range list {
		out = append(out, show(item))
	}
	return out
}
