package apigatewayv2

import (
	"context"

	v2 "github.com/lambkin-dev/lambkin/internal/api/apigatewayv2api"
	"github.com/lambkin-dev/lambkin/internal/core/httpapi"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

func (a *api) createStage(ctx context.Context, call *wire.Call, in *v2.CreateStageInput) (*v2.CreateStageOutput, error) {
	row, err := from[httpapi.Stage](in)
	if err != nil {
		return nil, err
	}
	return reply[v2.CreateStageOutput](a.apis.CreateStage(ctx, scope(call), *in.ApiId, row))
}

func (a *api) getStage(ctx context.Context, call *wire.Call, in *v2.GetStageInput) (*v2.GetStageOutput, error) {
	return reply[v2.GetStageOutput](a.apis.Stage(ctx, scope(call), *in.ApiId, *in.StageName))
}

func (a *api) getStages(ctx context.Context, call *wire.Call, in *v2.GetStagesInput) (*v2.GetStagesOutput, error) {
	all, err := a.apis.Stages(ctx, scope(call), *in.ApiId)
	return items[v2.GetStagesOutput](all, err, in.MaxResults, in.NextToken, func(row *httpapi.Stage) string { return row.Name })
}

func (a *api) updateStage(ctx context.Context, call *wire.Call, in *v2.UpdateStageInput) (*v2.UpdateStageOutput, error) {
	return reply[v2.UpdateStageOutput](a.apis.UpdateStage(ctx, scope(call), *in.ApiId, *in.StageName, func(row *httpapi.Stage) error { return merge(row, in) }))
}

func (a *api) deleteStage(ctx context.Context, call *wire.Call, in *v2.DeleteStageInput) (*v2.DeleteStageOutput, error) {
	return nil, translate(a.apis.DeleteStage(ctx, scope(call), *in.ApiId, *in.StageName))
}

// change changes a stage for an operation without an answer.
func (a *api) change(ctx context.Context, call *wire.Call, id, stage *string, f func(*httpapi.Stage) error) error {
	_, err := a.apis.UpdateStage(ctx, scope(call), *id, *stage, f)
	return translate(err)
}

func (a *api) deleteRouteSettings(ctx context.Context, call *wire.Call, in *v2.DeleteRouteSettingsInput) (*v2.DeleteRouteSettingsOutput, error) {
	return nil, a.change(ctx, call, in.ApiId, in.StageName, func(row *httpapi.Stage) error {
		if _, found := row.RouteSettings[*in.RouteKey]; !found {
			return &httpapi.Error{Kind: httpapi.NotFound, Message: "The route settings of " + *in.RouteKey + " do not exist"}
		}
		delete(row.RouteSettings, *in.RouteKey)
		return nil
	})
}

func (a *api) deleteAccessLogSettings(ctx context.Context, call *wire.Call, in *v2.DeleteAccessLogSettingsInput) (*v2.DeleteAccessLogSettingsOutput, error) {
	return nil, a.change(ctx, call, in.ApiId, in.StageName, func(row *httpapi.Stage) error {
		row.AccessLog = nil
		return nil
	})
}

// resetAuthorizersCache writes the stage anew: what a front door has remembered is
// of one writing of it.
func (a *api) resetAuthorizersCache(ctx context.Context, call *wire.Call, in *v2.ResetAuthorizersCacheInput) (*v2.ResetAuthorizersCacheOutput, error) {
	return nil, a.change(ctx, call, in.ApiId, in.StageName, func(*httpapi.Stage) error { return nil })
}

func (a *api) createDeployment(ctx context.Context, call *wire.Call, in *v2.CreateDeploymentInput) (*v2.CreateDeploymentOutput, error) {
	return reply[v2.CreateDeploymentOutput](a.apis.Deploy(ctx, scope(call), *in.ApiId, in.Description, member.Text(in.StageName)))
}

func (a *api) getDeployment(ctx context.Context, call *wire.Call, in *v2.GetDeploymentInput) (*v2.GetDeploymentOutput, error) {
	return reply[v2.GetDeploymentOutput](a.apis.Deployment(ctx, scope(call), *in.ApiId, *in.DeploymentId))
}

func (a *api) getDeployments(ctx context.Context, call *wire.Call, in *v2.GetDeploymentsInput) (*v2.GetDeploymentsOutput, error) {
	all, err := a.apis.Deployments(ctx, scope(call), *in.ApiId)
	return items[v2.GetDeploymentsOutput](all, err, in.MaxResults, in.NextToken, func(row *httpapi.Deployment) string { return row.ID })
}

func (a *api) updateDeployment(ctx context.Context, call *wire.Call, in *v2.UpdateDeploymentInput) (*v2.UpdateDeploymentOutput, error) {
	return reply[v2.UpdateDeploymentOutput](a.apis.DescribeDeployment(ctx, scope(call), *in.ApiId, *in.DeploymentId, in.Description))
}

func (a *api) deleteDeployment(ctx context.Context, call *wire.Call, in *v2.DeleteDeploymentInput) (*v2.DeleteDeploymentOutput, error) {
	return nil, translate(a.apis.DeleteDeployment(ctx, scope(call), *in.ApiId, *in.DeploymentId))
}
