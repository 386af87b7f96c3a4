package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/core/stack/state"
	"github.com/lambkin-dev/lambkin/internal/engine/store/localstore"
)

// groups is AWS::Logs::LogGroup, in memory.
type groups struct {
	mu     sync.Mutex
	have   map[string]map[string]any
	calls  []string
	wait   chan struct{} // Create waits for it, or for the end of its context; nil: not at all
	begun  chan struct{} // Create says that it is there
	refuse error
}

func newGroups() *groups {
	return &groups{have: map[string]map[string]any{}, begun: make(chan struct{}, 100)}
}

func (g *groups) Facts() *stack.Facts {
	return &stack.Facts{Type: logGroup, Primary: []string{"LogGroupName"}, Attributes: []string{"Arn"}, Updatable: true, Properties: map[string]stack.Property{
		"LogGroupName": {CreateOnly: true}, "RetentionInDays": {}, "Tags": {}, "LogGroupClass": {}, "KmsKeyId": {Refused: "there is no KMS service"}}}
}

type handlerError struct{ code string }

func (e handlerError) Error() string             { return e.code }
func (e handlerError) Handler() (string, string) { return e.code, "it is so" }

func (g *groups) called(format string, args ...any) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.calls = append(g.calls, fmt.Sprintf(format, args...))
}

func (g *groups) Create(ctx context.Context, r *stack.Request) (*stack.Result, error) {
	name, _ := r.Properties["LogGroupName"].(string)
	if name == "" {
		name = r.Name
	}
	g.called("create %s again=%t", name, r.Again)
	g.begun <- struct{}{}
	if g.wait != nil {
		select {
		case <-g.wait:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if g.refuse != nil {
		return nil, g.refuse
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.have[name] = maps.Clone(r.Properties)
	return &stack.Result{PhysicalID: name, Attributes: map[string]any{"Arn": "arn:" + name}}, nil
}

func (g *groups) Update(_ context.Context, r *stack.Request) (*stack.Result, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.have[r.PhysicalID] = maps.Clone(r.Properties)
	return &stack.Result{PhysicalID: r.PhysicalID}, nil
}

func (g *groups) Delete(_ context.Context, r *stack.Request) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.have, r.PhysicalID)
	return nil
}

func (g *groups) Read(_ context.Context, r *stack.Request) (properties, attributes map[string]any, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	found := g.have[r.PhysicalID]
	if found == nil {
		return nil, nil, stack.ErrAbsent
	}
	return maps.Clone(found), map[string]any{"Arn": "arn:" + r.PhysicalID}, nil
}

func (g *groups) Handles(string) bool { return true }

func (g *groups) Locate(parts map[string]string) (string, map[string]any) {
	return parts["LogGroupName"], map[string]any{"LogGroupName": parts["LogGroupName"]}
}

func (g *groups) Identify(physical string, _, _ map[string]any) map[string]string {
	return map[string]string{"LogGroupName": physical}
}

func (g *groups) List(context.Context, *stack.Request) (all []map[string]string, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, name := range []string{"a", "b", "c"} {
		if g.have[name] != nil {
			all = append(all, map[string]string{"LogGroupName": name})
		}
	}
	return all, nil
}

const logGroup = "AWS::Logs::LogGroup"

var here = state.Scope{Account: "111122223333", Region: "eu-west-1"}

// bench is a Control over a store of its own.
type bench struct {
	*Control
	t     *testing.T
	types *groups
	store *localstore.Store
}

func newBench(t *testing.T) *bench {
	t.Helper()
	store, err := localstore.Open(localstore.Config{Folder: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	b := &bench{t: t, types: newGroups(), store: store}
	b.open()
	return b
}

func (b *bench) open() {
	b.t.Helper()
	c, err := New(Config{Store: b.store, Secret: []byte(strings.Repeat("s", 32)), Types: stack.Table{logGroup: b.types}})
	if err != nil {
		b.t.Fatal(err)
	}
	b.Control = c
}

// run works until stop is called.
func (b *bench) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }() // ends with stop
	return sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			b.t.Errorf("Run: %v", err)
		}
	})
}

func (b *bench) ended(r *Request, err error) *Request {
	b.t.Helper()
	for deadline := time.Now().Add(time.Minute); err == nil && !r.Status.ended() && time.Now().Before(deadline); {
		r, err = b.Status(b.t.Context(), here, r.Token)
	}
	if err != nil || !r.Status.ended() {
		b.t.Fatalf("%+v, %v", r, err)
	}
	return r
}

func in(identifier, what string) *Input {
	return &Input{Scope: here, Type: logGroup, Identifier: identifier, Desired: what, Patch: what}
}

func (b *bench) wants(code Code, text string, err error) {
	b.t.Helper()
	var refusal *Error
	if !errors.As(err, &refusal) || refusal.Code != code || !strings.Contains(refusal.Message, text) {
		b.t.Errorf("%v, want %s: …%s…", err, code, text)
	}
}

func TestTheLifeOfAResource(t *testing.T) {
	b := newBench(t)
	defer b.run()()
	r := b.ended(b.Create(t.Context(), in("", `{"LogGroupName":"a","RetentionInDays":7}`)))
	if r.Status != Success || r.Identifier != "a" || r.Model != `{"Arn":"arn:a","LogGroupName":"a","RetentionInDays":7}` {
		t.Errorf("%+v", r)
	}
	r = b.ended(b.Update(t.Context(), in("a", `[{"op":"replace","path":"/RetentionInDays","value":14},{"op":"add","path":"/Tags","value":[{"Key":"k","Value":"v"}]}]`)))
	want := `{"Arn":"arn:a","LogGroupName":"a","RetentionInDays":14,"Tags":[{"Key":"k","Value":"v"}]}`
	if r.Status != Success || r.Model != want {
		t.Errorf("%+v", r)
	}
	if d, err := b.Get(t.Context(), in(`{"LogGroupName":"a"}`, "")); err != nil || d.Properties != want {
		t.Errorf("%+v, %v", d, err)
	}
	if r := b.ended(b.Delete(t.Context(), in("a", ""))); r.Status != Success || r.Identifier != "a" {
		t.Errorf("%+v", r)
	}
	if r := b.ended(b.Delete(t.Context(), in("a", ""))); r.Status != Failed || r.Code != "NotFound" || r.Message != "Resource of type 'AWS::Logs::LogGroup' with identifier 'a' was not found." {
		t.Errorf("%+v", r)
	}
	_, err := b.Get(t.Context(), in("a", ""))
	b.wants(NotFound, "AWS::Logs::LogGroup Handler returned status FAILED: Resource of type 'AWS::Logs::LogGroup' with identifier 'a' was not found. (HandlerErrorCode: NotFound, RequestToken: ", err)
	filter := in("", "")
	filter.Operations, filter.Statuses = []string{"DELETE"}, []string{"FAILED"}
	if found, _, err := b.Requests(t.Context(), filter); err != nil || len(found) != 1 || found[0].Code != "NotFound" {
		t.Errorf("%+v, %v", found, err)
	}
}

func TestListsHavePages(t *testing.T) {
	b := newBench(t)
	defer b.run()()
	for _, name := range []string{"a", "b", "c"} {
		b.ended(b.Create(t.Context(), in("", `{"LogGroupName":"`+name+`"}`)))
	}
	page := in("", "")
	page.Max = 2
	first, next, err := b.List(t.Context(), page)
	page.After = next
	second, last, err2 := b.List(t.Context(), page)
	if err != nil || err2 != nil || len(first) != 2 || len(second) != 1 || second[0].Properties != `{"LogGroupName":"c"}` || last != "" {
		t.Errorf("%v %v, %v %v", first, second, err, err2)
	}
}

func TestRefusals(t *testing.T) {
	b := newBench(t)
	defer b.run()()
	b.ended(b.Create(t.Context(), in("", `{"LogGroupName":"a"}`)))
	other := in("a", "{}")
	other.Type = "AWS::Logs::Nothing"
	_, err := b.Create(t.Context(), other)
	b.wants(TypeNotFound, "The type 'AWS::Logs::Nothing' cannot be found.", err)
	for what, want := range map[string]string{
		`{"Name":"x"}`:            "Model validation failed (#: extraneous key [Name] is not permitted)",
		`{"RetentionInDays":"x"}`: "Model validation failed (#/RetentionInDays: expected type: Number, found: String)",
		`{"Arn":"x"}`:             "extraneous key [Arn]",
		`{"KmsKeyId":"arn:aws:kms:eu-west-1:111122223333:key/1"}`: "there is no KMS service",
		`[]`: "no JSON object",
	} {
		_, err := b.Create(t.Context(), in("", what))
		b.wants(Validation, want, err)
	}
	// As it is reported: https://github.com/carina-rs/carina/issues/806
	_, err = b.Update(t.Context(), in("a", `[{"op":"add","path":"/Arn","value":"x"}]`))
	b.wants(Validation, "Invalid patch update: readOnlyProperties [/properties/Arn] cannot be updated", err)
	_, err = b.Update(t.Context(), in("a", `[{"op":"replace","path":"/LogGroupName","value":"x"}]`))
	b.wants(NotUpdatable, "Invalid patch update: createOnlyProperties [/properties/LogGroupName] cannot be updated", err)
	_, err = b.Update(t.Context(), in("a", `[{"op":"replace","path":"/Tags","value":[]}]`))
	b.wants(Validation, "Invalid patch update: ", err)
	_, err = b.Update(t.Context(), in("none", `[]`))
	b.wants(NotFound, "was not found", err)
	_, err = b.Status(t.Context(), here, "none")
	b.wants(RequestNotFound, "Request with token none was not found", err)
	b.types.refuse = handlerError{"AlreadyExists"}
	if r := b.ended(b.Create(t.Context(), in("", `{"LogGroupName":"a"}`))); r.Status != Failed || r.Code != "AlreadyExists" || r.Message != "it is so" {
		t.Errorf("%+v", r)
	}
	b.types.refuse = errors.New("the disk broke")
	if r := b.ended(b.Create(t.Context(), in("", `{"LogGroupName":"b"}`))); r.Code != "InternalFailure" || strings.Contains(r.Message, "disk") {
		t.Errorf("%+v", r)
	}
}

func TestAClientTokenNamesOneRequest(t *testing.T) {
	b := newBench(t)
	defer b.run()()
	asked := in("", `{"LogGroupName":"a"}`)
	asked.ClientToken = "mine"
	first := b.ended(b.Create(t.Context(), asked))
	again, err := b.Create(t.Context(), asked)
	if err != nil || again.Token != first.Token || again.Status != Success {
		t.Errorf("%+v, %v", again, err)
	}
	asked.Desired = `{"LogGroupName":"b"}`
	_, err = b.Create(t.Context(), asked)
	b.wants(ClientTokenConflict, "mine", err)
}

func TestOneOfTwoChangesIsRefused(t *testing.T) {
	b := newBench(t)
	stop := b.run()
	b.ended(b.Create(t.Context(), in("", `{"LogGroupName":"a"}`)))
	stop() // what is accepted now waits
	first, err := b.Delete(t.Context(), in("a", ""))
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.Update(t.Context(), in("a", `[]`))
	b.wants(ConcurrentOperation, "'a'", err)
	defer b.run()()
	b.ended(first, nil)
	if r := b.ended(b.Delete(t.Context(), in("a", ""))); r.Code != "NotFound" {
		t.Errorf("the lock was not given back: %+v", r)
	}
}

func TestARequestGoesOnAfterACrash(t *testing.T) {
	b := newBench(t)
	b.types.wait = make(chan struct{})
	stop := b.run()
	r, err := b.Create(t.Context(), in("", `{"LogGroupName":"a"}`))
	if err != nil {
		t.Fatal(err)
	}
	<-b.types.begun
	stop()
	b.open()
	close(b.types.wait)
	defer b.run()()
	if r = b.ended(r, nil); r.Status != Success || r.Identifier != "a" {
		t.Errorf("%+v", r)
	}
	b.types.mu.Lock()
	defer b.types.mu.Unlock()
	if got := strings.Join(b.types.calls, ", "); got != "create a again=false, create a again=true" {
		t.Errorf("the type was called: %s", got)
	}
}

func TestCancel(t *testing.T) {
	b := newBench(t)
	b.types.wait = make(chan struct{})
	defer b.run()()
	r, err := b.Create(t.Context(), in("", `{"LogGroupName":"a"}`))
	if err != nil {
		t.Fatal(err)
	}
	<-b.types.begun
	r = b.ended(b.Cancel(t.Context(), here, r.Token))
	if r.Status != Cancelled {
		t.Errorf("%+v", r)
	}
	if again, err := b.Cancel(t.Context(), here, r.Token); err != nil || again.Status != Cancelled {
		t.Errorf("a request that has ended: %+v, %v", again, err)
	}
}

func FuzzModels(f *testing.F) {
	f.Add(`{"LogGroupName":"a"}`, `[{"op":"add","path":"/Tags","value":[]}]`, `{"LogGroupName":"a"}`)
	f.Fuzz(func(t *testing.T, desired, patch, identifier string) {
		c, err := New(Config{Store: &localstore.Store{}, Secret: []byte(strings.Repeat("s", 32)), Types: stack.Table{logGroup: newGroups()}})
		if err != nil {
			t.Fatal(err)
		}
		k, err := c.kind(logGroup, "create")
		if err != nil {
			t.Fatal(err)
		}
		if model, err := object(desired); err == nil {
			_ = k.check(model, nil)
			if _, err := json.Marshal(k.schema.Shaped(model)); err != nil {
				t.Error(err)
			}
		}
		if _, properties, err := k.located(identifier); err == nil && properties["LogGroupName"] == "" {
			t.Errorf("%q names nothing and was taken", identifier)
		}
	})
}
