package resource

import (
	"maps"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/svc/resource/value"
)

// topicDefaults are the attributes of topics and their values when nothing is said.
// https://docs.aws.amazon.com/sns/latest/api/API_SetTopicAttributes.html
var topicDefaults = values{"ContentBasedDeduplication": "false", "DisplayName": "", "FifoTopic": "false", "FifoThroughputScope": "Topic", "SignatureVersion": "1", "TracingConfig": "PassThrough"}

// subscriptionDefaults are those of subscriptions.
var subscriptionDefaults = values{"DeliveryPolicy": "", "FilterPolicy": "", "FilterPolicyScope": "MessageAttributes", "RawMessageDelivery": "false", "RedrivePolicy": ""}

const topicNameLength = 256

func topics() []*definition {
	handled := append(slices.Collect(maps.Keys(topicDefaults)), "DeliveryStatusLogging")
	return []*definition{
		{name: "AWS::SNS::Topic", service: "sns", checked: true, handled: handled,
			naming: naming{property: "TopicName", rule: stack.NameRule{MaxLength: topicNameLength}},
			make: func(c *call) (values, error) {
				in := values{"Name": topicName(c), "Attributes": topicSettings(c.properties)}
				if tags := value.TagList(c.properties["Tags"]); len(tags) > 0 {
					in["Tags"] = tags
				}
				return c.do("CreateTopic", in)
			},
			physical: member("TopicArn"), remove: "DeleteTopic", identity: physicalAs("TopicArn"), live: liveTopic,
			change: func(c *call, was values) error {
				before, want := topicSettings(was), topicSettings(c.properties)
				return changeSettings(c, before, want, topicDefaults, func(name, given string) error {
					return c.run("SetTopicAttributes", values{"TopicArn": c.physical, "AttributeName": name, "AttributeValue": given})
				})
			},
			steps:      []step{{property: "Subscription", apply: subscribe, live: topicSubscriptions}},
			tags:       &tagging{tag: "TagResource", untag: "UntagResource", list: "ListTagsForResource", resource: "ResourceArn", keys: "TagKeys", of: func(c *call) any { return c.physical }},
			attributes: pick("TopicArn", "TopicArn", "TopicName", "TopicName"), more: []string{"TopicName"},
			inert:   map[string]string{"TracingConfig": "kept and shown; nothing records traces", "DeliveryStatusLogging": "kept and shown; deliveries are not logged"},
			refused: map[string]string{"KmsMasterKeyId": noKeys, "ArchivePolicy": "messages are not archived", "DataProtectionPolicy": "messages are not searched for sensitive data", "MaximumMessageSize": noWay}},
		subscription(),
		{name: "AWS::SNS::TopicPolicy", service: "sns", reread: ofOwners([]string{"Topics"}, "PolicyDocument", topicPolicy), apply: policyOf("Topics", setTopicPolicy), handled: []string{"PolicyDocument", "Topics"}, attributes: own("Id"),
			inert: map[string]string{"PolicyDocument": policiesInert}},
		{name: "AWS::SNS::TopicInlinePolicy", service: "sns", reread: ofOwners([]string{"TopicArn"}, "PolicyDocument", topicPolicy), apply: policyOf("TopicArn", setTopicPolicy), handled: []string{"PolicyDocument", "TopicArn"},
			physical: func(c *call, _ values) string { return c.text("TopicArn") }, inert: map[string]string{"PolicyDocument": policiesInert}},
	}
}

func topicName(c *call) string {
	name := c.name()
	if !c.named() && value.Text(c.properties["FifoTopic"]) == "true" {
		name = name[:min(len(name), topicNameLength-len(fifoSuffix))] + fifoSuffix
	}
	return name
}

// feedback are the attributes of delivery logs, which begin with the name of a protocol.
var feedback = map[string]string{"http/s": "HTTP", "http": "HTTP", "https": "HTTP", "sqs": "SQS", "lambda": "Lambda", "firehose": "Firehose", "application": "Application"}

// topicSettings are the attributes of the properties.
func topicSettings(properties values) values {
	settings := values{}
	for name := range topicDefaults {
		if given := properties[name]; given != nil && !(name == "FifoTopic" && value.Text(given) == "false") {
			settings[name] = value.Text(given)
		}
	}
	for _, logging := range value.List(properties["DeliveryStatusLogging"]) {
		for _, name := range []string{"SuccessFeedbackRoleArn", "SuccessFeedbackSampleRate", "FailureFeedbackRoleArn"} {
			if given := value.At(logging, name); given != nil {
				settings[feedback[strings.ToLower(value.Text(value.At(logging, "Protocol")))]+name] = value.Text(given)
			}
		}
	}
	return settings
}

// changeSettings sets what differs; what is no longer set gets its default.
func changeSettings(c *call, before, want, defaults values, set func(name, given string) error) error {
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if !c.r.Again && value.Equal(before[name], want[name]) || name == "FifoTopic" {
			continue
		}
		if err := set(name, value.Text(want[name])); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if _, stays := want[name]; stays || name == "FifoTopic" {
			continue
		}
		if err := set(name, value.Text(defaults[name])); err != nil {
			return err
		}
	}
	return nil
}

func liveTopic(c *call) (values, error) {
	arn := c.physical
	if !strings.HasPrefix(arn, "arn:") {
		arn = c.arn("sns", topicName(c))
	}
	out, err := c.do("GetTopicAttributes", values{"TopicArn": arn})
	if err != nil {
		return nil, err
	}
	live := values{"TopicName": arn[strings.LastIndex(arn, ":")+1:]}
	if found, ok := out["Attributes"].(values); ok {
		maps.Copy(live, found)
		live["DeliveryStatusLogging"] = deliveryLogging(c, found)
	}
	return live, nil
}

// subscribe is the step of the subscriptions that are written in their topic.
func subscribe(c *call, was, want any) error {
	for _, s := range value.List(want) {
		in := values{"TopicArn": c.physical, "Protocol": value.At(s, "Protocol"), "Endpoint": value.At(s, "Endpoint")}
		if err := c.run("Subscribe", in); err != nil {
			return err
		}
	}
	for _, s := range value.List(was) {
		if slices.ContainsFunc(value.List(want), func(other any) bool { return value.Equal(s, other) }) {
			continue
		}
		arn, err := subscriptionTo(c, c.physical, s)
		if err == nil && arn != "" {
			err = ignoreAbsent(c.run("Unsubscribe", values{"SubscriptionArn": arn}))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// subscriptionTo is the ARN of a topic's subscription of an endpoint, or "".
func subscriptionTo(c *call, topic string, wanted any) (string, error) {
	in := values{"TopicArn": topic}
	for {
		out, err := c.do("ListSubscriptionsByTopic", in)
		if err != nil {
			return "", ignoreAbsent(err)
		}
		for _, s := range value.List(out["Subscriptions"]) {
			if value.Text(value.At(s, "Protocol")) == value.Text(value.At(wanted, "Protocol")) && value.Text(value.At(s, "Endpoint")) == value.Text(value.At(wanted, "Endpoint")) {
				return value.Text(value.At(s, "SubscriptionArn")), nil
			}
		}
		if out["NextToken"] == nil {
			return "", nil
		}
		in["NextToken"] = out["NextToken"]
	}
}

func subscription() *definition {
	return &definition{name: "AWS::SNS::Subscription", ours: []string{"GetSubscriptionAttributes"}, service: "sns", physical: member("SubscriptionArn"), remove: "Unsubscribe", identity: physicalAs("SubscriptionArn"),
		make: func(c *call) (values, error) { // it is the same one if it is there already
			in := values{"TopicArn": c.properties["TopicArn"], "Protocol": c.properties["Protocol"], "ReturnSubscriptionArn": true, "Attributes": subscriptionSettings(c.properties)}
			if endpoint := c.properties["Endpoint"]; endpoint != nil {
				in["Endpoint"] = endpoint
			}
			return c.do("Subscribe", in)
		},
		change: func(c *call, was values) error {
			return changeSettings(c, subscriptionSettings(was), subscriptionSettings(c.properties), subscriptionDefaults, func(name, given string) error {
				return c.run("SetSubscriptionAttributes", values{"SubscriptionArn": c.physical, "AttributeName": name, "AttributeValue": given})
			})
		},
		live: func(c *call) (values, error) {
			out, err := c.do("GetSubscriptionAttributes", values{"SubscriptionArn": c.physical})
			live, _ := out["Attributes"].(values)
			return live, err
		},
		attributes: own("Arn"), handled: append(slices.Collect(maps.Keys(subscriptionDefaults)), "TopicArn", "Protocol", "Endpoint"),
		refused: map[string]string{"SubscriptionRoleArn": "it is for Firehose", "ReplayPolicy": "messages are not archived", "Region": "topics of other regions are not subscribed to"}}
}

func subscriptionSettings(properties values) values {
	settings := values{}
	for name := range subscriptionDefaults {
		if given := properties[name]; given != nil {
			settings[name] = value.Text(given)
		}
	}
	return settings
}

func setTopicPolicy(c *call, topic, policy string) error {
	return c.run("SetTopicAttributes", values{"TopicArn": topic, "AttributeName": "Policy", "AttributeValue": policy})
}
