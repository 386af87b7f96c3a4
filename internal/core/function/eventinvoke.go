package function

import (
	"errors"
	"fmt"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// The settings of asynchronous invocation are core/async's. Their rows are among
// the function's, so that they go with it, or with their version or alias.

// EventInvokeKey is the row of the settings of a target that has a qualifier.
func EventInvokeKey(t Target) []byte {
	return scopeKey(tableEventInvoke, t.Scope, t.Name, t.Qualifier)
}

// EventInvokeRange bounds the rows of all qualifiers of a function.
func EventInvokeRange(t Target) (lo, hi []byte) { return scopeRange(tableEventInvoke, t.Scope, t.Name) }

// Exists tells whether the function, version or alias is there. The check makes
// a commit depend on nothing having changed about its function.
func Exists(snap store.Snap, t Target) (check store.Check, exists bool, err error) {
	key := scopeKey(tableFunction, t.Scope, t.Name)
	_, version, err := snap.Get(key)
	if errors.Is(err, store.ErrNotFound) {
		return check, false, nil
	} else if err != nil {
		return check, false, fmt.Errorf("read a row: %w", err)
	}
	_, err = reader{snap}.version(t)
	if isNotFound(err) {
		return check, false, nil
	}
	return store.At(key, version), err == nil, err
}
