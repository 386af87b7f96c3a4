package mapping

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/core/invoke"
	"github.com/lambkin-dev/lambkin/internal/core/queue"
	"github.com/lambkin-dev/lambkin/internal/engine/store/localstore"
)

// patience bounds every wait for what must happen.
const patience = 60 * time.Second

var scope = function.Scope{Account: "000000000000", Region: "us-east-1"}

func named(name string) queue.ID {
	return queue.ID{Account: scope.Account, Region: scope.Region, Name: name}
}

// counted is real queues whose operations are counted.
type counted struct {
	*queue.Queues
	receives, extensions atomic.Int64
}

func (c *counted) Receive(ctx context.Context, id queue.ID, how queue.Receiving) ([]queue.Received, error) {
	c.receives.Add(1)
	return c.Queues.Receive(ctx, id, how)
}

func (c *counted) ChangeVisibility(ctx context.Context, id queue.ID, changes []queue.Change) ([]error, error) {
	defer c.extensions.Add(1)
	return c.Queues.ChangeVisibility(ctx, id, changes)
}

// got is one message of a call.
type got struct {
	ID         string            `json:"messageId"`
	Body       string            `json:"body"`
	Attributes map[string]string `json:"attributes"`
}

// call is one call of a function.
type call struct {
	request *invoke.Request
	records []got
}

// platform is functions that do what the test says.
type platform struct {
	t       *testing.T
	answer  func(c *call) (*invoke.Response, error)
	timeout time.Duration

	mu      sync.Mutex
	missing bool
	calls   []*call
	changed chan struct{} // a call ended, or something that wait looks at
}

func (p *platform) GetConfiguration(ctx context.Context, t function.Target) (*function.Version, error) {
	resolved, err := p.Resolve(ctx, t.Scope, t.Name, t.Qualifier)
	if err != nil {
		return nil, err
	}
	return resolved.Version, nil
}

func (p *platform) Resolve(_ context.Context, s function.Scope, name, qualifier string) (*function.Resolved, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.missing {
		return nil, &function.NotFoundError{Resource: name, Message: "Function not found"}
	}
	v := &function.Version{Account: s.Account, Region: s.Region, Name: name, Version: function.Latest, Timeout: p.timeout}
	return &function.Resolved{Version: v, InvokedARN: function.Target{Scope: s, Name: name, Qualifier: qualifier}.ARN()}, nil
}

func (p *platform) Invoke(_ context.Context, request *invoke.Request) (*invoke.Response, error) {
	var event struct{ Records []got }
	if err := json.Unmarshal(request.Payload, &event); err != nil {
		p.t.Errorf("the event is no JSON: %v", err)
	}
	c := &call{request: request, records: event.Records}
	p.mu.Lock()
	p.calls = append(p.calls, c)
	p.mu.Unlock()
	response, err := p.answer(c)
	p.mu.Lock()
	close(p.changed)
	p.changed = make(chan struct{})
	p.mu.Unlock()
	return response, err
}

func (p *platform) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

// made are the calls so far.
func (p *platform) made() []*call {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*call(nil), p.calls...)
}

// wait waits until ok holds for the calls so far.
func (p *platform) wait(what string, ok func(calls []*call) bool) []*call {
	p.t.Helper()
	deadline := time.After(patience)
	for {
		p.mu.Lock()
		calls, changed := append([]*call(nil), p.calls...), p.changed
		p.mu.Unlock()
		if ok(calls) {
			return calls
		}
		select {
		case <-changed:
		case <-time.After(10 * time.Millisecond): // calls that began
		case <-deadline:
			p.t.Fatalf("%s: %d calls so far", what, len(calls))
		}
	}
}

func succeed(*call) (*invoke.Response, error) {
	return &invoke.Response{Payload: []byte("null")}, nil
}

func failed() (*invoke.Response, error) {
	return &invoke.Response{Payload: []byte(`{}`), FunctionError: "Unhandled"}, nil
}

// bench is mappings over a real store and real queues.
type bench struct {
	*platform
	store    *localstore.Store
	queues   *counted
	mappings *Mappings
	stop     func()
	permit   func(ctx context.Context, roleARN, queueARN string) error
}

func newBench(t *testing.T, answer func(*call) (*invoke.Response, error)) *bench {
	t.Helper()
	state, err := localstore.Open(localstore.Config{Folder: filepath.Join(t.TempDir(), "store")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { state.Close() })
	b := &bench{store: state, platform: &platform{t: t, answer: answer, timeout: time.Second, changed: make(chan struct{})}}
	queues, err := queue.New(queue.Config{Store: state})
	if err != nil {
		t.Fatal(err)
	}
	b.queues = &counted{Queues: queues}
	b.run()
	return b
}

// run makes the mappings anew, as a restart does.
func (b *bench) run() {
	b.t.Helper()
	var err error
	b.mappings, err = New(Config{Store: b.store, Queues: b.queues, Functions: b.platform, Invoker: b.platform, Permit: b.permit})
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.mappings.Run(ctx) }() // ends when stop is called
	var once sync.Once
	b.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				b.t.Errorf("Run: %v", err)
			}
		})
	}
	b.t.Cleanup(b.stop)
}

func (b *bench) queue(name string, attributes map[string]string) queue.ID {
	b.t.Helper()
	id := named(name)
	if err := b.queues.Create(b.t.Context(), id, attributes, nil); err != nil {
		b.t.Fatal(err)
	}
	return id
}

func (b *bench) send(id queue.ID, messages ...queue.Message) {
	b.t.Helper()
	sent, err := b.queues.SendBatch(b.t.Context(), id, messages)
	for i := range sent {
		err = errors.Join(err, sent[i].Err)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// create makes a mapping and waits until it is enabled.
func (b *bench) create(id queue.ID, change func(*Settings)) *Mapping {
	b.t.Helper()
	s := Settings{Name: "foo", Enabled: true, BatchSize: DefaultBatchSize}
	if change != nil {
		change(&s)
	}
	made, err := b.mappings.Create(b.t.Context(), scope, id.ARN(), s, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	if made.State != Creating {
		b.t.Errorf("a new mapping is %s", made.State)
	}
	if s.Enabled {
		b.reach(made.UUID, Enabled)
	} else {
		b.reach(made.UUID, Disabled)
	}
	return made
}

// reach waits for a state; "" for the end of the mapping.
func (b *bench) reach(uuid string, state State) {
	b.t.Helper()
	changed, deadline := b.store.Watch(b.t.Context(), rowKey(scope, uuid)), time.After(patience)
	for {
		found, err := b.mappings.Get(b.t.Context(), scope, uuid)
		var gone *function.NotFoundError
		switch {
		case errors.As(err, &gone) && state == "":
			return
		case err != nil:
			b.t.Fatal(err)
		case found.State == state:
			return
		}
		select {
		case <-changed:
		case <-deadline:
			b.t.Fatalf("mapping %s is %s, wanted %q", uuid, found.State, state)
		}
	}
}

// counts waits until a queue has so many messages.
func (b *bench) counts(id queue.ID, want queue.Counts) {
	b.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		counts, err := b.queues.Count(b.t.Context(), id)
		if err != nil {
			b.t.Fatal(err)
		}
		if counts == want {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("the queue has %+v, wanted %+v", counts, want)
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-b.t.Context().Done():
		}
	}
}
