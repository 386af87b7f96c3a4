package draft

import (
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/sam/policies"
)

// Environment is where a template is deployed.
type Environment struct {
	Region string // decides the partition too

	// ManagedPolicy finds a managed policy by name that AWS does not have: nil if
	// only AWS's are known.
	ManagedPolicy func(name string) (arn string, found bool)

	// Application returns the URL of a template in the Serverless Application
	// Repository; nil if the region has no repository.
	Application func(id, version string) (templateURL string, err error)

	// Feature tells which of the translator's optional behaviours the service has
	// switched on; nil for none.
	Feature func(name string) bool

	// Seconds is the time of day, since 1970: an API with AlwaysDeploy gets a deployment
	// with another id in each second.
	Seconds int64

	// Metadata of SAM resources is passed on to what replaces them.
	PassMetadata bool
}

// On tells whether an optional behaviour is on.
func (e *Environment) On(name string) bool { return e.Feature != nil && e.Feature(name) }

// partitionsByRegion are prefixes of regions; the first that fits counts.
var partitionsByRegion = []struct{ prefix, partition string }{
	{"cn-", "aws-cn"}, {"us-iso-", "aws-iso"}, {"us-isob", "aws-iso-b"}, {"us-gov", "aws-us-gov"},
	{"eu-isoe", "aws-iso-e"}, {"us-isof", "aws-iso-f"}, {"eusc-", "aws-eusc"},
}

func (e *Environment) Partition() string {
	for _, row := range partitionsByRegion {
		if strings.HasPrefix(strings.ToLower(e.Region), row.prefix) {
			return row.partition
		}
	}
	return "aws"
}

// AWSPolicy is the ARN of one of AWS's managed policies, by path and name.
func (e *Environment) AWSPolicy(name string) string {
	return "arn:" + e.Partition() + ":iam::aws:policy/" + name
}

// PolicyARN is the ARN of a policy that a template names.
func (e *Environment) PolicyARN(name string) string {
	if arn, found := policies.Managed(e.Partition(), name); found || strings.HasPrefix(name, "arn:") {
		if found {
			return arn
		}
		return name
	}
	if e.ManagedPolicy != nil {
		if arn, found := e.ManagedPolicy(name); found {
			return arn
		}
	}
	return name
}

// ARN is a text of Fn::Sub for an ARN in the stack's account.
func (e *Environment) ARN(service, resource string) string {
	return ARN(e.Partition(), service, resource)
}

func ARN(partition, service, resource string) string {
	return "arn:" + partition + ":" + service + ":${AWS::Region}:${AWS::AccountId}:" + resource
}
