package state

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/stack"

	"github.com/lambkin-dev/lambkin/internal/core/template"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// Export is an output that other stacks of the account and region can import.
type Export struct{ Name, Value, Stack, ID string } // Stack is the name of the stack, ID its id

// ARN is that of the exporting stack.
func (x *Export) ARN(s Scope) string { return (&Stack{Scope: s, ID: x.ID, Name: x.Stack}).ARN() }

// setExports makes the exports of a stack those of the outputs. Whoever imports
// writes the export's row again, so the checks of these commits see each other.
func (e *Records) SetExports(snap store.Snap, s *Stack, b *store.Batch, outputs []Output) error {
	wanted := map[string]string{}
	for _, o := range outputs {
		if o.Export == "" {
			continue
		}
		if _, twice := wanted[o.Export]; twice {
			return stack.Invalid("Duplicate Export names: [%s]", o.Export)
		}
		wanted[o.Export] = o.Value
	}
	for _, o := range s.Outputs {
		if o.Export == "" {
			continue
		}
		if _, kept := wanted[o.Export]; kept {
			continue
		}
		if err := e.dropExport(snap, s, b, o.Export); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		if err := e.putExport(snap, s, b, name, wanted[name]); err != nil {
			return err
		}
	}
	return nil
}

func (e *Records) dropExport(snap store.Snap, s *Stack, b *store.Batch, name string) error {
	found, p, err := e.ExportOf(snap, s.Scope, name)
	if err != nil || found == nil || found.ID != s.ID {
		return err
	}
	users, err := e.Importers(snap, s.Scope, name)
	if err != nil {
		return err
	}
	if len(users) > 0 {
		return stack.Invalid("Export %s cannot be deleted as it is in use by %s", name, strings.Join(users, " and "))
	}
	b.Checks = append(b.Checks, p.Check(s.ExportKey(name)))
	e.Drop(b, s.ExportKey(name), p)
	return nil
}

func (e *Records) putExport(snap store.Snap, s *Stack, b *store.Batch, name, value string) error {
	found, p, err := e.ExportOf(snap, s.Scope, name)
	switch {
	case err != nil:
		return err
	case found != nil && found.ID != s.ID:
		return stack.Invalid("Export with name %s is already exported by stack %s", name, found.Stack)
	case found != nil && found.Value == value:
		return nil
	case found != nil:
		users, err := e.Importers(snap, s.Scope, name)
		if err != nil {
			return err
		}
		if len(users) > 0 {
			return stack.Invalid("Export %s cannot be updated as it is in use by %s", name, strings.Join(users, " and "))
		}
	}
	b.Checks = append(b.Checks, p.Check(s.ExportKey(name)))
	_, err = e.Put(b, s.ExportKey(name), p, &Export{Name: name, Value: value, Stack: s.Name, ID: s.ID})
	return err
}

// exportOf reads an export; nil if there is none.
func (e *Records) ExportOf(snap store.Snap, s Scope, name string) (*Export, Place, error) {
	found := &Export{}
	p, err := e.Get(snap, s.ExportKey(name), found)
	if errors.Is(err, store.ErrNotFound) {
		return nil, Place{}, nil
	}
	return found, p, err
}

// importers are the names of the stacks that import.
func (e *Records) Importers(snap store.Snap, s Scope, name string) (users []string, err error) {
	lo, hi := s.Rows("import", name)
	err = store.Each(snap, lo, hi, func(entry *store.Entry) (bool, error) {
		users = append(users, string(entry.Value))
		return true, nil
	})
	slices.Sort(users)
	return users, err
}

// setImports makes names the exports that a stack holds.
func (e *Records) SetImports(snap store.Snap, s *Stack, b *store.Batch, names []string) error {
	for _, name := range s.Imported {
		if !slices.Contains(names, name) {
			b.Deletes = append(b.Deletes, s.ImportKey(name, s.ID))
		}
	}
	for _, name := range names {
		if slices.Contains(s.Imported, name) {
			continue
		}
		found, p, err := e.ExportOf(snap, s.Scope, name)
		if err != nil {
			return err
		}
		if found == nil {
			return stack.Invalid("No export named %s found.", name)
		}
		b.Checks = append(b.Checks, p.Check(s.ExportKey(name)))
		if _, err := e.Put(b, s.ExportKey(name), p, found); err != nil {
			return err
		}
		b.Puts = append(b.Puts, store.KV{Key: s.ImportKey(name, s.ID), Value: []byte(s.Name)})
	}
	s.Imported = slices.Clone(names)
	return nil
}

// readExport is what Fn::ImportValue gives.
func (e *Records) ReadExport(ctx context.Context, s Scope, name string) (value any, err error) {
	err = e.View(ctx, func(snap store.Snap) error {
		found, _, err := e.ExportOf(snap, s, name)
		if err != nil {
			return err
		}
		if found == nil {
			return &template.Error{Message: "No export named " + name + " found."}
		}
		value = found.Value
		return nil
	})
	return value, err
}
