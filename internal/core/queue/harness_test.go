package queue

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/localstore"
)

// patience bounds every wait for what must happen.
const patience = 60 * time.Second

func named(name string) ID { return ID{Account: "000000000000", Region: "us-east-1", Name: name} }

// handClock is moved by the test.
type handClock struct {
	clock.Clock
	mu  sync.Mutex
	now time.Time
}

func newClock() *handClock {
	return &handClock{Clock: clock.System, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
}

func (c *handClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *handClock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// troubled is a store whose commits the test can hold and break.
type troubled struct {
	store.Store
	mu     sync.Mutex
	before func(*store.Batch) error // an error: the batch is not applied
	after  func(*store.Batch) error // an error: it was applied all the same
}

func (s *troubled) set(before, after func(*store.Batch) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before, s.after = before, after
}

func (s *troubled) Commit(ctx context.Context, b *store.Batch) (store.Version, error) {
	s.mu.Lock()
	before, after := s.before, s.after
	s.mu.Unlock()
	if before != nil {
		if err := before(b); err != nil {
			return 0, err
		}
	}
	version, err := s.Store.Commit(ctx, b)
	if err == nil && after != nil {
		err = after(b)
	}
	return version, err
}

// bench is queues over a store, with a clock.
type bench struct {
	*Queues
	t      testing.TB
	store  *troubled
	clock  *handClock
	folder string
}

func newBench(t testing.TB) *bench {
	b := &bench{t: t, clock: newClock(), folder: t.TempDir()}
	b.open()
	t.Cleanup(func() { b.store.Close() })
	return b
}

func (b *bench) open() {
	b.t.Helper()
	s, err := localstore.Open(localstore.Config{Folder: b.folder})
	if err != nil {
		b.t.Fatal(err)
	}
	b.store = &troubled{Store: s}
	b.restart()
}

// restart forgets everything that is not in the store.
func (b *bench) restart() {
	b.t.Helper()
	q, err := New(Config{Store: b.store, Clock: b.clock})
	if err != nil {
		b.t.Fatal(err)
	}
	b.Queues = q
}

// realTime makes the queues use the clock of the machine.
func (b *bench) realTime() {
	b.t.Helper()
	q, err := New(Config{Store: b.store})
	if err != nil {
		b.t.Fatal(err)
	}
	b.Queues = q
}

// reopen closes the store as well.
func (b *bench) reopen() {
	b.t.Helper()
	if err := b.store.Close(); err != nil {
		b.t.Fatal(err)
	}
	b.open()
}

func (b *bench) create(name string, attributes ...string) ID {
	b.t.Helper()
	given := map[string]string{}
	if isFIFO(name) {
		given["FifoQueue"] = "true"
	}
	for i := 0; i < len(attributes); i += 2 {
		given[attributes[i]] = attributes[i+1]
	}
	if err := b.Create(b.t.Context(), named(name), given, nil); err != nil {
		b.t.Fatal(err)
	}
	return named(name)
}

func (b *bench) set(id ID, name, value string) {
	b.t.Helper()
	if err := b.SetAttributes(b.t.Context(), id, map[string]string{name: value}); err != nil {
		b.t.Fatal(err)
	}
}

// send sends a body; the second text is the group, the third the deduplication id.
func (b *bench) send(id ID, body string, fifo ...string) Sent {
	b.t.Helper()
	m := Message{Body: body, Sender: "AIDAEXAMPLE"}
	if len(fifo) > 0 {
		m.GroupID = fifo[0]
		m.DedupID = body
	}
	if len(fifo) > 1 {
		m.DedupID = fifo[1]
	}
	sent, err := b.Send(b.t.Context(), id, m)
	if err != nil {
		b.t.Fatal(err)
	}
	return sent
}

// receive receives up to n messages that are there.
func (b *bench) receive(id ID, n int, visibility ...time.Duration) []Received {
	b.t.Helper()
	none := time.Duration(0)
	how := Receiving{Max: n, Wait: &none}
	if len(visibility) > 0 {
		how.Visibility = &visibility[0]
	}
	received, err := b.Receive(b.t.Context(), id, how)
	if err != nil {
		b.t.Fatal(err)
	}
	return received
}

func (b *bench) delete(id ID, handles ...string) {
	b.t.Helper()
	refusals, err := b.DeleteMessages(b.t.Context(), id, handles)
	if err := errors.Join(append(refusals, err)...); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) counts(id ID, visible, inflight, delayed int) {
	b.t.Helper()
	got, err := b.Count(b.t.Context(), id)
	if want := (Counts{visible, inflight, delayed}); err != nil || got != want {
		b.t.Errorf("counts of %s are %+v (%v), want %+v", id.Name, got, err, want)
	}
}

func bodies(received []Received) string {
	text := ""
	for i, r := range received {
		if i > 0 {
			text += " "
		}
		text += r.Body
	}
	return text
}

func (b *bench) expect(received []Received, want string) []Received {
	b.t.Helper()
	if got := bodies(received); got != want {
		b.t.Fatalf("received %q, want %q", got, want)
	}
	return received
}

func refused(t testing.TB, err error, code Code, text string) {
	t.Helper()
	var refusal *Error
	if !errors.As(err, &refusal) || refusal.Code != code || refusal.Message != text {
		t.Errorf("got %v, want %s: %s", err, code, text)
	}
}

func deadLetters(target ID, most int) string {
	return fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":%d}`, target.ARN(), most)
}
