package sns

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/api/snsapi"
	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/core/topic"
	"github.com/lambkin-dev/lambkin/internal/guard"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/shape"
)

func TestTheDocumentationListsEveryOperationAndOption(t *testing.T) {
	data, err := os.ReadFile("../../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(data), "\n## SNS\n")
	if !ok {
		t.Fatal("docs/api.md has no section SNS")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	rows := map[string][]string{}
	for _, m := range regexp.MustCompile(`(?m)^\| (\w+) \| ([^|]+) \| - \| ([^|]+) \|$`).FindAllStringSubmatch(section, -1) {
		rows[m[1]] = slices.DeleteFunc(strings.Split(m[2]+", "+m[3], ", "), func(name string) bool { return name == "-" })
	}
	service := New(nil)
	if len(service.Operations) != len(rows) {
		t.Errorf("%d operations, %d rows", len(service.Operations), len(rows))
	}
	for name, op := range service.Operations {
		var members []string
		if op.Model.Input != shape.None {
			for _, m := range service.Model.Shapes[op.Model.Input].Members {
				members = append(members, m.Name)
			}
		}
		documented := rows[name]
		slices.Sort(members)
		slices.Sort(documented)
		if !slices.Equal(members, documented) {
			t.Errorf("%s: docs/api.md has %v, the model %v", name, documented, members)
		}
	}
	_, missing, _ := strings.Cut(section, "Not implemented (answered with a 4xx): ")
	for i := range service.Model.Operations {
		name := service.Model.Operations[i].Name
		if _, there := service.Operations[name]; there == strings.Contains(missing, name) {
			t.Errorf("%s is implemented: %v, and docs/api.md says the opposite", name, there)
		}
	}
}

// AWS: the texts are those that LocalStack's validated tests of SNS recorded.
func TestARNs(t *testing.T) {
	a := &api{}
	call := &wire.Call{Account: "000000000000", Region: "us-east-1", CallerARN: "arn:aws:iam::000000000000:root", AccessKeyID: "key"}
	refused := func(err error, code, message string) {
		t.Helper()
		if f := fault.From(err); f == nil || f.QueryCode != code || f.Message != message {
			t.Errorf("%+v, want %s: %s", f, code, message)
		}
	}
	for given, message := range map[string]string{
		"":                                     "Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not 1",
		"randomstring":                         "Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not 1",
		"randomstring:1":                       "Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not 2",
		"arn:aws:sns:eu-west-1:000000000000:t": "Invalid parameter: TopicArn",
		"arn:aws:sqs:us-east-1:000000000000:t": "Invalid parameter: TopicArn",
	} {
		_, err := a.topic(call, "Publish", "TopicArn", &given)
		refused(err, "InvalidParameter", message)
	}
	other := "arn:aws:sns:us-east-1:111111111111:t"
	_, err := a.topic(call, "Publish", "TopicArn", &other)
	refused(err, "AuthorizationError", "User: arn:aws:iam::000000000000:root is not authorized to perform: SNS:Publish on resource: "+other+" because no resource-based policy allows the SNS:Publish action")
	for given, message := range map[string]string{
		"":                                     "Invalid parameter: SubscriptionArn Reason: no value for required parameter",
		"randomstring":                         "Invalid parameter: SubscriptionArn Reason: An ARN must have at least 6 elements, not 1",
		"arn:aws:sns:us-east-1:1":              "Invalid parameter: SubscriptionArn Reason: An ARN must have at least 6 elements, not 5",
		"arn:aws:sns:us-east-1:000000000000:t": "Invalid parameter: SubscriptionId",
	} {
		_, err := a.subscription(call, "Unsubscribe", &given)
		refused(err, "InvalidParameter", message)
	}
	good := "arn:aws:sns:us-east-1:000000000000:t:id"
	if id, err := a.subscription(call, "Unsubscribe", &good); err != nil || id.ARN() != good {
		t.Errorf("%v, %v", id, err)
	}
	// Who follows a link has no region and no account of their own.
	anywhere := "arn:aws:sns:eu-west-1:111111111111:t:id"
	if id, err := a.subscription(&wire.Call{Region: "us-east-1"}, "Unsubscribe", &anywhere); err != nil || id.ARN() != anywhere {
		t.Errorf("%v, %v", id, err)
	}
}

// AWS: recorded, as above.
func TestIdsOfABatch(t *testing.T) {
	entry := func(ids ...string) (list []snsapi.PublishBatchRequestEntry) {
		for _, id := range ids {
			list = append(list, snsapi.PublishBatchRequestEntry{Id: &id})
		}
		return list
	}
	long := strings.Repeat("a", 81)
	for _, c := range []struct {
		ids           []string
		code, message string
	}{
		{nil, "EmptyBatchRequest", "The batch request doesn't contain any entries."},
		{strings.Split("12345678901", ""), "TooManyEntriesInBatchRequest", "The batch request contains more entries than permissible."},
		{[]string{"1", "1"}, "BatchEntryIdsNotDistinct", "Two or more batch entries in the request have the same Id."},
		{[]string{"message.id"}, "InvalidBatchEntryId", "The Id of a batch entry in the batch request contains an impermissible character: message.id"},
		{[]string{long}, "InvalidBatchEntryId", "The Id of a batch entry in the batch request is too long: " + long},
	} {
		if f := fault.From(checkBatch(entry(c.ids...))); f == nil || f.QueryCode != c.code || f.Message != c.message {
			t.Errorf("%v: %+v", c.ids, f)
		}
	}
	if err := checkBatch(entry(long[:80], "valid-message_123")); err != nil {
		t.Error(err)
	}
}

func TestEveryErrorOfTopicsHasOneOfAWS(t *testing.T) {
	for code, make := range faults {
		f := fault.From(translate(&topic.Error{Code: code, Message: "100% wrong"}))
		if f == nil || f.Code != string(code) || f.Message != "100% wrong" || make == nil {
			t.Errorf("%s: %+v", code, f)
		}
	}
}

func FuzzParameters(f *testing.F) {
	f.Add("arn:aws:sns:us-east-1:000000000000:t:id", "dG9waWM=")
	f.Add("arn:aws:sns:us-east-1:000000000000:t.fifo", "%")
	f.Fuzz(func(t *testing.T, given, token string) {
		a := &api{}
		for _, call := range []*wire.Call{{Account: "000000000000", Region: "us-east-1", AccessKeyID: "key"}, {}} {
			if id, err := a.topic(call, "Publish", "TopicArn", &given); err != nil && fault.From(err) == nil || err == nil && id.ARN() != given {
				t.Errorf("%q: %v, %v", given, id, err)
			}
			if id, err := a.subscription(call, "Unsubscribe", &given); err != nil && fault.From(err) == nil || err == nil && id.ARN() != given {
				t.Errorf("%q: %v, %v", given, id, err)
			}
		}
		if after, err := decodeToken(&token); err == nil && after != "" {
			if again, err := decodeToken(encodeToken(after)); err != nil || again != after {
				t.Errorf("%q: %q, %v", token, again, err)
			}
		}
		_ = checkBatch([]snsapi.PublishBatchRequestEntry{{Id: &given}, {Id: &token}})
	})
}

func TestEveryOperationHasItsPermission(t *testing.T) {
	for _, gap := range guard.Gaps(New(nil)) {
		t.Error(gap)
	}
}
