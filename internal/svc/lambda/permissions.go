package lambda

import (
	"context"

	"github.com/lambkin-dev/lambkin/internal/api/lambdaapi"
	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

func (l *Lambda) addPermission(ctx context.Context, call *wire.Call, in *lambdaapi.AddPermissionInput) (*lambdaapi.AddPermissionOutput, error) {
	t, err := target(call, "AddPermission", in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	s, err := l.registry.AddPermission(ctx, t, function.PermissionInput{
		StatementID: value(in.StatementId), Action: value(in.Action), Principal: value(in.Principal),
		SourceARN: in.SourceArn, SourceAccount: in.SourceAccount, EventSourceToken: in.EventSourceToken, PrincipalOrgID: in.PrincipalOrgID,
		FunctionURLAuthType: in.FunctionUrlAuthType, InvokedViaFunctionURL: in.InvokedViaFunctionUrl, RevisionID: in.RevisionId,
	})
	if err != nil {
		return nil, translate(err)
	}
	return &lambdaapi.AddPermissionOutput{Statement: &s.Statement}, nil
}

func (l *Lambda) getPolicy(ctx context.Context, call *wire.Call, in *lambdaapi.GetPolicyInput) (*lambdaapi.GetPolicyOutput, error) {
	t, err := target(call, "GetPolicy", in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	p, err := l.registry.GetPolicy(ctx, t)
	if err != nil {
		return nil, translate(err)
	}
	return &lambdaapi.GetPolicyOutput{Policy: &p.Document, RevisionId: &p.RevisionID}, nil
}

func (l *Lambda) removePermission(ctx context.Context, call *wire.Call, in *lambdaapi.RemovePermissionInput) (*lambdaapi.RemovePermissionOutput, error) {
	t, err := target(call, "RemovePermission", in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	return nil, translate(l.registry.RemovePermission(ctx, t, value(in.StatementId), in.RevisionId))
}

func (l *Lambda) tagResource(ctx context.Context, call *wire.Call, in *lambdaapi.TagResourceInput) (*lambdaapi.TagResourceOutput, error) {
	if uuid, ok := taggedMapping(call, value(in.Resource)); ok {
		return nil, translate(l.mappings.Tag(ctx, scope(call), uuid, in.Tags, nil))
	}
	return nil, translate(l.registry.Tag(ctx, scope(call), value(in.Resource), in.Tags))
}

func (l *Lambda) untagResource(ctx context.Context, call *wire.Call, in *lambdaapi.UntagResourceInput) (*lambdaapi.UntagResourceOutput, error) {
	if uuid, ok := taggedMapping(call, value(in.Resource)); ok {
		return nil, translate(l.mappings.Tag(ctx, scope(call), uuid, nil, in.TagKeys))
	}
	return nil, translate(l.registry.Untag(ctx, scope(call), value(in.Resource), in.TagKeys))
}

func (l *Lambda) listTags(ctx context.Context, call *wire.Call, in *lambdaapi.ListTagsInput) (*lambdaapi.ListTagsOutput, error) {
	tags, err := l.tags(ctx, call, value(in.Resource))
	if err != nil {
		return nil, translate(err)
	}
	if tags == nil {
		tags = map[string]string{} // AWS: Tags is always present
	}
	return &lambdaapi.ListTagsOutput{Tags: tags}, nil
}

func (l *Lambda) tags(ctx context.Context, call *wire.Call, resource string) (map[string]string, error) {
	uuid, ok := taggedMapping(call, resource)
	if !ok {
		return l.registry.Tags(ctx, scope(call), resource)
	}
	m, err := l.mappings.Get(ctx, scope(call), uuid)
	if err != nil {
		return nil, err
	}
	return m.Tags, nil
}

func (l *Lambda) putFunctionConcurrency(ctx context.Context, call *wire.Call, in *lambdaapi.PutFunctionConcurrencyInput) (*lambdaapi.PutFunctionConcurrencyOutput, error) {
	t, err := target(call, "PutFunctionConcurrency", in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	if err := l.registry.PutConcurrency(ctx, t, int(*in.ReservedConcurrentExecutions)); err != nil {
		return nil, translate(err)
	}
	return &lambdaapi.PutFunctionConcurrencyOutput{ReservedConcurrentExecutions: in.ReservedConcurrentExecutions}, nil
}

func (l *Lambda) getFunctionConcurrency(ctx context.Context, call *wire.Call, in *lambdaapi.GetFunctionConcurrencyInput) (*lambdaapi.GetFunctionConcurrencyOutput, error) {
	t, err := target(call, "GetFunctionConcurrency", in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	reserved, err := l.registry.Concurrency(ctx, t)
	if err != nil {
		return nil, translate(err)
	}
	out := &lambdaapi.GetFunctionConcurrencyOutput{}
	if reserved != nil {
		n := int32(*reserved)
		out.ReservedConcurrentExecutions = &n
	}
	return out, nil
}

func (l *Lambda) deleteFunctionConcurrency(ctx context.Context, call *wire.Call, in *lambdaapi.DeleteFunctionConcurrencyInput) (*lambdaapi.DeleteFunctionConcurrencyOutput, error) {
	t, err := target(call, "DeleteFunctionConcurrency", in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	return nil, translate(l.registry.DeleteConcurrency(ctx, t))
}

// putRuntimeManagementConfig keeps the setting. A host has one build of each
// runtime, so only Manual could make a difference, and is refused.
func (l *Lambda) putRuntimeManagementConfig(ctx context.Context, call *wire.Call, in *lambdaapi.PutRuntimeManagementConfigInput) (*lambdaapi.PutRuntimeManagementConfigOutput, error) {
	t, err := target(call, "PutRuntimeManagementConfig", in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	if value(in.UpdateRuntimeOn) == "Manual" {
		return nil, unsupported("UpdateRuntimeOn Manual", "a host has one build of each runtime")
	}
	m, err := l.registry.PutRuntimeManagement(ctx, t, function.RuntimeManagement{UpdateRuntimeOn: value(in.UpdateRuntimeOn), RuntimeVersionARN: value(in.RuntimeVersionArn)})
	if err != nil {
		return nil, translate(err)
	}
	return &lambdaapi.PutRuntimeManagementConfigOutput{UpdateRuntimeOn: &m.UpdateRuntimeOn, FunctionArn: &m.FunctionARN, RuntimeVersionArn: member.Optional(m.RuntimeVersionARN)}, nil
}

func (l *Lambda) getRuntimeManagementConfig(ctx context.Context, call *wire.Call, in *lambdaapi.GetRuntimeManagementConfigInput) (*lambdaapi.GetRuntimeManagementConfigOutput, error) {
	t, err := target(call, "GetRuntimeManagementConfig", in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	m, err := l.registry.RuntimeManagement(ctx, t)
	if err != nil {
		return nil, translate(err)
	}
	return &lambdaapi.GetRuntimeManagementConfigOutput{UpdateRuntimeOn: &m.UpdateRuntimeOn, FunctionArn: &m.FunctionARN, RuntimeVersionArn: member.Optional(m.RuntimeVersionARN)}, nil
}

func (l *Lambda) putFunctionRecursionConfig(ctx context.Context, call *wire.Call, in *lambdaapi.PutFunctionRecursionConfigInput) (*lambdaapi.PutFunctionRecursionConfigOutput, error) {
	t, err := target(call, "PutFunctionRecursionConfig", in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	loop, err := l.registry.PutRecursion(ctx, t, value(in.RecursiveLoop))
	if err != nil {
		return nil, translate(err)
	}
	return &lambdaapi.PutFunctionRecursionConfigOutput{RecursiveLoop: &loop}, nil
}

func (l *Lambda) getFunctionRecursionConfig(ctx context.Context, call *wire.Call, in *lambdaapi.GetFunctionRecursionConfigInput) (*lambdaapi.GetFunctionRecursionConfigOutput, error) {
	t, err := target(call, "GetFunctionRecursionConfig", in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	loop, err := l.registry.Recursion(ctx, t)
	if err != nil {
		return nil, translate(err)
	}
	return &lambdaapi.GetFunctionRecursionConfigOutput{RecursiveLoop: &loop}, nil
}

// getFunctionCodeSigningConfig answers that the function has none: no function
// can have one here, see refuseCreate.
//
// AWS: members are then empty strings; Terraform reads this after every create.
func (l *Lambda) getFunctionCodeSigningConfig(ctx context.Context, call *wire.Call, in *lambdaapi.GetFunctionCodeSigningConfigInput) (*lambdaapi.GetFunctionCodeSigningConfigOutput, error) {
	t, err := target(call, "GetFunctionCodeSigningConfig", in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	if _, err := l.registry.GetConfiguration(ctx, t); err != nil {
		return nil, translate(err)
	}
	none := ""
	return &lambdaapi.GetFunctionCodeSigningConfigOutput{CodeSigningConfigArn: &none, FunctionName: &t.Name}, nil
}
