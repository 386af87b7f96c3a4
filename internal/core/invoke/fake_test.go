package invoke

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
	"github.com/lambkin-dev/lambkin/internal/engine/telemetry"
)

// Times of the fake sandbox, in the time of the bubble.
const (
	fakeInit   = 110100 * time.Microsecond
	fakeHandle = 3010 * time.Microsecond
	fakeClose  = 20 * time.Millisecond
)

// pass lets time pass in the bubble of a test.
func pass(d time.Duration) { _ = clock.System.Sleep(context.Background(), d) }

// fakeStarter stands in for the sandbox. It checks what the sandbox may rely
// on: one owner an environment, no use after a failure.
type fakeStarter struct {
	t testing.TB
	// start runs the initialisation; nil takes fakeInit and succeeds.
	start func(spec *sandbox.Spec, n int) (sandbox.Init, error)
	// handle answers an event; nil takes fakeHandle and echoes the payload.
	handle func(ctx context.Context, e *fakeEnvironment, event *sandbox.Event) (*sandbox.Result, error)
	// holds tells what an environment holds; nil: it cannot be weighed.
	holds func(e *fakeEnvironment) int64

	mu     sync.Mutex
	starts int
	alive  map[*fakeEnvironment]bool
	peak   int // most alive at once
	peakMB int // most that they held together
	specs  []*sandbox.Spec
}

type fakeEnvironment struct {
	starter *fakeStarter
	spec    *sandbox.Spec
	number  int // counted from 1
	done    chan struct{}
	closed  chan struct{}
	gone    chan struct{}
	closing atomic.Bool
	ending  sync.Once

	mu     sync.Mutex
	busy   bool
	broken bool
}

func (s *fakeStarter) Start(_ context.Context, spec *sandbox.Spec) (sandbox.Environment, sandbox.Init, error) {
	e := &fakeEnvironment{starter: s, spec: spec, done: make(chan struct{}), closed: make(chan struct{}), gone: make(chan struct{})}
	s.mu.Lock()
	s.starts++
	e.number = s.starts
	s.specs = append(s.specs, spec)
	s.alive[e] = true
	s.peak = max(s.peak, len(s.alive))
	total := 0
	for other := range s.alive {
		if s.holds != nil {
			total += int(s.holds(other) >> 20)
		}
	}
	s.peakMB = max(s.peakMB, total)
	s.mu.Unlock()
	init, err := sandbox.Init{Duration: fakeInit}, error(nil)
	if s.start != nil {
		init, err = s.start(spec, e.number)
	} else {
		pass(fakeInit)
	}
	if err != nil {
		e.Close()
		return nil, init, err
	}
	return e, init, nil
}

func (e *fakeEnvironment) Invoke(ctx context.Context, event *sandbox.Event) (*sandbox.Result, error) {
	e.mu.Lock()
	if e.busy {
		e.starter.t.Errorf("environment %d has two owners", e.number)
	}
	if e.broken {
		e.starter.t.Errorf("environment %d is used after a failure", e.number)
	}
	e.busy = true
	e.mu.Unlock()
	var result *sandbox.Result
	var err error
	if e.starter.handle != nil {
		result, err = e.starter.handle(ctx, e, event)
	} else if err = e.work(ctx, fakeHandle); err == nil {
		result = &sandbox.Result{Payload: event.Payload, MaxMemoryBytes: 36 << 20}
	}
	e.mu.Lock()
	e.busy = false
	e.broken = err != nil
	e.mu.Unlock()
	return result, err
}

// work takes time, unless the deadline or the end of the environment is first.
func (e *fakeEnvironment) work(ctx context.Context, d time.Duration) error {
	deadline, ok := ctx.Deadline()
	if !ok {
		e.starter.t.Error("an event without a deadline")
	}
	timer, limit := time.NewTimer(d), time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	defer limit.Stop()
	select {
	case <-timer.C:
		return nil
	case <-limit.C:
		return &sandbox.TimeoutError{MaxMemoryBytes: 64 << 20}
	case <-e.closed:
		return &sandbox.ExitError{Signal: 9}
	}
}

func (e *fakeEnvironment) Done() <-chan struct{} { return e.done }

func (e *fakeEnvironment) MemoryBytes() (int64, bool) {
	if e.starter.holds == nil || e.closing.Load() {
		return 0, false
	}
	return e.starter.holds(e), true
}

// die ends the environment by itself.
func (e *fakeEnvironment) die() { e.ending.Do(func() { close(e.done) }) }

func (e *fakeEnvironment) Close() error {
	if !e.closing.CompareAndSwap(false, true) {
		<-e.gone // a lock would not let the time of the bubble pass
		return nil
	}
	close(e.closed)
	pass(fakeClose)
	e.die()
	e.starter.mu.Lock()
	delete(e.starter.alive, e)
	e.starter.mu.Unlock()
	close(e.gone)
	return nil
}

func (s *fakeStarter) counts() (starts, alive int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.starts, len(s.alive)
}

// recorder is a LogSink that keeps everything.
type recorder struct {
	mu      sync.Mutex
	streams map[telemetry.LogStream][]telemetry.LogEvent
	order   []telemetry.LogStream
	reports []telemetry.Report
}

func (r *recorder) Append(stream telemetry.LogStream, events []telemetry.LogEvent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.streams[stream] == nil {
		r.order = append(r.order, stream)
	}
	r.streams[stream] = append(r.streams[stream], events...)
}

func (r *recorder) reported(report telemetry.Report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reports = append(r.reports, report)
}

// text is the log of the n-th stream.
func (r *recorder) text(n int) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all strings.Builder
	for _, event := range r.streams[r.order[n]] {
		all.WriteString(event.Message)
	}
	return all.String()
}

// bySize has each environment counted with, and hold, its MemorySize.
func (b *bench) bySize() {
	b.weights.guess = math.MaxInt64
	b.starter.holds = func(e *fakeEnvironment) int64 { return int64(e.spec.MemoryMB) << 20 }
}

// bench is an Invoker over the fakes.
type bench struct {
	*Invoker
	starter *fakeStarter
	log     *recorder
}

// inBubble runs a test with an Invoker in a bubble of time, closes the Invoker
// and checks that nothing is left.
func inBubble(t *testing.T, change func(*Config, *fakeStarter), test func(t *testing.T, b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, change)
		test(t, b)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := b.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
		if _, alive := b.starter.counts(); alive != 0 {
			t.Errorf("%d environments outlive Close", alive)
		}
		b.host.mu.Lock()
		defer b.host.mu.Unlock()
		if b.host.count != 0 || b.host.used != 0 || b.host.closing != 0 || b.host.queue.Len() != 0 {
			t.Errorf("the host still counts %d environments, %d bytes, %d closing, %d waiting", b.host.count, b.host.used, b.host.closing, b.host.queue.Len())
		}
	})
}

func newBench(t *testing.T, change func(*Config, *fakeStarter)) *bench {
	t.Helper()
	starter := &fakeStarter{t: t, alive: map[*fakeEnvironment]bool{}}
	log := &recorder{streams: map[telemetry.LogStream][]telemetry.LogEvent{}}
	config := Config{
		Starter: starter, Logs: log, Reported: log.reported,
		Credentials: func(account, role, session string) Credentials {
			return Credentials{"ASIA" + account, "secret of " + role, "token of " + session}
		},
	}
	if change != nil {
		change(&config, starter)
	}
	i, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	return &bench{i, starter, log}
}

func versionOf(name string) *function.Version {
	return &function.Version{
		Account: "123456789012", Region: "eu-central-1", Name: name, Version: function.Latest, Role: "arn:aws:iam::123456789012:role/r",
		Runtime: "python3.12", Handler: "app.handler", MemoryMB: 128, EphemeralMB: 512, Timeout: 3 * time.Second,
		Code: "c0de", RevisionID: "revision-1", Generation: "generation-1", LogGroup: "/aws/lambda/" + name, LogFormat: "Text", State: function.Active,
	}
}

func scopeOf(v *function.Version) function.Scope {
	return function.Scope{Account: v.Account, Region: v.Region}
}

const requestID = "8f507cfc-0000-4000-8000-000000000001"

func requestOf(v *function.Version) *Request {
	return &Request{Version: v, InvokedARN: v.ARN(), RequestID: requestID, Payload: []byte(`{"n":1}`)}
}

// call invokes v and fails the test on an error of the platform.
func (b *bench) call(t *testing.T, v *function.Version) *Response {
	t.Helper()
	r, err := b.Invoke(t.Context(), requestOf(v))
	if err != nil {
		t.Fatalf("invoke %s: %v", v.Name, err)
	}
	return r
}

// initFails answers like a module that cannot be imported.
func initFails(spec *sandbox.Spec, n int) (sandbox.Init, error) {
	pass(80 * time.Millisecond)
	spec.Log(sandbox.LogRecord{Time: time.Now(), Data: fmt.Appendf(nil, "[ERROR] import %d\n", n)})
	return sandbox.Init{Duration: 80 * time.Millisecond, ErrorType: "Runtime.ImportModuleError",
		ErrorBody: []byte(`{"errorMessage": "Unable to import module 'app': No module named 'x'", "errorType": "Runtime.ImportModuleError", "requestId": "", "stackTrace": []}`)}, nil
}

func lines(all ...string) string { return strings.Join(all, "\n") + "\n" }
