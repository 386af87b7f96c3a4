package bus

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/core/delivery"
	"github.com/lambkin-dev/lambkin/internal/engine/store/localstore"
)

// patience bounds every wait for what must happen.
const patience = 60 * time.Second

var (
	here     = Scope{"000000000000", "us-east-1"}
	standard = ID{here, DefaultBus}
)

const queueARN = "arn:aws:sqs:us-east-1:000000000000:q"

// watch is a clock that is set by hand.
type watch struct {
	mu   sync.Mutex
	now  time.Time
	wait []alarm
}

type alarm struct {
	at   time.Time
	ring chan time.Time
}

func (w *watch) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *watch) Timer(d time.Duration) (<-chan time.Time, func() bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	ring := make(chan time.Time, 1)
	if d <= 0 {
		ring <- w.now
	} else {
		w.wait = append(w.wait, alarm{w.now.Add(d), ring})
	}
	return ring, func() bool { return true }
}

func (w *watch) Sleep(ctx context.Context, d time.Duration) error {
	ring, _ := w.Timer(d)
	select {
	case <-ring:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *watch) set(to time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = to
	w.wait = slices.DeleteFunc(w.wait, func(a alarm) bool {
		if a.at.After(to) {
			return false
		}
		a.ring <- to
		return true
	})
}

// sink is a target that remembers.
type sink struct{ taken chan *delivery.Message }

func (s *sink) Deliver(_ context.Context, m *delivery.Message) error {
	s.taken <- m
	return nil
}

// world is buses over a store, with an outbox that works.
type world struct {
	*Buses
	t     *testing.T
	clock *watch
	sink  *sink
	stop  func() // ends Run and closes the store
}

// open opens buses on a folder; Run works until stop.
func open(t *testing.T, folder string, now time.Time) *world {
	t.Helper()
	s, err := localstore.Open(localstore.Config{Folder: folder})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, clock: &watch{now: now}, sink: &sink{taken: make(chan *delivery.Message, 10_000)}}
	outbox, err := delivery.New(delivery.Config{Store: s, Targets: map[string]delivery.Target{"sqs": w.sink, "lambda": w.sink}})
	if err != nil {
		t.Fatal(err)
	}
	if w.Buses, err = Open(t.Context(), Config{Store: s, Outbox: outbox, Clock: w.clock}); err != nil {
		t.Fatal(err)
	}
	outbox.Serve("events", w.Buses)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { outbox.Run(ctx) })  // ends with stop
	running.Go(func() { w.Buses.Run(ctx) }) // ends with stop
	w.stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
		s.Close()
	})
	t.Cleanup(w.stop)
	return w
}

func start(t *testing.T) *world {
	return open(t, t.TempDir(), time.Date(2026, 11, 28, 6, 0, 0, 0, time.UTC))
}

// rule makes a rule with targets.
func (w *world) rule(id ID, name string, r Rule, targets ...Target) {
	w.t.Helper()
	if err := w.PutRule(w.t.Context(), id, name, r); err != nil {
		w.t.Fatal(err)
	}
	if len(targets) > 0 {
		if err := w.PutTargets(w.t.Context(), id, name, targets); err != nil {
			w.t.Fatal(err)
		}
	}
}

// put puts one event, which must be taken.
func (w *world) put(e Entry) string {
	w.t.Helper()
	results, err := w.Put(w.t.Context(), here, []Entry{e})
	if err != nil || results[0].Err != nil {
		w.t.Fatalf("%v %v", err, results)
	}
	return results[0].ID
}

// next is the next message that a target got.
func (w *world) next() *delivery.Message {
	w.t.Helper()
	select {
	case m := <-w.sink.taken:
		return m
	case <-time.After(patience):
		w.t.Fatal("no target got anything")
		return nil
	}
}

// fields are those of an event.
func (w *world) fields(text []byte) map[string]any {
	w.t.Helper()
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		w.t.Fatalf("%s: %v", text, err)
	}
	return fields
}
