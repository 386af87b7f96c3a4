package apigatewayv2

import (
	"context"

	v2 "github.com/lambkin-dev/lambkin/internal/api/apigatewayv2api"
	"github.com/lambkin-dev/lambkin/internal/core/httpapi"
	"github.com/lambkin-dev/lambkin/internal/core/httpapi/openapi"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

func (a *api) importAPI(ctx context.Context, call *wire.Call, in *v2.ImportApiInput) (*v2.ImportApiOutput, error) {
	d, err := openapi.Read(member.Text(in.Body), member.Text(in.Basepath))
	if err != nil {
		return nil, translate(err)
	}
	var row httpapi.API
	if err := d.Apply(&row); err != nil {
		return nil, translate(err)
	}
	made, err := a.apis.Create(ctx, scope(call), row, nil, func(b *httpapi.Builder) error { return d.Fill(b, call.Function) })
	if err != nil {
		return nil, translate(err)
	}
	return to[v2.ImportApiOutput](a.show(call, made))
}

func (a *api) reimportAPI(ctx context.Context, call *wire.Call, in *v2.ReimportApiInput) (*v2.ReimportApiOutput, error) {
	d, err := openapi.Read(member.Text(in.Body), member.Text(in.Basepath))
	if err != nil {
		return nil, translate(err)
	}
	replaced := func(row *httpapi.API) error {
		row.CORS, row.Description, row.Version = nil, nil, nil
		return d.Apply(row)
	}
	row, err := a.apis.Replace(ctx, scope(call), *in.ApiId, replaced, func(b *httpapi.Builder) error { return d.Fill(b, call.Function) })
	if err != nil {
		return nil, translate(err)
	}
	return to[v2.ReimportApiOutput](a.show(call, row))
}

func (a *api) exportAPI(ctx context.Context, call *wire.Call, in *v2.ExportApiInput) (*v2.ExportApiOutput, error) {
	switch {
	case *in.Specification != "OAS30":
		return nil, v2.BadRequestException("Invalid specification: %s. It is OAS30", *in.Specification)
	case *in.OutputType != "JSON" && *in.OutputType != "YAML":
		return nil, v2.BadRequestException("Invalid output type: %s. It is JSON or YAML", *in.OutputType)
	case member.Text(in.ExportVersion) != "" && *in.ExportVersion != "1.0":
		return nil, v2.BadRequestException("Invalid export version: %s. It is 1.0", *in.ExportVersion)
	}
	row, d, err := a.apis.Now(ctx, scope(call), *in.ApiId)
	if err != nil {
		return nil, translate(err)
	}
	if stage := member.Text(in.StageName); stage != "" {
		s, err := a.apis.Stage(ctx, scope(call), *in.ApiId, stage)
		if err != nil {
			return nil, translate(err)
		}
		if d, err = a.apis.Definition(ctx, scope(call), *in.ApiId, s.DeploymentID); err != nil {
			return nil, translate(err)
		}
	}
	out, err := openapi.Write(row, d, a.address(call.Endpoint, row.ID, row.Scope.Region), in.IncludeExtensions == nil || *in.IncludeExtensions, *in.OutputType == "YAML")
	if err != nil {
		return nil, err
	}
	return &v2.ExportApiOutput{Body: []byte(out)}, nil
}
