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

// Texts of nested stacks: as recorded from AWS by many who ask about them.
func TestNestedStacksGoWithTheirParents(t *testing.T) {
	p := start(t)
	p.config.Fetch = func(_ context.Context, _ stack.Caller, _ state.Scope, url string) (string, error) {
		return inner(url), nil
	}
	s := p.create("mine", &Input{Template: outer("one", "")})
	if s.Status != state.CreateComplete || s.Outputs[0].Value != "one-I-1" || p.world.values() != "after  one/p" {
		t.Fatalf("%s %s %v, %s", s.Status, s.Reason, s.Outputs, p.world.values())
	}
	_, rows, err := p.Resources(t.Context(), here, "mine", "N")
	if err != nil {
		t.Fatal(err)
	}
	child := rows[0].PhysicalID
	c, err := p.Describe(t.Context(), here, child)
	if err != nil || c.Parent != s.ARN() || c.Root != s.ARN() || c.Status != state.CreateComplete {
		t.Errorf("%+v, %v", c, err)
	}

	p.world.failOn("update A")
	s = p.update("mine", &Input{Template: outer("two", "x")})
	c = p.wait(child)
	if s.Status != state.UpdateRollbackFailed || c.Status != state.UpdateRollbackComplete || c.Outputs[0].Value != "one-I-1" {
		t.Errorf("%s %s; nested %s %v", s.Status, s.Reason, c.Status, c.Outputs)
	}
	p.world.failOn()
	if err := p.ContinueRollback(t.Context(), here, "mine", nil, &Input{}); err != nil {
		t.Fatal(err)
	}
	if s = p.wait("mine"); s.Status != state.UpdateRollbackComplete || p.world.values() != "after  one/p" || s.Outputs[0].Value != "one-I-1" {
		t.Errorf("%s %s, %s", s.Status, s.Reason, p.world.values())
	}
	s = p.update("mine", &Input{Template: outer("two", "x")})
	if c = p.wait(child); s.Status != state.UpdateComplete || c.Status != state.UpdateComplete || s.Outputs[0].Value != "two-I-1" || p.world.values() != "two/p xafter " {
		t.Errorf("%s %s; nested %s; %s", s.Status, s.Reason, c.Status, p.world.values())
	}
	if s = p.remove("mine", &Deletion{}); s.Status != state.DeleteComplete || p.world.values() != "" || p.wait(child).Status != state.DeleteComplete {
		t.Errorf("%s %s, %s", s.Status, s.Reason, p.world.values())
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
