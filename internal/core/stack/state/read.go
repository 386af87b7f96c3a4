package state

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/core/stack"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// pageSize is how many stacks, events or resources an answer holds.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ListStackResources.html
const pageSize = 100

// Describe finds one stack.
func (e *Records) Describe(ctx context.Context, s Scope, name string) (found *Stack, err error) {
	err = e.View(ctx, func(snap store.Snap) error {
		found, err = e.Find(snap, s, name)
		return err
	})
	return found, err
}

// List has a page of the stacks that match, in the order of their ids; the deleted
// ones of the last 90 days too. Next is where the next page begins.
func (e *Records) List(ctx context.Context, s Scope, after string, matches func(*Stack) bool) (page []*Stack, next string, err error) {
	lo, hi := s.Rows("stack")
	if after != "" {
		lo = append(s.StackKey(after), 0)
	}
	err = e.View(ctx, func(snap store.Snap) error {
		return Each(e, snap, lo, hi, func(_ []byte, _ Place, found *Stack) (bool, error) {
			if !matches(found) {
				return true, nil
			}
			if len(page) == pageSize {
				next = page[pageSize-1].ID
				return false, nil
			}
			page = append(page, found)
			return true, nil
		})
	})
	slices.SortStableFunc(page, func(a, b *Stack) int { return b.Created.Compare(a.Created) })
	return page, next, err
}

// Resources are those of a stack, by logical id; one of them if that is named.
func (e *Records) Resources(ctx context.Context, s Scope, name, logical string) (found *Stack, list []*Resource, err error) {
	err = e.View(ctx, func(snap store.Snap) error {
		if found, err = e.Find(snap, s, name); err != nil {
			return err
		}
		rows, _, err := e.ResourcesOf(snap, s, found.ID)
		for _, r := range rows {
			if logical == "" || r.LogicalID == logical {
				list = append(list, r)
			}
		}
		return err
	})
	slices.SortFunc(list, func(a, b *Resource) int { return strings.Compare(a.LogicalID, b.LogicalID) })
	return found, list, err
}

// Owner finds the stack that a physical resource belongs to.
func (e *Records) Owner(ctx context.Context, s Scope, physical string) (owner string, err error) {
	lo, hi := s.Rows("resource")
	err = e.View(ctx, func(snap store.Snap) error {
		return Each(e, snap, lo, hi, func(key []byte, _ Place, r *Resource) (bool, error) {
			if r.PhysicalID != physical || !r.Live() {
				return true, nil
			}
			parts, err := tuple.Parse(key)
			if err != nil || len(parts) != 6 {
				return false, ErrCorrupt
			}
			found, _, err := e.StackByID(snap, s, parts[4].(string))
			if err == nil {
				owner = found.ARN()
			}
			return false, err
		})
	})
	if err == nil && owner == "" {
		err = stack.Invalid("Stack for %s does not exist", physical)
	}
	return owner, err
}

// Events are a page of a stack's history, the newest first; before is the number
// that the page before ended with, or 0.
func (e *Records) Events(ctx context.Context, s Scope, name string, before int64, matches func(*Event) bool) (found *Stack, page []*Event, next int64, err error) {
	err = e.View(ctx, func(snap store.Snap) error {
		if found, err = e.Find(snap, s, name); err != nil {
			return err
		}
		lo, hi := s.Rows("event", found.ID)
		if before != 0 {
			hi = s.Key("event", found.ID, before)
		}
		for {
			entries, err := snap.Scan(lo, hi, pageSize, true)
			if err != nil {
				return err
			}
			for _, entry := range entries {
				event, p := &Event{}, Place{}
				if err := e.Unseal(snap, entry.Key, entry.Value, &p, event); err != nil {
					return err
				}
				if matches != nil && !matches(event) {
					continue
				}
				if len(page) == pageSize {
					next = page[pageSize-1].Time.UnixNano()
					return nil
				}
				page = append(page, event)
			}
			if len(entries) < pageSize {
				return nil
			}
			hi = entries[len(entries)-1].Key
		}
	})
	return found, page, next, err
}

// Template is the text of a stack's template, or of one of its change sets; stages
// are how many there are.
func (e *Records) Template(ctx context.Context, s Scope, name, changeSet string, wantProcessed bool) (text string, err error) {
	stage := Original
	if wantProcessed {
		stage = Processed
	}
	err = e.View(ctx, func(snap store.Snap) error {
		var found *Stack
		var c *Configuration
		if changeSet != "" {
			var set *ChangeSet
			if found, set, _, err = e.FindChangeSet(snap, s, name, changeSet); err != nil {
				return err
			}
			c = set.Settings()
		} else {
			if found, err = e.Find(snap, s, name); err != nil {
				return err
			}
			c = found.Now
		}
		if c == nil {
			return nil // AWS: a stack in REVIEW_IN_PROGRESS has an empty one; the CDK asks for it before it executes the first change set
		}
		text, err = e.LoadText(snap, found, c, stage)
		return err
	})
	return text, err
}

// Exports are a page of the exports of an account and region, by name.
func (e *Records) Exports(ctx context.Context, s Scope, after string) (page []*Export, next string, err error) {
	lo, hi := s.Rows("export")
	if after != "" {
		lo = append(s.ExportKey(after), 0)
	}
	err = e.View(ctx, func(snap store.Snap) error {
		return Each(e, snap, lo, hi, func(_ []byte, _ Place, found *Export) (bool, error) {
			if len(page) == pageSize {
				next = page[pageSize-1].Name
				return false, nil
			}
			page = append(page, found)
			return true, nil
		})
	})
	return page, next, err
}

// Imports are the stacks that import an export.
func (e *Records) Imports(ctx context.Context, s Scope, name string) (users []string, err error) {
	err = e.View(ctx, func(snap store.Snap) error {
		found, _, err := e.ExportOf(snap, s, name)
		switch {
		case err != nil:
			return err
		case found == nil:
			return stack.Invalid("Export %s does not exist", name)
		}
		if users, err = e.Importers(snap, s, name); err == nil && len(users) == 0 {
			return stack.Invalid("Export '%s' is not imported by any stack.", name)
		}
		return err
	})
	return users, err
}

// ChangeSets are those of a stack, by name.
func (e *Records) ChangeSets(ctx context.Context, s Scope, name string) (list []*ChangeSet, err error) {
	err = e.View(ctx, func(snap store.Snap) error {
		found, err := e.Find(snap, s, name)
		if err != nil {
			var refusal *stack.Error
			if errors.As(err, &refusal) {
				return stack.Invalid("Stack [%s] does not exist", name)
			}
			return err
		}
		lo, hi := s.Rows("change", found.ID)
		return Each(e, snap, lo, hi, func(_ []byte, _ Place, c *ChangeSet) (bool, error) {
			c.Age(found)
			list = append(list, c)
			return true, nil
		})
	})
	return list, err
}

// Wait waits until nothing is under way on a stack, or until it waits for its
// parent.
func (e *Records) Wait(ctx context.Context, s Scope, name string) (*Stack, error) {
	watched, cancel := context.WithCancel(ctx)
	defer cancel()
	var hints <-chan struct{}
	for {
		found, err := e.Describe(ctx, s, name)
		if err != nil || !found.Status.Running() || found.Parked() {
			return found, err
		}
		if hints == nil {
			hints = e.Store.Watch(watched, s.StackKey(found.ID))
			continue // it may have ended before the watch began
		}
		clock.Wait(ctx, e.Clock, hints, poll)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
}

const poll = 5 * time.Second // without a hint of the store
