// Package server builds the whole platform from its parts and runs it; it makes
// no decisions of its own.
//
// It promises that New either returns a server whose address accepts
// connections, or has released everything; and that Run returns only after all
// calls were drained (or their deadline passed) and every environment is gone,
// in the reverse order of construction.
//
// Goroutines: one for each Run below it, all in the errgroup of Server.Run. No
// locks. Start reading at New.
package server

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lambkin-dev/lambkin/internal/core/async"
	"github.com/lambkin-dev/lambkin/internal/core/bus"
	"github.com/lambkin-dev/lambkin/internal/core/delivery"
	"github.com/lambkin-dev/lambkin/internal/core/domain"
	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/core/functionurl"
	"github.com/lambkin-dev/lambkin/internal/core/iam"
	"github.com/lambkin-dev/lambkin/internal/core/identity"
	"github.com/lambkin-dev/lambkin/internal/core/invoke"
	"github.com/lambkin-dev/lambkin/internal/core/mapping"
	"github.com/lambkin-dev/lambkin/internal/core/object"
	"github.com/lambkin-dev/lambkin/internal/core/parameter"
	"github.com/lambkin-dev/lambkin/internal/core/queue"
	"github.com/lambkin-dev/lambkin/internal/core/restapi"
	"github.com/lambkin-dev/lambkin/internal/core/scheduler"
	"github.com/lambkin-dev/lambkin/internal/core/secret"
	"github.com/lambkin-dev/lambkin/internal/core/stack/control"
	"github.com/lambkin-dev/lambkin/internal/core/stack/engine"
	"github.com/lambkin-dev/lambkin/internal/core/topic"
	"github.com/lambkin-dev/lambkin/internal/engine/bytecode"
	"github.com/lambkin-dev/lambkin/internal/engine/pyboot"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/gvisor"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/netns"
	"github.com/lambkin-dev/lambkin/internal/engine/store/localstore"
	"github.com/lambkin-dev/lambkin/internal/front"
	apiserver "github.com/lambkin-dev/lambkin/internal/front/httpapi"
	restserver "github.com/lambkin-dev/lambkin/internal/front/restapi"
	socketserver "github.com/lambkin-dev/lambkin/internal/front/websocket"
	"github.com/lambkin-dev/lambkin/internal/gateway"
	"github.com/lambkin-dev/lambkin/internal/guard"
	"github.com/lambkin-dev/lambkin/internal/svc/logs"
	"github.com/lambkin-dev/lambkin/internal/wire/authority"
)

// drainTimeout is how long calls in flight may go on after the end was asked for.
const drainTimeout = 15 * time.Second

// maxRetrySpeed leaves the six hours of an event enough of the wall's time.
const maxRetrySpeed = 1000

// Config is everything that a server can be told.
type Config struct {
	Folder               string // of all that is kept; made if it is absent
	Listen               string // host:port of the APIs
	AccessKey, SecretKey string // the one configured key; empty: any key is accepted, on loopback only
	AccountConcurrency   int    // 0: AWS's default
	MemoryBudget         string // of all environments together, as ParseBudget reads it; empty: a share of the machine's memory
	MaxEnvironments      int    // alive at once; 0: as many as the budget holds of the smallest
	LogGroupSize         string // of one log group at most, as 1GiB; empty: logs.DefaultGroupBytes
	LogSize              string // of all logs together; empty: logs.DefaultTotalBytes
	RetrySpeed           int    // how many times faster the retries of asynchronous calls and deliveries come; 0: once
	Interpreters         map[string]string
	SnapStartEarlier     bool     // SnapStart for Python before 3.12 too
	Search               []string // folders with interpreters
	Isolation            string   // WeakIsolation, gvisor.Isolation, or empty: a host that isolates weakly is refused
	TLS                  string   // host:port where the same is served with TLS; empty: nowhere
	Egress               string   // what functions reach: allow, list, deny; empty: allow
	EgressAllow          []string // networks, addresses and names that they may call too, each with or without a port
	IAM                  string   // EnforceIAM, or OffIAM or empty: permissions are not checked
	AllowedOrigins       []string // of web pages elsewhere that may call the APIs ("https://console.example.org")
	AllowedHosts         []string // names by which callers with unverified keys may reach us, besides addresses and local names
	Logger               *slog.Logger
}

// Validate finds mistakes that a user can mend.
func (c *Config) Validate() error {
	if c.Isolation != "" && c.Isolation != WeakIsolation && c.Isolation != gvisor.Isolation {
		return fmt.Errorf("isolation %q: the values are %q, which accepts a host that isolates weakly, and %q, which runs functions under an installed runsc", c.Isolation, WeakIsolation, gvisor.Isolation)
	}
	if c.IAM != "" && c.IAM != OffIAM && c.IAM != EnforceIAM {
		return fmt.Errorf("iam %q: the values are %q, which lets every caller of an account do everything in it, and %q, which decides each call by the policies of callers and resources", c.IAM, OffIAM, EnforceIAM)
	}
	if err := c.validateEgress(); err != nil {
		return err
	}
	if _, _, err := c.logBounds(); err != nil {
		return err
	}
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return fmt.Errorf("the address to listen at must be HOST:PORT: %w", err)
	}
	if (c.AccessKey == "") != (c.SecretKey == "") {
		return errors.New("an access key needs its secret key, and the reverse (LAMBKIN_ACCESS_KEY, LAMBKIN_SECRET_KEY)")
	}
	if err := c.validateTLS(host); err != nil {
		return err
	}
	if c.RetrySpeed < 0 || c.RetrySpeed > maxRetrySpeed {
		return fmt.Errorf("the retry speed %d is not between 1 and %d", c.RetrySpeed, maxRetrySpeed)
	}
	if c.AccountConcurrency < 0 {
		return fmt.Errorf("the account concurrency %d is negative", c.AccountConcurrency)
	}
	if ip := net.ParseIP(host); c.AccessKey == "" && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("%s is reachable by others: configure an access key first (LAMBKIN_ACCESS_KEY and LAMBKIN_SECRET_KEY), or listen on 127.0.0.1", c.Listen)
	}
	return nil
}

// validateEgress finds what could not be kept or would have no effect.
func (c *Config) validateEgress() error {
	policy, err := netns.NewPolicy(netns.Mode(c.Egress), c.EgressAllow)
	if err == nil && policy.Mode == netns.Listed && len(c.EgressAllow) == 0 {
		return errors.New("egress \"list\" without a list: name what functions may call with --egress-allow (LAMBKIN_EGRESS_ALLOW), or use --egress deny")
	}
	return err
}

// logBounds reads how large logs may be.
func (c *Config) logBounds() (group, total int64, err error) {
	group, valid := parseSize(cmp.Or(c.LogGroupSize, strconv.Itoa(logs.DefaultGroupBytes)))
	if !valid || group < logs.LeastGroupBytes {
		return 0, 0, fmt.Errorf("the size of a log group %q: want a size such as 1GiB, of %d MiB at least", c.LogGroupSize, logs.LeastGroupBytes>>20)
	}
	total, valid = parseSize(cmp.Or(c.LogSize, strconv.FormatInt(max(group, logs.DefaultTotalBytes), 10)))
	if !valid || total < group {
		return 0, 0, fmt.Errorf("the size of all logs %q: want a size such as 10GiB, not less than the %s of one log group", c.LogSize, readable(group))
	}
	return group, total, nil
}

// Server is the running platform.
type Server struct {
	config     Config
	memory     MemoryPlan
	listener   net.Listener
	secure     net.Listener // with TLS; or nil
	inner      net.Listener // with TLS, for functions
	authority  *authority.Authority
	trust      string       // folder of the certificates that functions trust; or ""
	http       *http.Server // of requests from outside
	inside     *http.Server // of those of functions: it ends after them
	runtimes   *pyboot.Runtimes
	host       tier
	state      *localstore.Store
	compiler   *bytecode.Compiler
	registry   *function.Registry
	invoker    *invoke.Invoker
	events     *async.Queue
	outbox     *delivery.Outbox
	queues     *queue.Queues
	mappings   *mapping.Mappings
	buses      *bus.Buses
	schedules  *scheduler.Schedules
	iam        *iam.IAM
	guard      *guard.Guard // nil: permissions are not enforced
	parameters *parameter.Parameters
	secrets    *secret.Secrets
	topics     *topic.Topics
	objects    *object.Objects
	restAPIs   *restapi.APIs
	restFront  *restserver.Server // serves them
	gateway    *gateway.Gateway
	logs       *logs.Logs
	stacks     *engine.Engine
	control    *control.Control
	apis       *front.Directory // what serves each API of API Gateway
	urls       *functionurl.URLs
	names      *domain.Names
	httpFront  *apiserver.Server // serves HTTP APIs
	sockets    *socketserver.Server
	closers    []func() error // in the order of construction
}

// New builds the server. From its return on, connections to Address are taken
// and wait until Run serves them.
func New(ctx context.Context, config Config) (*Server, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	s := &Server{config: config, apis: front.NewDirectory()}
	var err error
	if s.memory, err = PlanMemory(config.MemoryBudget, config.MaxEnvironments); err != nil {
		return nil, err
	}
	if err := s.build(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	config.Logger.Info("memory: "+s.memory.String(), "budget_bytes", s.memory.Budget, "environments", s.memory.Environments)
	return s, nil
}

// Address is host:port of the APIs.
func (s *Server) Address() string { return s.listener.Addr().String() }

// garbagePercent lets garbage become four times what is in use before it is
// collected. A server uses some MiB, of which a busy one makes garbage in
// milliseconds: by Go's default it collected 70 times a second.
const garbagePercent = 400

// Run serves until ctx ends or a part fails. beside, if not nil, runs as one
// more part once the server answers; an error of it ends the server.
func (s *Server) Run(ctx context.Context, beside func(context.Context) error) error {
	if os.Getenv("GOGC") == "" { // who sets it means it
		defer debug.SetGCPercent(debug.SetGCPercent(garbagePercent))
	}
	group, ctx := errgroup.WithContext(ctx)
	serve := func(server *http.Server, l net.Listener) func() error {
		return func() error {
			if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
				return fmt.Errorf("serve %s: %w", l.Addr(), err)
			}
			return nil
		}
	}
	var sources sync.WaitGroup
	source := func(run func(context.Context) error) func() error {
		sources.Add(1)
		return func() error { defer sources.Done(); return run(ctx) }
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx)) // the parts outlive ctx until calls are drained
	defer stop()
	if s.secure != nil {
		group.Go(serve(s.http, s.secure)) // ends when http is shut down
	}
	group.Go(serve(s.http, s.listener))                                     // ends when http is shut down
	group.Go(serve(s.inside, s.host.Endpoint()))                            // ends when inside is shut down
	group.Go(serve(s.inside, s.inner))                                      // ends when inside is shut down
	group.Go(func() error { return s.registry.Run(background) })            // ends when background does
	group.Go(func() error { return s.invoker.Run(background) })             // ends when background does
	group.Go(source(s.events.Run))                                          // ends when ctx does and the calls that run have ended
	group.Go(source(s.outbox.Run))                                          // likewise
	group.Go(func() error { return s.topics.Run(background) })              // ends when background does
	group.Go(func() error { return s.queues.Run(background) })              // ends when background does
	group.Go(source(s.mappings.Run))                                        // ends when ctx does and the calls that run have ended
	group.Go(func() error { return s.buses.Run(background) })               // ends when background does
	group.Go(func() error { return s.objects.Run(background) })             // ends when background does
	group.Go(func() error { return s.schedules.Run(background) })           // ends when background does
	group.Go(func() error { return s.secrets.Run(background) })             // ends when background does
	group.Go(func() error { return s.logs.Run(background) })                // ends when background does
	group.Go(func() error { return s.sockets.Run(background) })             // ends when background does
	group.Go(func() error { return s.stacks.Run(ctx) })                     // ends when ctx does; what is under way goes on at the next start
	group.Go(func() error { return s.control.Run(ctx) })                    // likewise
	group.Go(func() error { s.warm(ctx); return s.settle() })               // ends when the runtimes are warm or ctx ends
	group.Go(func() error { return runBeside(ctx, beside) })                // ends when ctx does, or by itself
	group.Go(func() error { return s.watchDisk(ctx) })                      // ends when ctx does, or with errors
	group.Go(func() error { <-ctx.Done(); return s.drain(&sources, stop) }) // ends when everything is drained
	return s.ended(ctx, s.state.Failed(), group.Wait)
}

func runBeside(ctx context.Context, beside func(context.Context) error) error {
	if beside == nil {
		return nil
	}
	if err := beside(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

// drain ends the server in order: no new requests from outside and nothing new from
// queues, running calls to their end, with the platform for the functions in them, then
// the parts behind them.
func (s *Server) drain(sources *sync.WaitGroup, stop context.CancelFunc) error {
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		s.config.Logger.Warn("calls were still running when the server ended", "err", err)
		s.http.Close() // the connections that remain
	}
	s.sockets.Wait(ctx) // for the $disconnect of connections, which Shutdown has ended
	ended := make(chan struct{})
	go func() { sources.Wait(); close(ended) }() // ends when the calls of queues have, which invoker.Close makes end
	select {
	case <-ended:
	case <-ctx.Done():
	}
	err := s.invoker.Close(ctx)
	s.inside.Close() // nobody is left to call
	return err
}

// close releases what build made, last first.
func (s *Server) close() error {
	var all error
	for i := len(s.closers) - 1; i >= 0; i-- {
		all = errors.Join(all, s.closers[i]())
	}
	return all
}

// folder makes and names a subfolder of the data folder.
func (s *Server) folder(name string, mode fs.FileMode) (string, error) {
	path := filepath.Join(s.config.Folder, name)
	return path, os.MkdirAll(path, mode)
}

// masterSecret reads the secret of the data folder, or makes one.
func masterSecret(path string) ([]byte, error) {
	secret, err := os.ReadFile(path)
	if err == nil && len(secret) == identity.MasterBytes {
		return secret, nil
	}
	if err == nil {
		return nil, fmt.Errorf("%s is damaged: restore it, or remove it and restart all functions", path)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	secret = make([]byte, identity.MasterBytes)
	rand.Read(secret)
	temporary := path + ".tmp"
	if err := writeSynced(temporary, secret); err != nil {
		return nil, err
	}
	return secret, os.Rename(temporary, path)
}

// writeSynced writes a private file that a power loss does not leave empty.
func writeSynced(path string, data []byte) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	return errors.Join(err, file.Sync(), file.Close())
}
