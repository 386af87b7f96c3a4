package crash

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/test/platform"
)

// stacks updates one stack of CloudFormation again and again; each second update
// replaces its queue and its key. After a kill the update goes on: at its end the stack is what
// an accepted update wanted, and there is one of each.
type stacks struct {
	serial  int
	made    bool
	allowed []int // serials that the stack may have
}

const (
	stackName   = "crash-stack"
	stackQueues = "crash-stack-q"
	stackPause  = 50 * time.Millisecond // between two looks at a stack that is worked on
)

// stackTemplate has a queue whose name depends on the serial, who tells of it, and a
// key of API Gateway, whose name is not what identifies it.
const stackTemplate = `{"Parameters": {"Serial": {"Type": "Number"}, "Name": {"Type": "String"}},
 "Resources": {
  "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Ref": "Name"}, "VisibilityTimeout": {"Ref": "Serial"}}},
  "Key": {"Type": "AWS::ApiGateway::ApiKey", "Properties": {"Name": {"Ref": "Name"}}},
  "Told": {"Type": "AWS::SSM::Parameter", "Properties": {"Name": "/crash/stack", "Type": "String", "Value": {"Fn::Sub": "${Serial} ${Queue.QueueName}"}}}},
 "Outputs": {"Serial": {"Value": {"Ref": "Serial"}}}}`

func (s *stacks) write(ctx context.Context, c client) error {
	s.serial++
	action := "UpdateStack"
	if !s.made {
		action = "CreateStack"
	}
	form := url.Values{"Action": {action}, "StackName": {stackName}, "TemplateBody": {stackTemplate},
		"Parameters.member.1.ParameterKey": {"Serial"}, "Parameters.member.1.ParameterValue": {fmt.Sprint(s.serial)},
		"Parameters.member.2.ParameterKey": {"Name"}, "Parameters.member.2.ParameterValue": {fmt.Sprint(stackQueues, s.serial/2)}}
	err := c.iam(ctx, "cloudformation", platform.Key, form, nil)
	var status *statusError
	switch {
	case isDown(err):
		s.allowed = append(s.allowed, s.serial)
		return err
	case errors.As(err, &status) && strings.Contains(status.text, "already exists"):
		s.made = true
		return nil // it was made by the call that nobody acknowledged
	case err != nil:
		return err
	}
	s.made, s.allowed = true, []int{s.serial}
	_, err = s.settled(ctx, c)
	return err
}

// description is what DescribeStacks tells.
type description struct {
	Status string `xml:"DescribeStacksResult>Stacks>member>StackStatus"`
	Reason string `xml:"DescribeStacksResult>Stacks>member>StackStatusReason"`
	Output string `xml:"DescribeStacksResult>Stacks>member>Outputs>member>OutputValue"`
}

// settled waits until nothing is under way.
func (s *stacks) settled(ctx context.Context, c client) (*description, error) {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		d := &description{}
		if err := c.iam(ctx, "cloudformation", platform.Key, url.Values{"Action": {"DescribeStacks"}, "StackName": {stackName}}, d); err != nil {
			return nil, err
		}
		if !strings.HasSuffix(d.Status, "_IN_PROGRESS") {
			return d, nil
		}
		select {
		case <-time.After(stackPause):
		case <-deadline.C:
			return nil, fmt.Errorf("the stack is %s for too long", d.Status)
		case <-ctx.Done():
			return nil, &downError{ctx.Err()}
		}
	}
}

func (s *stacks) check(ctx context.Context, c client) error {
	d, err := s.settled(ctx, c)
	var status *statusError
	switch {
	case errors.As(err, &status) && !s.made: // the first was not accepted
		return nil
	case err != nil:
		return err
	case d.Status != "CREATE_COMPLETE" && d.Status != "UPDATE_COMPLETE":
		return fmt.Errorf("the stack is %s: %s", d.Status, d.Reason)
	}
	at := slices.IndexFunc(s.allowed, func(serial int) bool { return d.Output == fmt.Sprint(serial) })
	if at < 0 {
		return fmt.Errorf("the stack has the serial %s, accepted were %v", d.Output, s.allowed)
	}
	s.made, s.allowed = true, s.allowed[at:at+1]
	var listed struct{ QueueUrls []string }
	if err := c.call(ctx, "sqs", "POST", "/", jsonTarget("AmazonSQS.ListQueues", "1.0"), map[string]string{"QueueNamePrefix": stackQueues}, &listed); err != nil {
		return err
	}
	want := fmt.Sprint(stackQueues, s.allowed[0]/2)
	if len(listed.QueueUrls) != 1 || !strings.HasSuffix(listed.QueueUrls[0], "/"+want) {
		return fmt.Errorf("the queues of the stack are %v, want %s", listed.QueueUrls, want)
	}
	var keys struct{ Item []struct{ Name string } }
	if err := c.call(ctx, "apigateway", "GET", "/apikeys?name="+stackQueues, nil, nil, &keys); err != nil {
		return err
	}
	if len(keys.Item) != 1 || keys.Item[0].Name != want {
		return fmt.Errorf("the keys of the stack are %v, want %s", keys.Item, want)
	}
	var told struct{ Parameter struct{ Value string } }
	if err := c.call(ctx, "ssm", "POST", "/", jsonTarget("AmazonSSM.GetParameter", "1.1"), map[string]string{"Name": "/crash/stack"}, &told); err != nil {
		return err
	}
	if text := fmt.Sprint(s.allowed[0], " ", want); told.Parameter.Value != text {
		return fmt.Errorf("the parameter of the stack is %q, want %q", told.Parameter.Value, text)
	}
	return nil
}

func jsonTarget(operation, version string) http.Header {
	return http.Header{"Content-Type": {"application/x-amz-json-" + version}, "X-Amz-Target": {operation}}
}
