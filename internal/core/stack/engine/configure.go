package engine

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/core/stack/plan"
	"github.com/lambkin-dev/lambkin/internal/core/stack/state"

	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/core/template"
	"github.com/lambkin-dev/lambkin/internal/core/template/syntax"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// Input is what a user wants a stack to be.
type Input struct {
	Template      string // empty: that which the stack has (UsePreviousTemplate)
	UsePrevious   bool
	Parameters    map[string]template.Input
	Tags          map[string]string // nil: as before
	Capabilities  []string
	Notifications []string // nil: as before
	RoleARN       string   // empty: as before
	ResourceTypes []string // nil: all
	Monitoring    *int     // nil: as before
	Policy        string   // StackPolicyBody
	PolicyDuring  string   // StackPolicyDuringUpdateBody
	Protected     bool
	Token         string
	Caller        stack.Caller
	Adopt         map[string]map[string]string // existing resources to import, by logical id
	state.Options

	parent, root, parentName string // of a nested stack
	depth                    int
	held                     bool
	changeSet                string // ARN of the nested stack's own that is carried out
}

// prepared is an Input that was checked against the world.
type prepared struct {
	configuration *state.Configuration
	texts         []string // the stages
	program       *plan.Program
}

// last is the text that is carried out.
func (p *prepared) last() string { return p.texts[len(p.texts)-1] }

// prepare makes a configuration of an input. The stack may be new: then previous
// is nil.
func (e *Engine) prepare(ctx context.Context, s *state.Stack, previous *state.Configuration, rows map[string]*state.Resource, in *Input, changeSet bool) (*prepared, error) {
	if err := in.checkPolicies(); err != nil {
		return nil, err
	}
	text, err := e.originalText(ctx, s, previous, in)
	if err != nil {
		return nil, err
	}
	values, err := syntax.Parse(text)
	if err != nil {
		return nil, state.Wording(err)
	}
	declared, err := template.ReadParameters(values)
	if err != nil {
		return nil, state.Wording(err)
	}
	before := map[string]string{}
	c := &state.Configuration{Template: ids.Hex(8), Stages: 1, Capabilities: in.Capabilities, Options: in.Options, Adopt: in.Adopt}
	if previous != nil {
		c.Tags, c.Notifications, c.RoleARN, c.Monitoring = previous.Tags, previous.Notifications, previous.RoleARN, previous.Monitoring
		for _, p := range previous.Parameters {
			before[p.Key] = p.Value
		}
	}
	if err := e.choose(ctx, s, c, in); err != nil {
		return nil, err
	}
	who, err := e.actor(ctx, s.Scope, c, in.Caller)
	if err != nil {
		return nil, err
	}
	arguments, err := declared.Bind(ctx, in.Parameters, before, func(ctx context.Context, name string) (template.Stored, error) {
		if e.config.Stored == nil {
			return template.Stored{}, template.ErrNotStored
		}
		return e.config.Stored(ctx, who, s.Scope, name)
	})
	if err != nil {
		return nil, state.Wording(err)
	}
	for _, name := range slices.Sorted(maps.Keys(arguments)) {
		a := arguments[name]
		c.Parameters = append(c.Parameters, state.Parameter{Key: name, Value: a.Given, Resolved: a.Resolved, Hidden: a.NoEcho, Unknown: a.Unknown})
	}
	p := &prepared{configuration: c, texts: []string{text}}
	if usesMacros(values) {
		if err := p.transform(ctx, e, who, s, values, arguments, changeSet); err != nil {
			return nil, err
		}
	}
	return p, p.compile(ctx, e, s, rows, in)
}

// compile makes the program, and checks it against the types, what the user has
// acknowledged, and the exports that there are.
func (p *prepared) compile(ctx context.Context, e *Engine, s *state.Stack, rows map[string]*state.Resource, in *Input) (err error) {
	c := p.configuration
	world := plan.NewPreview(e.Records, s.Scope, rows)
	if p.program, err = e.Compile(ctx, s, c, p.last(), world); err != nil {
		return state.Wording(err)
	}
	c.Description = p.program.Template.Description
	if err := p.program.Check(ctx); err != nil {
		return state.Wording(err)
	}
	if _, err := p.program.Resolved(ctx); err != nil {
		return state.Wording(err)
	}
	c.Imports = slices.Sorted(maps.Keys(world.Imports))
	if err := p.program.Allowed(in.ResourceTypes); err != nil {
		return err
	}
	return p.program.Acknowledged(in.Capabilities)
}

// originalText is the template that the input means.
func (e *Engine) originalText(ctx context.Context, s *state.Stack, previous *state.Configuration, in *Input) (text string, err error) {
	switch {
	case in.UsePrevious && in.Template != "":
		return "", stack.Invalid("You cannot specify both usePreviousTemplate and Template Body/Template URL.")
	case in.Template != "":
		return in.Template, nil
	case !in.UsePrevious || previous == nil:
		return "", stack.Invalid("Either Template URL or Template Body must be specified.")
	}
	err = e.View(ctx, func(snap store.Snap) (err error) {
		text, err = e.LoadText(snap, s, previous, state.Original)
		return err
	})
	return text, err
}

// maxTags is AWS's bound: CreateStack, Tags.
const (
	maxTags         = 50
	reservedTag     = "aws:"
	maxTagKeyBytes  = 128
	maxTagValue     = 256
	maxNotification = 5
)

// choose puts what the input has beside the template into the configuration.
func (e *Engine) choose(_ context.Context, s *state.Stack, c *state.Configuration, in *Input) error {
	if in.Tags != nil {
		c.Tags = in.Tags
	}
	if len(c.Tags) > maxTags {
		return stack.Invalid("Number of tags cannot exceed %d", maxTags)
	}
	for key := range c.Tags {
		if strings.HasPrefix(strings.ToLower(key), reservedTag) {
			return stack.Invalid("aws: prefixed tag key names are not allowed for external use.")
		}
	}
	if in.Notifications != nil {
		c.Notifications = in.Notifications
	}
	for _, topic := range in.Notifications {
		if e.Outbox == nil || !e.Outbox.Serves(topic) || !strings.HasPrefix(topic, "arn:aws:sns:"+s.Region+":") {
			return stack.Invalid("%s is not a valid notification ARN", topic)
		}
	}
	if in.RoleARN != "" {
		c.RoleARN = in.RoleARN
	}
	if in.Monitoring != nil {
		c.Monitoring = *in.Monitoring
	}
	return nil
}

// actor is who makes the resources: the stack's role, or the caller.
func (e *Engine) actor(ctx context.Context, s state.Scope, c *state.Configuration, caller stack.Caller) (stack.Caller, error) {
	if c.RoleARN == "" {
		return caller, nil
	}
	if e.config.Role == nil {
		return caller, stack.Invalid("Role %s cannot be assumed here", c.RoleARN)
	}
	who, err := e.config.Role(ctx, s, c.RoleARN)
	if err != nil {
		return caller, stack.Invalid("Role %s is invalid or cannot be assumed", c.RoleARN)
	}
	who.Endpoint, who.Function = caller.Endpoint, caller.Function
	return who, nil
}

// usesMacros tells whether a template must be transformed.
func usesMacros(values map[string]any) bool {
	if _, there := values["Transform"]; there {
		return true
	}
	return mentions(values, "Fn::Transform", 0)
}

// maxDepth bounds the way into a template.
const maxTemplateDepth = 200

func mentions(value any, function string, depth int) bool {
	if depth > maxTemplateDepth {
		return false
	}
	switch value := value.(type) {
	case map[string]any:
		for key, item := range value {
			if key == function || mentions(item, function, depth+1) {
				return true
			}
		}
	case []any:
		for _, item := range value {
			if mentions(item, function, depth+1) {
				return true
			}
		}
	}
	return false
}

// transform runs the macros of a template.
//
// AWS: runs them after CreateChangeSet and CreateStack have answered, and shows
// what is wrong in the status of the change set or the stack. Here a change set
// shows it too; CreateStack and UpdateStack refuse it at once.
func (p *prepared) transform(ctx context.Context, e *Engine, who stack.Caller, s *state.Stack, values map[string]any, arguments template.Arguments, changeSet bool) error {
	if e.config.Transform == nil {
		return stack.Invalid("Transforms cannot be run here")
	}
	if !changeSet && !slices.Contains(p.configuration.Capabilities, plan.AutoExpand) {
		return stack.Refuse(stack.InsufficientCaps, "Requires capabilities : [%s]", plan.AutoExpand)
	}
	made, err := e.config.Transform(ctx, who, &TransformInput{Scope: s.Scope, StackName: s.Name, StackID: s.ARN(), Values: values, Arguments: arguments})
	if err != nil {
		return &transformError{state.Wording(err)}
	}
	text, err := json.Marshal(made)
	if err != nil {
		return err
	}
	p.texts, p.configuration.Stages = append(p.texts, string(text)), 2
	return nil
}

// transformError tells of macros that failed: a change set shows it.
type transformError struct{ error }

// Unwrap gives the error itself.
func (t *transformError) Unwrap() error { return t.error }

// keepTexts adds the stages of a template to a batch.
func (e *Engine) keepTexts(b *store.Batch, s *state.Stack, p *prepared) error {
	p.configuration.Parts = make([]int, len(p.texts))
	for stage, text := range p.texts {
		at, err := e.Put(b, s.TemplateKey(s.ID, p.configuration.Template, stage), state.Place{}, []byte(text))
		if err != nil {
			return err
		}
		p.configuration.Parts[stage] = at.Rows
	}
	return nil
}

// newOperation begins an operation: Run does it.
func (e *Engine) newOperation(s *state.Stack, b *store.Batch, kind state.Kinds, first state.Phase, in *Input, who stack.Caller) {
	o := state.Operation{ID: ids.UUID(), Kind: kind, Phase: first, Token: in.Token, Caller: who, Started: e.Clock.Now().UTC(), Policy: in.PolicyDuring, Options: in.Options, Held: in.held}
	e.install(s, b, &o)
	if in.changeSet != "" {
		s.ChangeSet = in.changeSet
	}
}

// install makes an operation the one that is under way.
func (e *Engine) install(s *state.Stack, b *store.Batch, o *state.Operation) {
	if s.Operation != nil {
		former := *s.Operation
		former.Next = nil
		s.Recent = append([]state.Operation{{ID: former.ID, Kind: former.Kind, Token: former.Token, Started: former.Started, Ended: former.Ended, Failed: former.Failed}}, s.Recent...)
		s.Recent = s.Recent[:min(len(s.Recent), maxRecent)]
	}
	s.Operation = o
	value := rootWork
	if s.Parent != "" {
		value = nestedWork
	}
	b.Puts = append(b.Puts, store.KV{Key: s.WorkKey(s.ID), Value: []byte(value)})
}

// maxRecent bounds the operations that a stack remembers.
const maxRecent = 20
