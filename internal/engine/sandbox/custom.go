package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/extension"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/frame"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/inside"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/logpipe"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/netns"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/relay"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/runtimeapi"
)

// custom is what an environment has besides whose runtime was executed: it is
// spoken to by the Runtime API, and so are its extensions, if it has any. Both
// are served inside its network namespace.
type custom struct {
	api      *runtimeapi.API
	registry *extension.Registry
	relay    *relay.Relay
	server   *http.Server
	log      *logpipe.Pipe // of external extensions
	keeper   bool          // the first process is a keeper, not the runtime

	alive       context.Context // ends with the first process whose end makes the environment useless; its cause tells which
	ended       context.CancelCauseFunc
	runtimeGone chan struct{} // closed when a keeper's runtime has ended

	mu     sync.Mutex
	reason string // why it is shut down
}

func newCustom() *custom {
	c := &custom{api: runtimeapi.New(), registry: extension.New(extension.Function{}, nil), runtimeGone: make(chan struct{}), reason: spinDown}
	c.alive, c.ended = context.WithCancelCause(context.Background())
	return c
}

// start binds the parked child, after opening what an executed runtime calls.
func (e *env) start(spec *Spec) (Init, error) {
	if e.custom != nil {
		if err := e.custom.prepare(e, spec); err != nil {
			return Init{}, fmt.Errorf("serve the Runtime API: %w", err)
		}
	}
	return e.bind(spec)
}

// prepare opens the APIs and takes the logs.
func (c *custom) prepare(e *env, spec *Spec) error {
	external, err := externalExtensions(spec)
	if err != nil {
		return err
	}
	c.keeper = len(external) > 0
	c.registry = extension.New(functionOf(spec), external)
	c.relay = relay.New(e.network.Dial)
	c.registry.Handle(c.api.Mux())
	c.relay.Handle(c.api.Mux(), c.registry)
	c.deliverLogs(e, spec)
	listener, err := e.network.Listen(netns.RuntimeAPIPort)
	if err != nil {
		return err
	}
	c.server = e.host.heads.Serve(c.api, netns.LimitListener(listener, maxAPIConnections))
	return nil
}

// deliverLogs joins the logs of the function and of its extensions, and tells
// listeners of both.
func (c *custom) deliverLogs(e *env, spec *Spec) {
	structured := variable(spec.Environ, "AWS_LAMBDA_LOG_FORMAT") == "JSON"
	var joined sync.Mutex
	to := func(kind string) func(LogRecord) {
		return func(record LogRecord) {
			joined.Lock()
			defer joined.Unlock()
			if spec.Log != nil {
				spec.Log(record)
			}
			c.relay.Log(kind, record.Time, record.Data, structured)
		}
	}
	e.log.Deliver(to(relay.Function))
	c.log.Deliver(to(relay.Extension))
	if c.keeper {
		go c.log.Run() // ends when every process of the environment has closed the pipe
	}
}

// init starts the runtime, after the extensions, and waits until all ask for
// their first event or one says that it cannot.
func (c *custom) init(e *env, spec *Spec, deadline time.Time) (frame.Frame, error) {
	ctx, cancel := context.WithDeadline(c.alive, deadline)
	defer cancel()
	if spec.InitStarted != nil && c.relay.Listening() {
		c.relay.Tell("platform.initStart", spec.InitStarted())
	}
	failed, err := c.launch(ctx, e, spec)
	if err == nil && failed.Kind == 0 {
		failed, err = c.awaitRuntime(ctx)
	}
	var entrypoint entrypointFailure
	if errors.As(err, &entrypoint) {
		return frame.Frame{Kind: frame.InitError, Meta: []byte(inside.InvalidEntrypoint), Payload: inside.EntrypointError(entrypoint.Error())}, nil
	}
	if err != nil || failed.Kind != 0 {
		return failed, err
	}
	c.registry.Close()
	if err := c.registry.AwaitReady(ctx); err != nil {
		return frame.Frame{}, c.why(ctx)
	}
	c.relay.Close()
	// Its rights were examined when it parked; what it executed since has no more.
	if err := e.checkStatus(); err != nil {
		return frame.Frame{}, errors.Join(frame.ErrProtocol, err)
	}
	return frame.Frame{Kind: frame.Ready}, nil
}

// awaitRuntime waits until the runtime asks for its first event; a frame tells
// of what it reported instead.
func (c *custom) awaitRuntime(ctx context.Context) (failed frame.Frame, err error) {
	select {
	case <-c.api.InitDone():
	case <-ctx.Done():
		err = c.why(ctx)
	}
	if fault := c.api.InitFault(); fault != nil { // also if it has exited since
		return frame.Frame{Kind: frame.InitError, Meta: []byte(fault.ErrorType), Payload: fault.Payload}, nil
	}
	return frame.Frame{}, err
}

// why tells why a context made of alive ended.
func (c *custom) why(ctx context.Context) error {
	if cause := context.Cause(c.alive); cause != nil {
		return cause
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return os.ErrDeadlineExceeded
	}
	return ctx.Err()
}

// invoke runs one event; see Environment.Invoke.
func (c *custom) invoke(ctx context.Context, e *env, event *Event) (*Result, error) {
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.alive, cancel)()
	count, _ := c.registry.Count()
	if count > 0 {
		c.registry.Invoke(event.RequestID, event.InvokedARN, event.TraceID, event.Deadline)
	}
	answer, err := c.answer(ctx, waiting, e, event)
	if err != nil {
		return nil, err
	}
	result := &Result{Payload: answer.Payload, ContentType: answer.ContentType, ErrorType: answer.ErrorType}
	if answer.TooLarge {
		result.ErrorType = ResponseTooLarge
	}
	if result.ContentType == "" {
		result.ContentType = "application/json"
	}
	if count > 0 && c.settle(waiting, e, event, result) != nil {
		result.Failed = c.failed(ctx, e)
	}
	e.drainLogs()
	result.MaxMemoryBytes = e.peakBytes()
	return result, nil
}

// answer has the runtime answer the event.
func (c *custom) answer(ctx, waiting context.Context, e *env, event *Event) (answer *runtimeapi.Answer, err error) {
	if event.Stream != nil {
		stop := e.killAtEnd(ctx)
		defer func() {
			if stop() && err == nil {
				answer, err = nil, e.broken(os.ErrDeadlineExceeded)
			}
		}()
	}
	answer, err = c.api.Invoke(waiting, &runtimeapi.Event{RequestID: event.RequestID, Deadline: event.Deadline, InvokedARN: event.InvokedARN, TraceID: event.TraceID,
		ClientContext: event.ClientContext, Identity: event.Identity, ContentType: event.ContentType, TenantID: event.TenantID, Payload: event.Payload, Stream: event.Stream})
	if err != nil {
		return nil, c.failed(ctx, e)
	}
	if answer.Truncated && c.endsSoon() {
		return nil, e.broken(context.Cause(c.alive))
	}
	return answer, nil
}

// endsSoon tells whether a runtime that hung up in the middle of its response
// did so because it ended.
func (c *custom) endsSoon() bool {
	select {
	case <-c.alive.Done():
		return true
	case <-time.After(closedSocketGrace):
		return false
	}
}

// settle waits until the runtime and all extensions are done with an event that
// was answered.
func (c *custom) settle(ctx context.Context, e *env, event *Event, result *Result) error {
	if err := c.api.AwaitNext(ctx); err != nil {
		return err
	}
	if event.RuntimeDone != nil {
		e.log.Drain() // what the function has printed comes before the word that it is done
		event.RuntimeDone(result)
	}
	return c.registry.AwaitReady(ctx)
}

// failed tells why an event could not be finished, and that the environment is
// of no more use.
func (c *custom) failed(ctx context.Context, e *env) error {
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded): // first: it may have been killed for that
		return e.broken(os.ErrDeadlineExceeded)
	case c.alive.Err() != nil:
		return e.broken(context.Cause(c.alive))
	default:
		e.kill() // the caller gave up: nobody may get what the runtime still answers
		return e.broken(ctx.Err())
	}
}

func (c *custom) close() error {
	c.ended(io.EOF)
	var all error
	if c.server != nil {
		all = c.server.Close()
	}
	if c.relay != nil {
		c.relay.Stop()
	}
	if c.log != nil {
		all = errors.Join(all, c.log.Close())
	}
	return all
}

// maxAPIConnections bounds what one environment may hold open to its Runtime API.
const maxAPIConnections = 64
