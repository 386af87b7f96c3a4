package openapi

import (
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/sam/fail"
	"github.com/lambkin-dev/lambkin/internal/core/sam/intrinsic"
	"github.com/lambkin-dev/lambkin/internal/core/sam/pyjson"
)

// AddPolicy adds the statements of SAM's ResourcePolicy for one path.
func (s *Swagger) AddPolicy(policy any, path, stage any) {
	if policy == nil {
		return
	}
	p := MustDict(policy, "Resource Policy is not a valid dictionary.")
	resources := func() []any { return s.methodARNs(path, stage) }
	s.accounts(p.Get("AwsAccountWhitelist"), "Allow", resources)
	s.accounts(p.Get("AwsAccountBlacklist"), "Deny", resources)
	s.addresses(p.Get("IpRangeWhitelist"), "NotIpAddress", resources)
	s.addresses(p.Get("IpRangeBlacklist"), "IpAddress", resources)
	for _, list := range []struct{ kind, test string }{{"Blacklist", "StringEquals"}, {"Whitelist", "StringNotEquals"}} {
		endpoints := p.Get("SourceVpc" + list.kind)
		for _, endpoint := range fail.List(endpoints) {
			if _, ok := pyjson.Text(endpoint); !ok {
				fail.Document("SourceVpc%[1]s must be a list of strings. Use IntrinsicVpc%[1]s instead for values that use Intrinsic Functions", list.kind)
			}
		}
		s.networks(fail.List(endpoints), p.Get("IntrinsicVpc"+list.kind), p.Get("IntrinsicVpce"+list.kind), list.test, resources())
	}
	s.doc.Set(resourcePolicy, s.policy)
}

// methodARNs are the ARNs of a path's methods in a policy of the API itself.
func (s *Swagger) methodARNs(path, stage any) []any {
	text, _ := pyjson.Text(path)
	pattern := PathPattern(text)
	var arns []any
	for _, item := range s.items(text) {
		for _, key := range item.Keys() {
			method := item.Key(key)
			name := strings.ToUpper(key)
			if lower := strings.ToLower(key); lower == AnyMethod || lower == "any" {
				method, name = "*", "*"
			}
			resource := any("execute-api:/${__Stage__}/" + name + pattern)
			if _, unicode := method.(pyjson.Unicode); unicode {
				resource = pyjson.As(method, resource.(string))
			} else {
				resource = pyjson.As(path, resource.(string))
			}
			arns = append(arns, intrinsic.Sub(resource, "__Stage__", stage))
		}
	}
	return arns
}

func statement(effect string, resources []any, principal any) *dict {
	return pyjson.New27("Effect", effect, "Action", "execute-api:Invoke", "Resource", resources, "Principal", principal)
}

// statements are those of the policy; single says that there are none yet.
func (s *Swagger) statements() (policy *dict, list []any, first bool) {
	policy = fail.Dict(s.policy)
	policy.Set("Version", "2012-10-17")
	switch v := policy.Get("Statement").(type) {
	case nil:
		return policy, nil, true
	case []any:
		return policy, v, false
	default:
		return policy, []any{v}, false
	}
}

func (s *Swagger) accounts(accounts any, effect string, resources func() []any) {
	if accounts == nil {
		return
	}
	arns := resources()
	if !pyjson.Truthy(accounts) {
		return
	}
	list, isList := accounts.([]any)
	if _, isDict := accounts.(*dict); isDict {
		list, isList = []any{accounts}, true
	}
	if !isList {
		fail.Document("Type of '%s' must be a list or dictionary", pyjson.String(accounts))
	}
	added := statement(effect, arns, pyjson.New27("AWS", list))
	policy, all, first := s.statements()
	if first {
		policy.Set("Statement", added)
		return
	}
	policy.Set("Statement", with(all, added))
}

func (s *Swagger) addresses(addresses any, test string, resources func() []any) {
	if addresses == nil {
		return
	}
	arns := resources()
	if !pyjson.Truthy(addresses) {
		return
	}
	list, isList := addresses.([]any)
	if !isList {
		list = []any{addresses}
	}
	s.allowUnless(arns, pyjson.New(test, pyjson.New("aws:SourceIp", list)))
}

func (s *Swagger) networks(endpoints []any, vpcs, vpcEndpoints any, test string, resources []any) {
	condition := pyjson.New27()
	add := func(key string, values []any) {
		condition.Set(key, with(fail.List(condition.Get(key)), values...))
	}
	for _, kind := range []struct{ prefix, key string }{{"vpc-", "aws:SourceVpc"}, {"vpce-", "aws:SourceVpce"}} {
		for _, endpoint := range endpoints {
			if text, _ := pyjson.Text(endpoint); strings.HasPrefix(text, kind.prefix) {
				add(kind.key, []any{endpoint})
			}
		}
	}
	if vpcs != nil {
		add("aws:SourceVpc", fail.List(vpcs))
	}
	if vpcEndpoints != nil {
		add("aws:SourceVpce", fail.List(vpcEndpoints))
	}
	if pyjson.Truthy(condition.Get("aws:SourceVpc")) || pyjson.Truthy(condition.Get("aws:SourceVpce")) {
		s.allowUnless(resources, pyjson.New(test, condition))
	}
}

// allowUnless lets all in but those whom a condition names.
func (s *Swagger) allowUnless(resources []any, condition *dict) {
	allow, deny := statement("Allow", resources, "*"), statement("Deny", resources, "*")
	deny.Set("Condition", condition)
	policy, all, _ := s.statements()
	for _, added := range []*dict{allow, deny} {
		if !pyjson.Contains(all, added) {
			all = with(all, added)
		}
	}
	policy.Set("Statement", all)
}

// AddStatements adds statements that the template has written itself.
func (s *Swagger) AddStatements(statements any) {
	if statements == nil {
		return
	}
	policy, all, first := s.statements()
	if first {
		policy.Set("Statement", statements)
	} else {
		list, isList := statements.([]any)
		if !isList {
			list = []any{statements}
		}
		for _, added := range list {
			if !pyjson.Contains(all, added) {
				all = with(all, added)
			}
		}
		policy.Set("Statement", all)
	}
	s.doc.Set(resourcePolicy, policy)
}
