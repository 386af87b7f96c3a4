package policy

import (
	"slices"
	"strings"
)

// Request is what policies are asked about.
type Request struct {
	Action   string   // "sqs:SendMessage"
	Resource string   // ARN; "*" for an action that is about none
	Also     []string // other ways to write Resource
	Who      Who
	// Values are those of a condition key, given in lower case; nil: it is not there.
	Values func(key string) []string
}

// Who makes a request: a user, a session of a role, an account's root, a service.
// The zero value is anybody.
type Who struct {
	Account string
	ARN     string // of the user, the session or the root
	Role    string // ARN of a session's role
	ID      string // AIDA…, AROA…: of the user or role
	Service string // "sns.amazonaws.com", alone
}

// IsRoot tells of an account's root.
func (w *Who) IsRoot() bool { return w.Account != "" && w.ARN == "arn:aws:iam::"+w.Account+":root" }

func (r *Request) values(key string) []string {
	if r.Values == nil {
		return nil
	}
	return r.Values(key)
}

// Answer is what policies say.
type Answer uint8

// The answers, the weakest first.
const (
	Silent  Answer = iota // nothing: an implicit deny
	Granted               // Allow
	Refused               // Deny
)

// Evaluate asks a policy of an identity: its principals do not count.
func (p *Policy) Evaluate(r *Request) Answer {
	answer, _ := p.ask(r, false)
	return answer
}

// reach is how near to the caller a policy of a resource names it.
type reach uint8

const (
	nobody   reach = iota
	account        // its account: the account may hand the right on
	role           // the role of its session, or everyone
	directly       // itself
)

// ask combines the rules: Deny wins over Allow.
func (p *Policy) ask(r *Request, byPrincipal bool) (answer Answer, how reach) {
	if p == nil {
		return Silent, nobody
	}
	action := strings.ToLower(r.Action)
	for i := range p.rules {
		rule := &p.rules[i]
		near := directly
		if byPrincipal {
			near = rule.names(&r.Who)
		}
		if near == nobody || !rule.fits(r, action) {
			continue
		}
		if rule.deny {
			return Refused, nobody
		}
		answer, how = Granted, max(how, near)
	}
	return answer, how
}

// fits tells whether a rule is about a request, whoever makes it.
func (r *rule) fits(request *Request, action string) bool {
	if slices.ContainsFunc(r.actions, func(p string) bool { return glob(p, action) }) == r.notActions {
		return false
	}
	if len(r.resources) > 0 && slices.ContainsFunc(r.resources, func(p pattern) bool { return p.isAbout(request) }) == r.notResources {
		return false
	}
	return !slices.ContainsFunc(r.conditions, func(c condition) bool { return !c.holds(request) })
}

func (p pattern) isAbout(r *Request) bool {
	want, ok := p.expand(r)
	if !ok {
		return false
	}
	return matchARN(want, r.Resource) || slices.ContainsFunc(r.Also, func(other string) bool { return matchARN(want, other) })
}

// names tells how near a rule of a resource's policy names who calls.
//
// AWS: NotPrincipal spares only who is named at every level, its account, its role
// and its session (reference_policies_elements_notprincipal.html).
func (r *rule) names(who *Who) reach {
	if r.principals == nil {
		return nobody
	}
	if r.notPrincipals {
		if r.principals.spares(who) {
			return nobody
		}
		return directly
	}
	p := r.principals
	switch {
	case who.Service != "" && p.services[who.Service]:
		return directly
	case who.ARN != "" && p.names[who.ARN], who.IsRoot() && p.accounts[who.Account]:
		return directly
	case who.Role == "" && who.ID != "" && p.names[who.ID]:
		return directly
	case p.everyone && who.Role == "":
		return directly
	case p.everyone, who.Role != "" && (p.names[who.Role] || p.names[who.ID]):
		return role
	case who.Account != "" && p.accounts[who.Account]:
		return account
	}
	return nobody
}

func (p *principals) spares(who *Who) bool {
	switch {
	case p.everyone:
		return true
	case who.Service != "":
		return p.services[who.Service]
	case who.ARN == "" || !p.accounts[who.Account]:
		return false
	case who.IsRoot():
		return true
	}
	return p.names[who.ARN] && (who.Role == "" || p.names[who.Role])
}

// Rights are what policies give to an identity.
type Rights struct {
	Identity []*Policy // of the user, its groups, or the role
	Boundary *Policy   // nil: none
	Session  []*Policy // of the session, beside its role's
	Limited  bool      // the session has Session policies, perhaps none that grant
}

// Target is what a request wants to act on.
type Target struct {
	Account  string  // whose it is; "": of the caller's own
	Policy   *Policy // of the resource; nil: none
	Required bool    // the resource's policy must grant, in its own account too: a role that is assumed
}

// Kind is a kind of policy, as AWS's messages name it.
type Kind string

// The kinds.
const (
	IdentityBased Kind = "identity-based policy"
	ResourceBased Kind = "resource-based policy"
	BoundaryKind  Kind = "permissions boundary"
	SessionKind   Kind = "session policy"
)

// Verdict is the decision.
type Verdict struct {
	Allowed  bool
	Explicit bool // a Deny, not the lack of an Allow
	By       Kind // of a refusal
}

// Reason ends the message of a refusal, in AWS's words.
//
// AWS: https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
func (v *Verdict) Reason(action string) string {
	article := "a "
	if v.By == IdentityBased {
		article = "an "
	}
	if v.Explicit {
		return "with an explicit deny in " + article + string(v.By)
	}
	return "because no " + string(v.By) + " allows the " + action + " action"
}

// Decide tells whether a request may be made.
//
// AWS: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html,
// and for two accounts reference_policies_evaluation-logic-cross-account.html.
func Decide(r *Request, rights *Rights, target *Target) Verdict {
	identity, boundary, session := rights.ask(r)
	byResource, how := target.Policy.ask(r, true)
	for _, said := range []struct {
		answer Answer
		by     Kind
	}{{identity, IdentityBased}, {boundary, BoundaryKind}, {session, SessionKind}, {byResource, ResourceBased}} {
		if said.answer == Refused {
			return Verdict{Explicit: true, By: said.by}
		}
	}
	if r.Who.Account == "" { // a service, or anybody: nothing but the resource's policy speaks for them
		return needs(byResource, ResourceBased)
	}
	own := target.Account == "" || target.Account == r.Who.Account
	switch {
	case own && how == directly:
		return Verdict{Allowed: true}
	case own && how == role:
		identity = Granted
	case own && target.Required && byResource != Granted:
		return Verdict{By: ResourceBased}
	}
	verdict := needs(identity, IdentityBased)
	if verdict.Allowed && boundary != Granted {
		verdict = Verdict{By: BoundaryKind}
	}
	if verdict.Allowed && session != Granted {
		verdict = Verdict{By: SessionKind}
	}
	if verdict.Allowed && !own {
		verdict = needs(byResource, ResourceBased)
	}
	return verdict
}

func needs(answer Answer, by Kind) Verdict {
	if answer == Granted {
		return Verdict{Allowed: true}
	}
	return Verdict{By: by}
}

// ask asks the policies of an identity. What is not there grants all.
func (r *Rights) ask(request *Request) (identity, boundary, session Answer) {
	boundary, session = Granted, Granted
	if request.Who.IsRoot() {
		identity = Granted
	} else {
		identity = union(r.Identity, request)
	}
	if r.Boundary != nil {
		boundary = r.Boundary.Evaluate(request)
	}
	if r.Limited {
		session = union(r.Session, request)
	}
	return identity, boundary, session
}

func union(policies []*Policy, r *Request) (answer Answer) {
	for _, p := range policies {
		answer = max(answer, p.Evaluate(r))
	}
	return answer
}
