package function

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPublishVersionCopiesLatest(t *testing.T) {
	w := newWorld(t, nil)
	w.run()
	latest := w.ready("f")
	v1, err := w.PublishVersion(t.Context(), at("f"), PublishVersionInput{Description: ptr("one"), CodeSHA256: &latest.CodeSHA256, RevisionID: &latest.RevisionID})
	if err != nil {
		t.Fatal(err)
	}
	if v1.Version != "1" || v1.Description != "one" || v1.State != Active || v1.LastUpdateStatus != "Successful" || v1.TaskDir != latest.TaskDir || v1.ARN() != functionARN("f:1") {
		t.Errorf("%+v", v1)
	}
	after := w.settled(at("f"))
	if after.RevisionID == latest.RevisionID || after.Description != "" || after.Generation != latest.Generation {
		t.Errorf("$LATEST after: %+v", after)
	}
	// Nothing has changed: the same version, even with another description.
	again, err := w.PublishVersion(t.Context(), at("f"), PublishVersionInput{Description: ptr("other")})
	if diff := cmp.Diff(v1, again); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	w.change("f", "changed")
	if v2 := w.publish("f"); v2.Version != "2" || v2.Description != "changed" {
		t.Errorf("%+v", v2)
	}
	if got := must2(w.GetConfiguration(t.Context(), qualified("f", "1")))(t); got.Description != "one" {
		t.Errorf("version 1 changed: %+v", got)
	}
	_, err = w.PublishVersion(t.Context(), at("f"), PublishVersionInput{CodeSHA256: ptr("else")})
	wantError[*InvalidError](t, err, "CodeSHA256 (else) is different from current CodeSHA256 in $LATEST ("+latest.CodeSHA256+"). Please try again with the CodeSHA256 in $LATEST.")
}

func TestPublishWithCreateAndUpdate(t *testing.T) {
	w := newWorld(t, nil)
	in := createInput(t, "first")
	in.Publish = true
	v1, err := w.Create(t.Context(), at("f"), in)
	if err != nil || v1.Version != "1" || v1.State != Pending || v1.StateReason != creating || v1.LastUpdateStatus != "" {
		t.Fatalf("%+v, %v", v1, err)
	}
	w.run()
	if got := w.settled(qualified("f", "1")); got.State != Active || got.LastUpdateStatus != "Successful" {
		t.Errorf("%+v", got)
	}
	w.settled(at("f"))
	if again := w.publish("f"); again.Version != "1" {
		t.Errorf("nothing changed since creation, but version %s was made", again.Version)
	}
	v2, err := w.UpdateCode(t.Context(), at("f"), UpdateCodeInput{Code: Code{ZipFile: zipOf(t, "app.py", "second")}, Publish: true})
	if err != nil || v2.Version != "2" || v2.State != Pending || v2.StateReasonCode != "Creating" || v2.LastUpdateStatus != "" {
		t.Fatalf("%+v, %v", v2, err)
	}
	got := w.settled(qualified("f", "2"))
	if got.State != Active || readFile(t, got.TaskDir, "app.py") != "second" {
		t.Errorf("%+v", got)
	}
	if latest := w.settled(at("f")); latest.LastUpdateStatus != "Successful" || latest.TaskDir != got.TaskDir {
		t.Errorf("$LATEST: %+v", latest)
	}
}

func TestListVersionsBeginsWithLatest(t *testing.T) {
	w := newWorld(t, nil)
	w.run()
	w.ready("f")
	for i := range 12 {
		w.change("f", fmt.Sprint("d", i))
		w.publish("f")
	}
	var got []string
	page := Page{MaxItems: 5}
	for {
		out := must2(w.ListVersions(t.Context(), at("f"), page))(t)
		for _, v := range out.Versions {
			got = append(got, v.Version)
		}
		if page.Marker = out.NextMarker; page.Marker == "" {
			break
		}
	}
	if diff := cmp.Diff([]string{Latest, "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"}, got); diff != "" {
		t.Error(diff)
	}
	_, err := w.ListVersions(t.Context(), at("none"), Page{})
	wantError[*NotFoundError](t, err, "Function not found: "+functionARN("none"))
}

func TestDeleteVersion(t *testing.T) {
	w := newWorld(t, nil)
	w.run()
	w.ready("f")
	w.publish("f")
	w.change("f", "2")
	w.publish("f")
	w.change("f", "3")
	w.publish("f")
	must2(w.CreateAlias(t.Context(), at("f"), AliasInput{Name: "live", FunctionVersion: ptr("1"), Routing: map[string]float64{"2": 0.1}}))(t)
	must2(w.CreateAlias(t.Context(), at("f"), AliasInput{Name: "beta", FunctionVersion: ptr("2")}))(t)
	wantError[*ConflictError](t, w.Delete(t.Context(), qualified("f", "1")), "Unable to delete version because the following aliases reference it: [live]")
	wantError[*ConflictError](t, w.Delete(t.Context(), qualified("f", "2")), "Unable to delete version because the following aliases reference it: [beta, live]")
	wantError[*InvalidError](t, w.Delete(t.Context(), qualified("f", Latest)), "$LATEST version cannot be deleted without deleting the function.")
	wantError[*InvalidError](t, w.Delete(t.Context(), qualified("f", "live")), "Deletion of aliases is not currently supported.")
	must(t, w.Delete(t.Context(), qualified("f", "99"))) // measured on AWS: no error
	must2(w.Resolve(t.Context(), here, "f", "3"))(t)
	must(t, w.Delete(t.Context(), qualified("f", "3")))
	if _, err := w.Resolve(t.Context(), here, "f", "3"); err == nil {
		t.Error("a deleted version still resolves")
	}
	if v := w.publish("f"); v.Version != "4" {
		t.Errorf("published as %s", v.Version)
	}
}

func TestPublishersGetDistinctNumbers(t *testing.T) {
	w := newWorld(t, nil)
	w.run()
	w.ready("f")
	var wg sync.WaitGroup
	got := make([]string, 8)
	for i := range got {
		wg.Go(func() {
			v, err := w.PublishVersion(context.Background(), at("f"), PublishVersionInput{})
			if err != nil {
				t.Error(err)
				return
			}
			got[i] = v.Version
		})
	}
	wg.Wait()
	if slices.ContainsFunc(got, func(s string) bool { return s != "1" }) {
		t.Errorf("one content was published as %v", got)
	}
}

func TestAliasLifecycle(t *testing.T) {
	w := newWorld(t, nil)
	w.run()
	w.ready("f")
	w.publish("f")
	w.change("f", "2")
	w.publish("f")
	a := must2(w.CreateAlias(t.Context(), at("f"), AliasInput{Name: "live", FunctionVersion: ptr("1"), Description: ptr("d"), Routing: map[string]float64{"2": 0.2}}))(t)
	if a.ARN() != functionARN("f:live") || a.Routing["2"] != 0.2 || a.RevisionID == "" {
		t.Errorf("%+v", a)
	}
	if diff := cmp.Diff(a, must2(w.GetAlias(t.Context(), at("f"), "live"))(t)); diff != "" {
		t.Error(diff)
	}
	if v := must2(w.GetConfiguration(t.Context(), qualified("f", "live")))(t); v.Version != "1" {
		t.Errorf("the alias is version %s", v.Version)
	}
	updated := must2(w.UpdateAlias(t.Context(), at("f"), AliasInput{Name: "live", Routing: map[string]float64{}, RevisionID: &a.RevisionID}))(t)
	if updated.Routing != nil || updated.Description != "d" || updated.FunctionVersion != "1" || updated.RevisionID == a.RevisionID {
		t.Errorf("%+v", updated)
	}
	_, err := w.UpdateAlias(t.Context(), at("f"), AliasInput{Name: "live", RevisionID: &a.RevisionID})
	wantError[*PreconditionError](t, err, revisionMismatch)
	must2(w.CreateAlias(t.Context(), at("f"), AliasInput{Name: "latest", FunctionVersion: ptr(Latest)}))(t)
	must2(w.CreateAlias(t.Context(), at("f"), AliasInput{Name: "2024-01-02", FunctionVersion: ptr("2")}))(t)
	names := func(version string, page Page) (got []string, marker string) {
		out := must2(w.ListAliases(t.Context(), at("f"), version, page))(t)
		for _, a := range out.Aliases {
			got = append(got, a.Name)
		}
		return got, out.NextMarker
	}
	if got, _ := names("", Page{}); !slices.Equal(got, []string{"2024-01-02", "latest", "live"}) {
		t.Errorf("aliases %v", got)
	}
	if got, _ := names("1", Page{}); !slices.Equal(got, []string{"live"}) {
		t.Errorf("aliases of version 1: %v", got)
	}
	got, marker := names("", Page{MaxItems: 2})
	if rest, end := names("", Page{Marker: marker}); len(got) != 2 || !slices.Equal(rest, []string{"live"}) || end != "" {
		t.Errorf("pages %v %v %q", got, rest, end)
	}
	must(t, w.DeleteAlias(t.Context(), at("f"), "live"))
	must(t, w.DeleteAlias(t.Context(), at("f"), "live")) // recorded: no error
	_, err = w.GetAlias(t.Context(), at("f"), "live")
	wantError[*NotFoundError](t, err, "Cannot find alias arn: "+functionARN("f:live"))
}

// The texts are recorded AWS replies.
func TestAliasRefusals(t *testing.T) {
	w := newWorld(t, nil)
	w.run()
	w.ready("f")
	w.publish("f")
	w.change("f", "2")
	w.publish("f")
	must2(w.CreateAlias(t.Context(), at("f"), AliasInput{Name: "custom", FunctionVersion: ptr("1")}))(t)
	create := func(in AliasInput) error {
		_, err := w.CreateAlias(t.Context(), at("f"), in)
		return err
	}
	routed := func(version string, routing map[string]float64) AliasInput {
		return AliasInput{Name: "x", FunctionVersion: &version, Routing: routing}
	}
	wantError[*InvalidError](t, create(routed("1", map[string]float64{"1": 0.1, "2": 0.1})), "Number of items in AdditionalVersionWeights cannot be greater than 1")
	value := "1 validation error detected: Value '%s' at 'routingConfig.additionalVersionWeights' failed to satisfy constraint: Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must have value greater than or equal to 0.0, Member must not be null]"
	wantError[*ValidationError](t, create(routed("1", map[string]float64{"2": 2})), fmt.Sprintf(value, "{2=2.0}"))
	wantError[*ValidationError](t, create(routed("1", map[string]float64{"2": -1})), fmt.Sprintf(value, "{2=-1.0}"))
	wantError[*ValidationError](t, create(routed("1", map[string]float64{Latest: 0.5})), "1 validation error detected: Value '{$LATEST=0.5}' at 'routingConfig.additionalVersionWeights' failed to satisfy constraint: Map keys must satisfy constraint: [Member must have length less than or equal to 1024, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: [0-9]+]")
	wantError[*InvalidError](t, create(routed("1", map[string]float64{"1": 0.5})), "Invalid function version 1. Function version 1 is already included in routing configuration.")
	wantError[*NotFoundError](t, create(routed("1", map[string]float64{"10": 0.5})), "Function not found: "+functionARN("f:10"))
	wantError[*NotFoundError](t, create(routed("10", nil)), "Function not found: "+functionARN("f:10"))
	wantError[*InvalidError](t, create(routed(Latest, map[string]float64{"1": 0.5})), "$LATEST is not supported for an alias pointing to more than 1 version")
	wantError[*ValidationError](t, create(AliasInput{Name: "2024", FunctionVersion: ptr("1")}), "1 validation error detected: Value '2024' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)")
	wantError[*ConflictError](t, create(AliasInput{Name: "custom", FunctionVersion: ptr("1")}), "Alias already exists: "+functionARN("f:custom"))
	_, err := w.CreateAlias(t.Context(), at("none"), AliasInput{Name: "x", FunctionVersion: ptr("1")})
	wantError[*NotFoundError](t, err, "Function not found: "+functionARN("none:1"))
	_, err = w.UpdateAlias(t.Context(), at("f"), AliasInput{Name: "non-existent"})
	wantError[*NotFoundError](t, err, "Alias not found: "+functionARN("f:non-existent"))
	_, err = w.GetAlias(t.Context(), at("none"), "x")
	wantError[*NotFoundError](t, err, "Function not found: "+functionARN("none"))
}

func TestResolveNamesWhatWasInvoked(t *testing.T) {
	w := newWorld(t, nil)
	w.run()
	w.ready("f")
	w.publish("f")
	must2(w.CreateAlias(t.Context(), at("f"), AliasInput{Name: "live", FunctionVersion: ptr("1")}))(t)
	must(t, w.PutConcurrency(t.Context(), at("f"), 5))
	for qualifier, want := range map[string][2]string{
		"": {"f", Latest}, Latest: {"f:$LATEST", Latest}, "1": {"f:1", "1"}, "live": {"f:live", "1"},
	} {
		got := must2(w.Resolve(t.Context(), here, "f", qualifier))(t)
		if got.InvokedARN != functionARN(want[0]) || got.Version.Version != want[1] || *got.ReservedConcurrency != 5 {
			t.Errorf("%q resolves to %+v %s", qualifier, got, got.Version.Version)
		}
	}
	_, err := w.Resolve(t.Context(), here, "none", "")
	wantError[*NotFoundError](t, err, "Function not found: "+functionARN("none:$LATEST"))
	_, err = w.Resolve(t.Context(), here, "f", "nope")
	wantError[*NotFoundError](t, err, "Function not found: "+functionARN("f:nope"))
}

func TestResolveReadsTheStoreOnce(t *testing.T) {
	w := newWorld(t, nil)
	stop := w.run()
	w.ready("f")
	stop()
	first := must2(w.Resolve(t.Context(), here, "f", ""))(t)
	before := w.store.snapshots.Load()
	for range 100 {
		if got := must2(w.Resolve(t.Context(), here, "f", ""))(t); got != first {
			t.Fatal("another object")
		}
	}
	if n := w.store.snapshots.Load() - before; n != 0 {
		t.Errorf("%d readings of the store", n)
	}
	if allocs := testing.AllocsPerRun(100, func() { _, _ = w.Resolve(context.Background(), here, "f", "") }); allocs > 3 {
		t.Errorf("%v allocations", allocs)
	}
	for i := range 50 {
		_, _ = w.Resolve(t.Context(), here, fmt.Sprint("none", i), "")
		_, _ = w.Resolve(t.Context(), here, "f", fmt.Sprint("none", i))
	}
	entries := 0
	w.cache.Range(func(any, any) bool { entries++; return true })
	if entries != 1 {
		t.Errorf("unknown names fill the cache: %d entries", entries)
	}
}

func TestResolveFollowsEveryChange(t *testing.T) {
	w := newWorld(t, nil)
	w.run()
	w.ready("f")
	must2(w.Resolve(t.Context(), here, "f", ""))(t)
	must(t, w.PutConcurrency(t.Context(), at("f"), 9))
	if got := must2(w.Resolve(t.Context(), here, "f", ""))(t); got.ReservedConcurrency == nil || *got.ReservedConcurrency != 9 {
		t.Errorf("reservation: %+v", got)
	}
	w.publish("f")
	w.change("f", "second")
	w.publish("f")
	must2(w.CreateAlias(t.Context(), at("f"), AliasInput{Name: "live", FunctionVersion: ptr("1")}))(t)
	if got := must2(w.Resolve(t.Context(), here, "f", "live"))(t); got.Version.Version != "1" {
		t.Errorf("live is %s", got.Version.Version)
	}
	must2(w.UpdateAlias(t.Context(), at("f"), AliasInput{Name: "live", FunctionVersion: ptr("2")}))(t)
	if got := must2(w.Resolve(t.Context(), here, "f", "live"))(t); got.Version.Version != "2" {
		t.Errorf("live is %s", got.Version.Version)
	}
	must(t, w.Delete(t.Context(), at("f")))
	if _, err := w.Resolve(t.Context(), here, "f", "live"); err == nil {
		t.Error("a deleted function resolves")
	}
}

func TestWeightedAliasSharesCalls(t *testing.T) {
	w := newWorld(t, nil)
	w.run()
	w.ready("f")
	w.publish("f")
	w.change("f", "2")
	w.publish("f")
	count := func(weight float64) map[string]int {
		t.Helper()
		in := AliasInput{Name: "live", FunctionVersion: ptr("1"), Routing: map[string]float64{"2": weight}}
		if _, err := w.UpdateAlias(t.Context(), at("f"), in); err != nil {
			must2(w.CreateAlias(t.Context(), at("f"), in))(t)
		}
		counts := map[string]int{}
		for range 4000 {
			got := must2(w.Resolve(t.Context(), here, "f", "live"))(t)
			counts[got.Version.Version]++
			if got.InvokedARN != functionARN("f:live") {
				t.Fatal(got.InvokedARN)
			}
		}
		return counts
	}
	// 4000 draws at 0.25 have a deviation of 27: 700 to 1300 is eleven of them.
	if c := count(0.25); c["2"] < 700 || c["2"] > 1300 {
		t.Errorf("weight 0.25 gives %v", c)
	}
	if c := count(0); c["2"] != 0 {
		t.Errorf("weight 0 gives %v", c)
	}
	if c := count(1); c["1"] != 0 {
		t.Errorf("weight 1 gives %v", c)
	}
}

// TestResolveNeverStoresAStaleReading lets readers and a writer race; the last
// word must be the writer's. The race detector watches as well.
func TestResolveNeverStoresAStaleReading(t *testing.T) {
	w := newWorld(t, nil)
	w.run()
	w.ready("f")
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					_, _ = w.Resolve(context.Background(), here, "f", "")
				}
			}
		})
	}
	for i := range 200 {
		must(t, w.PutConcurrency(t.Context(), at("f"), i))
		if got := must2(w.Resolve(t.Context(), here, "f", ""))(t); *got.ReservedConcurrency != i {
			t.Fatalf("resolved %d after %d was committed", *got.ReservedConcurrency, i)
		}
	}
	close(stop)
	wg.Wait()
}
