package events

import (
	"context"
	"slices"
	"time"

	"github.com/lambkin-dev/lambkin/internal/api/eventsapi"
	"github.com/lambkin-dev/lambkin/internal/core/bus"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

func (a *api) putRule(ctx context.Context, call *wire.Call, in *eventsapi.PutRuleRequest) (*eventsapi.PutRuleResponse, error) {
	on := id(call, in.EventBusName)
	err := a.buses.PutRule(ctx, on, *in.Name, bus.Rule{Pattern: member.Text(in.EventPattern), Schedule: member.Text(in.ScheduleExpression), State: member.Text(in.State),
		Description: member.Text(in.Description), Role: member.Text(in.RoleArn), Tags: tagsIn(in.Tags)})
	if err != nil {
		return nil, err
	}
	return &eventsapi.PutRuleResponse{RuleArn: member.Optional(on.RuleARN(*in.Name))}, nil
}

func (a *api) describeRule(_ context.Context, call *wire.Call, in *eventsapi.DescribeRuleRequest) (*eventsapi.DescribeRuleResponse, error) {
	on := id(call, in.EventBusName)
	r, err := a.buses.Rule(on, *in.Name)
	if err != nil {
		return nil, err
	}
	return &eventsapi.DescribeRuleResponse{Name: in.Name, Arn: member.Optional(on.RuleARN(*in.Name)), EventPattern: member.Optional(r.Pattern), ScheduleExpression: member.Optional(r.Schedule),
		State: &r.State, Description: member.Optional(r.Description), RoleArn: member.Optional(r.Role), EventBusName: &on.Name, CreatedBy: &on.Account}, nil
}

func (a *api) deleteRule(ctx context.Context, call *wire.Call, in *eventsapi.DeleteRuleRequest) (*struct{}, error) {
	return nil, a.buses.DeleteRule(ctx, id(call, in.EventBusName), *in.Name)
}

func (a *api) enableRule(ctx context.Context, call *wire.Call, in *eventsapi.EnableRuleRequest) (*struct{}, error) {
	return nil, a.buses.SetState(ctx, id(call, in.EventBusName), *in.Name, bus.Enabled)
}

func (a *api) disableRule(ctx context.Context, call *wire.Call, in *eventsapi.DisableRuleRequest) (*struct{}, error) {
	return nil, a.buses.SetState(ctx, id(call, in.EventBusName), *in.Name, bus.Disabled)
}

// rules are the rules of a bus by name, and the names in order.
func (a *api) rules(on bus.ID) (names []string, all map[string]*bus.Rule, err error) {
	all = map[string]*bus.Rule{}
	err = a.buses.Rules(on, func(name string, r *bus.Rule) { names, all[name] = append(names, name), r })
	return names, all, err
}

func (a *api) listRules(_ context.Context, call *wire.Call, in *eventsapi.ListRulesRequest) (*eventsapi.ListRulesResponse, error) {
	on := id(call, in.EventBusName)
	names, all, err := a.rules(on)
	if err != nil {
		return nil, err
	}
	names, next, err := page(names, in.NamePrefix, in.NextToken, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &eventsapi.ListRulesResponse{Rules: []eventsapi.Rule{}, NextToken: next}
	for _, name := range names {
		r := all[name]
		out.Rules = append(out.Rules, eventsapi.Rule{Name: &name, Arn: member.Optional(on.RuleARN(name)), EventPattern: member.Optional(r.Pattern), State: &r.State, Description: member.Optional(r.Description),
			ScheduleExpression: member.Optional(r.Schedule), RoleArn: member.Optional(r.Role), EventBusName: &on.Name})
	}
	return out, nil
}

func (a *api) listRuleNamesByTarget(_ context.Context, call *wire.Call, in *eventsapi.ListRuleNamesByTargetRequest) (*eventsapi.ListRuleNamesByTargetResponse, error) {
	names, all, err := a.rules(id(call, in.EventBusName))
	if err != nil {
		return nil, err
	}
	names = slices.DeleteFunc(names, func(name string) bool {
		return !slices.ContainsFunc(all[name].Targets, func(t bus.Target) bool { return t.ARN == *in.TargetArn })
	})
	names, next, err := page(names, nil, in.NextToken, in.Limit)
	if err != nil {
		return nil, err
	}
	return &eventsapi.ListRuleNamesByTargetResponse{RuleNames: append([]string{}, names...), NextToken: next}, nil
}

// targetIn reads a target; what belongs to services that are not there is refused.
func targetIn(t *eventsapi.Target) (bus.Target, error) {
	for _, option := range []struct {
		name  string
		given bool
	}{
		{"KinesisParameters", t.KinesisParameters != nil}, {"RunCommandParameters", t.RunCommandParameters != nil}, {"EcsParameters", t.EcsParameters != nil},
		{"BatchParameters", t.BatchParameters != nil}, {"HttpParameters", t.HttpParameters != nil}, {"RedshiftDataParameters", t.RedshiftDataParameters != nil},
		{"SageMakerPipelineParameters", t.SageMakerPipelineParameters != nil}, {"AppSyncParameters", t.AppSyncParameters != nil},
	} {
		if option.given {
			return bus.Target{}, refused(option.name, "this platform has no targets of that service")
		}
	}
	out := bus.Target{ID: member.Text(t.Id), ARN: member.Text(t.Arn), Role: member.Text(t.RoleArn), Input: member.Text(t.Input), InputPath: member.Text(t.InputPath)}
	if t.InputTransformer != nil {
		out.Transformer = &bus.Transformer{Paths: t.InputTransformer.InputPathsMap, Template: member.Text(t.InputTransformer.InputTemplate)}
	}
	if t.SqsParameters != nil {
		out.GroupGiven, out.GroupID = true, member.Text(t.SqsParameters.MessageGroupId)
	}
	if t.DeadLetterConfig != nil {
		out.DeadLetter = member.Text(t.DeadLetterConfig.Arn)
	}
	if r := t.RetryPolicy; r != nil {
		if r.MaximumRetryAttempts != nil {
			retries := int(*r.MaximumRetryAttempts)
			out.MaximumRetries = &retries
		}
		if r.MaximumEventAgeInSeconds != nil {
			age := time.Duration(*r.MaximumEventAgeInSeconds) * time.Second
			out.MaximumEventAge = &age
		}
	}
	return out, nil
}

func targetOut(t *bus.Target) eventsapi.Target {
	out := eventsapi.Target{Id: &t.ID, Arn: &t.ARN, RoleArn: member.Optional(t.Role), Input: member.Optional(t.Input), InputPath: member.Optional(t.InputPath)}
	if t.Transformer != nil {
		out.InputTransformer = &eventsapi.InputTransformer{InputPathsMap: t.Transformer.Paths, InputTemplate: &t.Transformer.Template}
	}
	if t.GroupGiven {
		out.SqsParameters = &eventsapi.SqsParameters{MessageGroupId: member.Optional(t.GroupID)}
	}
	if t.DeadLetter != "" {
		out.DeadLetterConfig = &eventsapi.DeadLetterConfig{Arn: &t.DeadLetter}
	}
	if t.MaximumRetries != nil || t.MaximumEventAge != nil {
		out.RetryPolicy = &eventsapi.RetryPolicy{}
		if t.MaximumRetries != nil {
			retries := int32(*t.MaximumRetries)
			out.RetryPolicy.MaximumRetryAttempts = &retries
		}
		if t.MaximumEventAge != nil {
			seconds := int32(t.MaximumEventAge.Seconds())
			out.RetryPolicy.MaximumEventAgeInSeconds = &seconds
		}
	}
	return out
}

func (a *api) putTargets(ctx context.Context, call *wire.Call, in *eventsapi.PutTargetsRequest) (*eventsapi.PutTargetsResponse, error) {
	var targets []bus.Target
	for i := range in.Targets {
		t, err := targetIn(&in.Targets[i])
		if err != nil {
			return nil, err
		}
		targets = append(targets, t)
	}
	if err := a.buses.PutTargets(ctx, id(call, in.EventBusName), *in.Rule, targets); err != nil {
		return nil, err
	}
	none := int32(0)
	return &eventsapi.PutTargetsResponse{FailedEntryCount: &none, FailedEntries: []eventsapi.PutTargetsResultEntry{}}, nil
}

func (a *api) removeTargets(ctx context.Context, call *wire.Call, in *eventsapi.RemoveTargetsRequest) (*eventsapi.RemoveTargetsResponse, error) {
	absent, err := a.buses.RemoveTargets(ctx, id(call, in.EventBusName), *in.Rule, in.Ids)
	if err != nil {
		return nil, err
	}
	count := int32(len(absent))
	out := &eventsapi.RemoveTargetsResponse{FailedEntryCount: &count, FailedEntries: []eventsapi.RemoveTargetsResultEntry{}}
	for _, f := range absent {
		out.FailedEntries = append(out.FailedEntries, eventsapi.RemoveTargetsResultEntry{TargetId: &f.ID, ErrorCode: &f.Code, ErrorMessage: &f.Message})
	}
	return out, nil
}

func (a *api) listTargetsByRule(_ context.Context, call *wire.Call, in *eventsapi.ListTargetsByRuleRequest) (*eventsapi.ListTargetsByRuleResponse, error) {
	r, err := a.buses.Rule(id(call, in.EventBusName), *in.Rule)
	if err != nil {
		return nil, err
	}
	var names []string
	byID := map[string]*bus.Target{}
	for i := range r.Targets {
		names, byID[r.Targets[i].ID] = append(names, r.Targets[i].ID), &r.Targets[i]
	}
	slices.Sort(names)
	names, next, err := page(names, nil, in.NextToken, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &eventsapi.ListTargetsByRuleResponse{Targets: []eventsapi.Target{}, NextToken: next}
	for _, name := range names {
		out.Targets = append(out.Targets, targetOut(byID[name]))
	}
	return out, nil
}

func (a *api) testEventPattern(_ context.Context, _ *wire.Call, in *eventsapi.TestEventPatternRequest) (*eventsapi.TestEventPatternResponse, error) {
	match, err := bus.Matches(*in.EventPattern, *in.Event)
	if err != nil {
		return nil, err
	}
	return &eventsapi.TestEventPatternResponse{Result: &match}, nil
}

func (a *api) putEvents(ctx context.Context, call *wire.Call, in *eventsapi.PutEventsRequest) (*eventsapi.PutEventsResponse, error) {
	if member.Text(in.EndpointId) != "" {
		return nil, refused("EndpointId", "this platform has no global endpoints")
	}
	entries := make([]bus.Entry, len(in.Entries))
	for i := range in.Entries {
		e := &in.Entries[i]
		entries[i] = bus.Entry{Bus: member.Text(e.EventBusName), Source: member.Text(e.Source), DetailType: member.Text(e.DetailType), Detail: member.Text(e.Detail), Resources: e.Resources, Trace: member.Text(e.TraceHeader)}
		if e.Time != nil {
			entries[i].Time = *e.Time
		}
		if entries[i].Trace == "" && call.Request != nil {
			entries[i].Trace = call.Request.Header.Get("X-Amzn-Trace-Id")
		}
	}
	results, err := a.buses.Put(ctx, scope(call), entries)
	if err != nil {
		return nil, err
	}
	failed := int32(0)
	out := &eventsapi.PutEventsResponse{FailedEntryCount: &failed, Entries: []eventsapi.PutEventsResultEntry{}}
	for i := range results {
		if refusal := results[i].Err; refusal != nil {
			failed++
			code := string(refusal.Code)
			out.Entries = append(out.Entries, eventsapi.PutEventsResultEntry{ErrorCode: &code, ErrorMessage: &refusal.Message})
			continue
		}
		out.Entries = append(out.Entries, eventsapi.PutEventsResultEntry{EventId: &results[i].ID})
	}
	return out, nil
}
