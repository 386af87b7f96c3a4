package topic

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// onlyRefusals fails for an error that the caller cannot understand.
func onlyRefusals(t *testing.T, err error) {
	var refusal *Error
	if err != nil && !errors.As(err, &refusal) {
		t.Errorf("%v is no refusal", err)
	}
}

func FuzzPolicies(f *testing.F) {
	for _, text := range []string{
		`{"http": {"defaultHealthyRetryPolicy": {"minDelayTarget": 5, "numRetries": 1}}}`, `{"healthyRetryPolicy": null, "requestPolicy": {"headerContentType": "text/csv; charset=UTF-8"}}`,
		`{"deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:q"}`, `{"Version": "2012-10-17", "Statement": {"Action": ["sns:Publish"], "Effect": "Allow"}}`, `{"Statement": []}`, "null", "[]", `{"http": null}`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		topic, err := parseTopicPolicy(text)
		onlyRefusals(t, err)
		own, ownErr := parseSubscriptionPolicy(text)
		onlyRefusals(t, ownErr)
		if err == nil && ownErr == nil {
			if p := effective(topic, own).Healthy.schedule().policy(); p.MaxAge != time.Hour {
				t.Errorf("%+v", p)
			}
		}
		if err == nil && text != "" {
			if _, err := parseTopicPolicy(compact(topic)); err != nil {
				t.Errorf("what was accepted is refused when it is read again: %v", err)
			}
		}
		s := &Subscription{ID: SubscriptionID{Topic: named("t")}, Protocol: SQS, Endpoint: queueARN("q")}
		_, err = s.parseRedrive(text)
		onlyRefusals(t, err)
		onlyRefusals(t, checkPolicy(text))
	})
}

func FuzzFilters(f *testing.F) {
	f.Add(`{"a": ["b", {"numeric": ["=", 1]}]}`, `{"a": "b"}`, "String.Array", `["b"]`)
	f.Add(`{"$or": [{"a": [1]}, {"b": {"c": [null]}}]}`, `[`, "Number", "1e3")
	f.Add(`{"a": [{"exists": false}]}`, `{"a.b": 1}`, "Binary", "x")
	f.Fuzz(func(t *testing.T, policy, text, kind, value string) {
		for _, scope := range []string{scopeAttributes, scopeBody} {
			filter, err := parseFilter(policy, scope)
			onlyRefusals(t, err)
			if err != nil {
				continue
			}
			c := &candidate{attributes: map[string]Attribute{"a": {Type: kind, String: value}}}
			first := c.passes(filter, text)
			if again := c.passes(filter, text); again != first {
				t.Error("a filter changes its mind")
			}
		}
	})
}

func FuzzMessages(f *testing.F) {
	f.Add(`{"default": "x", "sqs": "y"}`, "subject", "name", "String", "value", "group")
	f.Add(`{`, "\n", "..", "Number.int", "1.", "\x00")
	f.Fuzz(func(t *testing.T, text, subject, name, kind, value, group string) {
		v := &view{id: named("t"), fifo: strings.HasPrefix(group, "f"), contentDedup: true}
		m := &Message{Text: text, Subject: &subject, Structured: true, Attributes: map[string]Attribute{name: {Type: kind, String: value}}, GroupID: group}
		err := m.check(v)
		onlyRefusals(t, err)
		if err == nil {
			if texts, err := m.texts(); err != nil || texts == nil {
				t.Errorf("%v", err)
			}
		}
	})
}

func FuzzNames(f *testing.F) {
	f.Add("arn:aws:sns:us-east-1:000000000000:t", "sqs", "arn:aws:sqs:us-east-1:000000000000:q")
	f.Add("arn:aws:sns:us-east-1:000000000000:t.fifo", "http", "http://host:1/x?y")
	f.Fuzz(func(t *testing.T, text, protocol, endpoint string) {
		id, err := ParseARN(text)
		if err == nil && id.ARN() != text && strings.HasPrefix(text, "arn:aws:") {
			t.Errorf("%q is %q", text, id.ARN())
		}
		onlyRefusals(t, checkEndpoint(named("t"), protocol, endpoint))
		onlyRefusals(t, checkEndpoint(named("t.fifo"), protocol, endpoint))
	})
}
