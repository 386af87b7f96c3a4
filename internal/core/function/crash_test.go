package function

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"strconv"
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
	version := qualified(target.Name, number)
	alias := fmt.Sprint("a", random.IntN(2))
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

// TestEveryChangeIsAllOrNothing runs random operations against a store that
// fails at random: before a commit, after it without telling, or by a conflict.
// The state must be that of before or that of an undisturbed run, and always in
// itself consistent.
func TestEveryChangeIsAllOrNothing(t *testing.T) {
	steps := 500
	if *long {
		steps = 50_000
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	w := newWorld(t, nil)
	must(t, w.trees.prepare())
	injected := false
	w.store.fault = func(b *store.Batch) (bool, error) {
		switch random.IntN(6) {
		case 0:
			injected = true
			return false, errFault
		case 1:
			injected = true
			return true, errFault
		case 2:
			return false, &store.ConflictError{}
		}
		return true, nil
	}
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
			if cmp.Diff(before, after) != "" && cmp.Diff(expected.dump(), after) != "" {
				t.Fatalf("%s: half done: %s", what, cmp.Diff(expected.dump(), after))
			}
		case fmt.Sprint(err) != fmt.Sprint(referenceErr):
			t.Fatalf("%s: undisturbed it gives %v", what, referenceErr)
		default:
			if diff := cmp.Diff(expected.dump(), after); diff != "" {
				t.Fatalf("%s: %s", what, diff)
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
	w.run()
	eventually(t, "all is prepared", func() bool {
		for key := range w.store.dump() {
			if parts, _ := tuple.Parse([]byte(key)); parts[1] == tablePending {
				return false
			}
		}
		return true
	})
	w.checkConsistent("at the end")
}

// checkConsistent holds what the rows say of each other.
func (w *world) checkConsistent(what string) {
	w.t.Helper()
	functions, versions, pending, waiting := map[string]*versionRow{}, map[string]*versionRow{}, map[string]bool{}, map[string]bool{}
	numbers, owned, reserved := map[string]int64{}, map[string]string{}, 0
	guard := guardRow{}
	var aliases []Alias
	for key, value := range w.store.rows {
		parts, err := tuple.Parse([]byte(key))
		if err != nil {
			w.t.Fatal(err)
		}
		name := ""
		if len(parts) > 4 {
			name = parts[4].(string)
		}
		read := func(row any) {
			if err := decode(value.Value, row); err != nil {
				w.t.Fatalf("%s: %q: %v", what, key, err)
			}
		}
		switch table := parts[1]; table {
		case tableFunction:
			row := &functionRow{}
			read(row)
			functions[name] = &row.Latest
		case tableVersion:
			row := &versionRow{}
			read(row)
			versions[name+":"+row.Version.Version] = row
			owned[key] = name
		case tablePending:
			pending[name+":"+strconv.FormatInt(parts[5].(int64), 10)] = true
			owned[key] = name
		case tableNumbers:
			var row numbersRow
			read(&row)
			numbers[name] = row.Last
		case tableAlias:
			var row Alias
			read(&row)
			aliases = append(aliases, row)
			owned[key] = name
		case tableConcurrency:
			var row concurrencyRow
			read(&row)
			reserved += row.Reserved
			owned[key] = name
		case tableConcurrencyGuard:
			read(&guard)
		case tablePolicy, tableTags, tableRecursion, tableRuntimeManagement:
			owned[key] = name
		}
	}
	for key, name := range owned {
		if functions[name] == nil {
			w.t.Fatalf("%s: %q belongs to no function", what, key)
		}
	}
	for _, a := range aliases {
		if versions[a.Function+":"+a.FunctionVersion] == nil {
			w.t.Fatalf("%s: alias %s refers to version %s, which is not there", what, a.Name, a.FunctionVersion)
		}
	}
	for name, row := range functions {
		if row.waiting() {
			waiting[name+":0"] = true
		}
		w.checkBlobs(what, row)
	}
	for name, row := range versions {
		if row.waiting() {
			waiting[name] = true
		}
		if row.number() > numbers[row.Name] {
			w.t.Fatalf("%s: version %s is beyond the counter", what, name)
		}
		w.checkBlobs(what, row)
	}
	if diff := cmp.Diff(waiting, pending); diff != "" {
		w.t.Fatalf("%s: waiting and pending differ: %s", what, diff)
	}
	if guard.Reserved != reserved || reserved > 900 {
		w.t.Fatalf("%s: %d reserved, the guard says %d", what, reserved, guard.Reserved)
	}
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
			if diff := cmp.Diff(want, got); diff != "" {
				w.t.Fatalf("%s: %s:%s: %s", what, name, qualifier, diff)
			}
		}
	}
}
