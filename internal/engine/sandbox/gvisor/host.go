package gvisor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/cgroup"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/netns"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/runtimeapi"
)

// First of the user ids that environments run as; there are
// sandbox.MaxEnvironments. The first tier has those below.
const firstUID = 720_000

// Memory of gVisor's own processes (the kernel that it is, the server of its files,
// and runsc), which the function does not pay for.
const (
	StartMB = 16 // what they hold from the start: it is not told as the function's
	RoomMB  = 64 // what they may hold, beside the function's MemorySize
)

// Processes and threads of the host that an environment may have: the 1,024 of a
// function, each of which has one, and those of gVisor.
const maxProcesses = 1024 + 256

// Config is how a Host isolates.
type Config struct {
	Runsc Runsc // as Find found it
	// What functions reach, and hold together; see sandbox.Config.
	Egress        netns.Mode
	EgressList    []string
	MemoryCeiling int64
	// By which names functions find the platform, and what they trust; see sandbox.Config.
	Names    netns.Names
	TrustDir string
}

// Host makes execution environments under runsc.
type Host struct {
	config   Config
	runtimes sandbox.Runtimes
	logger   *slog.Logger
	cgroups  *cgroup.Tree
	networks *netns.Pool
	launcher *launcher
	heads    *runtimeapi.Heads
	uids     chan int // free user ids

	mu     sync.Mutex
	envs   map[*env]struct{} // not closed yet
	closed bool
}

var _ sandbox.Starter = (*Host)(nil)

// New prepares the host: it clears what an earlier process left behind and starts
// nothing yet.
func New(config Config, runtimes sandbox.Runtimes, logger *slog.Logger) (*Host, error) {
	if err := needRoot(); err != nil {
		return nil, err
	}
	policy, err := netns.NewPolicy(config.Egress, config.EgressList)
	if err != nil {
		return nil, err
	}
	groups, err := cgroup.New()
	if err != nil {
		return nil, fmt.Errorf("prepare cgroups: %w", err)
	}
	if err := groups.LimitAll(config.MemoryCeiling); err != nil {
		return nil, errors.Join(fmt.Errorf("limit the memory of all environments: %w", err), groups.Close())
	}
	h := &Host{config: config, runtimes: runtimes, logger: logger, cgroups: groups, networks: netns.NewPool(policy, config.Names, logger), launcher: newLauncher(), heads: runtimeapi.NewHeads(),
		uids: make(chan int, sandbox.MaxEnvironments), envs: map[*env]struct{}{}}
	for i := range sandbox.MaxEnvironments {
		h.uids <- firstUID + i
	}
	return h, nil
}

// needRoot refuses an ordinary user: one of a user namespace has no user ids to
// give away, and its cgroups bound nothing.
func needRoot() error {
	mapped, err := os.ReadFile("/proc/self/uid_map")
	fields := strings.Fields(string(mapped))
	if os.Geteuid() != 0 || err != nil || len(fields) == 3 && fields[2] == "1" {
		return errors.New("isolation by gVisor needs root (sudo lambkin serve --isolation=" + Isolation + ")")
	}
	return nil
}

// Endpoint is where connections of functions to the platform arrive; see
// sandbox.Host.
func (h *Host) Endpoint() net.Listener { return h.networks.Endpoint() }

// SecureEndpoint is where those arrive that speak TLS; see sandbox.Host.
func (h *Host) SecureEndpoint() net.Listener { return h.networks.Secure() }

// Warm looks whether the runtime is there: nothing is kept ready in this tier.
func (h *Host) Warm(ctx context.Context, runtime, _ string) error {
	_, err := h.runtimes.Resolve(ctx, runtime)
	return err
}

// SpareBytes is what is kept ready: nothing in this tier.
func (h *Host) SpareBytes() int64 { return 0 }

// SetTight has nothing to give up.
func (h *Host) SetTight(bool) {}

// Probe runs the smallest container there is, to see that runsc works here.
func (h *Host) Probe(ctx context.Context) error {
	folder, err := os.MkdirTemp("", "lambkin-probe-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	program := []byte("#!/bin/sh\nexit " + strconv.Itoa(probeStatus) + "\n")
	if err := errors.Join(os.Chmod(folder, 0o755), os.WriteFile(filepath.Join(folder, "bootstrap"), program, 0o755)); err != nil {
		return err
	}
	var said strings.Builder
	e, init, err := h.Start(ctx, &sandbox.Spec{Runtime: "provided", TaskDir: folder, MemoryMB: 128, EphemeralMB: 512, InitTimeout: probeTimeout,
		Log: func(record sandbox.LogRecord) { said.Write(record.Data) }})
	exit := (*sandbox.ExitError)(nil)
	switch {
	case errors.As(err, &exit) && exit.Status == probeStatus:
		return nil
	case err == nil:
		err = errors.Join(fmt.Errorf("%s", init.ErrorBody), e.Close())
	}
	return fmt.Errorf("%s does not run here: %w; %s", h.config.Runsc, err, said.String())
}

// Start makes an environment and runs its initialisation; see sandbox.Starter.
func (h *Host) Start(ctx context.Context, spec *sandbox.Spec) (sandbox.Environment, sandbox.Init, error) {
	p, err := h.plan(ctx, spec)
	if err != nil {
		return nil, sandbox.Init{}, err
	}
	e, err := h.newEnv(spec)
	if err != nil {
		return nil, sandbox.Init{}, err
	}
	init, err := e.start(ctx, p)
	if err != nil {
		return nil, init, errors.Join(err, e.Close())
	}
	return e, init, nil
}

// newEnv takes a user id for an environment.
func (h *Host) newEnv(spec *sandbox.Spec) (*env, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, errors.New("the sandbox host is closed")
	}
	select {
	case uid := <-h.uids:
		e := &env{host: h, spec: spec, uid: uid, done: make(chan struct{})}
		h.envs[e] = struct{}{}
		return e, nil
	default:
		return nil, fmt.Errorf("all %d environments of the host are in use", sandbox.MaxEnvironments)
	}
}

// forget gives an environment's user id back.
func (h *Host) forget(e *env) {
	h.mu.Lock()
	delete(h.envs, e)
	h.mu.Unlock()
	h.uids <- e.uid
}

// Close ends every environment and waits until all is gone.
func (h *Host) Close() error {
	h.mu.Lock()
	h.closed = true
	var left []*env
	for e := range h.envs {
		left = append(left, e)
	}
	h.mu.Unlock()
	var all error
	for _, e := range left {
		all = errors.Join(all, e.Close())
	}
	h.launcher.close()
	return errors.Join(all, h.networks.Close(), h.cgroups.Close())
}
