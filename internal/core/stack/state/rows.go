package state

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/chunk"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// The rows, all below "cloudformation"; those of a stack also below account and
// region. Stacks have secrets (parameters with NoEcho), so what is more than a
// name is sealed.
//
//	stack, id                     Stack
//	name, name                    id of the live stack of that name
//	resource, id, logical id      Resource
//	event, id, number             Event
//	template, id, template, n     texts: the original (0) and the processed one (1)
//	change, id, name              ChangeSet
//	export, name                  Export
//	import, name, id              name of the stack that imports
//	drift, id                     Detection
//	work, account, region, id     the stack has an operation under way
//	gone, time, account, region, id  a deleted stack, until it is forgotten
//	part, key, n                  of a record that is larger than a row

const Space = "cloudformation"

func (s Scope) Key(parts ...any) []byte {
	return tuple.Append(tuple.Key(Space, s.Account, s.Region), parts...)
}

func (s Scope) Rows(parts ...any) (lo, hi []byte) {
	return tuple.Range(append([]any{Space, s.Account, s.Region}, parts...)...)
}

func (s Scope) StackKey(id string) []byte             { return s.Key("stack", id) }
func (s Scope) NameKey(name string) []byte            { return s.Key("name", name) }
func (s Scope) ResourceKey(id, logical string) []byte { return s.Key("resource", id, logical) }
func (s Scope) ChangeKey(id, name string) []byte      { return s.Key("change", id, name) }
func (s Scope) ExportKey(name string) []byte          { return s.Key("export", name) }
func (s Scope) ImportKey(name, id string) []byte      { return s.Key("import", name, id) }
func (s Scope) WorkKey(id string) []byte              { return tuple.Key(Space, "work", s.Account, s.Region, id) }
func (s Scope) TemplateKey(id, name string, stage int) []byte {
	return s.Key("template", id, name, stage)
}
func (s Scope) GoneKey(at time.Time, id string) []byte {
	return tuple.Key(Space, "gone", at, s.Account, s.Region, id)
}

// inlineBytes is the largest record in a row of its own: sealing adds a little.
const inlineBytes = store.MaxValueBytes - 1<<10

// place is where a record was read: what is needed to write it again.
type Place struct {
	version store.Version // 0: it is not there
	Rows    int           // rows of a large one
}

// check demands that nobody has written the record since.
func (p Place) Check(key []byte) store.Check { return store.Check{Key: key, Version: p.version} }

// The first byte of a record.
const (
	inOne   = 1
	inParts = 2
)

// get reads a record; store.ErrNotFound if there is none.
func (e *Records) Get(snap store.Snap, key []byte, into any) (Place, error) {
	value, version, err := snap.Get(key)
	if err != nil {
		return Place{}, err
	}
	p := Place{version: version}
	return p, e.Unseal(snap, key, value, &p, into)
}

// open reads a record of which the row is known.
func (e *Records) Unseal(snap store.Snap, key, value []byte, p *Place, into any) (err error) {
	if len(value) == 0 {
		return ErrCorrupt
	}
	sealed := value[1:]
	if value[0] == inParts {
		count, n := binary.Uvarint(sealed)
		if n <= 0 || count > store.MaxBatchOps {
			return ErrCorrupt
		}
		p.Rows = int(count)
		if sealed, err = chunk.Read(snap, p.Rows, Space, "part", key); err != nil {
			return err
		}
	}
	text, err := e.sealer.Open(sealed, string(key))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if Plain, ok := into.(*[]byte); ok {
		*Plain = text
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return nil
}

var ErrCorrupt = errors.New("a record of CloudFormation cannot be read")

// put adds a record to a batch, in place of one that was read at p.
func (e *Records) Put(b *store.Batch, key []byte, p Place, value any) (Place, error) {
	text, ok := value.([]byte)
	if !ok {
		var err error
		if text, err = json.Marshal(value); err != nil {
			return p, err
		}
	}
	sealed := e.sealer.Seal(text, string(key))
	if len(sealed) <= inlineBytes {
		chunk.Delete(b, p.Rows, Space, "part", key)
		b.Puts = append(b.Puts, store.KV{Key: key, Value: append([]byte{inOne}, sealed...)})
		return Place{}, nil
	}
	count := chunk.Put(b, sealed, Space, "part", key)
	for n := count; n < p.Rows; n++ {
		b.Deletes = append(b.Deletes, tuple.Key(Space, "part", key, n))
	}
	b.Puts = append(b.Puts, store.KV{Key: key, Value: binary.AppendUvarint([]byte{inParts}, uint64(count))})
	return Place{Rows: count}, nil
}

// drop adds the removal of a record.
func (e *Records) Drop(b *store.Batch, key []byte, p Place) {
	chunk.Delete(b, p.Rows, Space, "part", key)
	b.Deletes = append(b.Deletes, key)
}

// each visits the records in a range.
func Each[T any](e *Records, snap store.Snap, lo, hi []byte, visit func(key []byte, p Place, record *T) (more bool, err error)) error {
	return store.Each(snap, lo, hi, func(entry *store.Entry) (bool, error) {
		record, p := new(T), Place{version: entry.Version}
		if err := e.Unseal(snap, entry.Key, entry.Value, &p, record); err != nil {
			return false, err
		}
		return visit(entry.Key, p, record)
	})
}

// view reads from a snapshot.
func (e *Records) View(ctx context.Context, read func(snap store.Snap) error) error {
	snap, err := e.Store.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer snap.Close()
	return read(snap)
}

// stackOf reads a stack by its id.
func (e *Records) StackByID(snap store.Snap, s Scope, id string) (*Stack, Place, error) {
	stack := &Stack{}
	p, err := e.Get(snap, s.StackKey(id), stack)
	if err != nil {
		return nil, p, err
	}
	return stack, p, nil
}

// change changes a stack and whatever else belongs in the same commit.
func (e *Records) Rewrite(ctx context.Context, s Scope, id string, change func(snap store.Snap, stack *Stack, b *store.Batch) error) (*Stack, error) {
	var changed *Stack
	err := store.Change(ctx, e.Store, func(snap store.Snap) (*store.Batch, error) {
		stack, p, err := e.StackByID(snap, s, id)
		if err != nil {
			return nil, err
		}
		b := &store.Batch{Checks: []store.Check{p.Check(s.StackKey(id))}}
		if err := change(snap, stack, b); err != nil {
			return nil, err
		}
		changed = stack
		_, err = e.Put(b, s.StackKey(id), p, stack)
		return b, err
	})
	return changed, err
}

// resources are those of a stack, by logical id.
func (e *Records) ResourcesOf(snap store.Snap, s Scope, id string) (map[string]*Resource, map[string]Place, error) {
	all, places := map[string]*Resource{}, map[string]Place{}
	lo, hi := s.Rows("resource", id)
	err := Each(e, snap, lo, hi, func(_ []byte, p Place, r *Resource) (bool, error) {
		all[r.LogicalID], places[r.LogicalID] = r, p
		return true, nil
	})
	return all, places, err
}
