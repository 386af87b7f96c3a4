// Package builtin has the resource types that are CloudFormation's own, not those of
// another service: custom resources, wait conditions, and what only marks a template.
//
// It promises what stack.Type does. No goroutines, no locks. Start reading at Types.
package builtin

import (
	"context"

	"github.com/lambkin-dev/lambkin/internal/core/stack"
)

// Types are the types by their names.
func Types() stack.Table {
	return stack.Table{
		"AWS::CDK::Metadata": mark{},
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
