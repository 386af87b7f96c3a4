package resource

import (
	"maps"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/svc/resource/value"
)

// noRotation is why rotation cannot be had.
const noRotation = "this platform does not rotate secrets"

// configuration are parameters and secrets.
func configuration() []*definition {
	return []*definition{
		parameter(),
		secret(),
		repository(),
		{name: "AWS::SecretsManager::ResourcePolicy", service: "secretsmanager", create: "PutResourcePolicy", update: "PutResourcePolicy", remove: "DeleteResourcePolicy",
			live: func(c *call) (values, error) {
				out, err := c.do("GetResourcePolicy", c.identity())
				if err == nil && policyNow(out["ResourcePolicy"]) == nil {
					err = stack.ErrAbsent
				}
				return out, err
			},
			identity: func(c *call) values { return values{"SecretId": c.text("SecretId")} }, physical: func(c *call, _ values) string { return c.text("SecretId") }, attributes: own("Id"),
			inert: map[string]string{"ResourcePolicy": policiesInert, "BlockPublicPolicy": "nothing is public anyway"}},
		{name: "AWS::SecretsManager::SecretTargetAttachment", notYet: "this platform has no databases that a secret could be attached to"},
		{name: "AWS::SecretsManager::RotationSchedule", notYet: noRotation},
	}
}

func parameter() *definition {
	return &definition{name: "AWS::SSM::Parameter", service: "ssm", create: "PutParameter", remove: "DeleteParameter",
		naming: naming{property: "Name"}, identity: physicalAs("Name"),
		make: func(c *call) (values, error) {
			if c.text("Type") == "SecureString" {
				// https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ssm-parameter.html
				return nil, failed("SecureString is not supported in CloudFormation templates.")
			}
			return c.do("PutParameter", c.k.input(c, "PutParameter", nil))
		},
		change: func(c *call, was values) error {
			in := c.k.input(c, "PutParameter", was)
			in["Name"], in["Overwrite"] = c.physical, true
			return c.run("PutParameter", in)
		},
		resets: values{"Description": "", "AllowedPattern": ""},
		live: func(c *call) (values, error) {
			out, err := c.do("GetParameters", values{"Names": []any{c.physical}})
			if err != nil {
				return nil, err
			}
			if found := value.List(out["Parameters"]); len(found) > 0 {
				return found[0].(values), nil
			}
			return nil, stack.ErrAbsent
		},
		tags: &tagging{tag: "AddTagsToResource", untag: "RemoveTagsFromResource", list: "ListTagsForResource", resource: "ResourceId", keys: "TagKeys",
			of: func(c *call) any { return c.physical }, also: values{"ResourceType": "Parameter"}},
		attributes: pick("Arn", "ARN", "Type", "Type", "Value", "Value"), more: []string{"Type", "Value"},
		refused: map[string]string{"Policies": "parameters do not expire"}}
}

func secret() *definition {
	return &definition{name: "AWS::SecretsManager::Secret", ours: []string{"DescribeSecret"}, service: "secretsmanager", create: "CreateSecret", remove: "DeleteSecret", read: "DescribeSecret", physical: member("ARN"),
		naming: naming{property: "Name"}, identity: physicalAs("SecretId"),
		make: func(c *call) (values, error) {
			in := c.k.input(c, "CreateSecret", nil)
			if c.properties["GenerateSecretString"] != nil {
				given, err := generated(c)
				if err != nil {
					return nil, err
				}
				in["SecretString"] = given
			}
			return c.do("CreateSecret", in)
		},
		change: changeSecret,
		drop: func(c *call) error {
			return c.run("DeleteSecret", values{"SecretId": c.physical, "ForceDeleteWithoutRecovery": true})
		},
		tags:       &tagging{tag: "TagResource", untag: "UntagResource", list: "DescribeSecret", resource: "SecretId", keys: "TagKeys", of: func(c *call) any { return c.physical }},
		attributes: own("Id"), handled: []string{"GenerateSecretString"},
		refused: map[string]string{"KmsKeyId": noKeys, "ReplicaRegions": "secrets are not replicated", "Type": noWay}}
}

// changeSecret makes a new value only if the template asks for another one.
func changeSecret(c *call, was values) error {
	in := values{"SecretId": c.physical, "Description": c.text("Description")}
	switch how := c.properties["GenerateSecretString"]; {
	case how != nil && !value.Equal(was["GenerateSecretString"], how):
		given, err := generated(c)
		if err != nil {
			return err
		}
		in["SecretString"] = given
	case how == nil && c.properties["SecretString"] != nil && !value.Equal(was["SecretString"], c.properties["SecretString"]):
		in["SecretString"] = c.text("SecretString")
	}
	return c.run("UpdateSecret", in)
}

// generated is a new random value, alone or as a member of the template's document.
func generated(c *call) (string, error) {
	how, _ := c.properties["GenerateSecretString"].(values)
	in := maps.Clone(how)
	key, template := value.Text(in["GenerateStringKey"]), value.Text(in["SecretStringTemplate"])
	delete(in, "GenerateStringKey")
	delete(in, "SecretStringTemplate")
	out, err := c.do("GetRandomPassword", in)
	if err != nil || key == "" && template == "" {
		return value.Text(out["RandomPassword"]), err
	}
	members, isObject := value.Parsed(template).(values)
	if key == "" || !isObject || !strings.HasPrefix(strings.TrimSpace(template), "{") {
		return "", failed("SecretStringTemplate must be a JSON object, and GenerateStringKey must name the member for the value.")
	}
	members[key] = out["RandomPassword"]
	return value.Document(members), nil
}

const repositoryNameLength = 256

// noImages is why the settings of a repository change nothing.
const noImages = "kept and shown; there is no registry, so a repository holds no images"

// repository is one of images. There is no registry behind it, but the template
// of `cdk bootstrap` declares one.
func repository() *definition {
	on := func(c *call, more values) values {
		more["repositoryName"] = c.physical
		return more
	}
	return &definition{name: "AWS::ECR::Repository", ours: []string{"DescribeRepositories"}, service: "ecr", create: "CreateRepository", remove: "DeleteRepository",
		naming: naming{property: "RepositoryName", rule: stack.NameRule{MaxLength: repositoryNameLength, LowerCase: true}}, identity: physicalAs("repositoryName"),
		live: func(c *call) (values, error) {
			out, err := c.do("DescribeRepositories", values{"repositoryNames": []any{c.physical}})
			if err != nil {
				return nil, err
			}
			return value.List(out["repositories"])[0].(values), nil
		},
		steps: []step{
			{property: "ImageScanningConfiguration", apply: func(c *call, _, want any) error {
				if c.r.Previous == nil {
					return nil // CreateRepository has set it
				}
				if want == nil {
					want = values{"scanOnPush": false}
				}
				return c.run("PutImageScanningConfiguration", on(c, values{"imageScanningConfiguration": want}))
			}},
			{property: "ImageTagMutability", apply: func(c *call, _, want any) error {
				if c.r.Previous == nil {
					return nil
				}
				in := on(c, values{"imageTagMutability": "MUTABLE"})
				if want != nil {
					in["imageTagMutability"] = want
				}
				if exclusions := c.properties["ImageTagMutabilityExclusionFilters"]; exclusions != nil {
					in["imageTagMutabilityExclusionFilters"] = exclusions
				}
				return c.run("PutImageTagMutability", in)
			}},
			put("RepositoryPolicyText", "SetRepositoryPolicy", "policyText", "DeleteRepositoryPolicy").with(func(v any) any { return value.Document(v) }).shown("GetRepositoryPolicy", "policyText", nil),
			put("LifecyclePolicy", "PutLifecyclePolicy", "lifecyclePolicyText", "DeleteLifecyclePolicy").with(func(v any) any { return value.Document(value.At(v, "LifecyclePolicyText")) }).
				shown("GetLifecyclePolicy", "lifecyclePolicyText", func(live any) any { return values{"LifecyclePolicyText": live} }),
		},
		forms: map[string]form{ // the names of its templates begin with capital letters within, those of its API with small ones
			"EncryptionConfiguration": {to: value.SmallNames},
			"ImageTagMutabilityExclusionFilters": {to: func(v any) any {
				return value.Each(v, func(one any) any {
					return value.Renamed(one, map[string]string{"ImageTagMutabilityExclusionFilterType": "filterType", "ImageTagMutabilityExclusionFilterValue": "filter"})
				})
			}, from: func(v any) any {
				return value.Each(v, func(one any) any {
					return value.Renamed(one, map[string]string{"filterType": "ImageTagMutabilityExclusionFilterType", "filter": "ImageTagMutabilityExclusionFilterValue"})
				})
			}},
		},
		tags: &tagging{tag: "TagResource", untag: "UntagResource", list: "ListTagsForResource", resource: "resourceArn", keys: "tagKeys",
			of: func(c *call) any { return c.arn("ecr", "repository/"+c.physical) }},
		attributes: pick("Arn", "repositoryArn", "RepositoryUri", "repositoryUri"), handled: []string{"EmptyOnDelete"},
		inert: map[string]string{"EncryptionConfiguration": noImages, "ImageScanningConfiguration": noImages, "ImageTagMutability": noImages, "ImageTagMutabilityExclusionFilters": noImages,
			"LifecyclePolicy": noImages, "RepositoryPolicyText": noImages, "EmptyOnDelete": noImages}}
}

// absentTypes are known and cannot be had, but for the statistics of the CDK.
func absentTypes() []*definition {
	return []*definition{
		{name: "AWS::KMS::Key", notYet: noKeys},
		{name: "AWS::KMS::Alias", notYet: noKeys},
		{name: "AWS::DynamoDB::Table", notYet: "this platform does not have DynamoDB yet"},
		{name: "AWS::Kinesis::Stream", notYet: "this platform does not have Kinesis yet"},
		{name: "AWS::StepFunctions::StateMachine", notYet: "this platform does not have Step Functions yet"},
		{name: "AWS::CloudWatch::Alarm", notYet: "this platform does not have CloudWatch's metrics yet"},
		{name: "AWS::CodeDeploy::Application", notYet: noDeployments},
		{name: "AWS::CodeDeploy::DeploymentGroup", notYet: noDeployments},
		{name: "AWS::CDK::Metadata", handled: []string{"Analytics", "Modules"}, attributes: own("Id"),
			inert: map[string]string{"Analytics": "statistics for AWS", "Modules": "statistics for AWS"}},
	}
}

const noDeployments = "this platform does not have CodeDeploy: aliases move at once"

var _ stack.Type = (*kind)(nil)
