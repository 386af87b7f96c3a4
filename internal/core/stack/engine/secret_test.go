package engine

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/core/stack/state"
)

const first, second, made = "hush-one", "hush-two", "made-secret"

// showsNone wants a value to have none of some secrets.
func (p *platform) showsNone(what string, value any, secrets ...string) {
	p.t.Helper()
	written, err := json.Marshal(value)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, secret := range secrets {
		if strings.Contains(string(written), secret) {
			p.t.Errorf("%s shows %s: %s", what, secret, written)
		}
	}
}

// eventsShowNone wants the events to have no secret.
func (p *platform) eventsShowNone(what string) {
	p.t.Helper()
	_, all, _, err := p.Events(p.t.Context(), here, "mine", 0, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	p.showsNone(what, all, first, second)
	for _, e := range all {
		if e.LogicalID == "B" {
			p.showsNone(what, e, made)
		}
	}
}

// failOnce lets a call fail once.
func (p *platform) failOnce(call, text string) {
	p.world.mu.Lock()
	defer p.world.mu.Unlock()
	p.world.fail = func(other string) error {
		if other == call {
			p.world.fail = nil
			return errors.New(text)
		}
		return nil
	}
}

// TestSecretsAreShownNowhere: neither what NoEcho hides nor what a custom resource
// hides is in events, change sets, drift or reasons of failures, which have what a
// service says.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html,
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html
func TestSecretsAreShownNowhere(t *testing.T) {
	p := start(t)
	body := text("Parameters", m{"P": m{"Type": "String", "NoEcho": true}}, "Resources", m{
		"A": one(m{"Value": m{"Fn::Sub": "x ${P} y"}, "Tags": []any{m{"Key": "k", "Value": m{"Ref": "P"}}}}),
		"C": m{"Type": "Custom::Maker", "Properties": m{"Value": made, "Hidden": true}},
		"B": one(m{"Value": m{"Fn::GetAtt": []any{"C", "Value"}}})})
	p.create("mine", &Input{Template: body, Parameters: given("P", first)})
	p.eventsShowNone("the creation")
	c, err := p.CreateChangeSet(t.Context(), here, "mine", &ChangeSetInput{Name: "c", Input: Input{Template: body, Parameters: given("P", second)}})
	if err != nil || len(c.Changes) != 1 {
		t.Fatalf("%+v, %v", c, err)
	}
	p.showsNone("a change set", c.Changes, first, second)
	if !strings.Contains(c.Changes[0].After, "x **** y") || !strings.Contains(c.Changes[0].Before, "x **** y") {
		t.Errorf("%+v", c.Changes[0])
	}
	p.failOnce("update A", "the value x "+second+" y is wrong, it was "+first)
	if s := p.update("mine", &Input{Template: body, Parameters: given("P", second)}); s.Status != state.UpdateRollbackComplete {
		t.Errorf("%s: %s", s.Status, s.Reason)
	}
	p.eventsShowNone("a failure")
	for _, thing := range p.world.things {
		if thing["Value"] == "x "+first+" y" {
			thing["Value"] = second
		}
	}
	d, drifts, err := p.DetectDrift(t.Context(), here, "mine", nil, stack.Caller{})
	if err != nil || d.Drifted != 1 {
		t.Errorf("%+v, %v", d, err)
	}
	for _, drift := range drifts {
		p.showsNone("the drift", drift, first)
		if drift.LogicalID == "B" {
			p.showsNone("the drift", drift, made)
		}
	}
}

// TestAWayBackBeginsAtWhatWasTried: a type that calls only for what differs must see
// what an update that failed half-way may have done.
func TestAWayBackBeginsAtWhatWasTried(t *testing.T) {
	p := start(t)
	body := func(value string) string { return text("Resources", m{"A": one(m{"Value": value})}) }
	p.create("mine", &Input{Template: body("old")})
	p.world.failOn("updated A")
	p.update("mine", &Input{Template: body("new"), Options: state.Options{DisableRollback: true}})
	p.world.failOn()
	p.update("mine", &Input{Template: body("newer"), Options: state.Options{DisableRollback: true}})
	if r := p.world.last; !r.Again || r.Back || r.Previous["Value"] != "old" {
		t.Errorf("the next update is %+v", r)
	}
	p.failOnce("updated A", "half-way")
	if s := p.update("mine", &Input{Template: body("newest")}); s.Status != state.UpdateRollbackComplete || p.world.values() != "newer" {
		t.Errorf("%s: %s", s.Status, p.world.values())
	}
	if r := p.world.last; !r.Back || r.Previous["Value"] != "newest" || r.Properties["Value"] != "newer" {
		t.Errorf("the way back is %+v", r)
	}
}
