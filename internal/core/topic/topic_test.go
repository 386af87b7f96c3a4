package topic

import (
	"encoding/json"
	"errors"
	"maps"
	"strconv"
	"strings"
	"testing"
)

// Texts, codes and shapes here are those of AWS as recorded by LocalStack's
// validated tests of SNS (tests/aws/services/sns), unless something else is said.

func TestANewTopicShowsWhatAWSShows(t *testing.T) {
	b := newBench(t)
	id := b.create("t", nil)
	got, err := b.Attributes(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"DisplayName": "", "Owner": account, "TopicArn": "arn:aws:sns:us-east-1:000000000000:t",
		"SubscriptionsConfirmed": "0", "SubscriptionsDeleted": "0", "SubscriptionsPending": "0",
		"EffectiveDeliveryPolicy": `{"http":{"defaultHealthyRetryPolicy":{"minDelayTarget":20,"maxDelayTarget":20,"numRetries":3,"numMaxDelayRetries":0,"numNoDelayRetries":0,"numMinDelayRetries":0,"backoffFunction":"linear"},"disableSubscriptionOverrides":false,"defaultRequestPolicy":{"headerContentType":"text/plain; charset=UTF-8"}}}`,
		"Policy":                  `{"Version":"2008-10-17","Id":"__default_policy_ID","Statement":[{"Sid":"__default_statement_ID","Effect":"Allow","Principal":{"AWS":"*"},"Action":["SNS:GetTopicAttributes","SNS:SetTopicAttributes","SNS:AddPermission","SNS:RemovePermission","SNS:DeleteTopic","SNS:Subscribe","SNS:ListSubscriptionsByTopic","SNS:Publish"],"Resource":"arn:aws:sns:us-east-1:000000000000:t","Condition":{"StringEquals":{"AWS:SourceOwner":"000000000000"}}}]}`,
	}
	if !maps.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	fifo := b.create("t.fifo", map[string]string{"DisplayName": "TestTopic", "SignatureVersion": "2"})
	got, err = b.Attributes(t.Context(), fifo)
	if err != nil || got["FifoTopic"] != "true" || got["ContentBasedDeduplication"] != "false" || got["DisplayName"] != "TestTopic" || got["SignatureVersion"] != "2" {
		t.Errorf("%v, %v", got, err)
	}
}

func TestNamesAndAttributesThatAWSRefuses(t *testing.T) {
	b := newBench(t)
	for name, attributes := range map[string]map[string]string{
		"": nil, strings.Repeat("a", 257): nil, "test.fifo": nil, "test": {"FifoTopic": "true"}, "bad:name": nil, "bad name": nil, "bad%name": nil,
	} {
		refused(t, b.Create(t.Context(), named(name), attributes, nil), InvalidParameter, "Invalid parameter: Topic Name")
	}
	if err := b.Create(t.Context(), named(strings.Repeat("a", 256)), map[string]string{"FifoTopic": "false"}, nil); err != nil {
		t.Error(err)
	}
	id := b.create("t", nil)
	for name, value := range map[string]string{"FifoTopic": "false", "Fake": "x", "ContentBasedDeduplication": "true"} {
		refused(t, b.SetAttribute(t.Context(), id, name, value), InvalidParameter, "Invalid parameter: AttributeName")
	}
	refused(t, b.SetAttribute(t.Context(), id, "Policy", "{"), InvalidParameter, "Invalid parameter: Policy Error: null")
	refused(t, b.SetAttribute(t.Context(), id, "Policy", `{"Statement": [{"Action": "sqs:SendMessage"}]}`), InvalidParameter, "Invalid parameter: Policy statement action out of service scope!")
	refused(t, b.SetAttribute(t.Context(), id, "KmsMasterKeyId", "alias/k"), InvalidParameter, "Invalid parameter: KmsMasterKeyId Reason: ...")
	refused(t, b.Create(t.Context(), named("u"), map[string]string{"KmsMasterKeyId": "k"}, nil), InvalidParameter, "Invalid parameter: Attributes Reason: KmsMasterKeyId Reason: ...")
	refused(t, b.SetAttribute(t.Context(), named("none"), "DisplayName", "x"), NotFound, "Topic does not exist")
}

func TestCreateAcceptsATopicThatIsTheSame(t *testing.T) {
	b := newBench(t)
	id := named("t")
	create := func(attributes, tags map[string]string) error { return b.Create(t.Context(), id, attributes, tags) }
	if err := create(map[string]string{"DisplayName": "Value1"}, map[string]string{"a": "1", "b": "2"}); err != nil {
		t.Fatal(err)
	}
	for _, tags := range []map[string]string{{"a": "1", "b": "2"}, {"a": "1"}, nil} {
		if err := create(nil, tags); err != nil {
			t.Error(err)
		}
	}
	delivery := map[string]string{"DeliveryPolicy": `{"http": {"defaultRequestPolicy": {"headerContentType": "application/json"}}}`}
	for range 2 {
		if err := b.Create(t.Context(), named("policy"), delivery, nil); err != nil {
			t.Error(err)
		}
	}
	const different = "Invalid parameter: Attributes Reason: Topic already exists with different attributes"
	refused(t, create(map[string]string{"DisplayName": "Value2"}, nil), InvalidParameter, different)
	refused(t, create(map[string]string{"SignatureVersion": "2"}, nil), InvalidParameter, different)
	refused(t, create(map[string]string{"FifoTopic": "true"}, nil), InvalidParameter, "Invalid parameter: Topic Name")
	refused(t, create(nil, map[string]string{"a": "1", "c": "2"}), InvalidParameter, "Invalid parameter: Tags Reason: Topic already exists with different tags")
	for range 2 { // the second one finds nothing and is no error
		if err := b.Delete(t.Context(), id); err != nil {
			t.Error(err)
		}
	}
	if err := create(nil, map[string]string{"c": "3"}); err != nil {
		t.Error(err)
	}
	if tags, err := b.Tags(t.Context(), id); err != nil || !maps.Equal(tags, map[string]string{"c": "3"}) {
		t.Errorf("%v, %v", tags, err)
	}
}

func TestDeliveryPolicyOfATopic(t *testing.T) {
	b := newBench(t)
	id := b.create("t", map[string]string{"DeliveryPolicy": `{"http": {"defaultRequestPolicy": {"headerContentType": "application/json"}}}`})
	look := func(policy, effective string) {
		t.Helper()
		got, err := b.Attributes(t.Context(), id)
		if err != nil || got["DeliveryPolicy"] != policy || !strings.Contains(got["EffectiveDeliveryPolicy"], effective) {
			t.Errorf("%s %s, %v", got["DeliveryPolicy"], got["EffectiveDeliveryPolicy"], err)
		}
	}
	look(`{"http":{"disableSubscriptionOverrides":false,"defaultRequestPolicy":{"headerContentType":"application/json"}}}`, `"defaultRequestPolicy":{"headerContentType":"application/json"}`)
	set := func(value string) error { return b.SetAttribute(t.Context(), id, "DeliveryPolicy", value) }
	if err := set(`{"http": {"defaultHealthyRetryPolicy": {"minDelayTarget": 5, "maxDelayTarget": 6, "numRetries": 1}}}`); err != nil {
		t.Fatal(err)
	}
	look(`{"http":{"defaultHealthyRetryPolicy":{"minDelayTarget":5,"maxDelayTarget":6,"numRetries":1},"disableSubscriptionOverrides":false}}`,
		`{"minDelayTarget":5,"maxDelayTarget":6,"numRetries":1,"numMaxDelayRetries":0,"numNoDelayRetries":0,"numMinDelayRetries":0,"backoffFunction":"linear"}`)
	if err := set(`{"http": {"defaultHealthyRetryPolicy": null}}`); err != nil {
		t.Fatal(err)
	}
	look(`{"http":{"disableSubscriptionOverrides":false}}`, `"numRetries":3`)
	for _, wrong := range []string{
		`{`, `{"http": {"other": 1}}`, `{"http": {"defaultHealthyRetryPolicy": {"numRetries": 101}}}`, `{"http": {"defaultHealthyRetryPolicy": {"minDelayTarget": 30}}}`,
		`{"http": {"defaultHealthyRetryPolicy": {"numNoDelayRetries": 4}}}`, `{"http": {"defaultHealthyRetryPolicy": {"backoffFunction": "none"}}}`,
		`{"http": {"defaultRequestPolicy": {"headerContentType": "image/png"}}}`, `{"http": {"defaultThrottlePolicy": {"maxReceivesPerSecond": 0}}}`,
		`{"http": {"defaultHealthyRetryPolicy": {"minDelayTarget": 0, "maxDelayTarget": 0}}}`, `{"http": {"defaultHealthyRetryPolicy": {"maxDelayTarget": 3601}}}`,
	} {
		refused(t, set(wrong), InvalidParameter, "Invalid parameter: DeliveryPolicy: ...")
	}
}

func TestPermissionsAreStatementsOfThePolicy(t *testing.T) {
	b := newBench(t)
	id := b.create("t", nil)
	policy := func() (p struct {
		Statement []struct{ Sid, Effect, Resource, Action any }
	}) {
		got, err := b.Attributes(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(got["Policy"]), &p); err != nil {
			t.Fatal(err)
		}
		return p
	}
	if err := b.AddPermission(t.Context(), id, "test", []string{"111111111111"}, []string{"Publish", "Subscribe"}); err != nil {
		t.Fatal(err)
	}
	if p := policy(); len(p.Statement) != 2 || p.Statement[1].Sid != "test" || len(p.Statement[1].Action.([]any)) != 2 {
		t.Errorf("%+v", p)
	}
	refused(t, b.AddPermission(t.Context(), id, "test", []string{"1"}, []string{"Publish"}), InvalidParameter, "Invalid parameter: Statement already exists")
	refused(t, b.AddPermission(t.Context(), id, "two", []string{"1"}, []string{"SendMessage"}), InvalidParameter, "Invalid parameter: Policy statement action out of service scope!")
	refused(t, b.AddPermission(t.Context(), named("none"), "two", []string{"1"}, []string{"Publish"}), NotFound, "Topic does not exist")
	if err := b.RemovePermission(t.Context(), id, "test"); err != nil || len(policy().Statement) != 1 {
		t.Errorf("%v, %+v", err, policy())
	}
	refused(t, b.RemovePermission(t.Context(), named("none"), "test"), NotFound, "Topic does not exist")
}

func TestListsComeInPages(t *testing.T) {
	b := newBench(t)
	id := b.create("many", nil)
	for i := range PageSize + 1 {
		b.create("t"+strconv.Itoa(i), nil)
		b.subscribe(id, SQS, queueARN("q"+strconv.Itoa(i)), nil)
	}
	names, more, err := b.List(t.Context(), account, region, "")
	if err != nil || len(names) != PageSize || !more {
		t.Fatalf("%d, %v, %v", len(names), more, err)
	}
	rest, more, err := b.List(t.Context(), account, region, names[len(names)-1])
	if err != nil || len(rest) != 2 || more {
		t.Errorf("%v, %v, %v", rest, more, err)
	}
	for _, of := range []ID{id, {Account: account, Region: region}} {
		first, next, err := b.Subscriptions(t.Context(), of, "")
		if err != nil || len(first) != PageSize || next == "" {
			t.Fatalf("%d, %q, %v", len(first), next, err)
		}
		last, end, err := b.Subscriptions(t.Context(), of, next)
		if err != nil || len(last) != 1 || end != "" || last[0].ID == first[PageSize-1].ID {
			t.Errorf("%v, %q, %v", last, end, err)
		}
	}
	if _, _, err := b.Subscriptions(t.Context(), id, "x"); !errors.Is(err, &Error{Code: InvalidParameter}) {
		t.Error(err)
	}
	if other, _, err := b.Subscriptions(t.Context(), ID{Account: account, Region: "eu-west-1"}, ""); err != nil || len(other) != 0 {
		t.Errorf("another region has %v, %v", other, err)
	}
}
