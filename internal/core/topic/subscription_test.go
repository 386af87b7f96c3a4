package topic

import (
	"encoding/json"
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestSubscriptionsThatAWSRefuses(t *testing.T) {
	b := newBench(t)
	standard, fifo := b.create("t", nil), b.create("t.fifo", nil)
	for _, c := range []struct {
		id                 ID
		protocol, endpoint string
		message            string
	}{
		{standard, "test-protocol", "x", "Invalid parameter: Amazon SNS does not support this protocol string: test-protocol"},
		{standard, SQS, "http://localhost:4566/000000000000/q", "Invalid parameter: SQS endpoint ARN"},
		{standard, SQS, "arn:aws:sqs:us-east-1:000000000000:q:x", "Invalid parameter: SQS endpoint ARN"},
		{standard, SQS, queueARN("q.fifo"), "Invalid parameter: Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics"},
		{standard, SQS, "arn:aws:sqs:us-east-1:111111111111:q", "Invalid parameter: Endpoint Reason: ..."},
		{standard, Lambda, "f", "Invalid parameter: Lambda endpoint ARN"},
		{standard, HTTPS, "http://host/x", "Invalid parameter: Endpoint must match the specified protocol"},
		{standard, HTTP, "http://", "Invalid parameter: Endpoint must match the specified protocol"},
		{fifo, Lambda, functionARN, "Invalid parameter: Invalid protocol type: lambda"},
		{fifo, HTTP, "http://host/x", "Invalid parameter: Invalid protocol type: http"},
		{standard, "email", "a@example.org", "Invalid parameter: Protocol Reason: This platform sends no mail..."},
		{standard, "sms", "+12312312", "Invalid parameter: Protocol Reason: This platform sends no text messages..."},
	} {
		_, err := b.Subscribe(t.Context(), c.id, Request{Protocol: c.protocol, Endpoint: c.endpoint})
		refused(t, err, InvalidParameter, c.message)
	}
	_, err := b.Subscribe(t.Context(), named("none"), Request{Protocol: SQS, Endpoint: queueARN("q")})
	refused(t, err, NotFound, "Topic does not exist")
	_, err = b.Subscribe(t.Context(), standard, Request{Protocol: SQS, Endpoint: queueARN("q"), Attributes: map[string]string{"RawMessageDelivery": "wrongvalue"}})
	refused(t, err, InvalidParameter, "Invalid parameter: Attributes Reason: RawMessageDelivery: Invalid value [wrongvalue]. Must be true or false.")
	_, err = b.Subscribe(t.Context(), standard, Request{Protocol: Lambda, Endpoint: functionARN, Attributes: map[string]string{"RawMessageDelivery": "true"}})
	refused(t, err, InvalidParameter, "Invalid parameter: Attributes Reason: Delivery protocol [lambda] does not support raw message delivery.")
}

func TestSubscribeAgainFindsTheSubscription(t *testing.T) {
	b := newBench(t)
	id := b.create("t", nil)
	first := b.subscribe(id, SQS, queueARN("q"), map[string]string{"RawMessageDelivery": "True"})
	for _, attributes := range []map[string]string{
		{"RawMessageDelivery": "true"}, {"RawMessageDelivery": "true", "FilterPolicyScope": "MessageAttributes"}, nil, {}, {"FilterPolicyScope": "MessageAttributes"},
	} {
		if again := b.subscribe(id, SQS, queueARN("q"), attributes); again.ID != first.ID {
			t.Errorf("%v made another", attributes)
		}
	}
	_, err := b.Subscribe(t.Context(), id, Request{Protocol: SQS, Endpoint: queueARN("q"), Attributes: map[string]string{"RawMessageDelivery": "false", "FilterPolicyScope": "MessageBody"}})
	refused(t, err, InvalidParameter, "Invalid parameter: Attributes Reason: Subscription already exists with different attributes")
	got, err := b.SubscriptionAttributes(t.Context(), first.ID)
	want := map[string]string{
		"ConfirmationWasAuthenticated": "true", "Endpoint": queueARN("q"), "Owner": account, "PendingConfirmation": "false", "Protocol": "sqs", "RawMessageDelivery": "true",
		"SubscriptionArn": first.ID.ARN(), "SubscriptionPrincipal": "arn:aws:iam::000000000000:root", "TopicArn": id.ARN(),
	}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("got  %v, %v\nwant %v", got, err, want)
	}
	attributes, err := b.Attributes(t.Context(), id)
	if err != nil || attributes["SubscriptionsConfirmed"] != "1" {
		t.Errorf("%v, %v", attributes, err)
	}
}

func TestAttributesOfASubscriptionThatAWSRefuses(t *testing.T) {
	b := newBench(t)
	id, fifo := b.create("t", nil), b.create("t.fifo", nil)
	s := b.subscribe(id, SQS, queueARN("q"), nil)
	set := func(s *Subscription, name, value string) error {
		return b.SetSubscriptionAttribute(t.Context(), s.ID, name, value)
	}
	for _, c := range []struct{ name, value, message string }{
		{"FakeAttribute", "test", "Invalid parameter: AttributeName"},
		{"RawMessageDelivery", "test-ValUe", "Invalid parameter: RawMessageDelivery: Invalid value [test-ValUe]. Must be true or false."},
		{"RawMessageDelivery", "", "Invalid parameter: RawMessageDelivery: Invalid value []. Must be true or false."},
		{"RedrivePolicy", `{"deadLetterTargetArn": "fake-arn"}`, "Invalid parameter: RedrivePolicy: deadLetterTargetArn is an invalid arn"},
		{"RedrivePolicy", "{invalidjson}", "Invalid parameter: RedrivePolicy: failed to parse JSON...."},
		{"FilterPolicy", "{invalidjson}", "Invalid parameter: FilterPolicy: failed to parse JSON...."},
		{"FilterPolicyScope", "RandomValue", "Invalid parameter: FilterPolicyScope: Invalid value [RandomValue]. Please use either MessageBody or MessageAttributes"},
		{"FilterPolicy", `{"object": {"key": [{"prefix": "auto-"}]}}`, "Invalid parameter: Filter policy scope MessageAttributes does not support nested filter policy"},
		{"FilterPolicy", `{"key":[["value"]]}`, "Invalid parameter: FilterPolicy: Match value must be String, number, true, false, or null\n at [Source: (String)\"{\"key\":[[\"value\"]]}\"; line: 1, column: 10]"},
		{"FilterPolicy", `{"key":[]}`, "Invalid parameter: FilterPolicy: Empty arrays are not allowed\n at [Source: (String)\"{\"key\":[]}\"; line: 1, column: 10]"},
		{"FilterPolicy", `{"key_a":"value_one"}`, "Invalid parameter: FilterPolicy: \"key_a\" must be an object or an array\n at [Source: (String)\"{\"key_a\":\"value_one\"}\"; line: 1, column: 11]"},
		{"FilterPolicy", `{"a":[1],"b":[1],"c":[1],"d":[1],"e":[1],"f":[1]}`, "Invalid parameter: FilterPolicy: Filter policy can not have more than 5 keys"},
		{"FilterPolicy", `{"key1": [` + strings.Repeat(`"v",`, 99) + `"v"], "key2": ["w", "v"]}`, "Invalid parameter: FilterPolicy: Filter policy is too complex"},
		{"ReplayPolicy", "{}", "Invalid parameter: ReplayPolicy Reason: ..."},
		{"DeliveryPolicy", `{"guaranteed": false}`, "Invalid parameter: DeliveryPolicy: ..."},
	} {
		refused(t, set(s, c.name, c.value), InvalidParameter, c.message)
	}
	inLine := b.subscribe(fifo, SQS, queueARN("q.fifo"), nil)
	refused(t, set(inLine, "RedrivePolicy", `{"deadLetterTargetArn": "`+queueARN("dlq")+`"}`), InvalidParameter,
		"Invalid parameter: RedrivePolicy: must use a FIFO queue as DLQ for a FIFO Subscription to a FIFO Topic.")
	// A standard queue that is subscribed to a FIFO topic may have one.
	if err := set(b.subscribe(fifo, SQS, queueARN("q"), nil), "RedrivePolicy", `{"deadLetterTargetArn": "`+queueARN("dlq")+`"}`); err != nil {
		t.Error(err)
	}
	gone := *s
	gone.ID.ID = "none"
	refused(t, set(&gone, "RawMessageDelivery", "true"), NotFound, "Subscription does not exist")
	_, err := b.SubscriptionAttributes(t.Context(), gone.ID)
	refused(t, err, NotFound, "Subscription does not exist")
}

func TestTheScopeIsShownWithAPolicyOnly(t *testing.T) {
	b := newBench(t)
	s := b.subscribe(b.create("t", nil), SQS, queueARN("q"), nil)
	look := func(policy, scope string) {
		t.Helper()
		got, err := b.SubscriptionAttributes(t.Context(), s.ID)
		if err != nil || got["FilterPolicy"] != policy || got["FilterPolicyScope"] != scope {
			t.Errorf("%v, %v", got, err)
		}
	}
	set := func(name, value string) {
		t.Helper()
		if err := b.SetSubscriptionAttribute(t.Context(), s.ID, name, value); err != nil {
			t.Error(err)
		}
	}
	look("", "")
	set("FilterPolicyScope", "MessageBody")
	look("", "")
	set("FilterPolicy", `{"object": {"key": [{"prefix": "auto-"}]}}`)
	look(`{"object": {"key": [{"prefix": "auto-"}]}}`, "MessageBody")
	refused(t, b.SetSubscriptionAttribute(t.Context(), s.ID, "FilterPolicyScope", "MessageAttributes"), InvalidParameter,
		"Invalid parameter: Filter policy scope MessageAttributes does not support nested filter policy")
	set("FilterPolicy", "{}")
	look("", "")
}

// AWS: the numbers behind the sums are those of the recorded tests.
func TestComplexityOfFilterPolicies(t *testing.T) {
	for text, want := range map[string]int{
		`{"a": {"b": {"c": ["1","2","3","4"]}}, "d": {"e": ["1","2"]}, "f": ["1","2","3"]}`:                                                            3 * 4 * 2 * 2 * 1 * 3,
		`{"s": ["1","2","3"], "$or": [{"n": ["1","2","3","4","5","6"]}, {"t": ["1","2","3","4"], "$or": [{"i": [1,2,3,4]}, {"j": [1,2,3,4,5,6,7]}]}]}`: 150,
		`{"$or": [{"m": ["1","2","3"]}, {"n": ["1","2"]}], "d": {"s": ["1","2"], "$or": [{"o": ["1"]}, {"t": ["1","2","3"]}]}}`:                        maxFilterCombinations + 1, // 160
	} {
		var fields map[string]any
		if err := json.Unmarshal([]byte(text), &fields); err != nil {
			t.Fatal(err)
		}
		if got := combinations(fields, 1); got != want {
			t.Errorf("%s has %d, want %d", text, got, want)
		}
	}
}

// link takes a token out of the last message that was sent.
func (b *bench) token(kind string) string {
	b.t.Helper()
	all := b.sent()
	if len(all) == 0 {
		b.t.Fatal("nothing was sent")
	}
	last := all[len(all)-1]
	var e struct{ Type, Token, SubscribeURL, Message string }
	if err := json.Unmarshal(last.Content, &e); err != nil || e.Type != kind || last.Headers[headerType] != kind || last.Headers["Content-Type"] != defaultContentType {
		b.t.Fatalf("%v: %s, %v", err, last.Content, last.Headers)
	}
	if !strings.HasSuffix(e.SubscribeURL, "&Token="+e.Token) {
		b.t.Errorf("link %s", e.SubscribeURL)
	}
	return e.Token
}

func TestAnHTTPEndpointConfirms(t *testing.T) {
	b := newBench(t)
	id := b.create("t", nil)
	s := b.subscribe(id, HTTP, "http://host/x", nil)
	b.publish(id, Message{Text: "too early"})
	if n := len(b.sent()); s.Confirmed || n != 1 {
		t.Fatalf("%+v, %d messages", s, n)
	}
	token := b.token(confirmation)
	_, err := b.Confirm(t.Context(), region, "randomtoken", Confirmation{})
	refused(t, err, InvalidParameter, "Invalid token")
	_, err = b.Confirm(t.Context(), region, "abc123", Confirmation{})
	refused(t, err, InvalidParameter, "Invalid parameter: Token")
	_, err = b.Confirm(t.Context(), "eu-west-1", token, Confirmation{})
	refused(t, err, InvalidParameter, "Invalid parameter: Token")
	for range 2 { // a link may be followed twice
		if confirmed, err := b.Confirm(t.Context(), region, token, Confirmation{}); err != nil || confirmed.ID != s.ID {
			t.Fatal(confirmed, err)
		}
	}
	got, err := b.Attributes(t.Context(), id)
	if err != nil || got["SubscriptionsConfirmed"] != "1" || got["SubscriptionsPending"] != "0" {
		t.Error(got, err)
	}
	b.publish(id, Message{Text: "hello"})
	all := b.sent()
	if len(all) != 2 || all[1].Target != "http://host/x" || all[1].Headers[headerSubscription] != s.ID.ARN() || all[1].Headers[headerType] != notification {
		t.Errorf("%+v", all)
	}
	// A link without a signature removes it and sends the way back.
	if err := b.Unsubscribe(t.Context(), s.ID, false); err != nil {
		t.Fatal(err)
	}
	back := b.token(unsubscription)
	b.publish(id, Message{Text: "nobody"})
	if confirmed, err := b.Confirm(t.Context(), region, back, Confirmation{}); err != nil || confirmed.ID != s.ID {
		t.Fatal(confirmed, err)
	}
	b.publish(id, Message{Text: "again"})
	if n := len(b.sent()); n != 4 {
		t.Errorf("%d messages", n)
	}
	// Its owner needs no way back.
	if err := b.Unsubscribe(t.Context(), s.ID, true); err != nil || len(b.sent()) != 4 {
		t.Error(err, len(b.sent()))
	}
	_, err = b.Confirm(t.Context(), region, token, Confirmation{})
	refused(t, err, InvalidParameter, "Invalid parameter: Token")
	if err := b.Unsubscribe(t.Context(), s.ID, true); err != nil { // AWS: no error
		t.Error(err)
	}
}

func TestAProtectedSubscriptionNeedsItsOwner(t *testing.T) {
	b := newBench(t)
	s := b.subscribe(b.create("t", nil), HTTP, "http://host/x", nil)
	if _, err := b.Confirm(t.Context(), region, b.token(confirmation), Confirmation{Authenticated: true, Protect: true}); err != nil {
		t.Fatal(err)
	}
	refused(t, b.Unsubscribe(t.Context(), s.ID, false), AuthorizationError, "Unsubscribing from ...")
	got, err := b.SubscriptionAttributes(t.Context(), s.ID)
	if err != nil || got["ConfirmationWasAuthenticated"] != "true" || got["PendingConfirmation"] != "false" {
		t.Error(got, err)
	}
}

func TestWhatNobodyConfirmsIsRemoved(t *testing.T) {
	b := newBench(t)
	id := b.create("t", nil)
	first := b.subscribe(id, HTTP, "http://host/x", nil)
	old := b.token(confirmation)
	b.clock.pass(tokenLife - time.Hour)
	if again := b.subscribe(id, HTTP, "http://host/x", nil); again.ID != first.ID { // asked again
		t.Error(again.ID)
	}
	b.clock.pass(2 * time.Hour)
	if err := b.sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := b.Confirm(t.Context(), region, old, Confirmation{})
	refused(t, err, InvalidParameter, "Invalid parameter: Token")
	if _, err := b.Subscription(t.Context(), first.ID); err != nil {
		t.Error(err)
	}
	b.clock.pass(tokenLife)
	if err := b.sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err = b.Subscription(t.Context(), first.ID)
	refused(t, err, NotFound, "Subscription does not exist")
	got, err := b.Attributes(t.Context(), id)
	if err != nil || got["SubscriptionsPending"] != "0" {
		t.Error(got, err)
	}
}

func TestDeliveryPolicyOfASubscription(t *testing.T) {
	b := newBench(t)
	id := b.create("t", map[string]string{"DeliveryPolicy": `{"http": {"defaultRequestPolicy": {"headerContentType": "application/json"}}}`})
	s := b.subscribe(id, HTTP, "http://host/x", nil)
	given := `{"healthyRetryPolicy": {"minDelayTarget": 1, "maxDelayTarget": 1, "numRetries": 0}, "throttlePolicy": {"maxReceivesPerSecond": 1000}, "guaranteed": false}`
	if err := b.SetSubscriptionAttribute(t.Context(), s.ID, "DeliveryPolicy", given); err != nil {
		t.Fatal(err)
	}
	got, err := b.SubscriptionAttributes(t.Context(), s.ID)
	healthy := `{"minDelayTarget":1,"maxDelayTarget":1,"numRetries":0,"numMaxDelayRetries":0,"numNoDelayRetries":0,"numMinDelayRetries":0,"backoffFunction":"linear"}`
	want := `{"healthyRetryPolicy":` + healthy + `,"sicklyRetryPolicy":null,"throttlePolicy":{"maxReceivesPerSecond":1000},"requestPolicy":{"headerContentType":"application/json"},"guaranteed":false}`
	if err != nil || got["EffectiveDeliveryPolicy"] != want {
		t.Errorf("%v\ngot  %s\nwant %s", err, got["EffectiveDeliveryPolicy"], want)
	}
}

func TestRequestsForAFunctionSaySo(t *testing.T) {
	b := newBench(t)
	id := b.create("t", nil)
	for _, function := range []bool{true, false} {
		_, err := b.Subscribe(t.Context(), id, Request{Protocol: HTTP, Endpoint: "http://host/" + strconv.FormatBool(function), Base: "http://127.0.0.1:4566", Function: function})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Confirm(t.Context(), region, b.token(confirmation), Confirmation{}); err != nil {
			t.Fatal(err)
		}
	}
	b.publish(id, Message{Text: "x"})
	all := b.sent()
	if len(all) != 4 {
		t.Fatalf("%d requests", len(all))
	}
	for _, m := range all {
		if marked := m.Detail[ForFunction] != ""; marked != strings.HasSuffix(m.Target, "true") {
			t.Errorf("%s to %s: %v", m.Headers[headerType], m.Target, m.Detail)
		}
	}
}
