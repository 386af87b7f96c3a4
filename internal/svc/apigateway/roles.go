package apigateway

import (
	"context"
	"errors"
	"slices"

	"github.com/lambkin-dev/lambkin/internal/core/restapi"
	"github.com/lambkin-dev/lambkin/internal/wire"
)

// mayPass refuses a caller who lets an API act by roles that he may not hand over: the
// variables of a stage choose roles as the credentials of an integration do. Those that
// were in effect before are not asked for again.
//
// AWS: does not document who is asked for the roles that variables name.
func (a *api) mayPass(ctx context.Context, call *wire.Call, before, after []string) error {
	if a.pass == nil {
		return nil
	}
	for _, role := range after {
		if !slices.Contains(before, role) {
			if err := a.pass(ctx, call, role); err != nil {
				return err
			}
		}
	}
	return nil
}

// rolesOf are the roles that the variables of a stage name; nil for no stage.
func (a *api) rolesOf(ctx context.Context, id restapi.ID, s *restapi.Stage) (roles []string, err error) {
	if s == nil || a.pass == nil {
		return nil, nil
	}
	add := func(deployment string, variables map[string]string) error {
		snapshot, err := a.apis.Snapshot(ctx, id, deployment)
		var refusal *restapi.Error
		if errors.As(err, &refusal) {
			return nil // the operation says what is not there
		}
		if err == nil {
			roles = append(roles, snapshot.RolesBy(variables)...)
		}
		return err
	}
	if err := add(s.DeploymentId, s.Variables); err != nil {
		return nil, err
	}
	if c := s.CanarySettings; c != nil && c.DeploymentId != "" {
		err = add(c.DeploymentId, c.Effective(s.Variables))
	}
	return roles, err
}

// mayDeploy is mayPass for a deployment that a stage gets.
func (a *api) mayDeploy(ctx context.Context, call *wire.Call, id restapi.ID, wanted *restapi.Stage) error {
	api, err := a.apis.Get(id)
	if err != nil || wanted == nil {
		return err
	}
	old := api.Stages[wanted.StageName]
	before, err := a.rolesOf(ctx, id, old)
	if err != nil {
		return err
	}
	variables := wanted.Variables
	if old != nil && (variables == nil || wanted.CanarySettings != nil) {
		variables = old.Variables
	}
	if c := wanted.CanarySettings; c != nil {
		variables = c.Effective(variables)
	}
	return a.mayPass(ctx, call, before, api.RolesBy(variables))
}
