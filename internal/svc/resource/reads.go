package resource

import (
	"maps"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/svc/resource/value"
)

// element picks the element of a list by one of its members.
func element(list any, member, text string) (values, error) {
	for _, one := range value.List(list) {
		if found, ok := one.(values); ok && value.Text(found[member]) == text {
			return found, nil
		}
	}
	return nil, stack.ErrAbsent
}

// statementOf is the statement of a policy, which is text, that has an id.
func statementOf(policy any, id string) (values, error) {
	return element(value.At(value.Parsed(value.Text(policy)), "Statement"), "Sid", id)
}

// ofOwners reads a document that several owners have: those that the properties name
// and that have one, and of documents that differ the one that is not as deployed. It
// is absent if nobody has it.
func ofOwners(properties []string, document string, get func(c *call, property, owner string) (any, error)) func(c *call) (values, error) {
	return func(c *call) (values, error) {
		live := maps.Clone(c.properties)
		delete(live, document)
		for _, property := range properties {
			have := []any{}
			for _, owner := range value.Texts(c.properties[property]) {
				found, err := get(c, property, owner)
				if absent(err) || err == nil && found == nil {
					continue
				} else if err != nil {
					return nil, err
				}
				have = append(have, owner)
				if live[document] == nil || !value.Equal(found, c.properties[document]) {
					live[document] = found
				}
			}
			if _, several := c.properties[property].([]any); several {
				live[property] = have
			}
		}
		if live[document] == nil {
			return nil, stack.ErrAbsent
		}
		return live, nil
	}
}

// policyNow is a policy that is text; nil if there is none.
func policyNow(policy any) any {
	if policy == nil || value.Text(policy) == "" {
		return nil
	}
	return policy
}

func queuePolicy(c *call, _, queue string) (any, error) {
	out, err := c.do("GetQueueAttributes", values{"QueueUrl": queue, "AttributeNames": []any{"Policy"}})
	return policyNow(value.At(out, "Attributes", "Policy")), err
}

// defaultPolicy is the id of the one that a topic has from the start.
const defaultPolicy = "__default_policy_ID"

func topicPolicy(c *call, _, topic string) (any, error) {
	out, err := c.do("GetTopicAttributes", values{"TopicArn": topic})
	policy := policyNow(value.At(out, "Attributes", "Policy"))
	if value.At(value.Parsed(value.Text(policy)), "Id") == defaultPolicy {
		policy = nil
	}
	return policy, err
}

// ownersPolicy is an inline policy of a role, user or group.
func ownersPolicy(c *call, property, name string) (any, error) {
	owner := strings.TrimSuffix(property, "s")
	out, err := decoded(c.do("Get"+owner+"Policy", values{owner + "Name": name, "PolicyName": c.text("PolicyName")}))
	return out["PolicyDocument"], err
}

// members of a group that the properties name.
func liveMembers(c *call) (values, error) {
	out, err := c.do("GetGroup", values{"GroupName": c.text("GroupName")})
	if err != nil {
		return nil, err
	}
	have := []any{}
	for _, user := range value.Texts(c.properties["Users"]) {
		if _, err := element(out["Users"], "UserName", user); err == nil {
			have = append(have, user)
		}
	}
	return values{"GroupName": c.text("GroupName"), "Users": have}, nil
}

// attachedTo are the owners that a managed policy is attached to.
func attachedTo(owner string) func(c *call) (any, error) {
	return func(c *call) (any, error) {
		out, err := c.do("ListEntitiesForPolicy", values{"PolicyArn": c.physical, "EntityFilter": owner})
		return value.Each(out["Policy"+owner+"s"], func(one any) any { return value.At(one, owner+"Name") }), err
	}
}

// topicSubscriptions are those that the properties have and that are there; all, if
// nothing is known of them.
func topicSubscriptions(c *call) (any, error) {
	have := []any{}
	if c.properties["Subscription"] == nil {
		out, err := c.do("ListSubscriptionsByTopic", values{"TopicArn": c.physical})
		for _, s := range value.List(out["Subscriptions"]) {
			have = append(have, values{"Protocol": value.At(s, "Protocol"), "Endpoint": value.At(s, "Endpoint")})
		}
		return have, err
	}
	for _, wanted := range value.List(c.properties["Subscription"]) {
		arn, err := subscriptionTo(c, c.physical, wanted)
		if err != nil {
			return nil, err
		}
		if arn != "" {
			have = append(have, wanted)
		}
	}
	return have, nil
}

// deliveryLogging is the logging of a topic's deliveries, of its attributes.
func deliveryLogging(c *call, attributes values) any {
	settings := topicSettings(values{"DeliveryStatusLogging": c.properties["DeliveryStatusLogging"]})
	if len(settings) > 0 && value.Includes(value.Normal(attributes), value.Normal(settings)) {
		return c.properties["DeliveryStatusLogging"]
	}
	all := []any{}
	for _, protocol := range slices.Sorted(maps.Keys(feedback)) {
		one := values{"Protocol": protocol}
		for _, name := range []string{"SuccessFeedbackRoleArn", "SuccessFeedbackSampleRate", "FailureFeedbackRoleArn"} {
			if given := attributes[feedback[protocol]+name]; given != nil && value.Text(given) != "" {
				one[name] = given
			}
		}
		if len(one) > 1 && protocol != "http" && protocol != "https" {
			all = append(all, one)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

// functionAs is a function's ARN in the form that the properties have: its name, its
// ARN or a part of it.
func functionAs(deployed string, arn any) any {
	short := func(text string) string {
		if _, tail, found := strings.Cut(text, ":function:"); found {
			return tail
		}
		return strings.TrimPrefix(text, "function:")
	}
	if deployed != "" && short(deployed) == short(value.Text(arn)) {
		return deployed
	}
	return short(value.Text(arn))
}

// layerPermission is a statement of a layer version's policy, as a template has it.
func layerPermission(c *call) (values, error) {
	arn, id, _ := strings.Cut(c.physical, "#")
	out, err := c.do("GetLayerVersionPolicy", layerOf(arn))
	if err != nil {
		return nil, err
	}
	statement, err := statementOf(out["Policy"], id)
	if err != nil {
		return nil, err
	}
	principal := value.Text(value.Either(statement["Principal"], "AWS"))
	if principal == "" {
		principal = value.Text(statement["Principal"])
	}
	if account := strings.Split(principal, ":"); len(account) == 6 { // the root of an account
		principal = account[4]
	}
	live := values{"Action": statement["Action"], "Principal": principal}
	if organization := value.At(statement["Condition"], "StringEquals", "aws:PrincipalOrgID"); organization != nil {
		live["OrganizationId"] = organization
	}
	return live, nil
}
