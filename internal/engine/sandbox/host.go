package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/cgroup"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/inside"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/netns"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/runtimeapi"
)

// First of the user ids that environments run as, and how many there are. The
// range is above what distributions hand out to users and services.
const (
	firstUID        = 700_000
	MaxEnvironments = 10_000
)

// Where an environment finds the platform's AWS APIs and its Runtime API, in its
// own network namespace.
const (
	PlatformAddress   = netns.PlatformAddress
	PlatformPort      = netns.PlatformPort
	RuntimeAPIAddress = PlatformAddress + ":9001"
)

// TrustPlace is where an environment has what is in Config.TrustDir.
const TrustPlace = inside.TrustPlace

// maxProcesses is the documented quota of processes and threads.
const maxProcesses = 1024

// parkTimeout bounds the time from a fork request to a sandboxed child.
const parkTimeout = 10 * time.Second

// Config is how a Host isolates.
type Config struct {
	// Egress is what functions reach besides the platform: public addresses, what
	// is listed only, or nothing. EgressList holds networks, addresses and names;
	// it adds to the public addresses too.
	Egress     netns.Mode
	EgressList []string

	// Names are the host names by which functions find the platform, with TLS too. Nil:
	// it has its address only.
	Names netns.Names
	// TrustDir is a folder of the host with certificates that programs inside are to
	// trust; they find it at TrustPlace. Empty: there is none.
	TrustDir string

	// Parked is the most environments that are kept ready for each runtime, made
	// ahead of the functions they will run; 0 means DefaultParked, less than 0
	// none. How many there are follows the demand.
	Parked int

	// MemoryCeiling bounds, in bytes, what all environments hold together: beyond
	// it the kernel kills one of theirs rather than anything else of this machine.
	// 0: no bound.
	MemoryCeiling int64

	// off switches single protections off. Only the escape suite may: it shows
	// that each attempt would succeed without its protection.
	off protections

	freezers []cgroup.Freezer // for tests: which to use, the best by default
}

// Host makes execution environments on this machine.
type Host struct {
	config   Config
	runtimes Runtimes
	logger   *slog.Logger
	cgroups  *cgroup.Tree
	networks *netns.Pool
	heads    *runtimeapi.Heads
	attacher *attacher
	oneUser  bool     // of an ordinary user: all environments have the same user id
	uids     chan int // free user ids; only numbers if there is one user

	waiting sync.Map    // of *env: clones that were not bound yet
	tight   atomic.Bool // nothing is parked

	mu      sync.Mutex
	zygotes map[zygoteKey]*zygote
	closed  bool
}

var _ Starter = (*Host)(nil)

// New prepares the host: it clears what an earlier process left behind and
// starts nothing yet.
func New(config Config, runtimes Runtimes, logger *slog.Logger) (*Host, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("isolation needs root, or EnterUserNamespace first")
	}
	if config.off.egress {
		config.EgressList = append(config.EgressList, "0.0.0.0/0", "::/0")
	}
	policy, err := netns.NewPolicy(config.Egress, config.EgressList)
	if err != nil {
		return nil, err
	}
	groups, err := cgroup.New(config.freezers...)
	if err != nil {
		return nil, fmt.Errorf("prepare cgroups: %w", err)
	}
	if err := groups.LimitAll(config.MemoryCeiling); err != nil {
		return nil, errors.Join(fmt.Errorf("limit the memory of all environments: %w", err), groups.Close())
	}
	h := &Host{config: config, runtimes: runtimes, logger: logger, cgroups: groups, heads: runtimeapi.NewHeads(),
		networks: netns.NewPool(policy, config.Names, logger), attacher: newAttacher(), oneUser: oneUser(), uids: make(chan int, MaxEnvironments), zygotes: map[zygoteKey]*zygote{}}
	for i := range MaxEnvironments {
		h.uids <- firstUID + i
	}
	return h, nil
}

// Child must be the first call of main: in a process that is to become a zygote
// or an environment it does so and never returns.
func Child() { inside.Main() }

// Endpoint is where connections of functions to the platform (port 4566 of
// PlatformAddress) arrive. Its Accept returns net.ErrClosed after Close.
func (h *Host) Endpoint() net.Listener { return h.networks.Endpoint() }

// SecureEndpoint is where those arrive that call the platform by one of its Names with
// TLS (port 443 of PlatformAddress); as Endpoint.
func (h *Host) SecureEndpoint() net.Listener { return h.networks.Secure() }

// Warm starts the runtime's zygote ahead of the first call and parks the first
// environments; preload as in Spec.
func (h *Host) Warm(ctx context.Context, runtime, preload string) error {
	z, err := h.zygote(ctx, zygoteKey{runtime, preload})
	if err != nil {
		return err
	}
	z.parking.refill()
	return nil
}

// Start makes an environment and runs its initialisation; see Starter.
func (h *Host) Start(ctx context.Context, spec *Spec) (Environment, Init, error) {
	z, err := h.zygoteFor(ctx, spec)
	if err != nil {
		return nil, Init{}, err
	}
	var e *env
	if !spec.Background {
		h.cgroups.Expect()
		e = z.parking.take()
	}
	if e == nil {
		if e, err = h.park(z, parkNow); err != nil {
			return nil, Init{}, fmt.Errorf("fork an environment of %s: %w", spec.Runtime, err)
		}
	}
	init, err := e.start(spec)
	if err != nil && e.custom != nil && e.custom.lingers(err) {
		return e, init, err
	}
	if err != nil {
		return nil, init, errors.Join(err, e.Close())
	}
	return e, init, nil
}

// zygoteKey names a zygote.
type zygoteKey struct{ runtime, preload string }

// zygoteFor returns the zygote that serves spec best without waiting: while the
// one with the preloaded modules is not ready, that is the plain one.
func (h *Host) zygoteFor(ctx context.Context, spec *Spec) (*zygote, error) {
	if must, err := mustExecute(spec); err != nil {
		return nil, err
	} else if must {
		return h.zygote(ctx, zygoteKey{runtime: spec.Runtime + executed})
	}
	if spec.Preload != "" {
		h.mu.Lock()
		z := h.zygotes[zygoteKey{spec.Runtime, spec.Preload}]
		h.mu.Unlock()
		if z != nil && z.ready() {
			return z, nil
		}
		if z == nil || z.dead() {
			go h.warmBeside(spec.Runtime, spec.Preload) // ends when the zygote has started, within a bound, or with Close
		}
	}
	return h.zygote(ctx, zygoteKey{runtime: spec.Runtime})
}

func (h *Host) warmBeside(runtime, preload string) {
	if err := h.Warm(context.Background(), runtime, preload); err != nil {
		h.logger.Debug("no zygote with preloaded modules", "runtime", runtime, "preload", preload, "err", err)
	}
}

// zygote returns a zygote, starting it if there is none alive.
func (h *Host) zygote(ctx context.Context, key zygoteKey) (*zygote, error) {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return nil, errors.New("the sandbox host is closed")
	}
	z := h.zygotes[key]
	if z == nil || z.dead() {
		z = newZygote(key.runtime, key.preload, h.logger)
		z.parking = newParking(h, z)
		h.zygotes[key] = z
		h.mu.Unlock()
		z.start(ctx, h)
	} else {
		h.mu.Unlock()
	}
	select {
	case <-z.started:
		return z, z.startErr
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Close kills every environment and zygote and waits until all is gone.
func (h *Host) Close() error {
	h.mu.Lock()
	h.closed = true
	zygotes := h.zygotes
	h.zygotes = map[zygoteKey]*zygote{}
	h.mu.Unlock()
	for _, z := range zygotes {
		z.close()
	}
	h.attacher.close()
	return errors.Join(h.networks.Close(), h.cgroups.Close())
}
