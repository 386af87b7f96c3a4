package function

import (
	"context"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// Function URLs are core/functionurl's. Their rows are among the function's, so
// that they go with it, or with their alias; the index by id goes along.

// URLRow is the part of a URL's row that the index follows.
type URLRow struct{ ID string }

// URLKey is the row of the URL of a function or of its alias.
func URLKey(t Target) []byte { return scopeKey(tableURL, t.Scope, t.Name, t.Qualifier) }

// URLRange bounds the rows of all URLs of a function.
func URLRange(t Target) (lo, hi []byte) { return scopeRange(tableURL, t.Scope, t.Name) }

// URLIndexKey is the row that leads from the id of a URL to its target.
func URLIndexKey(id string) []byte { return tuple.Key(service, "url-id", id) }

// dropURLs takes the URLs of a function out, or that of one alias.
func (c *change) dropURLs(t Target) error {
	lo, hi := URLRange(t)
	if t.Qualifier != "" {
		lo, hi = URLKey(t), append(URLKey(t), 0)
	}
	return c.scan(lo, hi, func(e store.Entry) (bool, error) {
		var row URLRow
		if err := decode(e.Value, &row); err != nil {
			return false, err
		}
		c.delete(e.Key)
		c.delete(URLIndexKey(row.ID))
		return true, nil
	})
}

// URLCaller is who calls a function by its URL. The zero value is anybody.
type URLCaller struct{ Account, ARN string }

// The actions that a caller of a URL needs. AWS: both since October 2025,
// https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html
const (
	invokeURLAction = "lambda:InvokeFunctionUrl"
	invokeAction    = "lambda:InvokeFunction"
)

// PermitsURL tells whether the policy of what the target names lets a caller
// invoke it by a URL of that AuthType.
func (r *Registry) PermitsURL(ctx context.Context, t Target, who URLCaller, authType string) (bool, error) {
	permitted := map[string]bool{}
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
			for _, action := range []string{invokeURLAction, invokeAction} {
				permitted[action] = permitted[action] || policy.Statements[i].permitsURL(action, who, authType)
			}
		}
		return nil
	})
	return permitted[invokeURLAction] && permitted[invokeAction], err
}

func (s *statement) permitsURL(action string, who URLCaller, authType string) bool {
	named := s.Action == "*" || strings.EqualFold(s.Action, "lambda:*") || strings.EqualFold(s.Action, action)
	if s.Effect != "Allow" || !named || !s.isAbout(who) {
		return false
	}
	c := s.Condition
	if c == nil {
		return true
	}
	if equals := c.StringEquals; equals != nil {
		rest := *equals
		rest.FunctionURLAuthType, rest.SourceAccount = "", ""
		if rest != (stringEquals{}) || equals.SourceAccount != "" && equals.SourceAccount != who.Account ||
			equals.FunctionURLAuthType != "" && equals.FunctionURLAuthType != authType {
			return false
		}
	}
	for key, value := range c.Bool {
		if !strings.EqualFold(key, "lambda:InvokedViaFunctionUrl") || !strings.EqualFold(value, "true") {
			return false
		}
	}
	return len(c.ArnLike) == 0 // there is no source behind a caller of a URL
}

// isAbout tells whether a statement's principal is everybody, or the caller: its
// account or itself.
func (s *statement) isAbout(who URLCaller) bool {
	switch p := s.Principal.(type) {
	case string:
		return p == "*"
	case map[string]any:
		account := "arn:aws:iam::" + who.Account + ":root"
		return p["AWS"] == "*" || who.Account != "" && slices.Contains([]any{who.Account, account, who.ARN}, p["AWS"])
	}
	return false
}
