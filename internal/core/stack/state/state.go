package state

import (
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/core/stack"

	"github.com/lambkin-dev/lambkin/internal/base/arn"
)

// Scope is where stacks are.
type Scope struct{ Account, Region string }

// Status is that of a stack or of a resource, in CloudFormation's words.
type Status string

// Statuses of resources and, those without UPDATE_FAILED's kind of detail, of stacks.
const (
	CreateInProgress Status = "CREATE_IN_PROGRESS"
	CreateFailed     Status = "CREATE_FAILED"
	CreateComplete   Status = "CREATE_COMPLETE"
	DeleteInProgress Status = "DELETE_IN_PROGRESS"
	DeleteFailed     Status = "DELETE_FAILED"
	DeleteComplete   Status = "DELETE_COMPLETE"
	DeleteSkipped    Status = "DELETE_SKIPPED" // of resources only
	UpdateInProgress Status = "UPDATE_IN_PROGRESS"
	UpdateFailed     Status = "UPDATE_FAILED"
	UpdateComplete   Status = "UPDATE_COMPLETE"
	ImportInProgress Status = "IMPORT_IN_PROGRESS"
	ImportFailed     Status = "IMPORT_FAILED" // of resources only
	ImportComplete   Status = "IMPORT_COMPLETE"

	RollbackInProgress       Status = "ROLLBACK_IN_PROGRESS"
	RollbackFailed           Status = "ROLLBACK_FAILED"
	RollbackComplete         Status = "ROLLBACK_COMPLETE"
	UpdateCleanup            Status = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
	UpdateRollbackInProgress Status = "UPDATE_ROLLBACK_IN_PROGRESS"
	UpdateRollbackFailed     Status = "UPDATE_ROLLBACK_FAILED"
	UpdateRollbackCleanup    Status = "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"
	UpdateRollbackComplete   Status = "UPDATE_ROLLBACK_COMPLETE"
	ReviewInProgress         Status = "REVIEW_IN_PROGRESS"
	ImportRollbackInProgress Status = "IMPORT_ROLLBACK_IN_PROGRESS"
	ImportRollbackFailed     Status = "IMPORT_ROLLBACK_FAILED"
	ImportRollbackComplete   Status = "IMPORT_ROLLBACK_COMPLETE"
)

// Running tells whether something is under way.
func (s Status) Running() bool {
	return s != ReviewInProgress && strings.HasSuffix(string(s), "_IN_PROGRESS")
}

// Stack is one stack, live or deleted.
type Stack struct {
	Scope
	ID, Name   string // ID is the last part of the ARN
	Created    time.Time
	Updated    time.Time `json:",omitzero"`
	Deleted    time.Time `json:",omitzero"`
	Status     Status
	Reason     string `json:",omitempty"`
	Protected  bool   `json:",omitempty"` // from deletion
	Policy     string `json:",omitempty"` // the stack policy
	Parent     string `json:",omitempty"` // ARN of the stack of which this is a resource
	Root       string `json:",omitempty"`
	ParentName string `json:",omitempty"` // its logical id there
	Depth      int    `json:",omitempty"` // of the nesting

	// Now is what the stack is, or is being made to be; Before, if it is not nil, what
	// it was when it was whole the last time. Both are nil while it is reviewed.
	Now, Before *Configuration `json:",omitempty"`
	// Generation counts the times that the stack was whole; see Resource.Generation.
	Generation int

	Outputs   []Output    `json:",omitempty"`
	Operation *Operation  `json:",omitempty"` // under way, or the last
	Recent    []Operation `json:",omitempty"` // what LastOperations shows
	ChangeSet string      `json:",omitempty"` // ARN of the one that was executed last
	Imported  []string    `json:",omitempty"` // exports of other stacks that it holds
	Drift     DriftStatus `json:",omitzero"`
	Detected  []string    `json:",omitempty"` // ids of detections, the newest last
}

// ARN is what users call the id of the stack.
func (s *Stack) ARN() string {
	return arn.New("cloudformation", s.Region, s.Account, "stack/"+s.Name+"/"+s.ID).String()
}

// Description is that of the template.
func (s *Stack) Description() string {
	if s.Now == nil {
		return ""
	}
	return s.Now.Description
}

// Configuration is a template with all that is chosen for it.
type Configuration struct {
	Template      string // the name of the rows with its texts
	Description   string `json:",omitempty"`
	Stages        int    // 1: only the original text, 2: also the processed one
	Parts         []int  // rows of each text, if it is large
	Parameters    []Parameter
	Tags          map[string]string            `json:",omitempty"`
	Capabilities  []string                     `json:",omitempty"`
	Notifications []string                     `json:",omitempty"` // ARNs of topics
	RoleARN       string                       `json:",omitempty"`
	Monitoring    int                          `json:",omitempty"` // minutes, of the rollback configuration
	Imports       []string                     `json:",omitempty"` // exports of other stacks
	Adopt         map[string]map[string]string `json:",omitempty"` // resources that are imported, with their identifiers
	Nested        map[string]NestedSet         `json:",omitempty"` // the change sets of nested stacks, by logical id, that are carried out with this one
	AdoptExisting bool                         `json:",omitempty"` // they were found by the change set (ImportExistingResources), whose operation is not called an import
	Options
}

// NestedSet is a change set of a nested stack, made with that of its parent.
type NestedSet struct{ Stack, Name, ARN string } // Stack is an ARN

// Options are what an operation does if something fails.
type Options struct {
	DisableRollback      bool          `json:",omitempty"`
	OnFailure            string        `json:",omitempty"` // DO_NOTHING, ROLLBACK, DELETE; empty: ROLLBACK
	Timeout              time.Duration `json:",omitempty"` // of the creation
	RetainExceptOnCreate bool          `json:",omitempty"`
}

// Parameter is one parameter of a stack.
type Parameter struct {
	Key, Value string
	Resolved   string `json:",omitempty"` // of one of Parameter Store
	Hidden     bool   `json:",omitempty"` // NoEcho
	Unknown    bool   `json:",omitempty"` // in a change set: Value tells only so
}

// Output is one output of a stack.
type Output struct {
	Key, Value  string
	Description string `json:",omitempty"`
	Export      string `json:",omitempty"` // name
}

// Operation is something that is done to a whole stack.
type Operation struct {
	ID      string
	Kind    Kinds
	Phase   Phase `json:",omitempty"` // empty when it is over
	Token   string
	Caller  stack.Caller
	Started time.Time
	Ended   time.Time `json:",omitzero"`
	Failed  bool      `json:",omitempty"`

	Cancelled bool     `json:",omitempty"` // by CancelUpdateStack
	Skip      []string `json:",omitempty"` // resources that a rollback passes over
	Retain    []string `json:",omitempty"` // resources that a deletion leaves
	Force     bool     `json:",omitempty"` // FORCE_DELETE_STACK
	Policy    string   `json:",omitempty"` // StackPolicyDuringUpdate
	Held      bool     `json:",omitempty"` // of a nested stack: its parent says when to clean up
	// Outputs are those of before, while a nested stack is held.
	Outputs []Output `json:",omitempty"`
	// Next is a deletion that was asked for while this is under way.
	Next *Operation `json:",omitempty"`
	Options
}

// Importing tells whether the operation is an import of resources.
func (s *Stack) Importing() bool { return s.Now != nil && len(s.Now.Adopt) > 0 && !s.Now.AdoptExisting }

// Kinds are the kinds of operations, in the words of LastOperations.
type Kinds string

// The kinds.
const (
	CreateStack      Kinds = "CREATE_STACK"
	UpdateStack      Kinds = "UPDATE_STACK"
	DeleteStack      Kinds = "DELETE_STACK"
	ContinueRollback Kinds = "CONTINUE_ROLLBACK"
	RollbackStack    Kinds = "ROLLBACK"
	CreateChangeSet  Kinds = "CREATE_CHANGESET"
)

// phase is where an operation is.
type Phase string

const (
	Deploying   Phase = "deploy"  // what is new or changed
	Cleaning    Phase = "clean"   // what is not needed any more
	RollingBack Phase = "back"    // to what was before
	Discarding  Phase = "discard" // what the operation had made
	Deleting    Phase = "delete"  // everything
)

// Deployed is a resource as it was made or changed last.
type Deployed struct {
	Type       string
	PhysicalID string         `json:",omitempty"` // empty: there is none
	Ref        string         `json:",omitempty"`
	Attributes map[string]any `json:",omitempty"`
	Properties map[string]any `json:",omitempty"`
	// DependsOn are all on which it depends, also by references: they are deleted later.
	DependsOn   []string `json:",omitempty"`
	Deletion    string   `json:",omitempty"` // DeletionPolicy
	Replacement string   `json:",omitempty"` // UpdateReplacePolicy
	Metadata    string   `json:",omitempty"` // JSON
	Creation    string   `json:",omitempty"` // CreationPolicy, JSON
	Hidden      bool     `json:",omitempty"` // its attributes are secret: NoEcho of a custom resource
	WasImported bool     `json:",omitempty"`
}

// ref is what Ref gives.
func (d *Deployed) GetRef() string {
	if d.Ref != "" {
		return d.Ref
	}
	return d.PhysicalID
}

// Resource is one resource of a stack.
type Resource struct {
	LogicalID string
	Deployed         // as it is now
	Status    Status // of the last step
	Reason    string `json:",omitempty"`
	Changed   time.Time

	// Operation is the one that made the last step.
	Operation string `json:",omitempty"`
	// Step is under way, or was when the process died.
	Step *Step `json:",omitempty"`

	// Generation is that of the stack when the fields below were set: they tell of the
	// time since the stack was whole last, so in another generation they mean nothing.
	Generation int
	New        bool       `json:",omitempty"` // there was none
	Before     *Deployed  `json:",omitempty"` // as it was, if it is another now
	Others     []Deployed `json:",omitempty"` // neither now nor before: the clean-up deletes them
	Called     bool       `json:",omitempty"` // Update was called, so going back needs another call
	// Tried are the properties that an Update which failed was to bring: some may be there.
	Tried   map[string]any `json:",omitempty"`
	Settled bool           `json:",omitempty"` // the rollback has brought it back
}

// Step is one call of a Type.
type Step struct {
	Action     Action
	Token      string
	Name       string
	To         Deployed // as it is to be: without ids and attributes
	Begun      time.Time
	Replacing  bool   `json:",omitempty"` // a create beside what is there
	RollBack   bool   `json:",omitempty"`
	PhysicalID string `json:",omitempty"` // of what is imported
}

type Action string

const (
	Creating  Action = "create"
	Updating  Action = "update"
	Removing  Action = "delete"
	Importing Action = "import"
)

// live tells whether there is something.
func (r *Resource) Live() bool {
	return r.PhysicalID != "" && r.Status != DeleteComplete && r.Status != DeleteSkipped
}

// Event is one line of a stack's history.
type Event struct {
	ID         string
	Time       time.Time
	LogicalID  string
	PhysicalID string `json:",omitempty"`
	Type       string
	Status     Status
	Reason     string `json:",omitempty"`
	Properties string `json:",omitempty"` // JSON
	Token      string `json:",omitempty"`
	Operation  string `json:",omitempty"`
	Kind       Kinds  `json:",omitempty"` // of the operation
	Detailed   string `json:",omitempty"` // DetailedStatus
}
