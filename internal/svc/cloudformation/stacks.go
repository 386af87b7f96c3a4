package cloudformation

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/lambkin-dev/lambkin/internal/api/cloudformationapi"
	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/core/stack/engine"
	"github.com/lambkin-dev/lambkin/internal/core/stack/state"
	"github.com/lambkin-dev/lambkin/internal/core/template"
	"github.com/lambkin-dev/lambkin/internal/svc/cloudformation/builtin"
	"github.com/lambkin-dev/lambkin/internal/svc/cloudformation/summary"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

func (a *api) stacks() []wire.Operation {
	return []wire.Operation{
		cloudformationapi.HandleCreateStack(wrap(a.createStack)),
		cloudformationapi.HandleUpdateStack(wrap(a.updateStack)),
		cloudformationapi.HandleDeleteStack(wrap(a.deleteStack)),
		cloudformationapi.HandleDescribeStacks(wrap(a.describeStacks)),
		cloudformationapi.HandleListStacks(wrap(a.listStacks)),
		cloudformationapi.HandleCancelUpdateStack(wrap(func(ctx context.Context, call *wire.Call, in *cloudformationapi.CancelUpdateStackInput) (*struct{}, error) {
			return &struct{}{}, a.engine.Cancel(ctx, scope(call), *in.StackName, member.Text(in.ClientRequestToken))
		})),
		cloudformationapi.HandleContinueUpdateRollback(wrap(func(ctx context.Context, call *wire.Call, in *cloudformationapi.ContinueUpdateRollbackInput) (*cloudformationapi.ContinueUpdateRollbackOutput, error) {
			how := &engine.Input{Token: member.Text(in.ClientRequestToken), RoleARN: member.Text(in.RoleARN), Caller: who(call)}
			return &cloudformationapi.ContinueUpdateRollbackOutput{}, a.engine.ContinueRollback(ctx, scope(call), *in.StackName, in.ResourcesToSkip, how)
		})),
		cloudformationapi.HandleRollbackStack(wrap(a.rollbackStack)),
		cloudformationapi.HandleSetStackPolicy(wrap(a.setStackPolicy)),
		cloudformationapi.HandleGetStackPolicy(wrap(func(ctx context.Context, call *wire.Call, in *cloudformationapi.GetStackPolicyInput) (*cloudformationapi.GetStackPolicyOutput, error) {
			s, err := a.engine.Describe(ctx, scope(call), *in.StackName)
			if err != nil {
				return nil, err
			}
			return &cloudformationapi.GetStackPolicyOutput{StackPolicyBody: member.Optional(s.Policy)}, nil
		})),
		cloudformationapi.HandleSignalResource(wrap(a.signalResource)),
		cloudformationapi.HandleUpdateTerminationProtection(wrap(a.updateTerminationProtection)),
	}
}

// chosen is what the inputs of creations, updates and change sets share.
type chosen struct {
	parameters    []cloudformationapi.Parameter
	tags          []cloudformationapi.Tag
	capabilities  []string
	notifications []string
	types         []string
	role, token   *string
	rollback      *cloudformationapi.RollbackConfiguration
	deployment    *cloudformationapi.DeploymentConfig
	disable       *bool
	retain        *bool
}

func (c *chosen) input(call *wire.Call) (*engine.Input, error) {
	in := &engine.Input{Parameters: map[string]template.Input{}, Capabilities: c.capabilities, Notifications: c.notifications, RoleARN: member.Text(c.role), ResourceTypes: c.types, Token: member.Text(c.token), Caller: who(call)}
	in.DisableRollback, in.RetainExceptOnCreate = member.On(c.disable), member.On(c.retain)
	for _, p := range c.parameters {
		key := member.Text(p.ParameterKey)
		if _, twice := in.Parameters[key]; twice {
			return nil, stack.Invalid("Duplicate parameter key: %s", key)
		}
		in.Parameters[key] = template.Input{Value: member.Text(p.ParameterValue), UsePreviousValue: member.On(p.UsePreviousValue)}
	}
	if c.tags != nil {
		in.Tags = map[string]string{}
		for _, tag := range c.tags {
			if _, twice := in.Tags[*tag.Key]; twice {
				return nil, stack.Invalid("Duplicate tag key: %s", *tag.Key)
			}
			in.Tags[*tag.Key] = *tag.Value
		}
	}
	if d := c.deployment; d != nil {
		if member.Text(d.Mode) == "EXPRESS" {
			return nil, stack.Invalid("DeploymentConfig.Mode EXPRESS is not supported here: a stack is complete when its resources are ready")
		}
		in.DisableRollback = in.DisableRollback || member.On(d.DisableRollback)
	}
	if r := c.rollback; r != nil && (len(r.RollbackTriggers) > 0 || r.MonitoringTimeInMinutes != nil && *r.MonitoringTimeInMinutes > 0) {
		return nil, stack.Invalid("Rollback triggers are not supported here: there are no alarms to monitor")
	}
	return in, nil
}

func (a *api) createStack(ctx context.Context, call *wire.Call, in *cloudformationapi.CreateStackInput) (*cloudformationapi.CreateStackOutput, error) {
	c := chosen{parameters: in.Parameters, tags: in.Tags, capabilities: in.Capabilities, notifications: in.NotificationARNs, types: in.ResourceTypes, role: in.RoleARN, token: in.ClientRequestToken,
		rollback: in.RollbackConfiguration, deployment: in.DeploymentConfig, disable: in.DisableRollback, retain: in.RetainExceptOnCreate}
	input, err := c.input(call)
	if err != nil {
		return nil, err
	}
	if in.OnFailure != nil && in.DisableRollback != nil {
		return nil, stack.Invalid("You may only specify one of DisableRollback and OnFailure")
	}
	input.OnFailure, input.Protected = member.Text(in.OnFailure), member.On(in.EnableTerminationProtection)
	if in.TimeoutInMinutes != nil {
		input.Timeout = time.Duration(*in.TimeoutInMinutes) * time.Minute
	}
	if input.Policy, err = a.policy(ctx, call, in.StackPolicyBody, in.StackPolicyURL, "StackPolicyURL"); err != nil {
		return nil, err
	}
	if input.Template, err = a.source.Template(ctx, summary.Who(call), in.TemplateBody, in.TemplateURL); err != nil {
		return nil, err
	}
	s, err := a.engine.Create(ctx, scope(call), *in.StackName, input)
	if err != nil {
		return nil, err
	}
	return &cloudformationapi.CreateStackOutput{StackId: member.Optional(s.ARN()), OperationId: &s.Operation.ID}, nil
}

func (a *api) updateStack(ctx context.Context, call *wire.Call, in *cloudformationapi.UpdateStackInput) (*cloudformationapi.UpdateStackOutput, error) {
	c := chosen{parameters: in.Parameters, tags: in.Tags, capabilities: in.Capabilities, notifications: in.NotificationARNs, types: in.ResourceTypes, role: in.RoleARN, token: in.ClientRequestToken,
		rollback: in.RollbackConfiguration, deployment: in.DeploymentConfig, disable: in.DisableRollback, retain: in.RetainExceptOnCreate}
	input, err := c.input(call)
	if err != nil {
		return nil, err
	}
	if input.Policy, err = a.policy(ctx, call, in.StackPolicyBody, in.StackPolicyURL, "StackPolicyURL"); err != nil {
		return nil, err
	}
	if input.PolicyDuring, err = a.policy(ctx, call, in.StackPolicyDuringUpdateBody, in.StackPolicyDuringUpdateURL, "StackPolicyDuringUpdateURL"); err != nil {
		return nil, err
	}
	if input.Template, input.UsePrevious, err = a.template(ctx, call, in.TemplateBody, in.TemplateURL, in.UsePreviousTemplate); err != nil {
		return nil, err
	}
	s, err := a.engine.Update(ctx, scope(call), *in.StackName, input)
	if err != nil {
		return nil, err
	}
	return &cloudformationapi.UpdateStackOutput{StackId: member.Optional(s.ARN()), OperationId: &s.Operation.ID}, nil
}

// template is the text of a request that may also mean the one that is there.
func (a *api) template(ctx context.Context, call *wire.Call, body, url *string, previous *bool) (given string, usePrevious bool, err error) {
	if member.On(previous) {
		if body != nil || url != nil {
			return "", true, stack.Invalid("You cannot specify both usePreviousTemplate and Template Body/Template URL.")
		}
		return "", true, nil
	}
	given, err = a.source.Template(ctx, summary.Who(call), body, url)
	return given, false, err
}

// policy is the text of a stack policy.
func (a *api) policy(ctx context.Context, call *wire.Call, body, url *string, member string) (string, error) {
	switch {
	case body == nil && url == nil:
		return "", nil
	case body != nil && url != nil:
		return "", stack.Invalid("You cannot specify both StackPolicyURL and StackPolicyBody")
	case body != nil:
		return *body, nil
	}
	return a.source.Fetch(ctx, summary.Who(call), *url, member, maxPolicyBytes)
}

// maxPolicyBytes is AWS's bound: https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_SetStackPolicy.html
const maxPolicyBytes = 16 << 10

func (a *api) deleteStack(ctx context.Context, call *wire.Call, in *cloudformationapi.DeleteStackInput) (*struct{}, error) {
	if _, err := (&chosen{deployment: in.DeploymentConfig}).input(call); err != nil {
		return nil, err
	}
	return &struct{}{}, a.engine.Delete(ctx, scope(call), *in.StackName, &engine.Deletion{Retain: in.RetainResources, Force: member.Text(in.DeletionMode) == "FORCE_DELETE_STACK", RoleARN: member.Text(in.RoleARN),
		Token: member.Text(in.ClientRequestToken), Caller: who(call)})
}

func (a *api) describeStacks(ctx context.Context, call *wire.Call, in *cloudformationapi.DescribeStacksInput) (*cloudformationapi.DescribeStacksOutput, error) {
	if in.StackName != nil {
		s, err := a.engine.Settled(ctx, scope(call), *in.StackName)
		if err != nil {
			return nil, err
		}
		return &cloudformationapi.DescribeStacksOutput{Stacks: []cloudformationapi.Stack{stackOut(s)}}, nil
	}
	all, next, err := a.engine.List(ctx, scope(call), member.Text(in.NextToken), func(s *state.Stack) bool { return s.Status != state.DeleteComplete })
	return &cloudformationapi.DescribeStacksOutput{Stacks: each(all, stackOut), NextToken: member.Optional(next)}, err
}

func stackOut(s *state.Stack) cloudformationapi.Stack {
	out := cloudformationapi.Stack{StackId: member.Optional(s.ARN()), StackName: &s.Name, ChangeSetId: member.Optional(s.ChangeSet), Description: member.Optional(s.Description()), CreationTime: &s.Created,
		StackStatus: (*string)(&s.Status), StackStatusReason: member.Optional(s.Reason), ParentId: member.Optional(s.Parent), RootId: member.Optional(s.Root), EnableTerminationProtection: &s.Protected,
		DriftInformation: &cloudformationapi.StackDriftInformation{StackDriftStatus: driftStatus(s)}, RollbackConfiguration: &cloudformationapi.RollbackConfiguration{},
		DisableRollback: new(bool), Tags: []cloudformationapi.Tag{}, NotificationARNs: []string{}, LastOperations: operationsOut(s)}
	if !s.Updated.IsZero() {
		out.LastUpdatedTime = &s.Updated
	}
	if !s.Deleted.IsZero() {
		out.DeletionTime = &s.Deleted
	}
	if !s.Drift.Checked.IsZero() {
		out.DriftInformation.LastCheckTimestamp = &s.Drift.Checked
	}
	for _, o := range s.Outputs {
		out.Outputs = append(out.Outputs, cloudformationapi.Output{OutputKey: &o.Key, OutputValue: &o.Value, Description: member.Optional(o.Description), ExportName: member.Optional(o.Export)})
	}
	if s.Operation != nil && s.Operation.Force {
		mode := "FORCE_DELETE_STACK"
		out.DeletionMode = &mode
	}
	c := s.Now
	if c == nil {
		return out
	}
	disabled := c.DisableRollback || c.OnFailure == state.DoNothing
	out.DisableRollback, out.RetainExceptOnCreate = &disabled, &c.RetainExceptOnCreate
	out.Parameters, out.Tags, out.Capabilities, out.RoleARN = parametersOut(c), tagsOut(c.Tags), c.Capabilities, member.Optional(c.RoleARN)
	out.NotificationARNs = append(out.NotificationARNs, c.Notifications...)
	if minutes := int32(c.Timeout / time.Minute); minutes > 0 {
		out.TimeoutInMinutes = &minutes
	}
	return out
}

func driftStatus(s *state.Stack) *string {
	status := "NOT_CHECKED"
	if s.Drift.Status != "" {
		status = s.Drift.Status
	}
	return &status
}

func operationsOut(s *state.Stack) (out []cloudformationapi.OperationEntry) {
	if s.Operation != nil {
		out = append(out, cloudformationapi.OperationEntry{OperationType: (*string)(&s.Operation.Kind), OperationId: &s.Operation.ID})
	}
	return out
}

func parametersOut(c *state.Configuration) (out []cloudformationapi.Parameter) {
	for _, p := range c.Parameters {
		shown := template.Argument{Given: p.Value, NoEcho: p.Hidden}.Shown()
		resolved := p.Resolved
		if p.Hidden {
			resolved = ""
		}
		out = append(out, cloudformationapi.Parameter{ParameterKey: &p.Key, ParameterValue: &shown, ResolvedValue: member.Optional(resolved)})
	}
	return out
}

func tagsOut(tags map[string]string) []cloudformationapi.Tag {
	out := []cloudformationapi.Tag{}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		value := tags[key]
		out = append(out, cloudformationapi.Tag{Key: &key, Value: &value})
	}
	return out
}

func (a *api) listStacks(ctx context.Context, call *wire.Call, in *cloudformationapi.ListStacksInput) (*cloudformationapi.ListStacksOutput, error) {
	all, next, err := a.engine.List(ctx, scope(call), member.Text(in.NextToken), func(s *state.Stack) bool {
		return len(in.StackStatusFilter) == 0 || slices.Contains(in.StackStatusFilter, string(s.Status))
	})
	return &cloudformationapi.ListStacksOutput{NextToken: member.Optional(next), StackSummaries: each(all, func(s *state.Stack) cloudformationapi.StackSummary {
		whole := stackOut(s)
		return cloudformationapi.StackSummary{StackId: whole.StackId, StackName: whole.StackName, TemplateDescription: whole.Description, CreationTime: whole.CreationTime, LastUpdatedTime: whole.LastUpdatedTime,
			DeletionTime: whole.DeletionTime, StackStatus: whole.StackStatus, StackStatusReason: whole.StackStatusReason, ParentId: whole.ParentId, RootId: whole.RootId,
			DriftInformation: &cloudformationapi.StackDriftInformationSummary{StackDriftStatus: whole.DriftInformation.StackDriftStatus, LastCheckTimestamp: whole.DriftInformation.LastCheckTimestamp},
			LastOperations:   whole.LastOperations}
	})}, err
}

func (a *api) rollbackStack(ctx context.Context, call *wire.Call, in *cloudformationapi.RollbackStackInput) (*cloudformationapi.RollbackStackOutput, error) {
	input, err := (&chosen{role: in.RoleARN, token: in.ClientRequestToken, deployment: in.DeploymentConfig, retain: in.RetainExceptOnCreate}).input(call)
	if err != nil {
		return nil, err
	}
	s, err := a.engine.Rollback(ctx, scope(call), *in.StackName, input)
	if err != nil {
		return nil, err
	}
	return &cloudformationapi.RollbackStackOutput{StackId: member.Optional(s.ARN()), OperationId: &s.Operation.ID}, nil
}

func (a *api) updateTerminationProtection(ctx context.Context, call *wire.Call, in *cloudformationapi.UpdateTerminationProtectionInput) (*cloudformationapi.UpdateTerminationProtectionOutput, error) {
	s, err := a.engine.Protect(ctx, scope(call), *in.StackName, *in.EnableTerminationProtection)
	if err != nil {
		return nil, err
	}
	return &cloudformationapi.UpdateTerminationProtectionOutput{StackId: member.Optional(s.ARN())}, nil
}

func (a *api) setStackPolicy(ctx context.Context, call *wire.Call, in *cloudformationapi.SetStackPolicyInput) (*struct{}, error) {
	policy, err := a.policy(ctx, call, in.StackPolicyBody, in.StackPolicyURL, "StackPolicyURL")
	if err != nil {
		return nil, err
	}
	if policy == "" {
		return nil, stack.Invalid("Either StackPolicyBody or StackPolicyURL must be specified")
	}
	return &struct{}{}, a.engine.SetPolicy(ctx, scope(call), *in.StackName, policy)
}

// signalResource tells a resource with a CreationPolicy that is being made.
func (a *api) signalResource(ctx context.Context, call *wire.Call, in *cloudformationapi.SignalResourceInput) (*struct{}, error) {
	token, err := a.engine.Signalled(ctx, scope(call), *in.StackName, *in.LogicalResourceId)
	if err != nil {
		return nil, err
	}
	return &struct{}{}, builtin.Signal(ctx, a.boxes, token, *in.UniqueId, *in.Status)
}
