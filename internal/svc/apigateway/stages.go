package apigateway

import (
	"context"
	"slices"

	"github.com/lambkin-dev/lambkin/internal/api/apigatewayapi"
	"github.com/lambkin-dev/lambkin/internal/core/restapi"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

// deployments are the operations of snapshots.
func (a *api) deployments() []wire.Operation {
	return []wire.Operation{
		apigatewayapi.HandleCreateDeployment(wrap(a.createDeployment)),
		apigatewayapi.HandleGetDeployment(wrap(a.getDeployment)),
		apigatewayapi.HandleGetDeployments(reading[apigatewayapi.Deployments](a, func(api *restapi.API, in *apigatewayapi.GetDeploymentsInput) (any, error) {
			shown, next, err := page(sorted(api.Deployments), in.Position, in.Limit)
			return &apigatewayapi.Deployments{Items: showAll[apigatewayapi.Deployment](shown), Position: next}, err
		})),
		apigatewayapi.HandleUpdateDeployment(changing[apigatewayapi.Deployment](a, func(api *restapi.API, in *apigatewayapi.UpdateDeploymentInput) (any, error) {
			d, err := api.Deployment(*in.DeploymentId)
			if err != nil {
				return nil, err
			}
			return d, restapi.PatchDeployment(d, patches(in.PatchOperations))
		})),
		apigatewayapi.HandleDeleteDeployment(wrap(func(ctx context.Context, call *wire.Call, in *apigatewayapi.DeleteDeploymentInput) (*struct{}, error) {
			return &struct{}{}, a.apis.DeleteDeployment(ctx, idOf(call, in), *in.DeploymentId)
		})),
	}
}

func isTrue(b *bool) bool { return b != nil && *b }

func (a *api) createDeployment(ctx context.Context, call *wire.Call, in *apigatewayapi.CreateDeploymentInput) (*apigatewayapi.Deployment, error) {
	if isTrue(in.CacheClusterEnabled) || in.CacheClusterSize != nil {
		return nil, restapi.ErrNoCache
	}
	var stage *restapi.Stage
	if member.Text(in.StageName) != "" {
		stage = &restapi.Stage{StageName: *in.StageName, Description: member.Text(in.StageDescription), Variables: in.Variables, TracingEnabled: isTrue(in.TracingEnabled)}
		if in.CanarySettings != nil {
			stage.CanarySettings = show[restapi.CanarySettings](in.CanarySettings)
		}
	}
	if err := a.mayDeploy(ctx, call, idOf(call, in), stage); err != nil {
		return nil, err
	}
	made, err := a.apis.Deploy(ctx, idOf(call, in), member.Text(in.Description), stage)
	if err != nil {
		return nil, err
	}
	return show[apigatewayapi.Deployment](made), nil
}

// getDeployment shows a deployment. AWS: what it has of methods is shown if the
// client asks to embed apisummary.
func (a *api) getDeployment(ctx context.Context, call *wire.Call, in *apigatewayapi.GetDeploymentInput) (*apigatewayapi.Deployment, error) {
	api, err := a.apis.Get(idOf(call, in))
	if err != nil {
		return nil, err
	}
	d, err := api.Deployment(*in.DeploymentId)
	if err != nil {
		return nil, err
	}
	out := show[apigatewayapi.Deployment](d)
	if !slices.Contains(in.Embed, "apisummary") {
		return out, nil
	}
	snapshot, err := a.apis.Snapshot(ctx, idOf(call, in), d.Id)
	if err != nil {
		return nil, err
	}
	out.ApiSummary = map[string]map[string]apigatewayapi.MethodSnapshot{}
	for _, r := range snapshot.Resources {
		methods := map[string]apigatewayapi.MethodSnapshot{}
		for name, m := range r.ResourceMethods {
			methods[name] = *show[apigatewayapi.MethodSnapshot](m)
		}
		if len(methods) > 0 {
			out.ApiSummary[r.Path] = methods
		}
	}
	return out, nil
}

// stages are the operations of stages.
func (a *api) stages() []wire.Operation {
	return []wire.Operation{
		apigatewayapi.HandleCreateStage(wrap(a.createStage)),
		apigatewayapi.HandleGetStage(reading[apigatewayapi.Stage](a, func(api *restapi.API, in *apigatewayapi.GetStageInput) (any, error) {
			s, err := api.Stage(*in.StageName)
			if err != nil {
				return nil, err
			}
			return showStage(s), nil
		})),
		apigatewayapi.HandleGetStages(reading[apigatewayapi.Stages](a, func(api *restapi.API, in *apigatewayapi.GetStagesInput) (any, error) {
			out := &apigatewayapi.Stages{Item: []apigatewayapi.Stage{}}
			for _, s := range sorted(api.Stages) {
				if in.DeploymentId == nil || s.DeploymentId == *in.DeploymentId {
					out.Item = append(out.Item, *showStage(s))
				}
			}
			return out, nil
		})),
		apigatewayapi.HandleUpdateStage(wrap(a.updateStage)),
		apigatewayapi.HandleDeleteStage(wrap(func(ctx context.Context, call *wire.Call, in *apigatewayapi.DeleteStageInput) (*struct{}, error) {
			return &struct{}{}, a.apis.DeleteStage(ctx, idOf(call, in), *in.StageName)
		})),
		// Without a cache there is nothing to flush, as on AWS for a stage without one.
		apigatewayapi.HandleFlushStageCache(reading[struct{}](a, func(api *restapi.API, in *apigatewayapi.FlushStageCacheInput) (any, error) {
			_, err := api.Stage(*in.StageName)
			return struct{}{}, err
		})),
	}
}

func (a *api) createStage(ctx context.Context, call *wire.Call, in *apigatewayapi.CreateStageInput) (*apigatewayapi.Stage, error) {
	if isTrue(in.CacheClusterEnabled) || in.CacheClusterSize != nil {
		return nil, restapi.ErrNoCache
	}
	if err := refuse(refusedOption{"DocumentationVersion", member.Text(in.DocumentationVersion) != ""}); err != nil {
		return nil, err
	}
	wanted := show[restapi.Stage](in)
	roles, err := a.rolesOf(ctx, idOf(call, in), wanted)
	if err != nil {
		return nil, err
	}
	if err := a.mayPass(ctx, call, nil, roles); err != nil {
		return nil, err
	}
	made, err := a.apis.CreateStage(ctx, idOf(call, in), wanted)
	if err != nil {
		return nil, err
	}
	return showStage(made), nil
}

func (a *api) updateStage(ctx context.Context, call *wire.Call, in *apigatewayapi.UpdateStageInput) (*apigatewayapi.Stage, error) {
	changed, err := a.apis.Change(ctx, idOf(call, in), func(api *restapi.API) error {
		s, err := api.Stage(*in.StageName)
		if err != nil {
			return err
		}
		before, err := a.rolesOf(ctx, idOf(call, in), s)
		if err != nil {
			return err
		}
		if err := a.apis.PatchStage(scope(call), api, s, patches(in.PatchOperations)); err != nil {
			return err
		}
		after, err := a.rolesOf(ctx, idOf(call, in), s)
		if err != nil {
			return err
		}
		return a.mayPass(ctx, call, before, after)
	})
	if err != nil {
		return nil, err
	}
	return showStage(changed.Stages[*in.StageName]), nil
}

// What a stage shows of its cache, which it does not have. AWS: the same, for one
// without.
var (
	noCache       = false
	cacheControl  = true
	cacheSeconds  = int32(300)
	cacheStrategy = "SUCCEED_WITH_RESPONSE_HEADER"
)

func showStage(s *restapi.Stage) *apigatewayapi.Stage {
	out := show[apigatewayapi.Stage](s)
	out.CacheClusterEnabled, out.CacheClusterStatus = &noCache, member.Optional("NOT_AVAILABLE")
	for key, setting := range out.MethodSettings {
		setting.CachingEnabled, setting.CacheDataEncrypted, setting.CacheTtlInSeconds = &noCache, &noCache, &cacheSeconds
		setting.RequireAuthorizationForCacheControl, setting.UnauthorizedCacheControlHeaderStrategy = &cacheControl, &cacheStrategy
		out.MethodSettings[key] = setting
	}
	if out.MethodSettings == nil {
		out.MethodSettings = map[string]apigatewayapi.MethodSetting{}
	}
	return out
}
