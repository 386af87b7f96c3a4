package apigateway

import (
	"context"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/api/apigatewayapi"
	"github.com/lambkin-dev/lambkin/internal/core/restapi"
	"github.com/lambkin-dev/lambkin/internal/core/restapi/openapi"
	"github.com/lambkin-dev/lambkin/internal/wire"
)

// documents are the operations that read OpenAPI.
func (a *api) documents() []wire.Operation {
	return []wire.Operation{
		apigatewayapi.HandleImportRestApi(wrap(a.importRestAPI)),
		apigatewayapi.HandlePutRestApi(wrap(a.putRestAPI)),
	}
}

// importOptions are the parameters of an import: the map has all of the query.
func importOptions(parameters map[string]string) (openapi.Options, error) {
	o := openapi.Options{BasePath: parameters["basepath"]}
	if types := parameters["endpointConfigurationTypes"]; types != "" {
		o.Types = strings.Split(types, ",")
	}
	return o, refuse(refusedOption{"endpointConfigurationVpcEndpointIds", parameters["endpointConfigurationVpcEndpointIds"] != ""})
}

func (a *api) importRestAPI(ctx context.Context, call *wire.Call, in *apigatewayapi.ImportRestApiInput) (*apigatewayapi.RestApi, error) {
	options, err := importOptions(in.Parameters)
	if err != nil {
		return nil, err
	}
	wanted, err := openapi.Read(in.Body, options, nil)
	if err != nil {
		return nil, err
	}
	wanted.EndpointTypes = options.Types
	if len(wanted.EndpointTypes) == 0 {
		wanted.EndpointTypes = []string{"EDGE"}
	}
	made, err := a.apis.Create(ctx, scope(call), *wanted)
	if err != nil {
		return nil, err
	}
	return showAPI(made), nil
}

// putRestAPI merges a document into an API, or replaces what it has.
func (a *api) putRestAPI(ctx context.Context, call *wire.Call, in *apigatewayapi.PutRestApiInput) (*apigatewayapi.RestApi, error) {
	options, err := importOptions(in.Parameters)
	if err != nil {
		return nil, err
	}
	changed, err := a.apis.Change(ctx, idOf(call, in), func(api *restapi.API) error {
		if text(in.Mode) == "overwrite" {
			root := *api.Root()
			root.ResourceMethods = nil
			api.Definition = restapi.Definition{ApiKeySource: restapi.KeyInHeader, Resources: map[string]*restapi.Resource{root.Id: &root}}
		}
		if len(options.Types) > 0 {
			api.EndpointTypes = options.Types
		}
		_, err := openapi.Read(in.Body, options, api)
		return err
	})
	if err != nil {
		return nil, err
	}
	return showAPI(changed), nil
}
