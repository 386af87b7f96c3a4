package iam

import (
	"context"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/api/iamapi"
	"github.com/lambkin-dev/lambkin/internal/core/iam"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

// profiles are the operations of instance profiles.
func (a *api) profiles() []wire.Operation {
	return []wire.Operation{
		iamapi.HandleCreateInstanceProfile(wrap(a.createInstanceProfile)),
		iamapi.HandleGetInstanceProfile(wrap(a.getInstanceProfile)),
		iamapi.HandleListInstanceProfiles(wrap(a.listInstanceProfiles)),
		iamapi.HandleListInstanceProfilesForRole(wrap(a.listInstanceProfilesForRole)),
		iamapi.HandleDeleteInstanceProfile(done(func(ctx context.Context, account string, in *iamapi.DeleteInstanceProfileInput) error {
			return a.iam.Delete(ctx, account, iam.Profile, *in.InstanceProfileName)
		})),
		iamapi.HandleAddRoleToInstanceProfile(done(func(ctx context.Context, account string, in *iamapi.AddRoleToInstanceProfileInput) error {
			return a.iam.AddRole(ctx, account, *in.InstanceProfileName, *in.RoleName)
		})),
		iamapi.HandleRemoveRoleFromInstanceProfile(done(func(ctx context.Context, account string, in *iamapi.RemoveRoleFromInstanceProfileInput) error {
			return a.iam.RemoveRole(ctx, account, *in.InstanceProfileName, *in.RoleName)
		})),
		iamapi.HandleTagInstanceProfile(done(func(ctx context.Context, account string, in *iamapi.TagInstanceProfileInput) error {
			return a.tag(ctx, account, iam.Profile, *in.InstanceProfileName, in.Tags)
		})),
		iamapi.HandleUntagInstanceProfile(done(func(ctx context.Context, account string, in *iamapi.UntagInstanceProfileInput) error {
			return a.untag(ctx, account, iam.Profile, *in.InstanceProfileName, in.TagKeys)
		})),
		iamapi.HandleListInstanceProfileTags(wrap(func(ctx context.Context, call *wire.Call, in *iamapi.ListInstanceProfileTagsInput) (*iamapi.ListInstanceProfileTagsOutput, error) {
			tags, more, next, err := a.tags(ctx, call, iam.Profile, *in.InstanceProfileName, in.Marker, in.MaxItems)
			return &iamapi.ListInstanceProfileTagsOutput{Tags: tags, IsTruncated: more, Marker: next}, err
		})),
	}
}

// account are the operations of the account as a whole.
func (a *api) account() []wire.Operation {
	return []wire.Operation{
		iamapi.HandleCreateAccountAlias(done(func(ctx context.Context, account string, in *iamapi.CreateAccountAliasInput) error {
			if strings.Contains(*in.AccountAlias, "--") { // part of AWS's pattern that shape.Validate cannot check
				return invalid("The account alias must not contain two hyphens in a row.")
			}
			return a.iam.SetAlias(ctx, account, *in.AccountAlias)
		})),
		iamapi.HandleDeleteAccountAlias(done(func(ctx context.Context, account string, in *iamapi.DeleteAccountAliasInput) error {
			return a.iam.DeleteAlias(ctx, account, *in.AccountAlias)
		})),
		iamapi.HandleListAccountAliases(wrap(func(ctx context.Context, call *wire.Call, in *iamapi.ListAccountAliasesInput) (*iamapi.ListAccountAliasesOutput, error) {
			alias, err := a.iam.Alias(ctx, call.Account)
			if err != nil {
				return nil, err
			}
			aliases := []string{}
			if alias != "" {
				aliases = append(aliases, alias)
			}
			page, more, next, err := cut(aliases, itself, in.Marker, in.MaxItems)
			return &iamapi.ListAccountAliasesOutput{AccountAliases: append([]string{}, page...), IsTruncated: more, Marker: next}, err
		})),
		iamapi.HandleGetAccountSummary(wrap(func(ctx context.Context, call *wire.Call, _ *iamapi.GetAccountSummaryInput) (*iamapi.GetAccountSummaryOutput, error) {
			summary, err := a.iam.Summary(ctx, call.Account)
			return &iamapi.GetAccountSummaryOutput{SummaryMap: summary}, err
		})),
	}
}

func (a *api) profileOut(ctx context.Context, e *iam.Entity) (iamapi.InstanceProfile, error) {
	profile := iamapi.InstanceProfile{Path: &e.Path, InstanceProfileName: &e.Name, InstanceProfileId: &e.ID, Arn: member.Optional(e.ARN()), CreateDate: &e.Created, Roles: []iamapi.Role{}}
	role, err := a.iam.RoleOf(ctx, e.Account, e.Name)
	if role != nil {
		profile.Roles = append(profile.Roles, listedRole(role))
	}
	return profile, err
}

func (a *api) profilesOut(ctx context.Context, page []*iam.Entity) ([]iamapi.InstanceProfile, error) {
	out := []iamapi.InstanceProfile{}
	for _, e := range page {
		profile, err := a.profileOut(ctx, e)
		if err != nil {
			return nil, err
		}
		out = append(out, profile)
	}
	return out, nil
}

func (a *api) createInstanceProfile(ctx context.Context, call *wire.Call, in *iamapi.CreateInstanceProfileInput) (*iamapi.CreateInstanceProfileOutput, error) {
	e := &iam.Entity{Kind: iam.Profile, Name: *in.InstanceProfileName, Path: path(in.Path), Tags: tagsIn(in.Tags)}
	if err := a.iam.Create(ctx, call.Account, e); err != nil {
		return nil, err
	}
	profile, err := a.profileOut(ctx, e)
	profile.Tags = tagsOut(e.Tags)
	return &iamapi.CreateInstanceProfileOutput{InstanceProfile: &profile}, err
}

func (a *api) getInstanceProfile(ctx context.Context, call *wire.Call, in *iamapi.GetInstanceProfileInput) (*iamapi.GetInstanceProfileOutput, error) {
	e, err := a.iam.Get(ctx, call.Account, iam.Profile, *in.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	profile, err := a.profileOut(ctx, e)
	profile.Tags = tagsOut(e.Tags)
	return &iamapi.GetInstanceProfileOutput{InstanceProfile: &profile}, err
}

func (a *api) listInstanceProfiles(ctx context.Context, call *wire.Call, in *iamapi.ListInstanceProfilesInput) (*iamapi.ListInstanceProfilesOutput, error) {
	all, err := a.iam.List(ctx, call.Account, iam.Profile, path(in.PathPrefix))
	if err != nil {
		return nil, err
	}
	page, more, next, err := cut(all, byName, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	profiles, err := a.profilesOut(ctx, page)
	return &iamapi.ListInstanceProfilesOutput{InstanceProfiles: profiles, IsTruncated: more, Marker: next}, err
}

func (a *api) listInstanceProfilesForRole(ctx context.Context, call *wire.Call, in *iamapi.ListInstanceProfilesForRoleInput) (*iamapi.ListInstanceProfilesForRoleOutput, error) {
	all, err := a.iam.ProfilesOf(ctx, call.Account, *in.RoleName)
	if err != nil {
		return nil, err
	}
	page, more, next, err := cut(all, byName, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	profiles, err := a.profilesOut(ctx, page)
	return &iamapi.ListInstanceProfilesForRoleOutput{InstanceProfiles: profiles, IsTruncated: more, Marker: next}, err
}
