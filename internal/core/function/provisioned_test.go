package function

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambkin-dev/lambkin/internal/engine/store/localstore"
)

// provisioned makes f with versions 1 and 2 and the alias live of version 1.
func provisionedWorld(t *testing.T) *world {
	w := newWorld(t, nil)
	w.run()
	w.ready("f")
	w.publish("f")
	w.change("f", "second")
	w.publish("f")
	must2(w.CreateAlias(t.Context(), at("f"), AliasInput{Name: "live", FunctionVersion: ptr("1")}))(t)
	return w
}

// shares are the shares of a configuration by version.
func (p *Provisioned) byVersion() map[string]int {
	out := map[string]int{}
	for _, s := range p.Shares {
		out[s.Version.Version] = s.Environments
	}
	return out
}

// The texts of this test and of the next are AWS's, as recorded by LocalStack's
// test suite against AWS (TestLambdaProvisionedConcurrency, 2025-11).
func TestProvisionedNamesWhatIsMissing(t *testing.T) {
	w := provisionedWorld(t)
	ctx := t.Context()
	_, err := w.Provisioned(ctx, qualified("f", "1"))
	wantError[*MissingProvisionedError](t, err, "No Provisioned Concurrency Config found for this function")
	must(t, w.DeleteProvisioned(ctx, qualified("f", "1")))
	for _, name := range []string{"f", "none"} {
		for qualifier, message := range map[string]string{
			"noalias": "Cannot find alias arn: " + functionARN(name+":noalias"),
			"10":      "Function not found: " + functionARN(name+":10"),
		} {
			_, err := w.Provisioned(ctx, qualified(name, qualifier))
			wantError[*NotFoundError](t, err, message)
			wantError[*NotFoundError](t, w.DeleteProvisioned(ctx, qualified(name, qualifier)), message)
			_, err = w.PutProvisioned(ctx, qualified(name, qualifier), 1)
			wantError[*NotFoundError](t, err, message)
		}
	}
	_, err = w.Provisioned(ctx, qualified("f", Latest))
	wantError[*InvalidError](t, err, "The function resource provided must be an alias or a published version.")
	wantError[*InvalidError](t, w.DeleteProvisioned(ctx, qualified("f", Latest)), "The function resource provided must be an alias or a published version.")
	_, err = w.PutProvisioned(ctx, qualified("f", Latest), 1)
	wantError[*InvalidError](t, err, "Provisioned Concurrency Configs cannot be applied to unpublished function versions.")
	if list := must2(w.ListProvisioned(ctx, at("f"), Page{}))(t); len(list.Configurations) != 0 {
		t.Errorf("%d configurations", len(list.Configurations))
	}
	_, err = w.ListProvisioned(ctx, at("none"), Page{})
	wantError[*NotFoundError](t, err, "Function not found: "+functionARN("none"))
}

func TestVersionAndAliasAreNotProvisionedTogether(t *testing.T) {
	w := provisionedWorld(t)
	ctx := t.Context()
	put := must2(w.PutProvisioned(ctx, qualified("f", "1"), 1))(t)
	if put.Requested != 1 || put.ARN() != functionARN("f:1") || put.LastModified.IsZero() || put.byVersion()["1"] != 1 {
		t.Errorf("%+v", put)
	}
	_, err := w.PutProvisioned(ctx, qualified("f", "live"), 1)
	wantError[*ConflictError](t, err, "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version")
	must(t, w.DeleteProvisioned(ctx, qualified("f", "1")))
	must2(w.PutProvisioned(ctx, qualified("f", "live"), 1))(t)
	_, err = w.PutProvisioned(ctx, qualified("f", "1"), 1)
	wantError[*ConflictError](t, err, "Version is pointed by a Provisioned Concurrency alias")

	must2(w.PutProvisioned(ctx, qualified("f", "2"), 1))(t)
	_, err = w.UpdateAlias(ctx, at("f"), AliasInput{Name: "live", FunctionVersion: ptr("2")})
	wantError[*ConflictError](t, err, "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version")
	_, err = w.UpdateAlias(ctx, at("f"), AliasInput{Name: "live", FunctionVersion: ptr(Latest)})
	wantError[*InvalidError](t, err, "Invalid alias configuration for Provisioned Concurrency")

	must(t, w.DeleteAlias(ctx, at("f"), "live"))
	_, err = w.Provisioned(ctx, qualified("f", "live"))
	wantError[*NotFoundError](t, err, "Cannot find alias arn: "+functionARN("f:live"))
	list := must2(w.ListProvisioned(ctx, at("f"), Page{}))(t)
	if len(list.Configurations) != 1 || list.Configurations[0].ARN() != functionARN("f:2") {
		t.Errorf("%+v", list.Configurations)
	}
	must2(w.CreateAlias(ctx, at("f"), AliasInput{Name: "newest", FunctionVersion: ptr(Latest)}))(t)
	_, err = w.PutProvisioned(ctx, qualified("f", "newest"), 1)
	wantError[*InvalidError](t, err, "Provisioned Concurrency Configs cannot be applied to unpublished function versions.")
}

// The texts are AWS's, as recorded by LocalStack's test suite against AWS
// (test_provisioned_concurrency_limits, test_reserved_provisioned_overlap, 2025-11).
func TestProvisionedIsPartOfAReservationOrOfTheAccount(t *testing.T) {
	w := provisionedWorld(t)
	ctx := t.Context()
	unreserved := func() int {
		return must2(w.AccountSettings(ctx, here))(t).UnreservedConcurrentExecutions
	}
	_, err := w.PutProvisioned(ctx, qualified("f", "1"), 1001)
	wantError[*InvalidError](t, err, "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [1000].")
	_, err = w.PutProvisioned(ctx, qualified("f", "1"), 1000)
	wantError[*InvalidError](t, err, "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100].")
	must2(w.PutProvisioned(ctx, qualified("f", "1"), 900))(t)
	if n := unreserved(); n != 100 || w.ReservedTotal(here.Account, here.Region) != 900 {
		t.Errorf("%d unreserved", n)
	}
	must2(w.PutProvisioned(ctx, qualified("f", "1"), 2))(t)
	must2(w.PutProvisioned(ctx, qualified("f", "1"), 2))(t)
	wantError[*InvalidError](t, w.PutConcurrency(ctx, at("f"), 1), " ReservedConcurrentExecutions  1 should not be lower than function's total provisioned concurrency [2].")
	must(t, w.PutConcurrency(ctx, at("f"), 2))
	if n := unreserved(); n != 998 {
		t.Errorf("%d unreserved, want the two that are reserved and provisioned counted once", n)
	}
	over := "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function"
	_, err = w.PutProvisioned(ctx, qualified("f", "2"), 1)
	wantError[*InvalidError](t, err, over)
	_, err = w.PutProvisioned(ctx, qualified("f", "1"), 3)
	wantError[*InvalidError](t, err, over)
	got := must2(w.Resolve(ctx, here, "f", "1"))(t)
	if got.Provisioned != 2 || got.FunctionProvisioned != 2 || *got.ReservedConcurrency != 2 {
		t.Errorf("%+v", got)
	}
	if got := must2(w.Resolve(ctx, here, "f", ""))(t); got.Provisioned != 0 || got.FunctionProvisioned != 2 {
		t.Errorf("%+v", got)
	}
	must(t, w.DeleteConcurrency(ctx, at("f")))
	if n := unreserved(); n != 998 {
		t.Errorf("%d unreserved without the reservation", n)
	}
	must(t, w.DeleteProvisioned(ctx, qualified("f", "1")))
	must2(w.PutProvisioned(ctx, qualified("f", "2"), 5))(t)
	must(t, w.Delete(ctx, qualified("f", "2")))
	if n := unreserved(); n != 1000 {
		t.Errorf("%d unreserved without the version", n)
	}
	must2(w.PutProvisioned(ctx, qualified("f", "live"), 7))(t)
	must(t, w.Delete(ctx, at("f")))
	if n := unreserved(); n != 1000 {
		t.Errorf("%d unreserved without the function", n)
	}
}

func TestReservingNothingIsAlwaysAllowed(t *testing.T) {
	// AWS: also in an account whose whole limit is below the unreserved minimum.
	w := newWorld(t, func(c *Config) { c.Concurrency = 10 })
	w.create("f")
	must(t, w.PutConcurrency(t.Context(), at("f"), 0))
	wantError[*InvalidError](t, w.PutConcurrency(t.Context(), at("f"), 1), "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100].")
}

func TestProvisionedMovesWithItsAlias(t *testing.T) {
	w := provisionedWorld(t)
	ctx := t.Context()
	must2(w.PutProvisioned(ctx, qualified("f", "live"), 10))(t)
	for _, step := range []struct {
		move AliasInput
		want map[string]int
	}{
		{AliasInput{}, map[string]int{"1": 10}},
		{AliasInput{Routing: map[string]float64{"2": 0.25}}, map[string]int{"1": 7, "2": 3}},
		{AliasInput{Routing: map[string]float64{"2": 0.01}}, map[string]int{"1": 10}},
		{AliasInput{FunctionVersion: ptr("2"), Routing: map[string]float64{}}, map[string]int{"2": 10}},
	} {
		step.move.Name = "live"
		must2(w.UpdateAlias(ctx, at("f"), step.move))(t)
		got := must2(w.Provisioned(ctx, qualified("f", "live")))(t)
		if diff := cmp.Diff(step.want, got.byVersion()); diff != "" {
			t.Errorf("after %+v: %s", step.move, diff)
		}
		for _, version := range []string{"1", "2"} {
			// AWS: a version that a provisioned alias points to is provisioned under
			// its own name as well; recorded.
			if got := must2(w.Resolve(ctx, here, "f", version))(t); got.Provisioned != step.want[version] || got.FunctionProvisioned != 10 {
				t.Errorf("after %+v: version %s resolves to %+v", step.move, version, got)
			}
		}
	}
}

func TestListProvisionedInPages(t *testing.T) {
	w := provisionedWorld(t)
	ctx := t.Context()
	for _, qualifier := range []string{"2", "live"} {
		must2(w.PutProvisioned(ctx, qualified("f", qualifier), 1))(t)
	}
	first := must2(w.ListProvisioned(ctx, at("f"), Page{MaxItems: 1}))(t)
	second := must2(w.ListProvisioned(ctx, at("f"), Page{MaxItems: 1, Marker: first.NextMarker}))(t)
	if len(first.Configurations) != 1 || len(second.Configurations) != 1 || second.NextMarker != "" ||
		first.Configurations[0].Qualifier != "2" || second.Configurations[0].Qualifier != "live" {
		t.Errorf("%+v, then %+v", first, second)
	}
}

// TestAnotherProcessChangesTheStore has a second registry over the same store
// stand for another process.
func TestAnotherProcessChangesTheStore(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s := must2(localstore.Open(localstore.Config{Folder: t.TempDir()}))(t)
	defer s.Close()
	w := newWorld(t, func(c *Config) { c.Store = s })
	w.run()
	w.ready("f")
	w.publish("f")
	other := must2(NewRegistry(w.config))(t)
	hints := w.WatchProvisioned(ctx)
	if got := must2(w.Resolve(ctx, here, "f", "1"))(t); got.Provisioned != 0 || w.ReservedTotal(here.Account, here.Region) != 0 {
		t.Fatalf("%+v", got)
	}
	must2(other.PutProvisioned(ctx, qualified("f", "1"), 3))(t)
	<-hints
	if all := must2(w.AllProvisioned(ctx))(t); len(all) != 1 || all[0].Requested != 3 {
		t.Errorf("%+v", all)
	}
	// The cache is dropped a moment after the hint to us.
	for ctx.Err() == nil {
		if got := must2(w.Resolve(ctx, here, "f", "1"))(t); got.Provisioned == 3 && w.ReservedTotal(here.Account, here.Region) == 3 {
			return
		}
	}
	t.Error("the change of the other process is not seen")
}
