package function

import (
	"context"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/arn"
)

// Caller is a service that wants to invoke a function on behalf of a resource.
type Caller struct {
	Service string // "sns.amazonaws.com"
	Source  string // ARN of the resource
}

// Permits tells whether the policy of what the target names lets a service invoke
// it, as AddPermission set it.
//
// AWS: https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html
func (r *Registry) Permits(ctx context.Context, t Target, who Caller) (bool, error) {
	permitted := false
	err := r.view(ctx, func(rd reader) error {
		c := &change{reader: rd} // to look only: never committed
		var row functionRow
		found, err := c.read(scopeKey(tableFunction, t.Scope, t.Name), &row)
		if err != nil || !found {
			return err
		}
		h, err := c.holder(t, &row)
		if err != nil {
			return err
		}
		policy := newPolicy()
		if _, err := rd.read(h.key, policy); err != nil {
			return err
		}
		for i := range policy.Statements {
			permitted = permitted || policy.Statements[i].permits(t, who)
		}
		return nil
	})
	return permitted, err
}

func (s *statement) permits(t Target, who Caller) bool {
	action := s.Action == "*" || strings.EqualFold(s.Action, "lambda:*") || strings.EqualFold(s.Action, "lambda:InvokeFunction")
	if s.Effect != "Allow" || !action || !s.isOf(who.Service) {
		return false
	}
	c := s.Condition
	if c == nil {
		return true
	}
	if len(c.Bool) > 0 { // it is about function URLs
		return false
	}
	if equals := c.StringEquals; equals != nil {
		rest := *equals
		rest.SourceAccount = ""
		if rest != (stringEquals{}) || equals.SourceAccount != "" && equals.SourceAccount != sourceAccount(t, who) {
			return false
		}
	}
	for key, pattern := range c.ArnLike {
		if !strings.EqualFold(key, "AWS:SourceArn") || !arnLike(pattern, who.Source) {
			return false
		}
	}
	return true
}

// isOf tells whether a statement is about the service.
func (s *statement) isOf(service string) bool {
	switch p := s.Principal.(type) {
	case string:
		return p == "*"
	case map[string]any:
		return p["Service"] == service || p["AWS"] == "*"
	}
	return false
}

// sourceAccount is the account of the caller's resource: a bucket's is not in its
// ARN, but a bucket reaches only functions of its account.
func sourceAccount(t Target, who Caller) string {
	if a, err := arn.Parse(who.Source); err == nil && a.Account != "" {
		return a.Account
	}
	return t.Scope.Account
}

// arnElements is how many elements of an ARN are compared one by one.
const arnElements = 6

// arnLike compares as the condition ArnLike does: * and ? stand for texts and
// letters within each of the six elements.
func arnLike(pattern, text string) bool {
	patterns, texts := strings.SplitN(pattern, ":", arnElements), strings.SplitN(text, ":", arnElements)
	if len(patterns) != len(texts) {
		return false
	}
	for i := range patterns {
		if !glob(patterns[i], texts[i]) {
			return false
		}
	}
	return true
}

// glob matches * and ?. It goes back to the last star only, so it takes no more
// than the product of both lengths.
func glob(pattern, text string) bool {
	p, t, star, from := 0, 0, -1, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, t
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == text[t]):
			p++
			t++
		case star >= 0:
			from++
			p, t = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
