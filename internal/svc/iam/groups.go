package iam

import (
	"context"

	"github.com/lambkin-dev/lambkin/internal/api/iamapi"
	"github.com/lambkin-dev/lambkin/internal/core/iam"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

func (a *api) groups() []wire.Operation {
	return []wire.Operation{
		iamapi.HandleCreateGroup(wrap(a.createGroup)),
		iamapi.HandleGetGroup(wrap(a.getGroup)),
		iamapi.HandleListGroups(wrap(a.listGroups)),
		iamapi.HandleListGroupsForUser(wrap(a.listGroupsForUser)),
		iamapi.HandleUpdateGroup(done(func(ctx context.Context, account string, in *iamapi.UpdateGroupInput) error {
			return a.iam.Rename(ctx, account, iam.Group, *in.GroupName, member.Text(in.NewGroupName), member.Text(in.NewPath))
		})),
		iamapi.HandleDeleteGroup(done(func(ctx context.Context, account string, in *iamapi.DeleteGroupInput) error {
			return a.iam.Delete(ctx, account, iam.Group, *in.GroupName)
		})),
		iamapi.HandleAddUserToGroup(done(func(ctx context.Context, account string, in *iamapi.AddUserToGroupInput) error {
			return a.iam.Join(ctx, account, *in.GroupName, *in.UserName)
		})),
		iamapi.HandleRemoveUserFromGroup(done(func(ctx context.Context, account string, in *iamapi.RemoveUserFromGroupInput) error {
			return a.iam.Leave(ctx, account, *in.GroupName, *in.UserName)
		})),
		iamapi.HandlePutGroupPolicy(done(func(ctx context.Context, account string, in *iamapi.PutGroupPolicyInput) error {
			return a.putInline(ctx, account, iam.Group, *in.GroupName, *in.PolicyName, *in.PolicyDocument)
		})),
		iamapi.HandleGetGroupPolicy(wrap(func(ctx context.Context, call *wire.Call, in *iamapi.GetGroupPolicyInput) (*iamapi.GetGroupPolicyOutput, error) {
			document, err := a.inline(ctx, call, iam.Group, *in.GroupName, *in.PolicyName)
			return &iamapi.GetGroupPolicyOutput{GroupName: in.GroupName, PolicyName: in.PolicyName, PolicyDocument: document}, err
		})),
		iamapi.HandleDeleteGroupPolicy(done(func(ctx context.Context, account string, in *iamapi.DeleteGroupPolicyInput) error {
			return a.deleteInline(ctx, account, iam.Group, *in.GroupName, *in.PolicyName)
		})),
		iamapi.HandleListGroupPolicies(wrap(func(ctx context.Context, call *wire.Call, in *iamapi.ListGroupPoliciesInput) (*iamapi.ListGroupPoliciesOutput, error) {
			names, more, next, err := a.inlineNames(ctx, call, iam.Group, *in.GroupName, in.Marker, in.MaxItems)
			return &iamapi.ListGroupPoliciesOutput{PolicyNames: names, IsTruncated: more, Marker: next}, err
		})),
		iamapi.HandleAttachGroupPolicy(done(func(ctx context.Context, account string, in *iamapi.AttachGroupPolicyInput) error {
			return a.iam.Attach(ctx, account, iam.Group, *in.GroupName, *in.PolicyArn)
		})),
		iamapi.HandleDetachGroupPolicy(done(func(ctx context.Context, account string, in *iamapi.DetachGroupPolicyInput) error {
			return a.iam.Detach(ctx, account, iam.Group, *in.GroupName, *in.PolicyArn)
		})),
		iamapi.HandleListAttachedGroupPolicies(wrap(func(ctx context.Context, call *wire.Call, in *iamapi.ListAttachedGroupPoliciesInput) (*iamapi.ListAttachedGroupPoliciesOutput, error) {
			policies, more, next, err := a.attached(ctx, call, iam.Group, *in.GroupName, in.PathPrefix, in.Marker, in.MaxItems)
			return &iamapi.ListAttachedGroupPoliciesOutput{AttachedPolicies: policies, IsTruncated: more, Marker: next}, err
		})),
	}
}

func groupOut(e *iam.Entity) iamapi.Group {
	return iamapi.Group{Path: &e.Path, GroupName: &e.Name, GroupId: &e.ID, Arn: member.Optional(e.ARN()), CreateDate: &e.Created}
}

func (a *api) createGroup(ctx context.Context, call *wire.Call, in *iamapi.CreateGroupInput) (*iamapi.CreateGroupOutput, error) {
	e := &iam.Entity{Kind: iam.Group, Name: *in.GroupName, Path: path(in.Path)}
	if err := a.iam.Create(ctx, call.Account, e); err != nil {
		return nil, err
	}
	group := groupOut(e)
	return &iamapi.CreateGroupOutput{Group: &group}, nil
}

func (a *api) getGroup(ctx context.Context, call *wire.Call, in *iamapi.GetGroupInput) (*iamapi.GetGroupOutput, error) {
	e, users, err := a.iam.Members(ctx, call.Account, *in.GroupName)
	if err != nil {
		return nil, err
	}
	group := groupOut(e)
	page, more, next, err := cut(users, byName, in.Marker, in.MaxItems)
	return &iamapi.GetGroupOutput{Group: &group, Users: each(page, listedUser), IsTruncated: more, Marker: next}, err
}

func (a *api) listGroups(ctx context.Context, call *wire.Call, in *iamapi.ListGroupsInput) (*iamapi.ListGroupsOutput, error) {
	all, err := a.iam.List(ctx, call.Account, iam.Group, path(in.PathPrefix))
	if err != nil {
		return nil, err
	}
	page, more, next, err := cut(all, byName, in.Marker, in.MaxItems)
	return &iamapi.ListGroupsOutput{Groups: each(page, groupOut), IsTruncated: more, Marker: next}, err
}

func (a *api) listGroupsForUser(ctx context.Context, call *wire.Call, in *iamapi.ListGroupsForUserInput) (*iamapi.ListGroupsForUserOutput, error) {
	groups, err := a.iam.GroupsOf(ctx, call.Account, *in.UserName)
	if err != nil {
		return nil, err
	}
	page, more, next, err := cut(groups, byName, in.Marker, in.MaxItems)
	return &iamapi.ListGroupsForUserOutput{Groups: each(page, groupOut), IsTruncated: more, Marker: next}, err
}
