package template

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// stored is a Parameter Store for tests.
func stored(_ context.Context, name string) (Stored, error) {
	switch name {
	case "/cdk-bootstrap/hnb659fds/version":
		return Stored{"String", "21"}, nil
	case "/subnets":
		return Stored{"StringList", "subnet-01234567, subnet-89abcdef"}, nil
	case "/any":
		return Stored{"String", "x"}, nil
	case "/secret":
		return Stored{"SecureString", "x"}, nil
	case "/down":
		return Stored{}, errors.New("the store is down")
	}
	return Stored{}, ErrNotStored
}

func bind(t *testing.T, section string, given map[string]Input, previous map[string]string) (Arguments, error) {
	t.Helper()
	template, err := read(t, "Parameters: "+section+oneResource)
	if err != nil {
		return nil, err
	}
	return template.Parameters.Bind(t.Context(), given, previous, stored)
}

func TestParametersGetTheirValues(t *testing.T) {
	got, err := bind(t, `{
		Given: {Type: String, Default: a}, Default: {Type: String, Default: 5}, Flag: {Type: String, Default: true, AllowedValues: [true, false]}, Kept: {Type: String, Default: x}, Number: {Type: Number, MinValue: 1, MaxValue: 10, Default: 2.50},
		List: {Type: CommaDelimitedList, Default: "a, b,c"}, None: {Type: CommaDelimitedList, Default: ""}, Ports: {Type: List<Number>, Default: "80,443"}, Secret: {Type: String, NoEcho: true, Default: s},
		Version: {Type: "AWS::SSM::Parameter::Value<String>", Default: /cdk-bootstrap/hnb659fds/version}, Subnets: {Type: "AWS::SSM::Parameter::Value<List<AWS::EC2::Subnet::Id>>", Default: /subnets},
		Name: {Type: AWS::SSM::Parameter::Name, Default: /any}, Vpc: {Type: AWS::EC2::VPC::Id, Default: vpc-01234567}, Pattern: {Type: String, AllowedPattern: "[a-z]+", Default: abc}}`,
		map[string]Input{"Given": {Value: "b"}, "Kept": {UsePreviousValue: true}}, map[string]string{"Kept": "before", "Gone": "x"})
	if err != nil {
		t.Fatal(err)
	}
	want := Arguments{
		"Given": {Given: "b", Value: "b"}, "Default": {Given: "5", Value: "5"}, "Flag": {Given: "true", Value: "true"}, "Kept": {Given: "before", Value: "before"}, "Number": {Given: "2.50", Value: "2.50"},
		"List": {Given: "a, b,c", Value: []any{"a", "b", "c"}}, "None": {Value: []any{""}}, "Ports": {Given: "80,443", Value: []any{"80", "443"}}, "Secret": {Given: "s", Value: "s", NoEcho: true},
		"Version": {Given: "/cdk-bootstrap/hnb659fds/version", Resolved: "21", Value: "21"},
		"Subnets": {Given: "/subnets", Resolved: "subnet-01234567, subnet-89abcdef", Value: []any{"subnet-01234567", "subnet-89abcdef"}},
		"Name":    {Given: "/any", Value: "/any"}, "Vpc": {Given: "vpc-01234567", Value: "vpc-01234567"}, "Pattern": {Given: "abc", Value: "abc"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got["Secret"].Shown() != "****" || got["Given"].Shown() != "b" {
		t.Error("NoEcho is shown")
	}
}

func TestParametersAreRefusedInAWSsWords(t *testing.T) {
	for _, c := range []struct{ section, given, want string }{
		// Recorded: localstack, test_no_parameters_given, test_invalid_parameter_type, test_resolve_ssm_missing_parameter.
		{"{P: {Type: String}, Q: {Type: String}}", "", "Parameters: [P, Q] must have values"},
		{"{P: {Type: Number}}", "x", "Parameter 'P' must be a number."},
		{"{P: {Type: 'AWS::SSM::Parameter::Value<String>'}}", "EMPTY", "Parameter P should either have input value or default value"},
		// Quoted by users in issues.
		{"{Q: {Type: String, Default: x}}", "y", "Parameters: [P] do not exist in the template"},
		{"{P: {Type: 'AWS::SSM::Parameter::Value<String>'}}", "/none", "Unable to fetch parameters [/none] from parameter store for this account."},
		{"{P: {Type: 'AWS::SSM::Parameter::Value<String>'}}", "/secret", "Parameters [/secret] referenced by template have types not supported by CloudFormation."},
		{"{P: {Type: String, AllowedValues: [a, b]}}", "c", "Parameter 'P' must be one of AllowedValues"},
		{"{P: {Type: String, AllowedValues: [a, b], ConstraintDescription: Must be a or b}}", "c", "Parameter P failed to satisfy constraint: Must be a or b"},
		{"{P: {Type: String, AllowedPattern: '[a-z]*'}}", "abC", "Parameter 'P' must match pattern [a-z]*"},
		{"{P: {Type: String, MinLength: 3}}", "ab", "Parameter 'P' must contain at least 3 characters"},
		{"{P: {Type: String, MaxLength: 3}}", "abcd", "Parameter 'P' must contain at most 3 characters"},
		{"{P: {Type: Number, MinValue: 3}}", "2.9", "Parameter 'P' must be a number not less than 3"},
		{"{P: {Type: Number, MaxValue: 3}}", "3.1", "Parameter 'P' must be a number not greater than 3"},
		{"{P: {Type: List<Number>}}", "1,x", "Parameter 'P' must be a number."},
		{"{P: {Type: AWS::EC2::VPC::Id}}", "vpc-x", "Parameter validation failed: parameter value vpc-x for parameter name P does not exist"},
		{"{P: {Type: AWS::SSM::Parameter::Name}}", "/none", "Parameter validation failed: parameter value /none for parameter name P does not exist"},
		{"{P: {Type: String}}", "PREVIOUS", "Invalid input for parameter key P. Cannot specify usePreviousValue as true for a parameter key not in the previous template"},
		{"{P: {Type: String, AllowedPattern: 'a(?=b)'}}", "a", "Template error: Parameter 'P' AllowedPattern must be a valid regular expression: invalid or unsupported Perl syntax: `(?=`"},
		{"{P: {Type: String, MinLength: 3, MaxLength: 2}}", "a", "Template error: Parameter 'P' MinLength must be less than MaxLength."},
		{"{P: {Type: String, Default: [a]}}", "a", "Template format error: Every Default member must be a string."},
		{"{P: {Type: String, Foo: a}}", "a", "Invalid template parameter property 'Foo'"},
		{"{P: {Type: String, NoEcho: maybe}}", "a", "Template format error: [/Parameters/P/NoEcho] must be a boolean"},
		{"{P: {Type: 'AWS::SSM::Parameter::Value<Number>'}}", "a", "Template format error: Unrecognized parameter type: AWS::SSM::Parameter::Value<Number>"},
	} {
		given := map[string]Input{"P": {Value: c.given}}
		switch c.given {
		case "":
			given = nil
		case "EMPTY":
			given = map[string]Input{"P": {}}
		case "PREVIOUS":
			given = map[string]Input{"P": {UsePreviousValue: true}}
		}
		_, err := bind(t, c.section, given, nil)
		if got := message(err); got != c.want {
			t.Errorf("%s\ngot  %s\nwant %s", c.section, got, c.want)
		}
	}
	if _, err := bind(t, "{P: {Type: 'AWS::SSM::Parameter::Value<String>'}}", map[string]Input{"P": {Value: "/down"}}, nil); err == nil || err.Error() != "the store is down" {
		t.Errorf("trouble of the machine became %v", err)
	}
}

func TestRulesAreAsserted(t *testing.T) {
	const head = "Parameters: {Version: {Type: String}, Stages: {Type: CommaDelimitedList, Default: 'a,b'}, Subnet: {Type: AWS::EC2::Subnet::Id, Default: subnet-01234567}}\nRules: {R: "
	for _, c := range []struct{ rule, version, want string }{
		// What CDK writes into every template.
		{`{Assertions: [{Assert: {"Fn::Not": [{"Fn::Contains": [["1", "2", "3", "4", "5"], {Ref: Version}]}]}, AssertDescription: version 6 required}]}`, "21", ""},
		{`{Assertions: [{Assert: {"Fn::Not": [{"Fn::Contains": [["1", "2", "3", "4", "5"], {Ref: Version}]}]}, AssertDescription: version 6 required}]}`, "5", "Template error: Rule R failed: version 6 required"},
		{`{RuleCondition: !Equals [!Ref Version, "1"], Assertions: [{Assert: !Equals [a, b]}]}`, "2", ""},
		{`{RuleCondition: !Equals [!Ref Version, "1"], Assertions: [{Assert: !Equals [a, b]}]}`, "1", "Template error: Rule R failed"},
		{`{Assertions: [{Assert: {"Fn::EachMemberIn": [!Ref Stages, [a, b, c]]}}, {Assert: {"Fn::EachMemberEquals": [[x, x], x]}}, {Assert: {"Fn::Contains": [{"Fn::RefAll": "AWS::EC2::Subnet::Id"}, subnet-01234567]}}]}`, "1", ""},
		{`{Assertions: [{Assert: {"Fn::EachMemberIn": [!Ref Stages, [a]]}}]}`, "1", "Template error: Rule R failed"},
		{`{Assertions: [{Assert: {"Fn::EachMemberEquals": [[x, y], x]}}]}`, "1", "Template error: Rule R failed"},
		{`{Assertions: [{Assert: !And [!Equals [a, a], !Or [!Equals [a, b], !Not [!Equals [a, b]]]]}]}`, "1", ""},
		{`{Assertions: [{Assert: {"Fn::Contains": [{"Fn::ValueOfAll": ["AWS::EC2::Subnet::Id", VpcId]}, x]}}]}`, "1", "Template error: Fn::ValueOfAll asks for attributes of resources that this platform does not have"},
		{`{Assertions: [{Assert: !Equals [!Ref Topic, a]}]}`, "1", "Template format error: Unresolved dependencies [Topic]. Cannot reference resources in the Rules block of the template"},
		{`{Assertions: []}`, "1", "Template format error: Every Rules member must contain a list of Assertions; rule R."},
	} {
		_, err := evaluate(t, head+c.rule+"}"+oneResource, map[string]string{"Version": c.version})
		if got := message(err); got != c.want {
			t.Errorf("%s\ngot  %s\nwant %s", c.rule, got, c.want)
		}
	}
}

func TestSummaries(t *testing.T) {
	for _, c := range []struct {
		resources    string
		transforms   []string
		capabilities []string
		reason       string
	}{
		{"{A: {Type: AWS::SNS::Topic}}", nil, nil, ""},
		// Recorded: localstack, test_describe_template.
		{"{A: {Type: AWS::IAM::Role, Properties: {}}}", nil, []string{"CAPABILITY_IAM"}, "The following resource(s) require capabilities: [AWS::IAM::Role]"},
		{"{A: {Type: AWS::IAM::Role, Properties: {RoleName: !Sub x}}, B: {Type: AWS::IAM::Policy}}", nil, []string{"CAPABILITY_NAMED_IAM"}, "The following resource(s) require capabilities: [AWS::IAM::Policy, AWS::IAM::Role]"},
		{"{A: {Type: AWS::Serverless::Function}}", []string{"AWS::Serverless-2016-10-31"}, []string{"CAPABILITY_AUTO_EXPAND"}, "The following transform(s) require capabilities: [AWS::Serverless-2016-10-31]"},
	} {
		template, err := read(t, "AWSTemplateFormatVersion: 2010-09-09\nDescription: d\nMetadata: {M: 1}\nParameters: {P: {Type: String}}\nResources: "+c.resources)
		if err != nil {
			t.Fatal(err)
		}
		values := template.Values
		s, err := Summarize(values, c.transforms)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.capabilities, s.Capabilities); diff != "" || s.Reason != c.reason {
			t.Errorf("%s: %s %s", c.resources, diff, s.Reason)
		}
		if s.Version != "2010-09-09" || s.Description != "d" || s.Parameters["P"] == nil || s.Metadata == nil || len(s.Types) != len(s.ByType) || !slices.Contains(slices.Concat(slices.Collect(maps.Values(s.ByType))...), "A") {
			t.Errorf("%+v", s)
		}
	}
}
