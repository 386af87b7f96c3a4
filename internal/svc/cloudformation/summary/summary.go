// Package summary is the part of the CloudFormation API that looks at templates
// without stacks: ValidateTemplate and GetTemplateSummary.
//
// It promises what AWS tells of a template as it is written, its transforms not
// run. Types of resources that this platform does not have are no fault of a
// template; they are, as a change set says, of its deployment.
//
// Nothing is kept; no goroutines, no locks. Start reading at Operations.
package summary

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/lambkin-dev/lambkin/internal/api/cloudformationapi"
	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/core/template"
	"github.com/lambkin-dev/lambkin/internal/core/template/macro"
	"github.com/lambkin-dev/lambkin/internal/core/template/syntax"
	"github.com/lambkin-dev/lambkin/internal/svc/cloudformation/source"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/local"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

// Config is what the operations ask.
type Config struct {
	Source *source.Source
	// OfStack is the template of a stack as it was given; a *fault.Fault if there is no such stack.
	OfStack func(ctx context.Context, call *wire.Call, name string) (string, error)
	// Identifiers are the properties that identify a resource of a type when it is
	// imported; not known for a type that this platform does not have.
	Identifiers func(resourceType string) (names []string, known bool)
}

type api struct{ config Config }

// Operations are the operations for the service's table.
func Operations(config Config) []wire.Operation {
	a := &api{config}
	return []wire.Operation{
		cloudformationapi.HandleValidateTemplate(wrap(a.validateTemplate)),
		cloudformationapi.HandleGetTemplateSummary(wrap(a.getTemplateSummary)),
	}
}

func wrap[In, Out any](do func(context.Context, *wire.Call, *In) (*Out, error)) func(context.Context, *wire.Call, *In) (*Out, error) {
	return wire.Translated(do, Translate)
}

// Translate makes AWS's error of a refusal of the template's packages; another
// error stays as it is.
func Translate(err error) error {
	var refusal *template.Error
	var malformed *syntax.Error
	switch {
	case errors.As(err, &refusal):
		return Invalid(refusal.Message)
	case errors.As(err, &malformed):
		return Invalid(malformed.Error())
	}
	return err
}

// Invalid is common to AWS's query services and in no API model.
func Invalid(message string) error {
	return &fault.Fault{Code: "ValidationError", Message: message, Status: http.StatusBadRequest, Sender: true}
}

// Who is the caller of an operation, for calls on its behalf.
func Who(call *wire.Call) local.Identity {
	return local.Identity{Account: call.Account, Region: call.Region, AccessKeyID: call.AccessKeyID, CallerARN: call.CallerARN, UserID: call.UserID, Endpoint: call.Endpoint, Function: call.Function, Session: call.Session}
}

func summarize(text string) (*template.Summary, error) {
	values, err := syntax.Parse(text)
	if err != nil {
		return nil, err
	}
	return template.Summarize(values, macro.Names(values))
}

func (a *api) validateTemplate(ctx context.Context, call *wire.Call, in *cloudformationapi.ValidateTemplateInput) (*cloudformationapi.ValidateTemplateOutput, error) {
	text, err := a.config.Source.Template(ctx, Who(call), in.TemplateBody, in.TemplateURL)
	if err != nil {
		return nil, err
	}
	s, err := summarize(text)
	if err != nil {
		return nil, err
	}
	out := &cloudformationapi.ValidateTemplateOutput{
		Parameters: []cloudformationapi.TemplateParameter{}, Description: member.Optional(s.Description),
		Capabilities: s.Capabilities, CapabilitiesReason: member.Optional(s.Reason), DeclaredTransforms: s.Transforms,
	}
	for _, p := range s.Parameters.Sorted() {
		out.Parameters = append(out.Parameters, cloudformationapi.TemplateParameter{ParameterKey: &p.Name, DefaultValue: p.Default, NoEcho: &p.NoEcho, Description: member.Optional(p.Description)})
	}
	return out, nil
}

func (a *api) getTemplateSummary(ctx context.Context, call *wire.Call, in *cloudformationapi.GetTemplateSummaryInput) (*cloudformationapi.GetTemplateSummaryOutput, error) {
	text, err := a.textOf(ctx, call, in)
	if err != nil {
		return nil, err
	}
	s, err := summarize(text)
	if err != nil {
		return nil, err
	}
	out := &cloudformationapi.GetTemplateSummaryOutput{
		Parameters: []cloudformationapi.ParameterDeclaration{}, Description: member.Optional(s.Description), Capabilities: s.Capabilities, CapabilitiesReason: member.Optional(s.Reason),
		ResourceTypes: s.Types, Version: member.Optional(s.Version), DeclaredTransforms: s.Transforms,
	}
	for _, p := range s.Parameters.Sorted() {
		out.Parameters = append(out.Parameters, cloudformationapi.ParameterDeclaration{ParameterKey: &p.Name, ParameterType: &p.Type, DefaultValue: p.Default, NoEcho: &p.NoEcho,
			Description: member.Optional(p.Description), ParameterConstraints: &cloudformationapi.ParameterConstraints{AllowedValues: p.AllowedValues}})
	}
	if s.Metadata != nil {
		metadata, err := syntax.JSON(s.Metadata)
		if err != nil {
			return nil, fmt.Errorf("write the metadata: %w", err)
		}
		out.Metadata = &metadata
	}
	a.identify(s, in.TemplateSummaryConfig, out)
	return out, nil
}

// textOf is the one template that the request names.
func (a *api) textOf(ctx context.Context, call *wire.Call, in *cloudformationapi.GetTemplateSummaryInput) (string, error) {
	switch {
	case in.StackSetName != nil:
		return "", cloudformationapi.StackSetNotFoundException("StackSet %s not found", *in.StackSetName)
	case in.StackName != nil && (in.TemplateBody != nil || in.TemplateURL != nil):
		return "", Invalid("You can specify only one of StackName, TemplateBody and TemplateURL")
	case in.StackName == nil:
		return a.config.Source.Template(ctx, Who(call), in.TemplateBody, in.TemplateURL)
	}
	return a.config.OfStack(ctx, call, *in.StackName)
}

// identify tells by what the resources of each type could be imported.
func (a *api) identify(s *template.Summary, config *cloudformationapi.TemplateSummaryConfig, out *cloudformationapi.GetTemplateSummaryOutput) {
	var unknown []string
	for _, kind := range s.Types {
		summary := cloudformationapi.ResourceIdentifierSummary{ResourceType: &kind, LogicalResourceIds: s.ByType[kind]}
		if names, known := a.config.Identifiers(kind); known {
			summary.ResourceIdentifiers = names
		} else {
			unknown = append(unknown, kind)
		}
		out.ResourceIdentifierSummaries = append(out.ResourceIdentifierSummaries, summary)
	}
	if config != nil && config.TreatUnrecognizedResourceTypesAsWarnings != nil && *config.TreatUnrecognizedResourceTypesAsWarnings && len(unknown) > 0 {
		out.Warnings = &cloudformationapi.Warnings{UnrecognizedResourceTypes: unknown}
	}
}
