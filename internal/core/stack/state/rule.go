package state

import (
	"errors"
	"regexp/syntax"
	"slices"

	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/core/template"
)

// With is what is deployed with everything of the template that needs no call.
func (d Deployed) With(want *Deployed) Deployed {
	want.PhysicalID, want.Ref, want.Attributes, want.Hidden, want.WasImported = d.PhysicalID, d.Ref, d.Attributes, d.Hidden, d.WasImported
	return *want
}

// Made is what is wanted with what has come of it.
func (d Deployed) Made(result *stack.Result) Deployed {
	d.PhysicalID, d.Ref, d.Attributes, d.Hidden = result.PhysicalID, result.Ref, result.Attributes, result.Hidden
	return d
}

// Bare is what is deployed without what the type made of it.
func (d Deployed) Bare() Deployed {
	d.PhysicalID, d.Ref, d.Attributes = "", "", nil
	return d
}

// KeepsGoing tells whether what does not depend on a failure is still done: there
// will be no rollback.
func (o *Operation) KeepsGoing() bool {
	return o.DisableRollback || o.OnFailure == DoNothing
}

// What OnFailure may be.
const (
	DoNothing = "DO_NOTHING"
	Rollback  = "ROLLBACK"
	DeleteIt  = "DELETE"
)

// updatable are the statuses in which a stack can be updated. Those that failed
// can if their rollback was disabled.
var updatable = []Status{CreateComplete, UpdateComplete, UpdateRollbackComplete, ImportComplete, ImportRollbackComplete, UpdateFailed, CreateFailed}

// MayUpdate refuses an update of a stack in another state.
func (s *Stack) MayUpdate() error {
	switch {
	case slices.Contains(updatable, s.Status), s.Parked():
		return nil
	case s.Status == DeleteComplete:
		return NoStack(s.ARN())
	}
	return stack.Invalid("Stack:%s is in %s state and can not be updated.", s.ARN(), s.Status)
}

// WithRole is the configuration with another role, if there is one.
func (c *Configuration) WithRole(arn string) *Configuration {
	if arn == "" {
		return c
	}
	changed := *c
	changed.RoleARN = arn
	return &changed
}

// Shown is the status that decides what can be done with a change set.
func (c *ChangeSet) Shown() string {
	if c.Status == ChangeFailed {
		return ChangeFailed
	}
	return c.Execution
}

// Policies of what becomes of a resource that the stack does not need any more.
const (
	Retain         = "Retain"
	RetainOnCreate = "RetainExceptOnCreate"
)

// Wording makes a refusal of the template's language one of ours.
func Wording(err error) error {
	var refusal *template.Error
	var malformed *syntax.Error
	switch {
	case errors.As(err, &refusal):
		return stack.Invalid("%s", refusal.Message)
	case errors.As(err, &malformed):
		return stack.Invalid("%s", malformed.Error())
	}
	return err
}
