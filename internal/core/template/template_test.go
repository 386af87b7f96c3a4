package template

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lambkin-dev/lambkin/internal/core/template/syntax"
)

// read is the way from a text to a template.
func read(t *testing.T, text string) (*Template, error) {
	t.Helper()
	values, err := syntax.Parse(text)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return Read(values)
}

// noStore is an empty Parameter Store.
func noStore(context.Context, string) (Stored, error) { return Stored{}, ErrNotStored }

func inputs(given map[string]string) map[string]Input {
	result := map[string]Input{}
	for name, value := range given {
		result[name] = Input{Value: value}
	}
	return result
}

// evaluate is the way from a text to an evaluation in a usual scope.
func evaluate(t *testing.T, text string, given map[string]string) (*Evaluation, error) {
	t.Helper()
	template, err := read(t, text)
	if err != nil {
		return nil, err
	}
	arguments, err := template.Parameters.Bind(t.Context(), inputs(given), nil, noStore)
	if err != nil {
		return nil, err
	}
	return template.Evaluate(t.Context(), Scope{
		Account: "123456789012", Region: "eu-central-1", StackName: "shop", StackID: "arn:aws:cloudformation:eu-central-1:123456789012:stack/shop/1",
		NotificationARNs: []string{"arn:aws:sns:eu-central-1:123456789012:told"}, Arguments: arguments, Resource: fakeResource, Export: fakeExport,
		StackOutput: func(_ context.Context, wanted StackOutput) (any, error) {
			return wanted.Stack + "." + wanted.Output + " in " + wanted.Region, nil
		},
	})
}

// fakeResource knows the texts and lists of any resource, but not those that are late.
func fakeResource(_ context.Context, name, attribute string) (any, error) {
	switch {
	case strings.HasPrefix(name, "Late"):
		return Unknown, nil
	case attribute == "List":
		return []any{name + "-1", name + "-2"}, nil
	case attribute == "Missing":
		return nil, &Error{"Template error: resource " + name + " does not support attribute type Missing in Fn::GetAtt"}
	case attribute == "":
		return name + "-id", nil
	}
	return name + "/" + attribute, nil
}

func fakeExport(_ context.Context, name string) (any, error) {
	if name == "nothing" {
		return nil, &Error{"No export named nothing found."}
	}
	return "exported " + name, nil
}

func message(err error) string {
	var refusal *Error
	if errors.As(err, &refusal) {
		return refusal.Message
	}
	if err != nil {
		return "NOT AN ERROR OF THE USER: " + err.Error()
	}
	return ""
}

const oneResource = "\nResources:\n  Topic: {Type: AWS::SNS::Topic}\n"

func TestTheTemplatesOfTheToolsAreRead(t *testing.T) {
	files, err := filepath.Glob("testdata/*")
	if err != nil || len(files) == 0 {
		t.Fatal("no templates", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			template, err := read(t, string(text))
			if err != nil {
				t.Fatal(err)
			}
			arguments, err := template.Parameters.Bind(t.Context(), nil, nil, func(context.Context, string) (Stored, error) { return Stored{"String", "21"}, nil })
			if err != nil {
				t.Fatal(err)
			}
			e, err := template.Evaluate(t.Context(), Scope{Account: "123456789012", Region: "us-east-1", StackName: "s", Arguments: arguments, Resource: fakeResource, Export: fakeExport})
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range e.Resources() {
				properties, err := e.Properties(t.Context(), name)
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
				visit(map[string]any(properties), 0, func(function string, _ any) { t.Errorf("%s: %s is left", name, function) })
			}
			if _, err := e.Outputs(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestStructureIsRefusedInAWSsWords(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		// Recorded from AWS in localstack's snapshots unless another source is named.
		{"no resources", "Description: x", "Template format error: At least one Resources member must be defined."},
		{"no type", "Resources: {Foo: {Properties: {}}}", "Template format error: [/Resources/Foo] Every Resources object must contain a Type member."},
		{"unknown member", "Resources: {A: {Type: AWS::SNS::Topic, Invalid: 10}}", "Invalid template resource property 'Invalid'"},
		{"name", "Resources: {my-bad-resource-id: {Type: AWS::SNS::Topic}}", "Template format error: Resource name my-bad-resource-id is non alphanumeric."},
		{"pseudo parameter as resource", "Resources: {'AWS::NoValue': {Type: AWS::SNS::Topic}}", "Template format error: Resource name AWS::NoValue is non alphanumeric."},
		{"pseudo parameter as parameter", "Parameters: {'AWS::NoValue': {Type: String}}" + oneResource, "Template format error: Parameter name AWS::NoValue is non alphanumeric."},
		{"resource no object", "Resources: {A: text}", "Template format error: Any Resources member must be an object."},
		{"null", "Resources: {A: {Type: AWS::SNS::Topic}}\nOutputs: {MyOutput: {Value: null}}", "[/Outputs/MyOutput/Value] 'null' values are not allowed in templates"},
		{"output without value", "Outputs: {MyOutput: {}}" + oneResource, "Template format error: Every Outputs member must contain a Value object"},
		{"mapping depth", "Mappings: {M: {A: text}}" + oneResource, "Template format error: Every Mappings member A must be a map"},
		{"mapping attribute", "Mappings: {M: {A: {B: {C: d}}}}" + oneResource, "Template format error: Every Mappings attribute must be a String or a List."},
		{"missing reference", "Resources: {A: {Type: AWS::SNS::Topic, Properties: {N: !Ref InvalidRef}}}",
			"Template format error: Unresolved resource dependencies [InvalidRef] in the Resources block of the template"},
		{"missing DependsOn", "Resources: {A: {Type: AWS::SNS::Topic, DependsOn: NonExistingResource}}",
			"Template format error: Unresolved resource dependencies [NonExistingResource] in the Resources block of the template"},
		{"Equals", "Conditions: {C: !Equals [a]}" + oneResource, "Template error: every Fn::Equals object requires a list of 2 string parameters."},
		{"GetAtt", "Resources: {A: {Type: AWS::SNS::Topic, Properties: {N: !GetAtt [A]}}}",
			"Template error: every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource attribute"},
		{"Split", "Resources: {A: {Type: AWS::SNS::Topic, Properties: {N: !Split [a]}}}",
			"Template error: every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string to be split or a function that returns a string to be split."},
		{"If", "Resources: {A: {Type: AWS::SNS::Topic, Properties: {N: !If [MissingCondition, a, b]}}}", "Template error: unresolved condition dependency MissingCondition in Fn::If"},
		// Texts that users quote in issues.
		{"GetAtt with one argument", "Resources: {A: {Type: AWS::SNS::Topic, Properties: {N: !GetAtt Foo}}}",
			"Template error: if specifying one argument to Fn::GetAtt, that argument must be a non-empty string in format <LogicalId>.<Attribute>"},
		{"GetAtt of nothing", "Resources: {A: {Type: AWS::SNS::Topic, Properties: {N: !GetAtt Foo.Arn}}}", "Template error: instance of Fn::GetAtt references undefined resource Foo"},
		{"Sub of nothing", "Resources: {A: {Type: AWS::SNS::Topic, Properties: {N: !Sub '${Foo.Arn}'}}}", "Template error: instance of Fn::Sub references invalid resource attribute Foo.Arn"},
		{"Sub name", "Resources: {A: {Type: AWS::SNS::Topic, Properties: {N: !Sub '${Param${Item}}'}}}",
			"Template error: variable names in Fn::Sub syntax must contain only alphanumeric characters, underscores, periods, and colons"},
		{"Join", "Resources: {A: {Type: AWS::SNS::Topic, Properties: {N: !Join [a]}}}",
			"Template error: every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of strings to be joined or a function that returns a list of strings (such as Fn::GetAZs) to be joined."},
		{"circle", "Resources: {B: {Type: X, Properties: {N: !Ref A}}, A: {Type: X, DependsOn: B}, C: {Type: X, DependsOn: A}, D: {Type: X}}", "Circular dependency between resources: [A, B]"},
		{"itself", "Resources: {A: {Type: X, Properties: {N: !GetAtt A.Arn}}}", "Circular dependency between resources: [A]"},
		{"sections", "Foo: 1\nBar: 2" + oneResource, "Invalid template property or properties [Bar, Foo]"},
		{"version", "AWSTemplateFormatVersion: 2010-09-10" + oneResource, "Template format error: unsupported value for AWSTemplateFormatVersion."},
		{"And", "Conditions: {C: !And [!Equals [a, a]]}" + oneResource, "Template error: every Fn::And object requires a list of at least 2 and at most 10 boolean parameters."},
		{"condition of resource", "Resources: {A: {Type: X, Condition: Nope}}", "Template format error: Unresolved condition dependency Nope in the Resources block of the template"},
		{"resource in condition", "Conditions: {C: !Equals [!Ref Topic, a]}" + oneResource,
			"Template format error: Unresolved dependencies [Topic]. Cannot reference resources in the Conditions block of the template"},
		{"circle of conditions", "Conditions: {A: !Not [!Condition B], B: !Not [!Condition A]}" + oneResource, "Template error: Found circular condition dependency between: [A, B]"},
		{"Equals outside", "Resources: {A: {Type: X, Properties: {N: !Equals [a, b]}}}", "Template error: Fn::Equals cannot be partially collapsed"},
		{"ImportValue", "Resources: {A: {Type: X, Properties: {N: !ImportValue {Ref: B}}}, B: {Type: X}}",
			"Template error: the attribute in Fn::ImportValue must not depend on any resources, imported values, or Fn::GetAZs"},
		{"mapping", "Resources: {A: {Type: X, Properties: {N: !FindInMap [Nope, a, b]}}}", "Template error: Mapping named 'Nope' is not present in the 'Mappings' section of template."},
		{"loop without the extensions", "Resources: {Fn::ForEach::T: [X, [a], {A: {Type: X}}]}", "Template format error: [/Resources/Fn::ForEach::T] resource definition is malformed"},
		{"long description", "Description: " + strings.Repeat("x", 1025) + oneResource, "Template format error: 'Description' length is greater than 1024"},
		{"secure reference", "Resources: {A: {Type: AWS::Lambda::Function, Properties: {Environment: {Variables: {K: !Sub 'x{{resolve:ssm-secure:n}}'}}}}}",
			"SSM Secure reference is not supported in: [AWS::Lambda::Function/Properties/Environment/Variables/K]"},
		{"DependsOn a function", "Resources: {A: {Type: X, DependsOn: !Ref B}, B: {Type: X}}", "Template format error: DependsOn must be a string or list of strings."},
		{"DependsOn functions", "Resources: {A: {Type: X, DependsOn: [!Ref B]}, B: {Type: X}}", "Template format error: Every DependsOn value must be a string."},
		{"policy", "Resources: {A: {Type: X, DeletionPolicy: Keep}}", "Template format error: Unrecognized DeletionPolicy Keep for resource A"},
		{"default", "Parameters: {P: {Type: String, Default: [a]}}" + oneResource, "Template format error: Every Default member must be a string."},
		{"parameter type", "Parameters: {P: {Type: Strin}}" + oneResource, "Template format error: Unrecognized parameter type: Strin"},
		{"parameter without type", "Parameters: {P: {Default: a}}" + oneResource, "Template format error: Every Parameters object must contain a Type member."},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := read(t, c.text)
			if got := message(err); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

const functionHead = `
Parameters:
  Env: {Type: String, Default: dev}
  Subnets: {Type: CommaDelimitedList, Default: "subnet-1, subnet-2,subnet-3"}
  Ports: {Type: List<Number>, Default: "80,443"}
Mappings:
  Regions:
    us-east-1: {Ami: ami-east, Size: 2}
    eu-central-1: {Ami: ami-west, Size: 3, Zones: [a, b]}
Conditions:
  IsProd: !Equals [!Ref Env, prod]
  InWest: !Equals [!FindInMap [Regions, !Ref "AWS::Region", Ami], ami-west]
Resources:
  Queue: {Type: AWS::SQS::Queue}
  LateQueue: {Type: AWS::SQS::Queue}
  R:
    Type: AWS::SNS::Topic
    Properties:
      P: `

// functionCases are values and what they are resolved to.
var functionCases = []struct {
	value string
	want  any
}{
	{`!Ref Env`, "dev"},
	{`!Ref Queue`, "Queue-id"},
	{`!Ref "AWS::Partition"`, "aws"},
	{`!Ref "AWS::URLSuffix"`, "amazonaws.com"},
	{`!Ref "AWS::NotificationARNs"`, []any{"arn:aws:sns:eu-central-1:123456789012:told"}},
	{`!Ref Ports`, []any{"80", "443"}},
	{`!Ref Subnets`, []any{"subnet-1", "subnet-2", "subnet-3"}},
	{`!GetAtt Queue.Arn`, "Queue/Arn"},
	{`!GetAtt Queue.Outputs.Name`, "Queue/Outputs.Name"},
	{`{"Fn::GetAtt": "Queue.Arn"}`, "Queue/Arn"},
	{`{"Fn::GetAtt": [Queue, !Ref Env]}`, "Queue/dev"},
	{`!If [IsProd, big, small]`, "small"},
	{`!If [InWest, west, other]`, "west"},
	{`[a, !If [IsProd, b, !Ref "AWS::NoValue"], c]`, []any{"a", "c"}},
	{`{Keep: 1, Drop: !If [IsProd, x, !Ref "AWS::NoValue"]}`, map[string]any{"Keep": json.Number("1")}},
	{`!FindInMap [Regions, !Ref "AWS::Region", Size]`, json.Number("3")},
	{`!FindInMap [Regions, eu-central-1, Zones]`, []any{"a", "b"}},
	{`!FindInMap [Regions, nowhere, Ami, {DefaultValue: !Ref Env}]`, "dev"},
	{`!Select [1, [a, b, c]]`, "b"},
	{`!Select ["2", !Ref Subnets]`, "subnet-3"},
	{`!Select [0, !GetAtt Queue.List]`, "Queue-1"},
	{`!Join ["|", !Ref Subnets]`, "subnet-1|subnet-2|subnet-3"},
	{`!Join ["", [a, 1, true, !Ref Env]]`, "a1truedev"},
	{`!Split [",", "a,b,,c"]`, []any{"a", "b", "", "c"}},
	{`!Select [3, !Split ["/", !Sub "a/b/c/${Env}"]]`, "dev"},
	{`!Base64 "hello world"`, "aGVsbG8gd29ybGQ="},
	{`!Base64 {"Fn::Sub": "${Env}-x"}`, "ZGV2LXg="},
	{`!Sub "${Env}-${AWS::AccountId}-${Queue}-${Queue.Arn}"`, "dev-123456789012-Queue-id-Queue/Arn"},
	{`!Sub ["${A}-${Env}", {A: !GetAtt Queue.Name, Env: mine}]`, "Queue/Name-mine"},
	// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference-sub.html: ${!Literal}
	{`!Sub "${!Literal} $x {} ${open"`, "${Literal} $x {} ${open"},
	{`!GetAZs ""`, []any{"eu-central-1a", "eu-central-1b", "eu-central-1c"}},
	{`!Select [0, !GetAZs {Ref: "AWS::Region"}]`, "eu-central-1a"},
	{`!ImportValue {"Fn::Sub": "${Env}-vpc"}`, "exported dev-vpc"},
	{`{"Fn::GetStackOutput": {StackName: !Ref Env, OutputName: VpcId}}`, "dev.VpcId in eu-central-1"},
	{`{"Fn::GetStackOutput": {StackName: net, OutputName: VpcId, Region: us-east-1}}`, "net.VpcId in us-east-1"},
	{`!Sub "${ Env }/${ AWS::Region }"`, "dev/eu-central-1"},
	// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference-cidr.html
	{`!Cidr ["192.168.0.0/24", 6, 5]`, []any{"192.168.0.0/27", "192.168.0.32/27", "192.168.0.64/27", "192.168.0.96/27", "192.168.0.128/27", "192.168.0.160/27"}},
	{`!Cidr ["10.0.7.9/16", "2", "8"]`, []any{"10.0.0.0/24", "10.0.1.0/24"}},
	{`!Cidr ["10.0.0.0/16", 1]`, []any{"10.0.0.0/24"}},
	{`!Cidr ["2600:1f18:abc:de00::/56", 2, 64]`, []any{"2600:1f18:abc:de00::/64", "2600:1f18:abc:de01::/64"}},
	{`!Length [a, b, c]`, json.Number("3")},
	{`!Length {Ref: Subnets}`, json.Number("3")},
	{`!ToJsonString {b: !Ref Env, a: [1, 2.50, "<"]}`, `{"a":[1,2.50,"<"],"b":"dev"}`},
	{`{On: yes, Id: 012345678901, Big: 123456789012, Day: 2012-10-17, Ver: 1.10}`,
		map[string]any{"On": true, "Id": "012345678901", "Big": json.Number("123456789012"), "Day": "2012-10-17", "Ver": json.Number("1.10")}},
	// What is not known yet stays so through every function.
	{`!Ref LateQueue`, Unknown},
	{`!Sub "${LateQueue.Arn}/x"`, Unknown},
	{`!Join ["", [a, !Ref LateQueue]]`, Unknown},
	{`!Select [0, !Split ["/", !Ref LateQueue]]`, Unknown},
	{`!Base64 {Ref: LateQueue}`, Unknown},
	{`!ToJsonString {a: !Ref LateQueue}`, Unknown},
	{`[known, !Ref LateQueue]`, []any{"known", Unknown}},
}

func TestFunctions(t *testing.T) {
	for _, c := range functionCases {
		t.Run(c.value, func(t *testing.T) {
			e, err := evaluate(t, functionHead+c.value, nil)
			if err != nil {
				t.Fatal(err)
			}
			got, err := e.Properties(t.Context(), "R")
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got["P"], c.want) {
				t.Errorf("got %#v, want %#v", got["P"], c.want)
			}
		})
	}
}

func TestFunctionsRefuseInAWSsWords(t *testing.T) {
	for _, c := range []struct{ value, want string }{
		{`!Select [3, [a, b]]`, "Template error: Fn::Select cannot select nonexistent value at index 3"},
		{`!Select [x, [a, b]]`, badSelect},
		{`!Select [0, !Ref Env]`, badSelect},
		{`!FindInMap [Regions, nowhere, Ami]`, "Template error: Unable to get mapping for Regions::nowhere::Ami"},
		{`!Join [",", [{a: b}]]`, badJoin},
		{`!Join [",", !Ref Env]`, badJoin},
		{`!Base64 [a]`, "Template error: every Fn::Base64 object must have a String-typed value."},
		{`!Sub "${Subnets}"`, badSubValue},
		{`!GetAtt Queue.Missing`, "Template error: resource Queue does not support attribute type Missing in Fn::GetAtt"},
		{`{"Fn::GetStackOutput": {StackName: a}}`, badOutput},
		{`{"Fn::GetStackOutput": {StackName: a, OutputName: b, Account: c}}`, badOutput},
		{`!ImportValue nothing`, "No export named nothing found."},
		{`!Cidr ["10.0.0.0/24", 9, 5]`, "Template error: Fn::Cidr: 10.0.0.0/24 has not enough room for 9 blocks with 5 CIDR bits"},
	} {
		t.Run(c.value, func(t *testing.T) {
			e, err := evaluate(t, functionHead+c.value, nil)
			if err == nil {
				_, err = e.Properties(t.Context(), "R")
			}
			if got := message(err); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestConditionsDecideWhatThereIs(t *testing.T) {
	const text = `
Parameters: {Env: {Type: String}}
Conditions:
  IsProd: !Equals [!Ref Env, prod]
  Other: !Or [!Condition IsProd, {Condition: {Condition: Dev}}]
  Dev: !Not [!Condition IsProd]
Resources:
  Prod: {Type: X, Condition: IsProd}
  User: {Type: X, Properties: {N: !If [IsProd, !Ref Prod, none]}}
  More: {Type: X, Condition: Other, DependsOn: User}
Outputs:
  O: {Condition: IsProd, Value: !GetAtt Prod.Arn, Export: {Name: !Sub "${AWS::StackName}-o"}}
`
	e, err := evaluate(t, text, map[string]string{"Env": "dev"})
	if err != nil {
		t.Fatal(err)
	}
	outputs, err := e.Outputs(t.Context())
	if err != nil || len(outputs) != 0 {
		t.Errorf("outputs %v %v", outputs, err)
	}
	if diff := cmp.Diff([]string{"More", "User"}, e.Resources()); diff != "" || len(e.Dependencies("User")) != 0 {
		t.Errorf("%s, %v", diff, e.Dependencies("User"))
	}
	e, err = evaluate(t, text, map[string]string{"Env": "prod"})
	if err != nil {
		t.Fatal(err)
	}
	outputs, err = e.Outputs(t.Context())
	if diff := cmp.Diff([]OutputValue{{Name: "O", Value: "Prod/Arn", ExportName: "shop-o"}}, outputs); diff != "" || err != nil {
		t.Errorf("%s %v", diff, err)
	}
	if diff := cmp.Diff([]string{"Prod"}, e.Dependencies("User")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"User"}, e.Dependencies("More")); diff != "" {
		t.Error(diff)
	}
}

func TestPoliciesMayBeFunctions(t *testing.T) {
	const text = "Parameters: {Env: {Type: String}}\nConditions: {Prod: !Equals [!Ref Env, prod]}\nResources:\n  A: {Type: X, DeletionPolicy: !If [Prod, Retain, Delete], UpdateReplacePolicy: !Ref Env}\n  B: {Type: X}"
	if _, err := evaluate(t, text, map[string]string{"Env": "prod"}); message(err) != "Template format error: Unrecognized UpdateReplacePolicy prod for resource A" {
		t.Error(err)
	}
	e, err := evaluate(t, strings.Replace(text, "!Ref Env}", "Retain}", 1), map[string]string{"Env": "prod"})
	if err != nil {
		t.Fatal(err)
	}
	if a := e.Template.Resources["A"]; a.DeletionPolicy != "Retain" || a.UpdateReplacePolicy != "Retain" || e.Template.Resources["B"].DeletionPolicy != "" {
		t.Errorf("%+v", a)
	}
	if _, err := evaluate(t, "Resources: {A: {Type: X, DeletionPolicy: !Ref B}, B: {Type: X}}", nil); message(err) != "Template format error: Unresolved dependencies [B]. Cannot reference resources in DeletionPolicy and UpdateReplacePolicy" {
		t.Error(err)
	}
}

func TestWhatAConditionLeavesOutCannotBeReferredTo(t *testing.T) {
	const head = "Parameters: {Env: {Type: String, Default: dev}}\nConditions: {Never: !Equals [!Ref Env, prod]}\nResources:\n  MyTopic: {Type: X, Condition: Never}\n"
	for _, c := range []struct{ rest, want string }{
		{"  B: {Type: X, Properties: {N: !Ref MyTopic}}", "Template format error: Unresolved resource dependencies [MyTopic] in the Resources block of the template"},
		{"  B: {Type: X, DependsOn: MyTopic}", "Template format error: Unresolved resource dependencies [MyTopic] in the Resources block of the template"},
		{"  B: {Type: X}\nOutputs: {O: {Value: !Ref MyTopic}}", "Unresolved resource dependencies [MyTopic] in the Outputs block of the template"},
		{"  B: {Type: X, Properties: {N: !If [Never, !Ref MyTopic, x]}}", ""},
		{"  B: {Type: X, Properties: {N: !If [Never, !Ref C, x]}}\n  C: {Type: X, Properties: {N: !Ref B}}", ""},
		{"  B: {Type: X, Properties: {N: !If [Never, x, !Ref C]}}\n  C: {Type: X, Properties: {N: !Ref B}}", "Circular dependency between resources: [B, C]"},
	} {
		_, err := evaluate(t, head+c.rest, nil)
		if got := message(err); got != c.want {
			t.Errorf("%s\ngot  %s\nwant %s", c.rest, got, c.want)
		}
	}
}

func TestReferencesAreNamedAsChangeSetsDo(t *testing.T) {
	e, err := evaluate(t, functionHead+`!If [IsProd, !Ref Queue, !Sub ["${Env}-${Queue.Arn}-${AWS::Region}-${A}", {A: !Ref LateQueue}]]`, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []Reference{{ParameterReference, "Env", ""}, {ResourceAttribute, "Queue", "Arn"}, {ResourceReference, "LateQueue", ""}}
	if diff := cmp.Diff(want, e.References(e.Template.Resources["R"].Properties["P"])); diff != "" {
		t.Error(diff)
	}
	if got := want[1].Entity() + " " + want[0].Entity(); got != "Queue.Arn Env" {
		t.Error(got)
	}
}

func TestDynamicReferencesAreRevealedLast(t *testing.T) {
	e, err := evaluate(t, functionHead+`{A: !Sub "{{resolve:ssm:/db/${Env}:3}}", B: "x-{{resolve:secretsmanager:arn:aws:secretsmanager:eu-central-1:123456789012:secret:db-AbCdEf:SecretString:password}}-y", C: "{{resolve:ssm:name}}{{resolve:secretsmanager:db::::v1}}"}`, nil)
	if err != nil {
		t.Fatal(err)
	}
	properties, err := e.Properties(t.Context(), "R")
	if err != nil {
		t.Fatal(err)
	}
	var asked []Dynamic
	got, err := Reveal(t.Context(), properties["P"], func(_ context.Context, d Dynamic) (string, error) {
		asked = append(asked, d)
		return `{"password":"p","n":1}`, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	const whole = `{"password":"p","n":1}`
	if diff := cmp.Diff(map[string]any{"A": whole, "B": "x-p-y", "C": whole + whole}, got); diff != "" {
		t.Error(diff)
	}
	if len(asked) != 4 {
		t.Errorf("%+v", asked)
	}
	if _, err := read(t, "Resources: {U: {Type: AWS::IAM::User, Properties: {LoginProfile: {Password: '{{resolve:ssm-secure:n:1}}'}}}}"); err != nil {
		t.Error(err)
	}
	for _, c := range []struct{ text, secret, want string }{
		{"{{resolve:ssm:}}", "", "Incorrect format is used in the following SSM reference: [{{resolve:ssm:}}]"},
		{"{{resolve:ssm:a:b}}", "", "Incorrect format is used in the following SSM reference: [{{resolve:ssm:a:b}}]"},
		{"{{resolve:secretsmanager:a:SecretString:k}}", "x", "Could not parse SecretString JSON"},
		{"{{resolve:secretsmanager:a:SecretString:k}}", "{}", "Could not find a value associated with JSONKey in SecretString"},
	} {
		_, err := Reveal(t.Context(), []any{c.text}, func(context.Context, Dynamic) (string, error) { return c.secret, nil })
		if got := message(err); got != c.want {
			t.Errorf("%s: got %s", c.text, got)
		}
	}
}
