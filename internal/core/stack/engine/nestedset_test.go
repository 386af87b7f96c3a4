package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/core/stack/state"
)

// changesOf shows the changes of a change set, with those of the nested stacks.
func (p *platform) changesOf(stackName, name string) (lines []string) {
	p.t.Helper()
	_, c, err := p.DescribeChangeSet(p.t.Context(), here, stackName, name)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, change := range c.Changes {
		lines = append(lines, strings.TrimSpace(fmt.Sprint(change.LogicalID, " ", change.Action, " ", change.Replacement)))
		if change.ChangeSet != "" {
			_, child, err := p.DescribeChangeSet(p.t.Context(), here, "", change.ChangeSet)
			if err != nil {
				p.t.Fatal(err)
			}
			if child.Parent != c.ARN(here) || child.Root == "" || child.Status != state.ChangeComplete {
				p.t.Errorf("the nested change set is %+v", child)
			}
			for _, line := range p.changesOf("", change.ChangeSet) {
				lines = append(lines, change.LogicalID+"."+line)
			}
		}
	}
	return lines
}

// twoLevels is a stack with a nested one whose parameter is known at the execution only.
func twoLevels(url, value string) string {
	return text("Resources", m{"A": one(m{"Value": value}), "N": m{"Type": state.StackType, "Properties": m{"TemplateURL": url, "Parameters": m{"P": m{"Fn::GetAtt": []any{"A", "Arn"}}}}}})
}

// conditional has a resource whose existence depends on the parameter.
const conditional = `{"Parameters": {"P": {"Type": "String"}}, "Conditions": {"C": {"Fn::Equals": [{"Ref": "P"}, "arn:A-1"]}, "D": {"Fn::Not": [{"Condition": "C"}]}},
 "Resources": {"I": {"Type": "Test::Thing::One", "Properties": {"Value": "%s"}}, "Maybe": {"Type": "Test::Thing::One", "Condition": "C", "Properties": {"Value": {"Ref": "P"}}},
  "Not": {"Type": "Test::Thing::One", "Condition": "D", "Properties": {"Value": {"Fn::If": ["C", "x", "y"]}}}}}`

func reviewed(t *testing.T) *platform {
	p := start(t)
	p.config.Fetch = func(_ context.Context, _ stack.Caller, _ state.Scope, url string) (string, error) {
		return fmt.Sprintf(conditional, url), nil
	}
	return p
}

func (p *platform) changeSet(name, kind, body string) *state.ChangeSet {
	p.t.Helper()
	c, err := p.CreateChangeSet(p.t.Context(), here, "mine", &ChangeSetInput{Name: name, Kind: kind, Nested: true, Input: Input{Template: body}})
	if err != nil {
		p.t.Fatal(err)
	}
	return c
}

func (p *platform) execute(name string) *state.Stack {
	p.t.Helper()
	if err := p.ExecuteChangeSet(p.t.Context(), here, "mine", name, &Input{}); err != nil {
		p.t.Fatal(err)
	}
	return p.wait("mine")
}

// Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/change-sets-for-nested-stacks.html
// and, of the action Dynamic, ResourceChange in the API reference.
func TestAChangeSetHasThoseOfItsNestedStacks(t *testing.T) {
	p := reviewed(t)
	c := p.changeSet("first", "CREATE", twoLevels("one", "a"))
	if got := fmt.Sprint(p.changesOf("mine", "first")); got != "[A Add N Add N.I Add N.Maybe Dynamic N.Not Dynamic]" {
		t.Error(got)
	}
	child := c.Configuration.Nested["N"]
	if s, err := p.Describe(t.Context(), here, child.Stack); err != nil || s.Status != state.ReviewInProgress || s.Parent != c.Stack || s.Root != c.Stack {
		t.Errorf("%+v, %v", s, err)
	}
	for what, err := range map[string]error{"execute": p.ExecuteChangeSet(t.Context(), here, child.Stack, child.Name, &Input{}), "delete": p.DeleteChangeSet(t.Context(), here, "", child.ARN)} {
		var refusal *stack.Error
		if !errors.As(err, &refusal) || refusal.Code != stack.InvalidChangeSet {
			t.Errorf("%s a nested change set: %v", what, err)
		}
	}
	p.config.Fetch = func(context.Context, stack.Caller, state.Scope, string) (string, error) {
		return "", errors.New("the template of the change set counts")
	}
	if s := p.execute("first"); s.Status != state.CreateComplete || p.world.values() != "a arn:A-1 one" {
		t.Fatalf("%s %s: %s, %q", s.Status, s.Reason, p.world.values(), p.history("mine"))
	}
	s, set, err := p.DescribeChangeSet(t.Context(), here, "", child.ARN)
	if err != nil || set.Execution != state.ExecuteComplete || s.ChangeSet != child.ARN || s.Status != state.CreateComplete {
		t.Errorf("%+v of %+v, %v", set, s, err)
	}
}

func TestAChangeSetOfAFamilyIsAnUpdate(t *testing.T) {
	p := reviewed(t)
	p.create("mine", &Input{Template: twoLevels("one", "a")})
	if c := p.changeSet("none", "UPDATE", twoLevels("one", "a")); c.Status != state.ChangeFailed || c.Reason != noChanges {
		t.Errorf("%s: %s, %+v", c.Status, c.Reason, c.Changes)
	}
	p.changeSet("dropped", "UPDATE", twoLevels("three", "a"))
	p.changeSet("second", "UPDATE", twoLevels("two", "a"))
	if got := fmt.Sprint(p.changesOf("mine", "second")); got != "[N Modify False N.I Modify False]" {
		t.Error(got)
	}
	if s := p.execute("second"); s.Status != state.UpdateComplete || p.world.values() != "a arn:A-1 two" {
		t.Errorf("%s %s: %s", s.Status, s.Reason, p.world.values())
	}
	sets, err := p.ChangeSets(t.Context(), here, p.childOf("mine"))
	if err != nil || len(sets) != 1 || sets[0].Execution != state.ExecuteComplete {
		t.Errorf("%+v, %v", sets, err)
	}
}

// childOf is the ARN of the nested stack N.
func (p *platform) childOf(name string) string {
	p.t.Helper()
	_, rows, err := p.Resources(p.t.Context(), here, name, "N")
	if err != nil {
		p.t.Fatal(err)
	}
	return rows[0].PhysicalID
}

func TestNestedChangeSetsGoWithTheirRoot(t *testing.T) {
	p := reviewed(t)
	c := p.changeSet("first", "CREATE", twoLevels("one", "a"))
	child := c.Configuration.Nested["N"]
	if err := p.DeleteChangeSet(t.Context(), here, "mine", "first"); err != nil {
		t.Fatal(err)
	}
	if s, err := p.Describe(t.Context(), here, child.Stack); err != nil || s.Status != state.DeleteComplete {
		t.Errorf("%+v, %v", s, err)
	}
	if _, _, err := p.DescribeChangeSet(t.Context(), here, "", child.ARN); err == nil {
		t.Error("the nested change set is left")
	}
	c = p.changeSet("second", "CREATE", twoLevels("one", "a"))
	p.remove("mine", &Deletion{})
	if s, err := p.Describe(t.Context(), here, c.Configuration.Nested["N"].Stack); err != nil || s.Status != state.DeleteComplete {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestANestedChangeSetThatFailsFailsItsRoot(t *testing.T) {
	p := reviewed(t)
	p.config.Fetch = func(context.Context, stack.Caller, state.Scope, string) (string, error) {
		return `{"Parameters": {"P": {"Type": "String"}}, "Resources": {"X": {"Type": "No::Such::Type"}}}`, nil
	}
	c := p.changeSet("first", "CREATE", twoLevels("one", "a"))
	child := c.Configuration.Nested["N"]
	if want := "Nested change set " + child.ARN + " was not successfully created: Currently in FAILED."; c.Status != state.ChangeFailed || c.Reason != want {
		t.Errorf("%s: %s", c.Status, c.Reason)
	}
	_, set, err := p.DescribeChangeSet(t.Context(), here, "", child.ARN)
	if err != nil || !strings.Contains(set.Reason, "Unrecognized resource types: [No::Such::Type]") {
		t.Errorf("%+v, %v", set, err)
	}
	p.config.Fetch = func(context.Context, stack.Caller, state.Scope, string) (string, error) { // each has two of its kind
		again := m{"Type": state.StackType, "Properties": m{"TemplateURL": "again", "Parameters": m{"P": "p"}}}
		return text("Parameters", m{"P": m{"Type": "String"}}, "Resources", m{"N": again, "M": again}), nil
	}
	if c := p.changeSet("deep", "CREATE", twoLevels("one", "a")); c.Status != state.ChangeFailed {
		t.Errorf("stacks that nest for ever: %s %s", c.Status, c.Reason)
	}
}
