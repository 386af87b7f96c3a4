package invoke

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
	"github.com/lambkin-dev/lambkin/internal/engine/telemetry"
)

// DefaultEndpoint is where functions reach the platform: an address that only
// exists inside their network namespaces.
const DefaultEndpoint = "http://169.254.100.1:4566"

// Credentials are what a function signs its own calls with.
type Credentials struct{ AccessKeyID, SecretAccessKey, SessionToken string }

// Config is what an Invoker works with. Starter, Logs and Credentials are
// required; everything else has a default.
type Config struct {
	Starter  sandbox.Starter
	Clock    clock.Clock            // default clock.System
	Logger   *slog.Logger           // default: discards
	Logs     telemetry.LogSink      // takes the log of every environment
	Reported func(telemetry.Report) // hook: one call is over; must not block

	// Credentials makes the credentials of a function's role. They must be good
	// for MaxEnvironmentAge and one call more.
	Credentials func(account, roleARN, sessionName string) Credentials
	Endpoint    string // AWS_ENDPOINT_URL inside functions; default DefaultEndpoint

	AccountConcurrency int           // of each account and region; default limit.AccountInFlight
	Reserved           Reservations  // nil: no function reserved any
	IdleTimeout        time.Duration // an environment idle for so long is closed; default 10 minutes
	MaxEnvironments    int           // alive at once on this host; default 1,000
	MaxMemoryMB        int           // sum of MemorySize of the environments alive; 0: no limit
}

// MaxEnvironmentAge is when an environment is replaced even though it works.
const MaxEnvironmentAge = 6 * time.Hour

// Invoker runs functions. Make it with New, run Run beside it, end it with Close.
type Invoker struct {
	config Config
}

// New makes an Invoker; it starts nothing.
func New(config Config) (*Invoker, error) {
	if config.Starter == nil || config.Logs == nil || config.Credentials == nil {
		return nil, errors.New("invoke: Starter, Logs and Credentials are required")
	}
	return &Invoker{config: config}, nil
}

// Run closes environments that are idle for too long, until ctx ends.
func (i *Invoker) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Invoke runs one call. It returns a *ThrottledError, ErrShuttingDown, ctx's
// error if it ended before the call began, or an error of the host; a failure
// of the function is a Response. Once begun, a call goes on when ctx ends.
func (i *Invoker) Invoke(ctx context.Context, request *Request) (*Response, error) {
	return nil, fmt.Errorf("invoke %s: not built yet", request.Version.Name)
}

// Retire drops the environments of all versions of a function that was deleted;
// those in use end after their call.
func (i *Invoker) Retire(account, region, name string) {}

// RetireVersion is Retire for one version: it was replaced or deleted.
func (i *Invoker) RetireVersion(version *function.Version) {}

// Close takes no more calls, waits for those in flight until ctx ends, then
// kills what still runs. When it returns every environment is gone.
func (i *Invoker) Close(ctx context.Context) error { return nil }
