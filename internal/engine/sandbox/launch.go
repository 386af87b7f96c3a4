package sandbox

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/extension"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/frame"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/inside"
)

// Reasons of a shutdown, as extensions are told.
const (
	spinDown = "spindown"
	timedOut = "timeout"
	failure  = "failure"
)

// How long a shutdown may take.
//
// AWS: 2,000 ms with external extensions, of which the runtime has 300 ms, or
// 500 ms with internal extensions; 500 ms if there are only those; with none
// there is no time at all. (runtimes-extensions-api.html, Shutdown phase)
const (
	shutdownTime        = 2 * time.Second
	runtimeTime         = 300 * time.Millisecond
	runtimeTimeInternal = 500 * time.Millisecond
	flushTime           = 200 * time.Millisecond // of it, for telemetry that is still buffered
)

// errNotExecutable tells of an installation that cannot run extensions.
var errNotExecutable = errors.New("functions with extensions need that every user may execute the lambkin binary: chmod a+rx it")

// keeperAllowed tells whether a process without rights can become a keeper.
var keeperAllowed = sync.OnceValue(func() error {
	info, err := os.Stat("/proc/self/exe")
	if err == nil && info.Mode().Perm()&1 == 0 {
		err = errNotExecutable
	}
	return err
})

// mustExecute tells whether a Python runtime must be executed for a function
// instead of forked.
func mustExecute(spec *Spec) (bool, error) {
	external, err := externalExtensions(spec)
	if err != nil {
		return false, err
	}
	if len(external) > 0 {
		if err := keeperAllowed(); err != nil {
			return false, err
		}
	}
	must := !IsCustom(spec.Runtime) && (len(external) > 0 || variable(spec.Environ, wrapperVariable) != "")
	if must && spec.Debug != nil {
		return false, errors.New("a function with extensions or " + wrapperVariable + " cannot be debugged; remove them for the time")
	}
	return must, nil
}

// wrapperVariable names a program that starts the runtime.
//
// AWS: "Wrapper scripts are not supported on OS-only runtimes."
const wrapperVariable = "AWS_LAMBDA_EXEC_WRAPPER"

// externalExtensions lists the files in the extensions folder of the layers, by
// name; no more than are needed to see that they are too many.
func externalExtensions(spec *Spec) ([]string, error) {
	if spec.OptDir == "" || !spec.Extensions {
		return nil, nil
	}
	root, err := os.OpenRoot(spec.OptDir) // so that a link of the layer's leads nowhere else
	if err != nil {
		return nil, err
	}
	defer root.Close()
	folder, err := root.Open("extensions")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the extensions: %w", err)
	}
	defer folder.Close()
	entries, err := folder.ReadDir(-1)
	if err != nil {
		return nil, nil // it is no folder
	}
	var names []string
	for _, entry := range entries {
		if !entry.IsDir() {
			names = append(names, entry.Name())
		}
	}
	slices.Sort(names)
	return names[:min(len(names), extension.Most+1)], nil
}

// variable is the value of an environment variable, empty if there is none.
func variable(environ []string, name string) string {
	for _, pair := range environ {
		if value, found := strings.CutPrefix(pair, name+"="); found {
			return value
		}
	}
	return ""
}

func functionOf(spec *Spec) extension.Function {
	return extension.Function{Account: spec.Account, Name: variable(spec.Environ, "AWS_LAMBDA_FUNCTION_NAME"),
		Version: variable(spec.Environ, "AWS_LAMBDA_FUNCTION_VERSION"), Handler: spec.Handler}
}

// runtimeOnly are variables that extensions do not see, besides those that begin
// with "_".
//
// AWS: runtimes-extensions-api.html, Permissions and configuration.
var runtimeOnly = []string{"AWS_EXECUTION_ENV", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_XRAY_CONTEXT_MISSING", "AWS_XRAY_DAEMON_ADDRESS",
	"LAMBDA_RUNTIME_DIR", "LAMBDA_TASK_ROOT", "PWD", "SHLVL"}

func outsideEnviron(environ []string) (outside []string) {
	for _, pair := range environ {
		name, _, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, "_") && !slices.Contains(runtimeOnly, name) {
			outside = append(outside, pair)
		}
	}
	return outside
}

// launch binds the environment: its processes are started up to the runtime. A
// frame tells of a runtime that cannot be executed.
func (c *custom) launch(ctx context.Context, e *env, spec *Spec) (failed frame.Frame, err error) {
	external := c.registry.Living()
	b := inside.Binding{Environ: slices.Sorted(slices.Values(spec.Environ)), Extensions: external[:min(len(external), extension.Most)]}
	if e.zygote.program != "" {
		b.Program = []string{"/var/lang/" + e.zygote.program, "/var/runtime/bootstrap.py"}
		b.Wrapper = variable(spec.Environ, wrapperVariable)
	}
	if c.keeper {
		b.Outside = outsideEnviron(b.Environ)
	}
	meta, err := json.Marshal(b)
	if err != nil {
		return frame.Frame{}, err
	}
	if !c.keeper {
		failed, err = e.exchange(frame.Bind, meta, nil)
		if errors.Is(err, io.EOF) {
			return frame.Frame{}, nil // it was executed, which closed the socket
		}
		return failed, err
	}
	if err := errors.Join(e.send(frame.Bind, meta, nil), e.send(frame.Keep, meta, nil), e.conn.SetDeadline(time.Time{})); err != nil {
		return frame.Frame{}, err
	}
	go c.follow(e) // ends with the data socket
	if len(external) > extension.Most {
		c.fail(c.registry.NotStarted(external[extension.Most], "TooManyExtensions", "ErrTooManyExtensions"))
	}
	if c.registry.AwaitRegistered(ctx) != nil {
		return frame.Frame{}, c.why(ctx)
	}
	return frame.Frame{}, e.send(frame.Run, nil, nil)
}

// fail ends the environment's usefulness by a fault of an extension.
func (c *custom) fail(fault *extension.Fault) {
	if fault != nil {
		c.ended(&ExtensionError{Type: fault.Type, Message: fault.Message})
	}
}

// entrypointFailure is a runtime that cannot be executed.
type entrypointFailure string

// Error is the text of the failure.
func (e entrypointFailure) Error() string { return string(e) }

// follow takes what the keeper tells of its processes, from hostile hands.
func (c *custom) follow(e *env) {
	for {
		told, err := frame.Read(e.reader)
		if err != nil {
			return
		}
		name := string(told.Meta)
		switch {
		case told.Kind == frame.Exited && len(told.Payload) == 4:
			status := syscall.WaitStatus(binary.BigEndian.Uint32(told.Payload))
			if name == inside.RuntimeProcess {
				c.runtimeEnded(status)
			} else {
				c.fail(c.registry.Ended(name, howEnded(status)))
			}
		case told.Kind == frame.NotStarted && name == inside.RuntimeProcess:
			c.ended(entrypointFailure(told.Payload))
		case told.Kind == frame.NotStarted:
			kind := "UnknownError"
			if strings.HasSuffix(string(told.Payload), syscall.EACCES.Error()) {
				kind = "PermissionDenied"
			}
			c.fail(c.registry.NotStarted(name, kind, string(told.Payload)))
		default:
			c.ended(fmt.Errorf("%w: frame type %d of the keeper", frame.ErrProtocol, told.Kind))
			e.kill()
			return
		}
	}
}

func (c *custom) runtimeEnded(status syscall.WaitStatus) {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.runtimeGone:
		return // told twice: not by our keeper
	default:
	}
	exit := &ExitError{Status: status.ExitStatus()}
	if status.Signaled() {
		exit = &ExitError{Signal: int(status.Signal())}
	}
	c.ended(exit)
	close(c.runtimeGone)
}

// howEnded words the end of an extension as AWS does.
func howEnded(status syscall.WaitStatus) string {
	switch {
	case status.Signaled():
		return "signal: " + status.Signal().String()
	case status.ExitStatus() == 0:
		return "exit code 0"
	default:
		return fmt.Sprintf("exit status %d", status.ExitStatus())
	}
}

// lingers tells whether an environment that failed by this has extensions that
// are to be told of its end: it is not killed before Close.
func (c *custom) lingers(cause error) bool {
	count, _ := c.registry.Count()
	return count > 0 && !errors.Is(cause, io.EOF) && !errors.Is(cause, frame.ErrProtocol) && !errors.Is(cause, context.Canceled)
}

// ending words why an environment with extensions failed, and notes it for them.
func (c *custom) ending(cause error, maxMemory int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reason = failure
	var exit *ExitError
	var fault *ExtensionError
	switch {
	case errors.Is(cause, os.ErrDeadlineExceeded):
		c.reason = timedOut
		return &TimeoutError{MaxMemoryBytes: maxMemory}
	case errors.As(cause, &exit):
		told := *exit
		told.MaxMemoryBytes = maxMemory
		return &told
	case errors.As(cause, &fault):
		told := *fault
		told.MaxMemoryBytes = maxMemory
		return &told
	default:
		return cause
	}
}

// shutDown lets the runtime and the extensions end, within AWS's time limits.
// What still runs afterwards is the caller's to kill.
func (c *custom) shutDown(e *env) {
	all, external := c.registry.Count()
	if all == 0 || e.pidfd < 0 || e.ended() {
		return
	}
	if err := e.idle.begin(); err != nil {
		e.host.logger.Error("an environment could not be thawed for its shutdown", "err", err)
	}
	c.registry.Stop()
	patience, total := runtimeTime, shutdownTime
	if all > external {
		patience = runtimeTimeInternal
	}
	if external == 0 {
		total = patience
	}
	deadline := time.Now().Add(total)
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	gone := e.done
	if c.keeper {
		gone = c.runtimeGone
	}
	c.endRuntime(ctx, e, gone, patience)
	if external == 0 {
		return
	}
	flushing, done := context.WithTimeout(ctx, flushTime)
	c.relay.Flush(flushing)
	done()
	c.mu.Lock()
	reason := c.reason
	c.mu.Unlock()
	for _, name := range c.registry.Shutdown(reason, deadline) {
		c.signal(e, name, syscall.SIGKILL)
	}
	allGone := make(chan struct{})
	go func() { // ends with ctx
		c.registry.AwaitGone(ctx)
		close(allGone)
	}()
	select {
	case <-allGone:
	case <-e.done:
	}
}

// endRuntime asks the runtime to end and makes it.
func (c *custom) endRuntime(ctx context.Context, e *env, gone <-chan struct{}, patience time.Duration) {
	c.signal(e, inside.RuntimeProcess, syscall.SIGTERM)
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-gone:
	case <-e.done:
	case <-ctx.Done():
	case <-timer.C:
		c.signal(e, inside.RuntimeProcess, syscall.SIGKILL)
	}
}

// signal reaches the runtime itself, or any process by its keeper.
func (c *custom) signal(e *env, name string, number syscall.Signal) {
	if c.keeper {
		e.send(frame.Signal, []byte(name), binary.BigEndian.AppendUint32(nil, uint32(number))) // a keeper that is gone has no processes
	} else {
		unix.PidfdSendSignal(e.pidfd, number, nil, 0)
	}
}

// Listening tells whether an extension listens to the platform; see Audience.
func (e *env) Listening() bool { return e.custom != nil && e.custom.relay.Listening() }

// Tell passes on an event of the platform; see Audience.
func (e *env) Tell(kind string, event []byte) {
	if e.custom != nil {
		e.custom.relay.Tell(kind, event)
	}
}

var _ Audience = (*env)(nil)
