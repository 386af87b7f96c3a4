package cloudformation

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/api/cloudformationapi"
	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/core/stack/engine"
	"github.com/lambkin-dev/lambkin/internal/core/stack/published"
	"github.com/lambkin-dev/lambkin/internal/core/stack/state"
	"github.com/lambkin-dev/lambkin/internal/core/template"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

// readings are the operations that only tell what is there.
func (a *api) readings() []wire.Operation {
	return []wire.Operation{
		cloudformationapi.HandleDescribeStackEvents(wrap(a.describeStackEvents)),
		cloudformationapi.HandleDescribeEvents(wrap(a.describeEvents)),
		cloudformationapi.HandleDescribeStackResource(wrap(a.describeStackResource)),
		cloudformationapi.HandleDescribeStackResources(wrap(a.describeStackResources)),
		cloudformationapi.HandleListStackResources(wrap(a.listStackResources)),
		cloudformationapi.HandleGetTemplate(wrap(a.getTemplate)),
		cloudformationapi.HandleListExports(wrap(a.listExports)),
		cloudformationapi.HandleListImports(wrap(a.listImports)),
		cloudformationapi.HandleDescribeAccountLimits(wrap(describeAccountLimits)),
		cloudformationapi.HandleDescribeType(wrap(a.describeType)),
		cloudformationapi.HandleListTypes(wrap(a.listTypes)),
		cloudformationapi.HandleEstimateTemplateCost(wrap(func(context.Context, *wire.Call, *cloudformationapi.EstimateTemplateCostInput) (*cloudformationapi.EstimateTemplateCostOutput, error) {
			return nil, stack.Invalid("The cost of a template cannot be estimated: nothing costs anything here")
		})),
	}
}

func (a *api) describeStackEvents(ctx context.Context, call *wire.Call, in *cloudformationapi.DescribeStackEventsInput) (*cloudformationapi.DescribeStackEventsOutput, error) {
	before, err := number(in.NextToken)
	if err != nil {
		return nil, err
	}
	s, events, next, err := a.engine.Events(ctx, scope(call), *in.StackName, before, nil)
	if err != nil {
		return nil, err
	}
	id := s.ARN()
	return &cloudformationapi.DescribeStackEventsOutput{NextToken: numberOut(next), StackEvents: each(events, func(e *state.Event) cloudformationapi.StackEvent {
		return cloudformationapi.StackEvent{StackId: &id, StackName: &s.Name, EventId: &e.ID, OperationId: member.Optional(e.Operation), LogicalResourceId: &e.LogicalID, PhysicalResourceId: &e.PhysicalID, ResourceType: &e.Type,
			Timestamp: &e.Time, ResourceStatus: (*string)(&e.Status), ResourceStatusReason: member.Optional(e.Reason), ResourceProperties: member.Optional(e.Properties), ClientRequestToken: member.Optional(e.Token)}
	})}, nil
}

// number reads the number of an event.
func number(token *string) (int64, error) {
	if token == nil {
		return 0, nil
	}
	n, err := strconv.ParseInt(*token, 10, 64)
	if err != nil || n <= 0 {
		return 0, stack.Invalid("NextToken is not valid")
	}
	return n, nil
}

func numberOut(n int64) *string {
	if n == 0 {
		return nil
	}
	return member.Optional(strconv.FormatInt(n, 10))
}

func (a *api) describeEvents(ctx context.Context, call *wire.Call, in *cloudformationapi.DescribeEventsInput) (*cloudformationapi.DescribeEventsOutput, error) {
	name := member.Text(in.StackName)
	if name == "" && in.ChangeSetName != nil {
		_, c, err := a.engine.DescribeChangeSet(ctx, scope(call), "", *in.ChangeSetName)
		if err != nil {
			return nil, err
		}
		name = c.Stack
	}
	if name == "" {
		return nil, stack.Invalid("StackName must be specified")
	}
	before, err := number(in.NextToken)
	if err != nil {
		return nil, err
	}
	s, events, next, err := a.engine.Events(ctx, scope(call), name, before, func(e *state.Event) bool {
		return (in.OperationId == nil || *in.OperationId == e.Operation) && (in.Filters == nil || !member.On(in.Filters.FailedEvents) || strings.HasSuffix(string(e.Status), "_FAILED"))
	})
	if err != nil {
		return nil, err
	}
	return &cloudformationapi.DescribeEventsOutput{NextToken: numberOut(next), OperationEvents: each(events, func(e *state.Event) cloudformationapi.OperationEvent { return operationEvent(s, e) })}, nil
}

// operationEvent is an event in the newer form, which tells of its operation.
func operationEvent(s *state.Stack, e *state.Event) cloudformationapi.OperationEvent {
	id := s.ARN()
	out := cloudformationapi.OperationEvent{EventId: &e.ID, StackId: &id, OperationId: member.Optional(e.Operation), OperationType: member.Optional(string(e.Kind)), LogicalResourceId: &e.LogicalID, PhysicalResourceId: &e.PhysicalID,
		ResourceType: &e.Type, Timestamp: &e.Time, ResourceStatus: (*string)(&e.Status), ResourceStatusReason: member.Optional(e.Reason), ResourceProperties: member.Optional(e.Properties), ClientRequestToken: member.Optional(e.Token)}
	kind := "PROGRESS_EVENT"
	switch {
	case e.PhysicalID == id:
		kind = "STACK_EVENT"
		status := "SUCCEEDED"
		if e.Status.Running() {
			status = "IN_PROGRESS"
		} else if strings.HasSuffix(string(e.Status), "FAILED") || strings.HasSuffix(string(e.Status), "ROLLBACK_COMPLETE") {
			status = "FAILED"
		}
		out.OperationStatus = &status
	case strings.HasSuffix(string(e.Status), "_FAILED"):
		kind = "PROVISIONING_ERROR"
	}
	out.EventType = &kind
	return out
}

func noResource(name, stackName string) error {
	return stack.Invalid("Resource %s does not exist for stack %s", name, stackName)
}

func (a *api) describeStackResource(ctx context.Context, call *wire.Call, in *cloudformationapi.DescribeStackResourceInput) (*cloudformationapi.DescribeStackResourceOutput, error) {
	s, list, err := a.engine.Resources(ctx, scope(call), *in.StackName, *in.LogicalResourceId)
	switch {
	case err != nil && strings.Contains(err.Error(), "does not exist"):
		return nil, stack.Invalid("Stack '%s' does not exist", *in.StackName)
	case err != nil:
		return nil, err
	case len(list) == 0:
		return nil, noResource(*in.LogicalResourceId, *in.StackName)
	}
	r := list[0]
	drifts, err := a.knownDrifts(ctx, call, s)
	if err != nil {
		return nil, err
	}
	return &cloudformationapi.DescribeStackResourceOutput{StackResourceDetail: &cloudformationapi.StackResourceDetail{StackName: &s.Name, StackId: member.Optional(s.ARN()), LogicalResourceId: &r.LogicalID,
		PhysicalResourceId: member.Optional(r.PhysicalID), ResourceType: &r.Type, LastUpdatedTimestamp: &r.Changed, ResourceStatus: (*string)(&r.Status), ResourceStatusReason: member.Optional(r.Reason), Metadata: member.Optional(r.Metadata),
		DriftInformation: &cloudformationapi.StackResourceDriftInformation{StackResourceDriftStatus: drifts.status(r)}}}, nil
}

// known are the drifts of the resources of a stack, by logical id.
type known map[string]*state.Drift

func (k known) status(r *state.Resource) *string {
	status := state.NotChecked
	if d := k[r.LogicalID]; d != nil && d.PhysicalID == r.PhysicalID {
		status = d.Status
	}
	return &status
}

// knownDrifts are what the detections have found of a stack.
func (a *api) knownDrifts(ctx context.Context, call *wire.Call, s *state.Stack) (known, error) {
	_, all, err := a.engine.Drifts(ctx, scope(call), s.ARN())
	found := known{}
	for _, d := range all {
		found[d.LogicalID] = d
	}
	return found, err
}

// maxResources is how many DescribeStackResources shows.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStackResources.html
const maxResources = 100

func (a *api) describeStackResources(ctx context.Context, call *wire.Call, in *cloudformationapi.DescribeStackResourcesInput) (*cloudformationapi.DescribeStackResourcesOutput, error) {
	name := member.Text(in.StackName)
	if name == "" {
		if in.PhysicalResourceId == nil {
			return nil, stack.Invalid("You must specify either StackName or PhysicalResourceId")
		}
		var err error
		if name, err = a.engine.Owner(ctx, scope(call), *in.PhysicalResourceId); err != nil {
			return nil, err
		}
	} else if in.PhysicalResourceId != nil {
		return nil, stack.Invalid("You cannot specify both StackName and PhysicalResourceId")
	}
	s, list, err := a.engine.Resources(ctx, scope(call), name, member.Text(in.LogicalResourceId))
	switch {
	case err != nil:
		return nil, err
	case len(list) == 0 && in.LogicalResourceId != nil:
		return nil, noResource(*in.LogicalResourceId, name)
	}
	id := s.ARN()
	drifts, err := a.knownDrifts(ctx, call, s)
	if err != nil {
		return nil, err
	}
	return &cloudformationapi.DescribeStackResourcesOutput{StackResources: each(list[:min(len(list), maxResources)], func(r *state.Resource) cloudformationapi.StackResource {
		return cloudformationapi.StackResource{StackName: &s.Name, StackId: &id, LogicalResourceId: &r.LogicalID, PhysicalResourceId: member.Optional(r.PhysicalID), ResourceType: &r.Type, Timestamp: &r.Changed,
			ResourceStatus: (*string)(&r.Status), ResourceStatusReason: member.Optional(r.Reason), DriftInformation: &cloudformationapi.StackResourceDriftInformation{StackResourceDriftStatus: drifts.status(r)}}
	})}, nil
}

func (a *api) listStackResources(ctx context.Context, call *wire.Call, in *cloudformationapi.ListStackResourcesInput) (*cloudformationapi.ListStackResourcesOutput, error) {
	s, list, err := a.engine.Resources(ctx, scope(call), *in.StackName, "")
	if err != nil {
		return nil, err
	}
	drifts, err := a.knownDrifts(ctx, call, s)
	if err != nil {
		return nil, err
	}
	from := 0
	if in.NextToken != nil { // the logical id that the page before ended with
		at, found := slices.BinarySearchFunc(list, *in.NextToken, func(r *state.Resource, name string) int { return strings.Compare(r.LogicalID, name) })
		if from = at; found {
			from++
		}
	}
	out := &cloudformationapi.ListStackResourcesOutput{}
	list = list[from:]
	if len(list) > maxResources {
		list = list[:maxResources]
		out.NextToken = &list[maxResources-1].LogicalID
	}
	out.StackResourceSummaries = each(list, func(r *state.Resource) cloudformationapi.StackResourceSummary {
		return cloudformationapi.StackResourceSummary{LogicalResourceId: &r.LogicalID, PhysicalResourceId: member.Optional(r.PhysicalID), ResourceType: &r.Type, LastUpdatedTimestamp: &r.Changed, ResourceStatus: (*string)(&r.Status),
			ResourceStatusReason: member.Optional(r.Reason), DriftInformation: &cloudformationapi.StackResourceDriftInformationSummary{StackResourceDriftStatus: drifts.status(r)}}
	})
	return out, nil
}

func (a *api) getTemplate(ctx context.Context, call *wire.Call, in *cloudformationapi.GetTemplateInput) (*cloudformationapi.GetTemplateOutput, error) {
	if in.StackName == nil && in.ChangeSetName == nil {
		return nil, stack.Invalid("StackName is required if ChangeSetName is not specified.")
	}
	body, err := a.engine.Template(ctx, scope(call), member.Text(in.StackName), member.Text(in.ChangeSetName), member.Text(in.TemplateStage) != "Original")
	return &cloudformationapi.GetTemplateOutput{TemplateBody: &body, StagesAvailable: []string{"Original", "Processed"}}, err
}

func (a *api) listExports(ctx context.Context, call *wire.Call, in *cloudformationapi.ListExportsInput) (*cloudformationapi.ListExportsOutput, error) {
	all, next, err := a.engine.Exports(ctx, scope(call), member.Text(in.NextToken))
	return &cloudformationapi.ListExportsOutput{NextToken: member.Optional(next), Exports: each(all, func(x *state.Export) cloudformationapi.Export {
		id := x.ARN(scope(call))
		return cloudformationapi.Export{ExportingStackId: &id, Name: &x.Name, Value: &x.Value}
	})}, err
}

func (a *api) listImports(ctx context.Context, call *wire.Call, in *cloudformationapi.ListImportsInput) (*cloudformationapi.ListImportsOutput, error) {
	users, err := a.engine.Imports(ctx, scope(call), *in.ExportName)
	return &cloudformationapi.ListImportsOutput{Imports: users}, err
}

// describeAccountLimits tells those that are kept here.
func describeAccountLimits(context.Context, *wire.Call, *cloudformationapi.DescribeAccountLimitsInput) (*cloudformationapi.DescribeAccountLimitsOutput, error) {
	limit := func(name string, value int32) cloudformationapi.AccountLimit {
		return cloudformationapi.AccountLimit{Name: &name, Value: &value}
	}
	return &cloudformationapi.DescribeAccountLimitsOutput{AccountLimits: []cloudformationapi.AccountLimit{limit("StackLimit", engine.MaxStacks), limit("StackOutputsLimit", template.MaxOutputs)}}, nil
}

func typeARN(call *wire.Call, name string) string {
	return "arn:aws:cloudformation:" + call.Region + "::type/resource/" + strings.ReplaceAll(name, "::", "-")
}

// ability is how a type can be changed.
func ability(facts *stack.Facts) string {
	if facts.Updatable {
		return "FULLY_MUTABLE"
	}
	return "IMMUTABLE"
}

func (a *api) describeType(_ context.Context, call *wire.Call, in *cloudformationapi.DescribeTypeInput) (*cloudformationapi.DescribeTypeOutput, error) {
	name := member.Text(in.TypeName)
	if in.Arn != nil {
		name = strings.ReplaceAll((*in.Arn)[strings.LastIndexByte(*in.Arn, '/')+1:], "-", "::")
	}
	facts := a.engine.FactsOf(name)
	if facts == nil || facts.NotYet != "" || member.Text(in.Type) != "" && *in.Type != "RESOURCE" {
		return nil, cloudformationapi.TypeNotFoundException("The type '%s' cannot be found.", name)
	}
	kind, visibility, provisioning, live := "RESOURCE", "PUBLIC", ability(facts), "LIVE"
	schema := schemaOf(facts)
	return &cloudformationapi.DescribeTypeOutput{Arn: member.Optional(typeARN(call, name)), Type: &kind, TypeName: &name, Visibility: &visibility, ProvisioningType: &provisioning, DeprecatedStatus: &live, Schema: &schema}, nil
}

func (a *api) listTypes(_ context.Context, call *wire.Call, in *cloudformationapi.ListTypesInput) (*cloudformationapi.ListTypesOutput, error) {
	out := &cloudformationapi.ListTypesOutput{TypeSummaries: []cloudformationapi.TypeSummary{}}
	if member.Text(in.Visibility) != "PUBLIC" || member.Text(in.Type) != "" && *in.Type != "RESOURCE" || member.Text(in.DeprecatedStatus) == "DEPRECATED" {
		return out, nil // private types, modules and hooks cannot be registered
	}
	prefix := ""
	if in.Filters != nil {
		prefix = member.Text(in.Filters.TypeNamePrefix)
	}
	most := maxResources
	if in.MaxResults != nil {
		most = int(*in.MaxResults)
	}
	kind := "RESOURCE"
	for _, name := range a.engine.TypeNames() {
		facts := a.engine.FactsOf(name)
		if !strings.HasPrefix(name, prefix) || name <= member.Text(in.NextToken) || facts == nil || in.ProvisioningType != nil && *in.ProvisioningType != ability(facts) {
			continue
		}
		if len(out.TypeSummaries) == most {
			out.NextToken = out.TypeSummaries[most-1].TypeName
			break
		}
		out.TypeSummaries = append(out.TypeSummaries, cloudformationapi.TypeSummary{Type: &kind, TypeName: &name, TypeArn: member.Optional(typeARN(call, name))})
	}
	return out, nil
}

// schemaOf is the published schema of a type without what is refused here; of
// CloudFormation's own types what is known of them.
func schemaOf(facts *stack.Facts) string {
	if s := published.Find(facts.Type); s != nil {
		refused := []string{}
		for name, p := range facts.Properties {
			if p.Refused != "" {
				refused = append(refused, name)
			}
		}
		return s.Text(refused)
	}
	pointers := func(names []string) (out []any) {
		for _, name := range names {
			out = append(out, "/properties/"+strings.ReplaceAll(name, ".", "/"))
		}
		return out
	}
	properties, required, createOnly, writeOnly := map[string]any{}, []any{}, []string{}, []string{}
	for name, p := range facts.Properties {
		properties[name] = map[string]any{}
		if p.Required {
			required = append(required, name)
		}
		if p.CreateOnly {
			createOnly = append(createOnly, name)
		}
		if p.WriteOnly {
			writeOnly = append(writeOnly, name)
		}
	}
	slices.Sort(createOnly)
	slices.Sort(writeOnly)
	slices.SortFunc(required, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
	return state.JSON(map[string]any{"typeName": facts.Type, "properties": properties, "required": required, "primaryIdentifier": pointers(facts.Primary), "readOnlyProperties": pointers(facts.Attributes),
		"createOnlyProperties": pointers(createOnly), "writeOnlyProperties": pointers(writeOnly), "additionalProperties": facts.OpenProperties})
}
