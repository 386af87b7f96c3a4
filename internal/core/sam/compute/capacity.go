package compute

import (
	"encoding/json"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/sam/draft"
	"github.com/lambkin-dev/lambkin/internal/core/sam/fail"
	"github.com/lambkin-dev/lambkin/internal/core/sam/intrinsic"
	"github.com/lambkin-dev/lambkin/internal/core/sam/property"
	"github.com/lambkin-dev/lambkin/internal/core/sam/pyjson"
)

// CapacityProviderProperties are those of a SAM capacity provider.
const CapacityProviderProperties = "CapacityProviderName~:s|d VpcConfig!~:d OperatorRole~:s|d Tags~:d PropagateTags~:b InstanceRequirements~:d" +
	" ScalingConfig~:d KmsKeyArn~:s|d LoggingConfig~:d ManagedResourceTags~:d"

var capacitySchema = property.NewSchema("properties", map[string]string{
	"properties": "?CapacityProviderName:* VpcConfig:@vpc ?OperatorRole:* ?Tags:d ?PropagateTags:b ?InstanceRequirements:@instances ?ScalingConfig:@scaling" +
		" ?LoggingConfig:* ?ManagedResourceTags:@tags ?KmsKeyArn:*",
	"vpc":       "?SecurityGroupIds:d|[d|s] SubnetIds:d|[d|s]",
	"instances": "?Architectures:d|[d|s] ?AllowedTypes:d|[d|s] ?ExcludedTypes:d|[d|s]",
	"scaling":   "?MaxVCpuCount:d|i ?AverageCPUUtilization:d|f",
	"tags":      "?Tags:d",
})

// CapacityProvider replaces a SAM capacity provider.
func CapacityProvider(t *draft.Transform, m *draft.Macro) []*draft.Resource {
	capacitySchema.CheckAll(m.ID, m.Properties)
	instances := m.Dict("InstanceRequirements")
	if instances.Get("AllowedTypes") != nil && instances.Get("ExcludedTypes") != nil {
		fail.Resource(m.ID, "Cannot specify 'InstanceRequirements.AllowedTypes' and 'InstanceRequirements.ExcludedTypes' together.")
	}
	resources, role := operatorRole(t, m, "AWSLambdaManagedEC2ResourceOperator")
	vpc := m.Dict("VpcConfig")
	network := pyjson.New("SubnetIds", vpc.Get("SubnetIds"))
	if vpc.Get("SecurityGroupIds") != nil {
		network.Set("SecurityGroupIds", vpc.Get("SecurityGroupIds"))
	}
	p := draft.New("AWS::Lambda::CapacityProvider", m.ID, m.Attributes, "VpcConfig", network,
		"PermissionsConfig", pyjson.New("CapacityProviderOperatorRoleArn", role), "Tags", createdTags(m)).After(m.DependsOn)
	for _, name := range []string{"CapacityProviderName", "KmsKeyArn"} {
		if m.Truthy(name) {
			p.Set(name, m.Get(name))
		}
	}
	if instances.Len() > 0 {
		p.Set("InstanceRequirements", renamed(instances, "Architectures", "Architectures", "AllowedTypes", "AllowedInstanceTypes", "ExcludedTypes", "ExcludedInstanceTypes"))
	}
	if scaling := m.Dict("ScalingConfig"); scaling.Len() > 0 {
		p.Set("CapacityProviderScalingConfig", scalingOf(scaling))
	}
	if m.Truthy("LoggingConfig") {
		p.Set("TelemetryConfig", pyjson.New("LoggingConfig", m.Get("LoggingConfig")))
	}
	if tags := m.Dict("ManagedResourceTags"); tags.Get("Tags") != nil {
		p.Set("PropagateTags", pyjson.New("Mode", "Explicit", "ExplicitTags", draft.Tags(fail.Dict(tags.Get("Tags")))))
	}
	resources = append(resources, p)
	combineTags(m, resources)
	return resources
}

// operatorRole is the role that a resource is given, or one that is made for it.
func operatorRole(t *draft.Transform, m *draft.Macro, policy string) (made []*draft.Resource, arn any) {
	if m.Truthy("OperatorRole") {
		return nil, m.Get("OperatorRole")
	}
	role := draft.New("AWS::IAM::Role", m.ID+"OperatorRole", m.Passed(), "AssumeRolePolicyDocument", draft.AssumeRole("lambda.amazonaws.com"),
		"ManagedPolicyArns", []any{t.Env.AWSPolicy(policy)}, "Tags", draft.Tags(pyjson.New("lambda:createdBy", "SAM")))
	return []*draft.Resource{role}, role.ARN()
}

// createdTags are the user's tags, and behind them SAM's.
func createdTags(m *draft.Macro) []any {
	tags := draft.OrNew(m.Dict("Tags")).Copy()
	tags.Set("lambda:createdBy", "SAM")
	return draft.Tags(tags)
}

// combineTags adds the tags of a resource to those of what is made for it.
func combineTags(m *draft.Macro, resources []*draft.Resource) {
	own := m.Dict("Tags")
	if !m.Truthy("PropagateTags") || own.Len() == 0 {
		return
	}
	for _, r := range resources {
		all := pyjson.New()
		for _, tag := range draft.With(fail.List(r.Get("Tags")), draft.Tags(own)...) {
			all.Set(pyjson.String(tag.(*dict).Get("Key")), tag.(*dict).Get("Value"))
		}
		r.Set("Tags", draft.Tags(all))
	}
}

// renamed takes over values under other names, given as old and new in turn.
func renamed(d *dict, names ...string) *dict {
	taken := pyjson.New()
	for i := 0; i+1 < len(names); i += 2 {
		if d.Get(names[i]) != nil {
			taken.Set(names[i+1], d.Get(names[i]))
		}
	}
	return taken
}

func scalingOf(given *dict) *dict {
	scaling := renamed(given, "MaxVCpuCount", "MaxVCpuCount")
	target := given.Get("AverageCPUUtilization")
	if target == nil {
		scaling.Set("ScalingMode", "Auto")
		return scaling
	}
	if number, ok := target.(json.Number); ok && pyjson.IsInt(number) {
		target = number + ".0"
	}
	scaling.Set("ScalingMode", "Manual")
	scaling.Set("ScalingPolicies", []any{pyjson.New("PredefinedMetricType", "LambdaCapacityProviderAverageCPUUtilization", "TargetValue", target)})
	return scaling
}

// NetworkConnectorProperties are those of a SAM network connector.
const NetworkConnectorProperties = "Name~:s|d VpcConfig!~:d ComputeTypes~:l OperatorRole~:s|d Tags~:d PropagateTags~:b"

var networkSchema = property.NewSchema("properties", map[string]string{
	"properties": "?Name:d|s VpcConfig:@vpc ?ComputeTypes:[d|=MicroVm,WebFunction] ?OperatorRole:d|s ?Tags:d ?PropagateTags:b",
	"vpc":        "SubnetIds:[d|s] SecurityGroupIds:[d|s] NetworkProtocol:d|=IPv4,DualStack",
})

var computeTypes = []any{"MicroVm", "WebFunction"}

// NetworkConnector replaces a SAM network connector.
func NetworkConnector(t *draft.Transform, m *draft.Macro) []*draft.Resource {
	kinds := fail.List(m.Get("ComputeTypes"))
	if m.Has("ComputeTypes") && len(kinds) != 1 {
		fail.Resource(m.ID, "'ComputeTypes' must contain exactly one value, got %d.", len(kinds))
	}
	for _, kind := range kinds {
		if text, ok := pyjson.Text(kind); ok && !pyjson.Contains(computeTypes, text) {
			fail.Resource(m.ID, "'ComputeTypes' values must be one of %s, got '%s'.", pyjson.Repr(computeTypes), text)
		}
	}
	networkSchema.CheckAll(m.ID, m.Properties)
	if len(kinds) == 0 {
		kinds = computeTypes[:1]
	}
	resources, role := operatorRole(t, m, "AWSLambdaNetworkConnectorOperatorPolicy")
	vpc := m.Dict("VpcConfig").Copy()
	vpc.Set("AssociatedComputeResourceTypes", kinds)
	c := draft.New("AWS::Lambda::NetworkConnector", m.ID, m.Attributes, "Configuration", pyjson.New("VpcEgressConfiguration", vpc),
		"OperatorRole", role, "Tags", createdTags(m)).After(m.DependsOn)
	if m.Truthy("Name") {
		c.Set("Name", m.Get("Name"))
	}
	resources = append(resources, c)
	combineTags(m, resources)
	return resources
}

// MicroVMImageProperties are those of a SAM image of micro VMs.
const MicroVMImageProperties = "Name!~:s|d CodeUri!~:s|d BaseImageArn!~:s|d BuildRoleArn~:s|d BaseImageVersion!~:s|d Description~:s|d Tags~:d Logging~:d" +
	" EgressNetworkConnectors~:l CpuConfigurations~:l Resources~:l AdditionalOsCapabilities~:l Hooks~:d EnvironmentVariables~:d PropagateTags~:b"

var imageSchema = property.NewSchema("properties", map[string]string{
	"properties": "Name:d|s CodeUri:d|s BaseImageArn:d|s BaseImageVersion:d|s ?BuildRoleArn:d|s ?Description:d|s ?Tags:d ?Logging:@logging" +
		" ?EgressNetworkConnectors:[d|s] ?CpuConfigurations:[@cpu] ?Resources:[@resource] ?AdditionalOsCapabilities:[d|=ALL] ?Hooks:@hooks" +
		" ?EnvironmentVariables:d ?PropagateTags:b",
	"logging":  "?Disabled:b ?CloudWatch:@watch",
	"watch":    "?LogGroup:d|s ?LogStream:d|s",
	"cpu":      "Architecture:d|=ARM_64",
	"resource": "MinimumMemoryInMiB:d|i",
	"hooks":    "?Port:d|i ?MicrovmHooks:@vm ?MicrovmImageHooks:@image",
	"vm": "?Run:d|=ENABLED,DISABLED ?RunTimeoutInSeconds:d|i ?Resume:d|=ENABLED,DISABLED ?ResumeTimeoutInSeconds:d|i ?Suspend:d|=ENABLED,DISABLED" +
		" ?SuspendTimeoutInSeconds:d|i ?Terminate:d|=ENABLED,DISABLED ?TerminateTimeoutInSeconds:d|i",
	"image": "?Ready:d|=ENABLED,DISABLED ?ReadyTimeoutInSeconds:d|i ?Validate:d|=ENABLED,DISABLED ?ValidateTimeoutInSeconds:d|i",
})

// MicroVMImage replaces a SAM image of micro VMs.
func MicroVMImage(t *draft.Transform, m *draft.Macro) []*draft.Resource {
	imageSchema.CheckAll(m.ID, m.Properties)
	var resources []*draft.Resource
	role := m.Get("BuildRoleArn")
	if !pyjson.Truthy(role) {
		build := draft.New("AWS::IAM::Role", m.ID+"BuildRole", m.Passed(), "AssumeRolePolicyDocument", draft.AssumeRole("lambda.amazonaws.com"),
			"Policies", []any{pyjson.New("PolicyName", "MicrovmImageBuildPolicy", "PolicyDocument", pyjson.New("Version", "2012-10-17", "Statement", []any{
				grantStatement(buildSource(t, m), "s3:GetObject"),
				grantStatement("*", "logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"),
			}))}, "Tags", draft.Tags(pyjson.New("lambda:createdBy", "SAM")))
		resources, role = append(resources, build), build.ARN()
	}
	variables := []any{}
	given := m.Dict("EnvironmentVariables")
	for _, key := range given.Keys() {
		variables = append(variables, pyjson.New("Key", given.Key(key), "Value", given.Get(key)))
	}
	image := draft.New("AWS::Lambda::MicrovmImage", m.ID, m.Attributes, "CodeArtifact", pyjson.New("Uri", m.Get("CodeUri")), "BuildRoleArn", role,
		"Tags", createdTags(m), "EnvironmentVariables", variables).After(m.DependsOn)
	for _, name := range []string{"Name", "BaseImageArn", "BaseImageVersion"} {
		image.Set(name, m.Get(name))
	}
	for name, empty := range map[string]any{"Description": "", "Logging": pyjson.New(), "EgressNetworkConnectors": []any{}, "CpuConfigurations": []any{},
		"Resources": []any{}, "AdditionalOsCapabilities": []any{}, "Hooks": pyjson.New()} {
		image.Set(name, empty)
		if m.Truthy(name) {
			image.Set(name, m.Get(name))
		}
	}
	resources = append(resources, image)
	combineTags(m, resources)
	return resources
}

// buildSource is what the build may read: the bucket of the code.
func buildSource(t *draft.Transform, m *draft.Macro) *dict {
	code := m.Get("CodeUri")
	resolved := code
	if _, ok := code.(*dict); ok {
		resolved = t.Resolver.Resolve(code)
	}
	text, _ := pyjson.Text(resolved)
	rest, found := strings.CutPrefix(text, "s3://")
	if !found {
		return intrinsic.Sub("arn:${AWS::Partition}:s3:::${Bucket}/*", "Bucket", selected("/", code, "2"))
	}
	bucket, _, _ := strings.Cut(rest, "/")
	if bucket == "" {
		fail.Resource(m.ID, "CodeUri must be a valid S3 URI with a bucket name (e.g. s3://bucket/key.zip).")
	}
	return intrinsic.Sub("arn:${AWS::Partition}:s3:::" + bucket + "/*")
}

// selected is a part of a text that CloudFormation splits.
func selected(separator string, text any, index json.Number) *dict {
	return pyjson.New("Fn::Select", []any{index, pyjson.New("Fn::Split", []any{separator, text})})
}
