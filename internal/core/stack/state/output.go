package state

import (
	"context"
	"fmt"

	"github.com/lambkin-dev/lambkin/internal/core/template"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// ReadOutput is what Fn::GetStackOutput gives: an output of a stack of the account,
// exported or not, as it is now.
func (e *Records) ReadOutput(ctx context.Context, s Scope, wanted template.StackOutput) (value any, err error) {
	if wanted.RoleARN != "" {
		// AWS: the role reads the stack, of another account too.
		return nil, &template.Error{Message: "Template error: RoleArn of Fn::GetStackOutput is not supported by this platform"}
	}
	s.Region = wanted.Region
	err = e.View(ctx, func(snap store.Snap) error {
		found, err := e.Find(snap, s, wanted.Stack)
		if err != nil {
			return err
		}
		for _, o := range found.Outputs {
			if o.Key == wanted.Output {
				value = o.Value
				return nil
			}
		}
		return &template.Error{Message: fmt.Sprintf("Template error: stack %s has no output %s", wanted.Stack, wanted.Output)}
	})
	return value, err
}
