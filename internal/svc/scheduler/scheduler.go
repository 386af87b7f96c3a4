// Package scheduler is the EventBridge Scheduler API: it translates between the
// wire and core/scheduler, and calls the operations that universal targets name.
//
// It promises AWS's codes and texts of errors; what a schedule does is
// core/scheduler's. Targets of services that are not there are refused.
//
// No goroutines, no locks. Start reading at Service and Universal.
package scheduler

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/api/schedulerapi"
	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/core/scheduler"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

type api struct {
	schedules *scheduler.Schedules
	universal *Universal
}

// Service is the table of the operations.
func Service(schedules *scheduler.Schedules, universal *Universal) *wire.Service {
	a := &api{schedules: schedules, universal: universal}
	return wire.NewService(schedulerapi.Model,
		schedulerapi.HandleCreateSchedule(wrap(a.createSchedule)),
		schedulerapi.HandleUpdateSchedule(wrap(a.updateSchedule)),
		schedulerapi.HandleGetSchedule(wrap(a.getSchedule)),
		schedulerapi.HandleDeleteSchedule(wrap(a.deleteSchedule)),
		schedulerapi.HandleListSchedules(wrap(a.listSchedules)),
		schedulerapi.HandleCreateScheduleGroup(wrap(a.createScheduleGroup)),
		schedulerapi.HandleGetScheduleGroup(wrap(a.getScheduleGroup)),
		schedulerapi.HandleDeleteScheduleGroup(wrap(a.deleteScheduleGroup)),
		schedulerapi.HandleListScheduleGroups(wrap(a.listScheduleGroups)),
		schedulerapi.HandleTagResource(wrap(a.tagResource)),
		schedulerapi.HandleUntagResource(wrap(a.untagResource)),
		schedulerapi.HandleListTagsForResource(wrap(a.listTagsForResource)),
	)
}

// wrap translates the errors of an operation.
func wrap[In, Out any](do func(context.Context, *wire.Call, *In) (*Out, error)) func(context.Context, *wire.Call, *In) (*Out, error) {
	return wire.Translated(do, translate)
}

var faults = map[scheduler.Code]func(string, ...any) *fault.Fault{
	scheduler.NotFound: schedulerapi.ResourceNotFoundException, scheduler.Conflict: schedulerapi.ConflictException,
	scheduler.Validation: schedulerapi.ValidationException, scheduler.Quota: schedulerapi.ServiceQuotaExceededException,
}

func translate(err error) error {
	var refusal *scheduler.Error
	if errors.As(err, &refusal) {
		return faults[refusal.Code]("%s", refusal.Message)
	}
	return err
}

func invalid(message string) error {
	return &scheduler.Error{Code: scheduler.Validation, Message: message}
}

func moment(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

func optionalMoment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func scope(call *wire.Call) scheduler.Scope {
	return scheduler.Scope{Account: call.Account, Region: call.Region}
}

func id(call *wire.Call, group, name *string) scheduler.ID {
	of := member.Text(group)
	if of == "" {
		of = scheduler.DefaultGroup
	}
	return scheduler.ID{Scope: scope(call), Group: of, Name: member.Text(name)}
}

func groupID(call *wire.Call, name *string) scheduler.GroupID {
	return scheduler.GroupID{Scope: scope(call), Name: member.Text(name)}
}

// wanted are the members that creating and updating share.
func (a *api) wanted(in *schedulerapi.CreateScheduleInput) (scheduler.Schedule, error) {
	s := scheduler.Schedule{Expression: *in.ScheduleExpression, Zone: member.Text(in.ScheduleExpressionTimezone), Start: moment(in.StartDate), End: moment(in.EndDate), State: member.Text(in.State),
		Description: member.Text(in.Description), DeleteAfter: member.Text(in.ActionAfterCompletion) == "DELETE"}
	if s.Zone == "" {
		s.Zone = "UTC"
	}
	if s.State == "" {
		s.State = scheduler.Enabled
	}
	if member.Text(in.KmsKeyArn) != "" {
		return s, invalid("KmsKeyArn is not supported: this platform has no customer managed keys.")
	}
	switch window := in.FlexibleTimeWindow; {
	case *window.Mode == "FLEXIBLE" && window.MaximumWindowInMinutes == nil:
		return s, invalid("MaximumWindowInMinutes must be provided when the flexible time window mode is FLEXIBLE.")
	case *window.Mode == "OFF" && window.MaximumWindowInMinutes != nil:
		return s, invalid("MaximumWindowInMinutes must not be provided when the flexible time window mode is OFF.")
	case window.MaximumWindowInMinutes != nil:
		s.Window = time.Duration(*window.MaximumWindowInMinutes) * time.Minute
	}
	var err error
	s.Target, err = targetIn(in.Target)
	if err == nil {
		err = a.universal.check(s.Target.ARN)
	}
	return s, err
}

// targetIn reads a target; what belongs to services that are not there is refused.
func targetIn(t *schedulerapi.Target) (scheduler.Target, error) {
	for _, option := range []struct {
		name  string
		given bool
	}{{"EcsParameters", t.EcsParameters != nil}, {"KinesisParameters", t.KinesisParameters != nil}, {"SageMakerPipelineParameters", t.SageMakerPipelineParameters != nil}} {
		if option.given {
			return scheduler.Target{}, invalid(option.name + " is not supported: this platform has no targets of that service.")
		}
	}
	out := scheduler.Target{ARN: *t.Arn, Role: *t.RoleArn, Input: member.Text(t.Input)}
	if t.EventBridgeParameters != nil {
		out.Source, out.DetailType = *t.EventBridgeParameters.Source, *t.EventBridgeParameters.DetailType
	}
	if t.SqsParameters != nil {
		out.GroupID = member.Text(t.SqsParameters.MessageGroupId)
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

// targetOut shows a target; AWS always answers the retry policy that applies.
func targetOut(t *scheduler.Target) *schedulerapi.Target {
	out := &schedulerapi.Target{Arn: &t.ARN, RoleArn: &t.Role, Input: member.Optional(t.Input)}
	if t.Source != "" {
		out.EventBridgeParameters = &schedulerapi.EventBridgeParameters{DetailType: &t.DetailType, Source: &t.Source}
	}
	if t.GroupID != "" {
		out.SqsParameters = &schedulerapi.SqsParameters{MessageGroupId: &t.GroupID}
	}
	if t.DeadLetter != "" {
		out.DeadLetterConfig = &schedulerapi.DeadLetterConfig{Arn: &t.DeadLetter}
	}
	retries, seconds := int32(scheduler.MaxRetries), int32(scheduler.MaxEventAge.Seconds())
	if t.MaximumRetries != nil {
		retries = int32(*t.MaximumRetries)
	}
	if t.MaximumEventAge != nil {
		seconds = int32(t.MaximumEventAge.Seconds())
	}
	out.RetryPolicy = &schedulerapi.RetryPolicy{MaximumRetryAttempts: &retries, MaximumEventAgeInSeconds: &seconds}
	return out
}

func (a *api) createSchedule(ctx context.Context, call *wire.Call, in *schedulerapi.CreateScheduleInput) (*schedulerapi.CreateScheduleOutput, error) {
	s, err := a.wanted(in)
	if err != nil {
		return nil, err
	}
	made := id(call, in.GroupName, in.Name)
	if err := a.schedules.Put(ctx, made, s, false); err != nil {
		return nil, err
	}
	return &schedulerapi.CreateScheduleOutput{ScheduleArn: member.Optional(made.ARN())}, nil
}

// updateSchedule replaces all: "EventBridge Scheduler overrides any parameters
// that are not given with their defaults" (API reference of UpdateSchedule).
func (a *api) updateSchedule(ctx context.Context, call *wire.Call, in *schedulerapi.UpdateScheduleInput) (*schedulerapi.UpdateScheduleOutput, error) {
	same := schedulerapi.CreateScheduleInput(*in)
	s, err := a.wanted(&same)
	if err != nil {
		return nil, err
	}
	changed := id(call, in.GroupName, in.Name)
	if err := a.schedules.Put(ctx, changed, s, true); err != nil {
		return nil, err
	}
	return &schedulerapi.UpdateScheduleOutput{ScheduleArn: member.Optional(changed.ARN())}, nil
}

func (a *api) getSchedule(_ context.Context, call *wire.Call, in *schedulerapi.GetScheduleInput) (*schedulerapi.GetScheduleOutput, error) {
	wanted := id(call, in.GroupName, in.Name)
	s, err := a.schedules.Get(wanted)
	if err != nil {
		return nil, err
	}
	out := &schedulerapi.GetScheduleOutput{Arn: member.Optional(wanted.ARN()), GroupName: &wanted.Group, Name: &wanted.Name, ScheduleExpression: &s.Expression, ScheduleExpressionTimezone: &s.Zone,
		StartDate: optionalMoment(s.Start), EndDate: optionalMoment(s.End), State: &s.State, Description: member.Optional(s.Description), Target: targetOut(&s.Target),
		CreationDate: &s.Created, LastModificationDate: &s.Modified, ActionAfterCompletion: member.Optional("NONE"), FlexibleTimeWindow: &schedulerapi.FlexibleTimeWindow{Mode: member.Optional("OFF")}}
	if s.DeleteAfter {
		out.ActionAfterCompletion = member.Optional("DELETE")
	}
	if s.Window > 0 {
		minutes := int32(s.Window.Minutes())
		out.FlexibleTimeWindow = &schedulerapi.FlexibleTimeWindow{Mode: member.Optional("FLEXIBLE"), MaximumWindowInMinutes: &minutes}
	}
	return out, nil
}

func (a *api) deleteSchedule(ctx context.Context, call *wire.Call, in *schedulerapi.DeleteScheduleInput) (*schedulerapi.DeleteScheduleOutput, error) {
	return &schedulerapi.DeleteScheduleOutput{}, a.schedules.Delete(ctx, id(call, in.GroupName, in.Name))
}

// maxPage is how many an answer has at most (API model).
const maxPage = 100

// pager cuts a list: it tells which of the keys, which come in order, are shown.
type pager struct {
	after  string
	most   int
	shown  int
	last   string
	beyond bool
}

func newPager(token *string, limit *int32) (*pager, error) {
	p := &pager{most: maxPage}
	if limit != nil {
		p.most = int(*limit)
	}
	decoded, err := base64.RawURLEncoding.DecodeString(member.Text(token))
	if err != nil {
		return nil, invalid("Invalid NextToken.")
	}
	p.after = string(decoded)
	return p, nil
}

func (p *pager) shows(key string) bool {
	if key <= p.after || p.beyond {
		return false
	}
	if p.shown == p.most {
		p.beyond = true
		return false
	}
	p.shown++
	p.last = key
	return true
}

func (p *pager) token() *string {
	if !p.beyond {
		return nil
	}
	encoded := base64.RawURLEncoding.EncodeToString([]byte(p.last))
	return &encoded
}

func (a *api) listSchedules(_ context.Context, call *wire.Call, in *schedulerapi.ListSchedulesInput) (*schedulerapi.ListSchedulesOutput, error) {
	p, err := newPager(in.NextToken, in.MaxResults)
	if err != nil {
		return nil, err
	}
	out := &schedulerapi.ListSchedulesOutput{Schedules: []schedulerapi.ScheduleSummary{}}
	err = a.schedules.List(scope(call), member.Text(in.GroupName), func(id scheduler.ID, s *scheduler.Schedule) {
		if !strings.HasPrefix(id.Name, member.Text(in.NamePrefix)) || in.State != nil && s.State != *in.State || !p.shows(id.Group+"/"+id.Name) {
			return
		}
		out.Schedules = append(out.Schedules, schedulerapi.ScheduleSummary{Arn: member.Optional(id.ARN()), GroupName: &id.Group, Name: &id.Name, State: &s.State,
			CreationDate: &s.Created, LastModificationDate: &s.Modified, Target: &schedulerapi.TargetSummary{Arn: &s.Target.ARN}})
	})
	out.NextToken = p.token()
	return out, err
}

// groupState is that of every group: it is deleted at once.
const groupState = "ACTIVE"

func (a *api) createScheduleGroup(ctx context.Context, call *wire.Call, in *schedulerapi.CreateScheduleGroupInput) (*schedulerapi.CreateScheduleGroupOutput, error) {
	made := groupID(call, in.Name)
	tags := map[string]string{}
	for _, t := range in.Tags {
		tags[*t.Key] = *t.Value
	}
	if err := a.schedules.PutGroup(ctx, made, tags); err != nil {
		return nil, err
	}
	return &schedulerapi.CreateScheduleGroupOutput{ScheduleGroupArn: member.Optional(made.ARN())}, nil
}

func (a *api) getScheduleGroup(_ context.Context, call *wire.Call, in *schedulerapi.GetScheduleGroupInput) (*schedulerapi.GetScheduleGroupOutput, error) {
	wanted := groupID(call, in.Name)
	g, err := a.schedules.Group(wanted)
	if err != nil {
		return nil, err
	}
	return &schedulerapi.GetScheduleGroupOutput{Arn: member.Optional(wanted.ARN()), Name: &wanted.Name, State: member.Optional(groupState), CreationDate: optionalMoment(g.Created), LastModificationDate: optionalMoment(g.Modified)}, nil
}

func (a *api) deleteScheduleGroup(ctx context.Context, call *wire.Call, in *schedulerapi.DeleteScheduleGroupInput) (*schedulerapi.DeleteScheduleGroupOutput, error) {
	return &schedulerapi.DeleteScheduleGroupOutput{}, a.schedules.DeleteGroup(ctx, groupID(call, in.Name))
}

func (a *api) listScheduleGroups(_ context.Context, call *wire.Call, in *schedulerapi.ListScheduleGroupsInput) (*schedulerapi.ListScheduleGroupsOutput, error) {
	p, err := newPager(in.NextToken, in.MaxResults)
	if err != nil {
		return nil, err
	}
	out := &schedulerapi.ListScheduleGroupsOutput{ScheduleGroups: []schedulerapi.ScheduleGroupSummary{}}
	for _, name := range a.schedules.Groups(scope(call)) {
		if !strings.HasPrefix(name, member.Text(in.NamePrefix)) || !p.shows(name) {
			continue
		}
		listed := groupID(call, &name)
		g, err := a.schedules.Group(listed)
		if err != nil {
			continue // it was deleted just now
		}
		out.ScheduleGroups = append(out.ScheduleGroups, schedulerapi.ScheduleGroupSummary{Arn: member.Optional(listed.ARN()), Name: &name, State: member.Optional(groupState),
			CreationDate: optionalMoment(g.Created), LastModificationDate: optionalMoment(g.Modified)})
	}
	out.NextToken = p.token()
	return out, nil
}

func (a *api) tagResource(ctx context.Context, _ *wire.Call, in *schedulerapi.TagResourceInput) (*schedulerapi.TagResourceOutput, error) {
	g, err := scheduler.ParseGroup(*in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return &schedulerapi.TagResourceOutput{}, a.schedules.ChangeTags(ctx, g, func(tags map[string]string) {
		for _, t := range in.Tags {
			tags[*t.Key] = *t.Value
		}
	})
}

func (a *api) untagResource(ctx context.Context, _ *wire.Call, in *schedulerapi.UntagResourceInput) (*schedulerapi.UntagResourceOutput, error) {
	g, err := scheduler.ParseGroup(*in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return &schedulerapi.UntagResourceOutput{}, a.schedules.ChangeTags(ctx, g, func(tags map[string]string) {
		for _, key := range in.TagKeys {
			delete(tags, key)
		}
	})
}

func (a *api) listTagsForResource(_ context.Context, _ *wire.Call, in *schedulerapi.ListTagsForResourceInput) (*schedulerapi.ListTagsForResourceOutput, error) {
	id, err := scheduler.ParseGroup(*in.ResourceArn)
	if err != nil {
		return nil, err
	}
	g, err := a.schedules.Group(id)
	if err != nil {
		return nil, err
	}
	out := &schedulerapi.ListTagsForResourceOutput{Tags: []schedulerapi.Tag{}}
	for key, value := range g.Tags {
		out.Tags = append(out.Tags, schedulerapi.Tag{Key: &key, Value: &value})
	}
	slices.SortFunc(out.Tags, func(x, y schedulerapi.Tag) int { return strings.Compare(*x.Key, *y.Key) })
	return out, nil
}
