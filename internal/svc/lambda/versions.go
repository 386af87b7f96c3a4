package lambda

import (
	"context"

	"github.com/lambkin-dev/lambkin/internal/api/lambdaapi"
	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

func (l *Lambda) publishVersion(ctx context.Context, call *wire.Call, in *lambdaapi.PublishVersionInput) (*lambdaapi.PublishVersionOutput, error) {
	t, err := target(call, "PublishVersion", in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	if err := refusePublishTo(in.PublishTo); err != nil {
		return nil, err
	}
	v, err := l.registry.PublishVersion(ctx, t, function.PublishVersionInput{Description: in.Description, CodeSHA256: in.CodeSha256, RevisionID: in.RevisionId})
	if err != nil {
		return nil, translate(err)
	}
	return configuration(v, v.ARN()), nil
}

func (l *Lambda) listVersionsByFunction(ctx context.Context, call *wire.Call, in *lambdaapi.ListVersionsByFunctionInput) (*lambdaapi.ListVersionsByFunctionOutput, error) {
	t, err := target(call, "ListVersionsByFunction", in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	p, err := l.registry.ListVersions(ctx, t, page(in.Marker, in.MaxItems))
	if err != nil {
		return nil, translate(err)
	}
	out := &lambdaapi.ListVersionsByFunctionOutput{NextMarker: member.Optional(p.NextMarker), Versions: []lambdaapi.FunctionConfiguration{}}
	for _, v := range p.Versions {
		out.Versions = append(out.Versions, listed(v, v.QualifiedARN())) // AWS: $LATEST is qualified here
	}
	return out, nil
}

func (l *Lambda) createAlias(ctx context.Context, call *wire.Call, in *lambdaapi.CreateAliasInput) (*lambdaapi.CreateAliasOutput, error) {
	t, err := target(call, "CreateAlias", in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	a, err := l.registry.CreateAlias(ctx, t, function.AliasInput{
		Name: value(in.Name), FunctionVersion: in.FunctionVersion, Description: in.Description, Routing: routing(in.RoutingConfig),
	})
	if err != nil {
		return nil, translate(err)
	}
	return alias(a), nil
}

func (l *Lambda) getAlias(ctx context.Context, call *wire.Call, in *lambdaapi.GetAliasInput) (*lambdaapi.GetAliasOutput, error) {
	t, err := target(call, "GetAlias", in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	a, err := l.registry.GetAlias(ctx, t, value(in.Name))
	if err != nil {
		return nil, translate(err)
	}
	return alias(a), nil
}

func (l *Lambda) updateAlias(ctx context.Context, call *wire.Call, in *lambdaapi.UpdateAliasInput) (*lambdaapi.UpdateAliasOutput, error) {
	t, err := target(call, "UpdateAlias", in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	a, err := l.registry.UpdateAlias(ctx, t, function.AliasInput{
		Name: value(in.Name), FunctionVersion: in.FunctionVersion, Description: in.Description,
		Routing: routing(in.RoutingConfig), RevisionID: in.RevisionId,
	})
	if err != nil {
		return nil, translate(err)
	}
	return alias(a), nil
}

func (l *Lambda) deleteAlias(ctx context.Context, call *wire.Call, in *lambdaapi.DeleteAliasInput) (*lambdaapi.DeleteAliasOutput, error) {
	t, err := target(call, "DeleteAlias", in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	return nil, translate(l.registry.DeleteAlias(ctx, t, value(in.Name)))
}

func (l *Lambda) listAliases(ctx context.Context, call *wire.Call, in *lambdaapi.ListAliasesInput) (*lambdaapi.ListAliasesOutput, error) {
	t, err := target(call, "ListAliases", in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	p, err := l.registry.ListAliases(ctx, t, value(in.FunctionVersion), page(in.Marker, in.MaxItems))
	if err != nil {
		return nil, translate(err)
	}
	out := &lambdaapi.ListAliasesOutput{NextMarker: member.Optional(p.NextMarker), Aliases: []lambdaapi.AliasConfiguration{}}
	for _, a := range p.Aliases {
		out.Aliases = append(out.Aliases, *alias(a))
	}
	return out, nil
}

// routing is nil when no RoutingConfig was given; an empty one removes the weights.
func routing(c *lambdaapi.AliasRoutingConfiguration) map[string]float64 {
	switch {
	case c == nil:
		return nil
	case c.AdditionalVersionWeights == nil:
		return map[string]float64{}
	}
	return c.AdditionalVersionWeights
}

func alias(a *function.Alias) *lambdaapi.AliasConfiguration {
	arn := a.ARN()
	out := &lambdaapi.AliasConfiguration{
		AliasArn: &arn, Name: &a.Name, FunctionVersion: &a.FunctionVersion, Description: &a.Description, RevisionId: &a.RevisionID,
	}
	if len(a.Routing) > 0 {
		out.RoutingConfig = &lambdaapi.AliasRoutingConfiguration{AdditionalVersionWeights: a.Routing}
	}
	return out
}
