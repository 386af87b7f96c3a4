package iam

import (
	"context"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/api/iamapi"
	"github.com/lambkin-dev/lambkin/internal/core/iam"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

func (a *api) users() []wire.Operation {
	return []wire.Operation{
		iamapi.HandleCreateUser(wrap(a.createUser)),
		iamapi.HandleGetUser(wrap(a.getUser)),
		iamapi.HandleListUsers(wrap(a.listUsers)),
		iamapi.HandleUpdateUser(done(func(ctx context.Context, account string, in *iamapi.UpdateUserInput) error {
			return a.iam.Rename(ctx, account, iam.User, *in.UserName, member.Text(in.NewUserName), member.Text(in.NewPath))
		})),
		iamapi.HandleDeleteUser(done(func(ctx context.Context, account string, in *iamapi.DeleteUserInput) error {
			return a.iam.Delete(ctx, account, iam.User, *in.UserName)
		})),
		iamapi.HandlePutUserPermissionsBoundary(done(func(ctx context.Context, account string, in *iamapi.PutUserPermissionsBoundaryInput) error {
			return a.iam.SetBoundary(ctx, account, iam.User, *in.UserName, *in.PermissionsBoundary)
		})),
		iamapi.HandleDeleteUserPermissionsBoundary(done(func(ctx context.Context, account string, in *iamapi.DeleteUserPermissionsBoundaryInput) error {
			return a.iam.SetBoundary(ctx, account, iam.User, *in.UserName, "")
		})),
		iamapi.HandleTagUser(done(func(ctx context.Context, account string, in *iamapi.TagUserInput) error {
			return a.tag(ctx, account, iam.User, *in.UserName, in.Tags)
		})),
		iamapi.HandleUntagUser(done(func(ctx context.Context, account string, in *iamapi.UntagUserInput) error {
			return a.untag(ctx, account, iam.User, *in.UserName, in.TagKeys)
		})),
		iamapi.HandleListUserTags(wrap(func(ctx context.Context, call *wire.Call, in *iamapi.ListUserTagsInput) (*iamapi.ListUserTagsOutput, error) {
			tags, more, next, err := a.tags(ctx, call, iam.User, *in.UserName, in.Marker, in.MaxItems)
			return &iamapi.ListUserTagsOutput{Tags: tags, IsTruncated: more, Marker: next}, err
		})),
		iamapi.HandlePutUserPolicy(done(func(ctx context.Context, account string, in *iamapi.PutUserPolicyInput) error {
			return a.putInline(ctx, account, iam.User, *in.UserName, *in.PolicyName, *in.PolicyDocument)
		})),
		iamapi.HandleGetUserPolicy(wrap(func(ctx context.Context, call *wire.Call, in *iamapi.GetUserPolicyInput) (*iamapi.GetUserPolicyOutput, error) {
			document, err := a.inline(ctx, call, iam.User, *in.UserName, *in.PolicyName)
			return &iamapi.GetUserPolicyOutput{UserName: in.UserName, PolicyName: in.PolicyName, PolicyDocument: document}, err
		})),
		iamapi.HandleDeleteUserPolicy(done(func(ctx context.Context, account string, in *iamapi.DeleteUserPolicyInput) error {
			return a.deleteInline(ctx, account, iam.User, *in.UserName, *in.PolicyName)
		})),
		iamapi.HandleListUserPolicies(wrap(func(ctx context.Context, call *wire.Call, in *iamapi.ListUserPoliciesInput) (*iamapi.ListUserPoliciesOutput, error) {
			names, more, next, err := a.inlineNames(ctx, call, iam.User, *in.UserName, in.Marker, in.MaxItems)
			return &iamapi.ListUserPoliciesOutput{PolicyNames: names, IsTruncated: more, Marker: next}, err
		})),
		iamapi.HandleAttachUserPolicy(done(func(ctx context.Context, account string, in *iamapi.AttachUserPolicyInput) error {
			return a.iam.Attach(ctx, account, iam.User, *in.UserName, *in.PolicyArn)
		})),
		iamapi.HandleDetachUserPolicy(done(func(ctx context.Context, account string, in *iamapi.DetachUserPolicyInput) error {
			return a.iam.Detach(ctx, account, iam.User, *in.UserName, *in.PolicyArn)
		})),
		iamapi.HandleListAttachedUserPolicies(wrap(func(ctx context.Context, call *wire.Call, in *iamapi.ListAttachedUserPoliciesInput) (*iamapi.ListAttachedUserPoliciesOutput, error) {
			policies, more, next, err := a.attached(ctx, call, iam.User, *in.UserName, in.PathPrefix, in.Marker, in.MaxItems)
			return &iamapi.ListAttachedUserPoliciesOutput{AttachedPolicies: policies, IsTruncated: more, Marker: next}, err
		})),
		iamapi.HandleCreateAccessKey(wrap(a.createAccessKey)),
		iamapi.HandleListAccessKeys(wrap(a.listAccessKeys)),
		iamapi.HandleUpdateAccessKey(wrap(a.updateAccessKey)),
		iamapi.HandleDeleteAccessKey(wrap(a.deleteAccessKey)),
		iamapi.HandleGetAccessKeyLastUsed(wrap(a.getAccessKeyLastUsed)),
	}
}

// listedUser shows a user as lists do.
func listedUser(e *iam.Entity) iamapi.User {
	return iamapi.User{Path: &e.Path, UserName: &e.Name, UserId: &e.ID, Arn: member.Optional(e.ARN()), CreateDate: &e.Created}
}

func wholeUser(e *iam.Entity) *iamapi.User {
	user := listedUser(e)
	user.Tags, user.PermissionsBoundary = tagsOut(e.Tags), boundaryOut(e.Boundary)
	return &user
}

// userOf is the named user, or the caller.
func userOf(call *wire.Call, given *string) (string, error) {
	if given != nil {
		return *given, nil
	}
	_, resource, found := strings.Cut(call.CallerARN, ":user/")
	if !found {
		// AWS: keys of the account itself can be made too; here it has the configured one.
		return "", invalid("Must specify userName when calling with non-User credentials")
	}
	return resource[strings.LastIndexByte(resource, '/')+1:], nil
}

func (a *api) createUser(ctx context.Context, call *wire.Call, in *iamapi.CreateUserInput) (*iamapi.CreateUserOutput, error) {
	e := &iam.Entity{Kind: iam.User, Name: *in.UserName, Path: path(in.Path), Boundary: member.Text(in.PermissionsBoundary), Tags: tagsIn(in.Tags)}
	if err := a.iam.Create(ctx, call.Account, e); err != nil {
		return nil, err
	}
	return &iamapi.CreateUserOutput{User: wholeUser(e)}, nil
}

func (a *api) getUser(ctx context.Context, call *wire.Call, in *iamapi.GetUserInput) (*iamapi.GetUserOutput, error) {
	if in.UserName == nil && strings.HasSuffix(call.CallerARN, ":root") {
		// AWS: with the date on which the account was made; here it always was.
		return &iamapi.GetUserOutput{User: &iamapi.User{UserId: &call.UserID, Arn: &call.CallerARN}}, nil
	}
	name, err := userOf(call, in.UserName)
	if err != nil {
		return nil, err
	}
	e, err := a.iam.Get(ctx, call.Account, iam.User, name)
	if err != nil {
		return nil, err
	}
	return &iamapi.GetUserOutput{User: wholeUser(e)}, nil
}

func (a *api) listUsers(ctx context.Context, call *wire.Call, in *iamapi.ListUsersInput) (*iamapi.ListUsersOutput, error) {
	all, err := a.iam.List(ctx, call.Account, iam.User, path(in.PathPrefix))
	if err != nil {
		return nil, err
	}
	page, more, next, err := cut(all, byName, in.Marker, in.MaxItems)
	return &iamapi.ListUsersOutput{Users: each(page, listedUser), IsTruncated: more, Marker: next}, err
}

func (a *api) createAccessKey(ctx context.Context, call *wire.Call, in *iamapi.CreateAccessKeyInput) (*iamapi.CreateAccessKeyOutput, error) {
	name, err := userOf(call, in.UserName)
	if err != nil {
		return nil, err
	}
	key, secret, err := a.iam.CreateKey(ctx, call.Account, name)
	if err != nil {
		return nil, err
	}
	return &iamapi.CreateAccessKeyOutput{AccessKey: &iamapi.AccessKey{UserName: &name, AccessKeyId: &key.ID, Status: &key.Status, SecretAccessKey: &secret, CreateDate: &key.Created}}, nil
}

func (a *api) listAccessKeys(ctx context.Context, call *wire.Call, in *iamapi.ListAccessKeysInput) (*iamapi.ListAccessKeysOutput, error) {
	name, err := userOf(call, in.UserName)
	if err != nil {
		return nil, err
	}
	user, keys, err := a.iam.KeysOf(ctx, call.Account, name)
	if err != nil {
		return nil, err
	}
	page, more, next, err := cut(keys, func(k *iam.Key) string { return k.ID }, in.Marker, in.MaxItems)
	return &iamapi.ListAccessKeysOutput{IsTruncated: more, Marker: next, AccessKeyMetadata: each(page, func(k *iam.Key) iamapi.AccessKeyMetadata {
		return iamapi.AccessKeyMetadata{UserName: &user.Name, AccessKeyId: &k.ID, Status: &k.Status, CreateDate: &k.Created}
	})}, err
}

func (a *api) updateAccessKey(ctx context.Context, call *wire.Call, in *iamapi.UpdateAccessKeyInput) (*iamapi.UpdateAccessKeyOutput, error) {
	name, err := userOf(call, in.UserName)
	switch {
	case err != nil:
		return nil, err
	case *in.Status != iam.Active && *in.Status != iam.Inactive:
		return nil, invalid("The status of an access key is Active or Inactive")
	}
	return &iamapi.UpdateAccessKeyOutput{}, a.iam.SetKeyStatus(ctx, call.Account, name, *in.AccessKeyId, *in.Status)
}

func (a *api) deleteAccessKey(ctx context.Context, call *wire.Call, in *iamapi.DeleteAccessKeyInput) (*iamapi.DeleteAccessKeyOutput, error) {
	name, err := userOf(call, in.UserName)
	if err != nil {
		return nil, err
	}
	return &iamapi.DeleteAccessKeyOutput{}, a.iam.DeleteKey(ctx, call.Account, name, *in.AccessKeyId)
}

// getAccessKeyLastUsed. AWS: "N/A" for a key that was never used,
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_AccessKeyLastUsed.html.
func (a *api) getAccessKeyLastUsed(ctx context.Context, call *wire.Call, in *iamapi.GetAccessKeyLastUsedInput) (*iamapi.GetAccessKeyLastUsedOutput, error) {
	user, use, err := a.iam.LastUse(ctx, call.Account, *in.AccessKeyId)
	if err != nil {
		return nil, err
	}
	never := "N/A"
	last := &iamapi.AccessKeyLastUsed{ServiceName: &never, Region: &never}
	if !use.At.IsZero() {
		last = &iamapi.AccessKeyLastUsed{LastUsedDate: &use.At, ServiceName: &use.Service, Region: &use.Region}
	}
	return &iamapi.GetAccessKeyLastUsedOutput{UserName: &user.Name, AccessKeyLastUsed: last}, nil
}
