package iam

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/api/iamapi"
	"github.com/lambkin-dev/lambkin/internal/core/iam"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

// policies are the operations of managed policies.
func (a *api) policies() []wire.Operation {
	return []wire.Operation{
		iamapi.HandleCreatePolicy(wrap(a.createPolicy)),
		iamapi.HandleGetPolicy(wrap(a.getPolicy)),
		iamapi.HandleListPolicies(wrap(a.listPolicies)),
		iamapi.HandleDeletePolicy(done(func(ctx context.Context, account string, in *iamapi.DeletePolicyInput) error {
			return a.iam.DeletePolicy(ctx, account, *in.PolicyArn)
		})),
		iamapi.HandleCreatePolicyVersion(wrap(a.createPolicyVersion)),
		iamapi.HandleGetPolicyVersion(wrap(a.getPolicyVersion)),
		iamapi.HandleListPolicyVersions(wrap(a.listPolicyVersions)),
		iamapi.HandleDeletePolicyVersion(done(func(ctx context.Context, account string, in *iamapi.DeletePolicyVersionInput) error {
			return a.iam.DeleteVersion(ctx, account, *in.PolicyArn, *in.VersionId)
		})),
		iamapi.HandleSetDefaultPolicyVersion(done(func(ctx context.Context, account string, in *iamapi.SetDefaultPolicyVersionInput) error {
			return a.iam.SetDefault(ctx, account, *in.PolicyArn, *in.VersionId)
		})),
		iamapi.HandleListEntitiesForPolicy(wrap(a.listEntitiesForPolicy)),
		iamapi.HandleTagPolicy(done(func(ctx context.Context, account string, in *iamapi.TagPolicyInput) error {
			_, err := a.iam.ChangePolicy(ctx, account, *in.PolicyArn, func(p *iam.Policy) (err error) {
				p.Tags, err = iam.SetTags(p.Tags, tagsIn(in.Tags))
				return err
			})
			return err
		})),
		iamapi.HandleUntagPolicy(done(func(ctx context.Context, account string, in *iamapi.UntagPolicyInput) error {
			_, err := a.iam.ChangePolicy(ctx, account, *in.PolicyArn, func(p *iam.Policy) error {
				p.Tags = iam.RemoveTags(p.Tags, in.TagKeys)
				return nil
			})
			return err
		})),
		iamapi.HandleListPolicyTags(wrap(func(ctx context.Context, call *wire.Call, in *iamapi.ListPolicyTagsInput) (*iamapi.ListPolicyTagsOutput, error) {
			p, err := a.iam.GetPolicy(ctx, call.Account, *in.PolicyArn)
			if err != nil {
				return nil, err
			}
			tags, more, next, err := cutTags(p.Tags, in.Marker, in.MaxItems)
			return &iamapi.ListPolicyTagsOutput{Tags: tags, IsTruncated: more, Marker: next}, err
		})),
	}
}

func versionID(number int) *string {
	id := fmt.Sprintf("v%d", number)
	return &id
}

// listedPolicy shows a policy as lists do. AWS: without description and tags.
func listedPolicy(p *iam.Policy) iamapi.Policy {
	attachable := true
	return iamapi.Policy{
		PolicyName: &p.Name, PolicyId: &p.ID, Arn: &p.ARN, Path: &p.Path, DefaultVersionId: versionID(p.Default), AttachmentCount: &p.Attached,
		PermissionsBoundaryUsageCount: &p.BoundaryOf, IsAttachable: &attachable, CreateDate: &p.Created, UpdateDate: &p.Updated,
	}
}

func (a *api) createPolicy(ctx context.Context, call *wire.Call, in *iamapi.CreatePolicyInput) (*iamapi.CreatePolicyOutput, error) {
	p := &iam.Policy{Name: *in.PolicyName, Path: path(in.Path), Description: member.Text(in.Description), Tags: tagsIn(in.Tags)}
	if err := a.iam.CreatePolicy(ctx, call.Account, p, *in.PolicyDocument); err != nil {
		return nil, err
	}
	policy := listedPolicy(p)
	policy.Tags = tagsOut(p.Tags)
	return &iamapi.CreatePolicyOutput{Policy: &policy}, nil
}

func (a *api) getPolicy(ctx context.Context, call *wire.Call, in *iamapi.GetPolicyInput) (*iamapi.GetPolicyOutput, error) {
	p, err := a.iam.GetPolicy(ctx, call.Account, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	policy := listedPolicy(p)
	policy.Description, policy.Tags = member.Optional(p.Description), tagsOut(p.Tags)
	return &iamapi.GetPolicyOutput{Policy: &policy}, nil
}

func (a *api) listPolicies(ctx context.Context, call *wire.Call, in *iamapi.ListPoliciesInput) (*iamapi.ListPoliciesOutput, error) {
	all, err := a.iam.Policies(ctx, call.Account)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(p *iam.Policy) bool {
		switch {
		case member.Text(in.Scope) == "AWS" && !p.AWS, member.Text(in.Scope) == "Local" && p.AWS,
			member.On(in.OnlyAttached) && p.Attached == 0,
			member.Text(in.PolicyUsageFilter) == asBoundary && p.BoundaryOf == 0,
			member.Text(in.PolicyUsageFilter) == asPolicy && p.BoundaryOf > 0 && p.Attached == 0:
			return true
		}
		return !strings.HasPrefix(p.Path, path(in.PathPrefix))
	})
	page, more, next, err := cut(all, func(p *iam.Policy) string {
		// One of AWS's may have the name of one of the account's.
		return strings.ToLower(p.Name) + fmt.Sprintf("\x00%t", p.AWS)
	}, in.Marker, in.MaxItems)
	return &iamapi.ListPoliciesOutput{Policies: each(page, listedPolicy), IsTruncated: more, Marker: next}, err
}

// The values of PolicyUsageFilter.
const (
	asPolicy   = "PermissionsPolicy"
	asBoundary = "PermissionsBoundary"
)

func versionOut(p *iam.Policy, v *iam.Version) iamapi.PolicyVersion {
	isDefault := v.Number == p.Default
	return iamapi.PolicyVersion{VersionId: versionID(v.Number), IsDefaultVersion: &isDefault, CreateDate: &v.Created}
}

func (a *api) createPolicyVersion(ctx context.Context, call *wire.Call, in *iamapi.CreatePolicyVersionInput) (*iamapi.CreatePolicyVersionOutput, error) {
	p, err := a.iam.AddVersion(ctx, call.Account, *in.PolicyArn, *in.PolicyDocument, member.On(in.SetAsDefault))
	if err != nil {
		return nil, err
	}
	version := versionOut(p, &p.Versions[len(p.Versions)-1])
	return &iamapi.CreatePolicyVersionOutput{PolicyVersion: &version}, nil
}

func (a *api) getPolicyVersion(ctx context.Context, call *wire.Call, in *iamapi.GetPolicyVersionInput) (*iamapi.GetPolicyVersionOutput, error) {
	p, err := a.iam.GetPolicy(ctx, call.Account, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	v, err := p.Version(*in.VersionId)
	if err != nil {
		return nil, err
	}
	version := versionOut(p, v)
	version.Document = encoded(v.Document)
	return &iamapi.GetPolicyVersionOutput{PolicyVersion: &version}, nil
}

// listPolicyVersions. AWS: the newest first, without their texts.
func (a *api) listPolicyVersions(ctx context.Context, call *wire.Call, in *iamapi.ListPolicyVersionsInput) (*iamapi.ListPolicyVersionsOutput, error) {
	p, err := a.iam.GetPolicy(ctx, call.Account, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	page, more, next, err := cut(p.Versions, func(v iam.Version) string { return fmt.Sprintf("%010d", p.Last-v.Number) }, in.Marker, in.MaxItems)
	return &iamapi.ListPolicyVersionsOutput{Versions: each(page, func(v iam.Version) iamapi.PolicyVersion { return versionOut(p, &v) }), IsTruncated: more, Marker: next}, err
}

// listEntitiesForPolicy pages through users, roles and groups as one list.
func (a *api) listEntitiesForPolicy(ctx context.Context, call *wire.Call, in *iamapi.ListEntitiesForPolicyInput) (*iamapi.ListEntitiesForPolicyOutput, error) {
	usage := member.Text(in.PolicyUsageFilter)
	all, err := a.iam.UsersOf(ctx, call.Account, *in.PolicyArn, usage != asBoundary, usage != asPolicy)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(e *iam.Entity) bool {
		return in.EntityFilter != nil && !strings.EqualFold(*in.EntityFilter, string(e.Kind)) || !strings.HasPrefix(e.Path, path(in.PathPrefix))
	})
	page, more, next, err := cut(all, func(e *iam.Entity) string { return string(e.Kind) + "\x00" + byName(e) }, in.Marker, in.MaxItems)
	out := &iamapi.ListEntitiesForPolicyOutput{PolicyGroups: []iamapi.PolicyGroup{}, PolicyUsers: []iamapi.PolicyUser{}, PolicyRoles: []iamapi.PolicyRole{}, IsTruncated: more, Marker: next}
	for _, e := range page {
		switch e.Kind {
		case iam.Group:
			out.PolicyGroups = append(out.PolicyGroups, iamapi.PolicyGroup{GroupName: &e.Name, GroupId: &e.ID})
		case iam.User:
			out.PolicyUsers = append(out.PolicyUsers, iamapi.PolicyUser{UserName: &e.Name, UserId: &e.ID})
		case iam.Role:
			out.PolicyRoles = append(out.PolicyRoles, iamapi.PolicyRole{RoleName: &e.Name, RoleId: &e.ID})
		}
	}
	return out, err
}
