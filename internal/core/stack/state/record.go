package state

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// ChangeSet is what would be changed.
type ChangeSet struct {
	Name, ID      string // ID is the last part of the ARN
	Stack         string // ARN
	StackName     string
	Description   string `json:",omitempty"`
	Created       time.Time
	Kind          string // CREATE, UPDATE, IMPORT
	Status        string
	Execution     string
	Reason        string `json:",omitempty"`
	Token         string `json:",omitempty"`
	Configuration *Configuration
	Changes       []Change
	Base          string // id of the operation that the stack had done last
	Caller        stack.Caller
	OnFailure     string `json:",omitempty"`
	Nested        bool   `json:",omitempty"` // IncludeNestedStacks
	Parent        string `json:",omitempty"` // ARN of the change set that it belongs to
	Root          string `json:",omitempty"`
	Executed      bool   `json:",omitempty"` // its template is the stack's
}

// Statuses of change sets.
const (
	ChangeComplete  = "CREATE_COMPLETE"
	ChangeFailed    = "FAILED"
	Available       = "AVAILABLE"
	Unavailable     = "UNAVAILABLE"
	ExecuteComplete = "EXECUTE_COMPLETE"
	ExecuteRunning  = "EXECUTE_IN_PROGRESS"
	Obsolete        = "OBSOLETE"
)

// ARN is what users call the id of a change set.
func (c *ChangeSet) ARN(s Scope) string {
	return arn.New("cloudformation", s.Region, s.Account, "changeSet/"+c.Name+"/"+c.ID).String()
}

// Detail is one difference of a resource.
type Detail struct {
	Attribute     string // Properties, Tags, Metadata, ...
	Name          string `json:",omitempty"` // of the property
	Recreation    string // Never, Conditionally, Always
	Dynamic       bool   `json:",omitempty"` // it depends on what is not known yet
	Source        string // ChangeSource
	Cause         string `json:",omitempty"` // CausingEntity
	Before, After string `json:",omitempty"`
	Change        string // Add, Remove, Modify
}

// Change is what a change set would do to one resource.
type Change struct {
	Action        string // Add, Modify, Remove, Import, Dynamic
	LogicalID     string
	PhysicalID    string   `json:",omitempty"`
	Type          string   `json:"T"`
	Replacement   string   `json:",omitempty"` // True, False, Conditional; of Modify
	Policy        string   `json:",omitempty"` // PolicyAction
	Scope         []string `json:",omitempty"`
	Details       []Detail `json:",omitempty"`
	Before, After string   `json:",omitempty"` // JSON of the whole resource
	ChangeSet     string   `json:",omitempty"` // ARN of the nested stack's own
}

// age makes a change set obsolete if the stack was changed since.
func (c *ChangeSet) Age(s *Stack) {
	if c.Root != "" && s.ChangeSet == c.ARN(s.Scope) { // carried out with its root
		c.Execution = ExecuteRunning
	}
	if c.Execution == Available && (s.Last().ID != c.Base || s.Status.Running()) {
		c.Execution = Obsolete
	}
	if c.Execution == ExecuteRunning && s.Last().Phase == "" {
		c.Execution = ExecuteComplete
	}
}

func (c *ChangeSet) Settings() *Configuration {
	if c.Configuration == nil {
		return &Configuration{}
	}
	return c.Configuration
}

// changeSet finds a change set by name and stack, or by ARN.
func (e *Records) FindChangeSet(snap store.Snap, s Scope, stackName, name string) (*Stack, *ChangeSet, Place, error) {
	var missing error = stack.Refuse(stack.ChangeSetNotFound, "ChangeSet [%s] does not exist", name)
	if a, err := arn.Parse(name); err == nil {
		parts := strings.Split(a.Resource, "/")
		if len(parts) != 3 || parts[0] != "changeSet" || a.Account != s.Account || a.Region != s.Region {
			return nil, nil, Place{}, missing
		}
		if stackName == "" {
			return e.changeSetByID(snap, s, parts[1], parts[2], missing)
		}
		name = parts[1]
	} else if stackName == "" {
		return nil, nil, Place{}, stack.Invalid("StackName must be specified if ChangeSetName is not specified as an ARN.")
	}
	found, err := e.Find(snap, s, stackName)
	if err != nil {
		var refusal *stack.Error
		if errors.As(err, &refusal) {
			return nil, nil, Place{}, stack.Invalid("Stack [%s] does not exist", stackName)
		}
		return nil, nil, Place{}, err
	}
	c := &ChangeSet{}
	p, err := e.Get(snap, s.ChangeKey(found.ID, name), c)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil, Place{}, missing
	}
	return found, c, p, err
}

// changeSetByID looks through the stacks: only the ARN of the change set is known.
func (e *Records) changeSetByID(snap store.Snap, s Scope, name, id string, missing error) (found *Stack, c *ChangeSet, at Place, err error) {
	lo, hi := s.Rows("name")
	err = store.Each(snap, lo, hi, func(entry *store.Entry) (bool, error) {
		stackID := string(entry.Value)
		candidate := &ChangeSet{}
		p, err := e.Get(snap, s.ChangeKey(stackID, name), candidate)
		if errors.Is(err, store.ErrNotFound) || err == nil && candidate.ID != id {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		c, at = candidate, p
		found, _, err = e.StackByID(snap, s, stackID)
		return false, err
	})
	if err == nil && c == nil {
		err = missing
	}
	return found, c, at, err
}

// DescribeChangeSet finds a change set.
func (e *Records) DescribeChangeSet(ctx context.Context, s Scope, stackName, name string) (found *Stack, c *ChangeSet, err error) {
	err = e.View(ctx, func(snap store.Snap) (err error) {
		if found, c, _, err = e.FindChangeSet(snap, s, stackName, name); err == nil {
			c.Age(found)
		}
		return err
	})
	return found, c, err
}
