package engine

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/core/stack/state"
)

func count(lines []string, line string) (n int) {
	for _, other := range lines {
		if other == line {
			n++
		}
	}
	return n
}

// AWS tries three times before it leaves something behind, as events that many have recorded show.
func TestTheCleanUpTriesAgainAndThenLeavesItBehind(t *testing.T) {
	p := start(t)
	body := func(fixed string) string {
		return text("Resources", m{"R": one(m{"Value": "r", "Fixed": fixed}), "K": one(m{"Value": "k"})})
	}
	p.create("mine", &Input{Template: body("1")})
	failures := 0
	p.world.mu.Lock()
	p.world.fail = func(call string) error {
		if call == "delete K" || call == "delete R" && failures < 2 {
			if call == "delete R" {
				failures++
			}
			return fmt.Errorf("it fails to %s", call)
		}
		return nil
	}
	p.world.mu.Unlock()
	s := p.update("mine", &Input{Template: text("Resources", m{"R": one(m{"Value": "r", "Fixed": "2"})})})
	lines := p.history("mine")
	if s.Status != state.UpdateComplete || s.Reason != "Update successful. One or more resources could not be deleted." || p.world.values() != "k r" {
		t.Errorf("%s %s: %s", s.Status, s.Reason, p.world.values())
	}
	for line, want := range map[string]int{"K DELETE_FAILED it fails to delete K": cleanTries, "K DELETE_IN_PROGRESS": cleanTries, "R DELETE_FAILED it fails to delete R": 2, "R DELETE_COMPLETE": 1} {
		if got := count(lines, line); got != want {
			t.Errorf("%d events %q, want %d: %q", got, line, want, lines)
		}
	}
	if _, rows, err := p.Resources(t.Context(), here, "mine", "K"); err != nil || len(rows) != 0 {
		t.Errorf("the stack has %+v, %v", rows, err)
	}
}

// Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ContinueUpdateRollback.html,
// of ResourcesToSkip.
func TestResourcesOfNestedStacksAreSkipped(t *testing.T) {
	f := newFamily(t)
	f.world.failOn("update I", "update A")
	f.update("mine", &Input{Template: outer("two", "x")})
	child := f.wait(f.child)
	if child.Status != state.UpdateRollbackFailed {
		t.Fatalf("%s: %s", child.Status, child.Reason)
	}
	for _, wrong := range []string{"I", "N.I", child.Name + ".Nothing", "mine.A"} {
		if err := f.ContinueRollback(t.Context(), here, "mine", []string{wrong}, &Input{}); err == nil || !strings.Contains(err.Error(), "cannot be skipped") {
			t.Errorf("%s was skipped: %v", wrong, err)
		}
	}
	if err := f.ContinueRollback(t.Context(), here, "mine", []string{child.Name + ".I"}, &Input{}); err != nil {
		t.Fatal(err)
	}
	f.expect(state.UpdateRollbackComplete, state.UpdateRollbackComplete, "one-I-1", "after  one/p")
}

// Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DeleteStack.html, of DeletionMode.
func TestADeletionIsForced(t *testing.T) {
	p := start(t)
	p.create("mine", &Input{Template: text("Resources", m{"A": one(m{"Value": "a"}), "B": one(m{"Value": "b"})})})
	if err := p.Engine.Delete(t.Context(), here, "mine", &Deletion{Force: true}); err == nil || !strings.Contains(err.Error(), "can only be used on stacks in the DELETE_FAILED state") {
		t.Errorf("a stack that was never deleted is forced: %v", err)
	}
	p.world.failOn("delete A")
	if s := p.remove("mine", &Deletion{}); s.Status != state.DeleteFailed {
		t.Errorf("%s: %s", s.Status, s.Reason)
	}
	s := p.remove("mine", &Deletion{Force: true})
	if s.Status != state.DeleteComplete || p.world.values() != "a" || !slices.Contains(p.history(s.ARN()), "A DELETE_SKIPPED") {
		t.Errorf("%s: %s, %q", s.Status, p.world.values(), p.history(s.ARN()))
	}
}

// Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html, of
// RetainExceptOnCreate and TimeoutInMinutes.
func TestWhatWasNewIsNotRetained(t *testing.T) {
	p := start(t)
	body := text("Resources", m{"A": one(m{"Value": "a"}, m{"DeletionPolicy": "Retain"}), "B": one(m{"Value": "b"}, m{"DependsOn": "A"})})
	p.world.failOn("create B")
	if s := p.create("kept", &Input{Template: body}); s.Status != state.RollbackComplete || p.world.values() != "a" {
		t.Errorf("%s: %s", s.Status, p.world.values())
	}
	if s := p.create("not", &Input{Template: body, Options: state.Options{RetainExceptOnCreate: true}}); s.Status != state.RollbackComplete || p.world.values() != "a" {
		t.Errorf("%s: %s", s.Status, p.world.values())
	}
}

func TestACreationHasItsTime(t *testing.T) {
	p := start(t)
	body := text("Resources", m{"A": one(m{"Value": "a"}), "W": m{"Type": "Custom::Waiter", "DependsOn": "A", "Properties": m{"WaitToCreate": true}}})
	s := p.create("mine", &Input{Template: body, Options: state.Options{Timeout: 10 * time.Millisecond}})
	if s.Status != state.RollbackComplete || p.world.values() != "" || !slices.Contains(p.history(s.ARN()), "mine ROLLBACK_IN_PROGRESS Stack creation time exceeded the specified timeout. Rollback requested by user.") {
		t.Errorf("%s: %s, %q", s.Status, p.world.values(), p.history(s.ARN()))
	}
}

// Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/protect-stack-resources.html
func TestAStackPolicyProtects(t *testing.T) {
	p := start(t)
	policy := func(effect, action string) string {
		return fmt.Sprintf(`{"Statement": [{"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"}, {"Effect": %q, "Action": %q, "Principal": "*", "Resource": "LogicalResourceId/P"}]}`, effect, action)
	}
	body := func(value, fixed string, there bool) string {
		all := m{"O": one(m{"Value": value})}
		if there {
			all["P"] = one(m{"Value": value, "Fixed": fixed})
		}
		return text("Resources", all)
	}
	p.create("mine", &Input{Template: body("1", "f", true), Policy: policy("Deny", "Update:Modify")})
	denied := func(action string, in *Input) {
		t.Helper()
		s := p.update("mine", in)
		want := "P UPDATE_FAILED Action denied by stack policy: Statement [#2] does not allow [" + action + "] for resource [P]"
		if s.Status != state.UpdateRollbackComplete || p.world.values() != "1 1" || !slices.Contains(p.history("mine"), want) {
			t.Errorf("%s: %s, %s, %q", action, s.Status, p.world.values(), p.history("mine"))
		}
	}
	denied("Update:Modify", &Input{Template: body("2", "f", true)})
	denied("Update:Replace", &Input{Template: body("1", "g", true), PolicyDuring: policy("Deny", "Update:Replace")})
	denied("Update:Delete", &Input{Template: body("1", "f", false), PolicyDuring: policy("Deny", "Update:Delete")})
	if s := p.update("mine", &Input{Template: body("3", "f", true), PolicyDuring: policy("Allow", "Update:*")}); s.Status != state.UpdateComplete || p.world.values() != "3 3" {
		t.Errorf("%s %s: %s", s.Status, s.Reason, p.world.values())
	}
	if s, err := p.Describe(t.Context(), here, "mine"); err != nil || s.Policy != policy("Deny", "Update:Modify") {
		t.Errorf("the policy of one update stays: %v, %v", s, err)
	}
}

// Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateChangeSet.html, of OnStackFailure.
func TestAChangeSetSaysWhatAFailureMeans(t *testing.T) {
	p := start(t)
	body := text("Resources", m{"A": one(m{"Value": "a"}), "B": one(m{"Value": "b"}, m{"DependsOn": "A"})})
	for onFailure, want := range map[string]state.Status{state.DeleteIt: state.DeleteComplete, state.Rollback: state.RollbackComplete, state.DoNothing: state.CreateFailed} {
		p.world.failOn("create B")
		name := "s-" + strings.ReplaceAll(onFailure, "_", "-")
		c, err := p.CreateChangeSet(t.Context(), here, name, &ChangeSetInput{Name: "c", Kind: "CREATE", Input: Input{Template: body, Options: state.Options{OnFailure: onFailure}}})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.ExecuteChangeSet(t.Context(), here, name, "c", &Input{Options: state.Options{DisableRollback: true}}); err == nil {
			t.Errorf("%s and DisableRollback", onFailure)
		}
		if err := p.ExecuteChangeSet(t.Context(), here, name, "c", &Input{}); err != nil {
			t.Fatal(err)
		}
		if s := p.wait(c.Stack); s.Status != want {
			t.Errorf("%s: %s %s", onFailure, s.Status, s.Reason)
		}
	}
	in := &ChangeSetInput{Name: "d", Input: Input{Template: body, Options: state.Options{OnFailure: state.DeleteIt}}}
	if _, err := p.CreateChangeSet(t.Context(), here, "s-DO-NOTHING", in); err == nil {
		t.Error("an update deletes its stack")
	}
}
