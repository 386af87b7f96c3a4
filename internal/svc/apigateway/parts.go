package apigateway

import (
	"context"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/api/apigatewayapi"
	"github.com/lambkin-dev/lambkin/internal/core/restapi"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

// models are the operations of models.
func (a *api) models() []wire.Operation {
	return []wire.Operation{
		apigatewayapi.HandleCreateModel(changing[apigatewayapi.CreateModelOutput](a, func(api *restapi.API, in *apigatewayapi.CreateModelInput) (any, error) {
			wanted := show[restapi.Model](in)
			return wanted, api.AddModel(wanted)
		})),
		apigatewayapi.HandleGetModel(reading[apigatewayapi.CreateModelOutput](a, func(api *restapi.API, in *apigatewayapi.GetModelInput) (any, error) {
			return model(api, in.ModelName)
		})),
		apigatewayapi.HandleGetModels(reading[apigatewayapi.Models](a, func(api *restapi.API, in *apigatewayapi.GetModelsInput) (any, error) {
			shown, next, err := page(sorted(api.Models), in.Position, in.Limit)
			return &apigatewayapi.Models{Items: showAll[apigatewayapi.CreateModelOutput](shown), Position: next}, err
		})),
		apigatewayapi.HandleUpdateModel(changing[apigatewayapi.CreateModelOutput](a, func(api *restapi.API, in *apigatewayapi.UpdateModelInput) (any, error) {
			m, err := model(api, in.ModelName)
			if err != nil {
				return nil, err
			}
			return m, restapi.PatchModel(m, patches(in.PatchOperations))
		})),
		apigatewayapi.HandleDeleteModel(deleting(a, func(api *restapi.API, in *apigatewayapi.DeleteModelInput) error {
			return api.DeleteModel(*in.ModelName)
		})),
	}
}

// validators are the operations of request validators.
func (a *api) validators() []wire.Operation {
	return []wire.Operation{
		apigatewayapi.HandleCreateRequestValidator(creating[apigatewayapi.RequestValidator](a, func(ctx context.Context, api *restapi.API, in *apigatewayapi.CreateRequestValidatorInput) (any, error) {
			wanted := show[restapi.RequestValidator](in)
			wanted.Id = restapi.NewPartID(ctx)
			api.AddValidator(wanted)
			return wanted, nil
		})),
		apigatewayapi.HandleGetRequestValidator(reading[apigatewayapi.RequestValidator](a, func(api *restapi.API, in *apigatewayapi.GetRequestValidatorInput) (any, error) {
			return validator(api, in.RequestValidatorId)
		})),
		apigatewayapi.HandleGetRequestValidators(reading[apigatewayapi.RequestValidators](a, func(api *restapi.API, in *apigatewayapi.GetRequestValidatorsInput) (any, error) {
			shown, next, err := page(sorted(api.RequestValidators), in.Position, in.Limit)
			return &apigatewayapi.RequestValidators{Items: showAll[apigatewayapi.RequestValidator](shown), Position: next}, err
		})),
		apigatewayapi.HandleUpdateRequestValidator(changing[apigatewayapi.RequestValidator](a, func(api *restapi.API, in *apigatewayapi.UpdateRequestValidatorInput) (any, error) {
			v, err := validator(api, in.RequestValidatorId)
			if err != nil {
				return nil, err
			}
			return v, restapi.PatchValidator(v, patches(in.PatchOperations))
		})),
		apigatewayapi.HandleDeleteRequestValidator(deleting(a, func(api *restapi.API, in *apigatewayapi.DeleteRequestValidatorInput) error {
			return api.DeleteValidator(*in.RequestValidatorId)
		})),
	}
}

// authorizers are the operations of authorizers.
func (a *api) authorizers() []wire.Operation {
	return []wire.Operation{
		apigatewayapi.HandleCreateAuthorizer(creating[apigatewayapi.Authorizer](a, func(ctx context.Context, api *restapi.API, in *apigatewayapi.CreateAuthorizerInput) (any, error) {
			if err := refuse(refusedOption{"ProviderARNs", len(in.ProviderARNs) > 0 && member.Text(in.Type) != restapi.AuthCognito}); err != nil {
				return nil, err
			}
			wanted := show[restapi.Authorizer](in)
			wanted.Id = restapi.NewPartID(ctx)
			return wanted, api.AddAuthorizer(wanted)
		})),
		apigatewayapi.HandleGetAuthorizer(reading[apigatewayapi.Authorizer](a, func(api *restapi.API, in *apigatewayapi.GetAuthorizerInput) (any, error) {
			return authorizer(api, in.AuthorizerId)
		})),
		apigatewayapi.HandleGetAuthorizers(reading[apigatewayapi.Authorizers](a, func(api *restapi.API, in *apigatewayapi.GetAuthorizersInput) (any, error) {
			shown, next, err := page(sorted(api.Authorizers), in.Position, in.Limit)
			return &apigatewayapi.Authorizers{Items: showAll[apigatewayapi.Authorizer](shown), Position: next}, err
		})),
		apigatewayapi.HandleUpdateAuthorizer(changing[apigatewayapi.Authorizer](a, func(api *restapi.API, in *apigatewayapi.UpdateAuthorizerInput) (any, error) {
			z, err := authorizer(api, in.AuthorizerId)
			if err != nil {
				return nil, err
			}
			return z, restapi.PatchAuthorizer(z, patches(in.PatchOperations))
		})),
		apigatewayapi.HandleDeleteAuthorizer(deleting(a, func(api *restapi.API, in *apigatewayapi.DeleteAuthorizerInput) error {
			return api.DeleteAuthorizer(*in.AuthorizerId)
		})),
	}
}

func noPart(message string) error {
	return &restapi.Error{Code: restapi.NotFound, Message: message}
}

func model(api *restapi.API, name *string) (*restapi.Model, error) {
	m := api.Models[*name]
	if m == nil {
		return nil, noPart("Invalid model name specified: " + *name)
	}
	return m, nil
}

func validator(api *restapi.API, id *string) (*restapi.RequestValidator, error) {
	v := api.RequestValidators[*id]
	if v == nil {
		return nil, noPart("Invalid Request Validator identifier specified")
	}
	return v, nil
}

func authorizer(api *restapi.API, id *string) (*restapi.Authorizer, error) {
	z := api.Authorizers[*id]
	if z == nil {
		return nil, noPart("Invalid Authorizer identifier specified")
	}
	return z, nil
}

// answers are the operations of gateway responses.
func (a *api) answers() []wire.Operation {
	return []wire.Operation{
		apigatewayapi.HandlePutGatewayResponse(changing[apigatewayapi.GatewayResponse](a, func(api *restapi.API, in *apigatewayapi.PutGatewayResponseInput) (any, error) {
			wanted := show[restapi.GatewayResponse](in)
			return wanted, api.PutGatewayResponse(wanted)
		})),
		apigatewayapi.HandleGetGatewayResponse(reading[apigatewayapi.GatewayResponse](a, func(api *restapi.API, in *apigatewayapi.GetGatewayResponseInput) (any, error) {
			return api.GatewayResponse(strings.ToUpper(*in.ResponseType))
		})),
		apigatewayapi.HandleGetGatewayResponses(reading[apigatewayapi.GatewayResponses](a, func(api *restapi.API, in *apigatewayapi.GetGatewayResponsesInput) (any, error) {
			var all []*restapi.GatewayResponse
			for _, kind := range restapi.GatewayResponseTypes() {
				g, err := api.GatewayResponse(kind)
				if err != nil {
					return nil, err
				}
				all = append(all, g)
			}
			shown, next, err := page(all, in.Position, in.Limit)
			return &apigatewayapi.GatewayResponses{Items: showAll[apigatewayapi.GatewayResponse](shown), Position: next}, err
		})),
		apigatewayapi.HandleUpdateGatewayResponse(changing[apigatewayapi.GatewayResponse](a, func(api *restapi.API, in *apigatewayapi.UpdateGatewayResponseInput) (any, error) {
			g, err := api.GatewayResponse(*in.ResponseType)
			if err != nil {
				return nil, err
			}
			if err := restapi.PatchGatewayResponse(g, patches(in.PatchOperations)); err != nil {
				return nil, err
			}
			return g, api.PutGatewayResponse(g)
		})),
		apigatewayapi.HandleDeleteGatewayResponse(deleting(a, func(api *restapi.API, in *apigatewayapi.DeleteGatewayResponseInput) error {
			return api.DeleteGatewayResponse(*in.ResponseType)
		})),
	}
}
