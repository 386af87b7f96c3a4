package control

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/core/stack/state"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/hold"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// poll is how often Run looks even without a hint.
const poll = 5 * time.Second

// errCancelled ends the context of a request that the user has cancelled.
var errCancelled = errors.New("the request was cancelled")

// Run works on requests until ctx ends. What is under way then goes on when Run
// runs again, here or in another process.
func (c *Control) Run(ctx context.Context) error {
	return hold.Run(ctx, hold.Config{Store: c.config.Store, Logger: c.config.Logger, Name: "cloudcontrol"}, func(ctx context.Context, lease store.Lease) error {
		group := &errgroup.Group{}
		for ctx.Err() == nil {
			if err := c.begin(ctx, lease, group); err != nil && ctx.Err() == nil {
				c.config.Logger.Error("requests of Cloud Control wait", "err", err)
			}
			clock.Wait(ctx, c.config.Clock, c.wake, poll)
		}
		return group.Wait() // it returns no error: what became of a request is in its row
	})
}

// begin starts to work on each request that waits for it and finds room.
func (c *Control) begin(ctx context.Context, lease store.Lease, group *errgroup.Group) error {
	if err := c.forget(ctx, lease); err != nil {
		return err
	}
	lo, hi := tuple.Range(state.Space, workRows)
	return c.records.View(ctx, func(snap store.Snap) error {
		return store.Each(snap, lo, hi, func(entry *store.Entry) (bool, error) {
			parts, err := tuple.Parse(entry.Key)
			if err != nil || len(parts) != 5 {
				return false, fmt.Errorf("%w: a row of work: %w", state.ErrCorrupt, err)
			}
			s, token := state.Scope{Account: parts[2].(string), Region: parts[3].(string)}, parts[4].(string)
			called, stop := context.WithCancelCause(ctx)
			if !c.room(token, stop) {
				stop(nil)
				return true, nil
			}
			group.Go(func() error { // ends with the request
				defer c.done(token)
				defer stop(nil)
				if err := c.work(called, lease, s, token); err != nil && ctx.Err() == nil {
					c.config.Logger.Error("a request of Cloud Control waits", "token", token, "err", err)
					_ = c.config.Clock.Sleep(ctx, poll) // the only error is ctx's
				}
				return nil
			})
			return true, nil
		})
	})
}

// room takes a place for a request; false if it must wait or is worked on already.
func (c *Control) room(token string, stop context.CancelCauseFunc) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running[token] != nil || len(c.running) >= maxRunning {
		return false
	}
	c.running[token] = stop
	return true
}

func (c *Control) done(token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.running, token)
	close(c.ended)
	c.ended = make(chan struct{})
	c.awake()
}

// work brings a request to its end.
func (c *Control) work(ctx context.Context, lease store.Lease, s state.Scope, token string) error {
	again := false
	r, err := c.change(ctx, lease, s, token, func(r *Request, _ *store.Batch) bool {
		again, r.Tried = r.Tried, true
		return !again && r.Status == InProgress
	})
	var gone *Error
	switch {
	case errors.As(err, &gone): // ended by another process, which died before it had told so
		_, err = c.config.Store.Commit(context.WithoutCancel(ctx), &store.Batch{Deletes: [][]byte{workKey(s, token)}, Checks: []store.Check{lease.Fence()}})
		return err
	case err != nil:
		return err
	case r.Status == Cancelling:
		r.Status = Cancelled
		return c.end(ctx, lease, r)
	case r.Status.ended():
		return nil // its row of work went with its end
	}
	handler := map[Operation]string{Create: "create", Update: "update", Delete: "delete"}[r.Operation]
	t, err := c.kind(r.Type, handler)
	if err == nil {
		bounded, cancel := context.WithTimeout(ctx, timeout(t))
		err = c.carry(bounded, t, r, again)
		cancel()
	}
	var refusal *Error
	switch {
	case err == nil:
		r.Status = Success
	case context.Cause(ctx) == errCancelled:
		r.Status = Cancelled
	case ctx.Err() != nil:
		return ctx.Err() // the process ends; the request goes on later
	case errors.As(err, &refusal):
		r.Status, r.Code, r.Message = Failed, "InvalidRequest", refusal.Message
	default:
		var ours bool
		r.Status = Failed
		if r.Code, r.Message, ours = t.why(err, r.Identifier); !ours {
			c.config.Logger.Error("a request of Cloud Control failed", "token", token, "type", r.Type, "err", err)
		}
	}
	return c.end(ctx, lease, r)
}

func timeout(t stack.Type) time.Duration {
	if given := t.Facts().Timeout; given > 0 {
		return given
	}
	return stack.DefaultTimeout
}

// end writes what has become of a request.
func (c *Control) end(ctx context.Context, lease store.Lease, r *Request) error {
	_, err := c.change(context.WithoutCancel(ctx), lease, r.Scope, r.Token, func(row *Request, b *store.Batch) bool {
		row.Status, row.Code, row.Message, row.Model = r.Status, r.Code, r.Message, r.Model
		if row.Operation == Create {
			row.Identifier = r.Identifier
		} else {
			b.Deletes = append(b.Deletes, lockKey(row.Scope, row.Type, row.Identifier))
		}
		row.Desired, row.Previous = nil, nil
		b.Deletes = append(b.Deletes, workKey(row.Scope, row.Token))
		b.Puts = append(b.Puts, store.KV{Key: goneKey(c.config.Clock.Now().Add(kept).UTC(), row.Scope, row.Token), Value: []byte{}})
		return true
	})
	return err
}

// carry calls the type. It fills in what is known of the resource.
func (c *Control) carry(ctx context.Context, t *handled, r *Request, again bool) error {
	in := request(r.Scope, r.Caller, r.Type, "", state.Clone(r.Desired))
	in.Token, in.Name, in.Again = r.Token, r.Name, again
	var result *stack.Result
	var err error
	switch r.Operation {
	case Create:
		result, err = t.Create(ctx, in)
		if result != nil && result.PhysicalID != "" { // also what is there of one that failed: it is the user's to delete
			r.Identifier = t.identifier(result.PhysicalID, r.Desired, result.Attributes)
		}
	case Update:
		var located map[string]any
		if in.PhysicalID, located, err = t.located(r.Identifier); err != nil {
			return err
		}
		in.Previous = state.Clone(r.Previous)
		for name, value := range located {
			if t.schema.Properties[name] != nil && in.Properties[name] == nil {
				in.Properties[name], in.Previous[name] = value, value
			}
		}
		result, err = t.Update(ctx, in)
	case Delete:
		return c.remove(ctx, t, r, in)
	}
	if err != nil {
		return err
	}
	if _, readable := t.schema.Handlers["read"]; !readable {
		return nil
	}
	physical, properties, err := t.located(r.Identifier)
	if err != nil {
		return err
	}
	after := request(r.Scope, r.Caller, r.Type, physical, properties)
	if result != nil {
		after.Attributes = result.Attributes
	}
	if model, err := t.model(ctx, after); err == nil { // it is made, whether it can be shown or not
		r.Model = state.JSON(model)
	}
	return nil
}

// remove deletes a resource that is there.
func (c *Control) remove(ctx context.Context, t *handled, r *Request, in *stack.Request) error {
	physical, properties, err := t.located(r.Identifier)
	if err != nil {
		return err
	}
	in.PhysicalID, in.Properties = physical, properties
	if _, readable := t.schema.Handlers["read"]; readable {
		model, err := t.model(ctx, in)
		switch {
		case errors.Is(err, stack.ErrAbsent) && in.Again:
			return nil
		case err != nil:
			return err
		}
		in.Properties = model
	}
	return t.Delete(ctx, in)
}

// forget removes requests that ended long ago.
func (c *Control) forget(ctx context.Context, lease store.Lease) error {
	lo, _ := tuple.Range(state.Space, goneRows)
	hi := tuple.Key(state.Space, goneRows, c.config.Clock.Now().UTC())
	var rows [][]any
	err := c.records.View(ctx, func(snap store.Snap) error {
		return store.Each(snap, lo, hi, func(entry *store.Entry) (bool, error) {
			parts, err := tuple.Parse(entry.Key)
			if err != nil || len(parts) != 6 {
				return false, fmt.Errorf("%w: a row of an old request: %w", state.ErrCorrupt, err)
			}
			rows = append(rows, parts)
			return len(rows) < maxRunning, nil
		})
	})
	for _, parts := range rows {
		if err == nil {
			err = c.drop(ctx, lease, parts[2].(time.Time), state.Scope{Account: parts[3].(string), Region: parts[4].(string)}, parts[5].(string))
		}
	}
	return err
}

func (c *Control) drop(ctx context.Context, lease store.Lease, at time.Time, s state.Scope, token string) error {
	return store.Change(ctx, c.config.Store, func(snap store.Snap) (*store.Batch, error) {
		b := &store.Batch{Checks: []store.Check{lease.Fence()}, Deletes: [][]byte{goneKey(at, s, token)}}
		r := &Request{}
		p, err := c.records.Get(snap, requestKey(s, token), r)
		if errors.Is(err, store.ErrNotFound) {
			return b, nil
		} else if err != nil {
			return nil, err
		}
		c.records.Drop(b, requestKey(s, token), p)
		var named string
		key := clientKey(s, r.Client)
		if p, err := c.records.Get(snap, key, &named); err == nil && named == token {
			b.Checks = append(b.Checks, p.Check(key))
			c.records.Drop(b, key, p)
		}
		return b, nil
	})
}

func newToken(token string) string {
	if token == "" {
		return ids.UUID()
	}
	return token
}
