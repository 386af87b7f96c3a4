package topic

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
)

// policy is the access policy of a topic. Statements that we did not make are
// kept as they are.
type policy struct {
	Version   string            `json:"Version"`
	ID        string            `json:"Id,omitempty"`
	Statement []json.RawMessage `json:"Statement"`
}

// statement is one that we make; the order of its fields is AWS's.
type statement struct {
	SID       string         `json:"Sid"`
	Effect    string         `json:"Effect"`
	Principal map[string]any `json:"Principal"`
	Action    any            `json:"Action"`
	Resource  string         `json:"Resource"`
	Condition any            `json:"Condition,omitempty"`
}

// defaultPolicy is the policy of a topic that was given none. AWS: recorded.
func defaultPolicy(id ID) *policy {
	return &policy{Version: "2008-10-17", ID: "__default_policy_ID", Statement: []json.RawMessage{json.RawMessage(compact(statement{
		SID: "__default_statement_ID", Effect: "Allow", Principal: map[string]any{"AWS": "*"},
		Action: []string{"SNS:GetTopicAttributes", "SNS:SetTopicAttributes", "SNS:AddPermission", "SNS:RemovePermission", "SNS:DeleteTopic",
			"SNS:Subscribe", "SNS:ListSubscriptionsByTopic", "SNS:Publish"},
		Resource: id.ARN(), Condition: map[string]any{"StringEquals": map[string]string{"AWS:SourceOwner": id.Account}},
	}))}}
}

// actions that a topic's policy can name.
var actions = []string{
	"GetTopicAttributes", "SetTopicAttributes", "AddPermission", "RemovePermission", "DeleteTopic", "Subscribe", "ListSubscriptionsByTopic",
	"Publish", "Receive", "GetDataProtectionPolicy", "PutDataProtectionPolicy", "ListTagsForResource", "TagResource", "UntagResource",
}

// checkPolicy checks the text of an access policy as far as every use of it needs.
func checkPolicy(text string) error {
	var p struct {
		Statement json.RawMessage
	}
	if len(text) > maxPolicyBytes || json.Unmarshal([]byte(text), &p) != nil || len(p.Statement) == 0 {
		return invalid("Policy Error: null") // AWS: its text for a policy that cannot be read
	}
	var list []struct{ Action any }
	if p.Statement[0] == '{' {
		p.Statement = json.RawMessage("[" + string(p.Statement) + "]")
	}
	if json.Unmarshal(p.Statement, &list) != nil {
		return invalid("Policy Error: null")
	}
	for _, s := range list {
		for _, action := range texts(s.Action) {
			service, _, _ := strings.Cut(action, ":")
			if action != "*" && !strings.EqualFold(service, "sns") {
				return invalid("Policy statement action out of service scope!") // AWS: recorded
			}
		}
	}
	return nil
}

// texts reads what a policy writes as one text or as a list.
func texts(value any) []string {
	switch v := value.(type) {
	case string:
		return []string{v}
	case []any:
		var list []string
		for _, element := range v {
			if text, ok := element.(string); ok {
				list = append(list, text)
			}
		}
		return list
	}
	return nil
}

// AddPermission adds a statement to the topic's policy.
func (t *Topics) AddPermission(ctx context.Context, id ID, label string, accounts, names []string) error {
	prefixed := make([]string, len(names))
	for i, name := range names {
		if !slices.Contains(actions, name) {
			return invalid("Policy statement action out of service scope!") // AWS: recorded
		}
		prefixed[i] = "SNS:" + name
	}
	principals := make([]string, len(accounts))
	for i, account := range accounts {
		principals[i] = "arn:aws:iam::" + account + ":root"
	}
	return t.updatePolicy(ctx, id, func(p *policy) error {
		if p.index(label) >= 0 {
			return invalid("Statement already exists") // AWS: recorded
		}
		if len(p.Statement) >= maxLabels {
			return invalid("Policy Reason: %d statements is the most that a policy can have", maxLabels)
		}
		p.Statement = append(p.Statement, json.RawMessage(compact(statement{SID: label, Effect: "Allow",
			Principal: map[string]any{"AWS": single(principals)}, Action: single(prefixed), Resource: id.ARN()})))
		return nil
	})
}

// RemovePermission removes the statement of that label, if there is one.
func (t *Topics) RemovePermission(ctx context.Context, id ID, label string) error {
	return t.updatePolicy(ctx, id, func(p *policy) error {
		if i := p.index(label); i >= 0 {
			p.Statement = slices.Delete(p.Statement, i, i+1)
		}
		return nil
	})
}

func (p *policy) index(label string) int {
	return slices.IndexFunc(p.Statement, func(text json.RawMessage) bool {
		var s struct {
			SID string `json:"Sid"`
		}
		return json.Unmarshal(text, &s) == nil && s.SID == label
	})
}

func (t *Topics) updatePolicy(ctx context.Context, id ID, edit func(*policy) error) error {
	return t.update(ctx, id, func(c *change) error {
		p := defaultPolicy(id)
		if text := c.row.Attributes[attributePolicy]; text != "" {
			p = &policy{}
			if err := json.Unmarshal([]byte(text), p); err != nil {
				return invalid("Policy Error: null") // it has one statement that is no list
			}
		}
		if err := edit(p); err != nil {
			return err
		}
		if c.row.Attributes == nil {
			c.row.Attributes = map[string]string{}
		}
		c.touch = true
		c.row.Attributes[attributePolicy] = compact(p)
		if len(c.row.Attributes[attributePolicy]) > maxPolicyBytes {
			return invalid("Policy Reason: The policy is too long")
		}
		return nil
	})
}

// single is the one element itself, as AWS writes policies.
func single(list []string) any {
	if len(list) == 1 {
		return list[0]
	}
	return list
}
