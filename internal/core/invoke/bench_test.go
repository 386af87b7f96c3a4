package invoke

import (
	"context"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
	"github.com/lambkin-dev/lambkin/internal/engine/telemetry"
)

type discardLog struct{}

func (discardLog) Append(telemetry.LogStream, []telemetry.LogEvent) {}

// benchConcurrency allows more calls a second, ten for each, than are made.
const benchConcurrency = 1 << 24

// BenchmarkWarmCall is what the invoker adds to a warm call; the sandbox
// answers at once.
func BenchmarkWarmCall(b *testing.B) {
	starter := &fakeStarter{t: b, alive: map[*fakeEnvironment]bool{}}
	starter.handle = func(_ context.Context, _ *fakeEnvironment, event *sandbox.Event) (*sandbox.Result, error) {
		return &sandbox.Result{Payload: event.Payload, MaxMemoryBytes: 1 << 20}, nil
	}
	i, err := New(Config{Starter: starter, AccountConcurrency: benchConcurrency, Logs: discardLog{}, Credentials: func(_, _, _ string) Credentials { return Credentials{} }})
	if err != nil {
		b.Fatal(err)
	}
	defer i.Close(context.Background())
	request := requestOf(versionOf("f"))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := i.Invoke(context.Background(), request); err != nil {
			b.Fatal(err)
		}
	}
}
