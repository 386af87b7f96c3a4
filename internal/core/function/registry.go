package function

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/core/function/tree"
	"github.com/lambkin-dev/lambkin/internal/core/policy"
	"github.com/lambkin-dev/lambkin/internal/engine/blob"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// Config is what a Registry is made of.
type Config struct {
	Store  store.Store
	Blobs  *blob.Store // the zips; of this registry alone: it collects what it does not know
	Folder string      // for the unpacked trees; of this registry alone
	Clock  clock.Clock
	Logger *slog.Logger
	// Runtime tells whether the runtime is installed on this host; its error says
	// how to install it and becomes the StateReason. Nil: everything is.
	Runtime func(ctx context.Context, id string) error
	// Compile prepares an unpacked tree for a runtime (bytecode) before it becomes
	// visible. Nil: nothing to do.
	Compile func(ctx context.Context, runtime, dir string) error
	// Preload tells, from the trees, what of the runtime's own the version will
	// import, and may prepare for it. Nil: nothing.
	Preload func(ctx context.Context, v *Version) string
	// Snapshot initialises a published version with SnapStart and keeps it; a
	// failure of the function is told as a StateReasonCode. Nil: nothing to do.
	Snapshot func(ctx context.Context, v *Version) (code string, err error)
	// SnapStartEarlier allows SnapStart for Pythons for which AWS does not offer it.
	SnapStartEarlier bool
	// Changed tells that environments of earlier readings of this version are
	// stale, after an update of $LATEST has become active or the version was
	// deleted; "" is every version of a function that was deleted. It must not
	// block. Nil: nobody listens.
	Changed func(scope Scope, name, version string)
	// Concurrency is the account's limit in a region; 0 means AWS's default.
	Concurrency int
	// CodeStorageBytes bounds all code of an account in a region; 0 means AWS's
	// default.
	CodeStorageBytes int64
}

// Validate names what is missing.
func (c *Config) Validate() error {
	switch {
	case c.Store == nil:
		return errors.New("function.Config: no Store")
	case c.Blobs == nil:
		return errors.New("function.Config: no Blobs")
	case c.Folder == "":
		return errors.New("function.Config: no Folder")
	}
	return nil
}

func (c *Config) codeStorage() int64 {
	if c.CodeStorageBytes > 0 {
		return c.CodeStorageBytes
	}
	return codeStorage
}

// Registry is every function, layer, alias and policy of the platform. All
// methods are safe for concurrent use.
type Registry struct {
	config Config
	trees  *tree.Store
	cache  sync.Map // functionKey -> *cached
	usage  sync.Map // Scope -> usage
	totals sync.Map // Scope -> *total
	queues [sizes]*queue

	sources  sources
	policies policy.Cache
}

// NewRegistry only builds: Run makes functions active. Clock and Logger may be
// missing: the machine's clock, and silence.
func NewRegistry(config Config) (*Registry, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	if config.Clock == nil {
		config.Clock = clock.System
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	r := &Registry{config: config, trees: tree.New(config.Folder), sources: sources{functions: map[functionKey]*source{}}}
	for i := range r.queues {
		r.queues[i] = &queue{claimed: map[string]bool{}, wake: make(chan struct{}, 1)}
	}
	return r, nil
}

func (r *Registry) changed(s Scope, name, version string) {
	if r.config.Changed != nil {
		r.config.Changed(s, name, version)
	}
}

// wake tells Run that there may be pending versions.
func (r *Registry) wake() {
	for _, q := range r.queues {
		q.signal()
	}
}
