package queue

import (
	"context"
	"encoding/json"
	"slices"
)

// policy is the access policy that AddPermission edits. Other members of a
// statement are kept as they are.
type policy struct {
	Version   string            `json:"Version"`
	ID        string            `json:"Id,omitempty"`
	Statement []json.RawMessage `json:"Statement"`
}

// statement is one that AddPermission makes.
type statement struct {
	SID       string         `json:"Sid"`
	Effect    string         `json:"Effect"`
	Principal map[string]any `json:"Principal"`
	Action    any            `json:"Action"`
	Resource  string         `json:"Resource"`
}

// AddPermission adds a statement to the queue's policy.
func (q *Queues) AddPermission(ctx context.Context, id ID, label string, accounts, actions []string) error {
	s := statement{SID: label, Effect: "Allow", Resource: id.ARN(), Principal: map[string]any{"AWS": single(principals(accounts))}}
	prefixed := make([]string, len(actions))
	for i, action := range actions {
		prefixed[i] = "SQS:" + action
	}
	s.Action = single(prefixed)
	return q.updatePolicy(ctx, id, func(p *policy) error {
		if p.index(label) >= 0 {
			return invalid(label, "Label", "Already exists.")
		}
		if len(p.Statement) >= maxLabels {
			return fail(OverLimit, "%d permissions is the most that a policy can have.", maxLabels)
		}
		text, err := json.Marshal(s)
		p.Statement = append(p.Statement, text)
		return err
	})
}

// RemovePermission removes the statement of that label.
func (q *Queues) RemovePermission(ctx context.Context, id ID, label string) error {
	return q.updatePolicy(ctx, id, func(p *policy) error {
		i := p.index(label)
		if i < 0 {
			return invalid(label, "Label", "can't find label.")
		}
		p.Statement = slices.Delete(p.Statement, i, i+1)
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

func (q *Queues) updatePolicy(ctx context.Context, id ID, change func(*policy) error) error {
	return q.update(ctx, id, func(r *row) error {
		p := &policy{Version: "2008-10-17", ID: id.ARN() + "/SQSDefaultPolicy"} // AWS: recorded
		if text := r.Attributes["Policy"]; text != "" {
			if err := json.Unmarshal([]byte(text), p); err != nil {
				return fail(InvalidAttributeValue, "Invalid value for the parameter Policy.")
			}
		}
		if err := change(p); err != nil {
			return err
		}
		if len(p.Statement) == 0 {
			delete(r.Attributes, "Policy")
			return nil
		}
		text, err := json.Marshal(p)
		r.Attributes["Policy"] = string(text)
		return err
	})
}

func principals(accounts []string) []string {
	arns := make([]string, len(accounts))
	for i, account := range accounts {
		arns[i] = "arn:aws:iam::" + account + ":root"
	}
	return arns
}

// single is the one element itself, as AWS writes policies.
func single(list []string) any {
	if len(list) == 1 {
		return list[0]
	}
	return list
}
