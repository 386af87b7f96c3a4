package lambda

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"github.com/lambkin-dev/lambkin/internal/api/lambdaapi"
	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/core/invoke"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

// debugTimeout stands for the function's own while a developer looks at it.
const debugTimeout = 12 * time.Hour

// maxDebugged bounds the calls with a debugger: each holds an environment and a
// port for hours.
const maxDebugged = 16

// debugLine is a line of the reply of a debug call: first where the debugger is
// awaited, then the outcome.
type debugLine struct {
	Address       string `json:",omitempty"`
	Payload       []byte `json:",omitempty"` // in base64: as the function wrote it
	FunctionError string `json:",omitempty"`
	LogTail       string `json:",omitempty"`
	Error         string `json:",omitempty"` // the call could not be made
}

// debug runs one call that waits for a debugger. It ends with the request: a
// client that goes away takes the call with it.
func (l *Lambda) debug(ctx context.Context, call *wire.Call, w http.ResponseWriter, t function.Target, body []byte) error {
	qualified := t.Name
	logType := tail
	request, err := l.prepare(ctx, call, &invocation{kind: requestResponse, action: "InvokeFunction", function: &qualified, qualifier: member.Optional(t.Qualifier), logType: &logType, payload: body})
	if err != nil {
		return err
	}
	defer l.debugged.Add(-1)
	if l.debugged.Add(1) > maxDebugged {
		return lambdaapi.ResourceConflictException("%d calls are being debugged already: end one of them first.", maxDebugged)
	}
	listener, err := debugListener(call.Request.URL.Query().Get("Port"))
	if err != nil {
		return err
	}
	defer listener.Close()
	v := *request.Version
	if v.OptDir, err = l.debugLayer(ctx, v.Runtime, v.OptDir); err != nil {
		return lambdaapi.InvalidParameterValueException("The debugger cannot be provided: %s", err.Error())
	}
	v.Timeout, v.Generation = debugTimeout, v.Generation+"+debug-"+ids.Hex(16)
	request.Version, request.Debug = &v, &sandbox.Debug{Listener: listener, Life: ctx}
	w.Header().Set("Content-Type", "application/x-ndjson")
	lines := json.NewEncoder(w)
	if err := lines.Encode(debugLine{Address: listener.Addr().String()}); err != nil {
		return err
	}
	if err := http.NewResponseController(w).Flush(); err != nil {
		return err
	}
	return lines.Encode(outcomeOf(l.invoker.Invoke(ctx, request)))
}

func outcomeOf(response *invoke.Response, err error) debugLine {
	if err == nil {
		return debugLine{Payload: response.Payload, FunctionError: response.FunctionError, LogTail: string(response.LogTail)}
	}
	var known *fault.Fault
	if errors.As(translate(err), &known) {
		return debugLine{Error: known.Code + ": " + known.Message}
	}
	return debugLine{Error: err.Error()} // development mode: the developer runs the server, too
}

// debugListener waits for the debugger on the loopback interface, and nowhere else.
func debugListener(port string) (net.Listener, error) {
	if port == "" {
		port = strconv.Itoa(sandbox.DebugPort)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return nil, lambdaapi.InvalidParameterValueException("The Port %s is no number from 0 to 65535.", port)
	}
	listener, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", port))
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, lambdaapi.ResourceConflictException("Port %s is in use: another call may be waiting for its debugger there.", port)
	}
	return listener, err
}
