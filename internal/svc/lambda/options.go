package lambda

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/lambkin-dev/lambkin/internal/api/lambdaapi"
	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/base/limit"
	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/core/object"
	"github.com/lambkin-dev/lambkin/internal/wire"
)

// The options of a function that the platform cannot honour are refused here, in
// one place: an option that is accepted and ignored surprises in production.
// docs/api.md lists every option and its state; a test compares.

// unsupported refuses an option; why ends the sentence "X is not supported: ".
func unsupported(option, why string) *fault.Fault {
	return lambdaapi.InvalidParameterValueException("%s is not supported: %s.", option, why)
}

// Reasons that more than one operation gives.
const (
	whyNoS3     = "there are no buckets to read the code from; send the archive as ZipFile"
	whyNoImages = "functions are deployed as zip archives"
	whyNoKMS    = "there is no KMS service, so nothing would be encrypted"
)

// shared are the options that creating and updating have in common.
type shared struct {
	vpc      *lambdaapi.VpcConfig
	files    []lambdaapi.FileSystemConfig
	key      *string
	image    *lambdaapi.ImageConfig
	capacity *lambdaapi.CapacityProviderConfig
	durable  *lambdaapi.DurableConfig
}

func refuseCreate(in *lambdaapi.CreateFunctionInput) error {
	switch {
	case value(in.PackageType) == "Image":
		return unsupported("PackageType Image", whyNoImages)
	case in.CodeSigningConfigArn != nil && *in.CodeSigningConfigArn != "":
		// AWS's answer for one that does not exist, and none can exist here.
		return lambdaapi.CodeSigningConfigNotFoundException(
			"The code signing configuration cannot be found. Check that the provided configuration is not deleted: %s.", *in.CodeSigningConfigArn)
	case in.TenancyConfig != nil:
		return unsupported("TenancyConfig", "environments of a function are not kept apart by tenant")
	}
	if err := refusePublishTo(in.PublishTo); err != nil {
		return err
	}
	if err := refuseArchitectures(in.Architectures); err != nil {
		return err
	}
	return shared{in.VpcConfig, in.FileSystemConfigs, in.KMSKeyArn, in.ImageConfig, in.CapacityProviderConfig, in.DurableConfig}.refuse()
}

func refuseUpdate(in *lambdaapi.UpdateFunctionConfigurationInput) error {
	return shared{in.VpcConfig, in.FileSystemConfigs, in.KMSKeyArn, in.ImageConfig, in.CapacityProviderConfig, in.DurableConfig}.refuse()
}

// refuse accepts each option in the form that says "none": tools send those.
func (s shared) refuse() error {
	switch {
	case s.vpc != nil && (len(s.vpc.SubnetIds) > 0 || len(s.vpc.SecurityGroupIds) > 0):
		return unsupported("VpcConfig", "there are no VPCs; functions reach the network of the host's policy")
	case len(s.files) > 0:
		return unsupported("FileSystemConfigs", "there is no EFS service")
	case value(s.key) != "":
		return unsupported("KMSKeyArn", whyNoKMS)
	case s.image != nil && (len(s.image.Command) > 0 || len(s.image.EntryPoint) > 0 || value(s.image.WorkingDirectory) != ""):
		return unsupported("ImageConfig", whyNoImages)
	case s.capacity != nil:
		return unsupported("CapacityProviderConfig", "there are no capacity providers")
	case s.durable != nil:
		return unsupported("DurableConfig", "there are no durable executions")
	}
	return nil
}

func refusePublishTo(to *string) error {
	if to == nil {
		return nil
	}
	return unsupported("PublishTo", "there are no capacity providers, and $LATEST.PUBLISHED exists only with them")
}

// hostArchitecture is AWS's name of the machine's architecture.
func hostArchitecture() string {
	if runtime.GOARCH == "arm64" {
		return "arm64"
	}
	return "x86_64"
}

// refuseArchitectures refuses what this machine cannot run.
func refuseArchitectures(architectures []string) error {
	for _, a := range architectures {
		if a != hostArchitecture() {
			return unsupported("Architectures "+a, "this host runs "+hostArchitecture())
		}
	}
	return nil
}

// architectures is what a new function runs on.
//
// AWS: the default is x86_64 everywhere; here it is the host's own.
func architectures(given []string) []string {
	if len(given) > 0 {
		return given
	}
	return []string{hostArchitecture()}
}

// codeOf reads the code of a function.
func (l *Lambda) codeOf(ctx context.Context, call *wire.Call, c *lambdaapi.FunctionCode) (function.Code, error) {
	switch {
	case c == nil:
		return function.Code{}, nil
	case c.ImageUri != nil:
		return function.Code{}, unsupported("ImageUri", whyNoImages)
	case value(c.SourceKMSKeyArn) != "":
		return function.Code{}, unsupported("SourceKMSKeyArn", whyNoKMS)
	case c.S3Bucket != nil || c.S3Key != nil || c.S3ObjectVersion != nil || c.S3ObjectStorageMode != nil:
		if len(c.ZipFile) > 0 {
			return function.Code{}, lambdaapi.InvalidParameterValueException("Please do not provide other FunctionCode parameters when providing a ZipFile.")
		}
		return l.stored(ctx, call, c.S3Bucket, c.S3Key, c.S3ObjectVersion, c.S3ObjectStorageMode)
	case len(c.ZipFile) == 0:
		// AWS: recorded text of a request with neither.
		return function.Code{}, lambdaapi.InvalidParameterValueException("Please provide a source for function code.")
	}
	return function.Code{ZipFile: c.ZipFile}, nil
}

// stored reads a package out of a bucket.
// AWS: recorded texts.
func (l *Lambda) stored(ctx context.Context, call *wire.Call, bucket, key, version, mode *string) (function.Code, error) {
	switch {
	case l.objects == nil:
		return function.Code{}, unsupported("S3Bucket", whyNoS3)
	case mode != nil:
		return function.Code{}, unsupported("S3ObjectStorageMode", "the package is copied")
	case value(bucket) == "" || value(key) == "":
		return function.Code{}, lambdaapi.InvalidParameterValueException("Please provide a source for function code.")
	}
	data, err := l.objects.ReadAll(ctx, object.Place{Account: call.Account, Bucket: *bucket, Key: *key}, value(version), limit.UnzippedCodeBytes)
	var refused *object.Error
	if errors.As(err, &refused) {
		return function.Code{}, lambdaapi.InvalidParameterValueException("Error occurred while GetObject. S3 Error Code: %s. S3 Error Message: %s", refused.Code, refused.Message)
	}
	return function.Code{ZipFile: data, FromBucket: true}, err
}

func seconds(p *int32) *time.Duration {
	if p == nil {
		return nil
	}
	d := time.Duration(*p) * time.Second
	return &d
}

func ephemeral(e *lambdaapi.EphemeralStorage) *int {
	if e == nil {
		return nil
	}
	return integer(e.Size)
}

// variables is nil when no Environment was given, and empty when it was without
// Variables.
func variables(e *lambdaapi.Environment) map[string]string {
	switch {
	case e == nil:
		return nil
	case e.Variables == nil:
		return map[string]string{}
	}
	return e.Variables
}

func snapStart(s *lambdaapi.SnapStart) *string {
	if s == nil {
		return nil
	}
	return s.ApplyOn
}

func tracing(t *lambdaapi.TracingConfig) *string {
	if t == nil {
		return nil
	}
	return t.Mode
}

func logging(c *lambdaapi.LoggingConfig) *function.Logging {
	if c == nil {
		return nil
	}
	return &function.Logging{LogFormat: c.LogFormat, ApplicationLogLevel: c.ApplicationLogLevel, SystemLogLevel: c.SystemLogLevel, LogGroup: c.LogGroup}
}
