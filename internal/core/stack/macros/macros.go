// Package macros keeps the macros of CloudFormation: names of transforms that
// functions run.
//
// It promises that a name belongs to one stack at a time. There is no state beside
// the store; no goroutines, no locks. Start reading at Macros.
package macros

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// space is where the rows are: account, region, name.
const space = "cloudformation macro"

// Macro is a name with its function.
type Macro struct {
	Function string // name or ARN
	StackID  string
	Token    string // of the step that made it
}

// ErrTaken tells that another stack, or another resource, has the name.
var ErrTaken = errors.New("a macro of this name exists already")

// Macros are all macros.
type Macros struct{ store store.Store }

// New only builds.
func New(s store.Store) *Macros { return &Macros{s} }

func key(account, region, name string) []byte { return tuple.Key(space, account, region, name) }

// Get finds a macro; nil if there is none.
func (m *Macros) Get(ctx context.Context, account, region, name string) (*Macro, error) {
	snap, err := m.store.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer snap.Close()
	found, _, err := read(snap, key(account, region, name))
	return found, err
}

func read(snap store.Snap, key []byte) (*Macro, store.Version, error) {
	value, version, err := snap.Get(key)
	if errors.Is(err, store.ErrNotFound) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	found := &Macro{}
	return found, version, json.Unmarshal(value, found)
}

// Put sets a macro that is new, or may be replaced: may tells.
func (m *Macros) Put(ctx context.Context, account, region, name string, set Macro, may func(there *Macro) bool) error {
	return store.Change(ctx, m.store, func(snap store.Snap) (*store.Batch, error) {
		k := key(account, region, name)
		there, version, err := read(snap, k)
		if err != nil {
			return nil, err
		}
		if there != nil && !may(there) {
			return nil, ErrTaken
		}
		value, err := json.Marshal(set)
		return &store.Batch{Checks: []store.Check{{Key: k, Version: version}}, Puts: []store.KV{{Key: k, Value: value}}}, err
	})
}

// Delete removes a macro of the stack.
func (m *Macros) Delete(ctx context.Context, account, region, name, stackID string) error {
	return store.Change(ctx, m.store, func(snap store.Snap) (*store.Batch, error) {
		k := key(account, region, name)
		there, version, err := read(snap, k)
		if err != nil || there == nil || there.StackID != stackID {
			return nil, err
		}
		return &store.Batch{Checks: []store.Check{{Key: k, Version: version}}, Deletes: [][]byte{k}}, nil
	})
}
