package lambda

import (
	"context"
	"encoding/base64"
	"net/http"

	"github.com/lambkin-dev/lambkin/internal/api/lambdaapi"
	"github.com/lambkin-dev/lambkin/internal/base/limit"
	"github.com/lambkin-dev/lambkin/internal/core/invoke"
	"github.com/lambkin-dev/lambkin/internal/wire"
)

// invokeWithResponseStream delivers the result as events, those of a function
// that streams while it runs. The reply is written by the goroutine that runs
// the call, so a client that reads slowly holds the function back.
//
// AWS: a function is not stopped when its client goes away; it runs to its end.
// A buffered result comes in chunks, as here. AWS slows streams down to 2 MB/s
// after their first 6 MB; we do not.
func (l *Lambda) invokeWithResponseStream(ctx context.Context, call *wire.Call, in *lambdaapi.InvokeWithResponseStreamInput) (*lambdaapi.InvokeWithResponseStreamOutput, error) {
	kind := kindOf(in.InvocationType)
	request, err := l.prepare(ctx, call, &invocation{
		kind: kind, action: "InvokeFunction", function: in.FunctionName, qualifier: in.Qualifier,
		clientContext: in.ClientContext, tenant: in.TenantId, logType: in.LogType, payload: in.Payload,
	})
	if err != nil {
		return nil, err
	}
	status, contentType := int32(http.StatusOK), "application/octet-stream"
	out := &lambdaapi.InvokeWithResponseStreamOutput{StatusCode: &status, ResponseStreamContentType: &contentType}
	if kind == dryRun {
		status = http.StatusNoContent
		out.ResponseStreamContentType, out.EventStream = nil, func(func(any) error) error { return nil }
		return out, nil
	}
	request.TraceID = invoke.TraceHeader(request.TraceID, l.clock.Now())
	call.Header.Set(traceHeader, request.TraceID)
	out.ExecutedVersion = &request.Version.Version
	out.EventStream = func(send func(event any) error) error { return l.stream(ctx, request, send) }
	return out, nil
}

// stream runs the call and sends its events. An error before the first event is
// the reply.
func (l *Lambda) stream(ctx context.Context, request *invoke.Request, send func(event any) error) error {
	var gone error // of the client
	request.Stream = func(_ context.Context, chunk []byte) error {
		gone = sendPayload(chunk, send)
		return gone
	}
	response, err := l.invoker.Invoke(ctx, request)
	switch {
	case err != nil:
		return translate(err)
	case gone != nil:
		return gone
	}
	complete := &lambdaapi.InvokeWithResponseStreamCompleteEvent{}
	if response.FunctionError != "" {
		// AWS: an error comes in the last event, not as payload.
		details := string(response.Payload)
		complete.ErrorCode, complete.ErrorDetails = &response.FunctionError, &details
	} else if err := sendPayload(response.Payload, send); err != nil {
		return err
	}
	if request.LogTail {
		log := base64.StdEncoding.EncodeToString(response.LogTail)
		complete.LogResult = &log
	}
	return send(&lambdaapi.InvokeWithResponseStreamResponseEvent{InvokeComplete: complete})
}

// sendPayload sends a payload in events of a bounded size: a message may have
// 16 MiB, but clients hold a whole message in memory before they show any of it.
func sendPayload(payload []byte, send func(event any) error) error {
	for len(payload) > 0 {
		n := min(len(payload), limit.StreamChunkBytes)
		chunk := &lambdaapi.InvokeResponseStreamUpdate{Payload: payload[:n]}
		if err := send(&lambdaapi.InvokeWithResponseStreamResponseEvent{PayloadChunk: chunk}); err != nil {
			return err
		}
		payload = payload[n:]
	}
	return nil
}
