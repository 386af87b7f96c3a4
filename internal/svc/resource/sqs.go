package resource

import (
	"maps"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/svc/resource/value"
)

// noKeys is why customers' keys are refused.
const noKeys = "there is no KMS service"

// queueAttributes are the properties of a queue that are its attributes.
var queueAttributes = []string{
	"ContentBasedDeduplication", "DeduplicationScope", "DelaySeconds", "FifoQueue", "FifoThroughputLimit", "KmsDataKeyReusePeriodSeconds", "MaximumMessageSize",
	"MessageRetentionPeriod", "ReceiveMessageWaitTimeSeconds", "RedriveAllowPolicy", "RedrivePolicy", "SqsManagedSseEnabled", "VisibilityTimeout",
}

// queueDefaults are those of queues whose template says nothing.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
var queueDefaults = values{
	"ContentBasedDeduplication": "false", "DeduplicationScope": "queue", "DelaySeconds": "0", "FifoThroughputLimit": "perQueue", "KmsDataKeyReusePeriodSeconds": "300",
	"MaximumMessageSize": "1048576", "MessageRetentionPeriod": "345600", "ReceiveMessageWaitTimeSeconds": "0", "RedriveAllowPolicy": "", "RedrivePolicy": "",
	"SqsManagedSseEnabled": "true", "VisibilityTimeout": "30",
}

const (
	queueNameLength = 80
	fifoSuffix      = ".fifo"
)

func queues() []*definition {
	return []*definition{
		{name: "AWS::SQS::Queue", service: "sqs", naming: naming{property: "QueueName", rule: stack.NameRule{MaxLength: queueNameLength}},
			make: func(c *call) (values, error) {
				in := values{"QueueName": queueName(c), "Attributes": queueSettings(c.properties, nil)}
				if tags := value.TagMap(c.properties["Tags"]); len(tags) > 0 {
					in["tags"] = tags
				}
				return c.do("CreateQueue", in)
			},
			physical: member("QueueUrl"), checked: true,
			change: func(c *call, was values) error {
				if settings := queueSettings(c.properties, was); len(settings) > 0 {
					return c.run("SetQueueAttributes", values{"QueueUrl": c.physical, "Attributes": settings})
				}
				return nil
			},
			remove: "DeleteQueue", identity: physicalAs("QueueUrl"), live: liveQueue,
			handled: queueAttributes, refused: map[string]string{"KmsMasterKeyId": noKeys},
			inert: map[string]string{
				"SqsManagedSseEnabled": "kept and shown; whether bytes are encrypted on the disk is up to the host", "KmsDataKeyReusePeriodSeconds": "kept and shown; " + noKeys,
				"FifoThroughputLimit": "kept and shown; there are no quotas of throughput",
			},
			tags:       &tagging{tag: "TagQueue", untag: "UntagQueue", list: "ListQueueTags", resource: "QueueUrl", keys: "TagKeys", of: func(c *call) any { return c.physical }},
			attributes: pick("Arn", "QueueArn", "QueueUrl", "QueueUrl", "QueueName", "QueueName"), more: []string{"QueueName"},
		},
		{name: "AWS::SQS::QueuePolicy", service: "sqs", reread: ofOwners([]string{"Queues"}, "PolicyDocument", queuePolicy), apply: policyOf("Queues", setQueuePolicy), handled: []string{"PolicyDocument", "Queues"}, attributes: own("Id"),
			inert: map[string]string{"PolicyDocument": policiesInert}},
		{name: "AWS::SQS::QueueInlinePolicy", service: "sqs", reread: ofOwners([]string{"Queue"}, "PolicyDocument", queuePolicy), apply: policyOf("Queue", setQueuePolicy), handled: []string{"PolicyDocument", "Queue"},
			physical: func(c *call, _ values) string { return c.text("Queue") }, inert: map[string]string{"PolicyDocument": policiesInert}},
	}
}

// policiesInert is why policies of resources have no effect.
const policiesInert = "kept and shown; evaluated with --iam=enforce only"

// queueName is the name, which for a FIFO queue has to end so.
func queueName(c *call) string {
	name := c.name()
	if !c.named() && value.Text(c.properties["FifoQueue"]) == "true" {
		name = name[:min(len(name), queueNameLength-len(fifoSuffix))] + fifoSuffix
	}
	return name
}

// queueSettings are the attributes of the properties; of what was set before and
// is no longer the default.
func queueSettings(want, was values) values {
	settings := values{}
	for _, name := range queueAttributes {
		switch {
		case name == "FifoQueue" && (was != nil || value.Text(want[name]) != "true"): // it cannot change, nor be false
		case want[name] != nil && (was == nil || !value.Equal(want[name], was[name])):
			settings[name] = value.Text(want[name])
		case want[name] == nil && was[name] != nil:
			settings[name] = queueDefaults[name]
		}
	}
	return settings
}

// liveQueue are the attributes of a queue, which is known by its name until it is made.
func liveQueue(c *call) (values, error) {
	url := c.physical
	if !strings.Contains(url, "/") {
		out, err := c.do("GetQueueUrl", values{"QueueName": queueName(c)})
		if err != nil {
			return nil, err
		}
		url = value.Text(out["QueueUrl"])
	}
	out, err := c.do("GetQueueAttributes", values{"QueueUrl": url, "AttributeNames": []any{"All"}})
	if err != nil {
		return nil, err
	}
	live := values{"QueueUrl": url, "QueueName": url[strings.LastIndex(url, "/")+1:]}
	if found, ok := out["Attributes"].(values); ok {
		maps.Copy(live, found)
	}
	return live, nil
}

func setQueuePolicy(c *call, queue, policy string) error {
	return c.run("SetQueueAttributes", values{"QueueUrl": queue, "Attributes": values{"Policy": policy}})
}

// policyOf is the apply of a type that gives a policy to resources, named by a property.
func policyOf(property string, set func(c *call, resource, policy string) error) func(c *call, was, want values) error {
	return func(c *call, was, want values) error {
		wanted := value.Texts(want[property])
		for _, resource := range wanted {
			if err := set(c, resource, value.Document(want["PolicyDocument"])); err != nil {
				return err
			}
		}
		return eachGone(value.Texts(was[property]), wanted, func(resource string) error { return set(c, resource, "") })
	}
}
