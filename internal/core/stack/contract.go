// Package stack is the contract between the engine of CloudFormation and the
// types of resources, and what both say of errors.
//
// The engine is in the folders below: engine carries changes out, plan finds them,
// state keeps what there is. DESIGN.md has the reasons.
//
// No goroutines, no locks. Start reading at Type.
package stack

import (
	"context"
	"slices"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/session"
)

// Type provides the resources of one type, as "AWS::SQS::Queue".
//
// Its methods block until the resource is as it was asked for (a function is
// active, a custom resource has answered) or ctx ends. Each may be called again
// after a crash of the server, with the same Request: it then finds what its
// earlier call has made and goes on from there; that is what Request.Token and
// Request.Name are for. An error's text is what the stack's events show.
type Type interface {
	// Facts are what the engine knows of the type without asking it.
	Facts() *Facts
	// Create makes the resource. If it fails having made something, also in an
	// earlier try (Again), the result has a PhysicalID, and the engine deletes that in
	// the rollback.
	Create(ctx context.Context, r *Request) (*Result, error)
	// Update changes the resource in place from Previous to Properties. A result
	// with another PhysicalID is a replacement that the type itself made (custom
	// resources do); the engine deletes the former in the clean-up.
	Update(ctx context.Context, r *Request) (*Result, error)
	// Delete removes the resource; that it is absent is success.
	Delete(ctx context.Context, r *Request) error
	// Read gives the live properties, those that it can know, by the names of the
	// template, and the attributes: for drift detection and imports. ErrAbsent: there is none.
	Read(ctx context.Context, r *Request) (properties, attributes map[string]any, err error)
}

// Identified is a Type whose resources can be found without a stack.
type Identified interface {
	Type
	// Handles tells whether there is a handler: create, read, update, delete or list.
	Handles(handler string) bool
	// Locate gives the physical id of the resource that the values of its primary
	// identifier name, and the properties that they tell.
	Locate(parts map[string]string) (physical string, properties map[string]any)
	// Identify is the reverse, of what a Create has given.
	Identify(physical string, properties, attributes map[string]any) (parts map[string]string)
	// List gives the primary identifiers of all that there are; Properties name what
	// they are in, where the type wants it.
	List(ctx context.Context, r *Request) ([]map[string]string, error)
}

// Facts are what the published schema of a type tells.
type Facts struct {
	Type       string
	Properties map[string]Property // by name; a property not in here is refused when a change set is made
	// Primary are the properties that identify the resource, of which Ref gives the
	// first or all joined by "|".
	Primary []string
	// Attributes are what GetAtt knows: the read-only properties, as "Arn" or "Endpoint.Address".
	// "*": any (custom resources, nested stacks).
	Attributes []string
	// Tags is the property that stack tags are joined to, or "".
	Tags string
	// TagsAreMap tells that Tags is an object, not a list of Key and Value.
	TagsAreMap bool
	// NameProperty is the property by which a user may name the resource, or "". If it
	// is not set, the engine makes Request.Name within these bounds.
	NameProperty string
	Name         NameRule
	// OpenProperties lets properties that are not listed pass (custom resources).
	OpenProperties bool
	// Capability is what an owner must acknowledge: CAPABILITY_IAM, or "".
	Capability string
	// Updatable is false for types of which every change is a replacement.
	Updatable bool
	// Timeout bounds one operation; 0: DefaultTimeout.
	Timeout time.Duration
	// Waits tells that the methods wait for others (custom resources): they are
	// interrupted when another resource fails or the update is cancelled.
	Waits bool
	// Signals tells that the type knows what to do with a CreationPolicy.
	Signals bool
	// NotYet, if it is not empty, says why the type is known but cannot be had.
	NotYet string
}

// Property is one property of a type.
type Property struct {
	Required   bool
	Kinds      Kind // of JSON values that it may have
	CreateOnly bool // a change means replacement
	Maybe      bool // a change may mean replacement (conditional create-only)
	WriteOnly  bool // cannot be read back: no drift is found in it
	// Inert, if it is not empty, says that the property is kept but has no effect
	// here; Refused, that a template which sets it fails, and why.
	Inert, Refused string
}

// Kind is a set of kinds of JSON values.
type Kind uint8

// The kinds. Text, numbers and truth are taken for one another, as CloudFormation
// does, where the text reads as the other.
const (
	Text Kind = 1 << iota
	Number
	Truth
	List
	Object
)

// NameRule is how the engine makes the name of a resource without one.
type NameRule struct {
	MaxLength  int    // 0: DefaultNameLength
	LowerCase  bool   // buckets
	Suffix     string // ".fifo"
	Characters string // what stands between the parts, "-" by default
}

// Request is one thing to do with one resource.
type Request struct {
	Account, Region    string
	Caller             Caller // on whose behalf
	StackID, StackName string
	LogicalID          string
	Type               string              // as the template names it: Custom::Name
	Token              string              // the same for all tries of one step of one deployment
	Name               string              // for a resource without a name of its own: the stack's name, the logical id and a random part
	PhysicalID         string              // empty in Create
	Again              bool                // an earlier try may have done a part
	Back               bool                // Update: back to what was before one that may have failed half-way; Previous is what that wanted
	Properties         map[string]any      // resolved; stack tags are joined already
	Previous           map[string]any      // Update: as deployed last
	Creation           map[string]any      // CreationPolicy, of types that know what to do with it (Facts.Signals)
	Attributes         map[string]any      // as the last result had them
	Tags               map[string]string   // of the stack
	Replaced           bool                // Delete: a successor is in use already
	Progress           func(reason string) // tells what it waits for, as an event of the stack
}

// Caller is on whose behalf resources are made: the stack's role, or who asked.
type Caller struct {
	AccessKeyID, ARN, UserID string
	Endpoint                 string           // scheme://host:port by which the client reached us
	Function                 bool             `json:",omitempty"` // it is a function
	Session                  *session.Session `json:",omitempty"` // of temporary credentials: what restricts them restricts the stack
}

// Result is what has come of a Create or an Update.
type Result struct {
	PhysicalID string         // what Ref gives, unless Ref is set
	Ref        string         // what Ref gives where it is not the physical id
	Attributes map[string]any // what GetAtt gives
	Hidden     bool           // the attributes are secret
}

// Reverter is a Type whose resources keep a way back for as long as the stack is
// not whole (nested stacks).
type Reverter interface {
	// Revert undoes the last Update; Properties are those of before.
	Revert(ctx context.Context, r *Request) (*Result, error)
	// Settle tells that there will be no Revert.
	Settle(ctx context.Context, r *Request) error
}

// Limits and defaults of resources.
const (
	DefaultTimeout    = 30 * time.Minute
	DefaultNameLength = 64
)

// What Read returns of a resource that is not there, and of one of a type that
// nobody can read.
const (
	ErrAbsent     absence = "the resource does not exist"
	ErrUnreadable absence = "resources of this type cannot be read"
)

type absence string

// Error is the text.
func (a absence) Error() string { return string(a) }

// Types are the resource types that there are.
type Types interface {
	Type(name string) Type // nil: there is none
	Names() []string       // sorted
}

// Table is Types as a table.
type Table map[string]Type

// Type is the type of that name; nil if there is none.
func (t Table) Type(name string) Type { return t[name] }

// Names are those of the types that can be had, sorted.
func (t Table) Names() []string {
	var names []string
	for name, found := range t {
		if found.Facts().NotYet == "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
