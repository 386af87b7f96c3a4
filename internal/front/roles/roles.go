// Package roles finds on whose behalf an API of API Gateway calls other services:
// in the name of the role that its integration has as credentials.
//
// It promises: a role of another account is nobody's to use, wherever its ARN came
// from; where permissions are enforced, a role that does not trust API Gateway is not
// used either.
//
// No state, no goroutines, no locks. Start reading at Roles.Identity.
package roles

import (
	"context"
	"errors"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/wire/local"
)

// The errors, in AWS's words.
var (
	ErrNoTrust = errors.New("API Gateway does not have permission to assume the provided role")
	ErrNoRole  = errors.New("AWS ARN for integration contains no role in credentials")
)

// Roles decides.
type Roles struct {
	// Assume tells whether API Gateway may act by a role; nil: by every one.
	Assume func(ctx context.Context, roleARN string) (bool, error)
}

// Identity is the session of a role by which an API of account calls a service in
// region.
//
// AWS: passing a role of another account is refused
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html); a
// stage variable could name one later.
func (r *Roles) Identity(ctx context.Context, account, roleARN, region string) (local.Identity, error) {
	role, err := arn.Parse(roleARN)
	name, found := strings.CutPrefix(role.Resource, "role/")
	if err != nil || role.Service != "iam" || !found {
		return local.Identity{}, ErrNoRole
	}
	if role.Account != account {
		return local.Identity{}, ErrNoTrust
	}
	if r.Assume != nil {
		trusted, err := r.Assume(ctx, role.String())
		if err != nil {
			return local.Identity{}, err
		}
		if !trusted {
			return local.Identity{}, ErrNoTrust
		}
	}
	name = name[strings.LastIndexByte(name, '/')+1:]
	return local.Identity{Account: account, Region: region, CallerARN: arn.New("sts", "", account, "assumed-role/"+name+"/BackplaneAssumeRoleSession").String()}, nil
}
