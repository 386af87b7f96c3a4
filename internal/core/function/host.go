package function

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// What the rest of the host asks of the registry as a whole.

// total is the sum of the reservations of a scope. Like cached it is replaced,
// never changed: a reading that began before a change is thrown away with it.
type total struct{ plusOne atomic.Int64 } // 0: not read yet

// ReservedTotal is how much concurrency the functions of the account reserved
// together in the region. It answers from memory; while the store cannot be
// read nothing counts as reserved.
func (r *Registry) ReservedTotal(account, region string) int {
	scope := Scope{Account: account, Region: region}
	value, ok := r.totals.Load(scope)
	if !ok {
		value, _ = r.totals.LoadOrStore(scope, &total{})
	}
	t := value.(*total)
	if n := t.plusOne.Load(); n > 0 {
		return int(n - 1)
	}
	var sum guardRow
	err := r.view(context.Background(), func(rd reader) error {
		_, err := rd.read(scopeKey(tableConcurrencyGuard, scope), &sum)
		return err
	})
	if err != nil {
		r.config.Logger.Error("read the reserved concurrency", "err", err)
		return 0
	}
	t.plusOne.Store(int64(sum.Reserved) + 1)
	return sum.Reserved
}

// Runtimes are the runtimes of all functions, each once, in order: what a
// server should have ready.
func (r *Registry) Runtimes(ctx context.Context) ([]Runtime, error) {
	found := map[Runtime]bool{}
	lo, hi := tuple.Range(service, tableFunction)
	err := r.view(ctx, func(rd reader) error {
		return rd.scan(lo, hi, func(e store.Entry) (bool, error) {
			var row functionRow
			if err := decode(e.Value, &row); err != nil {
				return false, err
			}
			found[Runtime{row.Latest.Runtime, row.Latest.Preload}] = true
			return true, nil
		})
	})
	return slices.SortedFunc(maps.Keys(found), func(a, b Runtime) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Preload, b.Preload))
	}), err
}

// Runtime is a runtime that functions need, and what it should hold for them.
type Runtime struct{ ID, Preload string }
