package macro

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lambkin-dev/lambkin/internal/core/template"
	"github.com/lambkin-dev/lambkin/internal/core/template/syntax"
)

func parse(t *testing.T, text string) map[string]any {
	t.Helper()
	values, err := syntax.Parse(text)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return values
}

// bucket is what AWS::Include reads.
var bucket = map[string]string{
	"s3://b/data.yaml":    "Value: from_transformation\n",
	"s3://b/outputs.yaml": "Outputs: {O: {Value: !Ref P}}\n",
	"s3://b/outputs.json": `{"Outputs": {"O": {"Value": {"Ref": "P"}}}}`,
	"s3://b/list.yaml":    "[a, b]",
	"s3://b/resource.yml": "x: &x {Type: AWS::SNS::Topic}\nTopic: *x\n",
	"s3://b/broken.yaml":  "a: [",
}

// environment has one macro that replaces a text, and one that names its input.
func environment(t *testing.T, values map[string]any, given map[string]string) Environment {
	t.Helper()
	parameters, err := template.ReadParameters(values)
	if err != nil {
		t.Fatal(err)
	}
	inputs := map[string]template.Input{}
	for name, value := range given {
		inputs[name] = template.Input{Value: value}
	}
	arguments, err := parameters.Bind(t.Context(), inputs, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return Environment{
		Account: "123456789012", Region: "eu-central-1", StackName: "shop", Arguments: arguments,
		Include: func(_ context.Context, location string) (string, error) {
			if text, ok := bucket[location]; ok {
				return text, nil
			}
			return "", &template.Error{Message: "S3 bucket [doesnotexist] does not exist."}
		},
		Transform: func(_ context.Context, call Call) (any, error) {
			switch call.Name {
			case "ReplaceString":
				return replace(call.Fragment, fmt.Sprint(call.Parameters["Input"])), nil
			case "Show":
				return map[string]any{"call": fmt.Sprintf("%v %v %v", call.Fragment, call.Parameters, call.Whole)}, nil
			case "Text":
				return "no template", nil
			}
			return nil, ErrUnknown
		},
	}
}

func replace(value any, input string) any {
	switch value := value.(type) {
	case string:
		return strings.ReplaceAll(value, "<replace-this>", input+" <replace-this>")
	case []any:
		items := []any{}
		for _, item := range value {
			items = append(items, replace(item, input))
		}
		return items
	case map[string]any:
		object := map[string]any{}
		for key, item := range value {
			object[key] = replace(item, input)
		}
		return object
	}
	return value
}

func TestTransformsRunInAWSsOrder(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		// Recorded: localstack, test_scope_order_and_parameters.
		{"order", `
Resources:
  Parameter:
    Properties:
      Value: "<replace-this>"
      Fn::Transform:
        - {Name: ReplaceString, Parameters: {Input: snippet}}
        - {Name: ReplaceString, Parameters: {Input: second-snippet}}
Transform:
  - {Name: ReplaceString, Parameters: {Input: global}}
  - {Name: ReplaceString, Parameters: {Input: second-global}}
`, `Resources: {Parameter: {Properties: {Value: snippet second-snippet global second-global <replace-this>}}}`},
		{"deepest first", `
Resources:
  A:
    Fn::Transform: {Name: ReplaceString, Parameters: {Input: outer}}
    B: {V: "<replace-this>", Fn::Transform: {Name: ReplaceString, Parameters: {Input: inner}}}
`, `Resources: {A: {B: {V: inner outer <replace-this>}}}`},
		// Recorded: localstack, test_functions_and_references_during_transformation.
		{"parameters", `
Parameters: {P: {Type: String, Default: given}}
Resources: {A: {V: {Fn::Transform: {Name: Show, Parameters: {I: !Ref P, J: !Join ["-", [a, b]], K: !Ref Topic}}}}}
`, `
Parameters: {P: {Type: String, Default: given}}
Resources: {A: {V: {call: "map[] map[I:given J:a-b K:map[Ref:Topic]] false"}}}`},
		{"the fragment has no Transform", "Transform: Show\nResources: {A: b}", `call: "map[Resources:map[A:b]] map[] true"`},
		// Recorded: localstack, test_transformer_property_level and test_global_fn_transform_include.
		{"include beside properties", `
Parameters: {B: {Type: String, Default: b}}
Resources:
  P: {Properties: {Description: hello, Fn::Transform: {Name: AWS::Include, Parameters: {Location: !Sub "s3://${B}/data.yaml"}}}}
`, `
Parameters: {B: {Type: String, Default: b}}
Resources: {P: {Properties: {Description: hello, Value: from_transformation}}}`},
		{"include a section", "Transform: {Name: AWS::Include, Parameters: {Location: s3://b/outputs.yaml}}\nResources: {P: {Type: X}}", "Resources: {P: {Type: X}}\nOutputs: {O: {Value: !Ref P}}"},
		{"include into a section", "Transform: [{Name: AWS::Include, Parameters: {Location: s3://b/outputs.json}}]\nOutputs: {A: {Value: x}}", "Outputs: {O: {Value: !Ref P}, A: {Value: x}}"},
		{"include a list", "Resources: {A: {V: {Fn::Transform: {Name: AWS::Include, Parameters: {Location: s3://b/list.yaml}}}}}", "Resources: {A: {V: [a, b]}}"},
		{"include with aliases", "Resources: {Fn::Transform: {Name: AWS::Include, Parameters: {Location: s3://b/resource.yml}}}", "Resources: {x: {Type: AWS::SNS::Topic}, Topic: {Type: AWS::SNS::Topic}}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			values := parse(t, c.text)
			before, _ := syntax.JSON(values)
			got, err := Process(t.Context(), values, environment(t, values, nil))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(parse(t, c.want), got); diff != "" {
				t.Error(diff)
			}
			if after, _ := syntax.JSON(values); after != before {
				t.Error("the input was changed")
			}
		})
	}
}

func TestTransformsRefuseInAWSsWords(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		// Recorded: localstack, TestMacros.
		{"Transform: [{Name: {Ref: P}}]", "Key Name of transform definition must be a string."},
		{"Transform: Text", "Template format error: unsupported structure."},
		{"Transform: {Name: AWS::Include, Parameters: {Location: s3://doesnotexist/x}}", "Transform AWS::Include failed with: S3 bucket [doesnotexist] does not exist."},
		{"Transform: Nope", "No transform named 123456789012::Nope found."},
		{"Transform: AWS::Serverless-2016-10-31", "No transform named AWS::Serverless-2016-10-31 found."},
		{"Transform: {Name: AWS::Include}", "Transform AWS::Include failed with: The Location parameter is required and must be a string, and is the only one."},
		{"Transform: {Name: AWS::Include, Parameters: {Location: s3://b/broken.yaml}}", "Transform AWS::Include failed with: Template format error: YAML not well-formed. (line 2, column 1)"},
		{"Outputs: {Fn::Transform: {Name: AWS::Include, Parameters: {Location: s3://b/data.yaml}}, Value: x}", "Transform AWS::Include failed with: The template has a member Value already."},
		{"Resources: {Fn::Transform: AWS::LanguageExtensions}", "Template format error: the transform AWS::LanguageExtensions must be declared in the Transform section of the template."},
		{"Transform: 1", "Template format error: a transform must be a string or an object with a Name."},
	} {
		values := parse(t, c.text)
		_, err := Process(t.Context(), values, environment(t, map[string]any{}, nil))
		if err == nil || err.Error() != c.want {
			t.Errorf("%s\ngot  %v\nwant %s", c.text, err, c.want)
		}
	}
}

// extensionCases are templates and what they become.
var extensionCases = []struct {
	name, text, want string
	given            map[string]string
}{
	// Recorded: localstack, TestLanguageExtensionsTransform.
	{"length", `
Transform: AWS::LanguageExtensions
Parameters: {QueueList: {Type: CommaDelimitedList}}
Resources: {P: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: {Fn::Length: !Ref QueueList}}}}
Outputs: {Name: {Value: !Ref P}}
`, `
Parameters: {QueueList: {Type: CommaDelimitedList}}
Resources: {P: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: 3}}}
Outputs: {Name: {Value: !Ref P}}
`, map[string]string{"QueueList": "a,b,c"}},
	{"loop over a parameter", `
Transform: AWS::LanguageExtensions
Parameters: {Names: {Type: CommaDelimitedList}}
Resources:
  Fn::ForEach::Topics:
    - TopicName
    - !Ref Names
    - SnsTopic${TopicName}:
        Type: AWS::SNS::Topic
        Properties: {TopicName: {Fn::Join: [".", [!Ref TopicName, fifo]]}, FifoTopic: true}
`, `
Parameters: {Names: {Type: CommaDelimitedList}}
Resources:
  SnsTopica: {Type: AWS::SNS::Topic, Properties: {TopicName: a.fifo, FifoTopic: true}}
  SnsTopicb: {Type: AWS::SNS::Topic, Properties: {TopicName: b.fifo, FifoTopic: true}}
`, map[string]string{"Names": "a,b"}},
	{"loops in loops", `
Transform: AWS::LanguageExtensions
Resources:
  Fn::ForEach::TopLevel:
    - Prefix
    - [Foo, Bar]
    - My${Prefix}Parameter: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: !Sub "my value ${Prefix}"}}
      Fn::ForEach::LowerLevel:
        - Suffix
        - [A, B]
        - My${Prefix}Parameter${Suffix}: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: !Sub "my value ${Suffix}"}}
`, `
Resources:
  MyFooParameter: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: my value Foo}}
  MyFooParameterA: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: my value A}}
  MyFooParameterB: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: my value B}}
  MyBarParameter: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: my value Bar}}
  MyBarParameterA: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: my value A}}
  MyBarParameterB: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: my value B}}
`, nil},
	{"JSON", `
Transform: [AWS::LanguageExtensions]
Resources:
  P: {Type: AWS::SSM::Parameter, Properties: {A: {Fn::ToJsonString: {a: foo, b: bar}}, B: {Fn::ToJsonString: [a, b]}, C: {Fn::ToJsonString: {q: !GetAtt Q.Arn, r: !Ref AWS::Region}}}}
  Q: {Type: AWS::SQS::Queue, Properties: {Name: !Sub "${AWS::StackName}_api"}}
`, `
Resources:
  P: {Type: AWS::SSM::Parameter, Properties: {A: '{"a":"foo","b":"bar"}', B: '["a","b"]', C: {Fn::ToJsonString: {q: !GetAtt Q.Arn, r: eu-central-1}}}}
  Q: {Type: AWS::SQS::Queue, Properties: {Name: shop_api}}
`, nil},
	{"references to copies, conditions, policies", `
Transform: AWS::LanguageExtensions
Parameters: {Stage: {Type: String, Default: prod}, Secret: {Type: String, NoEcho: true, Default: s}}
Mappings: {Keep: {prod: {Policy: Retain}}}
Conditions:
  Fn::ForEach::Conditions: [X, [A, B], {"Is${X}": !Equals [!Ref Stage, !Ref X]}]
Resources:
  Fn::ForEach::Queues:
    - X
    - [A, B]
    - Q${X}: {Type: AWS::SQS::Queue, Condition: !Sub "Is${X}", DeletionPolicy: !FindInMap [Keep, !Ref Stage, Policy], Properties: {N: !GetAtt [!Sub "P${X}", Arn], S: !Ref Secret, T: !Sub "${Secret}-${X}", I: !If [!Sub "Is${X}", 1, !Ref AWS::NoValue]}}
      P${X}: {Type: AWS::SQS::Queue, UpdateReplacePolicy: !FindInMap [Keep, dev, Policy, {DefaultValue: Delete}], DependsOn: !Sub "P${X}x"}
      P&{X}x: {Type: AWS::SQS::Queue, Properties: {Fn::ForEach::Props: [Y, [C], {"Prop${Y}": {Ref: !Sub "Z${X}"}}], Plain: "${X}", Lit: !Sub "${!X}"}}
      Z${X}: {Type: AWS::SQS::Queue}
`, `
Parameters: {Stage: {Type: String, Default: prod}, Secret: {Type: String, NoEcho: true, Default: s}}
Mappings: {Keep: {prod: {Policy: Retain}}}
Conditions: {IsA: !Equals [!Ref Stage, A], IsB: !Equals [!Ref Stage, B]}
Resources:
  QA: {Type: AWS::SQS::Queue, Condition: IsA, DeletionPolicy: Retain, Properties: {N: !GetAtt PA.Arn, S: !Ref Secret, T: !Sub "${Secret}-A", I: !If [IsA, 1, !Ref AWS::NoValue]}}
  QB: {Type: AWS::SQS::Queue, Condition: IsB, DeletionPolicy: Retain, Properties: {N: !GetAtt PB.Arn, S: !Ref Secret, T: !Sub "${Secret}-B", I: !If [IsB, 1, !Ref AWS::NoValue]}}
  PA: {Type: AWS::SQS::Queue, UpdateReplacePolicy: Delete, DependsOn: PAx}
  PB: {Type: AWS::SQS::Queue, UpdateReplacePolicy: Delete, DependsOn: PBx}
  PAx: {Type: AWS::SQS::Queue, Properties: {PropC: !Ref ZA, Plain: "${X}", Lit: "${X}"}}
  PBx: {Type: AWS::SQS::Queue, Properties: {PropC: !Ref ZB, Plain: "${X}", Lit: "${X}"}}
  ZA: {Type: AWS::SQS::Queue}
  ZB: {Type: AWS::SQS::Queue}
`, nil},
}

func TestLanguageExtensions(t *testing.T) {
	for _, c := range extensionCases {
		t.Run(c.name, func(t *testing.T) {
			values := parse(t, c.text)
			got, err := Process(t.Context(), values, environment(t, values, c.given))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(parse(t, c.want), got); diff != "" {
				t.Error(diff)
			}
			if _, err := template.Read(got); err != nil {
				t.Errorf("the result is no template: %v", err)
			}
		})
	}
}

func TestLanguageExtensionsRefuse(t *testing.T) {
	const failed = "Transform AWS::LanguageExtensions failed with: "
	for _, c := range []struct{ resources, want string }{
		{`{Fn::ForEach::A: [X, "A,B", {"T${X}": {Type: X}}]}`, failed + "Fn::ForEach layout is incorrect"},
		{`{Fn::ForEach::A: [X, [A]]}`, failed + "Fn::ForEach layout is incorrect"},
		{`{Fn::ForEach::A: [X, !GetAtt Q.List, {"T${X}": {Type: X}}]}`, failed + "Could not find a collection or could not be resolved for Fn::ForEach"},
		{`{Fn::ForEach::A: [X, [A, B], {T: {Type: X}}]}`, failed + "Duplicate key 'T' when merging keys to parent object in Fn::ForEach"},
		{`{Fn::ForEach::A: [X, [a-b], {"T${X}": {Type: X}}]}`, failed + "LogicalId 'Ta-b' should be alphanumeric"},
		{`{A: {Type: X, Properties: {L: !Length {"Fn::GetAtt": [Q, List]}}}}`, failed + "The Fn::Length value could not be resolved for properties"},
		{`{A: {Type: X, DeletionPolicy: !Ref B}}`, failed + "Unsupported expression for DeletionPolicy"},
		{`{A: {Type: X, Properties: {L: !FindInMap [M, a, b]}}}`, failed + "Mapping named 'M' is not present in the 'Mappings' section of template."},
		{`{Fn::ForEach::A: [X, [A], {"T${X}": {P: !Sub "${Param${X}}"}}]}`, "Template error: variable names in Fn::Sub syntax must contain only alphanumeric characters, underscores, periods, and colons"},
		{`{Fn::ForEach::A: [A, [1,2], {Fn::ForEach::B: [B, [1], {Fn::ForEach::C: [C, [1], {Fn::ForEach::D: [D, [1], {Fn::ForEach::E: [E, [1], {Fn::ForEach::F: [F, [1], {"T${F}": {Type: X}}]}]}]}]}]}]}`, failed + "Fn::ForEach is nested deeper than 5"},
	} {
		values := parse(t, "Transform: AWS::LanguageExtensions\nResources: "+c.resources)
		_, err := Process(t.Context(), values, environment(t, values, nil))
		if err == nil || err.Error() != c.want {
			t.Errorf("%s\ngot  %v\nwant %s", c.resources, err, c.want)
		}
	}
}

func TestLoopsAreBounded(t *testing.T) {
	items := strings.TrimSuffix(strings.Repeat("a, ", 2000), ", ")
	loop := `{"V${A}${B}${C}": 1}`
	for _, name := range []string{"C", "B", "A"} {
		loop = fmt.Sprintf("{Fn::ForEach::%s: [%s, [%s], %s]}", name, name, items, loop)
	}
	values := parse(t, "Transform: AWS::LanguageExtensions\nOutputs: "+loop)
	if _, err := Process(t.Context(), values, environment(t, values, nil)); err == nil {
		t.Error("eight thousand million outputs")
	}
}

func TestAProcessedTemplateHasTheSizeOfATemplate(t *testing.T) {
	values := parse(t, "Transform: ReplaceString\nResources: {A: {V: <replace-this>}}")
	e := environment(t, values, nil)
	for size, want := range map[int]string{template.MaxBytes - 100: "", template.MaxBytes: "Template may not exceed 1000000 bytes in size."} {
		e.Transform = func(context.Context, Call) (any, error) {
			return map[string]any{"Description": strings.Repeat("x", size)}, nil
		}
		_, err := Process(t.Context(), values, e)
		if (err == nil) != (want == "") || err != nil && err.Error() != want {
			t.Errorf("%d: %v", size, err)
		}
	}
}

func TestMacrosSpeakTheContract(t *testing.T) {
	values := parse(t, "Parameters: {L: {Type: CommaDelimitedList, Default: 'a, b'}, S: {Type: String, Default: s}}\nTransform: {Name: PrintInternals, Parameters: {Input: x}}\nResources: {A: {Type: X}}")
	e := environment(t, values, nil)
	run := func(answer string, broken bool) (any, error) {
		e.Transform = func(ctx context.Context, call Call) (any, error) {
			return RunLambda(ctx, e, call, "arn:f", "request-1", func(_ context.Context, function string, event []byte) ([]byte, bool, error) {
				// Recorded: localstack, test_validate_lambda_internals; a list parameter is a list (test_pyplate_param_type_list).
				const want = `{"accountId":"123456789012","fragment":{"Parameters":{"L":{"Type":"CommaDelimitedList","Default":"a, b"},"S":{"Type":"String","Default":"s"}},"Resources":{"A":{"Type":"X"}}},
					"transformId":"123456789012::PrintInternals","requestId":"request-1","region":"eu-central-1","params":{"Input":"x"},"templateParameterValues":{"L":["a","b"],"S":"s"}}`
				var a, b any
				if json.Unmarshal([]byte(want), &a) != nil || json.Unmarshal(event, &b) != nil || function != "arn:f" {
					t.Errorf("%s %s", function, event)
				}
				if diff := cmp.Diff(a, b); diff != "" {
					t.Error(diff)
				}
				return []byte(answer), broken, nil
			})
		}
		return Process(t.Context(), values, e)
	}
	got, err := run(`{"requestId":"request-1","status":"success","fragment":{"Resources":{"B":{"Type":"Y","N":1.50}}}}`, false)
	if diff := cmp.Diff(parse(t, "Resources: {B: {Type: Y, N: 1.50}}"), got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	// Recorded: localstack, test_failed_state.
	const name = "123456789012::PrintInternals"
	for _, c := range []struct {
		answer string
		broken bool
		want   string
	}{
		{`{"requestId":"request-1","status":"failure","errorMessage":"failed because it is a test"}`, false, "Transform " + name + " failed with: failed because it is a test"},
		{`{"requestId":"request-1","status":"failed"}`, false, "Transform " + name + " failed without an error message."},
		{`{"requestId":"request-1","status":"success","fragment":"invalid"}`, false, "Template format error: unsupported structure."},
		{`{"errorMessage":"x","errorType":"E"}`, true, "Received malformed response from transform " + name},
		{`{"requestId":"other","status":"success","fragment":{}}`, false, "Received malformed response from transform " + name},
		{`{"requestId":"request-1","status":"success"}`, false, "Received malformed response from transform " + name},
		{`nonsense`, false, "Received malformed response from transform " + name},
	} {
		if _, err := run(c.answer, c.broken); err == nil || err.Error() != c.want {
			t.Errorf("%s\ngot  %v\nwant %s", c.answer, err, c.want)
		}
	}
	e.Transform = func(ctx context.Context, call Call) (any, error) {
		return RunLambda(ctx, e, call, "arn:f", "r", func(context.Context, string, []byte) ([]byte, bool, error) { return nil, false, errors.New("down") })
	}
	if _, err := Process(t.Context(), values, e); err == nil || err.Error() != "down" {
		t.Error(err)
	}
}

func TestTheTransformsOfATemplateAreNamed(t *testing.T) {
	values := parse(t, "Transform: [AWS::Serverless-2016-10-31, {Name: M}]\nResources: {A: {Fn::Transform: [{Name: Z}, AWS::Include]}, B: [{Fn::Transform: Z}]}")
	if diff := cmp.Diff([]string{"AWS::Include", "Z", "AWS::Serverless-2016-10-31", "M"}, Names(values)); diff != "" {
		t.Error(diff)
	}
}

func FuzzProcess(f *testing.F) {
	f.Add("Transform: AWS::LanguageExtensions\nParameters: {P: {Type: CommaDelimitedList, Default: a}}\nResources: {Fn::ForEach::A: [X, !Ref P, {'T${X}': {Type: X, P: !Sub '${X}'}}]}")
	f.Add("Transform: [AWS::LanguageExtensions]\nConditions: {C: !Not [!Equals [a, b]]}\nResources: {A: {Type: X, DeletionPolicy: !If [C, Retain, Delete], V: !Length [!ToJsonString [1]]}}")
	f.Add("Resources: {A: {Fn::Transform: {Name: AWS::Include, Parameters: {Location: s3://b/data.yaml}}}}")
	f.Fuzz(func(t *testing.T, text string) {
		values, err := syntax.Parse(text)
		if err != nil {
			t.Skip()
		}
		parameters, err := template.ReadParameters(values)
		if err != nil {
			t.Skip()
		}
		arguments, err := parameters.Bind(t.Context(), nil, nil, func(context.Context, string) (template.Stored, error) {
			return template.Stored{}, template.ErrNotStored
		})
		if err != nil {
			t.Skip()
		}
		e := environment(t, map[string]any{}, nil)
		e.Arguments = arguments
		processed, err := Process(t.Context(), values, e)
		var refusal *template.Error
		if err != nil && !errors.As(err, &refusal) {
			t.Errorf("%v is no refusal", err)
		}
		if err == nil {
			if read, err := template.Read(processed); err == nil {
				_, _ = read.Evaluate(t.Context(), template.Scope{Arguments: arguments})
			}
		}
	})
}
