package topic

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/core/delivery"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/localstore"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

const account, region = "000000000000", "us-east-1"

func named(name string) ID { return ID{Account: account, Region: region, Name: name} }

func queueARN(name string) string { return "arn:aws:sqs:" + region + ":" + account + ":" + name }

const functionARN = "arn:aws:lambda:" + region + ":" + account + ":function:f"

// handClock is moved by the test.
type handClock struct {
	clock.Clock
	mu  sync.Mutex
	now time.Time
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

// broken is a store whose commits the test can fail.
type broken struct {
	store.Store
	mu   sync.Mutex
	fail func(*store.Batch) error
}

func (s *broken) set(fail func(*store.Batch) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = fail
}

func (s *broken) Commit(ctx context.Context, b *store.Batch) (store.Version, error) {
	s.mu.Lock()
	fail := s.fail
	s.mu.Unlock()
	if fail != nil {
		if err := fail(b); err != nil {
			return 0, err
		}
	}
	return s.Store.Commit(ctx, b)
}

// outbox writes what is added into the caller's batch, so that the test sees only
// what was committed.
type outbox struct {
	mu    sync.Mutex
	n     int
	woken int
}

// added is a message as outbox keeps it.
type added struct {
	delivery.Message
	Content []byte
}

func (o *outbox) Add(b *store.Batch, m *delivery.Message) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.n++
	data, err := json.Marshal(added{*m, m.Body})
	if err != nil {
		return err
	}
	b.Puts = append(b.Puts, store.KV{Key: tuple.Key("test", o.n), Value: data})
	return nil
}

func (o *outbox) Wake() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.woken++
}

// bench is topics over a store, with a clock and an outbox.
type bench struct {
	*Topics
	t      testing.TB
	clock  *handClock
	store  *broken
	outbox *outbox
	folder string
}

func newBench(t testing.TB) *bench {
	b := &bench{t: t, clock: &handClock{Clock: clock.System, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}, outbox: &outbox{}, folder: t.TempDir()}
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
	b.store = &broken{Store: s}
	b.Topics, err = New(Config{Store: b.store, Outbox: b.outbox, Clock: b.clock, CertificatePath: "/certificate.pem"})
	if err != nil {
		b.t.Fatal(err)
	}
}

// restart is what the next process sees.
func (b *bench) restart() {
	b.t.Helper()
	if err := b.store.Close(); err != nil {
		b.t.Fatal(err)
	}
	b.open()
}

// sent are the deliveries that were committed, in order.
func (b *bench) sent() []added {
	b.t.Helper()
	snap, err := b.store.Snapshot(context.Background())
	if err != nil {
		b.t.Fatal(err)
	}
	defer snap.Close()
	lo, hi := tuple.Range("test")
	var list []added
	for {
		entries, err := snap.Scan(lo, hi, 1000, false)
		if err != nil {
			b.t.Fatal(err)
		}
		for _, entry := range entries {
			var m added
			if err := json.Unmarshal(entry.Value, &m); err != nil {
				b.t.Fatal(err)
			}
			list = append(list, m)
		}
		if len(entries) < 1000 {
			return list
		}
		lo = append(entries[len(entries)-1].Key, 0)
	}
}

func (b *bench) create(name string, attributes map[string]string) ID {
	b.t.Helper()
	id := named(name)
	if isFIFO(name) {
		if attributes == nil {
			attributes = map[string]string{}
		}
		attributes[attributeFIFO] = "true"
	}
	if err := b.Create(context.Background(), id, attributes, nil); err != nil {
		b.t.Fatal(err)
	}
	return id
}

func (b *bench) subscribe(id ID, protocol, endpoint string, attributes map[string]string) *Subscription {
	b.t.Helper()
	s, err := b.Subscribe(context.Background(), id, Request{Protocol: protocol, Endpoint: endpoint, Attributes: attributes,
		Principal: "arn:aws:iam::" + account + ":root", Base: "http://127.0.0.1:4566"})
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

func (b *bench) publish(id ID, m Message) Published {
	b.t.Helper()
	p, err := b.Publish(context.Background(), id, m)
	if err != nil {
		b.t.Fatal(err)
	}
	return p
}

// refused checks the code and the text of a refusal; a text that ends with "..."
// is the beginning.
func refused(t testing.TB, err error, code Code, message string) {
	t.Helper()
	var refusal *Error
	if !errors.As(err, &refusal) {
		t.Errorf("%v, want %s: %s", err, code, message)
		return
	}
	begin, cut := strings.CutSuffix(message, "...")
	if refusal.Code != code || refusal.Message != message && !(cut && strings.HasPrefix(refusal.Message, begin)) {
		t.Errorf("%v, want %s: %s", err, code, message)
	}
}
