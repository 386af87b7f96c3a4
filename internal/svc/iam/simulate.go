package iam

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/api/iamapi"
	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/core/iam"
	"github.com/lambkin-dev/lambkin/internal/core/policy"
	"github.com/lambkin-dev/lambkin/internal/wire"
)

func (a *api) simulations() []wire.Operation {
	return []wire.Operation{
		iamapi.HandleSimulateCustomPolicy(wrap(a.simulateCustomPolicy)),
		iamapi.HandleSimulatePrincipalPolicy(wrap(a.simulatePrincipalPolicy)),
		iamapi.HandleGetContextKeysForCustomPolicy(wrap(a.getContextKeysForCustomPolicy)),
		iamapi.HandleGetContextKeysForPrincipalPolicy(wrap(a.getContextKeysForPrincipalPolicy)),
	}
}

// source is a policy of a simulation.
type source struct {
	id, kind string
	policy   *policy.Policy
	keys     []string
}

// The kinds of sources.
// AWS: https://docs.aws.amazon.com/IAM/latest/APIReference/API_Statement.html
const (
	kindResource = "resource"
	kindNone     = "none"
)

// simulation is what is simulated.
type simulation struct {
	who        policy.Who
	identity   []source
	boundary   []source
	bound      bool // there is a boundary
	resource   *source
	owner      string
	actions    []string
	resources  []string
	context    map[string][]string // by key in lower case
	defaults   map[string][]string // those of the principal itself
	maxItems   *int32
	marker     *string
	unresolved []string // keys that the policies ask for and nobody gave
}

func newSource(id, kind, document string) (source, error) {
	d, err := policy.Parse(document)
	if err != nil {
		return source{}, iamapi.InvalidInputException("Invalid Input Policy: %s", err)
	}
	p, err := policy.Compile(document)
	if err != nil {
		return source{}, iamapi.InvalidInputException("Invalid Input Policy: %s", err)
	}
	return source{id, kind, p, d.Keys()}, nil
}

// sources reads policies of an input; AWS names them by the member and their place.
func sources(member string, documents []string) (list []source, err error) {
	for i, document := range documents {
		s, err := newSource(fmt.Sprintf("%s.%d", member, i+1), kindNone, document)
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

// principal reads the policies of a user, a group or a role.
func (a *api) principal(ctx context.Context, account, text string) (*iam.Entity, []source, *source, error) {
	parsed, err := arn.Parse(text)
	kind, rest, _ := strings.Cut(parsed.Resource, "/")
	k := iam.Kind(kind)
	if err != nil || parsed.Service != "iam" || parsed.Account != account || k != iam.User && k != iam.Group && k != iam.Role {
		return nil, nil, nil, iamapi.InvalidInputException("Invalid Entity Arn: %s does not clearly define entity type and name.", text)
	}
	grants, err := a.iam.Grants(ctx, account, k, rest[strings.LastIndexByte(rest, '/')+1:])
	if err != nil {
		return nil, nil, nil, err
	}
	var list []source
	for i, document := range grants.Policies {
		s, err := newSource(grants.Names[i], grants.Kinds[i], document)
		if err != nil {
			return nil, nil, nil, err
		}
		list = append(list, s)
	}
	if grants.Boundary == "" {
		return grants.Entity, list, nil, nil
	}
	bound, err := newSource(grants.Entity.Boundary[strings.LastIndexByte(grants.Entity.Boundary, '/')+1:], iam.Managed, grants.Boundary)
	return grants.Entity, list, &bound, err
}

func (a *api) simulatePrincipalPolicy(ctx context.Context, call *wire.Call, in *iamapi.SimulatePrincipalPolicyRequest) (*iamapi.SimulatePolicyResponse, error) {
	if in.ResourceHandlingOption != nil || len(in.PolicyExclusionList) > 0 {
		return nil, iamapi.InvalidInputException("This platform simulates neither ResourceHandlingOption nor PolicyExclusionList.")
	}
	e, own, bound, err := a.principal(ctx, call.Account, *in.PolicySourceArn)
	if err != nil {
		return nil, err
	}
	more, err := sources("PolicyInputList", in.PolicyInputList)
	if err != nil {
		return nil, err
	}
	s := &simulation{identity: append(own, more...), actions: in.ActionNames, resources: in.ResourceArns, maxItems: in.MaxItems, marker: in.Marker,
		who: policy.Who{Account: call.Account, ARN: e.ARN(), ID: e.ID}}
	if e.Kind == iam.Role {
		s.who.Role = e.ARN()
	}
	s.defaults = map[string][]string{"aws:principalarn": {e.ARN()}, "aws:principalaccount": {call.Account}, "aws:userid": {e.ID}}
	if e.Kind == iam.User {
		s.defaults["aws:username"] = []string{e.Name}
	}
	if bound != nil {
		s.boundary, s.bound = []source{*bound}, true
	}
	if err := s.complete(call.Account, in.PermissionsBoundaryPolicyInputList, in.ResourcePolicy, in.ResourceOwner, in.CallerArn, in.ContextEntries); err != nil {
		return nil, err
	}
	return s.run()
}

func (a *api) simulateCustomPolicy(_ context.Context, call *wire.Call, in *iamapi.SimulateCustomPolicyRequest) (*iamapi.SimulatePolicyResponse, error) {
	if in.ResourceHandlingOption != nil || len(in.OrderedOrganizationPolicyInputList) > 0 {
		return nil, iamapi.InvalidInputException("This platform simulates neither ResourceHandlingOption nor OrderedOrganizationPolicyInputList.")
	}
	own, err := sources("PolicyInputList", in.PolicyInputList)
	if err != nil {
		return nil, err
	}
	s := &simulation{identity: own, actions: in.ActionNames, resources: in.ResourceArns, maxItems: in.MaxItems, marker: in.Marker,
		who: policy.Who{Account: call.Account, ARN: arn.New("iam", "", call.Account, "user/simulated").String()}}
	if err := s.complete(call.Account, in.PermissionsBoundaryPolicyInputList, in.ResourcePolicy, in.ResourceOwner, in.CallerArn, in.ContextEntries); err != nil {
		return nil, err
	}
	return s.run()
}

// complete reads what both simulations have in common.
func (s *simulation) complete(account string, boundary []string, resourcePolicy, resourceOwner, callerARN *string, entries []iamapi.ContextEntry) error {
	if len(boundary) > 0 {
		list, err := sources("PermissionsBoundaryPolicyInputList", boundary)
		if err != nil {
			return err
		}
		s.boundary, s.bound = list, true
	}
	if resourcePolicy != nil {
		r, err := newSource("ResourcePolicy", kindResource, *resourcePolicy)
		if err != nil {
			return err
		}
		s.resource = &r
	}
	s.owner = account
	if resourceOwner != nil {
		s.owner = *resourceOwner
		if a, err := arn.Parse(*resourceOwner); err == nil {
			s.owner = a.Account
		}
	}
	if callerARN != nil {
		a, err := arn.Parse(*callerARN)
		if err != nil || a.Service != "iam" || !strings.HasPrefix(a.Resource, "user/") {
			return iamapi.InvalidInputException("Invalid Entity Arn: %s does not clearly define entity type and name.", *callerARN)
		}
		s.who = policy.Who{Account: a.Account, ARN: *callerARN}
	}
	if len(s.resources) == 0 {
		s.resources = []string{"*"}
	}
	s.context = map[string][]string{}
	for _, e := range entries {
		if e.ContextKeyName != nil {
			s.context[strings.ToLower(*e.ContextKeyName)] = e.ContextKeyValues
		}
	}
	s.unresolved = s.missing()
	return nil
}

// all are the policies of the simulation.
func (s *simulation) all() []source {
	list := slices.Concat(s.identity, s.boundary)
	if s.resource != nil {
		list = append(list, *s.resource)
	}
	return list
}

func (s *simulation) missing() []string {
	missing := map[string]bool{}
	for _, source := range s.all() {
		for _, key := range source.keys {
			if s.values(strings.ToLower(key)) == nil {
				missing[key] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(missing))
}

func (s *simulation) values(key string) []string {
	if values, found := s.context[key]; found {
		return values
	}
	return s.defaults[key]
}

// run simulates a page of the combinations of actions and resources.
func (s *simulation) run() (*iamapi.SimulatePolicyResponse, error) {
	first := 0
	if s.marker != nil {
		text, err := base64.StdEncoding.DecodeString(*s.marker)
		if err == nil {
			first, err = strconv.Atoi(string(text))
		}
		if err != nil || first < 0 {
			return nil, invalid("Invalid Marker.")
		}
	}
	most := defaultItems
	if s.maxItems != nil {
		most = int(*s.maxItems)
	}
	total := len(s.actions) * len(s.resources)
	end := min(total, first+most)
	truncated := end < total
	out := &iamapi.SimulatePolicyResponse{EvaluationResults: []iamapi.EvaluationResult{}, IsTruncated: &truncated}
	for i := first; i < end; i++ {
		out.EvaluationResults = append(out.EvaluationResults, s.result(s.actions[i/len(s.resources)], s.resources[i%len(s.resources)]))
	}
	if truncated {
		marker := base64.StdEncoding.EncodeToString([]byte(strconv.Itoa(end)))
		out.Marker = &marker
	}
	return out, nil
}

// The decisions.
const (
	allowed      = "allowed"
	explicitDeny = "explicitDeny"
	implicitDeny = "implicitDeny"
)

func (s *simulation) result(action, resource string) iamapi.EvaluationResult {
	request := &policy.Request{Action: action, Resource: resource, Who: s.who, Values: s.values}
	// Several boundaries limit as session policies do: to what one of them grants.
	rights := &policy.Rights{Identity: policies(s.identity), Session: policies(s.boundary), Limited: s.bound}
	target := &policy.Target{Account: s.owner}
	if s.resource != nil {
		target.Policy = s.resource.policy
	}
	made := implicitDeny
	switch verdict := policy.Decide(request, rights, target); {
	case verdict.Allowed:
		made = allowed
	case verdict.Explicit:
		made = explicitDeny
	}
	matched := []iamapi.Statement{}
	for _, source := range s.all() {
		for range source.policy.Matching(request, source.kind == kindResource) {
			matched = append(matched, iamapi.Statement{SourcePolicyId: &source.id, SourcePolicyType: &source.kind})
		}
	}
	r := iamapi.EvaluationResult{EvalActionName: &action, EvalResourceName: &resource, EvalDecision: &made, MatchedStatements: matched, MissingContextValues: s.unresolved}
	if s.bound {
		within := s.within(request)
		r.PermissionsBoundaryDecisionDetail = &iamapi.PermissionsBoundaryDecisionDetail{AllowedByPermissionsBoundary: &within}
	}
	return r
}

// within tells whether the boundary allows a request.
func (s *simulation) within(r *policy.Request) bool {
	answer := policy.Silent
	for _, b := range s.boundary {
		answer = max(answer, b.policy.Evaluate(r))
	}
	return answer == policy.Granted
}

func policies(list []source) (all []*policy.Policy) {
	for _, s := range list {
		all = append(all, s.policy)
	}
	return all
}

func keysOf(list []source) *iamapi.GetContextKeysForPolicyResponse {
	keys := []string{}
	for _, s := range list {
		keys = append(keys, s.keys...)
	}
	slices.Sort(keys)
	return &iamapi.GetContextKeysForPolicyResponse{ContextKeyNames: slices.Compact(keys)}
}

func (a *api) getContextKeysForCustomPolicy(_ context.Context, _ *wire.Call, in *iamapi.GetContextKeysForCustomPolicyRequest) (*iamapi.GetContextKeysForPolicyResponse, error) {
	list, err := sources("PolicyInputList", in.PolicyInputList)
	return keysOf(list), err
}

func (a *api) getContextKeysForPrincipalPolicy(ctx context.Context, call *wire.Call, in *iamapi.GetContextKeysForPrincipalPolicyRequest) (*iamapi.GetContextKeysForPolicyResponse, error) {
	_, own, _, err := a.principal(ctx, call.Account, *in.PolicySourceArn)
	if err != nil {
		return nil, err
	}
	more, err := sources("PolicyInputList", in.PolicyInputList)
	return keysOf(append(own, more...)), err
}
