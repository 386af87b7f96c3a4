package apigateway

import (
	"context"

	"github.com/lambkin-dev/lambkin/internal/api/apigatewayapi"
	"github.com/lambkin-dev/lambkin/internal/core/restapi"
	"github.com/lambkin-dev/lambkin/internal/wire"
)

// usage are the operations of what keys have used.
func (a *api) usage() []wire.Operation {
	return []wire.Operation{apigatewayapi.HandleGetUsage(wrap(a.getUsage))}
}

func (a *api) getUsage(ctx context.Context, call *wire.Call, in *apigatewayapi.GetUsageInput) (*apigatewayapi.Usage, error) {
	plan, err := restapi.GetPlain[restapi.UsagePlan](a.apis, scope(call), *in.UsagePlanId)
	if err != nil {
		return nil, err
	}
	used, err := a.apis.Usage(ctx, scope(call), plan, *in.StartDate, *in.EndDate)
	if err != nil {
		return nil, err
	}
	if in.KeyId != nil {
		one := map[string][][]int64{}
		if days, found := used[*in.KeyId]; found {
			one[*in.KeyId] = days
		}
		used = one
	}
	shown, next, err := page(sortedKeys(used), in.Position, in.Limit)
	out := &apigatewayapi.Usage{UsagePlanId: &plan.Id, StartDate: in.StartDate, EndDate: in.EndDate, Items: map[string][][]int64{}, Position: next}
	for _, key := range shown {
		out.Items[key] = used[key]
	}
	return out, err
}
