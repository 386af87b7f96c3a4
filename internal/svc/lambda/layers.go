package lambda

import (
	"context"

	"github.com/lambkin-dev/lambkin/internal/api/lambdaapi"
	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

// layerTarget reads a LayerName with its version (nil: the operation has none).
// Only the owner may change or list a layer, so owned refuses another account's.
func layerTarget(call *wire.Call, action string, name *string, version *int64, owned bool) (function.LayerTarget, error) {
	number := int64(0)
	if version != nil {
		number = *version
	}
	t, err := function.ParseLayer(scope(call), value(name), number)
	if err != nil {
		return t, translate(err)
	}
	if owned && t.Scope.Account != call.Account {
		return t, accessDenied(call, action, t.ARN())
	}
	return t, nil
}

func (l *Lambda) publishLayerVersion(ctx context.Context, call *wire.Call, in *lambdaapi.PublishLayerVersionInput) (*lambdaapi.PublishLayerVersionOutput, error) {
	t, err := layerTarget(call, "PublishLayerVersion", in.LayerName, nil, true)
	if err != nil {
		return nil, err
	}
	c := in.Content
	code := function.Code{ZipFile: c.ZipFile}
	switch {
	case c.S3Bucket != nil || c.S3Key != nil || c.S3ObjectVersion != nil || c.S3ObjectStorageMode != nil:
		if code, err = l.stored(ctx, call, c.S3Bucket, c.S3Key, c.S3ObjectVersion, c.S3ObjectStorageMode); err != nil {
			return nil, err
		}
	case len(c.ZipFile) == 0:
		return nil, lambdaapi.InvalidParameterValueException("Please provide a source for layer content.")
	}
	layer, err := l.registry.PublishLayer(ctx, t, function.PublishLayerInput{
		Description: value(in.Description), LicenseInfo: value(in.LicenseInfo), Code: code,
		CompatibleRuntimes: in.CompatibleRuntimes, CompatibleArchitectures: in.CompatibleArchitectures,
	})
	if err != nil {
		return nil, translate(err)
	}
	out := lambdaapi.PublishLayerVersionOutput(*l.layer(call, layer))
	return &out, nil
}

func (l *Lambda) getLayerVersion(ctx context.Context, call *wire.Call, in *lambdaapi.GetLayerVersionInput) (*lambdaapi.GetLayerVersionOutput, error) {
	t, err := layerTarget(call, "GetLayerVersion", in.LayerName, in.VersionNumber, false)
	if err != nil {
		return nil, err
	}
	layer, err := l.registry.GetLayer(ctx, scope(call), t)
	if err != nil {
		return nil, translate(err)
	}
	return l.layer(call, layer), nil
}

func (l *Lambda) getLayerVersionByArn(ctx context.Context, call *wire.Call, in *lambdaapi.GetLayerVersionByArnInput) (*lambdaapi.GetLayerVersionByArnOutput, error) {
	t, err := function.ParseLayerARN(value(in.Arn))
	if err != nil {
		return nil, translate(err)
	}
	layer, err := l.registry.GetLayer(ctx, scope(call), t)
	if err != nil {
		return nil, translate(err)
	}
	return l.layer(call, layer), nil
}

func (l *Lambda) listLayers(ctx context.Context, call *wire.Call, in *lambdaapi.ListLayersInput) (*lambdaapi.ListLayersOutput, error) {
	p, err := l.registry.ListLayers(ctx, scope(call), function.ListLayersInput{
		Page: page(in.Marker, in.MaxItems), CompatibleRuntime: value(in.CompatibleRuntime), CompatibleArchitecture: value(in.CompatibleArchitecture),
	})
	if err != nil {
		return nil, translate(err)
	}
	out := &lambdaapi.ListLayersOutput{NextMarker: member.Optional(p.NextMarker), Layers: []lambdaapi.LayersListItem{}}
	for _, layer := range p.Layers {
		arn, item := layer.LayerARN(), layerItem(layer)
		out.Layers = append(out.Layers, lambdaapi.LayersListItem{LayerName: &layer.Name, LayerArn: &arn, LatestMatchingVersion: &item})
	}
	return out, nil
}

func (l *Lambda) listLayerVersions(ctx context.Context, call *wire.Call, in *lambdaapi.ListLayerVersionsInput) (*lambdaapi.ListLayerVersionsOutput, error) {
	t, err := layerTarget(call, "ListLayerVersions", in.LayerName, nil, true)
	if err != nil {
		return nil, err
	}
	p, err := l.registry.ListLayerVersions(ctx, t, function.ListLayersInput{
		Page: page(in.Marker, in.MaxItems), CompatibleRuntime: value(in.CompatibleRuntime), CompatibleArchitecture: value(in.CompatibleArchitecture),
	})
	if err != nil {
		return nil, translate(err)
	}
	out := &lambdaapi.ListLayerVersionsOutput{NextMarker: member.Optional(p.NextMarker), LayerVersions: []lambdaapi.LayerVersionsListItem{}}
	for _, layer := range p.Layers {
		out.LayerVersions = append(out.LayerVersions, layerItem(layer))
	}
	return out, nil
}

func (l *Lambda) deleteLayerVersion(ctx context.Context, call *wire.Call, in *lambdaapi.DeleteLayerVersionInput) (*lambdaapi.DeleteLayerVersionOutput, error) {
	t, err := layerTarget(call, "DeleteLayerVersion", in.LayerName, in.VersionNumber, true)
	if err != nil {
		return nil, err
	}
	return nil, translate(l.registry.DeleteLayer(ctx, t))
}

func (l *Lambda) addLayerVersionPermission(ctx context.Context, call *wire.Call, in *lambdaapi.AddLayerVersionPermissionInput) (*lambdaapi.AddLayerVersionPermissionOutput, error) {
	t, err := layerTarget(call, "AddLayerVersionPermission", in.LayerName, in.VersionNumber, true)
	if err != nil {
		return nil, err
	}
	s, err := l.registry.AddLayerPermission(ctx, t, function.LayerPermissionInput{
		StatementID: value(in.StatementId), Action: value(in.Action), Principal: value(in.Principal),
		OrganizationID: value(in.OrganizationId), RevisionID: in.RevisionId,
	})
	if err != nil {
		return nil, translate(err)
	}
	return &lambdaapi.AddLayerVersionPermissionOutput{Statement: &s.Statement, RevisionId: &s.RevisionID}, nil
}

func (l *Lambda) getLayerVersionPolicy(ctx context.Context, call *wire.Call, in *lambdaapi.GetLayerVersionPolicyInput) (*lambdaapi.GetLayerVersionPolicyOutput, error) {
	t, err := layerTarget(call, "GetLayerVersionPolicy", in.LayerName, in.VersionNumber, true)
	if err != nil {
		return nil, err
	}
	p, err := l.registry.LayerPolicy(ctx, t)
	if err != nil {
		return nil, translate(err)
	}
	return &lambdaapi.GetLayerVersionPolicyOutput{Policy: &p.Document, RevisionId: &p.RevisionID}, nil
}

func (l *Lambda) removeLayerVersionPermission(ctx context.Context, call *wire.Call, in *lambdaapi.RemoveLayerVersionPermissionInput) (*lambdaapi.RemoveLayerVersionPermissionOutput, error) {
	t, err := layerTarget(call, "RemoveLayerVersionPermission", in.LayerName, in.VersionNumber, true)
	if err != nil {
		return nil, err
	}
	return nil, translate(l.registry.RemoveLayerPermission(ctx, t, value(in.StatementId), in.RevisionId))
}

// layer is a layer version with its content.
func (l *Lambda) layer(call *wire.Call, layer *function.Layer) *lambdaapi.GetLayerVersionResponse {
	arn, versionARN, location := layer.LayerARN(), layer.ARN(), l.location(call, layer.Code)
	return &lambdaapi.GetLayerVersionResponse{
		Content:  &lambdaapi.LayerVersionContentOutput{Location: &location, CodeSha256: &layer.CodeSHA256, CodeSize: &layer.CodeSizeBytes},
		LayerArn: &arn, LayerVersionArn: &versionARN, Version: &layer.Version, Description: &layer.Description,
		CreatedDate: formatTime(layer.Created), LicenseInfo: member.Optional(layer.LicenseInfo),
		CompatibleRuntimes: layer.CompatibleRuntimes, CompatibleArchitectures: layer.CompatibleArchitectures,
	}
}

func layerItem(layer *function.Layer) lambdaapi.LayerVersionsListItem {
	arn := layer.ARN()
	return lambdaapi.LayerVersionsListItem{
		LayerVersionArn: &arn, Version: &layer.Version, Description: &layer.Description,
		CreatedDate: formatTime(layer.Created), LicenseInfo: member.Optional(layer.LicenseInfo),
		CompatibleRuntimes: layer.CompatibleRuntimes, CompatibleArchitectures: layer.CompatibleArchitectures,
	}
}
