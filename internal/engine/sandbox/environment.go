package sandbox

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/extension"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/logpipe"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/relay"
)

// Spec is everything that makes an execution environment what it is. It is
// plain data: two environments of equal Specs are interchangeable.
type Spec struct {
	Account     string // environments of different accounts never share tenant state
	Runtime     string // "python3.13"; "provided.al2023" runs /var/task/bootstrap or /opt/bootstrap
	Handler     string
	TaskDir     string   // host folder shown read-only as /var/task
	OptDir      string   // host folder shown read-only as /opt; empty for none
	MemoryMB    int      // memory.max; CPU share is MemoryMB/limit.MBPerVCPU
	EphemeralMB int      // size of /tmp
	Environ     []string // the whole environment, "KEY=VALUE"; the sandbox adds nothing
	InitTimeout time.Duration
	// Extensions says that the programs in the extensions folder of OptDir are
	// started too, before the runtime.
	Extensions bool
	// Background says that nobody waits: what is parked is left to those who do.
	Background bool
	// Preload names what of the runtime's own the function will import, which a
	// zygote may hold already: PreloadBoto3, or nothing.
	Preload string

	// Debug, if not nil, lets a debugger in.
	Debug *Debug
	// InitStarted makes the event that tells extensions of the begin of this
	// initialisation, as JSON. Nil, or nobody listens: it is not made.
	InitStarted func() []byte

	// Log receives what the environment writes to its log, in order, never
	// concurrently for one environment. A record is one write boundary: a framed
	// record of the bootstrap, or a line of raw output (with its newline, or cut
	// at MaxLogRecordBytes). The callee must not keep the slice.
	Log func(record LogRecord)
}

// PreloadBoto3 is boto3 and what belongs to it.
const PreloadBoto3 = "boto3"

// LogRecord is one log event of an environment.
type LogRecord = logpipe.Record

// MaxLogRecordBytes is where an endless line is cut.
const MaxLogRecordBytes = logpipe.MaxRecordBytes

// Event is one invocation as the environment sees it.
type Event struct {
	RequestID     string
	Deadline      time.Time
	InvokedARN    string
	TraceID       string
	ClientContext []byte // JSON, or nil
	Identity      []byte // Cognito identity JSON, or nil
	ContentType   string // empty means application/json
	TenantID      string
	Payload       []byte // passed to the handler verbatim

	// Stream takes a response that the function streams, piece by piece and in
	// order; the Result then has no payload. It is called by Invoke's goroutine
	// and may take its time, which holds the function back but not its time
	// limit: it must return some time after ctx's deadline too. It must not keep
	// the slice. Nil: the response comes in the Result, whole.
	Stream func(chunk []byte)

	// RuntimeDone is called when the runtime has answered and asked for the next
	// event, before extensions are waited for. Only an environment with extensions
	// does.
	RuntimeDone func(*Result)
}

// Result is what the environment answered. A function's own failure is a
// Result with ErrorType set, never a Go error.
type Result struct {
	Payload        []byte // response, or error body as JSON when ErrorType is set
	ContentType    string
	ErrorType      string // "Runtime.MarshalError", "Exception", ... empty for success
	MaxMemoryBytes int64  // high-water mark since the environment started

	// Failed tells that the environment failed after it had answered, by an
	// extension or within the time limit of all: the answer stands, the environment
	// must be closed.
	Failed error
}

// Init is how the initialisation phase of an environment went.
type Init struct {
	Duration time.Duration
	// ErrorType and ErrorBody tell of a handler that could not be imported:
	// the environment is alive but must be closed by its owner.
	ErrorType      string
	ErrorBody      []byte
	MaxMemoryBytes int64 // of an initialisation with ErrorType

	Extensions    []extension.Info // of the function
	Subscriptions []relay.Info     // to telemetry
}

// Environment is one isolated process tree that runs one event at a time. It
// has exactly one owner, which alone may call its methods (Close excepted).
type Environment interface {
	// Invoke runs one event. When it returns an error (an *ExitError, ErrTimeout
	// or a protocol violation) the environment is dead or dying: Close it, never
	// use it again. All log records of the event have been passed to Spec.Log
	// when it returns. ctx's deadline is the event's: Invoke kills the
	// environment when it passes.
	Invoke(ctx context.Context, event *Event) (*Result, error)
	// Done is closed when the environment's processes have ended by themselves.
	Done() <-chan struct{}
	// Close ends every process of the environment and frees all it held: mounts,
	// namespaces, cgroups, uid. Extensions get the time that AWS gives them to shut
	// down, also after an error of Invoke or Start. It returns when all is gone; it
	// may be called more than once and from any goroutine.
	Close() error
}

// Audience is an Environment that can have extensions which listen to the events
// of the platform. Listening tells whether any does; Tell passes on an event,
// its type and its JSON, which is not kept.
type Audience interface {
	Listening() bool
	Tell(kind string, event []byte)
}

// Starter makes environments; *Host is the one implementation of the product.
type Starter interface {
	// Start makes an environment and runs its initialisation. A function that
	// fails to initialise gives an Init with ErrorType and a live Environment;
	// one that exits or exceeds InitTimeout gives the error of Invoke. An Environment
	// that comes with an error must be closed.
	Start(ctx context.Context, spec *Spec) (Environment, Init, error)
}

// ResponseTooLarge is the ErrorType of a response over limit.ResponseBytes, or
// over limit.StreamBytes if it is streamed.
const ResponseTooLarge = "Function.ResponseSizeTooLarge"

// ErrTimeout tells that the time limit passed and the environment was killed.
var ErrTimeout = fmt.Errorf("the environment exceeded its time limit and was killed")

// TimeoutError is ErrTimeout with what is known of the environment's end.
type TimeoutError struct{ MaxMemoryBytes int64 }

// Error is the text of ErrTimeout.
func (e *TimeoutError) Error() string { return ErrTimeout.Error() }

// Is makes errors.Is(err, ErrTimeout) true.
func (e *TimeoutError) Is(target error) bool { return target == ErrTimeout }

// ErrRuntimeMissing tells that no interpreter for the runtime is installed;
// the wrapped text says how to install it.
var ErrRuntimeMissing = fmt.Errorf("runtime is not installed")

// ExitError tells that the environment's runtime process ended by itself.
type ExitError struct {
	Status         int  // exit status, when Signal is 0
	Signal         int  // signal that ended it
	OutOfMemory    bool // the kernel killed it for exceeding MemoryMB
	MaxMemoryBytes int64
}

// Error words the exit as AWS does after "RequestId: … Error: ".
func (e *ExitError) Error() string {
	switch {
	case e.OutOfMemory:
		return "Runtime exited with error: signal: killed"
	case e.Signal != 0:
		return "Runtime exited with error: signal: " + signalName(e.Signal)
	case e.Status == 0:
		return "Runtime exited without providing a reason"
	default:
		return fmt.Sprintf("Runtime exited with error: exit status %d", e.Status)
	}
}

// ExtensionError tells that an extension failed, and the environment with it.
type ExtensionError struct {
	Type           string // "Extension.Crash", ...
	Message        string // after "RequestId: … Error: "
	MaxMemoryBytes int64
}

// Error is the message.
func (e *ExtensionError) Error() string { return e.Message }

// signalName is Go's own wording of a signal, which is AWS's too (RIE is Go).
func signalName(signal int) string { return syscall.Signal(signal).String() }
