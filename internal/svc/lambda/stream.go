package lambda

import (
	"context"
	"encoding/base64"
	"net/http"

	"github.com/lambkin-dev/lambkin/internal/api/lambdaapi"
	"github.com/lambkin-dev/lambkin/internal/wire"
)

// chunkBytes is the largest payload of one event. A message may have 16 MiB, but
// clients hold a whole message in memory before they show any of it.
const chunkBytes = 256 << 10

// invokeWithResponseStream delivers the result as events.
//
// AWS: the managed Python runtimes do not stream; their functions run to the end
// and the buffered result is delivered in chunks, as here.
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
	response, err := l.invoker.Invoke(ctx, request)
	if err != nil {
		return nil, translate(err)
	}
	if response.TraceID != "" {
		call.Header.Set(traceHeader, response.TraceID)
	}
	complete := &lambdaapi.InvokeWithResponseStreamCompleteEvent{}
	payload := response.Payload
	if response.FunctionError != "" {
		// AWS: an error comes in the last event, not as payload.
		details := string(payload)
		complete.ErrorCode, complete.ErrorDetails, payload = &response.FunctionError, &details, nil
	}
	if request.LogTail {
		log := base64.StdEncoding.EncodeToString(response.LogTail)
		complete.LogResult = &log
	}
	out.ExecutedVersion = &request.Version.Version
	out.EventStream = func(send func(event any) error) error {
		for len(payload) > 0 {
			n := min(len(payload), chunkBytes)
			chunk := &lambdaapi.InvokeResponseStreamUpdate{Payload: payload[:n]}
			if err := send(&lambdaapi.InvokeWithResponseStreamResponseEvent{PayloadChunk: chunk}); err != nil {
				return err
			}
			payload = payload[n:]
		}
		return send(&lambdaapi.InvokeWithResponseStreamResponseEvent{InvokeComplete: complete})
	}
	return out, nil
}
