package resource

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/core/stack/published"
	"github.com/lambkin-dev/lambkin/internal/svc/resource/schema"
	"github.com/lambkin-dev/lambkin/internal/svc/resource/value"
	"github.com/lambkin-dev/lambkin/internal/wire/local"
	"github.com/lambkin-dev/lambkin/internal/wire/shape"
)

// kind is a definition over a platform: a stack.Type.
type kind struct {
	*definition
	caller *local.Caller
	facts  *stack.Facts
}

// noWay is the reason of properties for which there is none other. unsaid is that
// of one that no operation takes and no definition names: a test finds it.
const (
	noWay  = "this platform does not support it"
	unsaid = "no operation takes it"
)

func newKind(caller *local.Caller, d *definition) *kind {
	k := &kind{definition: d, caller: caller, facts: schema.Facts(d.name)}
	if k.facts == nil {
		k.facts = &stack.Facts{Type: d.name, Properties: map[string]stack.Property{}, OpenProperties: true, Attributes: []string{"*"}, Updatable: true}
	}
	f := k.facts
	f.Capability, f.NotYet, f.Name = d.capability, d.notYet, d.naming.rule
	if _, known := f.Properties[d.naming.property]; known && !d.naming.fixed {
		f.NameProperty = d.naming.property
	}
	f.Attributes = slices.DeleteFunc(append(f.Attributes, d.more...), func(name string) bool {
		return slices.Contains(d.without, strings.Split(name, ".")[0])
	})
	for _, operation := range []string{d.create, d.update, d.remove, d.read} {
		if operation == "" || f.NotYet != "" {
			continue
		}
		if _, _, err := caller.Operation(d.service, operation); err != nil {
			f.NotYet = err.Error()
		}
	}
	for name, p := range f.Properties {
		p.Inert, p.Refused = d.inert[name], d.refused[name]
		if operation := d.needs[name]; operation != "" && f.NotYet == "" {
			if _, _, err := caller.Operation(d.service, operation); err != nil {
				p.Refused = err.Error()
			}
		}
		if p.Refused == "" && f.NotYet == "" && !k.takes(name) {
			p.Refused = unsaid
		}
		p.CreateOnly = p.CreateOnly || slices.Contains(d.createOnly, name)
		f.Properties[name] = p
	}
	return k
}

// takes tells whether something is done with the property.
func (k *kind) takes(name string) bool {
	if name == k.naming.property || slices.Contains(k.handled, name) || name == k.facts.Tags && k.tags != nil ||
		slices.ContainsFunc(k.steps, func(s step) bool { return s.property == name }) {
		return true
	}
	_, create := k.memberOf(k.create, name)
	_, update := k.memberOf(k.update, name)
	return create || update
}

// memberOf is the member of an operation's input that a property is given by.
func (k *kind) memberOf(operation, property string) (*shape.Member, bool) {
	if operation == "" {
		return nil, false
	}
	s, op, err := k.caller.Operation(k.service, operation)
	if err != nil || op.Model.Input == shape.None {
		return nil, false
	}
	name := property
	if other, found := k.members[property]; found {
		name = other.(string)
	}
	members := s.Model.Shapes[op.Model.Input].Members
	for i := range members {
		if value.SameName(members[i].Name, name) {
			return &members[i], true
		}
	}
	return nil, false
}

// Facts implements stack.Type.
func (k *kind) Facts() *stack.Facts { return k.facts }

// Create implements stack.Type.
func (k *kind) Create(ctx context.Context, r *stack.Request) (*stack.Result, error) {
	c := k.call(ctx, r)
	if err := k.check(c); err != nil {
		return nil, err
	}
	c.physical = c.name()
	out, err := k.begin(c)
	if err != nil && out != nil { // it is there, and not as it should be
		if k.physical != nil {
			c.physical = k.physical(c, out)
		}
		return &stack.Result{PhysicalID: c.physical}, c.worded(err)
	} else if err != nil {
		return nil, c.worded(err)
	}
	if k.physical != nil {
		c.physical = k.physical(c, out)
	}
	return k.finish(c, nil)
}

// begin makes the resource, or finds what an earlier try has made.
func (k *kind) begin(c *call) (values, error) {
	if k.madeID != nil && c.r.Again {
		c.physical = k.madeID(c)
		if live, err := k.found(c); !absent(err) {
			return live, err
		}
		c.physical = c.name()
	}
	if k.checked && (c.r.Again || c.named()) {
		switch live, err := k.found(c); {
		case err != nil && !absent(err):
			return nil, err
		case err == nil && !(c.r.Again && k.adopts(c, live)):
			return nil, k.exists(c)
		case err == nil && k.make == nil && k.create != "":
			return live, nil
		}
	}
	out, err := k.doMake(c)
	if c.r.Again && exists(err) && k.madeID == nil {
		if live, found := k.found(c); found == nil && k.adopts(c, live) {
			return live, nil
		}
	}
	return out, err
}

func (k *kind) doMake(c *call) (values, error) {
	switch {
	case k.make != nil:
		return k.make(c)
	case k.create == "":
		return values{}, nil
	}
	return c.do(k.create, k.input(c, k.create, nil))
}

// adopts tells whether what is there is ours: its name is one that was made up
// for this step, or it is as the main call of this step would have made it.
func (k *kind) adopts(c *call, live values) bool {
	if !c.named() {
		return true
	}
	for name, want := range c.properties {
		if slices.ContainsFunc(k.steps, func(s step) bool { return s.property == name }) {
			continue
		}
		if have, found := k.property(c, live, name); found && !value.Includes(value.Normal(have), value.Normal(want)) {
			return false
		}
	}
	return true
}

// finish does what follows the main call, and waits.
func (k *kind) finish(c *call, was values) (*stack.Result, error) {
	result := &stack.Result{PhysicalID: c.physical}
	if err := k.settle(c, was); err != nil {
		return result, c.worded(err)
	}
	if k.ref != nil {
		result.Ref = k.ref(c)
	}
	if k.attributes != nil {
		live, err := k.found(c)
		if err != nil {
			return result, c.worded(err)
		}
		result.Attributes = k.attributes(c, live)
	}
	return result, nil
}

func (k *kind) settle(c *call, was values) error {
	if k.apply != nil {
		if err := k.apply(c, was, c.properties); err != nil {
			return err
		}
	}
	for _, s := range k.steps {
		before, want := was[s.property], c.properties[s.property]
		if want == nil && before == nil || !c.r.Again && value.Equal(before, want) {
			continue
		}
		if err := s.apply(c, before, want); err != nil {
			return err
		}
	}
	if err := k.tag(c, was); err != nil {
		return err
	}
	if k.settled == nil {
		return nil
	}
	return wait(c, k.settled)
}

// Update implements stack.Type.
func (k *kind) Update(ctx context.Context, r *stack.Request) (*stack.Result, error) {
	c := k.call(ctx, r)
	if err := k.check(c); err != nil {
		return nil, err
	}
	c.physical = r.PhysicalID
	was := r.Previous
	if was == nil {
		was = values{}
	}
	var err error
	if k.change != nil {
		err = k.change(c, was)
	} else if k.update != "" && (r.Again || k.touches(k.update, was, c.properties)) {
		in := k.input(c, k.update, was)
		maps.Copy(in, c.identity())
		_, err = c.do(k.update, in)
	}
	if err != nil {
		return nil, c.worded(err)
	}
	return k.finish(c, was)
}

// touches tells whether a change is one for the operation.
func (k *kind) touches(operation string, was, want values) bool {
	for name := range k.facts.Properties {
		if name == k.facts.Tags && k.tags != nil {
			continue
		}
		if _, takes := k.memberOf(operation, name); takes && !value.Equal(was[name], want[name]) {
			return true
		}
	}
	return false
}

// Delete implements stack.Type.
func (k *kind) Delete(ctx context.Context, r *stack.Request) error {
	c := k.call(ctx, r)
	c.physical = r.PhysicalID
	for _, s := range slices.Backward(k.steps) {
		if was := c.properties[s.property]; s.undone && was != nil {
			if err := s.apply(c, was, nil); ignoreAbsent(err) != nil {
				return c.worded(err)
			}
		}
	}
	if k.apply != nil {
		if err := ignoreAbsent(k.apply(c, c.properties, nil)); err != nil {
			return c.worded(err)
		}
	}
	var err error
	switch {
	case k.drop != nil:
		err = k.drop(c)
	case k.remove != "":
		err = c.run(k.remove, c.identity())
	}
	return c.worded(ignoreAbsent(err))
}

// Read implements stack.Type.
func (k *kind) Read(ctx context.Context, r *stack.Request) (properties, attributes map[string]any, err error) {
	c := k.call(ctx, r)
	c.physical, c.reading = r.PhysicalID, true
	read := k.reread
	switch {
	case read == nil && k.live == nil && k.read == "":
		return nil, nil, stack.ErrUnreadable
	case read == nil:
		read = k.found
	}
	live, err := read(c)
	if absent(err) {
		return nil, nil, stack.ErrAbsent
	} else if err != nil {
		return nil, nil, c.worded(err)
	}
	if properties, err = k.shown(c, live); err != nil {
		return nil, nil, c.worded(err)
	}
	if k.attributes != nil {
		attributes = k.attributes(c, live)
	}
	return k.shaped(c, properties), attributes, nil
}

// shown are the live properties, by the names of the template.
func (k *kind) shown(c *call, live values) (values, error) {
	properties := values{}
	for name, p := range k.facts.Properties {
		given, found := k.property(c, live, name)
		switch deployed := c.properties[name]; {
		case p.WriteOnly:
		case slices.Contains(k.unread, name), p.CreateOnly && !found: // as far as can be known it is as deployed
			if deployed != nil {
				properties[name] = deployed
			}
		case found:
			properties[name] = given
		}
	}
	for _, s := range k.steps {
		if s.live == nil {
			continue
		}
		switch given, err := s.live(c); {
		case err != nil && !absent(err):
			return nil, err
		case given != nil:
			properties[s.property] = given
		}
	}
	if k.tags != nil && k.tags.list != "" {
		found, err := k.readTags(c)
		if err != nil {
			return nil, err
		}
		properties[k.facts.Tags] = found
	}
	return properties, nil
}

// shaped has the form of the schema, and documents as text where the template has
// them so.
func (k *kind) shaped(c *call, properties values) values {
	s := published.Find(k.name)
	if s == nil {
		return properties
	}
	out := s.Shaped(properties)
	for name, deployed := range c.properties {
		_, asText := deployed.(string)
		switch out[name].(type) {
		case values, []any:
			if asText {
				out[name] = properties[name]
			}
		}
	}
	return out
}

// property is the live value of a property, as a template has it.
func (k *kind) property(c *call, live values, name string) (any, bool) {
	if name == k.facts.Tags {
		return nil, false
	}
	from := name
	if other, found := k.members[name]; found {
		from = other.(string)
	}
	for member, given := range live {
		if value.SameName(member, from) && given != nil {
			if back := k.forms[name].from; back != nil {
				given = back(given)
			}
			return k.templated(c, name, given), true
		}
	}
	return nil, false
}

// found is the resource as its service shows it.
func (k *kind) found(c *call) (values, error) {
	if k.live != nil {
		return k.live(c)
	}
	if k.read == "" {
		return values{}, nil
	}
	out, err := c.do(k.read, c.identity())
	if err == nil && k.unwrap != "" {
		out, _ = out[k.unwrap].(values)
	}
	return out, err
}

// input are the properties that an operation takes, by its members. Of what was
// and is no longer set it has the value that resets it.
func (k *kind) input(c *call, operation string, was values) values {
	s, _, _ := k.caller.Operation(k.service, operation) // newKind has looked
	in := values{}
	for name := range k.facts.Properties {
		m, takes := k.memberOf(operation, name)
		if !takes {
			continue
		}
		switch given := c.properties[name]; {
		case name == k.facts.Tags && was != nil && k.tags != nil:
		case given != nil:
			if to := k.forms[name].to; to != nil {
				given = to(given)
			}
			in[m.Name] = fitted(s.Model, m.Shape, given)
		case was[name] != nil && k.resets[name] != nil:
			in[m.Name] = k.resets[name]
		}
	}
	if m, takes := k.memberOf(operation, k.naming.property); takes && k.naming.property != "" && was == nil {
		in[m.Name] = c.name()
	}
	for name, given := range k.fixed {
		if m, takes := k.memberOf(operation, name); takes {
			in[m.Name] = given
		}
	}
	return in
}
