package badinput

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/lambkin-dev/lambkin/test/platform"
)

// cloudFormation calls an operation of the query protocol.
func cloudFormation(t *testing.T, action string, parameters url.Values) (*platform.Reply, error) {
	parameters.Set("Action", action)
	parameters.Set("Version", "2010-05-15")
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	return server.CallService(t.Context(), "cloudformation", "POST", "/", header, []byte(parameters.Encode()))
}

// badTemplates are templates that never deploy, with a part of AWS's answer.
var badTemplates = []struct{ name, template, contains string }{
	{"aliases", "a: &a [x, x]\nb: &b [*a, *a]\nResources: {A: {Type: AWS::SNS::Topic}}", "YAML aliases are not allowed in CloudFormation templates"},
	{"an alias of itself", "Resources: &r {A: *r}", "YAML aliases are not allowed in CloudFormation templates"},
	{"brackets", "a: " + strings.Repeat("[", 40_000), "nested too deeply"},
	{"braces", strings.Repeat(`{"a":`, 8_000), "nested too deeply"},
	{"a circle", "Resources: {A: {Type: AWS::SNS::Topic, Properties: {TopicName: !Ref B}}, B: {Type: AWS::SNS::Topic, DependsOn: A}}", "Circular dependency between resources: [A, B]"},
	{"a circle of conditions", "Conditions: {A: !Not [!Condition B], B: !Not [!Condition A]}\nResources: {A: {Type: AWS::SNS::Topic, Condition: A}}", "circular condition dependency"},
	{"unknown references", "Resources: {A: {Type: AWS::SNS::Topic, Properties: {TopicName: !Ref Nobody}}}", "Unresolved resource dependencies [Nobody] in the Resources block of the template"},
	{"wrong types", "Resources: {A: {Type: [AWS::SNS::Topic]}}", "ValidationError"},
	{"keys that are maps", "Resources: {{a: b}: c}", "map keys must be strings"},
	{"loops in loops", "Transform: AWS::LanguageExtensions\nResources: {Fn::ForEach::A: [A, [" + strings.Repeat("a, ", 1000) + "a], {Fn::ForEach::B: [B, [" + strings.Repeat("b, ", 1000) + "b], {'T${A}${B}': {Type: AWS::SNS::Topic}}]}]}", ""},
	{"a text that grows", "Parameters: {P: {Type: String, Default: " + strings.Repeat("x", 4096) + "}}\nResources: {A: {Type: AWS::SNS::Topic, Properties: {DisplayName: !Sub '" + strings.Repeat("${P}", 11_000) + "'}}}", ""},
	{"an expression that grows", "Parameters: {P: {Type: String, AllowedPattern: '" + strings.Repeat("(?:x{10}){100}", 290) + "', Default: x}}\nResources: {A: {Type: AWS::SNS::Topic}}", "AllowedPattern must be a valid regular expression"},
}

func TestHostileTemplatesGetTheAWSError(t *testing.T) {
	const growthKiB = 400 << 10
	before := residentKiB(t)
	var all sync.WaitGroup
	for i, test := range badTemplates {
		for _, action := range []string{"CreateStack", "CreateChangeSet"} {
			all.Go(func() {
				reply, err := cloudFormation(t, action, url.Values{"StackName": {fmt.Sprintf("bad-%d-%s", i, action)}, "ChangeSetName": {"c"}, "ChangeSetType": {"CREATE"},
					"TemplateBody": {test.template}, "Capabilities.member.1": {"CAPABILITY_AUTO_EXPAND"}})
				switch {
				case err != nil:
					t.Errorf("%s: %v", test.name, err)
				case test.contains == "" && reply.Status < http.StatusInternalServerError: // it fails when it is deployed
				case reply.Status != http.StatusBadRequest || !bytes.Contains(reply.Body, []byte(test.contains)):
					t.Errorf("%s: %s answers %d %.400s", test.name, action, reply.Status, reply.Body)
				}
			})
		}
	}
	all.Wait()
	if grown := residentKiB(t) - before; grown > growthKiB {
		t.Errorf("the server grew by %d KiB", grown)
	}
	alive(t)
}
