package cloudformation

import (
	"context"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/api/cloudformationapi"
	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/core/stack/state"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

func (a *api) drifts() []wire.Operation {
	return []wire.Operation{
		cloudformationapi.HandleDetectStackDrift(wrap(func(ctx context.Context, call *wire.Call, in *cloudformationapi.DetectStackDriftInput) (*cloudformationapi.DetectStackDriftOutput, error) {
			d, _, err := a.engine.DetectDrift(ctx, scope(call), *in.StackName, in.LogicalResourceIds, who(call))
			if err != nil {
				return nil, err
			}
			return &cloudformationapi.DetectStackDriftOutput{StackDriftDetectionId: &d.ID}, nil
		})),
		cloudformationapi.HandleDetectStackResourceDrift(wrap(a.detectStackResourceDrift)),
		cloudformationapi.HandleDescribeStackDriftDetectionStatus(wrap(a.describeDetection)),
		cloudformationapi.HandleDescribeStackResourceDrifts(wrap(a.describeStackResourceDrifts)),
	}
}

func (a *api) detectStackResourceDrift(ctx context.Context, call *wire.Call, in *cloudformationapi.DetectStackResourceDriftInput) (*cloudformationapi.DetectStackResourceDriftOutput, error) {
	d, found, err := a.engine.DetectDrift(ctx, scope(call), *in.StackName, []string{*in.LogicalResourceId}, who(call))
	switch {
	case err != nil:
		return nil, err
	case len(found) == 0:
		return nil, noResource(*in.LogicalResourceId, *in.StackName)
	}
	out := driftOut(d.Stack, found[0])
	return &cloudformationapi.DetectStackResourceDriftOutput{StackResourceDrift: &out}, nil
}

func (a *api) describeDetection(ctx context.Context, call *wire.Call, in *cloudformationapi.DescribeStackDriftDetectionStatusInput) (*cloudformationapi.DescribeStackDriftDetectionStatusOutput, error) {
	d, err := a.engine.Detection(ctx, scope(call), *in.StackDriftDetectionId)
	switch {
	case err != nil:
		return nil, err
	case d == nil:
		return nil, stack.Invalid("StackDriftDetectionId %s does not exist", *in.StackDriftDetectionId)
	}
	complete, drifted := "DETECTION_COMPLETE", int32(d.Drifted)
	return &cloudformationapi.DescribeStackDriftDetectionStatusOutput{StackId: &d.Stack, StackDriftDetectionId: &d.ID, StackDriftStatus: &d.Status, DetectionStatus: &complete,
		DriftedStackResourceCount: &drifted, Timestamp: &d.Time}, nil
}

func (a *api) describeStackResourceDrifts(ctx context.Context, call *wire.Call, in *cloudformationapi.DescribeStackResourceDriftsInput) (*cloudformationapi.DescribeStackResourceDriftsOutput, error) {
	s, all, err := a.engine.Drifts(ctx, scope(call), *in.StackName)
	if err != nil {
		return nil, err
	}
	most := maxResources
	if in.MaxResults != nil {
		most = int(*in.MaxResults)
	}
	out := &cloudformationapi.DescribeStackResourceDriftsOutput{StackResourceDrifts: []cloudformationapi.StackResourceDrift{}}
	for _, d := range all {
		wanted := len(in.StackResourceDriftStatusFilters) == 0 || slices.Contains(in.StackResourceDriftStatusFilters, d.Status)
		if !wanted || d.Status == state.NotChecked && len(in.StackResourceDriftStatusFilters) == 0 || strings.Compare(d.LogicalID, member.Text(in.NextToken)) <= 0 {
			continue
		}
		if len(out.StackResourceDrifts) == most {
			out.NextToken = out.StackResourceDrifts[most-1].LogicalResourceId
			break
		}
		out.StackResourceDrifts = append(out.StackResourceDrifts, driftOut(s.ARN(), d))
	}
	return out, nil
}

func driftOut(stackID string, d *state.Drift) cloudformationapi.StackResourceDrift {
	return cloudformationapi.StackResourceDrift{StackId: &stackID, LogicalResourceId: &d.LogicalID, PhysicalResourceId: member.Optional(d.PhysicalID), ResourceType: &d.Type, StackResourceDriftStatus: &d.Status,
		Timestamp: &d.Checked, ExpectedProperties: member.Optional(d.Expected), ActualProperties: member.Optional(d.Actual), DriftStatusReason: member.Optional(d.Reason),
		PropertyDifferences: each(d.Differences, func(one state.Difference) cloudformationapi.PropertyDifference {
			return cloudformationapi.PropertyDifference{PropertyPath: &one.Path, ExpectedValue: &one.Expected, ActualValue: &one.Actual, DifferenceType: &one.Kind}
		})}
}
