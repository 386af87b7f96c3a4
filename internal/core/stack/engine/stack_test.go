package engine

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambkin-dev/lambkin/internal/core/stack/state"
)

// Events as https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html
// and the AWS CLI's examples of describe-stack-events show them.
func TestAStackLives(t *testing.T) {
	p := start(t)
	two := text("Resources", m{"A": one(m{"Value": "a"}), "B": one(m{"Value": m{"Fn::GetAtt": []any{"A", "Arn"}}})}, "Outputs", m{"Out": m{"Value": m{"Ref": "B"}}})
	s := p.create("mine", &Input{Template: two})
	if s.Status != state.CreateComplete || len(s.Outputs) != 1 || s.Outputs[0].Value != "B-2" || p.world.values() != "a arn:A-1" {
		t.Errorf("%s %s %v %s", s.Status, s.Reason, s.Outputs, p.world.values())
	}
	want := []string{"mine CREATE_IN_PROGRESS User Initiated",
		"A CREATE_IN_PROGRESS", "A CREATE_IN_PROGRESS Resource creation Initiated", "A CREATE_COMPLETE",
		"B CREATE_IN_PROGRESS", "B CREATE_IN_PROGRESS Resource creation Initiated", "B CREATE_COMPLETE", "mine CREATE_COMPLETE"}
	if diff := cmp.Diff(want, p.history("mine")); diff != "" {
		t.Error(diff)
	}
	_, events, _, err := p.Events(t.Context(), here, "mine", 0, nil)
	for i := range events[1:] { // clients sort by milliseconds, the latest comes first
		if !events[i].Time.Truncate(time.Millisecond).After(events[i+1].Time) {
			t.Errorf("the events %v and %v have one time", events[i+1], events[i])
		}
	}
	if err != nil {
		t.Error(err)
	}
	s = p.update("mine", &Input{Template: text("Resources", m{"A": one(m{"Value": "b"}), "C": one(m{"Value": m{"Ref": "A"}})})})
	if s.Status != state.UpdateComplete || len(s.Outputs) != 0 || p.world.values() != "A-1 b" {
		t.Errorf("%s %s %v %s", s.Status, s.Reason, s.Outputs, p.world.values())
	}
	want = []string{"mine UPDATE_IN_PROGRESS User Initiated", "A UPDATE_IN_PROGRESS", "A UPDATE_COMPLETE",
		"C CREATE_IN_PROGRESS", "C CREATE_IN_PROGRESS Resource creation Initiated", "C CREATE_COMPLETE", "mine UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
		"B DELETE_IN_PROGRESS", "B DELETE_COMPLETE", "mine UPDATE_COMPLETE"}
	if diff := cmp.Diff(want, p.history("mine")[8:]); diff != "" {
		t.Error(diff)
	}
	s = p.remove("mine", &Deletion{})
	if s.Status != state.DeleteComplete || p.world.values() != "" {
		t.Errorf("%s %s %s", s.Status, s.Reason, p.world.values())
	}
	want = []string{"mine DELETE_IN_PROGRESS User Initiated", "C DELETE_IN_PROGRESS", "C DELETE_COMPLETE", "A DELETE_IN_PROGRESS", "A DELETE_COMPLETE", "mine DELETE_COMPLETE"}
	if diff := cmp.Diff(want, p.history(s.ARN())[18:]); diff != "" {
		t.Error(diff)
	}
}

func tail(lines []string, n int) []string { return lines[max(0, len(lines)-n):] }

// Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/troubleshooting.html, and events
// recorded by many who ask about them.
func TestACreationThatFailsIsTakenBack(t *testing.T) {
	p := start(t)
	p.world.failOn("create B")
	template := text("Resources", m{"A": one(m{"Value": "a"}), "B": one(m{"Value": m{"Ref": "A"}}), "C": one(m{"Value": m{"Ref": "B"}})})
	s := p.create("mine", &Input{Template: template})
	if s.Status != state.RollbackComplete || p.world.values() != "" {
		t.Errorf("%s %s %s", s.Status, s.Reason, p.world.values())
	}
	want := []string{"B CREATE_FAILED it fails to create B", "mine ROLLBACK_IN_PROGRESS The following resource(s) failed to create: [B]. Rollback requested by user.",
		"B DELETE_COMPLETE", "A DELETE_IN_PROGRESS", "A DELETE_COMPLETE", "mine ROLLBACK_COMPLETE"}
	if diff := cmp.Diff(want, tail(p.history("mine"), 6)); diff != "" {
		t.Error(diff)
	}
	if _, err := p.Update(t.Context(), here, "mine", &Input{Template: template}); err == nil || err.Error() != "ValidationError: Stack:"+s.ARN()+" is in ROLLBACK_COMPLETE state and can not be updated." {
		t.Error(err)
	}
	p.world.failOn("create B")
	if s := p.create("left", &Input{Template: template, Options: state.Options{OnFailure: state.DoNothing}}); s.Status != state.CreateFailed || p.world.values() != "a" {
		t.Errorf("%s %s %s", s.Status, s.Reason, p.world.values())
	}
	p.world.failOn()
	if s := p.update("left", &Input{Template: template}); s.Status != state.UpdateComplete || p.world.values() != "A-2 B-3 a" {
		t.Errorf("%s %s %s", s.Status, s.Reason, p.world.values())
	}
	p.world.failOn("create B")
	if s := p.create("gone", &Input{Template: template, Options: state.Options{OnFailure: state.DeleteIt}}); s.Status != state.DeleteComplete || p.world.values() != "A-2 B-3 a" {
		t.Errorf("%s %s %s", s.Status, s.Reason, p.world.values())
	}
}

func TestAnUpdateThatFailsIsTakenBack(t *testing.T) {
	p := start(t)
	template := func(a, fixed, b string) string {
		return text("Parameters", m{"P": m{"Type": "String"}}, "Resources", m{"A": one(m{"Value": a}), "F": one(m{"Value": "f", "Fixed": fixed}), "G": one(m{"Value": m{"Ref": "F"}}),
			"B": one(m{"Value": m{"Ref": "B1"}}), "B1": one(m{"Value": m{"Ref": "P"}}, m{"DependsOn": []any{"A", "F", "G"}})})
	}
	p.create("mine", &Input{Template: template("a", "1", ""), Parameters: given("P", "b")})
	before := p.world.values()
	p.world.failOn("update B1")
	s := p.update("mine", &Input{Template: template("a2", "2", ""), Parameters: given("P", "b2")})
	if s.Status != state.UpdateRollbackFailed { // the update back fails as well
		t.Errorf("%s %s", s.Status, s.Reason)
	}
	p.world.failOn()
	if err := p.ContinueRollback(t.Context(), here, "mine", nil, &Input{}); err != nil {
		t.Fatal(err)
	}
	s = p.wait("mine")
	if s.Status != state.UpdateRollbackComplete || p.world.values() != before || s.Now.Parameters[0].Value != "b" {
		t.Errorf("%s %s: %s, before: %s", s.Status, s.Reason, p.world.values(), before)
	}
	if s := p.update("mine", &Input{Template: template("a2", "2", ""), Parameters: given("P", "b2")}); s.Status != state.UpdateComplete || p.world.values() == before {
		t.Errorf("%s %s: %s, before: %s", s.Status, s.Reason, p.world.values(), before)
	}
}
