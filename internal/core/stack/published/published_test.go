package published

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEverySchemaCanBeRead(t *testing.T) {
	n := 0
	for line := range strings.Lines(lines) {
		var named struct{ TypeName string }
		if err := json.Unmarshal([]byte(line[strings.Index(line, "{"):]), &named); err != nil {
			t.Fatal(err)
		}
		s := Find(named.TypeName)
		if s == nil || s.TypeName != named.TypeName || len(s.Properties) == 0 || len(s.Primary()) == 0 {
			t.Errorf("%s is read as %+v", named.TypeName, s)
		}
		n++
	}
	if n < 80 || Find("") != nil || Find("AWS::SQS") != nil {
		t.Errorf("%d schemas", n)
	}
}

// The words are those of the validator of cloudformation-resource-schema, and of
// reports of events of stacks.
func TestCheckSaysWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		name, model string
		want        []string
	}{
		{"AWS::SQS::Queue", `{"QueueName":"q","VisibilityTimeout":"30","FifoQueue":"true","RedrivePolicy":{"maxReceiveCount":3}}`, nil},
		{"AWS::SQS::Queue", `{"Nmae":"q","Tags":[{"Key":"a"}],"DelaySeconds":901}`, []string{"#: extraneous key [Nmae] is not permitted", "#/DelaySeconds: failed validation constraint for keyword [maximum]",
			"#/Tags/0: required key [Value] not found"}},
		{"AWS::SQS::Queue", `{"VisibilityTimeout":"soon","Tags":"x"}`, []string{"#/Tags: expected type: JSONArray, found: String", "#/VisibilityTimeout: expected type: Number, found: String"}},
		{"AWS::Lambda::Permission", `{"Action":"s3:Get","FunctionName":"f","Principal":"","FunctionUrlAuthType":"SOME"}`, []string{"#/Action: failed validation constraint for keyword [pattern]",
			"#/FunctionUrlAuthType: #: only 1 subschema matches out of 2", "#/FunctionUrlAuthType: failed validation constraint for keyword [enum]", "#/Principal: expected minLength: 1, actual: 0"}},
		{"AWS::Lambda::Function", `{"Code":{}}`, []string{"#: required key [Role] not found"}},
	} {
		var model map[string]any
		if err := json.Unmarshal([]byte(c.model), &model); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, Find(c.name).Check(model)); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", c.name, c.model, diff)
		}
	}
	if problems := Find("AWS::Lambda::Function").Check(map[string]any{"Role": "arn:aws:iam::123456789012:role/r"}, "Code"); problems != nil {
		t.Errorf("without what cannot be read: %v", problems)
	}
}

func TestShapedHasTheFormOfTheSchema(t *testing.T) {
	got := Find("AWS::SQS::Queue").Shaped(map[string]any{"VisibilityTimeout": "30", "FifoQueue": "true", "RedrivePolicy": `{"maxReceiveCount":3}`, "RedriveAllowPolicy": "", "CreatedTimestamp": "1",
		"Tags": []any{map[string]any{"key": "a", "value": "1"}}})
	want := map[string]any{"VisibilityTimeout": json.Number("30"), "FifoQueue": true, "RedrivePolicy": map[string]any{"maxReceiveCount": json.Number("3")}, "Tags": []any{map[string]any{"Key": "a", "Value": "1"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTextLeavesPropertiesOut(t *testing.T) {
	s := Find("AWS::Lambda::Function")
	var left Schema
	if err := json.Unmarshal([]byte(s.Text([]string{"SnapStart", "Code"})), &left); err != nil {
		t.Fatal(err)
	}
	if left.Properties["Code"] != nil || left.Properties["Role"] == nil || slices.Contains(left.WriteOnly(), "Code/ZipFile") || s.Text(nil) != s.text {
		t.Errorf("%+v", left)
	}
}

func FuzzCheck(f *testing.F) {
	f.Add("AWS::SQS::Queue", []byte(`{"Tags":[{"Key":1e999}],"DelaySeconds":1e99}`))
	f.Add("AWS::S3::Bucket", []byte(`{"LifecycleConfiguration":{"Rules":[{"Status":null}]}}`))
	f.Fuzz(func(t *testing.T, name string, text []byte) {
		s := Find(name)
		var model map[string]any
		if s == nil || json.Unmarshal(text, &model) != nil {
			return
		}
		first := s.Check(model)
		if len(first) == 0 && !slices.Equal(first, s.Check(s.Shaped(model))) {
			t.Errorf("%s: what fits does not in its own form: %v", text, s.Check(s.Shaped(model)))
		}
	})
}
