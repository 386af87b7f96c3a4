package state

import (
	"errors"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

func NoStack(name string) error { return stack.Invalid("Stack with id %s does not exist", name) }

// find finds a stack by its name, if it lives, or by its ARN.
func (e *Records) Find(snap store.Snap, s Scope, name string) (*Stack, error) {
	id := ""
	if a, err := arn.Parse(name); err == nil {
		parts := strings.Split(a.Resource, "/")
		if a.Service != "cloudformation" || a.Account != s.Account || a.Region != s.Region || len(parts) != 3 || parts[0] != "stack" {
			return nil, NoStack(name)
		}
		id = parts[2]
	} else {
		value, _, err := snap.Get(s.NameKey(name))
		switch {
		case errors.Is(err, store.ErrNotFound):
			return nil, NoStack(name)
		case err != nil:
			return nil, err
		}
		id = string(value)
	}
	found, _, err := e.StackByID(snap, s, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, NoStack(name)
	}
	return found, err
}

// last is the operation that is under way, or was the last.
func (s *Stack) Last() Operation {
	if s.Operation == nil {
		return Operation{}
	}
	return *s.Operation
}

// parked tells whether a nested stack waits for its parent.
func (s *Stack) Parked() bool {
	return s.Operation != nil && s.Operation.Held && s.Operation.Phase == Cleaning
}

// The stages of a template.
const (
	Original  = 0
	Processed = 1
)

// loadText reads one stage of a template.
func (e *Records) LoadText(snap store.Snap, s *Stack, c *Configuration, stage int) (string, error) {
	var text []byte
	_, err := e.Get(snap, s.TemplateKey(s.ID, c.Template, min(stage, c.Stages-1)), &text)
	return string(text), err
}

// dropTemplate removes the texts of a configuration.
func (e *Records) DropTemplate(s *Stack, b *store.Batch, c *Configuration) {
	for stage := range c.Stages {
		e.Drop(b, s.TemplateKey(s.ID, c.Template, stage), Place{Rows: c.Parts[stage]})
	}
}

// forgetBefore removes what is only needed to go back.
func (e *Records) ForgetBefore(s *Stack, b *store.Batch) {
	if s.Before != nil {
		e.DropTemplate(s, b, s.Before)
		s.Before = nil
	}
}
