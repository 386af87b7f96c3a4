package apigateway

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/api/apigatewayapi"
	"github.com/lambkin-dev/lambkin/internal/base/hosts"
	"github.com/lambkin-dev/lambkin/internal/core/restapi"
	"github.com/lambkin-dev/lambkin/internal/core/restapi/openapi"
	"github.com/lambkin-dev/lambkin/internal/core/template/syntax"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

// documents are the operations that read and write OpenAPI.
func (a *api) documents() []wire.Operation {
	return []wire.Operation{
		apigatewayapi.HandleImportRestApi(wrap(a.importRestAPI)),
		apigatewayapi.HandlePutRestApi(wrap(a.putRestAPI)),
		apigatewayapi.HandleGetExport(wrap(a.getExport)),
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
	wanted.ForFunction = call.Function
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
		if member.Text(in.Mode) == "overwrite" {
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

// getExport writes the definition of a stage.
// AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-export-api.html
func (a *api) getExport(ctx context.Context, call *wire.Call, in *apigatewayapi.GetExportInput) (*apigatewayapi.GetExportOutput, error) {
	api, err := a.apis.Get(idOf(call, in))
	if err != nil {
		return nil, err
	}
	stage, err := api.Stage(*in.StageName)
	if err != nil {
		return nil, err
	}
	deployment, err := api.Deployment(stage.DeploymentId)
	if err != nil {
		return nil, err
	}
	snapshot, err := a.apis.Snapshot(ctx, idOf(call, in), stage.DeploymentId)
	if err != nil {
		return nil, err
	}
	e := openapi.Export{Title: snapshot.Name, Version: deployment.CreatedDate.UTC().Format(time.RFC3339), Host: api.Id + "." + hosts.APILabel + "." + call.Region + ".localhost", Stage: stage.StageName}
	switch *in.ExportType {
	case "swagger":
		e.Swagger = true
	case "oas30":
	default:
		return nil, restapi.Invalid("Invalid export type specified: %s", *in.ExportType)
	}
	for extension := range strings.SplitSeq(in.Parameters["extensions"], ",") {
		switch strings.TrimSpace(extension) {
		case "":
		case "integrations":
			e.Integrations = true
		case "authorizers":
			e.Authorizers = true
		case "apigateway":
			e.Integrations, e.Authorizers = true, true
		default:
			return nil, restapi.Invalid("Invalid export extension specified: %s", extension)
		}
	}
	return writeExport(openapi.Write(&snapshot.Definition, e), member.Text(in.Accepts), *in.ExportType)
}

// writeExport writes a document in the form that the client accepts.
func writeExport(document map[string]any, accepts, kind string) (*apigatewayapi.GetExportOutput, error) {
	encoded, err := json.MarshalIndent(document, "", "  ")
	if err != nil {
		return nil, err
	}
	name, contentType := kind+".json", "application/json"
	if strings.Contains(accepts, "yaml") {
		value, err := syntax.ParseJSON(string(encoded))
		if err != nil {
			return nil, err
		}
		written, err := syntax.YAML(value)
		if err != nil {
			return nil, err
		}
		encoded, name, contentType = []byte(written), kind+".yaml", "application/yaml"
	}
	return &apigatewayapi.GetExportOutput{Body: encoded, ContentType: &contentType, ContentDisposition: member.Optional(`attachment; filename="` + name + `"`)}, nil
}
