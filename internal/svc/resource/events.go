package resource

import (
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/svc/resource/value"
)

const (
	ruleNameLength    = 64
	archiveNameLength = 48
	defaultBus        = "default"
)

// noDestinations is why API destinations cannot be had.
const noDestinations = "this platform does not have EventBridge's connections and API destinations"

func rules() []*definition {
	return []*definition{
		rule(),
		{name: "AWS::Events::EventBus", service: "events", create: "CreateEventBus", update: "UpdateEventBus", remove: "DeleteEventBus", read: "DescribeEventBus",
			naming: naming{property: "Name", fixed: true}, identity: physicalAs("Name"), resets: values{"Description": ""}, attributes: pick("Arn", "Arn", "Name", "Name"), more: []string{"Name"},
			steps: []step{{property: "Policy", apply: func(c *call, _, want any) error {
				if want == nil {
					return ignoreAbsent(c.run("RemovePermission", values{"EventBusName": c.physical, "RemoveAllPermissions": true}))
				}
				return c.run("PutPermission", values{"EventBusName": c.physical, "Policy": value.Document(want)})
			}}},
			tags: eventTags(func(c *call) any { return c.arn("events", "event-bus/"+c.physical) }), inert: map[string]string{"Policy": policiesInert},
			refused: map[string]string{"EventSourceName": "there are no partner sources", "KmsKeyIdentifier": noKeys, "DeadLetterConfig": noWay, "LogConfig": noWay}},
		{name: "AWS::Events::EventBusPolicy", service: "events", apply: busPolicy, reread: liveBusPolicy, handled: []string{"Action", "Condition", "EventBusName", "Principal", "Statement", "StatementId"},
			physical: func(c *call, _ values) string { return busOf(c) + "|" + c.text("StatementId") },
			inert:    map[string]string{"Action": policiesInert, "Condition": policiesInert, "Principal": policiesInert, "Statement": policiesInert}},
		{name: "AWS::Events::Archive", service: "events", create: "CreateArchive", update: "UpdateArchive", remove: "DeleteArchive", read: "DescribeArchive",
			members: values{"SourceArn": "EventSourceArn"}, naming: naming{property: "ArchiveName", rule: stack.NameRule{MaxLength: archiveNameLength}}, identity: physicalAs("ArchiveName"),
			resets: values{"Description": "", "EventPattern": "", "RetentionDays": 0}, attributes: pick("Arn", "ArchiveArn"), inert: map[string]string{"KmsKeyIdentifier": "only an empty one is accepted: " + noKeys}},
		{name: "AWS::Events::Connection", notYet: noDestinations},
		{name: "AWS::Events::ApiDestination", notYet: noDestinations},
	}
}

func eventTags(of func(c *call) any) *tagging {
	return &tagging{tag: "TagResource", untag: "UntagResource", list: "ListTagsForResource", resource: "ResourceARN", keys: "TagKeys", of: of}
}

// busOf is the bus that the properties name.
func busOf(c *call) string {
	if bus := c.text("EventBusName"); bus != "" {
		return bus
	}
	return defaultBus
}

// ruleID are bus and name of a rule, whose physical id has the bus only if it is not the default one.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-events-rule.html
func ruleID(c *call) (bus, name string) {
	if bus, name, found := strings.Cut(c.physical, "|"); found {
		return bus, name
	}
	return busOf(c), c.physical
}

func rule() *definition {
	return &definition{name: "AWS::Events::Rule", service: "events", create: "PutRule", update: "PutRule", remove: "DeleteRule", read: "DescribeRule", checked: true,
		naming: naming{property: "Name", rule: stack.NameRule{MaxLength: ruleNameLength}},
		identity: func(c *call) values {
			bus, name := ruleID(c)
			return values{"EventBusName": bus, "Name": name}
		},
		physical: func(c *call, _ values) string {
			bus := busOf(c)
			if bus = bus[strings.LastIndex(bus, "/")+1:]; bus == defaultBus {
				return c.name()
			}
			return bus + "|" + c.name()
		},
		steps: []step{{property: "Targets", undone: true, apply: putTargets, live: func(c *call) (any, error) {
			bus, name := ruleID(c)
			out, err := c.do("ListTargetsByRule", values{"EventBusName": bus, "Rule": name})
			return out["Targets"], err
		}}},
		tags: eventTags(func(c *call) any {
			bus, name := ruleID(c)
			if bus = bus[strings.LastIndex(bus, "/")+1:]; bus != defaultBus {
				name = bus + "/" + name
			}
			return c.arn("events", "rule/"+name)
		}),
		attributes: pick("Arn", "Arn", "RuleName", "Name"), inert: map[string]string{"RoleArn": policiesInert}}
}

func putTargets(c *call, was, want any) error {
	bus, name := ruleID(c)
	wanted, gone := []string{}, []any{}
	for _, target := range value.List(want) {
		wanted = append(wanted, value.Text(value.At(target, "Id")))
	}
	for _, target := range value.List(was) {
		if id := value.Text(value.At(target, "Id")); !slices.Contains(wanted, id) {
			gone = append(gone, id)
		}
	}
	if len(gone) > 0 {
		out, err := c.do("RemoveTargets", values{"EventBusName": bus, "Rule": name, "Ids": gone})
		if err := ignoreAbsent(entriesFailed(out, err)); err != nil {
			return err
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	return entriesFailed(c.do("PutTargets", values{"EventBusName": bus, "Rule": name, "Targets": want}))
}

// entriesFailed is the error of an answer that has errors of its entries.
func entriesFailed(out values, err error) error {
	if failures := value.List(out["FailedEntries"]); err == nil && len(failures) > 0 {
		return &refusal{"events", &fault.Fault{Code: value.Text(value.At(failures[0], "ErrorCode")), Status: 400, Message: value.Text(value.At(failures[0], "ErrorMessage"))}}
	}
	return err
}

// liveBusPolicy is a statement of a bus's policy.
func liveBusPolicy(c *call) (values, error) {
	out, err := c.do("DescribeEventBus", values{"Name": busOf(c)})
	if err != nil {
		return nil, err
	}
	statement, err := statementOf(out["Policy"], c.text("StatementId"))
	return values{"Statement": statement}, err
}

// busPolicyTries bounds how often a statement is put anew because others change
// the policy at the same time.
const busPolicyTries = 50

// busPolicy keeps one statement of a bus's policy. Others may change the policy
// meanwhile, so it looks whether its own change has come to stay.
func busPolicy(c *call, was, want values) error {
	bus, id := busOf(c), c.text("StatementId")
	if want == nil {
		return ignoreAbsent(c.run("RemovePermission", values{"EventBusName": bus, "StatementId": id}))
	}
	if want["Statement"] == nil {
		in := values{"EventBusName": bus, "StatementId": id, "Action": want["Action"], "Principal": want["Principal"]}
		if condition := want["Condition"]; condition != nil {
			in["Condition"] = condition
		}
		if was != nil {
			if err := ignoreAbsent(c.run("RemovePermission", values{"EventBusName": bus, "StatementId": id})); err != nil {
				return err
			}
		}
		return c.run("PutPermission", in)
	}
	statement, _ := value.Normal(want["Statement"]).(values)
	if statement == nil {
		return failed("Statement is not a statement of a policy.")
	}
	statement["Sid"] = id
	tries := 0
	return wait(c, func(c *call) (bool, error) {
		if tries++; tries > busPolicyTries {
			return false, failed("The policy of the event bus %s changes too often.", bus)
		}
		out, err := c.do("DescribeEventBus", values{"Name": bus})
		if err != nil {
			return false, err
		}
		policy, _ := value.Parsed(value.Text(out["Policy"])).(values)
		statements := value.List(policy["Statement"])
		if slices.ContainsFunc(statements, func(s any) bool { return value.Equal(s, statement) }) {
			return true, nil
		}
		statements = slices.DeleteFunc(statements, func(s any) bool { return value.At(s, "Sid") == id })
		return false, c.run("PutPermission", values{"EventBusName": bus, "Policy": value.Document(values{"Version": "2012-10-17", "Statement": append(statements, statement)})})
	})
}
