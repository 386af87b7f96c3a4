// Package engine carries out what users want of their stacks, resource by resource.
//
// It promises: what a call begins goes on after kill -9, to its end or back to what
// was before, never half. Each step is written before it is begun and after it has
// ended, so a Type is asked again with the same Request if the process died in
// between. A rollback leaves the resources that were there, with the properties
// that they had.
//
// Run owns all stacks by a lease of the store and fences its commits; it starts a
// goroutine for each operation and for each step of one, and returns after the
// last. Engine.mu guards which stacks are worked on, work.mu the resources of one
// stack; neither is held over I/O. All else is in the store: a change checks what
// it read and is done again if another was faster.
//
// Start reading at Config and Engine; then command.go (what users ask), phase.go
// (how an operation goes on) and step.go (one resource).
package engine

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/core/stack/plan"
	"github.com/lambkin-dev/lambkin/internal/core/stack/state"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/core/delivery"
	"github.com/lambkin-dev/lambkin/internal/core/template"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// Limits of the engine.
const (
	MaxStacks     = 2000 // https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
	MaxChangeSets = 1000 // of a stack; our own

	maxOperations = 64 // stacks that are worked on at once
	maxSteps      = 16 // resources of one stack that are worked on at once
	MaxDepth      = 8  // of nested stacks; our own

	cleanTries   = 3 // of the clean-up to delete something, as AWS; then it is left behind
	defaultPause = 5 * time.Second
)

// Config is what an Engine works with. Store, Secret and Types are required.
type Config struct {
	Store  store.Store
	Secret []byte // of the data folder
	Clock  clock.Clock
	Logger *slog.Logger
	Outbox *delivery.Outbox // for the events of stacks with topics; nil: none may be named
	Types  stack.Types
	// Fetch reads a template behind a URL, for nested stacks.
	Fetch func(ctx context.Context, who stack.Caller, s state.Scope, url string) (text string, err error)
	// Stored reads a parameter of Parameter Store, Lookup what a dynamic reference means.
	Stored func(ctx context.Context, who stack.Caller, s state.Scope, name string) (template.Stored, error)
	Lookup func(ctx context.Context, who stack.Caller, s state.Scope, reference template.Dynamic) (string, error)
	// Transform runs the macros of a template; the error says which failed and why.
	Transform func(ctx context.Context, who stack.Caller, in *TransformInput) (map[string]any, error)
	// Pause is between the tries of the clean-up to delete something; 0: defaultPause.
	Pause time.Duration
	// Role is who acts by a stack's role. The error tells why it cannot be.
	Role func(ctx context.Context, s state.Scope, arn string) (stack.Caller, error)
}

// TransformInput is a template whose macros are to be run.
type TransformInput struct {
	state.Scope
	StackName, StackID string
	Values             map[string]any
	Arguments          template.Arguments
}

// Engine keeps stacks and works on them.
type Engine struct {
	*state.Records
	*plan.Planner
	config Config
	wake   chan struct{}

	mu      sync.Mutex
	running map[string]*work // by id: what Run works on
	nested  int              // of them
	ended   chan struct{}    // closed, and another made, when one of them ends
}

// New only builds.
func New(config Config) (*Engine, error) {
	if config.Store == nil || len(config.Secret) == 0 || config.Types == nil {
		return nil, errors.New("stack: Store, Secret and Types are required")
	}
	if config.Clock == nil {
		config.Clock = clock.System
	}
	config.Pause = cmp.Or(config.Pause, defaultPause)
	config.Logger = cmp.Or(config.Logger, slog.New(slog.DiscardHandler))
	records, err := state.New(config.Store, config.Secret, config.Clock, config.Outbox)
	if err != nil {
		return nil, err
	}
	e := &Engine{Records: records, config: config, wake: make(chan struct{}, 1), running: map[string]*work{}, ended: make(chan struct{})}
	e.Planner = &plan.Planner{Types: withNested{config.Types, &nested{e}}, Records: records}
	return e, nil
}

// awake lets Run look for new work at once.
func (e *Engine) awake() {
	select {
	case e.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// FactsOf is what is known of a type; nil if it is not here.
func (e *Engine) FactsOf(name string) *stack.Facts {
	if t := e.Planner.TypeOf(name); t != nil {
		return t.Facts()
	}
	return nil
}

// TypeNames are the types that there are.
func (e *Engine) TypeNames() []string { return e.Types.Names() }
