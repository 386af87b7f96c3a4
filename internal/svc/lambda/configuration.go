package lambda

import (
	"time"

	"github.com/lambkin-dev/lambkin/internal/api/lambdaapi"
	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/core/invoke"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

// timestamp is the form of LastModified and CreatedDate.
const timestamp = "2006-01-02T15:04:05.000-0700"

func formatTime(t time.Time) *string {
	s := t.UTC().Format(timestamp)
	return &s
}

// configuration is FunctionConfiguration of a version. arn is the FunctionArn
// as the request named the function.
//
// AWS: what was never set is absent (Environment, Layers, KMSKeyArn,
// DeadLetterConfig); everything that has a default is present; CreateFunction
// answers without LastUpdateStatus, which the registry leaves empty then.
func configuration(v *function.Version, arn string) *lambdaapi.FunctionConfiguration {
	memory, ephemeral, timeout := int32(v.MemoryMB), int32(v.EphemeralMB), int32(v.Timeout/time.Second)
	zip, optimization := "Zip", "Off"
	if v.SnapStarts() && v.State == function.Active {
		// AWS: with "On" and the state Active "a snapshot is available", snapstart-activate.html.
		optimization = "On"
	}
	_, runtimeARN := invoke.RuntimeVersion(v.Runtime, v.Region)
	c := &lambdaapi.FunctionConfiguration{
		FunctionName: &v.Name, FunctionArn: &arn, Version: &v.Version,
		Runtime: &v.Runtime, Role: &v.Role, Handler: &v.Handler, Description: &v.Description,
		CodeSize: &v.CodeSizeBytes, CodeSha256: &v.CodeSHA256, PackageType: &zip,
		Timeout: &timeout, MemorySize: &memory, EphemeralStorage: &lambdaapi.EphemeralStorage{Size: &ephemeral},
		Architectures: []string{v.Architecture}, KMSKeyArn: member.Optional(v.KMSKeyARN),
		LastModified: formatTime(v.LastModified), RevisionId: &v.RevisionID,
		State: member.Optional(string(v.State)), StateReason: member.Optional(v.StateReason), StateReasonCode: member.Optional(v.StateReasonCode),
		LastUpdateStatus: member.Optional(v.LastUpdateStatus), LastUpdateStatusReason: member.Optional(v.LastUpdateReason), LastUpdateStatusReasonCode: member.Optional(v.LastUpdateCode),
		TracingConfig:        &lambdaapi.TracingConfigResponse{Mode: &v.TracingMode},
		SnapStart:            &lambdaapi.SnapStartResponse{ApplyOn: &v.SnapStart, OptimizationStatus: &optimization},
		RuntimeVersionConfig: &lambdaapi.RuntimeVersionConfig{RuntimeVersionArn: &runtimeARN},
		LoggingConfig: &lambdaapi.LoggingConfig{
			LogFormat: &v.LogFormat, ApplicationLogLevel: member.Optional(v.ApplicationLogLevel),
			SystemLogLevel: member.Optional(v.SystemLogLevel), LogGroup: &v.LogGroup,
		},
	}
	if v.Environment != nil {
		c.Environment = &lambdaapi.EnvironmentResponse{Variables: v.Environment}
	}
	if v.DeadLetterARN != "" {
		c.DeadLetterConfig = &lambdaapi.DeadLetterConfig{TargetArn: &v.DeadLetterARN}
	}
	for _, layer := range v.Layers {
		c.Layers = append(c.Layers, lambdaapi.Layer{Arn: &layer.ARN, CodeSize: &layer.SizeBytes})
	}
	return c
}

// listed is the configuration in an answer of a list.
//
// AWS: lists leave out the state, the last update and the runtime version
// (API reference of ListFunctions).
func listed(v *function.Version, arn string) lambdaapi.FunctionConfiguration {
	c := configuration(v, arn)
	c.State, c.StateReason, c.StateReasonCode = nil, nil, nil
	c.LastUpdateStatus, c.LastUpdateStatusReason, c.LastUpdateStatusReasonCode = nil, nil, nil
	c.RuntimeVersionConfig = nil
	return *c
}
