// Package builtin has the resource types that are CloudFormation's own, not those of
// another service: custom resources, wait conditions, and what only marks a template.
//
// It promises what stack.Type does. No goroutines, no locks. Start reading at Types.
package builtin

import (
	"context"

	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/core/stack/macros"
	"github.com/lambkin-dev/lambkin/internal/core/stack/mailbox"
	"github.com/lambkin-dev/lambkin/internal/core/stack/plan"
	"github.com/lambkin-dev/lambkin/internal/svc/cloudformation/source"
)

// config is what the types work with.
type config struct {
	Calls  source.Calls
	Boxes  *mailbox.Boxes
	Inside string // scheme://host:port by which functions reach the platform
}

// Types are the types by their names.
func Types(calls source.Calls, boxes *mailbox.Boxes, named *macros.Macros, inside string) stack.Table {
	c := &config{calls, boxes, inside}
	return stack.Table{
		"AWS::CDK::Metadata":                       mark{},
		"AWS::CloudFormation::Macro":               macroType{named},
		"AWS::CloudFormation::WaitCondition":       waitCondition{c},
		"AWS::CloudFormation::WaitConditionHandle": waitHandle{c},
		plan.CustomType:                            custom{c},
	}
}

// mark is a type whose resources are only names: AWS::CDK::Metadata, which tells
// what a template was made with.
type mark struct{}

func (mark) Facts() *stack.Facts {
	return &stack.Facts{Type: "AWS::CDK::Metadata", OpenProperties: true, Updatable: true}
}

func (mark) Create(_ context.Context, r *stack.Request) (*stack.Result, error) {
	return &stack.Result{PhysicalID: r.Name}, nil
}

func (mark) Update(_ context.Context, r *stack.Request) (*stack.Result, error) {
	return &stack.Result{PhysicalID: r.PhysicalID}, nil
}

func (mark) Delete(context.Context, *stack.Request) error { return nil }

func (mark) Read(_ context.Context, r *stack.Request) (properties, attributes map[string]any, err error) {
	return r.Properties, nil, nil
}
