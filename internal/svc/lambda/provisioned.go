package lambda

import (
	"context"

	"github.com/lambkin-dev/lambkin/internal/api/lambdaapi"
	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

func (l *Lambda) putProvisionedConcurrencyConfig(ctx context.Context, call *wire.Call, in *lambdaapi.PutProvisionedConcurrencyConfigInput) (*lambdaapi.PutProvisionedConcurrencyConfigOutput, error) {
	t, err := target(call, "PutProvisionedConcurrencyConfig", in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	p, err := l.registry.PutProvisioned(ctx, t, int(*in.ProvisionedConcurrentExecutions))
	if err != nil {
		return nil, translate(err)
	}
	c := l.provisioned(p)
	return &lambdaapi.PutProvisionedConcurrencyConfigOutput{
		RequestedProvisionedConcurrentExecutions: c.RequestedProvisionedConcurrentExecutions,
		AllocatedProvisionedConcurrentExecutions: c.AllocatedProvisionedConcurrentExecutions,
		AvailableProvisionedConcurrentExecutions: c.AvailableProvisionedConcurrentExecutions,
		Status:                                   c.Status, StatusReason: c.StatusReason, LastModified: c.LastModified,
	}, nil
}

func (l *Lambda) getProvisionedConcurrencyConfig(ctx context.Context, call *wire.Call, in *lambdaapi.GetProvisionedConcurrencyConfigInput) (*lambdaapi.GetProvisionedConcurrencyConfigOutput, error) {
	t, err := target(call, "GetProvisionedConcurrencyConfig", in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	p, err := l.registry.Provisioned(ctx, t)
	if err != nil {
		return nil, translate(err)
	}
	c := l.provisioned(p)
	return &lambdaapi.GetProvisionedConcurrencyConfigOutput{
		RequestedProvisionedConcurrentExecutions: c.RequestedProvisionedConcurrentExecutions,
		AllocatedProvisionedConcurrentExecutions: c.AllocatedProvisionedConcurrentExecutions,
		AvailableProvisionedConcurrentExecutions: c.AvailableProvisionedConcurrentExecutions,
		Status:                                   c.Status, StatusReason: c.StatusReason, LastModified: c.LastModified,
	}, nil
}

func (l *Lambda) deleteProvisionedConcurrencyConfig(ctx context.Context, call *wire.Call, in *lambdaapi.DeleteProvisionedConcurrencyConfigInput) (*lambdaapi.DeleteProvisionedConcurrencyConfigOutput, error) {
	t, err := target(call, "DeleteProvisionedConcurrencyConfig", in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	return nil, translate(l.registry.DeleteProvisioned(ctx, t))
}

func (l *Lambda) listProvisionedConcurrencyConfigs(ctx context.Context, call *wire.Call, in *lambdaapi.ListProvisionedConcurrencyConfigsInput) (*lambdaapi.ListProvisionedConcurrencyConfigsOutput, error) {
	t, err := target(call, "ListProvisionedConcurrencyConfigs", in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	p, err := l.registry.ListProvisioned(ctx, t, page(in.Marker, in.MaxItems))
	if err != nil {
		return nil, translate(err)
	}
	out := &lambdaapi.ListProvisionedConcurrencyConfigsOutput{
		NextMarker: member.Optional(p.NextMarker), ProvisionedConcurrencyConfigs: []lambdaapi.ProvisionedConcurrencyConfigListItem{},
	}
	for _, c := range p.Configurations {
		out.ProvisionedConcurrencyConfigs = append(out.ProvisionedConcurrencyConfigs, l.provisioned(c))
	}
	return out, nil
}

// provisioned joins what was asked for with what is there. An environment that
// is allocated is available at once.
func (l *Lambda) provisioned(p *function.Provisioned) lambdaapi.ProvisionedConcurrencyConfigListItem {
	s, arn := l.invoker.ProvisionedStatus(p), p.ARN()
	requested, allocated := int32(p.Requested), int32(s.Allocated)
	return lambdaapi.ProvisionedConcurrencyConfigListItem{
		FunctionArn: &arn, RequestedProvisionedConcurrentExecutions: &requested,
		AllocatedProvisionedConcurrentExecutions: &allocated, AvailableProvisionedConcurrentExecutions: &allocated,
		Status: &s.Status, StatusReason: member.Optional(s.Reason), LastModified: formatTime(p.LastModified),
	}
}
