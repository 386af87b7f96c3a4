package engine

import (
	"context"
	"encoding/json"
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

	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/core/stack/plan"
	"github.com/lambkin-dev/lambkin/internal/core/stack/state"
	"github.com/lambkin-dev/lambkin/internal/core/template"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/localstore"
)

var here = state.Scope{Account: "111122223333", Region: "eu-west-1"}

// world has the resources that the fake types make.
type fakeWorld struct {
	mu     sync.Mutex
	things map[string]map[string]any // by physical id
	made   map[string]string         // token to physical id
	count  int
	calls  []string
	last   *stack.Request // of an update
	// waiting gets something when a resource waits for others.
	waiting chan struct{}
	// fail tells whether a call fails: "create A", "update A", "delete A".
	fail func(call string) error
}

func newWorld() *fakeWorld {
	return &fakeWorld{things: map[string]map[string]any{}, made: map[string]string{}, waiting: make(chan struct{}, 1)}
}

func (w *fakeWorld) failOn(calls ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fail = func(call string) error {
		if slices.Contains(calls, call) {
			return errors.New("it fails to " + call)
		}
		return nil
	}
}

func (w *fakeWorld) Type(name string) stack.Type {
	switch name {
	case "Test::Thing::One":
		return &fakeType{world: w, facts: &stack.Facts{Type: name, Updatable: true, Primary: []string{"Name"}, NameProperty: "Name", Tags: "Tags", Attributes: []string{"Arn"}, Properties: map[string]stack.Property{
			"Name": {Kinds: stack.Text, CreateOnly: true}, "Value": {Kinds: stack.Text}, "Fixed": {Kinds: stack.Text, CreateOnly: true}, "Tags": {Kinds: stack.List}, "Count": {Kinds: stack.Number}, "Other": {Kinds: stack.Text}}}}
	case "Test::Thing::Role":
		return &fakeType{world: w, facts: &stack.Facts{Type: name, Updatable: true, NameProperty: "Name", Capability: plan.CapabilityIAM, Properties: map[string]stack.Property{"Name": {Kinds: stack.Text, CreateOnly: true}}}}
	case plan.CustomType:
		return &fakeType{world: w, facts: &stack.Facts{Type: name, Updatable: true, OpenProperties: true, Attributes: []string{"*"}, Waits: true}}
	}
	return nil
}

func (w *fakeWorld) Names() []string { return []string{"Test::Thing::One", "Test::Thing::Role"} }

// values are the values of the things that are there, sorted.
func (w *fakeWorld) values() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []string
	for _, thing := range w.things {
		all = append(all, fmt.Sprint(thing["Value"]))
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

type fakeType struct {
	world *fakeWorld
	facts *stack.Facts
}

func (f *fakeType) Facts() *stack.Facts { return f.facts }

func (f *fakeType) call(ctx context.Context, what string, r *stack.Request) error {
	f.world.calls = append(f.world.calls, what+" "+r.LogicalID)
	if f.world.fail != nil {
		if err := f.world.fail(what + " " + r.LogicalID); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (f *fakeType) result(id string) *stack.Result {
	return &stack.Result{PhysicalID: id, Attributes: map[string]any{"Arn": "arn:" + id, "Value": f.world.things[id]["Value"]}, Hidden: f.world.things[id]["Hidden"] == true}
}

func (f *fakeType) Create(ctx context.Context, r *stack.Request) (*stack.Result, error) {
	if f.facts.Waits && r.Properties["WaitToCreate"] == true {
		<-ctx.Done() // nobody answers
		return nil, ctx.Err()
	}
	f.world.mu.Lock()
	defer f.world.mu.Unlock()
	id, again := f.world.made[r.Token]
	if err := f.call(ctx, "create", r); err != nil {
		if again { // as the contract wants it: what an earlier try has made is told
			return f.result(id), err
		}
		return nil, err
	}
	if again {
		return f.result(id), nil
	}
	f.world.count++
	id = fmt.Sprintf("%s-%d", r.LogicalID, f.world.count)
	f.world.made[r.Token], f.world.things[id] = id, state.Clone(r.Properties)
	return f.result(id), f.late("created", r)
}

// late fails after the work is done.
func (f *fakeType) late(what string, r *stack.Request) error {
	if f.world.fail == nil {
		return nil
	}
	return f.world.fail(what + " " + r.LogicalID)
}

func (f *fakeType) Update(ctx context.Context, r *stack.Request) (*stack.Result, error) {
	if f.facts.Waits && r.Properties["Wait"] == true {
		f.world.waiting <- struct{}{}
		<-ctx.Done() // nobody answers
		return nil, ctx.Err()
	}
	f.world.mu.Lock()
	defer f.world.mu.Unlock()
	f.world.last = r
	if err := f.call(ctx, "update", r); err != nil {
		return nil, err
	}
	if f.world.things[r.PhysicalID] == nil {
		return nil, errors.New("no such thing: " + r.PhysicalID)
	}
	return f.result(r.PhysicalID), errors.Join(f.change(r), f.late("updated", r))
}

// change brings a thing from what was to what is wanted, as the real types do it: by
// what differs, one property after the other. It may fail in between.
func (f *fakeType) change(r *stack.Request) error {
	thing := state.Clone(f.world.things[r.PhysicalID])
	defer func() { f.world.things[r.PhysicalID] = thing }()
	all := maps.Clone(r.Previous)
	if all == nil {
		all = m{}
	}
	maps.Copy(all, r.Properties)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		value, wanted := r.Properties[name]
		if !r.Again && state.Same(r.Previous[name], value) {
			continue
		}
		if thing[name] = value; !wanted {
			delete(thing, name)
		}
		if err := f.late("half", r); err != nil {
			return err
		}
	}
	return nil
}

func (f *fakeType) Delete(ctx context.Context, r *stack.Request) error {
	f.world.mu.Lock()
	defer f.world.mu.Unlock()
	if err := f.call(ctx, "delete", r); err != nil {
		return err
	}
	delete(f.world.things, r.PhysicalID)
	return nil
}

func (f *fakeType) Read(_ context.Context, r *stack.Request) (properties, attributes map[string]any, err error) {
	f.world.mu.Lock()
	defer f.world.mu.Unlock()
	thing := f.world.things[r.PhysicalID]
	if thing == nil {
		return nil, nil, stack.ErrAbsent
	}
	return state.Clone(thing), f.result(r.PhysicalID).Attributes, nil
}

// platform is an engine that runs.
type platform struct {
	*Engine
	t     *testing.T
	world *fakeWorld
	store store.Store
	stop  func()
}

func start(t *testing.T) *platform {
	t.Helper()
	return startIn(t, filepath.Join(t.TempDir(), "store"), newWorld(), nil)
}

// startIn begins to run an engine on a folder; wrap may put itself before the store.
func startIn(t *testing.T, folder string, world *fakeWorld, wrap func(store.Store) store.Store) *platform {
	t.Helper()
	opened, err := localstore.Open(localstore.Config{Folder: folder})
	if err != nil {
		t.Fatal(err)
	}
	var s store.Store = opened
	if wrap != nil {
		s = wrap(s)
	}
	engine, err := New(Config{Store: s, Secret: []byte("0123456789abcdef0123456789abcdef"), Types: world, Pause: time.Millisecond, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- engine.Run(ctx) }() // ends when ctx does
	var once sync.Once
	p := &platform{Engine: engine, t: t, world: world, store: s, stop: func() {
		once.Do(func() {
			cancel()
			<-ended
			opened.Close()
		})
	}}
	t.Cleanup(p.stop)
	return p
}

// text makes a template of resources.
func text(parts ...any) string {
	values := map[string]any{}
	for i := 0; i+1 < len(parts); i += 2 {
		values[parts[i].(string)] = parts[i+1]
	}
	out, err := json.Marshal(values)
	if err != nil {
		panic(err)
	}
	return string(out)
}

type m = map[string]any

// one is a resource of the fake type.
func one(properties m, more ...m) m {
	r := m{"Type": "Test::Thing::One", "Properties": properties}
	for _, other := range more {
		maps.Copy(r, other)
	}
	return r
}

func (p *platform) create(name string, in *Input) *state.Stack {
	p.t.Helper()
	s, err := p.Create(p.t.Context(), here, name, in)
	if err != nil {
		p.t.Fatal(err)
	}
	return p.wait(s.ARN())
}

func (p *platform) update(name string, in *Input) *state.Stack {
	p.t.Helper()
	if _, err := p.Update(p.t.Context(), here, name, in); err != nil {
		p.t.Fatal(err)
	}
	return p.wait(name)
}

func (p *platform) remove(name string, d *Deletion) *state.Stack {
	p.t.Helper()
	found, err := p.Describe(p.t.Context(), here, name)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.Engine.Delete(p.t.Context(), here, name, d); err != nil {
		p.t.Fatal(err)
	}
	return p.wait(found.ARN())
}

func (p *platform) wait(name string) *state.Stack {
	p.t.Helper()
	s, err := p.Wait(p.t.Context(), here, name)
	if err != nil {
		p.t.Fatal(err)
	}
	return s
}

// history are the events of a stack, the oldest first.
func (p *platform) history(name string) (lines []string) {
	p.t.Helper()
	_, events, _, err := p.Events(p.t.Context(), here, name, 0, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	slices.Reverse(events)
	for _, e := range events {
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %s %s", e.LogicalID, e.Status, e.Reason)))
	}
	return lines
}

func given(pairs ...string) map[string]template.Input {
	all := map[string]template.Input{}
	for i := 0; i+1 < len(pairs); i += 2 {
		all[pairs[i]] = template.Input{Value: pairs[i+1]}
	}
	return all
}
