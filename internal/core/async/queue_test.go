package async

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/core/delivery"
	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/core/invoke"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/localstore"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

const patience = 60 * time.Second

var scope = function.Scope{Account: "000000000000", Region: "us-east-1"}

// platform is a resolver and an invoker that answer what the test says.
type platform struct {
	mu       sync.Mutex
	calls    []*invoke.Request
	called   chan struct{}                                            // one for each call
	answer   func(n int, r *invoke.Request) (*invoke.Response, error) // n counts calls from 1
	missing  error
	reserved *int
	letters  string // DeadLetterConfig
}

func newPlatform(answer func(n int, r *invoke.Request) (*invoke.Response, error)) *platform {
	return &platform{called: make(chan struct{}, 10_000), answer: answer}
}

func (p *platform) Resolve(_ context.Context, s function.Scope, name, qualifier string) (*function.Resolved, error) {
	if p.missing != nil {
		return nil, p.missing
	}
	v := &function.Version{Account: s.Account, Region: s.Region, Name: name, Version: function.Latest, DeadLetterARN: p.letters, Role: "arn:aws:iam::000000000000:role/r"}
	return &function.Resolved{Version: v, InvokedARN: function.Target{Scope: s, Name: name, Qualifier: qualifier}.ARN(), ReservedConcurrency: p.reserved}, nil
}

func (p *platform) Invoke(_ context.Context, r *invoke.Request) (*invoke.Response, error) {
	p.mu.Lock()
	p.calls = append(p.calls, r)
	n := len(p.calls)
	p.mu.Unlock()
	defer func() { p.called <- struct{}{} }()
	return p.answer(n, r)
}

func (p *platform) requests() []*invoke.Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*invoke.Request(nil), p.calls...)
}

func succeed(int, *invoke.Request) (*invoke.Response, error) {
	return &invoke.Response{Payload: []byte("null")}, nil
}

func fail(int, *invoke.Request) (*invoke.Response, error) {
	return &invoke.Response{Payload: []byte("{}"), FunctionError: "Unhandled"}, nil
}

func openStore(t *testing.T, folder string) *localstore.Store {
	t.Helper()
	s, err := localstore.Open(localstore.Config{Folder: folder})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() }) // a second time in tests that close it themselves
	return s
}

// newQueue is a queue over a fresh store; its log goes to the returned buffer.
func newQueue(t *testing.T, s store.Store, p *platform) (*Queue, *syncBuffer) {
	t.Helper()
	log := &syncBuffer{}
	outbox, err := delivery.New(delivery.Config{Store: s})
	if err != nil {
		t.Fatal(err)
	}
	q, err := New(Config{Store: s, Resolver: p, Invoker: p, Outbox: outbox, Logger: slog.New(slog.NewTextHandler(log, nil)),
		Retries: []time.Duration{time.Millisecond, 2 * time.Millisecond}, Backoff: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return q, log
}

// syncBuffer is a buffer for several goroutines.
type syncBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// start runs the queue and returns how to stop it, which waits for its end.
func start(t *testing.T, q *Queue) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- q.Run(ctx) }() // ends when stop is called
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("Run: %v", err)
			}
		})
	}
	t.Cleanup(stop)
	return stop
}

func put(t *testing.T, q *Queue, requestID string, payload string) {
	t.Helper()
	if err := q.Put(t.Context(), &Event{Scope: scope, Name: "foo", Qualifier: "live", RequestID: requestID, TraceID: "Root=1", Payload: []byte(payload)}); err != nil {
		t.Fatal(err)
	}
}

// empty waits until the store holds nothing of the queue.
func empty(t *testing.T, s store.Store) {
	t.Helper()
	lo, hi := tuple.Range("async")
	changed, deadline := s.Watch(t.Context(), lo), time.After(patience)
	for {
		snap, err := s.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		entries, err := snap.Scan(lo, hi, 10, false)
		snap.Close()
		if err != nil {
			t.Fatal(err)
		}
		if len(entries) == 0 {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("still there: %q %s", entries[0].Key, entries[0].Value)
		}
	}
}

func waitCall(t *testing.T, p *platform) {
	t.Helper()
	select {
	case <-p.called:
	case <-time.After(patience):
		t.Fatal("the function was not called")
	}
}

func TestAnEventRunsOnceWithWhatItCameWith(t *testing.T) {
	s := openStore(t, t.TempDir())
	p := newPlatform(succeed)
	q, _ := newQueue(t, s, p)
	stop := start(t, q)
	put(t, q, "request-1", `{"a": 1}`)
	waitCall(t, p)
	empty(t, s)
	stop()
	got := p.requests()
	if len(got) != 1 || got[0].RequestID != "request-1" || got[0].TraceID != "Root=1" || string(got[0].Payload) != `{"a": 1}` ||
		got[0].InvokedARN != "arn:aws:lambda:us-east-1:000000000000:function:foo:live" {
		t.Errorf("%d calls, the first %+v", len(got), got[0])
	}
}

func TestAFunctionErrorIsTriedThreeTimesWithOneRequestID(t *testing.T) {
	s := openStore(t, t.TempDir())
	p := newPlatform(fail)
	q, log := newQueue(t, s, p)
	stop := start(t, q)
	put(t, q, "request-1", "1")
	empty(t, s)
	stop()
	got := p.requests()
	if len(got) != 3 {
		t.Fatalf("%d calls, want 3", len(got))
	}
	for _, r := range got {
		if r.RequestID != "request-1" {
			t.Errorf("request id %s", r.RequestID)
		}
	}
	if !strings.Contains(log.String(), "given up: the function failed") || !strings.Contains(log.String(), "request_id=request-1") {
		t.Error(log.String())
	}
}

func TestAThrottleIsNoFailureOfTheFunction(t *testing.T) {
	s := openStore(t, t.TempDir())
	const throttles = 6
	p := newPlatform(func(n int, r *invoke.Request) (*invoke.Response, error) {
		if n <= throttles {
			return nil, &invoke.ThrottledError{Reason: invoke.ConcurrentInvocationLimitExceeded}
		}
		return fail(n, r)
	})
	q, _ := newQueue(t, s, p)
	stop := start(t, q)
	put(t, q, "request-1", "1")
	empty(t, s)
	stop()
	if got := len(p.requests()); got != throttles+3 {
		t.Errorf("%d calls, want %d throttled and 3 that fail", got, throttles)
	}
}

// AWS: an event for a function with a reservation of nothing is given up at once,
// "without any retries".
func TestAReservationOfNothingGivesEventsUp(t *testing.T) {
	s := openStore(t, t.TempDir())
	p := newPlatform(succeed)
	p.reserved = new(int)
	q, log := newQueue(t, s, p)
	stop := start(t, q)
	put(t, q, "request-1", "1")
	empty(t, s)
	stop()
	if got := p.requests(); len(got) != 0 {
		t.Errorf("%d calls", len(got))
	}
	if !strings.Contains(log.String(), "given up: ZeroReservedConcurrency") {
		t.Error(log.String())
	}
}

func TestAnAcceptedEventOutlivesTheProcess(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "store")
	s := openStore(t, folder)
	p := newPlatform(succeed)
	q, _ := newQueue(t, s, p)
	large := `"` + strings.Repeat("x", 1<<20-2) + `"`
	put(t, q, "request-1", large)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, folder)
	q, _ = newQueue(t, s, p)
	stop := start(t, q)
	waitCall(t, p)
	empty(t, s)
	stop()
	if got := p.requests(); len(got) != 1 || string(got[0].Payload) != large {
		t.Errorf("%d calls, a payload of %d bytes", len(got), len(got[0].Payload))
	}
}

func TestAnEventWaitsForTheNextStartWhenThePlatformShutsDown(t *testing.T) {
	s := openStore(t, t.TempDir())
	closing := newPlatform(func(int, *invoke.Request) (*invoke.Response, error) { return nil, invoke.ErrShuttingDown })
	q, _ := newQueue(t, s, closing)
	stop := start(t, q)
	put(t, q, "request-1", "1")
	waitCall(t, closing)
	stop()
	p := newPlatform(succeed)
	q, _ = newQueue(t, s, p)
	start(t, q)
	waitCall(t, p)
	empty(t, s)
}

func TestWhatCannotRunIsGivenUp(t *testing.T) {
	t.Run("the function is gone", func(t *testing.T) {
		s := openStore(t, t.TempDir())
		p := newPlatform(succeed)
		p.missing = &function.NotFoundError{Message: "gone"}
		q, log := newQueue(t, s, p)
		stop := start(t, q)
		put(t, q, "request-1", "1")
		empty(t, s)
		stop()
		if len(p.requests()) != 0 || !strings.Contains(log.String(), "given up: the function is gone") {
			t.Error(log.String())
		}
	})
	t.Run("the event is too old", func(t *testing.T) {
		s := openStore(t, t.TempDir())
		p := newPlatform(succeed)
		q, log := newQueue(t, s, p)
		q.config.Clock = earlier{clock.System}
		put(t, q, "request-1", "1")
		q.config.Clock = clock.System
		stop := start(t, q)
		empty(t, s)
		stop()
		if len(p.requests()) != 0 || !strings.Contains(log.String(), "given up: it is too old") {
			t.Error(log.String())
		}
	})
}

// earlier is a clock that is behind by more than the life of an event.
type earlier struct{ clock.Clock }

func (c earlier) Now() time.Time { return c.Clock.Now().Add(-MaxEventAge - time.Hour) }

func TestManyEventsRunOnceEachBesideASecondQueue(t *testing.T) {
	s := openStore(t, t.TempDir())
	p := newPlatform(succeed)
	first, _ := newQueue(t, s, p)
	second, _ := newQueue(t, s, p)
	start(t, first)
	start(t, second)
	const events = 400 // more than run at once
	for i := range events {
		put(t, first, "request-"+strconv.Itoa(i), strconv.Itoa(i))
	}
	empty(t, s)
	seen := map[string]int{}
	for _, r := range p.requests() {
		seen[r.RequestID]++
	}
	if len(seen) != events || len(p.requests()) != events {
		t.Errorf("%d calls for %d of %d events", len(p.requests()), len(seen), events)
	}
}

func TestAFullQueueRefuses(t *testing.T) {
	s := openStore(t, t.TempDir())
	q, _ := newQueue(t, s, newPlatform(succeed))
	q.queued.Store(MaxQueued)
	if err := q.Put(t.Context(), &Event{Scope: scope, Name: "foo", Payload: []byte("1")}); !errors.Is(err, ErrFull) {
		t.Errorf("%v, want ErrFull", err)
	}
	if q.queued.Load() != MaxQueued {
		t.Error("a refused event is counted")
	}
}
