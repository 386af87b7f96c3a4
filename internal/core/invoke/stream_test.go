package invoke

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
)

// streams is a handler that streams its pieces and ends as told.
func streams(end func(ctx context.Context, e *fakeEnvironment) (*sandbox.Result, error), pieces ...string) func(*Config, *fakeStarter) {
	return func(_ *Config, s *fakeStarter) {
		s.handle = func(ctx context.Context, e *fakeEnvironment, event *sandbox.Event) (*sandbox.Result, error) {
			for _, piece := range pieces {
				event.Stream([]byte(piece))
			}
			return end(ctx, e)
		}
	}
}

func succeeds(context.Context, *fakeEnvironment) (*sandbox.Result, error) {
	return &sandbox.Result{}, nil
}

func TestAStreamIsPassedOnAndCounted(t *testing.T) {
	inBubble(t, streams(succeeds, "one", "two"), func(t *testing.T, b *bench) {
		v := versionOf("f")
		v.LogFormat, v.SystemLogLevel = "JSON", "DEBUG"
		request, got := requestOf(v), ""
		request.Stream = func(ctx context.Context, chunk []byte) error {
			if _, limited := ctx.Deadline(); !limited {
				t.Error("no deadline")
			}
			got += string(chunk) + "|"
			return nil
		}
		r, err := b.Invoke(t.Context(), request)
		if err != nil || len(r.Payload) != 0 || r.FunctionError != "" || got != "one|two|" {
			t.Errorf("%+v, %v, streamed %q", r, err, got)
		}
		if log := b.log.text(0); !strings.Contains(log, `"producedBytes":6`) {
			t.Errorf("log %s", log)
		}
	})
}

func TestAFunctionGoesOnWhenTheReaderOfItsStreamIsGone(t *testing.T) {
	inBubble(t, streams(succeeds, "one", "two", "three"), func(t *testing.T, b *bench) {
		request, calls := requestOf(versionOf("f")), 0
		request.Stream = func(context.Context, []byte) error {
			calls++
			return errors.New("gone")
		}
		if r, err := b.Invoke(t.Context(), request); err != nil || r.FunctionError != "" || calls != 1 {
			t.Errorf("%+v, %v, %d calls", r, err, calls)
		}
		b.starter.handle = nil
		b.call(t, versionOf("f"))
		if starts, _ := b.starter.counts(); starts != 1 {
			t.Errorf("%d environments, want the same one again", starts)
		}
	})
}

func TestHowStreamsFail(t *testing.T) {
	const id = "RequestId: " + requestID + " Error: "
	for _, test := range []struct {
		name   string
		end    func(ctx context.Context, e *fakeEnvironment) (*sandbox.Result, error)
		want   string
		starts int // after a second call
	}{
		{"error", func(context.Context, *fakeEnvironment) (*sandbox.Result, error) {
			return &sandbox.Result{ErrorType: "KeyError", Payload: []byte(`{"errorType":"KeyError"}`)}, nil
		}, `{"errorType":"KeyError"}`, 1},
		{"too large", func(context.Context, *fakeEnvironment) (*sandbox.Result, error) {
			return &sandbox.Result{ErrorType: sandbox.ResponseTooLarge}, nil
		}, `{"errorMessage":"Response payload size exceeded maximum allowed payload size (209715200 bytes).","errorType":"Function.ResponseSizeTooLarge"}`, 1},
		{"timeout", func(ctx context.Context, e *fakeEnvironment) (*sandbox.Result, error) {
			return nil, e.work(ctx, fakeInit*1000)
		}, `{"errorType":"Sandbox.Timedout","errorMessage":"` + id + `Task timed out after 3.00 seconds"}`, 2},
		{"exit", func(context.Context, *fakeEnvironment) (*sandbox.Result, error) {
			return nil, &sandbox.ExitError{Status: 3}
		}, `{"errorType":"Runtime.ExitError","errorMessage":"` + id + `Runtime exited with error: exit status 3"}`, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, streams(test.end, "begun"), func(t *testing.T, b *bench) {
				request := requestOf(versionOf("f"))
				request.Stream = func(context.Context, []byte) error { return nil }
				r, err := b.Invoke(t.Context(), request)
				if err != nil || r.FunctionError != "Unhandled" || string(r.Payload) != test.want {
					t.Errorf("%+v %s, %v", r, r.Payload, err)
				}
				b.starter.handle = nil
				b.call(t, versionOf("f"))
				if starts, _ := b.starter.counts(); starts != test.starts {
					t.Errorf("%d environments, want %d", starts, test.starts)
				}
			})
		})
	}
}
