// Package control is the behaviour of the Cloud Control API: one resource of any
// type is made, changed, deleted, read or listed, without a stack.
//
// It promises: a request that was accepted goes on after kill -9, to its end; its
// type is then asked again with the same stack.Request. Two requests do not change
// one resource at the same time. A client token names one request for 36 hours.
// What is kept lies on the disk sealed. Requests are forgotten after seven days.
//
// Run owns all requests by a lease of the store and fences its commits; it starts a
// goroutine for each request at work and returns after the last. Control.mu guards
// which are at work, and is never held over I/O; all else is in the store.
//
// Start reading at Control; then command.go (what users ask), work.go (how a
// request goes on) and model.go (what a resource looks like).
package control

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/core/stack/published"
	"github.com/lambkin-dev/lambkin/internal/core/stack/state"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// Limits. https://docs.aws.amazon.com/cloudcontrolapi/latest/userguide/resource-operations-manage-requests.html
const (
	kept        = 7 * 24 * time.Hour // how long a request is known after its end
	tokenLife   = 36 * time.Hour     // of a client token
	maxRunning  = 64                 // requests that are worked on at once; our own
	maxPending  = 10_000             // requests of an account and region that are known; our own
	settleTime  = 5 * time.Second    // how long Status waits for an end
	defaultPage = 20                 // of lists
)

// Operation is what a request does.
type Operation string

// The operations.
const (
	Create Operation = "CREATE"
	Update Operation = "UPDATE"
	Delete Operation = "DELETE"
)

// Status is that of a request.
type Status string

// The statuses.
const (
	Pending    Status = "PENDING"
	InProgress Status = "IN_PROGRESS"
	Success    Status = "SUCCESS"
	Failed     Status = "FAILED"
	Cancelling Status = "CANCEL_IN_PROGRESS"
	Cancelled  Status = "CANCEL_COMPLETE"
)

// ended tells whether nothing more will happen.
func (s Status) ended() bool { return s == Success || s == Failed || s == Cancelled }

// Request is one request to change something.
type Request struct {
	state.Scope
	Token      string // by which it is asked for
	Type       string
	Operation  Operation
	Status     Status
	Identifier string `json:",omitempty"` // of the resource, once it is known
	Model      string `json:",omitempty"` // the resource as it became, without what cannot be read
	Code       string `json:",omitempty"` // of the handler, if it failed
	Message    string `json:",omitempty"`
	Time       time.Time

	Client, Digest string         // the client's token, and what it stands for
	Caller         stack.Caller   // on whose behalf
	Name           string         // for a resource without a name of its own
	Desired        map[string]any `json:",omitempty"`
	Previous       map[string]any `json:",omitempty"` // of an update: what it was
	Tried          bool           // the type was asked
}

// Code names the error of the API that a refusal is.
type Code string

// The codes. https://docs.aws.amazon.com/cloudcontrolapi/latest/APIReference/CommonErrors.html
// and the API model.
const (
	Validation          Code = "ValidationException"
	AccessDenied        Code = "AccessDeniedException"
	AlreadyExists       Code = "AlreadyExistsException"
	ClientTokenConflict Code = "ClientTokenConflictException"
	ConcurrentOperation Code = "ConcurrentOperationException"
	GeneralService      Code = "GeneralServiceException"
	InvalidRequest      Code = "InvalidRequestException"
	NotUpdatable        Code = "NotUpdatableException"
	RequestNotFound     Code = "RequestTokenNotFoundException"
	ResourceConflict    Code = "ResourceConflictException"
	NotFound            Code = "ResourceNotFoundException"
	ServiceInternal     Code = "ServiceInternalErrorException"
	LimitExceeded       Code = "ServiceLimitExceededException"
	Throttling          Code = "ThrottlingException"
	TypeNotFound        Code = "TypeNotFoundException"
	UnsupportedAction   Code = "UnsupportedActionException"
)

// Error is a refusal in the API's words.
type Error struct {
	Code    Code
	Message string
}

// Error names the code and the message.
func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

func refuse(code Code, format string, args ...any) error {
	return &Error{code, fmt.Sprintf(format, args...)}
}

// Config is what a Control works with. Store, Secret and Types are required.
type Config struct {
	Store  store.Store
	Secret []byte // of the data folder
	Clock  clock.Clock
	Logger *slog.Logger
	Types  stack.Types
	// Role is who acts by a role. The error tells why it cannot be.
	Role func(ctx context.Context, s state.Scope, arn string) (stack.Caller, error)
}

// Control keeps requests and works on them.
type Control struct {
	records *state.Records
	config  Config
	wake    chan struct{}

	mu      sync.Mutex
	running map[string]context.CancelCauseFunc // by token: what Run works on
	ended   chan struct{}                      // closed, and another made, when one of them ends
}

// New only builds.
func New(config Config) (*Control, error) {
	if config.Store == nil || len(config.Secret) == 0 || config.Types == nil {
		return nil, errors.New("control: Store, Secret and Types are required")
	}
	if config.Clock == nil {
		config.Clock = clock.System
	}
	config.Logger = cmp.Or(config.Logger, slog.New(slog.DiscardHandler))
	records, err := state.New(config.Store, config.Secret, config.Clock, nil)
	return &Control{records: records, config: config, wake: make(chan struct{}, 1), running: map[string]context.CancelCauseFunc{}, ended: make(chan struct{})}, err
}

// The rows, all below package state's.
//
//	control, request, token          Request
//	control, client, client token    token of the request
//	control, lock, type, identifier  token of the request that changes the resource
//	control work, account, region, token
//	control gone, time, account, region, token   an ended request, until it is forgotten

const (
	workRows = "control work"
	goneRows = "control gone"
)

func requestKey(s state.Scope, token string) []byte { return s.Key("control", "request", token) }

func clientKey(s state.Scope, token string) []byte { return s.Key("control", "client", token) }

func lockKey(s state.Scope, kind, identifier string) []byte {
	return s.Key("control", "lock", kind, identifier)
}

func workKey(s state.Scope, token string) []byte {
	return tuple.Key(state.Space, workRows, s.Account, s.Region, token)
}

func goneKey(at time.Time, s state.Scope, token string) []byte {
	return tuple.Key(state.Space, goneRows, at, s.Account, s.Region, token)
}

// handled is a type with the schema that tells what it does.
type handled struct {
	stack.Identified
	schema *published.Schema
}

// actions are the names of handlers in errors.
var actions = map[string]string{"create": "CREATE", "read": "READ", "update": "UPDATE", "delete": "DELETE", "list": "LIST"}

// kind finds a type that has a handler.
func (c *Control) kind(name, handler string) (*handled, error) {
	t := c.config.Types.Type(name)
	if t == nil {
		return nil, refuse(TypeNotFound, "The type '%s' cannot be found.", name)
	}
	if why := t.Facts().NotYet; why != "" {
		return nil, refuse(UnsupportedAction, "Resource type %s does not support %s action: %s", name, actions[handler], why)
	}
	schema := published.Find(name)
	found, ok := t.(stack.Identified)
	if !ok || schema == nil || !found.Handles(handler) {
		return nil, refuse(UnsupportedAction, "Resource type %s does not support %s action", name, actions[handler])
	}
	if _, there := schema.Handlers[handler]; !there {
		return nil, refuse(UnsupportedAction, "Resource type %s does not support %s action", name, actions[handler])
	}
	return &handled{found, schema}, nil
}
