package function

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

var long = flag.Bool("long", false, "run the long forms of the tests")

// operation is one call of the registry; the choices are made before it runs,
// so that it can run twice.
type operation struct {
	name string
	run  func(ctx context.Context, r *Registry) error
}

// randomOperation chooses among everything that writes.
func randomOperation(t *testing.T, random *rand.Rand) operation {
	target := at(fmt.Sprint("f", random.IntN(3)))
	number := fmt.Sprint(1 + random.IntN(3))
	alias := fmt.Sprint("a", random.IntN(2))
	version, named := qualified(target.Name, number), qualified(target.Name, alias)
	text, n := fmt.Sprint("text", random.IntN(3)), random.IntN(600)
	layer := LayerTarget{Scope: here, Name: "lib", Version: int64(1 + random.IntN(3))}
	drop := func(_ any, err error) error { return err }
	all := []operation{
		{"create", func(ctx context.Context, r *Registry) error {
			in := createInput(t, text)
			in.Publish, in.Tags = n%2 == 0, map[string]string{"t": text}
			return drop(r.Create(ctx, target, in))
		}},
		{"update code", func(ctx context.Context, r *Registry) error {
			return drop(r.UpdateCode(ctx, target, UpdateCodeInput{Code: Code{ZipFile: zipOf(t, "app.py", text)}, Publish: n%2 == 0}))
		}},
		{"update configuration", func(ctx context.Context, r *Registry) error {
			in := UpdateConfigurationInput{Settings: Settings{Description: &text}}
			if n%2 == 0 {
				in.Layers = []string{layer.ARN()}
			}
			return drop(r.UpdateConfiguration(ctx, target, in))
		}},
		{"publish", func(ctx context.Context, r *Registry) error {
			return drop(r.PublishVersion(ctx, target, PublishVersionInput{}))
		}},
		{"delete", func(ctx context.Context, r *Registry) error {
			if n%3 > 0 {
				return r.Delete(ctx, version)
			}
			return r.Delete(ctx, target)
		}},
		{"create alias", func(ctx context.Context, r *Registry) error {
			return drop(r.CreateAlias(ctx, target, AliasInput{Name: alias, FunctionVersion: &number}))
		}},
		{"update alias", func(ctx context.Context, r *Registry) error {
			return drop(r.UpdateAlias(ctx, target, AliasInput{Name: alias, FunctionVersion: &number, Description: &text}))
		}},
		{"delete alias", func(ctx context.Context, r *Registry) error { return r.DeleteAlias(ctx, target, alias) }},
		{"add permission", func(ctx context.Context, r *Registry) error {
			if n%2 == 0 {
				target.Qualifier = alias
			}
			return drop(r.AddPermission(ctx, target, PermissionInput{StatementID: text, Action: "a", Principal: "*"}))
		}},
		{"remove permission", func(ctx context.Context, r *Registry) error { return r.RemovePermission(ctx, target, text, nil) }},
		{"tag", func(ctx context.Context, r *Registry) error {
			return r.Tag(ctx, here, target.FunctionARN(), map[string]string{text: "x"})
		}},
		{"reserve", func(ctx context.Context, r *Registry) error { return r.PutConcurrency(ctx, target, n) }},
		{"release", func(ctx context.Context, r *Registry) error { return r.DeleteConcurrency(ctx, target) }},
		{"provision version", func(ctx context.Context, r *Registry) error { return drop(r.PutProvisioned(ctx, version, 1+n)) }},
		{"provision alias", func(ctx context.Context, r *Registry) error { return drop(r.PutProvisioned(ctx, named, 1+n)) }},
		{"unprovision", func(ctx context.Context, r *Registry) error { return r.DeleteProvisioned(ctx, named) }},
		{"publish layer", func(ctx context.Context, r *Registry) error {
			return drop(r.PublishLayer(ctx, LayerTarget{Scope: here, Name: "lib"}, PublishLayerInput{Code: Code{ZipFile: zipOf(t, "l.py", text)}}))
		}},
		{"delete layer", func(ctx context.Context, r *Registry) error { return r.DeleteLayer(ctx, layer) }},
		{"permit layer", func(ctx context.Context, r *Registry) error {
			return drop(r.AddLayerPermission(ctx, layer, LayerPermissionInput{StatementID: text, Action: "a", Principal: "*"}))
		}},
		{"prepare", prepareOne},
		{"prepare", prepareOne},
		{"prepare", prepareOne},
	}
	return all[random.IntN(len(all))]
}

// prepareOne does what a worker of Run does.
func prepareOne(ctx context.Context, r *Registry) error {
	t, key, err := r.next(ctx, small, &queue{claimed: map[string]bool{}})
	if err != nil || key == nil {
		return err
	}
	return r.prepare(ctx, t)
}

// changing parts of rows, which differ between two runs of one operation.
var changing = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}|"(LastModified|Created)":"[^"]*"`)

// dump is the whole store in a form that can be compared.
func (m *memory) dump() map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := map[string]string{}
	for key, e := range m.rows {
		out[key] = changing.ReplaceAllString(string(e.Value), "*")
	}
	return out
}

// shadow is a registry without faults on a copy of the state.
func (w *world) shadow() (*Registry, *memory) {
	w.store.mu.Lock()
	m := &memory{rows: maps.Clone(w.store.rows), version: w.store.version}
	w.store.mu.Unlock()
	config := w.config
	config.Store, config.Changed = m, nil
	r, err := NewRegistry(config)
	if err != nil {
		w.t.Fatal(err)
	}
	return r, m
}

// randomFaults fails one commit in two: before it is applied, after it without
// telling, or as if another change had come first.
func randomFaults(random *rand.Rand, injected *bool) func(*store.Batch) (bool, error) {
	return func(*store.Batch) (bool, error) {
		switch random.IntN(6) {
		case 0:
			*injected = true
			return false, errFault
		case 1:
			*injected = true
			return true, errFault
		case 2:
			return false, &store.ConflictError{}
		}
		return true, nil
	}
}

// TestEveryChangeIsAllOrNothing runs random operations against a store that
// fails at random: before a commit, after it without telling, or by a conflict.
// The state must be that of before or that of an undisturbed run, and always in
// itself consistent.
func TestEveryChangeIsAllOrNothing(t *testing.T) {
	steps := 150 // of which each looks at the whole state four times
	if *long {
		steps = 50_000
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	w := newWorld(t, nil)
	must(t, w.trees.Prepare())
	injected := false
	w.store.fault = randomFaults(random, &injected)
	applied, failed := map[string]int{}, 0
	for step := range steps {
		op := randomOperation(t, random)
		reference, expected := w.shadow()
		before := w.store.dump()
		injected = false
		err := op.run(t.Context(), w.Registry)
		referenceErr := op.run(t.Context(), reference)
		after := w.store.dump()
		what := fmt.Sprintf("step %d, %s, error %v", step, op.name, err)
		switch {
		case injected:
			failed++
			if !errors.Is(err, errFault) {
				t.Fatalf("%s: hides the fault", what)
			}
			if !maps.Equal(before, after) && !maps.Equal(expected.dump(), after) {
				t.Fatalf("%s: half done: %s", what, cmp.Diff(expected.dump(), after))
			}
		case fmt.Sprint(err) != fmt.Sprint(referenceErr):
			t.Fatalf("%s: undisturbed it gives %v", what, referenceErr)
		default:
			if !maps.Equal(expected.dump(), after) {
				t.Fatalf("%s: %s", what, cmp.Diff(expected.dump(), after))
			}
			if err == nil {
				applied[op.name]++
			}
		}
		w.checkConsistent(what)
		w.checkResolves(what)
		if random.IntN(20) == 0 {
			w.reopen()
		}
	}
	t.Logf("%d faults; applied: %v", failed, applied)
	w.store.fault = nil
	w.reopen()
	stop := w.run()
	eventually(t, "all is prepared", func() bool {
		for key := range w.store.dump() {
			if parts, _ := tuple.Parse([]byte(key)); parts[1] == tablePending {
				return false
			}
		}
		return true
	})
	stop() // the rows are read without a lock
	w.checkConsistent("at the end")
}

// facts are what the rows of a store say, ready to be compared.
type facts struct {
	functions, versions map[string]*versionRow
	pending             map[string]bool
	numbers             map[string]int64
	owners              map[string]string // row of a function -> its name
	aliases             []Alias
	reserved            map[string]int
	provisioned         map[string]int
	guard               guardRow
}

func (w *world) facts() *facts {
	w.t.Helper()
	f := &facts{functions: map[string]*versionRow{}, versions: map[string]*versionRow{}, pending: map[string]bool{}, numbers: map[string]int64{}, owners: map[string]string{}, reserved: map[string]int{}, provisioned: map[string]int{}}
	for key, value := range w.store.rows {
		parts, err := tuple.Parse([]byte(key))
		if err == nil {
			err = f.add(key, parts, value.Value)
		}
		if err != nil {
			w.t.Fatalf("%q: %v", key, err)
		}
	}
	return f
}

func (f *facts) add(key string, parts []any, value []byte) error {
	if parts[1] == tableConcurrencyGuard {
		return decode(value, &f.guard)
	}
	name := parts[4].(string)
	if slices.Contains(functionTables, parts[1].(string)) {
		f.owners[key] = name
	}
	switch parts[1] {
	case tableFunction:
		row := &functionRow{}
		f.functions[name] = &row.Latest
		return decode(value, row)
	case tableVersion:
		row := &versionRow{}
		f.versions[fmt.Sprint(name, ":", parts[5])] = row
		return decode(value, row)
	case tablePending:
		f.pending[fmt.Sprint(name, ":", parts[5])] = true
	case tableNumbers:
		var row numbersRow
		err := decode(value, &row)
		f.numbers[name] = row.Last
		return err
	case tableAlias:
		f.aliases = append(f.aliases, Alias{})
		return decode(value, &f.aliases[len(f.aliases)-1])
	case tableConcurrency:
		var row concurrencyRow
		err := decode(value, &row)
		f.reserved[name] = row.Reserved
		return err
	case tableProvisioned:
		var row provisionedRow
		err := decode(value, &row)
		f.provisioned[name] += row.Requested
		return err
	}
	return nil
}

// checkConsistent holds what the rows say of each other.
func (w *world) checkConsistent(what string) {
	w.t.Helper()
	f := w.facts()
	for key, name := range f.owners {
		if f.functions[name] == nil {
			w.t.Fatalf("%s: %q belongs to no function", what, key)
		}
	}
	for _, a := range f.aliases {
		if f.versions[a.Function+":"+a.FunctionVersion] == nil {
			w.t.Fatalf("%s: alias %s refers to version %s, which is not there", what, a.Name, a.FunctionVersion)
		}
	}
	waiting := map[string]bool{}
	for name, row := range f.functions {
		if row.waiting() {
			waiting[name+":0"] = true
		}
		w.checkBlobs(what, row)
	}
	for name, row := range f.versions {
		if row.waiting() {
			waiting[name] = true
		}
		if row.number() > f.numbers[row.Name] {
			w.t.Fatalf("%s: version %s is beyond the counter", what, name)
		}
		w.checkBlobs(what, row)
	}
	if !maps.Equal(waiting, f.pending) {
		w.t.Fatalf("%s: waiting and pending differ: %s", what, cmp.Diff(waiting, f.pending))
	}
	claimed := f.claimed(w.t, what)
	if f.guard.Reserved != claimed || claimed > 900 {
		w.t.Fatalf("%s: %d claimed, the guard says %d", what, claimed, f.guard.Reserved)
	}
	if got := w.ReservedTotal(here.Account, here.Region); got != claimed {
		w.t.Fatalf("%s: %d claimed, ReservedTotal says %d", what, claimed, got)
	}
}

// claimed is what all functions take out of the account's concurrency.
func (f *facts) claimed(t testing.TB, what string) int {
	t.Helper()
	sum := 0
	for name := range f.functions {
		reserved, has := f.reserved[name]
		switch provisioned := f.provisioned[name]; {
		case !has:
			sum += provisioned
		case provisioned > reserved:
			t.Fatalf("%s: %s has %d provisioned, %d reserved", what, name, provisioned, reserved)
		default:
			sum += reserved
		}
	}
	return sum
}

func (w *world) checkBlobs(what string, row *versionRow) {
	w.t.Helper()
	codes := []string{row.Code}
	for _, l := range row.Layers {
		codes = append(codes, l.Code)
	}
	for _, code := range codes {
		f, err := w.config.Blobs.Open(code)
		if err != nil {
			w.t.Fatalf("%s: %s:%s: %v", what, row.Name, row.Version.Version, err)
		}
		f.Close()
	}
}

// checkResolves compares the cache with the store.
func (w *world) checkResolves(what string) {
	w.t.Helper()
	fresh, _ := w.shadow()
	for i := range 3 {
		for _, qualifier := range []string{"", "1", "2", "a0", "a1"} {
			name := fmt.Sprint("f", i)
			got, err := w.Resolve(w.t.Context(), here, name, qualifier)
			want, wantErr := fresh.Resolve(w.t.Context(), here, name, qualifier)
			if fmt.Sprint(err) != fmt.Sprint(wantErr) {
				w.t.Fatalf("%s: %s:%s resolves to %v, should be %v", what, name, qualifier, err, wantErr)
			}
			if !reflect.DeepEqual(want, got) {
				w.t.Fatalf("%s: %s:%s: %s", what, name, qualifier, cmp.Diff(want, got))
			}
		}
	}
}
