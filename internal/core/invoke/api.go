package invoke

import (
	"context"
	"errors"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/limit"
	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
)

// Request is one synchronous invocation of a resolved version.
type Request struct {
	Version       *function.Version
	InvokedARN    string // as the caller named it: with alias or version, if given
	Reserved      *int   // the function's reserved concurrency (Resolved has it); nil: none
	RequestID     string // the aws_request_id that the handler sees
	TraceID       string // X-Amzn-Trace-Id as it came, or empty
	ClientContext []byte // decoded JSON, or nil
	TenantID      string
	Payload       []byte
	LogTail       bool // wants Response.LogTail

	// Of the function's configuration, as Resolved has it: environments kept ready
	// for the version and for all versions (those are a part of Reserved), and
	// whether it may run in a loop.
	Provisioned, FunctionProvisioned int
	RecursionAllowed                 bool

	// Debug, if not nil, lets a debugger into an environment of this call's own,
	// which has DebugMemoryMB at least. The caller gives the version a Timeout
	// that a developer can live with and a Generation that no other call has.
	Debug *sandbox.Debug

	// Stream takes a response that the function streams, piece by piece while it
	// runs, on the goroutine of Invoke. It must not keep the slice, and must
	// return some time after ctx ends. After an error it is not called again: the
	// function goes on without its reader, as on AWS. Nil: Response.Payload has
	// the whole of it.
	Stream func(ctx context.Context, chunk []byte) error
}

// DebugMemoryMB is what an environment has at least with a debugger in it: the
// memory that the debugger takes, and a whole CPU.
const DebugMemoryMB = limit.MBPerVCPU

// Response is the outcome of an invocation that ran. A function's own failure
// is a Response with FunctionError set.
type Response struct {
	Payload       []byte // of a function that streamed: empty, or the error that ended it
	FunctionError string // "" or "Unhandled"
	LogTail       []byte // last 4 KB of the log of this call, when asked for
	TraceID       string // the trace header of the call: the request's, completed
}

// Reason says which limit refused a call; its text is the wire value.
type Reason string

// The reasons of a throttled call.
const (
	ConcurrentInvocationLimitExceeded                 Reason = "ConcurrentInvocationLimitExceeded"
	ReservedFunctionConcurrentInvocationLimitExceeded Reason = "ReservedFunctionConcurrentInvocationLimitExceeded"
	FunctionInvocationRateLimitExceeded               Reason = "FunctionInvocationRateLimitExceeded"
	ReservedFunctionInvocationRateLimitExceeded       Reason = "ReservedFunctionInvocationRateLimitExceeded"
)

// ThrottledError tells that no environment may be started for the call.
type ThrottledError struct {
	Reason     Reason
	RetryAfter time.Duration
}

// Error names the reason.
func (e *ThrottledError) Error() string { return "throttled: " + string(e.Reason) }

// ErrShuttingDown tells that the platform no longer takes calls.
var ErrShuttingDown = errors.New("the platform is shutting down")
