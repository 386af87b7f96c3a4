package resource

import (
	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/svc/resource/value"
)

const logGroupNameLength = 512

func logGroups() []*definition {
	return []*definition{
		{name: "AWS::Logs::LogGroup", service: "logs", create: "CreateLogGroup", remove: "DeleteLogGroup", live: liveLogGroup,
			naming: naming{property: "LogGroupName", rule: stack.NameRule{MaxLength: logGroupNameLength}}, identity: physicalAs("logGroupName"),
			steps: []step{
				put("RetentionInDays", "PutRetentionPolicy", "retentionInDays", "DeleteRetentionPolicy"),
				{property: "DeletionProtectionEnabled", apply: func(c *call, _, want any) error {
					return c.run("PutLogGroupDeletionProtection", values{"logGroupIdentifier": c.physical, "deletionProtectionEnabled": value.Text(want) == "true"})
				}},
			},
			tags: &tagging{tag: "TagResource", untag: "UntagResource", list: "ListTagsForResource", resource: "resourceArn", keys: "tagKeys",
				of: func(c *call) any { return c.arn("logs", "log-group:"+c.physical) }},
			attributes: pick("Arn", "arn"),
			refused: map[string]string{"KmsKeyId": noKeys, "DataProtectionPolicy": "log events are not searched for sensitive data", "FieldIndexPolicies": noWay,
				"BearerTokenAuthenticationEnabled": noWay, "ResourcePolicyDocument": noWay}},
		{name: "AWS::Logs::LogStream", service: "logs", create: "CreateLogStream", remove: "DeleteLogStream", naming: naming{property: "LogStreamName", rule: stack.NameRule{MaxLength: logGroupNameLength}},
			identity: func(c *call) values {
				return values{"logGroupName": c.text("LogGroupName"), "logStreamName": c.physical}
			},
			live: func(c *call) (values, error) {
				out, err := c.do("DescribeLogStreams", values{"logGroupName": c.text("LogGroupName"), "logStreamNamePrefix": c.physical})
				for _, s := range value.List(out["logStreams"]) {
					if value.At(s, "logStreamName") == c.physical {
						return s.(values), nil
					}
				}
				if err == nil {
					err = stack.ErrAbsent
				}
				return nil, err
			}},
		{name: "AWS::Logs::SubscriptionFilter", notYet: "this platform does not have subscription filters of log groups yet"},
		{name: "AWS::Logs::MetricFilter", notYet: "this platform does not have CloudWatch's metrics yet"},
		{name: "AWS::Logs::ResourcePolicy", notYet: "this platform does not have resource policies of logs"},
	}
}

func liveLogGroup(c *call) (values, error) {
	in := values{"logGroupNamePrefix": c.physical}
	for {
		out, err := c.do("DescribeLogGroups", in)
		if err != nil {
			return nil, err
		}
		for _, group := range value.List(out["logGroups"]) {
			if value.At(group, "logGroupName") == c.physical {
				return group.(values), nil
			}
		}
		if out["nextToken"] == nil {
			return nil, stack.ErrAbsent
		}
		in["nextToken"] = out["nextToken"]
	}
}
