package iam

import (
	"context"
	"time"

	"github.com/lambkin-dev/lambkin/internal/api/iamapi"
	"github.com/lambkin-dev/lambkin/internal/core/iam"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

// defaultSession is how long the credentials of a role may live at most.
//
// AWS: https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html.
const defaultSession = int32(time.Hour / time.Second)

func (a *api) roles() []wire.Operation {
	return []wire.Operation{
		iamapi.HandleCreateRole(wrap(a.createRole)),
		iamapi.HandleGetRole(wrap(a.getRole)),
		iamapi.HandleListRoles(wrap(a.listRoles)),
		iamapi.HandleUpdateRole(wrap(a.updateRole)),
		iamapi.HandleUpdateRoleDescription(wrap(a.updateRoleDescription)),
		iamapi.HandleDeleteRole(done(func(ctx context.Context, account string, in *iamapi.DeleteRoleInput) error {
			return a.iam.Delete(ctx, account, iam.Role, *in.RoleName)
		})),
		iamapi.HandleUpdateAssumeRolePolicy(done(func(ctx context.Context, account string, in *iamapi.UpdateAssumeRolePolicyInput) error {
			_, err := a.iam.Change(ctx, account, iam.Role, *in.RoleName, func(e *iam.Entity) error { return e.SetTrust(*in.PolicyDocument) })
			return err
		})),
		iamapi.HandlePutRolePermissionsBoundary(done(func(ctx context.Context, account string, in *iamapi.PutRolePermissionsBoundaryInput) error {
			return a.iam.SetBoundary(ctx, account, iam.Role, *in.RoleName, *in.PermissionsBoundary)
		})),
		iamapi.HandleDeleteRolePermissionsBoundary(done(func(ctx context.Context, account string, in *iamapi.DeleteRolePermissionsBoundaryInput) error {
			return a.iam.SetBoundary(ctx, account, iam.Role, *in.RoleName, "")
		})),
		iamapi.HandleTagRole(done(func(ctx context.Context, account string, in *iamapi.TagRoleInput) error {
			return a.tag(ctx, account, iam.Role, *in.RoleName, in.Tags)
		})),
		iamapi.HandleUntagRole(done(func(ctx context.Context, account string, in *iamapi.UntagRoleInput) error {
			return a.untag(ctx, account, iam.Role, *in.RoleName, in.TagKeys)
		})),
		iamapi.HandleListRoleTags(wrap(func(ctx context.Context, call *wire.Call, in *iamapi.ListRoleTagsInput) (*iamapi.ListRoleTagsOutput, error) {
			tags, more, next, err := a.tags(ctx, call, iam.Role, *in.RoleName, in.Marker, in.MaxItems)
			return &iamapi.ListRoleTagsOutput{Tags: tags, IsTruncated: more, Marker: next}, err
		})),
		iamapi.HandlePutRolePolicy(done(func(ctx context.Context, account string, in *iamapi.PutRolePolicyInput) error {
			return a.putInline(ctx, account, iam.Role, *in.RoleName, *in.PolicyName, *in.PolicyDocument)
		})),
		iamapi.HandleGetRolePolicy(wrap(func(ctx context.Context, call *wire.Call, in *iamapi.GetRolePolicyInput) (*iamapi.GetRolePolicyOutput, error) {
			document, err := a.inline(ctx, call, iam.Role, *in.RoleName, *in.PolicyName)
			return &iamapi.GetRolePolicyOutput{RoleName: in.RoleName, PolicyName: in.PolicyName, PolicyDocument: document}, err
		})),
		iamapi.HandleDeleteRolePolicy(done(func(ctx context.Context, account string, in *iamapi.DeleteRolePolicyInput) error {
			return a.deleteInline(ctx, account, iam.Role, *in.RoleName, *in.PolicyName)
		})),
		iamapi.HandleListRolePolicies(wrap(func(ctx context.Context, call *wire.Call, in *iamapi.ListRolePoliciesInput) (*iamapi.ListRolePoliciesOutput, error) {
			names, more, next, err := a.inlineNames(ctx, call, iam.Role, *in.RoleName, in.Marker, in.MaxItems)
			return &iamapi.ListRolePoliciesOutput{PolicyNames: names, IsTruncated: more, Marker: next}, err
		})),
		iamapi.HandleAttachRolePolicy(done(func(ctx context.Context, account string, in *iamapi.AttachRolePolicyInput) error {
			return a.iam.Attach(ctx, account, iam.Role, *in.RoleName, *in.PolicyArn)
		})),
		iamapi.HandleDetachRolePolicy(done(func(ctx context.Context, account string, in *iamapi.DetachRolePolicyInput) error {
			return a.iam.Detach(ctx, account, iam.Role, *in.RoleName, *in.PolicyArn)
		})),
		iamapi.HandleListAttachedRolePolicies(wrap(func(ctx context.Context, call *wire.Call, in *iamapi.ListAttachedRolePoliciesInput) (*iamapi.ListAttachedRolePoliciesOutput, error) {
			policies, more, next, err := a.attached(ctx, call, iam.Role, *in.RoleName, in.PathPrefix, in.Marker, in.MaxItems)
			return &iamapi.ListAttachedRolePoliciesOutput{AttachedPolicies: policies, IsTruncated: more, Marker: next}, err
		})),
	}
}

// listedRole shows a role as lists do. AWS: without tags, boundary and last use.
func listedRole(e *iam.Entity) iamapi.Role {
	return iamapi.Role{
		Path: &e.Path, RoleName: &e.Name, RoleId: &e.ID, Arn: member.Optional(e.ARN()), CreateDate: &e.Created,
		AssumeRolePolicyDocument: encoded(e.Trust), Description: member.Optional(e.Description), MaxSessionDuration: &e.MaxSession,
	}
}

// wholeRole shows a role as GetRole does. When a role was used is not kept.
func wholeRole(e *iam.Entity) *iamapi.Role {
	role := listedRole(e)
	role.Tags, role.PermissionsBoundary, role.RoleLastUsed = tagsOut(e.Tags), boundaryOut(e.Boundary), &iamapi.RoleLastUsed{}
	return &role
}

func (a *api) createRole(ctx context.Context, call *wire.Call, in *iamapi.CreateRoleInput) (*iamapi.CreateRoleOutput, error) {
	e := &iam.Entity{Kind: iam.Role, Name: *in.RoleName, Path: path(in.Path), Trust: *in.AssumeRolePolicyDocument, Description: member.Text(in.Description),
		MaxSession: defaultSession, Boundary: member.Text(in.PermissionsBoundary), Tags: tagsIn(in.Tags)}
	if in.MaxSessionDuration != nil {
		e.MaxSession = *in.MaxSessionDuration
	}
	if err := a.iam.Create(ctx, call.Account, e); err != nil {
		return nil, err
	}
	role := wholeRole(e)
	role.RoleLastUsed = nil
	return &iamapi.CreateRoleOutput{Role: role}, nil
}

func (a *api) getRole(ctx context.Context, call *wire.Call, in *iamapi.GetRoleInput) (*iamapi.GetRoleOutput, error) {
	e, err := a.iam.Get(ctx, call.Account, iam.Role, *in.RoleName)
	if err != nil {
		return nil, err
	}
	return &iamapi.GetRoleOutput{Role: wholeRole(e)}, nil
}

func (a *api) listRoles(ctx context.Context, call *wire.Call, in *iamapi.ListRolesInput) (*iamapi.ListRolesOutput, error) {
	all, err := a.iam.List(ctx, call.Account, iam.Role, path(in.PathPrefix))
	if err != nil {
		return nil, err
	}
	page, more, next, err := cut(all, byName, in.Marker, in.MaxItems)
	return &iamapi.ListRolesOutput{Roles: each(page, listedRole), IsTruncated: more, Marker: next}, err
}

// updateRole. AWS: a MaxSessionDuration that is not given becomes an hour.
func (a *api) updateRole(ctx context.Context, call *wire.Call, in *iamapi.UpdateRoleInput) (*iamapi.UpdateRoleOutput, error) {
	_, err := a.iam.Change(ctx, call.Account, iam.Role, *in.RoleName, func(e *iam.Entity) error {
		e.MaxSession = defaultSession
		if in.MaxSessionDuration != nil {
			e.MaxSession = *in.MaxSessionDuration
		}
		if in.Description != nil {
			e.Description = *in.Description
		}
		return nil
	})
	return &iamapi.UpdateRoleOutput{}, err
}

func (a *api) updateRoleDescription(ctx context.Context, call *wire.Call, in *iamapi.UpdateRoleDescriptionInput) (*iamapi.UpdateRoleDescriptionOutput, error) {
	e, err := a.iam.Change(ctx, call.Account, iam.Role, *in.RoleName, func(e *iam.Entity) error {
		e.Description = *in.Description
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &iamapi.UpdateRoleDescriptionOutput{Role: wholeRole(e)}, nil
}
