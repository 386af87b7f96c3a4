package bus

import (
	"testing"
	"time"
)

func exampleEvent(t testing.TB) *event {
	t.Helper()
	e := &event{Version: "0", ID: "7bf73129-1428-4cd3-a780-95db273d1602", DetailType: "EC2 Instance State-change Notification", Source: "aws.ec2", Account: "123456789012", Time: "2015-11-11T21:29:54Z",
		Region: "us-east-1", Resources: []string{"arn:aws:ec2:us-east-1:123456789012:instance/i-abcd1111"}, Detail: []byte(`{"instance-id":"i-0123456789","state":"RUNNING","say":"\"hi\"","n":1.50,"o":{"a":[1,{"b":"c"}]}}`),
		ingested: time.Date(2026, 11, 28, 6, 0, 0, 0, time.UTC)}
	var err error
	if e.text, err = e.encode(); err != nil {
		t.Fatal(err)
	}
	return e
}

// TestInputs has the forms of AWS's page on transformation
// (eb-transform-target-input.html) and recorded results.
func TestInputs(t *testing.T) {
	e := exampleEvent(t)
	o := &occasion{ruleARN: "arn:aws:events:us-east-1:123456789012:rule/example", ruleName: "example", event: e}
	paths := map[string]string{"instance": "$.detail.instance-id", "state": "$.detail.state", "n": "$.detail.n", "o": "$.detail.o", "say": "$.detail.say", "none": "$.detail.none", "first": "$.resources[0]", "deep": "$.detail['o'].a[1][\"b\"]"}
	template := func(text string) Target { return Target{Transformer: &Transformer{Paths: paths, Template: text}} }
	without := `{"version":"0","id":"7bf73129-1428-4cd3-a780-95db273d1602","detail-type":"EC2 Instance State-change Notification","source":"aws.ec2","account":"123456789012","time":"2015-11-11T21:29:54Z","region":"us-east-1","resources":["arn:aws:ec2:us-east-1:123456789012:instance/i-abcd1111"]}`
	for _, test := range []struct {
		target Target
		want   string
	}{
		{Target{}, string(e.text)},
		{Target{Input: `{"a": 1}`}, `{"a": 1}`},
		{Target{InputPath: "$"}, string(e.text)},
		{Target{InputPath: "$.detail.state"}, `"RUNNING"`},
		{Target{InputPath: "$.detail.none.deeper"}, "null"},
		{Target{InputPath: "$.resources[1]"}, "null"},
		{template(`"instance <instance> is in <state>"`), `"instance i-0123456789 is in RUNNING"`},
		{template(`{"instance" : <instance>, "status": <state>}`), `{"instance" : "i-0123456789", "status": "RUNNING"}`},
		{template(`{"n": <n>, "o": <o>, "deep": <deep>, "first": <first>}`), `{"n": 1.50, "o": {"a":[1,{"b":"c"}]}, "deep": "c", "first": "arn:aws:ec2:us-east-1:123456789012:instance/i-abcd1111"}`},
		{template(`"<n> <o> <say> <none>."`), `"1.50 {a:[1,{b:c}]} \"hi\" ."`},
		{template(`{"none": <none>}`), `{"none": ""}`},
		{template(`"a \" <state> \\"`), `"a \" RUNNING \\"`},
		{template(`"1 < 2 and <b> <"`), `"1 < 2 and <b> <"`},
		{template(`{"rule": <aws.events.rule-name>, "arn": "<aws.events.rule-arn>", "at": <aws.events.event.ingestion-time>}`),
			`{"rule": "example", "arn": "arn:aws:events:us-east-1:123456789012:rule/example", "at": "2026-11-28T06:00:00Z"}`},
		{template(`{"all": <aws.events.event.json>}`), `{"all": ` + string(e.text) + `}`},
		{template(`{"without": <aws.events.event>}`), `{"without": ` + without + `}`},
	} {
		got, err := test.target.shape(o)
		if err != nil || string(got) != test.want {
			t.Errorf("%+v\ngot  %s %v\nwant %s", test.target, got, err, test.want)
		}
	}
}

func TestPathsThatAreRefused(t *testing.T) {
	for _, text := range []string{"", "detail", "$.", "$..a", "$.a[", "$.a[x]", "$.a[-1]", "$.a[*]", "$.*", "$['a]", "$a", "$.a b", "$.a[?(@.b)]"} {
		if p, err := parsePath(text); err == nil {
			t.Errorf("%q is read as %v", text, p)
		}
	}
}

func FuzzTransformer(f *testing.F) {
	f.Add(`{"a": <instance>, "b": "<x>"}`, "$.detail.instance-id")
	f.Add(`"<instance> <aws.events.event.json>"`, `$['detail']["o"].a[1]`)
	e := exampleEvent(f)
	f.Fuzz(func(t *testing.T, template, text string) {
		transformer := &Transformer{Template: template, Paths: map[string]string{"instance": text}}
		if transformer.check("x") != nil {
			return
		}
		if _, err := transformer.render(&occasion{event: e}); err != nil {
			t.Fatal(err)
		}
	})
}
