package function

import (
	"context"

	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/core/policy"
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
	compiled, err := r.compiledPolicy(ctx, t)
	if err != nil || compiled == nil {
		return false, err
	}
	return policy.Decide(who.request(t), &policy.Rights{}, &policy.Target{Account: t.Scope.Account, Policy: compiled}).Allowed, nil
}

// compiledPolicy is the policy of what the target names, from memory if nothing of
// the function changed; nil if there is none.
func (r *Registry) compiledPolicy(ctx context.Context, t Target) (compiled *policy.Policy, err error) {
	key := functionKey{t.Scope, t.Name}
	value, known := r.cache.Load(key)
	if !known {
		value, _ = r.cache.LoadOrStore(key, &cached{})
	}
	c := value.(*cached)
	if found, ok := c.policies.Load(t.Qualifier); ok {
		return found.(*policy.Policy), nil
	}
	exists := false
	err = r.view(ctx, func(rd reader) error {
		look := &change{reader: rd} // to look only: never committed
		var row functionRow
		found, err := look.read(scopeKey(tableFunction, t.Scope, t.Name), &row)
		if err != nil || !found {
			return err
		}
		h, err := look.holder(t, &row)
		if err != nil {
			return err
		}
		exists = true
		document := newPolicy()
		if found, err := rd.read(h.key, document); err != nil || !found {
			return err
		}
		compiled, err = r.policies.Compile(text(document))
		return err
	})
	switch {
	case err == nil && exists:
		c.policies.Store(t.Qualifier, compiled)
	case !known: // names that do not exist must not fill the memory
		r.cache.CompareAndDelete(key, c)
	}
	return compiled, err
}

// request is the call of a service. What a condition can ask of it is whence it comes.
func (c *Caller) request(t Target) *policy.Request {
	return &policy.Request{Action: "lambda:InvokeFunction", Resource: t.ARN(), Also: []string{t.FunctionARN()}, Who: policy.Who{Service: c.Service}, Values: func(key string) []string {
		switch key {
		case "aws:sourcearn":
			return []string{c.Source}
		case "aws:sourceaccount":
			return []string{sourceAccount(t, *c)}
		}
		return nil
	}}
}

// sourceAccount is the account of the caller's resource: a bucket's is not in its
// ARN, but a bucket reaches only functions of its account.
func sourceAccount(t Target, who Caller) string {
	if a, err := arn.Parse(who.Source); err == nil && a.Account != "" {
		return a.Account
	}
	return t.Scope.Account
}
