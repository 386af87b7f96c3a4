package apigateway

import (
	"context"
	"encoding/csv"
	"errors"
	"io"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/api/apigatewayapi"
	"github.com/lambkin-dev/lambkin/internal/core/restapi"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

// keys are the operations of API keys.
func (a *api) keys() []wire.Operation {
	return []wire.Operation{
		apigatewayapi.HandleCreateApiKey(wrap(a.createAPIKey)),
		apigatewayapi.HandleImportApiKeys(wrap(a.importAPIKeys)),
		apigatewayapi.HandleGetApiKey(wrap(func(_ context.Context, call *wire.Call, in *apigatewayapi.GetApiKeyInput) (*apigatewayapi.ApiKey, error) {
			k, err := restapi.GetPlain[restapi.APIKey](a.apis, scope(call), *in.ApiKey)
			if err != nil {
				return nil, err
			}
			return a.showKey(call, k, isTrue(in.IncludeValue)), nil
		})),
		apigatewayapi.HandleGetApiKeys(wrap(a.getAPIKeys)),
		apigatewayapi.HandleUpdateApiKey(wrap(func(ctx context.Context, call *wire.Call, in *apigatewayapi.UpdateApiKeyInput) (*apigatewayapi.ApiKey, error) {
			k, err := restapi.ChangePlain(ctx, a.apis, scope(call), *in.ApiKey, func(k *restapi.APIKey) error { return a.apis.PatchKey(k, patches(in.PatchOperations)) })
			if err != nil {
				return nil, err
			}
			return a.showKey(call, k, false), nil
		})),
		apigatewayapi.HandleDeleteApiKey(wrap(func(ctx context.Context, call *wire.Call, in *apigatewayapi.DeleteApiKeyInput) (*struct{}, error) {
			return &struct{}{}, a.apis.DeleteKey(ctx, scope(call), *in.ApiKey)
		})),
	}
}

// showKey shows a key; stageKeys are the stages that its plans let it call.
func (a *api) showKey(call *wire.Call, k *restapi.APIKey, value bool) *apigatewayapi.ApiKey {
	out := show[apigatewayapi.ApiKey](k)
	if !value {
		out.Value = nil
	}
	out.StageKeys = []string{}
	for _, plan := range restapi.Plain[restapi.UsagePlan](a.apis, scope(call)) {
		for _, key := range plan.Keys {
			if key != k.Id {
				continue
			}
			for _, s := range plan.ApiStages {
				out.StageKeys = append(out.StageKeys, s.ApiId+"/"+s.Stage)
			}
		}
	}
	return out
}

func (a *api) createAPIKey(ctx context.Context, call *wire.Call, in *apigatewayapi.CreateApiKeyInput) (*apigatewayapi.ApiKey, error) {
	// AWS: stageKeys are of before there were usage plans.
	if err := refuse(refusedOption{"StageKeys", len(in.StageKeys) > 0}); err != nil {
		return nil, err
	}
	made, err := a.apis.CreateKey(ctx, scope(call), *show[restapi.APIKey](in))
	if err != nil {
		return nil, err
	}
	return a.showKey(call, made, true), nil
}

// maxImported bounds one file of keys.
const maxImported = 1000

// importAPIKeys reads a file of the columns Name, Key, Description, Enabled and
// UsageplanIds, in any order.
// AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-key-file-format.html
func (a *api) importAPIKeys(ctx context.Context, call *wire.Call, in *apigatewayapi.ImportApiKeysInput) (*apigatewayapi.ImportApiKeysOutput, error) {
	rows := csv.NewReader(strings.NewReader(string(in.Body)))
	rows.TrimLeadingSpace = true
	head, err := rows.Read()
	if err != nil {
		return nil, restapi.Invalid("Invalid file: it has no header")
	}
	out := &apigatewayapi.ImportApiKeysOutput{Ids: []string{}, Warnings: []string{}}
	for range maxImported {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, restapi.Invalid("Invalid file: %s", err.Error())
		}
		made, err := a.importKey(ctx, call, head, row)
		switch {
		case err != nil && isTrue(in.FailOnWarnings):
			return nil, err
		case err != nil:
			out.Warnings = append(out.Warnings, err.Error())
		default:
			out.Ids = append(out.Ids, made)
		}
	}
	return nil, restapi.Invalid("A file has at most %d keys", maxImported)
}

func (a *api) importKey(ctx context.Context, call *wire.Call, head, row []string) (string, error) {
	var wanted restapi.APIKey
	var plans string
	for i, column := range head {
		switch strings.ToLower(strings.TrimSpace(column)) {
		case "name":
			wanted.Name = row[i]
		case "key":
			wanted.Value = row[i]
		case "description":
			wanted.Description = row[i]
		case "enabled":
			wanted.Enabled = strings.EqualFold(row[i], "true")
		case "usageplanids":
			plans = row[i]
		}
	}
	made, err := a.apis.CreateKey(ctx, scope(call), wanted)
	if err != nil {
		return "", err
	}
	for plan := range strings.SplitSeq(plans, ",") {
		if plan = strings.TrimSpace(plan); plan == "" {
			continue
		}
		if _, err := a.apis.AddPlanKey(ctx, scope(call), plan, made.Id); err != nil {
			return "", err
		}
	}
	return made.Id, nil
}

func (a *api) getAPIKeys(_ context.Context, call *wire.Call, in *apigatewayapi.GetApiKeysInput) (*apigatewayapi.ApiKeys, error) {
	var found []*restapi.APIKey
	for _, k := range restapi.Plain[restapi.APIKey](a.apis, scope(call)) {
		if strings.HasPrefix(k.Name, member.Text(in.NameQuery)) && (in.CustomerId == nil || k.CustomerId == *in.CustomerId) {
			found = append(found, k)
		}
	}
	shown, next, err := page(found, in.Position, in.Limit)
	out := &apigatewayapi.ApiKeys{Items: []apigatewayapi.ApiKey{}, Position: next}
	for _, k := range shown {
		out.Items = append(out.Items, *a.showKey(call, k, isTrue(in.IncludeValues)))
	}
	return out, err
}

// plans are the operations of usage plans.
func (a *api) plans() []wire.Operation {
	return []wire.Operation{
		apigatewayapi.HandleCreateUsagePlan(wrap(func(ctx context.Context, call *wire.Call, in *apigatewayapi.CreateUsagePlanInput) (*apigatewayapi.UsagePlan, error) {
			made, err := a.apis.CreatePlan(ctx, scope(call), *show[restapi.UsagePlan](in))
			if err != nil {
				return nil, err
			}
			return show[apigatewayapi.UsagePlan](made), nil
		})),
		apigatewayapi.HandleGetUsagePlan(wrap(func(_ context.Context, call *wire.Call, in *apigatewayapi.GetUsagePlanInput) (*apigatewayapi.UsagePlan, error) {
			found, err := restapi.GetPlain[restapi.UsagePlan](a.apis, scope(call), *in.UsagePlanId)
			if err != nil {
				return nil, err
			}
			return show[apigatewayapi.UsagePlan](found), nil
		})),
		apigatewayapi.HandleGetUsagePlans(wrap(a.getUsagePlans)),
		apigatewayapi.HandleUpdateUsagePlan(wrap(func(ctx context.Context, call *wire.Call, in *apigatewayapi.UpdateUsagePlanInput) (*apigatewayapi.UsagePlan, error) {
			changed, err := restapi.ChangePlain(ctx, a.apis, scope(call), *in.UsagePlanId, func(p *restapi.UsagePlan) error {
				return a.apis.PatchPlan(scope(call), p, patches(in.PatchOperations))
			})
			if err != nil {
				return nil, err
			}
			return show[apigatewayapi.UsagePlan](changed), nil
		})),
		apigatewayapi.HandleDeleteUsagePlan(wrap(func(ctx context.Context, call *wire.Call, in *apigatewayapi.DeleteUsagePlanInput) (*struct{}, error) {
			return &struct{}{}, a.apis.DeletePlan(ctx, scope(call), *in.UsagePlanId)
		})),
		apigatewayapi.HandleCreateUsagePlanKey(wrap(func(ctx context.Context, call *wire.Call, in *apigatewayapi.CreateUsagePlanKeyInput) (*apigatewayapi.UsagePlanKey, error) {
			if *in.KeyType != keyType {
				return nil, restapi.Invalid("Invalid key type specified: %s", *in.KeyType)
			}
			k, err := a.apis.AddPlanKey(ctx, scope(call), *in.UsagePlanId, *in.KeyId)
			if err != nil {
				return nil, err
			}
			return showPlanKey(k), nil
		})),
		apigatewayapi.HandleGetUsagePlanKey(wrap(func(_ context.Context, call *wire.Call, in *apigatewayapi.GetUsagePlanKeyInput) (*apigatewayapi.UsagePlanKey, error) {
			all, err := a.planKeys(call, *in.UsagePlanId)
			if err != nil {
				return nil, err
			}
			for _, k := range all {
				if k.Id == *in.KeyId {
					return showPlanKey(k), nil
				}
			}
			return nil, noPart("Invalid API Key identifier specified")
		})),
		apigatewayapi.HandleGetUsagePlanKeys(wrap(func(_ context.Context, call *wire.Call, in *apigatewayapi.GetUsagePlanKeysInput) (*apigatewayapi.UsagePlanKeys, error) {
			all, err := a.planKeys(call, *in.UsagePlanId)
			if err != nil {
				return nil, err
			}
			shown, next, err := page(all, in.Position, in.Limit)
			out := &apigatewayapi.UsagePlanKeys{Items: []apigatewayapi.UsagePlanKey{}, Position: next}
			for _, k := range shown {
				if strings.HasPrefix(k.Name, member.Text(in.NameQuery)) {
					out.Items = append(out.Items, *showPlanKey(k))
				}
			}
			return out, err
		})),
		apigatewayapi.HandleDeleteUsagePlanKey(wrap(func(ctx context.Context, call *wire.Call, in *apigatewayapi.DeleteUsagePlanKeyInput) (*struct{}, error) {
			return &struct{}{}, a.apis.RemovePlanKey(ctx, scope(call), *in.UsagePlanId, *in.KeyId)
		})),
	}
}

// keyType is the only type of keys of plans.
const keyType = "API_KEY"

func showPlanKey(k *restapi.APIKey) *apigatewayapi.UsagePlanKey {
	out := show[apigatewayapi.UsagePlanKey](k)
	out.Type = member.Optional(keyType)
	return out
}

func (a *api) planKeys(call *wire.Call, plan string) ([]*restapi.APIKey, error) {
	p, err := restapi.GetPlain[restapi.UsagePlan](a.apis, scope(call), plan)
	if err != nil {
		return nil, err
	}
	var keys []*restapi.APIKey
	for _, id := range p.Keys {
		if k, err := restapi.GetPlain[restapi.APIKey](a.apis, scope(call), id); err == nil {
			keys = append(keys, k)
		}
	}
	return keys, nil
}

func (a *api) getUsagePlans(_ context.Context, call *wire.Call, in *apigatewayapi.GetUsagePlansInput) (*apigatewayapi.UsagePlans, error) {
	var found []*restapi.UsagePlan
	for _, p := range restapi.Plain[restapi.UsagePlan](a.apis, scope(call)) {
		has := in.KeyId == nil
		for _, key := range p.Keys {
			has = has || key == *in.KeyId
		}
		if has {
			found = append(found, p)
		}
	}
	shown, next, err := page(found, in.Position, in.Limit)
	return &apigatewayapi.UsagePlans{Items: showAll[apigatewayapi.UsagePlan](shown), Position: next}, err
}
