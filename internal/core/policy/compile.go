package policy

import (
	"fmt"
	"strings"
	"sync"
)

// Policy is a document made ready to be asked: see Evaluate.
type Policy struct{ rules []rule }

// rule is a statement made ready.
type rule struct {
	deny          bool
	principals    *principals // nil: of a policy of an identity
	notPrincipals bool        // it is about all but principals
	actions       []string    // lower case, with marks
	notActions    bool
	resources     []pattern // empty: all, as in a role's trust policy
	notResources  bool
	conditions    []condition
}

// principals are whom a rule names.
type principals struct {
	everyone bool
	accounts map[string]bool
	names    map[string]bool // ARNs and ids of users, roles and sessions
	services map[string]bool
}

// Compile makes a document ready.
func Compile(text string) (*Policy, error) {
	d, err := Parse(text)
	if err != nil {
		return nil, err
	}
	p := &Policy{rules: make([]rule, len(d.Statements))}
	for i := range d.Statements {
		if p.rules[i], err = newRule(&d.Statements[i], d.Version == Version2012); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func newRule(s *Statement, variables bool) (rule, error) {
	r := rule{deny: s.Effect == Deny, notPrincipals: s.NotPrincipal != nil, notActions: s.NotAction != nil, notResources: s.NotResource != nil}
	switch {
	case s.NotPrincipal != nil:
		r.principals = newPrincipals(s.NotPrincipal)
	case s.Principal != nil:
		r.principals = newPrincipals(s.Principal)
	}
	for _, list := range []Texts{s.Action, s.NotAction} {
		for _, action := range list {
			r.actions = append(r.actions, marked(strings.ToLower(action), true))
		}
	}
	for _, list := range []Texts{s.Resource, s.NotResource} {
		for _, resource := range list {
			r.resources = append(r.resources, newPattern(resource, true, variables))
		}
	}
	for name, keys := range s.Condition {
		for key, values := range keys {
			c, err := newCondition(name, key, values, variables)
			if err != nil {
				return rule{}, err
			}
			r.conditions = append(r.conditions, c)
		}
	}
	return r, nil
}

func newPrincipals(given *Principal) *principals {
	p := &principals{everyone: given.Everyone, accounts: map[string]bool{}, names: map[string]bool{}, services: map[string]bool{}}
	for _, name := range given.Kinds["AWS"] {
		account, isRoot := rootOf(name)
		switch {
		case name == "*":
			p.everyone = true
		case isRoot:
			p.accounts[account] = true
		default:
			p.names[name] = true
		}
	}
	for _, service := range given.Kinds["Service"] {
		p.services[service] = true
	}
	return p
}

// accountDigits is the length of an account's id.
const accountDigits = 12

// rootOf reads an account: its id, or the ARN of its root.
func rootOf(name string) (account string, ok bool) {
	if rest, found := strings.CutPrefix(name, "arn:aws:iam::"); found {
		account, ok = strings.CutSuffix(rest, ":root")
		return account, ok
	}
	return name, len(name) == accountDigits && strings.Trim(name, "0123456789") == ""
}

// Cache keeps compiled documents by their texts. It has its own lock.
type Cache struct {
	mu       sync.RWMutex
	policies map[string]*Policy
}

// maxCached bounds a cache; a full one begins anew.
const maxCached = 4096

// Compile is like the function, but compiles a text once.
func (c *Cache) Compile(text string) (*Policy, error) {
	c.mu.RLock()
	p := c.policies[text]
	c.mu.RUnlock()
	if p != nil {
		return p, nil
	}
	p, err := Compile(text)
	if err != nil {
		return nil, fmt.Errorf("a policy cannot be read: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.policies == nil || len(c.policies) >= maxCached {
		c.policies = map[string]*Policy{}
	}
	c.policies[text] = p
	return p, nil
}
