// Package vtl runs mapping templates: Apache Velocity's template language (VTL) as
// API Gateway's REST APIs have it, with $input, $util, $context and $stageVariables.
//
// It promises: a template is compiled once and rendered any number of times, also
// at once; no template and no input makes it run for long or need much memory
// (steps, bytes, rounds of a loop and nesting are bounded, see the constants);
// nothing outside of the values that it is given can be read or changed by one.
// The language is that of Velocity 1.7, https://velocity.apache.org/engine/1.7/vtl-reference.html,
// without macros and without what reads files.
//
// AWS: what a reference without a value prints is not documented. Here it prints
// nothing, but for a variable that was never set, which prints as it is written.
//
// Pure: no goroutines, no locks. Start reading at Parse and Template.Render.
package vtl

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Limits. AWS: a template has at most 300 KB and a loop 1,000 rounds
// (https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html).
const (
	MaxTemplateBytes = 300 << 10
	maxRounds        = 1000     // of one #foreach
	maxDepth         = 64       // of blocks, of expressions, of values that are printed or compared
	maxSteps         = 500_000  // nodes that one rendering visits
	maxBytes         = 64 << 20 // that one rendering makes, the texts in between included
	maxPattern       = 1 << 10  // bytes of a regular expression
	checkEvery       = 1024     // steps between two looks at the context
)

// Errors of templates. AWS: what is wrong with a template shows when it is used:
// the client gets an internal server error.
var (
	ErrLimit  = errors.New("the template needs too much")
	ErrSyntax = errors.New("the template is malformed")
)

// Template is a compiled template.
type Template struct{ block block }

// Parse compiles a template.
func Parse(text string) (*Template, error) {
	if len(text) > MaxTemplateBytes {
		return nil, fmt.Errorf("%w: it has more than %d bytes", ErrLimit, MaxTemplateBytes)
	}
	p := &parser{text: text}
	b, end, err := p.block()
	if err == nil && end != "" {
		err = p.fail("#%s without a block that it belongs to", end)
	}
	if err != nil {
		return nil, err
	}
	return &Template{block: b}, nil
}

// Render runs the template. variables are what it finds set; it may change the
// Maps and Lists in them.
func (t *Template) Render(ctx context.Context, variables map[string]any) (string, error) {
	r := &run{ctx: ctx, variables: make(map[string]any, len(variables))}
	for name, value := range variables {
		r.variables[name] = value
	}
	err := t.block.render(r)
	if err != nil && !errors.Is(err, errStop) && !errors.Is(err, errBreak) {
		return "", err
	}
	return r.out.String(), nil
}

// run is one rendering.
type run struct {
	ctx       context.Context
	variables map[string]any
	out       strings.Builder
	steps     int
	bytes     int
	quoted    int // depth of interpolated texts
}

// The two ways in which a block ends early.
var (
	errStop  = errors.New("#stop")
	errBreak = errors.New("#break")
)

// step counts a node that is visited.
func (r *run) step() error {
	if r.steps++; r.steps > maxSteps {
		return fmt.Errorf("%w: more than %d steps", ErrLimit, maxSteps)
	}
	if r.steps%checkEvery == 0 {
		return r.ctx.Err()
	}
	return nil
}

// charge counts bytes that are made.
func (r *run) charge(n int) error {
	if r.bytes += n; n > maxBytes || r.bytes > maxBytes {
		return fmt.Errorf("%w: more than %d bytes", ErrLimit, maxBytes)
	}
	return nil
}

func (r *run) write(text string) error {
	r.out.WriteString(text)
	return r.charge(len(text))
}

// A node prints.
type node interface{ render(r *run) error }

type block []node

func (b block) render(r *run) error {
	for _, n := range b {
		if err := r.step(); err != nil {
			return err
		}
		if err := n.render(r); err != nil {
			return err
		}
	}
	return nil
}

type textNode string

func (t textNode) render(r *run) error { return r.write(string(t)) }

// endNode is #stop or #break.
type endNode struct{ how error }

func (n endNode) render(*run) error { return n.how }

// setNode is #set.
type setNode struct {
	target *reference
	value  expression
}

func (n *setNode) render(r *run) error {
	value, err := n.value.value(r)
	if err != nil {
		return err
	}
	return n.target.assign(r, value)
}

// ifNode is #if with all its branches; the last condition may be nil: #else.
type ifNode struct {
	conditions []expression
	blocks     []block
}

func (n *ifNode) render(r *run) error {
	for i, condition := range n.conditions {
		holds := condition == nil
		if !holds {
			value, err := condition.value(r)
			if err != nil {
				return err
			}
			holds = truth(value)
		}
		if holds {
			return n.blocks[i].render(r)
		}
	}
	return nil
}

// eachNode is #foreach.
type eachNode struct {
	name  string
	over  expression
	block block
}

func (n *eachNode) render(r *run) error {
	value, err := n.over.value(r)
	if err != nil {
		return err
	}
	items := elements(value)
	if len(items) > maxRounds {
		return fmt.Errorf("%w: a #foreach has more than %d rounds", ErrLimit, maxRounds)
	}
	restore := r.remember(n.name, "foreach", "velocityCount")
	defer restore()
	parent := r.variables["foreach"]
	for i, item := range items {
		r.variables[n.name] = item
		r.variables["velocityCount"] = int64(i + 1)
		r.variables["foreach"] = newMap("index", int64(i), "count", int64(i+1), "hasNext", i+1 < len(items), "first", i == 0, "last", i+1 == len(items), "parent", parent)
		if err := n.block.render(r); errors.Is(err, errBreak) {
			return nil
		} else if err != nil {
			return err
		}
	}
	return nil
}

// remember returns what gives some variables the values back that they have now.
func (r *run) remember(names ...string) func() {
	type old struct {
		value any
		set   bool
	}
	values := make([]old, len(names))
	for i, name := range names {
		values[i].value, values[i].set = r.variables[name]
	}
	return func() {
		for i, name := range names {
			if values[i].set {
				r.variables[name] = values[i].value
			} else {
				delete(r.variables, name)
			}
		}
	}
}
