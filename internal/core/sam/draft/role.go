package draft

import (
	"github.com/lambkin-dev/lambkin/internal/core/sam/fail"
	"github.com/lambkin-dev/lambkin/internal/core/sam/intrinsic"
	"github.com/lambkin-dev/lambkin/internal/core/sam/policies"
	"github.com/lambkin-dev/lambkin/internal/core/sam/pyjson"
)

// TracingPolicy is the managed policy that lets a role send traces.
func (e *Environment) TracingPolicy() string {
	if e.Partition() == "aws" {
		return "AWSXrayWriteOnlyAccess"
	}
	return "AWSXRayDaemonWriteAccess"
}

// RoleParts is what a role is made of.
type RoleParts struct {
	Trust     any
	Entries   []any // of the resource's property Policies
	Managed   []any
	Documents []any
	Tags      any
}

// Role makes the role of a resource.
func (t *Transform) Role(m *Macro, parts RoleParts) *Resource {
	r := New("AWS::IAM::Role", m.ID+"Role", m.Passed(), "AssumeRolePolicyDocument", parts.Trust)
	for i, entry := range parts.Entries {
		named := func(document any) any {
			return pyjson.New("PolicyName", r.ID+"Policy"+pyjson.Itoa(i), "PolicyDocument", document)
		}
		switch policies.KindOf(entry) {
		case policies.Statement:
			if intrinsic.IsIf(entry) {
				inBranches(entry, func(branch any) any { return named(branch) })
				parts.Documents = append(parts.Documents, entry)
				break
			}
			parts.Documents = append(parts.Documents, named(entry))
		case policies.Name:
			if name, ok := pyjson.Text(entry); ok {
				entry = t.Env.PolicyARN(name)
			} else if intrinsic.IsIf(entry) {
				inBranches(entry, func(branch any) any {
					if name, ok := pyjson.Text(branch); ok {
						return t.Env.PolicyARN(name)
					}
					return branch
				})
			}
			if !pyjson.Contains(parts.Managed, entry) {
				parts.Managed = append(parts.Managed, entry)
			}
		default:
			fail.Resource(m.ID, "Policy at index %d in the 'Policies' property is not valid", i)
		}
	}
	if parts.Managed == nil {
		parts.Managed = []any{}
	}
	r.Set("ManagedPolicyArns", parts.Managed)
	if len(parts.Documents) > 0 {
		r.Set("Policies", parts.Documents)
	}
	r.Set("Path", m.Get("RolePath"))
	r.Set("PermissionsBoundary", m.Get("PermissionsBoundary"))
	r.Set("Tags", parts.Tags)
	return r
}

// inBranches changes the branches of an Fn::If that are not AWS::NoValue, in place.
func inBranches(value any, change func(any) any) {
	list := fail.List(value.(*dict).Get("Fn::If"))
	for i := 1; i < len(list); i++ {
		if !intrinsic.IsNoValue(list[i]) {
			list[i] = change(list[i])
		}
	}
}

// AssumeRole lets a service take a role on.
func AssumeRole(service string) *dict {
	return pyjson.New("Version", "2012-10-17", "Statement", []any{
		pyjson.New("Action", []any{"sts:AssumeRole"}, "Effect", "Allow", "Principal", pyjson.New("Service", []any{service}))})
}

// Allow is an inline policy of a role, for one action on one resource.
func Allow(name, action string, on any) *dict {
	return pyjson.New("PolicyName", name, "PolicyDocument", pyjson.New("Statement", []any{pyjson.New("Action", action, "Effect", "Allow", "Resource", on)}))
}
