package mapping

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/core/invoke"
	"github.com/lambkin-dev/lambkin/internal/core/queue"
)

func TestAMessageIsHandledAndDeleted(t *testing.T) {
	b := newBench(t, succeed)
	id := b.queue("q", nil)
	b.create(id, func(s *Settings) { s.Qualifier = "live" })
	b.send(id, queue.Message{Body: "hello", Sender: "me"})
	calls := b.wait("a call", func(c []*call) bool { return len(c) == 1 })
	b.counts(id, queue.Counts{})
	r := calls[0].request
	if r.InvokedARN != "arn:aws:lambda:us-east-1:000000000000:function:foo:live" || r.RequestID == "" || len(calls[0].records) != 1 || calls[0].records[0].Body != "hello" {
		t.Errorf("%+v %+v", r, calls[0].records)
	}
}

// TestAnIdleMappingDoesNothing: the message's own wake-up ends the one wait.
func TestAnIdleMappingDoesNothing(t *testing.T) {
	b := newBench(t, succeed)
	id := b.queue("q", nil)
	b.create(id, nil)
	const messages = 20
	for n := range messages {
		b.send(id, queue.Message{Body: "x"})
		b.wait("calls", func(c []*call) bool { return len(c) == n+1 })
	}
	b.counts(id, queue.Counts{})
	// One receive for each message and the one that waits.
	if n := b.queues.receives.Load(); n > messages+1 {
		t.Errorf("%d receives for %d messages", n, messages)
	}
}

func TestStatesOfAMapping(t *testing.T) {
	release := make(chan struct{})
	b := newBench(t, func(c *call) (*invoke.Response, error) { <-release; return succeed(c) })
	id := b.queue("q", nil)
	made := b.create(id, nil)
	update := func(change func(*Settings), want State) {
		t.Helper()
		found, err := b.mappings.Update(t.Context(), scope, made.UUID, change)
		if err != nil || found.State != want {
			t.Fatalf("%+v %v, wanted %s", found, err, want)
		}
	}
	b.send(id, queue.Message{Body: "x"})
	b.wait("a call", func(c []*call) bool { return len(c) == 1 })

	// Disabling ends with the call, whose message is deleted.
	update(func(s *Settings) { s.Enabled = false }, Disabling)
	if _, err := b.mappings.Update(t.Context(), scope, made.UUID, func(*Settings) {}); !errors.Is(err, ErrInUse) {
		t.Errorf("a change of a mapping that is being disabled: %v", err)
	}
	if _, err := b.mappings.Delete(t.Context(), scope, made.UUID); !errors.Is(err, ErrInUse) {
		t.Errorf("the deletion of a mapping that is being disabled: %v", err)
	}
	close(release)
	b.reach(made.UUID, Disabled)
	b.counts(id, queue.Counts{})

	b.send(id, queue.Message{Body: "y"})
	b.counts(id, queue.Counts{Visible: 1})
	update(func(s *Settings) { s.Enabled = true }, Enabling)
	b.reach(made.UUID, Enabled)
	b.counts(id, queue.Counts{})
	update(func(s *Settings) { s.BatchSize = 1 }, Updating)
	b.reach(made.UUID, Enabled)
	b.send(id, queue.Message{Body: "1"}, queue.Message{Body: "2"})
	for _, c := range b.wait("calls", func(c []*call) bool { return len(c) >= 4 })[2:] {
		if len(c.records) != 1 {
			t.Errorf("a batch of %d", len(c.records))
		}
	}
	if found, err := b.mappings.Delete(t.Context(), scope, made.UUID); err != nil || found.State != Deleting {
		t.Fatalf("%+v %v", found, err)
	}
	b.reach(made.UUID, "")
	b.create(id, func(s *Settings) { s.Enabled = false }) // the pair is free again
}

func TestAPairIsMappedOnce(t *testing.T) {
	b := newBench(t, succeed)
	id, other := b.queue("q", nil), b.queue("other", nil)
	first := b.create(id, nil)
	refused := func(err error) {
		t.Helper()
		var conflict *function.ConflictError
		want := fmt.Sprintf(`An event source mapping with SQS arn (" %s ") and function (" foo ") already exists. Please update or delete the existing mapping with UUID %s`, id.ARN(), first.UUID)
		if !errors.As(err, &conflict) || conflict.Message != want {
			t.Errorf("%v, wanted %s", err, want)
		}
	}
	_, err := b.mappings.Create(t.Context(), scope, id.ARN(), Settings{Name: "foo", BatchSize: 1}, nil)
	refused(err)
	b.create(id, func(s *Settings) { s.Qualifier = "1" })
	b.create(other, nil)
	second := b.create(id, func(s *Settings) { s.Name = "bar" })
	_, err = b.mappings.Update(t.Context(), scope, second.UUID, func(s *Settings) { s.Name = "foo" })
	refused(err)
	if _, err := b.mappings.Update(t.Context(), scope, first.UUID, func(s *Settings) { s.Name = "baz" }); err != nil {
		t.Fatal(err)
	}
	b.reach(first.UUID, Enabled)
	if _, err := b.mappings.Update(t.Context(), scope, second.UUID, func(s *Settings) { s.Name = "foo" }); err != nil {
		t.Errorf("the pair is not free: %v", err)
	}
}

func TestListing(t *testing.T) {
	b := newBench(t, succeed)
	var all []string
	for n := range 5 {
		id := b.queue(fmt.Sprint("q", n), nil)
		all = append(all, b.create(id, func(s *Settings) { s.Name = fmt.Sprint("f", n%2); s.Enabled = false }).UUID)
	}
	var seen []string
	for l := (Listing{Max: 2}); ; {
		page, marker, err := b.mappings.List(t.Context(), scope, l)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range page {
			seen = append(seen, m.UUID)
		}
		if l.Marker = marker; marker == "" {
			break
		}
	}
	if len(seen) != len(all) {
		t.Errorf("pages gave %v of %v", seen, all)
	}
	for _, c := range []struct {
		l    Listing
		want int
	}{
		{Listing{Source: named("q1").ARN()}, 1},
		{Listing{FunctionARN: "arn:aws:lambda:us-east-1:000000000000:function:f0"}, 3},
		{Listing{FunctionARN: "arn:aws:lambda:us-east-1:000000000000:function:f0:1"}, 0},
	} {
		if page, _, err := b.mappings.List(t.Context(), scope, c.l); err != nil || len(page) != c.want {
			t.Errorf("%+v: %d %v", c.l, len(page), err)
		}
	}
	if page, _, err := b.mappings.List(t.Context(), function.Scope{Account: scope.Account, Region: "eu-west-1"}, Listing{}); err != nil || len(page) != 0 {
		t.Errorf("another region: %d %v", len(page), err)
	}
}

// TestARestartGoesOn: transitions that a stop interrupted end, and messages that
// were in flight come again.
func TestARestartGoesOn(t *testing.T) {
	stopping := make(chan struct{})
	var restarted atomic.Bool
	b := newBench(t, func(c *call) (*invoke.Response, error) {
		if !restarted.Load() {
			<-stopping
			return nil, invoke.ErrShuttingDown
		}
		return succeed(c)
	})
	id := b.queue("q", map[string]string{"VisibilityTimeout": "43200"})
	b.create(id, nil)
	b.send(id, queue.Message{Body: "x"})
	b.wait("a call", func(c []*call) bool { return len(c) == 1 })
	close(stopping)
	b.stop()
	b.counts(id, queue.Counts{Visible: 1}) // at once, not after twelve hours
	// While nothing runs, the mapping stays in the state that the change left.
	other, err := b.mappings.Create(t.Context(), scope, id.ARN(), Settings{Name: "bar", BatchSize: 1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	restarted.Store(true)
	b.run()
	b.counts(id, queue.Counts{})
	b.reach(other.UUID, Disabled)
}

func TestWithoutItsFunctionAMappingTakesNothing(t *testing.T) {
	b := newBench(t, succeed)
	id := b.queue("q", nil)
	made := b.create(id, nil)
	b.send(id, queue.Message{Body: "0"})
	b.wait("a call", func(c []*call) bool { return len(c) == 1 })
	b.counts(id, queue.Counts{})
	b.wait("the next wait for messages", func([]*call) bool { return b.queues.receives.Load() == 2 })
	b.set(func() { b.missing = true })
	// The wait that was going on takes one message more.
	b.send(id, queue.Message{Body: "1"})
	b.counts(id, queue.Counts{Inflight: 1})
	b.send(id, queue.Message{Body: "2"})
	b.counts(id, queue.Counts{Visible: 1, Inflight: 1})
	if found, err := b.mappings.Get(t.Context(), scope, made.UUID); err != nil || found.State != Enabled { // AWS: recorded, 2024-10
		t.Errorf("%+v %v", found, err)
	}
	b.set(func() { b.missing = false })
	b.wait("the second message", func(c []*call) bool { return len(c) >= 2 })
}

// TestAMappingTakesNothingThatTheRoleMayNot: it asks again and goes on when it may.
func TestAMappingTakesNothingThatTheRoleMayNot(t *testing.T) {
	b := newBench(t, succeed)
	b.stop()
	var refused, asked atomic.Int32
	refused.Store(1)
	b.permit = func(_ context.Context, _, queueARN string) error {
		if asked.Add(1); refused.Load() == 1 || queueARN != named("q").ARN() {
			return errors.New("no")
		}
		return nil
	}
	b.run()
	id := b.queue("q", nil)
	b.create(id, nil)
	b.send(id, queue.Message{Body: "0"})
	for asked.Load() == 0 {
		<-time.After(time.Millisecond)
	}
	b.counts(id, queue.Counts{Visible: 1})
	refused.Store(0)
	b.wait("the message", func(c []*call) bool { return len(c) == 1 })
}

// TestWithoutItsQueueAMappingWaits: it stays, as on AWS, and asks ever more seldom.
func TestWithoutItsQueueAMappingWaits(t *testing.T) {
	b := newBench(t, succeed)
	id := b.queue("q", nil)
	made := b.create(id, nil)
	b.send(id, queue.Message{Body: "0"})
	b.wait("a call", func(c []*call) bool { return len(c) == 1 })
	b.counts(id, queue.Counts{})
	before := b.queues.receives.Load()
	if err := b.queues.Delete(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	<-time.After(4 * firstPause)
	if n := b.queues.receives.Load() - before; n > 1 {
		t.Errorf("%d receives from a queue that is gone", n)
	}
	if found, err := b.mappings.Get(t.Context(), scope, made.UUID); err != nil || found.State != Enabled {
		t.Errorf("%+v %v", found, err)
	}
	if _, err := b.mappings.Delete(t.Context(), scope, made.UUID); err != nil {
		t.Fatal(err)
	}
	b.reach(made.UUID, "")
}

func TestRefusalsNameTheLimit(t *testing.T) {
	b := newBench(t, succeed)
	id, fifo := b.queue("q", nil), b.queue("q.fifo", map[string]string{"FifoQueue": "true"})
	good := Settings{Name: "foo", BatchSize: 10}
	for _, c := range []struct {
		source string
		change func(*Settings)
		want   string
	}{
		{id.ARN(), func(s *Settings) { s.BatchSize = 11 }, "Maximum batch window in seconds must be greater than 0"},
		{id.ARN(), func(s *Settings) { s.BatchSize, s.Window = 10_001, time.Second }, "BatchSize must be between 1 and 10000"},
		{id.ARN(), func(s *Settings) { s.Window = 301 * time.Second }, "MaximumBatchingWindowInSeconds between 0 and 300"},
		{fifo.ARN(), func(s *Settings) { s.Window = time.Second }, "Batching window is not supported for FIFO queues"},
		{id.ARN(), func(s *Settings) { s.MaxConcurrency = 1 }, "MaximumConcurrency must be between 2 and 1000"},
		{id.ARN(), func(s *Settings) { s.Filters = []string{`{"a":1}`} }, "Invalid filter pattern definition."},
		{id.ARN(), func(s *Settings) { s.Filters = []string{`{"a":["` + strings.Repeat("x", 4096) + `"]}`} }, "Invalid filter pattern definition."},
		{id.ARN(), func(s *Settings) { s.Filters = make([]string, 11) }, "10 filters at most"},
		{named("none").ARN(), func(*Settings) {}, "SQS Error Code: AWS.SimpleQueueService.NonExistentQueue"},
		{"arn:aws:sqs:eu-west-1:000000000000:q", func(*Settings) {}, "SQS Error Code: AWS.SimpleQueueService.NonExistentQueue"},
		{"arn:aws:sqs:us-east-1:111122223333:q", func(*Settings) {}, "does not have permissions to call ReceiveMessage on SQS"},
		{"arn:aws:sqs:us-east-1:000000000000:", func(*Settings) {}, "Unrecognized event source."},
	} {
		s := good
		c.change(&s)
		_, err := b.mappings.Create(t.Context(), scope, c.source, s, nil)
		var refusal *function.InvalidError
		if !errors.As(err, &refusal) || !strings.Contains(refusal.Message, c.want) {
			t.Errorf("%v, wanted %s", err, c.want)
		}
	}
	b.set(func() { b.timeout = 31 * time.Second })
	_, err := b.mappings.Create(t.Context(), scope, id.ARN(), good, nil)
	if want := "Queue visibility timeout: 30 seconds is less than Function timeout: 31 seconds"; err == nil || err.Error() != want {
		t.Errorf("%v, wanted %s", err, want)
	}
}
