package delivery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/localstore"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// patience bounds every wait for what must happen.
const patience = 60 * time.Second

const (
	queueARN  = "arn:aws:sqs:us-east-1:000000000000:q"
	letterARN = "arn:aws:sqs:us-east-1:000000000000:letters"
	topicARN  = "arn:aws:sns:us-east-1:000000000000:t"
)

// quick tries often, in milliseconds.
func quick() Policy {
	return Policy{Retries: []Phase{{Times: 1000, First: time.Millisecond, Last: time.Millisecond}}}
}

// target remembers what it took; answer decides whether it takes it.
type target struct {
	mu     sync.Mutex
	taken  []Message
	tries  int
	answer func(ctx context.Context, try int, m *Message) error // nil: takes all
}

func (f *target) Deliver(ctx context.Context, m *Message) error {
	f.mu.Lock()
	f.tries++
	try, answer := f.tries, f.answer
	f.mu.Unlock()
	if answer != nil {
		if err := answer(ctx, try, m); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.taken = append(f.taken, *m)
	return nil
}

func (f *target) messages() []Message {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.taken)
}

func openStore(t testing.TB, folder string) *localstore.Store {
	t.Helper()
	s, err := localstore.Open(localstore.Config{Folder: folder})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() }) // a second time in tests that close it themselves
	return s
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

func newOutbox(t testing.TB, s store.Store, targets map[string]Target) (*Outbox, *syncBuffer) {
	t.Helper()
	log := &syncBuffer{}
	o, err := New(Config{Store: s, Targets: targets, Logger: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return o, log
}

// start runs the outbox and returns how to stop it, which waits for its end.
func start(t testing.TB, o *Outbox) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- o.Run(ctx) }() // ends when stop is called
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

func send(t *testing.T, o *Outbox, s store.Store, list ...Message) {
	t.Helper()
	batch := &store.Batch{}
	for i := range list {
		if err := o.Add(batch, &list[i]); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Commit(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	o.Wake()
}

// rows reads what the store has below a prefix.
func rows(t *testing.T, s store.Store, prefix ...any) []store.Entry {
	t.Helper()
	snap, err := s.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	lo, hi := tuple.Range(append([]any{space}, prefix...)...)
	entries, err := snap.Scan(lo, hi, 10_000, false)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

// until waits until a condition holds that a change of the store may bring about.
func until(t *testing.T, s store.Store, what string, holds func() bool) {
	t.Helper()
	changed, deadline := s.Watch(t.Context(), tuple.Key(space)), time.After(patience)
	again := time.NewTicker(5 * time.Millisecond) // it may follow the change by a little
	defer again.Stop()
	for !holds() {
		select {
		case <-changed:
		case <-again.C:
		case <-deadline:
			t.Fatal("did not happen: " + what)
		}
	}
}

// empty waits until no message is there any more.
func empty(t *testing.T, s store.Store) {
	t.Helper()
	until(t, s, "the outbox is empty", func() bool {
		return len(rows(t, s, "due"))+len(rows(t, s, "order"))+len(rows(t, s, "message")) == 0
	})
}

func TestAMessageArrivesWithAllThatItHas(t *testing.T) {
	s, to := openStore(t, t.TempDir()), &target{}
	o, _ := newOutbox(t, s, map[string]Target{"sqs": to})
	start(t, o)
	want := Message{Target: queueARN, Body: bytes.Repeat([]byte("x"), 1<<20), Subject: "subject", GroupID: "g", DeduplicationID: "d", Lane: "l",
		Attributes: map[string]Attribute{"a": {Type: "Number", String: "1"}, "b": {Type: "Binary", Binary: []byte{0, 255}}},
		Headers:    map[string]string{"h": "v"}, Detail: map[string]string{"k": "v"},
		Principal: "sns.amazonaws.com", Source: topicARN, TraceID: "Root=1", Purpose: "test", Policy: ManagedEndpoints()}
	send(t, o, s, want)
	empty(t, s)
	got := to.messages()
	if len(got) != 1 {
		t.Fatalf("%d messages", len(got))
	}
	if got[0].ID == "" || got[0].Added.IsZero() {
		t.Error("it has no id or no time")
	}
	want.ID, want.Added = got[0].ID, got[0].Added
	if fmt.Sprintf("%+v", got[0]) != fmt.Sprintf("%+v", want) {
		t.Error("it is not what was sent")
	}
}

func TestWhatIsNotCommittedIsNotSent(t *testing.T) {
	s, to := openStore(t, t.TempDir()), &target{}
	o, _ := newOutbox(t, s, map[string]Target{"sqs": to})
	start(t, o)
	if err := o.Add(&store.Batch{}, &Message{Target: queueARN, Body: []byte("lost")}); err != nil {
		t.Fatal(err)
	}
	o.Wake()
	send(t, o, s, Message{Target: queueARN, Body: []byte("kept")})
	empty(t, s)
	if got := to.messages(); len(got) != 1 || string(got[0].Body) != "kept" {
		t.Errorf("%d messages", len(got))
	}
}

func TestAMessageIsTriedUntilItIsTaken(t *testing.T) {
	s := openStore(t, t.TempDir())
	ids := map[string]bool{}
	to := &target{answer: func(_ context.Context, try int, m *Message) error {
		ids[m.ID] = true // one try at a time
		if try < 5 {
			return errors.New("not now")
		}
		return nil
	}}
	o, _ := newOutbox(t, s, map[string]Target{"sqs": to})
	stop := start(t, o)
	send(t, o, s, Message{Target: queueARN, Body: []byte("1"), Policy: quick()})
	empty(t, s)
	stop()
	if to.tries != 5 || len(ids) != 1 {
		t.Errorf("%d tries with %d ids", to.tries, len(ids))
	}
}

// The names of the attributes are those of EventBridge,
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
func deadLetter() *DeadLetter {
	return &DeadLetter{Target: letterARN, Attributes: map[string]Attribute{"RULE_ARN": {Type: "String", String: "rule"}},
		ErrorCode: "ERROR_CODE", ErrorMessage: "ERROR_MESSAGE", Condition: "EXHAUSTED_RETRY_CONDITION", Retries: "RETRY_ATTEMPTS"}
}

func TestWhatIsGivenUpBecomesADeadLetter(t *testing.T) {
	two := 2
	cases := map[string]struct {
		policy     Policy
		failure    error
		code       string
		condition  string
		tries      int
		attributes []string
	}{
		"after its retries": {
			policy: Policy{Retries: quick().Retries, MaxRetries: &two}, failure: Coded("SDK_CLIENT_ERROR", errors.New("no")),
			condition: "MaximumRetryAttempts", code: "SDK_CLIENT_ERROR", tries: 3,
			attributes: []string{"ERROR_CODE", "ERROR_MESSAGE", "EXHAUSTED_RETRY_CONDITION", "RETRY_ATTEMPTS", "RULE_ARN", "own"},
		},
		"at its age": {
			policy: Policy{Retries: []Phase{{Times: 9, First: time.Hour, Last: time.Hour}}, MaxAge: time.Minute}, failure: errors.New("no"),
			condition: "MaximumEventAgeInSeconds", tries: 1,
			attributes: []string{"ERROR_MESSAGE", "EXHAUSTED_RETRY_CONDITION", "RETRY_ATTEMPTS", "RULE_ARN", "own"},
		},
		"at once when no retry can mend it": {
			policy: quick(), failure: fmt.Errorf("deliver: %w", Permanent(errors.New("no"))), tries: 1,
			attributes: []string{"ERROR_MESSAGE", "RETRY_ATTEMPTS", "RULE_ARN", "own"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := openStore(t, t.TempDir())
			failing := &target{answer: func(context.Context, int, *Message) error { return c.failure }}
			letters := &target{}
			o, log := newOutbox(t, s, map[string]Target{"sns": failing, "sqs": letters})
			var told error
			o.config.GivenUp = func(_ *Message, why error) { told = why }
			stop := start(t, o)
			c.policy.DeadLetter = deadLetter()
			send(t, o, s, Message{Target: topicARN, Body: []byte("body"), Attributes: map[string]Attribute{"own": {Type: "String", String: "1"}}, Policy: c.policy})
			empty(t, s)
			stop()
			if failing.tries != c.tries || told == nil || !strings.Contains(log.String(), "given up") {
				t.Errorf("%d tries, want %d; told %v", failing.tries, c.tries, told)
			}
			got := letters.messages()
			if len(got) != 1 || string(got[0].Body) != "body" || got[0].Target != letterARN {
				t.Fatalf("letters: %+v", got)
			}
			a := got[0].Attributes
			if names := slices.Sorted(maps.Keys(a)); !slices.Equal(names, c.attributes) {
				t.Errorf("attributes %v, want %v", names, c.attributes)
			}
			if a["ERROR_CODE"].String != c.code || a["EXHAUSTED_RETRY_CONDITION"].String != c.condition || a["RETRY_ATTEMPTS"].String != fmt.Sprint(c.tries-1) {
				t.Errorf("%+v", a)
			}
		})
	}
}

func TestWhatIsNotPermittedIsNotDelivered(t *testing.T) {
	s := openStore(t, filepath.Join(t.TempDir(), "store"))
	queue := &target{}
	o, _ := newOutbox(t, s, map[string]Target{"sqs": queue})
	o.config.Permit = func(_ context.Context, m *Message) error {
		if m.Target == queueARN {
			return Permanent(Coded("NO_PERMISSIONS", errors.New("no")))
		}
		return nil
	}
	start(t, o)
	letter := deadLetter()
	letter.Role = "role"
	send(t, o, s, Message{Target: queueARN, Body: []byte("x"), Policy: Policy{Retries: quick().Retries, DeadLetter: letter}})
	until(t, s, "the dead letter", func() bool { return len(queue.messages()) == 1 })
	if m := queue.messages()[0]; m.Target != letterARN || m.Attributes["ERROR_CODE"].String != "NO_PERMISSIONS" || m.Role != "role" {
		t.Errorf("%+v", m)
	}
}

func TestWithoutADeadLetterQueueItIsLogged(t *testing.T) {
	s := openStore(t, t.TempDir())
	o, log := newOutbox(t, s, nil) // nothing serves the target
	stop := start(t, o)
	send(t, o, s, Message{Target: queueARN, Body: []byte("1")})
	empty(t, s)
	stop()
	if !strings.Contains(log.String(), "given up") || !strings.Contains(log.String(), queueARN) {
		t.Error(log.String())
	}
}

func TestMessagesOutliveTheProcess(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "store")
	s := openStore(t, folder)
	o, _ := newOutbox(t, s, nil)
	large := strings.Repeat("x", MaxBodyBytes)
	send(t, o, s, Message{Target: queueARN, Body: []byte(large), Policy: quick()})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, folder)
	to := &target{}
	o, _ = newOutbox(t, s, map[string]Target{"sqs": to})
	start(t, o)
	empty(t, s)
	if got := to.messages(); len(got) != 1 || string(got[0].Body) != large {
		t.Errorf("%d messages", len(got))
	}
}

func TestATryThatIsStoppedIsTriedByTheNextOwner(t *testing.T) {
	s := openStore(t, t.TempDir())
	under := make(chan struct{})
	o, _ := newOutbox(t, s, map[string]Target{"sqs": &target{answer: func(ctx context.Context, _ int, _ *Message) error {
		close(under)
		<-ctx.Done()
		return ctx.Err()
	}}})
	stop := start(t, o)
	send(t, o, s, Message{Target: queueARN, Body: []byte("1")}) // no retries: the stop must not count as a try
	<-under
	stop()
	to := &target{}
	o, _ = newOutbox(t, s, map[string]Target{"sqs": to})
	start(t, o)
	empty(t, s)
	if got := to.messages(); len(got) != 1 {
		t.Errorf("%d messages", len(got))
	}
}

func TestASlowTargetDoesNotHoldUpOthers(t *testing.T) {
	s := openStore(t, t.TempDir())
	release := make(chan struct{})
	slow := &target{answer: func(context.Context, int, *Message) error { <-release; return nil }}
	other := &target{}
	o, _ := newOutbox(t, s, map[string]Target{"sqs": slow, "sns": other})
	start(t, o)
	const many = 3 * maxPerTarget
	var list []Message
	for range many {
		list = append(list, Message{Target: queueARN, Body: []byte("1")})
	}
	send(t, o, s, append(list, Message{Target: topicARN, Body: []byte("1")})...)
	until(t, s, "the message to the other target arrives", func() bool { return len(other.messages()) == 1 })
	close(release)
	empty(t, s)
	if got := len(slow.messages()); got != many {
		t.Errorf("%d of %d messages", got, many)
	}
}

func TestManyMessagesArriveOnceEachBesideASecondOutbox(t *testing.T) {
	s, to := openStore(t, t.TempDir()), &target{}
	first, _ := newOutbox(t, s, map[string]Target{"sqs": to, "sns": to})
	second, _ := newOutbox(t, s, map[string]Target{"sqs": to, "sns": to})
	start(t, first)
	start(t, second)
	const many = 2000
	for i := range many / 10 {
		var list []Message
		for j := range 10 {
			list = append(list, Message{Target: []string{queueARN, topicARN}[j%2], Body: fmt.Append(nil, 10*i+j), Policy: quick()})
		}
		send(t, first, s, list...)
	}
	empty(t, s)
	seen := map[string]bool{}
	for _, m := range to.messages() {
		seen[string(m.Body)] = true
	}
	if got := len(to.messages()); got != many || len(seen) != many {
		t.Errorf("%d deliveries of %d messages, want %d of each", got, len(seen), many)
	}
}

func TestAddRefusesWhatNothingCouldDeliver(t *testing.T) {
	o, _ := newOutbox(t, openStore(t, t.TempDir()), nil)
	for _, m := range []Message{
		{Target: ""}, {Target: "queue"}, {Target: "ftp://x"}, {Target: "http://" + strings.Repeat("x", MaxTargetBytes)},
		{Target: queueARN, Body: make([]byte, MaxBodyBytes+1)},
	} {
		batch := &store.Batch{}
		if err := o.Add(batch, &m); err == nil || len(batch.Puts) > 0 {
			t.Errorf("%.40q with %d bytes: %v", m.Target, len(m.Body), err)
		}
	}
}

func TestServes(t *testing.T) {
	o, _ := newOutbox(t, openStore(t, t.TempDir()), map[string]Target{"sqs": &target{}})
	if !o.Serves(queueARN) || o.Serves(topicARN) || o.Serves("http://host/") || o.Serves("nonsense") {
		t.Error("it serves queues only")
	}
	o.Serve("sns", &target{})
	o.Serve("http", &target{})
	if !o.Serves(topicARN) || !o.Serves("https://host/") {
		t.Error("it does not serve what was added")
	}
}
