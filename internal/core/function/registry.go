package function

import (
	"context"
	"errors"
	"log/slog"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// Config is what a Registry is made of.
type Config struct {
	Store  store.Store
	Folder string // for the unpacked trees; of this registry alone
	Clock  clock.Clock
	Logger *slog.Logger
	// Runtime tells whether the runtime is installed on this host; its error says
	// how to install it and becomes the StateReason. Nil: everything is.
	Runtime func(ctx context.Context, id string) error
	// Compile prepares an unpacked tree for a runtime (bytecode) before it becomes
	// visible. Nil: nothing to do.
	Compile func(ctx context.Context, runtime, dir string) error
	// Changed tells that environments of earlier readings of this function are
	// stale: after an update has become active, and after a deletion. It must
	// not block. Nil: nobody listens.
	Changed func(scope Scope, name string)
	// Concurrency is the account's limit in a region; 0 means AWS's default.
	Concurrency int
}

// Registry is every function, layer, alias and policy of the platform.
type Registry struct{ config Config }

// NewRegistry only builds: Run makes functions active.
func NewRegistry(config Config) (*Registry, error) { return nil, errors.ErrUnsupported }

// Run makes Pending versions Active and updates Successful, and collects what
// nothing refers to any more, until ctx ends.
func (r *Registry) Run(ctx context.Context) error { return errors.ErrUnsupported }

// Resolve finds what an invocation of name with qualifier ("" is $LATEST) runs.
// A weighted alias chooses anew each time. An unknown function is a
// *NotFoundError, one that is Pending or Failed a *ConflictError.
func (r *Registry) Resolve(ctx context.Context, scope Scope, name, qualifier string) (*Resolved, error) {
	return nil, errors.ErrUnsupported
}
