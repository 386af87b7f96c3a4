package engine

import (
	"maps"
	"slices"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/core/stack/state"
)

// Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/stack-failure-options.html
func TestAStackWhoseRollbackWasDisabledGoesBackLater(t *testing.T) {
	p := start(t)
	template := func(a, b string) string {
		return text("Resources", m{"A": one(m{"Value": a}), "B": one(m{"Value": b}, m{"DependsOn": "A"})})
	}
	p.create("mine", &Input{Template: template("a", "b")})
	p.world.failOn("update B")
	keep := state.Options{DisableRollback: true}
	if s := p.update("mine", &Input{Template: template("a2", "b2"), Options: keep}); s.Status != state.UpdateFailed || p.world.values() != "a2 b" {
		t.Fatalf("%s %s: %s", s.Status, s.Reason, p.world.values())
	}
	p.world.failOn()
	if _, err := p.Rollback(t.Context(), here, "mine", &Input{}); err != nil {
		t.Fatal(err)
	}
	if s := p.wait("mine"); s.Status != state.UpdateRollbackComplete || p.world.values() != "a b" {
		t.Errorf("%s %s: %s", s.Status, s.Reason, p.world.values())
	}
	p.world.failOn("update B")
	p.update("mine", &Input{Template: template("a3", "b3"), Options: keep})
	p.world.failOn()
	if s := p.update("mine", &Input{Template: template("a4", "b4")}); s.Status != state.UpdateComplete || p.world.values() != "a4 b4" {
		t.Errorf("%s %s: %s", s.Status, s.Reason, p.world.values())
	}
	p.world.failOn("create B")
	p.create("new", &Input{Template: template("x", "y"), Options: keep})
	if _, err := p.Rollback(t.Context(), here, "new", &Input{}); err != nil {
		t.Fatal(err)
	}
	if s := p.wait("new"); s.Status != state.RollbackComplete || p.world.values() != "a4 b4" {
		t.Errorf("%s %s: %s", s.Status, s.Reason, p.world.values())
	}
}

func TestWhatIsThereIsImported(t *testing.T) {
	p := start(t)
	p.create("mine", &Input{Template: text("Resources", m{"A": one(m{"Value": "a"})})})
	p.world.things["there"] = m{"Value": "t"}
	in := &ChangeSetInput{Name: "c", Kind: "IMPORT", Input: Input{Template: text("Resources", m{"A": one(m{"Value": "a"}), "T": one(m{"Name": "there", "Value": "t"}, m{"DeletionPolicy": "Retain"})}),
		Adopt: map[string]map[string]string{"T": {"Name": "there"}}}}
	c, err := p.CreateChangeSet(t.Context(), here, "mine", in)
	if err != nil || len(c.Changes) != 1 || c.Changes[0].Action != "Import" || c.Changes[0].PhysicalID != "there" {
		t.Fatalf("%+v, %v", c, err)
	}
	if err := p.ExecuteChangeSet(t.Context(), here, "mine", "c", &Input{}); err != nil {
		t.Fatal(err)
	}
	if s := p.wait("mine"); s.Status != state.ImportComplete {
		t.Fatalf("%s %s: %q", s.Status, s.Reason, p.history("mine"))
	}
	if s := p.remove("mine", &Deletion{}); s.Status != state.DeleteComplete || p.world.values() != "t" {
		t.Errorf("%s: %s is left", s.Status, p.world.values())
	}
}

func TestAnImportOfWhatIsNotThereIsTakenBack(t *testing.T) {
	p := start(t)
	p.create("mine", &Input{Template: text("Resources", m{"A": one(m{"Value": "a"})})})
	in := &ChangeSetInput{Name: "c", Kind: "IMPORT", Input: Input{Template: text("Resources", m{"A": one(m{"Value": "a"}), "T": one(m{"Name": "gone", "Value": "t"}, m{"DeletionPolicy": "Retain"})}),
		Adopt: map[string]map[string]string{"T": {"Name": "gone"}}}}
	if _, err := p.CreateChangeSet(t.Context(), here, "mine", in); err != nil {
		t.Fatal(err)
	}
	if err := p.ExecuteChangeSet(t.Context(), here, "mine", "c", &Input{}); err != nil {
		t.Fatal(err)
	}
	if s := p.wait("mine"); s.Status != state.ImportRollbackComplete || p.world.values() != "a" {
		t.Errorf("%s %s: %q", s.Status, s.Reason, p.history("mine"))
	}
}

func TestPoliciesDecideWhatIsLeft(t *testing.T) {
	p := start(t)
	body := func(fixed string) string {
		return text("Resources", m{"K": one(m{"Value": "kept"}, m{"DeletionPolicy": "Retain"}), "R": one(m{"Value": "replaced", "Fixed": fixed}, m{"UpdateReplacePolicy": "Retain"}), "G": one(m{"Value": "gone"})})
	}
	p.create("mine", &Input{Template: body("1")})
	p.update("mine", &Input{Template: body("2")})
	if p.world.values() != "gone kept replaced replaced" {
		t.Error(p.world.values())
	}
	p.world.failOn("delete G")
	s := p.remove("mine", &Deletion{})
	if s.Status != state.DeleteFailed || s.Reason != "The following resource(s) failed to delete: [G]. " {
		t.Errorf("%s %q", s.Status, s.Reason)
	}
	if s := p.remove("mine", &Deletion{Retain: []string{"G"}}); s.Status != state.DeleteComplete || p.world.values() != "gone kept replaced" {
		t.Errorf("%s %s: %s", s.Status, s.Reason, p.world.values())
	}
}

// Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-stack-update-cancel.html
func TestAnUpdateThatWaitsIsCancelled(t *testing.T) {
	p := start(t)
	body := func(a string, wait bool) string {
		return text("Resources", m{"A": one(m{"Value": a}), "W": m{"Type": "Custom::Waiter", "DependsOn": "A", "Properties": m{"Wait": wait, "Value": "w"}}})
	}
	p.create("mine", &Input{Template: body("a", false)})
	if err := p.Cancel(t.Context(), here, "mine", ""); err == nil {
		t.Error("an update that is not under way was cancelled")
	}
	if _, err := p.Update(t.Context(), here, "mine", &Input{Template: body("a2", true)}); err != nil {
		t.Fatal(err)
	}
	<-p.world.waiting
	if err := p.Engine.Delete(t.Context(), here, "mine", &Deletion{}); err == nil {
		t.Error("a stack was deleted in its update")
	}
	p.Engine.mu.Lock()
	works := slices.Collect(maps.Values(p.Engine.running))
	p.Engine.mu.Unlock()
	for _, w := range works {
		select {
		case <-w.interrupted():
			t.Error("a deletion that was refused interrupts the update")
		default:
		}
	}
	if err := p.Cancel(t.Context(), here, "mine", ""); err != nil {
		t.Fatal(err)
	}
	s := p.wait("mine")
	lines := p.history("mine")
	if s.Status != state.UpdateRollbackComplete || p.world.values() != "a w" {
		t.Errorf("%s %s: %s; %q", s.Status, s.Reason, p.world.values(), lines)
	}
	for _, want := range []string{"W UPDATE_FAILED Resource update cancelled", "mine UPDATE_ROLLBACK_IN_PROGRESS User Initiated"} {
		if !slices.Contains(lines, want) {
			t.Errorf("no event %q in %q", want, lines)
		}
	}
}
