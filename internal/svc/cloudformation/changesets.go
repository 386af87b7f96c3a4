package cloudformation

import (
	"context"
	"strconv"

	"github.com/lambkin-dev/lambkin/internal/api/cloudformationapi"
	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/core/stack/engine"
	"github.com/lambkin-dev/lambkin/internal/core/stack/state"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

func (a *api) changeSets() []wire.Operation {
	return []wire.Operation{
		cloudformationapi.HandleCreateChangeSet(wrap(a.createChangeSet)),
		cloudformationapi.HandleDescribeChangeSet(wrap(a.describeChangeSet)),
		cloudformationapi.HandleExecuteChangeSet(wrap(a.executeChangeSet)),
		cloudformationapi.HandleDeleteChangeSet(wrap(func(ctx context.Context, call *wire.Call, in *cloudformationapi.DeleteChangeSetInput) (*cloudformationapi.DeleteChangeSetOutput, error) {
			return &cloudformationapi.DeleteChangeSetOutput{}, a.engine.DeleteChangeSet(ctx, scope(call), member.Text(in.StackName), *in.ChangeSetName)
		})),
		cloudformationapi.HandleListChangeSets(wrap(a.listChangeSets)),
		cloudformationapi.HandleDescribeChangeSetHooks(wrap(a.describeChangeSetHooks)),
	}
}

func (a *api) createChangeSet(ctx context.Context, call *wire.Call, in *cloudformationapi.CreateChangeSetInput) (*cloudformationapi.CreateChangeSetOutput, error) {
	if in.DeploymentMode != nil {
		return nil, stack.Invalid("DeploymentMode %s is not supported here", *in.DeploymentMode)
	}
	c := chosen{parameters: in.Parameters, tags: in.Tags, capabilities: in.Capabilities, notifications: in.NotificationARNs, types: in.ResourceTypes, role: in.RoleARN, token: in.ClientToken,
		rollback: in.RollbackConfiguration, deployment: in.DeploymentConfig}
	chosen, err := c.input(call)
	if err != nil {
		return nil, err
	}
	input := &engine.ChangeSetInput{Input: *chosen, Name: *in.ChangeSetName, Description: member.Text(in.Description), Kind: member.Text(in.ChangeSetType), Nested: member.On(in.IncludeNestedStacks), AdoptExisting: member.On(in.ImportExistingResources)}
	input.OnFailure = member.Text(in.OnStackFailure)
	if input.Template, input.UsePrevious, err = a.template(ctx, call, in.TemplateBody, in.TemplateURL, in.UsePreviousTemplate); err != nil {
		return nil, err
	}
	for _, r := range in.ResourcesToImport {
		if input.Adopt == nil {
			input.Adopt, input.AdoptTypes = map[string]map[string]string{}, map[string]string{}
		}
		input.Adopt[*r.LogicalResourceId], input.AdoptTypes[*r.LogicalResourceId] = r.ResourceIdentifier, *r.ResourceType
	}
	made, err := a.engine.CreateChangeSet(ctx, scope(call), *in.StackName, input)
	if err != nil {
		return nil, err
	}
	return &cloudformationapi.CreateChangeSetOutput{Id: member.Optional(made.ARN(scope(call))), StackId: &made.Stack}, nil
}

// changesPage is how many changes an answer holds.
//
// AWS: pages of 1 MB.
const changesPage = 200

func (a *api) describeChangeSet(ctx context.Context, call *wire.Call, in *cloudformationapi.DescribeChangeSetInput) (*cloudformationapi.DescribeChangeSetOutput, error) {
	s, c, err := a.engine.DescribeChangeSet(ctx, scope(call), member.Text(in.StackName), *in.ChangeSetName)
	if err != nil {
		return nil, err
	}
	from, err := position(in.NextToken, len(c.Changes))
	if err != nil {
		return nil, err
	}
	settings := c.Settings()
	out := &cloudformationapi.DescribeChangeSetOutput{ChangeSetName: &c.Name, ChangeSetId: member.Optional(c.ARN(scope(call))), StackId: &c.Stack, StackName: &s.Name, Description: member.Optional(c.Description),
		CreationTime: &c.Created, Status: &c.Status, ExecutionStatus: &c.Execution, StatusReason: member.Optional(c.Reason), Parameters: parametersOut(settings), Tags: tagsOut(settings.Tags),
		Capabilities: settings.Capabilities, NotificationARNs: settings.Notifications, RollbackConfiguration: &cloudformationapi.RollbackConfiguration{}, Changes: []cloudformationapi.Change{},
		IncludeNestedStacks: &c.Nested, OnStackFailure: member.Optional(c.OnFailure), ImportExistingResources: &c.Settings().AdoptExisting,
		ParentChangeSetId: member.Optional(c.Parent), RootChangeSetId: member.Optional(c.Root)}
	page := c.Changes[from:]
	if len(page) > changesPage {
		page = page[:changesPage]
		out.NextToken = member.Optional(strconv.Itoa(from + changesPage))
	}
	for i := range page {
		out.Changes = append(out.Changes, changeOut(&page[i], member.On(in.IncludePropertyValues)))
	}
	return out, nil
}

// position reads a token that is the index of the first of the next page.
func position(token *string, length int) (int, error) {
	if token == nil {
		return 0, nil
	}
	n, err := strconv.Atoi(*token)
	if err != nil || n < 0 || n > length {
		return 0, stack.Invalid("NextToken is not valid")
	}
	return n, nil
}

func changeOut(c *state.Change, values bool) cloudformationapi.Change {
	kind := "Resource"
	r := &cloudformationapi.ResourceChange{Action: &c.Action, LogicalResourceId: &c.LogicalID, PhysicalResourceId: member.Optional(c.PhysicalID), ResourceType: &c.Type, Replacement: member.Optional(c.Replacement),
		PolicyAction: member.Optional(c.Policy), ChangeSetId: member.Optional(c.ChangeSet), Scope: c.Scope, Details: []cloudformationapi.ResourceChangeDetail{}}
	if r.Scope == nil {
		r.Scope = []string{}
	}
	if values {
		r.BeforeContext, r.AfterContext = member.Optional(c.Before), member.Optional(c.After)
	}
	for i := range c.Details {
		d := &c.Details[i]
		evaluation := "Static"
		if d.Dynamic {
			evaluation = "Dynamic"
		}
		target := &cloudformationapi.ResourceTargetDefinition{Attribute: &d.Attribute, Name: member.Optional(d.Name), RequiresRecreation: &d.Recreation}
		if values {
			target.AttributeChangeType, target.BeforeValue, target.AfterValue = &d.Change, member.Optional(d.Before), member.Optional(d.After)
			if d.Name != "" {
				target.Path = member.Optional("/Properties/" + d.Name)
			}
		}
		r.Details = append(r.Details, cloudformationapi.ResourceChangeDetail{Target: target, Evaluation: &evaluation, ChangeSource: &d.Source, CausingEntity: member.Optional(d.Cause)})
	}
	return cloudformationapi.Change{Type: &kind, ResourceChange: r}
}

func (a *api) executeChangeSet(ctx context.Context, call *wire.Call, in *cloudformationapi.ExecuteChangeSetInput) (*cloudformationapi.ExecuteChangeSetOutput, error) {
	how := &engine.Input{Token: member.Text(in.ClientRequestToken), Caller: who(call)}
	how.DisableRollback, how.RetainExceptOnCreate = member.On(in.DisableRollback), member.On(in.RetainExceptOnCreate)
	return &cloudformationapi.ExecuteChangeSetOutput{}, a.engine.ExecuteChangeSet(ctx, scope(call), member.Text(in.StackName), *in.ChangeSetName, how)
}

func (a *api) listChangeSets(ctx context.Context, call *wire.Call, in *cloudformationapi.ListChangeSetsInput) (*cloudformationapi.ListChangeSetsOutput, error) {
	all, err := a.engine.ChangeSets(ctx, scope(call), *in.StackName)
	if err != nil {
		return nil, err
	}
	from, err := position(in.NextToken, len(all))
	if err != nil {
		return nil, err
	}
	out := &cloudformationapi.ListChangeSetsOutput{Summaries: []cloudformationapi.ChangeSetSummary{}}
	all = all[from:]
	if len(all) > changesPage {
		all = all[:changesPage]
		out.NextToken = member.Optional(strconv.Itoa(from + changesPage))
	}
	for _, c := range all {
		out.Summaries = append(out.Summaries, cloudformationapi.ChangeSetSummary{StackId: &c.Stack, StackName: &c.StackName, ChangeSetId: member.Optional(c.ARN(scope(call))), ChangeSetName: &c.Name,
			ExecutionStatus: &c.Execution, Status: &c.Status, StatusReason: member.Optional(c.Reason), CreationTime: &c.Created, Description: member.Optional(c.Description), IncludeNestedStacks: &c.Nested, ImportExistingResources: &c.Settings().AdoptExisting,
			ParentChangeSetId: member.Optional(c.Parent), RootChangeSetId: member.Optional(c.Root)})
	}
	return out, nil
}

// describeChangeSetHooks tells that there are none: hooks cannot be registered.
func (a *api) describeChangeSetHooks(ctx context.Context, call *wire.Call, in *cloudformationapi.DescribeChangeSetHooksInput) (*cloudformationapi.DescribeChangeSetHooksOutput, error) {
	s, c, err := a.engine.DescribeChangeSet(ctx, scope(call), member.Text(in.StackName), *in.ChangeSetName)
	if err != nil {
		return nil, err
	}
	status := "PLANNED"
	return &cloudformationapi.DescribeChangeSetHooksOutput{ChangeSetId: member.Optional(c.ARN(scope(call))), ChangeSetName: &c.Name, StackId: &c.Stack, StackName: &s.Name, Status: &status, Hooks: []cloudformationapi.ChangeSetHook{}}, nil
}
