// Package state is what the engine of CloudFormation keeps: stacks, their
// resources, change sets, events and exports, as records and as rows of the store.
//
// It promises that what Put wrote is read as it was, whatever its size; that records
// lie on the disk sealed; and that an export which another stack imports is neither
// changed nor removed, also not by who is faster.
//
// No goroutines; the only state beside the store is the number of the last event.
// Start reading at Stack and Resource in state.go; the rows are in rows.go.
package state

import (
	"sync/atomic"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/core/delivery"
	"github.com/lambkin-dev/lambkin/internal/engine/seal"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// Records reads and writes what the engine keeps.
type Records struct {
	Store  store.Store
	Clock  clock.Clock
	Outbox *delivery.Outbox // takes the events for the topics of stacks; may be nil
	sealer *seal.Sealer
	last   atomic.Int64 // number of the last event
}

// New only builds; the secret is that of the data folder.
func New(s store.Store, secret []byte, c clock.Clock, outbox *delivery.Outbox) (*Records, error) {
	sealer, err := seal.New(secret, "cloudformation stacks")
	return &Records{Store: s, Clock: c, Outbox: outbox, sealer: sealer}, err
}
