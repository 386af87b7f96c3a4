package engine

import (
	"context"
	"fmt"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/core/stack/state"
)

// inner makes the template of a nested stack.
func inner(value string) string {
	return text("Parameters", m{"P": m{"Type": "String"}}, "Resources", m{"I": one(m{"Value": m{"Fn::Join": []any{"/", []any{value, m{"Ref": "P"}}}}})}, "Outputs", m{"O": m{"Value": m{"Fn::Sub": value + "-${I}"}}})
}

// outer has a nested stack and a resource that comes after it.
func outer(url, after string) string {
	return text("Resources", m{"N": m{"Type": state.StackType, "Properties": m{"TemplateURL": url, "Parameters": m{"P": "p"}}}, "A": one(m{"Value": after + "after "}, m{"DependsOn": "N"})},
		"Outputs", m{"Got": m{"Value": m{"Fn::GetAtt": []any{"N", "Outputs.O"}}}})
}

// family is a stack with a nested one.
type family struct {
	*platform
	child string // ARN
}

func newFamily(t *testing.T) *family {
	t.Helper()
	p := start(t)
	p.config.Fetch = func(_ context.Context, _ stack.Caller, _ state.Scope, url string) (string, error) {
		return inner(url), nil
	}
	p.create("mine", &Input{Template: outer("one", "")})
	_, rows, err := p.Resources(t.Context(), here, "mine", "N")
	if err != nil {
		t.Fatal(err)
	}
	return &family{p, rows[0].PhysicalID}
}

// expect compares the statuses of both and what the world has.
func (f *family) expect(parent, child state.Status, output, values string) {
	f.t.Helper()
	s, c := f.wait("mine"), f.wait(f.child)
	if s.Status != parent || c.Status != child || f.world.values() != values || c.Parent != s.ARN() || c.Root != s.ARN() {
		f.t.Errorf("%s (%s), nested %s; %s; want %s, %s; %s", s.Status, s.Reason, c.Status, f.world.values(), parent, child, values)
	}
	if c.Outputs[0].Value != output {
		f.t.Errorf("output of the nested stack %s, want %s", c.Outputs[0].Value, output)
	}
}

// Texts of nested stacks: as recorded from AWS by many who ask about them.
func TestNestedStacksGoWithTheirParents(t *testing.T) {
	f := newFamily(t)
	f.expect(state.CreateComplete, state.CreateComplete, "one-I-1", "after  one/p")
	f.world.failOn("update A")
	f.update("mine", &Input{Template: outer("two", "x")})
	f.expect(state.UpdateRollbackFailed, state.UpdateRollbackComplete, "one-I-1", "after  one/p")
	f.world.failOn()
	if err := f.ContinueRollback(t.Context(), here, "mine", nil, &Input{}); err != nil {
		t.Fatal(err)
	}
	f.expect(state.UpdateRollbackComplete, state.UpdateRollbackComplete, "one-I-1", "after  one/p")
	s := f.update("mine", &Input{Template: outer("two", "x")})
	f.expect(state.UpdateComplete, state.UpdateComplete, "two-I-1", "two/p xafter ")
	if s.Outputs[0].Value != "two-I-1" {
		t.Errorf("output %s", s.Outputs[0].Value)
	}
	if s := f.remove("mine", &Deletion{}); s.Status != state.DeleteComplete || f.world.values() != "" || f.wait(f.child).Status != state.DeleteComplete {
		t.Errorf("%s %s, %s", s.Status, s.Reason, f.world.values())
	}
}

func TestANestedStackThatFailsFailsItsParent(t *testing.T) {
	p := start(t)
	p.config.Fetch = func(_ context.Context, _ stack.Caller, _ state.Scope, url string) (string, error) {
		return inner(url), nil
	}
	p.world.failOn("create I")
	s := p.create("mine", &Input{Template: outer("one", "")})
	_, rows, err := p.Resources(t.Context(), here, s.ARN(), "N")
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("Embedded stack %s was not successfully created: The following resource(s) failed to create: [I]. Rollback requested by user.", rows[0].PhysicalID)
	found := false
	for _, line := range p.history("mine") {
		found = found || line == "N CREATE_FAILED "+want
	}
	if s.Status != state.RollbackComplete || !found || p.world.values() != "" {
		t.Errorf("%s: %q, want %s", s.Status, p.history("mine"), want)
	}
}

func TestStacksAreNotNestedForEver(t *testing.T) {
	p := start(t)
	p.config.Fetch = func(context.Context, stack.Caller, state.Scope, string) (string, error) {
		return outer("again", ""), nil
	}
	if s := p.create("mine", &Input{Template: outer("again", "")}); s.Status != state.RollbackComplete || p.world.values() != "" {
		t.Errorf("%s %s", s.Status, s.Reason)
	}
}
