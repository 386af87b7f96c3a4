package invoke

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/limit"
	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
	"github.com/lambkin-dev/lambkin/internal/engine/telemetry"
)

// call is one invocation that was admitted and owns its environment.
type call struct {
	invoker     *Invoker
	request     *Request
	version     *function.Version
	environment *environment
	lineage     string // of the trace header; see hop
	trace       string
	begin       time.Time     // of the invoke phase: what Duration is measured from
	init        time.Duration // of an environment that was started for this call

	// Of one that was restored for it, and the part that is paid for.
	restored, billedRestore time.Duration
}

// outcome is how the invoke phase ended.
type outcome struct {
	payload       []byte
	streamed      int // bytes that went to Request.Stream
	functionError bool
	duration      time.Duration
	failure       *failure // nil: the environment can serve again
	answered      bool     // the runtime did, also if an extension failed then
}

// run starts the environment if it is a new one, runs the event, writes the log
// and gives the environment back.
func (c *call) run() (*Response, error) {
	i, e := c.invoker, c.environment
	now := i.config.Clock.Now()
	c.trace = withLineage(TraceHeader(c.request.TraceID, now), c.lineage)
	var failed *failure
	if e.sandbox != nil {
		e.log.begin(c.request.LogTail)
		c.begin = now
		// AWS: the first call in a provisioned environment reports the
		// initialisation that it did not have to wait for.
		c.init, e.init = e.init, 0
	} else {
		var err error
		if failed, err = c.start(now); err != nil {
			i.discard(e)
			return nil, err
		}
	}
	e.log.started(c.begin, c.request.RequestID)
	c.tellStart()
	var o outcome
	if failed != nil {
		o = c.fail(failed)
	} else {
		o = c.invoke()
	}
	if o.failure != nil && i.life.Err() != nil {
		i.discard(e)
		return nil, ErrShuttingDown // it was us who killed it
	}
	response := c.finish(&o)
	guessed := e.guessed
	e.guessed = false
	if o.failure != nil || c.request.Debug != nil {
		if charge, _ := i.weights.charge(c.version); e.maxMemory > charge {
			i.weights.learn(c.version, e.maxMemory) // it ends, so nobody will weigh it
		}
		i.discard(e)
	} else {
		i.release(e)
	}
	if guessed {
		i.weights.wake()
	}
	return response, nil
}

// start brings the environment up. A failure of the function's initialisation
// is not the end: it runs once more inside the call, and counts against the
// function's timeout; only when that fails too the call has failed.
func (c *call) start(now time.Time) (*failure, error) {
	kind := OnDemand
	if c.version.SnapStarts() {
		kind = SnapStart
	}
	if kind == SnapStart && c.request.Debug == nil {
		if restored, err := c.restore(); restored || err != nil {
			c.begin = c.invoker.config.Clock.Now()
			return nil, err
		}
	}
	spec := c.spec(now, kind)
	init, failed, err := c.initialise(spec, phaseInit)
	if err != nil {
		return nil, err
	}
	c.begin = c.invoker.config.Clock.Now()
	if failed == nil {
		c.init = init
		return nil, nil
	}
	if c.request.Debug != nil {
		return failed, nil // the debugger has seen it; a second run would wait for a second debugger
	}
	again := *spec
	again.InitTimeout = c.version.Timeout
	_, failed, err = c.initialise(&again, phaseInvoke)
	return failed, err
}

// spec opens the log of a new environment and describes what it needs.
func (c *call) spec(now time.Time, kind InitializationType) *sandbox.Spec {
	c.openLog(now)
	c.environment.log.initStarted(now)
	return c.describe(kind)
}

func (c *call) openLog(now time.Time) {
	c.environment.log = newLogWriter(c.invoker.config.Logs, c.version, now)
	c.environment.log.begin(c.request.LogTail)
}

// describe tells what an environment of the version needs.
func (c *call) describe(kind InitializationType) *sandbox.Spec {
	i, e, v := c.invoker, c.environment, c.version
	keys := i.config.Credentials(v.Account, v.Role, v.Name)
	spec := &sandbox.Spec{
		Account: v.Account, Runtime: v.Runtime, Handler: v.Handler, Preload: v.Preload, TaskDir: v.TaskDir, OptDir: v.OptDir,
		MemoryMB: v.MemoryMB, EphemeralMB: v.EphemeralMB, Environ: environ(&i.config, v, e.log.stream.Stream, keys, c.trace, kind),
		InitTimeout: limit.InitTimeout, Log: e.log.record, Extensions: true,
	}
	if c.request.Debug != nil {
		spec.Debug, spec.InitTimeout, spec.MemoryMB = c.request.Debug, v.Timeout, max(v.MemoryMB, DebugMemoryMB)
	}
	return spec
}

// initialise starts the sandbox once. After a failure ahead of the call it is
// closed again, after one inside the call that is left to who ends the call.
func (c *call) initialise(spec *sandbox.Spec, phase string) (time.Duration, *failure, error) {
	i, e := c.invoker, c.environment
	spec.InitStarted = func() []byte {
		words := c.events()
		return words.initStart(nil, i.config.Clock.Now(), e.log.stream.Stream, phase)
	}
	started, init, err := i.config.Starter.Start(i.life, spec)
	failed := c.initFailure(init, err)
	if err != nil && failed == nil {
		c.closeFailed(started)
		return 0, nil, fmt.Errorf("start an environment of %s: %w", c.version.ARN(), err)
	}
	report := initReport{phase: phase, duration: init.Duration, status: statusSuccess}
	if failed != nil {
		report.status, report.errorType = failed.status, failed.errorType
	}
	keep := started != nil && (failed == nil || phase == phaseInvoke)
	if keep {
		e.sandbox, e.startTook = started, init.Duration
		i.host.started(e)
		if i.life.Err() != nil {
			return 0, nil, ErrShuttingDown // Close may have looked before it was there
		}
	}
	now := i.config.Clock.Now()
	e.log.initialised(now, &init)
	e.log.initEnded(now, report)
	c.tellInit(started, now, &init, report)
	if !keep {
		c.closeFailed(started)
	}
	return init.Duration, failed, nil
}

func (c *call) closeFailed(started sandbox.Environment) {
	if started == nil {
		return
	}
	if err := started.Close(); err != nil {
		c.invoker.config.Logger.Error("close an environment", "function", c.version.Name, "version", c.version.Version, "err", err)
	}
}

// initFailure tells a function that could not be initialised from a host that
// could not start it (nil): the latter never came to run the function's code.
func (c *call) initFailure(init sandbox.Init, err error) *failure {
	switch {
	case init.ErrorType != "":
		return &failure{status: statusError, errorType: publicErrorType(init.ErrorType), body: init.ErrorBody, maxMemory: init.MaxMemoryBytes}
	case err != nil && init.Duration > 0:
		return c.failed(err)
	default:
		return nil
	}
}

// failed words an error of the sandbox. One that is neither a timeout nor an
// exit is worth an operator's attention: the function broke the protocol.
func (c *call) failed(err error) *failure {
	f, expected := failureOf(err, c.request.RequestID, c.version.Timeout)
	var exit *sandbox.ExitError
	if errors.As(err, &exit) && exit.OutOfMemory && exit.MaxMemoryBytes < int64(c.version.MemoryMB)<<20*9/10 {
		c.invoker.config.Logger.Warn("an environment was killed for the memory of all together, not for its own: the budget is too large for this host",
			"function", c.version.Name, "version", c.version.Version, "bytes", exit.MaxMemoryBytes)
	}
	if !expected {
		c.invoker.config.Logger.Warn("an environment was killed", "request_id", c.request.RequestID, "function", c.version.Name, "version", c.version.Version, "err", err)
	}
	return f
}

// fail is the outcome of a call whose function could not be initialised.
func (c *call) fail(f *failure) outcome {
	duration := c.invoker.config.Clock.Now().Sub(c.begin)
	if f.status == statusTimeout {
		duration = c.version.Timeout
	}
	c.environment.maxMemory = max(c.environment.maxMemory, f.maxMemory)
	return outcome{payload: f.body, functionError: true, duration: duration, failure: f}
}

// invoke runs the event.
func (c *call) invoke() outcome {
	e, r := c.environment, c.request
	deadline := c.begin.Add(c.version.Timeout)
	ctx := &eventContext{Context: c.invoker.life, deadline: deadline}
	defer ctx.cancel()
	event := &sandbox.Event{
		RequestID: r.RequestID, Deadline: deadline, InvokedARN: r.InvokedARN, TraceID: c.trace,
		ClientContext: r.ClientContext, TenantID: r.TenantID, Payload: r.Payload, RuntimeDone: c.tellRuntimeDone,
	}
	var relayed *relay
	if r.Stream != nil {
		relayed = &relay{to: r.Stream}
		event.Stream = relayed.under(ctx)
	}
	result, err := e.sandbox.Invoke(ctx, event)
	if err != nil {
		o := c.fail(c.failed(err))
		o.streamed = relayed.count()
		return o
	}
	o := outcome{payload: result.Payload, streamed: relayed.count(), functionError: result.ErrorType != "", duration: c.invoker.config.Clock.Now().Sub(c.begin), answered: true}
	switch {
	case result.ErrorType == sandbox.ResponseTooLarge && o.streamed > 0:
		o.payload = streamTooLarge
	case result.ErrorType == sandbox.ResponseTooLarge || len(result.Payload) > limit.ResponseBytes:
		o.payload, o.functionError = responseTooLarge, true
	}
	e.maxMemory = max(e.maxMemory, result.MaxMemoryBytes)
	if result.Failed != nil {
		// AWS: the caller has the answer by then; the environment does not survive.
		o.failure = c.failed(result.Failed)
		if o.failure.status == statusTimeout {
			o.duration = c.version.Timeout
		}
	}
	return o
}

// relay passes the pieces of a streamed response on.
type relay struct {
	to    func(ctx context.Context, chunk []byte) error
	bytes int
	gone  bool // there is nobody to take more
}

func (r *relay) under(ctx context.Context) func([]byte) {
	return func(chunk []byte) {
		r.bytes += len(chunk)
		if !r.gone {
			r.gone = r.to(ctx, chunk) != nil
		}
	}
}

// count is how much was streamed, nothing of a call that does not stream.
func (r *relay) count() int {
	if r == nil {
		return 0
	}
	return r.bytes
}

// finish writes the end of the log, tells the hook and words the response.
func (c *call) finish(o *outcome) *Response {
	e, v := c.environment, c.version
	report := telemetry.Report{
		Account: v.Account, Region: v.Region, Function: v.Name, Version: v.Version,
		RequestID: c.request.RequestID, TraceID: c.trace,
		Start: c.begin, Duration: o.duration, Init: c.init, Restore: c.restored, BilledRestore: c.billedRestore,
		Billed:   billed(o.duration, c.init) + c.billedRestore,
		MemoryMB: v.MemoryMB, MaxMemoryMB: megabytes(e.peak()), FunctionError: o.functionError,
	}
	if o.failure != nil {
		report.Status, report.ErrorType = o.failure.status, o.failure.errorType
	}
	now := c.invoker.config.Clock.Now()
	e.log.ended(now, &report, o.streamed+len(o.payload))
	c.tellReport(now, &report, o.streamed+len(o.payload), o.answered)
	c.invoker.config.Reported(report)
	response := &Response{Payload: o.payload, LogTail: e.log.finish(), TraceID: c.trace}
	if o.functionError {
		response.FunctionError = functionErrorUnhandled
	}
	return response
}

// functionErrorUnhandled is the one kind of function error that AWS still gives.
const functionErrorUnhandled = "Unhandled"
