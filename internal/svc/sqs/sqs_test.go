package sqs

import (
	"errors"
	"strings"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/api/sqsapi"
	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/core/queue"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/test/apidoc"
)

func TestTheDocumentationListsEveryOperationAndOption(t *testing.T) {
	for _, service := range Services(nil) {
		apidoc.Check(t, "SQS", service)
	}
}

// AWS: the example of
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html
// has no digest; these were recorded with the messages of LocalStack's validated tests.
func TestDigests(t *testing.T) {
	for want, attributes := range map[string]map[string]queue.Attribute{
		"adb59cd4678ea5a855436b949cd07ab6": {"MyAttribute": {DataType: "String", String: "foobar"}},
		"ae7155c6026991b6d54b11589678bf9c": {"Foo": {DataType: "String", String: "Bar"}},
	} {
		if got := digest(attributes); got == nil || *got != want {
			t.Errorf("digest of %v is %v, want %s", attributes, got, want)
		}
	}
	if digest(nil) != nil {
		t.Error("no attributes have a digest")
	}
}

func TestQueueURLs(t *testing.T) {
	a := &api{}
	call := &wire.Call{Account: "000000000000", Region: "eu-west-1"}
	want := queue.ID{Account: "000000000000", Region: "eu-west-1", Name: "q.fifo"}
	for _, url := range []string{
		"http://127.0.0.1:4566/000000000000/q.fifo", "https://queue.amazonaws.com/000000000000/q.fifo", "https://eu-west-1.queue.amazonaws.com/000000000000/q.fifo/",
		"http://localhost:4566/queue/eu-west-1/000000000000/q.fifo", "/000000000000/q.fifo",
	} {
		if id, err := a.queue(call, &url); err != nil || id != want {
			t.Errorf("%s: %v, %v", url, id, err)
		}
	}
	for url, code := range map[string]queue.Code{
		"": queue.MissingRequiredParameter, "q": "InvalidAddress", "http://host/q": "InvalidAddress", "http://host/x/q": "InvalidAddress", "::": "InvalidAddress",
		"http://host/111111111111/q": "AccessDeniedException",
	} {
		if _, err := a.queue(call, &url); !errors.Is(err, &queue.Error{Code: code}) {
			t.Errorf("%q: %v, want %s", url, err, code)
		}
	}
}

func TestErrorsOfBothProtocols(t *testing.T) {
	missing := &queue.Error{Code: queue.QueueDoesNotExist, Message: "The specified queue does not exist."}
	forJSON, forQuery := fault.From((&api{}).fault(missing)), fault.From((&api{query: true}).fault(missing))
	if forJSON.Code != "QueueDoesNotExist" || forJSON.QueryCode != "AWS.SimpleQueueService.NonExistentQueue" || forJSON.Message != missing.Message {
		t.Errorf("json: %+v", forJSON)
	}
	if forQuery.Message != "The specified queue does not exist for this wsdl version." {
		t.Errorf("query: %+v", forQuery)
	}
	ours := errors.New("the disk is on fire")
	if err := (&api{}).fault(ours); err != ours {
		t.Errorf("an error of ours became %v", err)
	}
	for i := range sqsapi.Model.Shapes {
		s := &sqsapi.Model.Shapes[i]
		if s.Error == nil || strings.HasPrefix(s.Name, "Kms") || s.Name == "InvalidIdFormat" || s.Name == "InvalidSecurity" || s.Name == "RequestThrottled" {
			continue // AWS's own, or of what is not here
		}
		if _, known := wireErrors[queue.Code(s.Name)]; !known {
			t.Errorf("the exception %s has no code of the query protocol", s.Name)
		}
	}
}
