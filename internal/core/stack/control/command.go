package control

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/base/jsonpatch"
	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/core/stack/plan"
	"github.com/lambkin-dev/lambkin/internal/core/stack/state"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// Input is what the operations share.
type Input struct {
	state.Scope
	Caller            stack.Caller
	Type              string
	Role, ClientToken string
	Identifier        string // of Update, Delete and Get
	Desired, Patch    string // of Create, of Update
	Model             string // of List
	After             string // of List: the token of a page
	Max               int
	Operations        []string // of Requests
	Statuses          []string
}

// acts is the caller, or the role that acts for it.
func (c *Control) acts(ctx context.Context, in *Input) (stack.Caller, error) {
	if in.Role == "" || c.config.Role == nil {
		return in.Caller, nil
	}
	who, err := c.config.Role(ctx, in.Scope, in.Role)
	if err != nil {
		return who, refuse(Validation, "Role %s cannot be assumed: %v", in.Role, err)
	}
	who.Endpoint = in.Caller.Endpoint
	return who, nil
}

// Create begins to make a resource.
func (c *Control) Create(ctx context.Context, in *Input) (*Request, error) {
	t, err := c.kind(in.Type, "create")
	if err != nil {
		return nil, err
	}
	desired, err := object(in.Desired)
	if err != nil {
		return nil, refuse(Validation, "The desired state is no JSON object: %v", err)
	}
	if err := t.check(desired, nil); err != nil {
		return nil, err
	}
	short := in.Type[strings.LastIndexByte(in.Type, ':')+1:]
	return c.accept(ctx, in, &Request{Operation: Create, Desired: desired, Name: plan.MakeName(t, "resource", short)}, in.Desired)
}

// Update begins to change a resource as a patch says.
func (c *Control) Update(ctx context.Context, in *Input) (*Request, error) {
	t, err := c.kind(in.Type, "update")
	if err != nil {
		return nil, err
	}
	if known, err := c.known(ctx, in, Update, in.Patch); known != nil || err != nil {
		return known, err
	}
	was, err := c.read(ctx, t, in)
	if err != nil {
		return nil, err
	}
	changed, err := jsonpatch.Apply(was, []byte(in.Patch))
	if err != nil {
		return nil, refuse(Validation, "Invalid patch update: %v", err)
	}
	desired, ok := changed.(map[string]any)
	if !ok {
		return nil, refuse(Validation, "Invalid patch update: the result is no JSON object")
	}
	if err := t.changeable(was, desired); err != nil {
		return nil, err
	}
	for _, name := range t.schema.ReadOnly() { // they are not the user's to set
		if top, _, within := strings.Cut(name, "/"); !within {
			delete(desired, top)
			delete(was, top)
		}
	}
	unknown := []string{}
	for _, name := range t.schema.WriteOnly() {
		unknown = append(unknown, strings.Split(name, "/")[0])
	}
	if err := t.check(desired, unknown); err != nil {
		return nil, err
	}
	return c.accept(ctx, in, &Request{Operation: Update, Identifier: in.Identifier, Desired: desired, Previous: was}, in.Patch)
}

// changeable refuses a patch of what cannot be changed.
func (t *handled) changeable(was, desired map[string]any) error {
	changed := func(listed []string) (found []string) {
		for _, name := range listed {
			if parts := strings.Split(name, "/"); !same(within(was, parts), within(desired, parts)) {
				found = append(found, "/properties/"+name)
			}
		}
		return found
	}
	if found := changed(t.schema.ReadOnly()); len(found) > 0 {
		return refuse(Validation, "Invalid patch update: readOnlyProperties [%s] cannot be updated", strings.Join(found, ", "))
	}
	fixed := t.schema.CreateOnly()
	for name, p := range t.Facts().Properties { // what is so here
		if p.CreateOnly && !slices.Contains(fixed, name) {
			fixed = append(fixed, name)
		}
	}
	if found := changed(fixed); len(found) > 0 {
		slices.Sort(found)
		return refuse(NotUpdatable, "Invalid patch update: createOnlyProperties [%s] cannot be updated", strings.Join(found, ", "))
	}
	return nil
}

// Delete begins to remove a resource.
func (c *Control) Delete(ctx context.Context, in *Input) (*Request, error) {
	t, err := c.kind(in.Type, "delete")
	if err != nil {
		return nil, err
	}
	if _, _, err := t.located(in.Identifier); err != nil {
		return nil, err
	}
	return c.accept(ctx, in, &Request{Operation: Delete, Identifier: in.Identifier}, "")
}

// digest is what a client token stands for.
func digest(in *Input, o Operation, what string) string {
	sum := sha256.New()
	for _, part := range []string{string(o), in.Type, in.Identifier, in.Role, what} {
		sum.Write([]byte(part))
		sum.Write([]byte{0})
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// known is the request that a client token names already.
func (c *Control) known(ctx context.Context, in *Input, o Operation, what string) (found *Request, err error) {
	err = c.records.View(ctx, func(snap store.Snap) error {
		found, _, err = c.byClient(snap, in, digest(in, o, what))
		return err
	})
	return found, err
}

func (c *Control) byClient(snap store.Snap, in *Input, digest string) (*Request, state.Place, error) {
	if in.ClientToken == "" {
		return nil, state.Place{}, nil
	}
	var token string
	p, err := c.records.Get(snap, clientKey(in.Scope, in.ClientToken), &token)
	if errors.Is(err, store.ErrNotFound) {
		return nil, p, nil
	} else if err != nil {
		return nil, p, err
	}
	r := &Request{}
	switch _, err := c.records.Get(snap, requestKey(in.Scope, token), r); {
	case errors.Is(err, store.ErrNotFound):
		return nil, p, nil
	case err != nil:
		return nil, p, err
	case r.Status.ended() && c.config.Clock.Now().Sub(r.Time) > tokenLife:
		return nil, p, nil
	case r.Digest != digest:
		return nil, p, refuse(ClientTokenConflict, "Client token %s was used for another request.", in.ClientToken)
	}
	return r, p, nil
}

// accept writes a request, which begins with it.
func (c *Control) accept(ctx context.Context, in *Input, r *Request, what string) (*Request, error) {
	who, err := c.acts(ctx, in)
	if err != nil {
		return nil, err
	}
	r.Scope, r.Token, r.Type, r.Status, r.Time = in.Scope, ids.UUID(), in.Type, InProgress, c.config.Clock.Now().UTC()
	r.Client, r.Digest, r.Caller = in.ClientToken, digest(in, r.Operation, what), who
	accepted := r
	err = store.Change(ctx, c.config.Store, func(snap store.Snap) (*store.Batch, error) {
		known, p, err := c.byClient(snap, in, r.Digest)
		if known != nil || err != nil {
			accepted = known
			return nil, err
		}
		b := &store.Batch{Puts: []store.KV{{Key: workKey(r.Scope, r.Token), Value: []byte{}}}}
		if in.ClientToken != "" {
			key := clientKey(in.Scope, in.ClientToken)
			b.Checks = append(b.Checks, p.Check(key))
			if _, err := c.records.Put(b, key, p, r.Token); err != nil {
				return nil, err
			}
		}
		if r.Identifier != "" {
			key := lockKey(in.Scope, in.Type, r.Identifier)
			if _, _, err := snap.Get(key); err == nil {
				return nil, refuse(ConcurrentOperation, "Another operation on resource of type '%s' with identifier '%s' is in progress.", in.Type, r.Identifier)
			} else if !errors.Is(err, store.ErrNotFound) {
				return nil, err
			}
			b.Checks = append(b.Checks, store.Absent(key))
			b.Puts = append(b.Puts, store.KV{Key: key, Value: []byte(r.Token)})
		}
		lo, hi := in.Rows("control", "request")
		if many, err := snap.Scan(lo, hi, maxPending, false); err != nil || len(many) == maxPending {
			return nil, errors.Join(err, refuse(Throttling, "There are %d requests already.", maxPending))
		}
		_, err = c.records.Put(b, requestKey(r.Scope, r.Token), state.Place{}, r)
		return b, err
	})
	if err != nil {
		return nil, err
	}
	c.awake()
	return accepted, nil
}

// awake lets Run look for new work at once.
func (c *Control) awake() {
	select {
	case c.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// Cancel ends a request before its time, if it can still be.
func (c *Control) Cancel(ctx context.Context, s state.Scope, token string) (*Request, error) {
	changed, err := c.change(ctx, nil, s, token, func(r *Request, _ *store.Batch) bool {
		if r.Status != Pending && r.Status != InProgress {
			return false
		}
		r.Status = Cancelling
		return true
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	if stop := c.running[token]; err == nil && stop != nil && changed.Status == Cancelling {
		stop(errCancelled)
	}
	return changed, err
}

// change rewrites a request, unless it shall stay.
func (c *Control) change(ctx context.Context, lease store.Lease, s state.Scope, token string, change func(r *Request, b *store.Batch) bool) (*Request, error) {
	var r *Request
	err := store.Change(ctx, c.config.Store, func(snap store.Snap) (*store.Batch, error) {
		r = &Request{}
		key := requestKey(s, token)
		p, err := c.records.Get(snap, key, r)
		if errors.Is(err, store.ErrNotFound) {
			return nil, refuse(RequestNotFound, "Request with token %s was not found", token)
		} else if err != nil {
			return nil, err
		}
		b := &store.Batch{Checks: []store.Check{p.Check(key)}}
		if lease != nil {
			b.Checks = append(b.Checks, lease.Fence())
		}
		if !change(r, b) {
			return nil, nil
		}
		r.Time = c.config.Clock.Now().UTC()
		_, err = c.records.Put(b, key, p, r)
		return b, err
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Status tells of a request. It waits for a moment if the end is near: clients ask
// every few seconds, and most requests are done in milliseconds.
func (c *Control) Status(ctx context.Context, s state.Scope, token string) (*Request, error) {
	late := time.NewTimer(settleTime)
	defer late.Stop()
	for {
		c.mu.Lock()
		ended := c.ended
		c.mu.Unlock()
		r, err := c.change(ctx, nil, s, token, func(*Request, *store.Batch) bool { return false })
		if err != nil || r.Status.ended() {
			return r, err
		}
		select {
		case <-ended:
		case <-late.C:
			return r, nil
		case <-ctx.Done():
			return r, ctx.Err()
		}
	}
}

// Requests are a page of those that are known, the newest first.
func (c *Control) Requests(ctx context.Context, in *Input) (page []*Request, next string, err error) {
	var all []*Request
	lo, hi := in.Rows("control", "request")
	err = c.records.View(ctx, func(snap store.Snap) error {
		return state.Each(c.records, snap, lo, hi, func(_ []byte, _ state.Place, r *Request) (bool, error) {
			if (len(in.Operations) == 0 || slices.Contains(in.Operations, string(r.Operation))) && (len(in.Statuses) == 0 || slices.Contains(in.Statuses, string(r.Status))) {
				r.Desired, r.Previous = nil, nil
				all = append(all, r)
			}
			return true, nil
		})
	})
	slices.SortFunc(all, func(a, b *Request) int {
		if by := b.Time.Compare(a.Time); by != 0 {
			return by
		}
		return strings.Compare(a.Token, b.Token)
	})
	page, next = paged(all, in, func(r *Request) string { return r.Token })
	return page, next, err
}

// paged cuts a list; the token of a page is the name of what the page before ended with.
func paged[T any](all []T, in *Input, name func(T) string) (page []T, next string) {
	if in.After != "" {
		at := slices.IndexFunc(all, func(one T) bool { return name(one) == in.After })
		all = all[at+1:] // what is gone since begins again
	}
	most := in.Max
	if most <= 0 {
		most = defaultPage
	}
	if len(all) > most {
		return all[:most], name(all[most-1])
	}
	return all, ""
}

// object reads a JSON object.
func object(text string) (map[string]any, error) {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var v map[string]any
	if err := decoder.Decode(&v); err != nil {
		return nil, err
	}
	if v == nil || decoder.More() {
		return nil, errors.New("something else was found")
	}
	return v, nil
}
