package apigatewayv2

import (
	"context"

	v2 "github.com/lambkin-dev/lambkin/internal/api/apigatewayv2api"
	"github.com/lambkin-dev/lambkin/internal/core/httpapi"
	"github.com/lambkin-dev/lambkin/internal/wire"
)

func (a *api) createModel(ctx context.Context, call *wire.Call, in *v2.CreateModelInput) (*v2.CreateModelOutput, error) {
	row, err := from[httpapi.Model](in)
	if err != nil {
		return nil, err
	}
	return reply[v2.CreateModelOutput](a.apis.CreateModel(ctx, scope(call), *in.ApiId, row))
}

func (a *api) getModel(ctx context.Context, call *wire.Call, in *v2.GetModelInput) (*v2.GetModelOutput, error) {
	return reply[v2.GetModelOutput](a.apis.Model(ctx, scope(call), *in.ApiId, *in.ModelId))
}

func (a *api) getModels(ctx context.Context, call *wire.Call, in *v2.GetModelsInput) (*v2.GetModelsOutput, error) {
	all, err := a.apis.Models(ctx, scope(call), *in.ApiId)
	return items[v2.GetModelsOutput](all, err, in.MaxResults, in.NextToken, func(row *httpapi.Model) string { return row.ID })
}

func (a *api) updateModel(ctx context.Context, call *wire.Call, in *v2.UpdateModelInput) (*v2.UpdateModelOutput, error) {
	return reply[v2.UpdateModelOutput](a.apis.UpdateModel(ctx, scope(call), *in.ApiId, *in.ModelId, func(row *httpapi.Model) error { return merge(row, in) }))
}

func (a *api) deleteModel(ctx context.Context, call *wire.Call, in *v2.DeleteModelInput) (*v2.DeleteModelOutput, error) {
	return nil, translate(a.apis.DeleteModel(ctx, scope(call), *in.ApiId, *in.ModelId))
}
