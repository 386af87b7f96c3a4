package lambda

import (
	"context"
	"net/http"

	"github.com/lambkin-dev/lambkin/internal/api/lambdaapi"
	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

func (l *Lambda) createFunction(ctx context.Context, call *wire.Call, in *lambdaapi.CreateFunctionInput) (*lambdaapi.CreateFunctionOutput, error) {
	t, err := target(call, "CreateFunction", in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	if err := refuseCreate(in); err != nil {
		return nil, err
	}
	code, err := l.codeOf(ctx, call, in.Code)
	if err != nil {
		return nil, err
	}
	deadLetter, err := l.deadLetter(in.DeadLetterConfig)
	if err != nil {
		return nil, err
	}
	v, err := l.registry.Create(ctx, t, function.CreateInput{
		Settings: function.Settings{
			Description: in.Description, Role: in.Role, Runtime: in.Runtime, Handler: in.Handler,
			MemoryMB: integer(in.MemorySize), EphemeralMB: ephemeral(in.EphemeralStorage), Timeout: seconds(in.Timeout),
			Environment: variables(in.Environment), Layers: in.Layers, DeadLetter: deadLetter, KMSKeyARN: in.KMSKeyArn,
			TracingMode: tracing(in.TracingConfig), SnapStart: snapStart(in.SnapStart), Logging: logging(in.LoggingConfig),
		},
		Code: code, Architectures: architectures(in.Architectures), Tags: in.Tags, Publish: is(in.Publish),
	})
	if err != nil {
		return nil, translate(err)
	}
	return configuration(v, v.ARN()), nil
}

func (l *Lambda) getFunction(ctx context.Context, call *wire.Call, in *lambdaapi.GetFunctionInput) (*lambdaapi.GetFunctionOutput, error) {
	t, err := target(call, "GetFunction", in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	f, err := l.registry.Get(ctx, t)
	if err != nil {
		return nil, translate(err)
	}
	location, s3 := l.location(call, f.Version.Code), "S3"
	out := &lambdaapi.GetFunctionOutput{
		Configuration: configuration(f.Version, t.ARN()),
		Code:          &lambdaapi.FunctionCodeLocation{RepositoryType: &s3, Location: &location},
	}
	if len(f.Tags) > 0 {
		out.Tags = f.Tags
	}
	if f.ReservedConcurrency != nil {
		reserved := int32(*f.ReservedConcurrency)
		out.Concurrency = &lambdaapi.Concurrency{ReservedConcurrentExecutions: &reserved}
	}
	return out, nil
}

func (l *Lambda) getFunctionConfiguration(ctx context.Context, call *wire.Call, in *lambdaapi.GetFunctionConfigurationInput) (*lambdaapi.GetFunctionConfigurationOutput, error) {
	t, err := target(call, "GetFunctionConfiguration", in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	v, err := l.registry.GetConfiguration(ctx, t)
	if err != nil {
		return nil, translate(err)
	}
	return configuration(v, t.ARN()), nil
}

func (l *Lambda) listFunctions(ctx context.Context, call *wire.Call, in *lambdaapi.ListFunctionsInput) (*lambdaapi.ListFunctionsOutput, error) {
	out := &lambdaapi.ListFunctionsOutput{Functions: []lambdaapi.FunctionConfiguration{}}
	if in.MasterRegion != nil && *in.MasterRegion != "ALL" && *in.MasterRegion != call.Region {
		return out, nil // Lambda@Edge replicas of another region: there are none
	}
	p, err := l.registry.List(ctx, scope(call), function.ListInput{Page: page(in.Marker, in.MaxItems), AllVersions: value(in.FunctionVersion) == "ALL"})
	if err != nil {
		return nil, translate(err)
	}
	for _, v := range p.Versions {
		arn := v.ARN()
		if in.FunctionVersion != nil {
			arn = v.QualifiedARN() // AWS: with FunctionVersion=ALL $LATEST is qualified, too
		}
		out.Functions = append(out.Functions, listed(v, arn))
	}
	out.NextMarker = member.Optional(p.NextMarker)
	return out, nil
}

func (l *Lambda) updateFunctionCode(ctx context.Context, call *wire.Call, in *lambdaapi.UpdateFunctionCodeInput) (*lambdaapi.UpdateFunctionCodeOutput, error) {
	t, err := target(call, "UpdateFunctionCode", in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	if err := refusePublishTo(in.PublishTo); err != nil {
		return nil, err
	}
	code, err := l.codeOf(ctx, call, &lambdaapi.FunctionCode{ZipFile: in.ZipFile, S3Bucket: in.S3Bucket, S3Key: in.S3Key, S3ObjectVersion: in.S3ObjectVersion,
		S3ObjectStorageMode: in.S3ObjectStorageMode, ImageUri: in.ImageUri, SourceKMSKeyArn: in.SourceKMSKeyArn})
	if err != nil {
		return nil, err
	}
	if err := refuseArchitectures(in.Architectures); err != nil {
		return nil, err
	}
	v, err := l.registry.UpdateCode(ctx, t, function.UpdateCodeInput{
		Code: code, Architectures: in.Architectures, DryRun: is(in.DryRun), Publish: is(in.Publish), RevisionID: in.RevisionId,
	})
	if err != nil {
		return nil, translate(err)
	}
	return configuration(v, v.ARN()), nil
}

func (l *Lambda) updateFunctionConfiguration(ctx context.Context, call *wire.Call, in *lambdaapi.UpdateFunctionConfigurationInput) (*lambdaapi.UpdateFunctionConfigurationOutput, error) {
	t, err := target(call, "UpdateFunctionConfiguration", in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	if err := refuseUpdate(in); err != nil {
		return nil, err
	}
	deadLetter, err := l.deadLetter(in.DeadLetterConfig)
	if err != nil {
		return nil, err
	}
	v, err := l.registry.UpdateConfiguration(ctx, t, function.UpdateConfigurationInput{
		Settings: function.Settings{
			Description: in.Description, Role: in.Role, Runtime: in.Runtime, Handler: in.Handler,
			MemoryMB: integer(in.MemorySize), EphemeralMB: ephemeral(in.EphemeralStorage), Timeout: seconds(in.Timeout),
			Environment: variables(in.Environment), Layers: in.Layers, DeadLetter: deadLetter, KMSKeyARN: in.KMSKeyArn,
			TracingMode: tracing(in.TracingConfig), SnapStart: snapStart(in.SnapStart), Logging: logging(in.LoggingConfig),
		},
		RevisionID: in.RevisionId,
	})
	if err != nil {
		return nil, translate(err)
	}
	return configuration(v, v.ARN()), nil
}

func (l *Lambda) deleteFunction(ctx context.Context, call *wire.Call, in *lambdaapi.DeleteFunctionInput) (*lambdaapi.DeleteFunctionOutput, error) {
	t, err := target(call, "DeleteFunction", in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	if err := l.registry.Delete(ctx, t); err != nil {
		return nil, translate(err)
	}
	noContent := int32(http.StatusNoContent)
	return &lambdaapi.DeleteFunctionOutput{StatusCode: &noContent}, nil
}

func (l *Lambda) getAccountSettings(ctx context.Context, call *wire.Call, _ *lambdaapi.GetAccountSettingsInput) (*lambdaapi.GetAccountSettingsOutput, error) {
	s, err := l.registry.AccountSettings(ctx, scope(call))
	if err != nil {
		return nil, translate(err)
	}
	concurrent, unreserved := int32(s.ConcurrentExecutions), int32(s.UnreservedConcurrentExecutions)
	return &lambdaapi.GetAccountSettingsOutput{
		AccountLimit: &lambdaapi.AccountLimit{
			TotalCodeSize: &s.TotalCodeSizeBytes, CodeSizeUnzipped: &s.CodeSizeUnzippedBytes, CodeSizeZipped: &s.CodeSizeZippedBytes,
			ConcurrentExecutions: &concurrent, UnreservedConcurrentExecutions: &unreserved,
		},
		AccountUsage: &lambdaapi.AccountUsage{TotalCodeSize: &s.UsedCodeSizeBytes, FunctionCount: &s.FunctionCount},
	}, nil
}
