package backend

import (
	"net/url"
	"testing"
)

// TestFormsOfQueues; sqs-making-api-requests-xml.html, and the older parameters of the API
// reference of SQS.
func TestFormsOfQueues(t *testing.T) {
	for older, newer := range map[string]string{
		"MessageBody": "MessageBody", "QueueUrl": "QueueUrl", "MessageAttribute.1.Name": "MessageAttributes.1.key", "MessageAttribute.1.Value.StringValue": "MessageAttributes.1.value.StringValue",
		"Attribute.12.Name": "Attributes.12.key", "Attribute.12.Value": "Attributes.12.value", "Tag.1.Key": "Tags.1.key", "AttributeName.1": "AttributeNames.1",
		"SendMessageBatchRequestEntry.2.MessageAttribute.1.Name": "Entries.2.MessageAttributes.1.key", "SendMessageBatchRequestEntry.2.Id": "Entries.2.Id",
		"MessageAttributeName.1": "MessageAttributeNames.1", "Tag": "Tag", "Name": "Name", "...": "...",
	} {
		if got := queueForm(url.Values{older: {"v"}}); got.Get(newer) != "v" {
			t.Errorf("%s: %v", older, got)
		}
	}
}

// TestFormsOfServices: what an AWS integration calls.
func TestFormsOfServices(t *testing.T) {
	for _, c := range []struct {
		resource string
		request  Request
		action   string
		member   string
		value    any
		form     bool
	}{
		{"path/000000000000/q", Request{Body: "Action=SendMessage&MessageBody=a%26b", ContentType: "application/x-www-form-urlencoded"}, "SendMessage", "MessageBody", "a&b", true},
		{"action/SendMessage&QueueUrl=u", Request{Query: map[string][]string{"MessageBody": {"m"}}}, "SendMessage", "MessageBody", "m", true},
		{"path//", Request{Body: `{"Entries":[]}`, ContentType: "application/json", Header: map[string]string{"x-amz-target": "AWSEvents.PutEvents"}}, "PutEvents", "Entries", []any{}, false},
		{"action/PutEvents", Request{Body: `{"n":"x"}`, ContentType: "application/json"}, "PutEvents", "n", "x", false},
	} {
		if c.request.Query == nil {
			c.request.Query = map[string][]string{}
		}
		action, input, form, err := operation(c.resource, &c.request)
		if list, is := c.value.([]any); is {
			c.value = len(list)
			got, _ := input[c.member].([]any)
			input[c.member] = len(got)
		}
		if err != nil || action != c.action || input[c.member] != c.value || form != c.form {
			t.Errorf("%s: %s %v %v %v", c.resource, action, input, form, err)
		}
	}
}
