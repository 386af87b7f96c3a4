package lambda

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"

	"github.com/lambkin-dev/lambkin/internal/api/lambdaapi"
	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/base/limit"
	"github.com/lambkin-dev/lambkin/internal/core/async"
	"github.com/lambkin-dev/lambkin/internal/core/invoke"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/jsonvalue"
)

// Invocation types and log types, as the wire has them.
const (
	requestResponse = "RequestResponse"
	event           = "Event"
	dryRun          = "DryRun"
	tail            = "Tail"
)

// traceHeader carries the X-Ray trace id both ways.
const traceHeader = "X-Amzn-Trace-Id"

// invocation is what the three operations that invoke have in common.
type invocation struct {
	kind          string // RequestResponse, Event or DryRun
	action        string // name of the operation, for AccessDenied
	function      *string
	qualifier     *string
	clientContext *string
	tenant        *string
	durable       *string
	logType       *string
	payload       []byte
}

// result is the output of Invoke with the values that its members point to, in
// one allocation.
type result struct {
	out    lambdaapi.InvokeOutput
	status int32
	log    string
}

// invoke is the hot path: the payload is never copied, and nothing here waits
// but the function itself.
func (l *Lambda) invoke(ctx context.Context, call *wire.Call, in *lambdaapi.InvokeInput) (*lambdaapi.InvokeOutput, error) {
	request, err := l.prepare(ctx, call, &invocation{
		kind: kindOf(in.InvocationType), action: "InvokeFunction", function: in.FunctionName, qualifier: in.Qualifier,
		clientContext: in.ClientContext, tenant: in.TenantId, durable: in.DurableExecutionName, logType: in.LogType, payload: in.Payload,
	})
	if err != nil {
		return nil, err
	}
	r := &result{status: http.StatusOK}
	r.out.StatusCode = &r.status
	switch kindOf(in.InvocationType) {
	case dryRun:
		r.status = http.StatusNoContent
		return &r.out, nil
	case event:
		r.status = http.StatusAccepted
		return &r.out, l.accept(ctx, call, in.FunctionName, in.Qualifier, request)
	}
	response, err := l.invoker.Invoke(ctx, request)
	if err != nil {
		return nil, translate(err)
	}
	r.out.Payload, r.out.ExecutedVersion = response.Payload, &request.Version.Version
	if response.FunctionError != "" {
		r.out.FunctionError = &response.FunctionError
	}
	if request.LogTail {
		r.log = base64.StdEncoding.EncodeToString(response.LogTail)
		r.out.LogResult = &r.log
	}
	reply(call, response)
	return &r.out, nil
}

// accept makes an asynchronous call durable. The queue resolves the name again
// when it runs the event: an alias may point elsewhere by then.
func (l *Lambda) accept(ctx context.Context, call *wire.Call, name, qualifier *string, request *invoke.Request) error {
	t, err := target(call, "InvokeFunction", name, qualifier)
	if err != nil {
		return err
	}
	err = l.queue.Put(ctx, &async.Event{Scope: t.Scope, Name: t.Name, Qualifier: t.Qualifier,
		RequestID: request.RequestID, TraceID: request.TraceID, Payload: request.Payload})
	if errors.Is(err, async.ErrFull) {
		return lambdaapi.TooManyRequestsException("Rate Exceeded.").With("Reason", "FunctionInvocationRateLimitExceeded").WithHeader("Retry-After", "1")
	}
	return err
}

// reply sets the headers that are not members of the output.
func reply(call *wire.Call, response *invoke.Response) {
	if response.TraceID != "" {
		call.Header.Set(traceHeader, response.TraceID)
	}
	// AWS: what the function returned is JSON, although the model says blob.
	call.Header.Set("Content-Type", "application/json")
}

// prepare does the checks of an invocation in AWS's order (size, JSON, function,
// its state) and resolves the name to the version that runs.
func (l *Lambda) prepare(ctx context.Context, call *wire.Call, in *invocation) (*invoke.Request, error) {
	if err := checkSize(in); err != nil {
		return nil, err
	}
	payload, err := checkEvent(in.payload)
	if err != nil {
		return nil, err
	}
	clientContext, err := decodeClientContext(in.clientContext)
	if err != nil {
		return nil, err
	}
	t, err := target(call, in.action, in.function, in.qualifier)
	if err != nil {
		return nil, err
	}
	resolved, err := l.registry.Resolve(ctx, t.Scope, t.Name, t.Qualifier)
	if err != nil {
		return nil, translate(err)
	}
	switch {
	case in.kind == event && l.queue == nil:
		return nil, unsupported("InvocationType Event", "this server has no durable queue, and an event must not be lost after it was accepted; use RequestResponse")
	case in.tenant != nil:
		return nil, lambdaapi.InvalidParameterValueException("The invoked function is not enabled with tenancy configuration. Remove the TenantId from the request and try again.")
	case in.durable != nil:
		return nil, unsupported("DurableExecutionName", "there are no durable executions")
	}
	return &invoke.Request{
		Version: resolved.Version, InvokedARN: resolved.InvokedARN, Reserved: resolved.ReservedConcurrency,
		Provisioned: resolved.Provisioned, FunctionProvisioned: resolved.FunctionProvisioned, RecursionAllowed: resolved.RecursionAllowed,
		RequestID: call.RequestID, TraceID: call.Request.Header.Get(traceHeader), ClientContext: clientContext,
		Payload: payload, LogTail: in.logType != nil && *in.logType == tail,
	}, nil
}

func kindOf(p *string) string {
	if p == nil || *p == "" {
		return requestResponse
	}
	return *p
}

// checkSize holds the limits of the request.
//
// AWS: both texts are recorded replies of Invoke.
func checkSize(in *invocation) error {
	switch {
	case in.kind == event && len(in.payload) > limit.AsyncRequestBytes:
		return lambdaapi.RequestTooLargeException("%d byte payload is too large for the Event invocation type (limit %d bytes)", len(in.payload), limit.AsyncRequestBytes)
	case len(in.payload) > limit.SyncRequestBytes:
		return tooLarge()
	}
	return nil
}

func tooLarge() *fault.Fault {
	return lambdaapi.RequestTooLargeException("Request must be smaller than %d bytes for the InvokeFunction operation", limit.SyncRequestBytes)
}

// checkEvent refuses a payload that is no JSON.
//
// AWS: a call without a payload gives the handler an empty object.
func checkEvent(payload []byte) ([]byte, error) {
	if len(payload) == 0 {
		return []byte("{}"), nil
	}
	if jsonvalue.Valid(payload) {
		return payload, nil
	}
	return nil, lambdaapi.InvalidRequestContentException("Could not parse request body into json: Could not parse payload into json: %s", jacksonError(payload))
}

// decodeClientContext turns X-Amz-Client-Context into the JSON that the handler
// sees; nil when there is none.
func decodeClientContext(p *string) ([]byte, error) {
	if p == nil || *p == "" {
		return nil, nil
	}
	if len(*p) > limit.ClientContext {
		return nil, lambdaapi.InvalidRequestContentException("Client context must be at most %d bytes in length.", limit.ClientContext)
	}
	decoded, err := base64.StdEncoding.DecodeString(*p)
	if err != nil || !jsonvalue.Valid(decoded) {
		return nil, lambdaapi.InvalidRequestContentException("Client context must be a valid Base64-encoded JSON object.")
	}
	return decoded, nil
}

// invokeAsync is the deprecated form of Invoke with InvocationType Event.
func (l *Lambda) invokeAsync(ctx context.Context, call *wire.Call, in *lambdaapi.InvokeAsyncInput) (*lambdaapi.InvokeAsyncOutput, error) {
	defer in.InvokeArgs.Close()
	payload, err := io.ReadAll(io.LimitReader(in.InvokeArgs, limit.AsyncRequestBytes+1))
	if err != nil {
		return nil, lambdaapi.InvalidRequestContentException("The request body could not be read.")
	}
	request, err := l.prepare(ctx, call, &invocation{kind: event, action: "InvokeFunction", function: in.FunctionName, payload: payload})
	if err != nil {
		return nil, err
	}
	if err := l.accept(ctx, call, in.FunctionName, nil, request); err != nil {
		return nil, err
	}
	accepted := int32(http.StatusAccepted)
	return &lambdaapi.InvokeAsyncOutput{Status: &accepted}, nil
}
