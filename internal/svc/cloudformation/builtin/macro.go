package builtin

import (
	"context"
	"errors"

	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/core/stack/macros"
)

// macroType makes a function a transform that templates can name.
type macroType struct{ macros *macros.Macros }

var macroFacts = &stack.Facts{Type: "AWS::CloudFormation::Macro", Updatable: true, Primary: []string{"Name"}, Properties: map[string]stack.Property{
	"Name":         {Required: true, Kinds: stack.Text, CreateOnly: true},
	"FunctionName": {Required: true, Kinds: stack.Text},
	"Description":  {Kinds: stack.Text, Inert: "shown nowhere"},
	"LogGroupName": {Kinds: stack.Text, Refused: "what a macro says is in the log of its function only"},
	"LogRoleARN":   {Kinds: stack.Text, Refused: "what a macro says is in the log of its function only"},
}}

func (macroType) Facts() *stack.Facts { return macroFacts }

func (t macroType) Create(ctx context.Context, r *stack.Request) (*stack.Result, error) {
	name := text(r.Properties["Name"])
	set := macros.Macro{Function: text(r.Properties["FunctionName"]), StackID: r.StackID, Token: r.Token}
	err := t.macros.Put(ctx, r.Account, r.Region, name, set, func(there *macros.Macro) bool { return there.Token == r.Token })
	if errors.Is(err, macros.ErrTaken) {
		return nil, stack.Invalid("Macro with name %s already exists", name)
	}
	return &stack.Result{PhysicalID: name}, err
}

func (t macroType) Update(ctx context.Context, r *stack.Request) (*stack.Result, error) {
	set := macros.Macro{Function: text(r.Properties["FunctionName"]), StackID: r.StackID, Token: r.Token}
	err := t.macros.Put(ctx, r.Account, r.Region, r.PhysicalID, set, func(there *macros.Macro) bool { return there.StackID == r.StackID })
	return &stack.Result{PhysicalID: r.PhysicalID}, err
}

func (t macroType) Delete(ctx context.Context, r *stack.Request) error {
	return t.macros.Delete(ctx, r.Account, r.Region, r.PhysicalID, r.StackID)
}

func (t macroType) Read(ctx context.Context, r *stack.Request) (properties, attributes map[string]any, err error) {
	there, err := t.macros.Get(ctx, r.Account, r.Region, r.PhysicalID)
	if err != nil {
		return nil, nil, err
	}
	if there == nil {
		return nil, nil, stack.ErrAbsent
	}
	return map[string]any{"Name": r.PhysicalID, "FunctionName": there.Function}, nil, nil
}
