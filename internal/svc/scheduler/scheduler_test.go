package scheduler

import (
	"context"
	"strings"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/api/lambdaapi"
	"github.com/lambkin-dev/lambkin/internal/api/sqsapi"
	"github.com/lambkin-dev/lambkin/internal/core/delivery"
	"github.com/lambkin-dev/lambkin/internal/core/scheduler"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/local"
	"github.com/lambkin-dev/lambkin/test/apidoc"
)

func TestTheDocumentationListsEveryOperationAndOption(t *testing.T) {
	apidoc.Check(t, "Scheduler", Service(nil, nil))
}

// TestUniversalTargetsCallOperations of any service, in the account of the schedule.
func TestUniversalTargetsCallOperations(t *testing.T) {
	var got []string
	u := &Universal{Caller: local.New([]*wire.Service{
		wire.NewService(sqsapi.Model, sqsapi.HandleSendMessage(func(_ context.Context, call *wire.Call, in *sqsapi.SendMessageInput) (*sqsapi.SendMessageOutput, error) {
			if !call.Function {
				t.Error("a schedule may be a function's, but its call is not")
			}
			got = append(got, call.Account+" "+call.Region+" "+*in.MessageBody)
			return nil, nil
		})),
		wire.NewService(lambdaapi.Model, lambdaapi.HandleInvoke(func(_ context.Context, _ *wire.Call, in *lambdaapi.InvokeInput) (*lambdaapi.InvokeOutput, error) {
			got = append(got, *in.FunctionName+" "+string(in.Payload))
			if *in.FunctionName == "absent" {
				return nil, lambdaapi.ResourceNotFoundException("Function not found")
			}
			if *in.FunctionName == "busy" {
				return nil, lambdaapi.TooManyRequestsException("Rate Exceeded.")
			}
			return nil, nil
		})),
	})}
	send := func(target, body string) error {
		return u.Deliver(t.Context(), &delivery.Message{Target: target, Body: []byte(body), Detail: map[string]string{scheduler.DetailAccount: "1", scheduler.DetailRegion: "r"}})
	}
	const sdk = "arn:aws:scheduler:::aws-sdk:"
	for _, step := range []struct {
		target, body string
		permanent    bool
		want         string
	}{
		{sdk + "sqs:sendMessage", `{"QueueUrl": "u", "MessageBody": "m"}`, false, "1 r m"},
		{sdk + "lambda:invoke", `{"FunctionName": "f", "InvocationType": "Event", "Payload": "{\"a\":1}"}`, false, `f {"a":1}`},
		{sdk + "lambda:invoke", `{"FunctionName": "absent"}`, true, "absent "},
		{sdk + "lambda:invoke", `{}`, true, ""},
		{sdk + "lambda:invoke", `[]`, true, ""},
		{sdk + "lambda:noSuch", `{}`, true, ""},
		{sdk + "ec2:stopInstances", `{}`, true, ""},
		{sdk + "sqs", `{}`, true, ""},
	} {
		got = nil
		err := send(step.target, step.body)
		if delivery.IsPermanent(err) != step.permanent || !step.permanent && err != nil || strings.Join(got, "; ") != step.want {
			t.Errorf("%s %s: %q with error %v, want %q", step.target, step.body, got, err, step.want)
		}
	}
	if err := send(sdk+"lambda:invoke", `{"FunctionName": "busy"}`); err == nil || delivery.IsPermanent(err) {
		t.Errorf("a throttled call is not tried again: %v", err)
	}
	if err := u.check(sdk + "ec2:stopInstances"); err == nil || !strings.Contains(err.Error(), "this platform does not have the service ec2") {
		t.Error(err)
	}
	if err := u.check("arn:aws:sqs:us-east-1:000000000000:q"); err != nil {
		t.Error(err)
	}
}
