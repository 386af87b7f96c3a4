package summary

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lambkin-dev/lambkin/internal/api/cloudformationapi"
	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/svc/cloudformation/source"
	"github.com/lambkin-dev/lambkin/internal/wire"
)

// do calls one of the operations.
func do(t *testing.T, name string, in any) (any, error) {
	t.Helper()
	config := Config{
		Source: source.New(nil),
		OfStack: func(_ context.Context, _ *wire.Call, name string) (string, error) {
			return "Resources: {T: {Type: AWS::SNS::Topic}}\nDescription: of " + name, nil
		},
		Identifiers: func(kind string) ([]string, bool) {
			return map[string][]string{"AWS::SSM::Parameter": {"Name"}, "AWS::SNS::Topic": {"TopicArn"}, "AWS::IAM::Role": {"RoleName"}}[kind], kind != "AWS::EC2::Instance"
		},
	}
	for _, op := range Operations(config) {
		if op.Model.Name == name {
			return op.Do(t.Context(), &wire.Call{Account: "123456789012", Region: "us-east-1"}, in)
		}
	}
	t.Fatal("no operation " + name)
	return nil, nil
}

// same compares by the members that are there.
func same(t *testing.T, got, want any) {
	t.Helper()
	var a, b any
	for from, to := range map[any]*any{got: &a, want: &b} {
		text, err := json.Marshal(from)
		if err != nil || json.Unmarshal(text, to) != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(b, a); diff != "" {
		t.Error(diff)
	}
}

func text(s string) *string { return &s }

func yes(b bool) *bool { return &b }

func TestValidateTemplate(t *testing.T) {
	// Recorded: localstack, test_validate_template.
	got, err := do(t, "ValidateTemplate", &cloudformationapi.ValidateTemplateInput{TemplateBody: text(`
Parameters:
  KeyExample: {Description: The EC2 Key Pair to allow SSH access to the instance, Type: AWS::EC2::KeyPair::KeyName}
Resources: {R: {Type: AWS::EC2::Instance, Properties: {KeyName: !Ref KeyExample}}}`)})
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, &cloudformationapi.ValidateTemplateOutput{Parameters: []cloudformationapi.TemplateParameter{
		{ParameterKey: text("KeyExample"), Description: text("The EC2 Key Pair to allow SSH access to the instance"), NoEcho: yes(false)}}})
	got, err = do(t, "ValidateTemplate", &cloudformationapi.ValidateTemplateInput{TemplateBody: text(`{"Transform": "AWS::Serverless-2016-10-31", "Globals": {"Function": {"Timeout": 3}},
		"Resources": {"F": {"Type": "AWS::Serverless::Function", "Properties": {"Events": {"E": {"Type": "Api"}}}}}}`)})
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, &cloudformationapi.ValidateTemplateOutput{Parameters: []cloudformationapi.TemplateParameter{}, Capabilities: []string{"CAPABILITY_AUTO_EXPAND"},
		CapabilitiesReason: text("The following transform(s) require capabilities: [AWS::Serverless-2016-10-31]"), DeclaredTransforms: []string{"AWS::Serverless-2016-10-31"}})
	for body, want := range map[string]string{
		// Recorded: localstack, test_validate_invalid_json_template_should_fail.
		`{"this is invalid JSON"="bobbins"}`:                 "Template format error: JSON not well-formed. (line 1, column 25)",
		`file://template.yaml`:                               "Template format error: unsupported structure.",
		`Resources: {A: {Type: X, Properties: {N: !Ref B}}}`: "Template format error: Unresolved resource dependencies [B] in the Resources block of the template",
	} {
		_, err := do(t, "ValidateTemplate", &cloudformationapi.ValidateTemplateInput{TemplateBody: &body})
		var f *fault.Fault
		if !errors.As(err, &f) || f.Code != "ValidationError" || f.Status != 400 || f.Message != want {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestGetTemplateSummary(t *testing.T) {
	// Recorded: localstack, test_get_template_summary and test_describe_template.
	got, err := do(t, "GetTemplateSummary", &cloudformationapi.GetTemplateSummaryInput{
		TemplateBody: text(`
AWSTemplateFormatVersion: 2010-09-09
Metadata: {TopicName: sns-topic-simple}
Parameters: {KinesisRoleName: {Type: String}, Size: {Type: Number, Default: 3, AllowedValues: [3, 4]}}
Resources: {topic123: {Type: AWS::SNS::Topic}, Role: {Type: AWS::IAM::Role, Properties: {RoleName: !Ref KinesisRoleName}}, I: {Type: AWS::EC2::Instance}}`),
		TemplateSummaryConfig: &cloudformationapi.TemplateSummaryConfig{TreatUnrecognizedResourceTypesAsWarnings: yes(true)}})
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, &cloudformationapi.GetTemplateSummaryOutput{
		Version: text("2010-09-09"), Metadata: text(`{"TopicName":"sns-topic-simple"}`), ResourceTypes: []string{"AWS::EC2::Instance", "AWS::IAM::Role", "AWS::SNS::Topic"},
		Parameters: []cloudformationapi.ParameterDeclaration{
			{ParameterKey: text("KinesisRoleName"), ParameterType: text("String"), NoEcho: yes(false), ParameterConstraints: &cloudformationapi.ParameterConstraints{}},
			{ParameterKey: text("Size"), ParameterType: text("Number"), DefaultValue: text("3"), NoEcho: yes(false), ParameterConstraints: &cloudformationapi.ParameterConstraints{AllowedValues: []string{"3", "4"}}}},
		Capabilities: []string{"CAPABILITY_NAMED_IAM"}, CapabilitiesReason: text("The following resource(s) require capabilities: [AWS::IAM::Role]"),
		ResourceIdentifierSummaries: []cloudformationapi.ResourceIdentifierSummary{
			{ResourceType: text("AWS::EC2::Instance"), LogicalResourceIds: []string{"I"}},
			{ResourceType: text("AWS::IAM::Role"), LogicalResourceIds: []string{"Role"}, ResourceIdentifiers: []string{"RoleName"}},
			{ResourceType: text("AWS::SNS::Topic"), LogicalResourceIds: []string{"topic123"}, ResourceIdentifiers: []string{"TopicArn"}}},
		Warnings: &cloudformationapi.Warnings{UnrecognizedResourceTypes: []string{"AWS::EC2::Instance"}},
	})
	got, err = do(t, "GetTemplateSummary", &cloudformationapi.GetTemplateSummaryInput{StackName: text("shop")})
	if err != nil || *got.(*cloudformationapi.GetTemplateSummaryOutput).Description != "of shop" {
		t.Errorf("%v %v", got, err)
	}
	for _, in := range []*cloudformationapi.GetTemplateSummaryInput{{StackName: text("a"), TemplateBody: text("b")}, {}, {StackSetName: text("s")}} {
		if got, err := do(t, "GetTemplateSummary", in); fault.From(err) == nil {
			t.Errorf("%v %v", got, err)
		}
	}
}
