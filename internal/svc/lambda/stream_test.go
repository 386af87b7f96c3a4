package lambda

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/api/lambdaapi"
	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/base/limit"
	"github.com/lambkin-dev/lambkin/internal/core/invoke"
	"github.com/lambkin-dev/lambkin/internal/wire"
)

const streamPath = "/2021-11-15/functions/foo/response-streaming-invocations"

func TestLimitsOfRequestsToTheByte(t *testing.T) {
	b := newBench(t)
	b.do(t, "CreateFunction", functions, create(t, "foo", ""))
	b.wait(t, "foo")
	const tooLarge = "Request must be smaller than 6291456 bytes for the InvokeFunction operation"
	for _, test := range []struct {
		operation, kind string
		size, status    int
		want            string
	}{
		{"Invoke", "RequestResponse", limit.SyncRequestBytes, 200, ""},
		{"Invoke", "RequestResponse", limit.SyncRequestBytes + 1, 413, tooLarge},
		{"Invoke", "DryRun", limit.SyncRequestBytes, 204, ""},
		{"Invoke", "Event", limit.AsyncRequestBytes, 202, ""},
		{"Invoke", "Event", limit.AsyncRequestBytes + 1, 413, "1048577 byte payload is too large for the Event invocation type (limit 1048576 bytes)"},
		{"InvokeWithResponseStream", "RequestResponse", limit.SyncRequestBytes, 200, ""},
		{"InvokeWithResponseStream", "RequestResponse", limit.SyncRequestBytes + 1, 413, tooLarge},
		{"InvokeWithResponseStream", "Event", 2, 400, "Member must satisfy enum value set: "},
	} {
		path := functions + "/foo/invocations"
		if test.operation != "Invoke" {
			path = streamPath
		}
		w := b.do(t, test.operation, path, `"`+strings.Repeat("x", test.size-2)+`"`, "X-Amz-Invocation-Type", test.kind)
		if w.Code != test.status || !strings.Contains(w.Body.String(), test.want) {
			t.Errorf("%s %s of %d bytes: %d %.300s", test.operation, test.kind, test.size, w.Code, w.Body)
		}
	}
	for _, test := range []struct{ bytes, status int }{{limit.ClientContext / 4 * 4, 200}, {limit.ClientContext/4*4 + 4, 400}} {
		text := base64.StdEncoding.EncodeToString([]byte(`"` + strings.Repeat("x", test.bytes/4*3-2) + `"`))
		if w := b.do(t, "Invoke", functions+"/foo/invocations", "{}", "X-Amz-Client-Context", text); len(text) != test.bytes || w.Code != test.status {
			t.Errorf("a client context of %d bytes: %d %s", len(text), w.Code, w.Body)
		}
	}
}

// streamer is an invoker whose function streams before it answers.
type streamer struct {
	runner
	pieces []string
	errs   []error // what the stream said
}

func (s *streamer) Invoke(ctx context.Context, request *invoke.Request) (*invoke.Response, error) {
	for _, piece := range s.pieces {
		s.errs = append(s.errs, request.Stream(ctx, []byte(piece)))
	}
	return s.runner.Invoke(ctx, request)
}

// stream calls the operation with a client that takes the given number of events.
func stream(t *testing.T, s *streamer, takes int) (events []string, header http.Header, err error) {
	t.Helper()
	b := newBench(t)
	b.do(t, "CreateFunction", functions, create(t, "foo", ""))
	b.wait(t, "foo")
	b.lambda.invoker = s
	name, tail := "foo", "Tail"
	call := &wire.Call{RequestID: requestID, Account: account, Region: region, Request: httptest.NewRequest("POST", streamPath, nil), Header: http.Header{}}
	out, err := b.lambda.invokeWithResponseStream(t.Context(), call, &lambdaapi.InvokeWithResponseStreamInput{FunctionName: &name, LogType: &tail})
	if err != nil {
		t.Fatal(err)
	}
	err = out.EventStream(func(event any) error {
		if len(events) == takes {
			return errGone
		}
		switch e := event.(*lambdaapi.InvokeWithResponseStreamResponseEvent); {
		case e.PayloadChunk != nil:
			events = append(events, string(e.PayloadChunk.Payload))
		case e.InvokeComplete.ErrorCode != nil:
			events = append(events, fmt.Sprintf("failed: %s %s %s", *e.InvokeComplete.ErrorCode, *e.InvokeComplete.ErrorDetails, *e.InvokeComplete.LogResult))
		default:
			events = append(events, "complete: "+*e.InvokeComplete.LogResult)
		}
		return nil
	})
	return events, call.Header, err
}

var errGone = errors.New("the client is gone")

func TestAStreamIsEvents(t *testing.T) {
	const log = "RU5ECg=="
	for _, test := range []struct {
		name     string
		streamed []string
		response invoke.Response
		want     []string
	}{
		{"streamed", []string{"one", "two"}, invoke.Response{}, []string{"one", "two", "complete: " + log}},
		{"failed on its way", []string{"one"}, invoke.Response{FunctionError: "Unhandled", Payload: []byte("{}")}, []string{"one", "failed: Unhandled {} " + log}},
		{"failed at once", nil, invoke.Response{FunctionError: "Unhandled", Payload: []byte("{}")}, []string{"failed: Unhandled {} " + log}},
		{"buffered", nil, invoke.Response{Payload: []byte("null")}, []string{"null", "complete: " + log}},
		{"large", nil, invoke.Response{Payload: make([]byte, limit.StreamChunkBytes+1)}, []string{string(make([]byte, limit.StreamChunkBytes)), "\x00", "complete: " + log}},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.response.LogTail = []byte("END\n")
			s := &streamer{runner: runner{response: &test.response}, pieces: test.streamed}
			got, header, err := stream(t, s, 100)
			if err != nil || strings.Join(got, "|") != strings.Join(test.want, "|") {
				t.Errorf("%.200q, %v", got, err)
			}
			if trace := header.Get(traceHeader); trace == "" || trace != s.got.TraceID {
				t.Errorf("trace %q, the function's is %q", trace, s.got.TraceID)
			}
		})
	}
}

func TestAStreamWhoseClientIsGone(t *testing.T) {
	s := &streamer{runner: runner{response: &invoke.Response{}}, pieces: []string{"one", "two"}}
	if got, _, err := stream(t, s, 1); !errors.Is(err, errGone) || len(got) != 1 || !errors.Is(s.errs[1], errGone) {
		t.Errorf("%q, %v, the function's stream said %v", got, err, s.errs)
	}
	throttled := &streamer{runner: runner{err: &invoke.ThrottledError{Reason: invoke.ConcurrentInvocationLimitExceeded}}}
	if got, _, err := stream(t, throttled, 1); fault.From(err) == nil || fault.From(err).Status != 429 || len(got) != 0 {
		t.Errorf("throttled: %q, %v", got, err)
	}
}
