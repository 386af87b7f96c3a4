package restapi

import (
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/core/restapi"
	"github.com/lambkin-dev/lambkin/internal/front"
)

// TestTheRoleOfAnIntegrationIsOfItsAccount: a stage variable must not lead to the roles
// of others, which trust API Gateway for their own APIs.
func TestTheRoleOfAnIntegrationIsOfItsAccount(t *testing.T) {
	e := &exchange{r: &front.Request{Request: httptest.NewRequest("GET", "/", nil)}, server: &Server{}, api: &restapi.API{ForFunction: true}, id: restapi.ID{Scope: restapi.Scope{Account: "111122223333", Region: "eu-west-1"}, ID: "abc"}, stage: &restapi.Stage{}}
	for account, want := range map[string]bool{"111122223333": true, "444455556666": false} {
		e.stage.Variables = map[string]string{"account": account}
		who, err := e.role(&restapi.Integration{Credentials: "arn:aws:iam::${stageVariables.account}:role/r"}, "eu-west-1")
		if (err == nil) != want || err == nil && (who.Account != account || !who.Function) {
			t.Errorf("%s: %+v, %v", account, who, err)
		}
	}
}

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
