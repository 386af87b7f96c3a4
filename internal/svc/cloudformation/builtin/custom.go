package builtin

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/core/stack/plan"
	"github.com/lambkin-dev/lambkin/internal/core/template"
	"github.com/lambkin-dev/lambkin/internal/core/template/syntax"
	"github.com/lambkin-dev/lambkin/internal/wire/local"
)

// Bounds of custom resources.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-cloudformation-customresource.html
const (
	maxServiceTimeout = time.Hour
	maxResponseBytes  = 4096 // https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html
	closeTime         = 10 * time.Second
)

// custom is AWS::CloudFormation::CustomResource and Custom::Name: a function, or
// who listens to a topic, does what is to be done and answers by a PUT to a URL.
type custom struct{ *config }

var customFacts = &stack.Facts{Type: plan.CustomType, Updatable: true, OpenProperties: true, Attributes: []string{"*"}, Waits: true, Timeout: maxServiceTimeout + time.Minute,
	Properties: map[string]stack.Property{"ServiceToken": {Required: true, Kinds: stack.Text}, "ServiceTimeout": {Kinds: stack.Number | stack.Text}}}

func (custom) Facts() *stack.Facts { return customFacts }

// request is what the provider of a custom resource gets.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-requests.html
type request struct {
	RequestType           string
	ServiceToken          string
	ResponseURL           string
	StackID               string `json:"StackId"`
	RequestID             string `json:"RequestId"`
	LogicalResourceID     string `json:"LogicalResourceId"`
	PhysicalResourceID    string `json:"PhysicalResourceId,omitempty"`
	ResourceType          string
	ResourceProperties    map[string]any
	OldResourceProperties map[string]any `json:",omitempty"`
}

// response is what it answers.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html
type response struct {
	Status, Reason     string
	PhysicalResourceID string `json:"PhysicalResourceId"`
	StackID            string `json:"StackId"`
	RequestID          string `json:"RequestId"`
	LogicalResourceID  string `json:"LogicalResourceId"`
	NoEcho             any
	Data               map[string]any
}

func (c custom) Create(ctx context.Context, r *stack.Request) (*stack.Result, error) {
	answer, err := c.ask(ctx, "Create", r)
	return c.result(r.Name, answer, err)
}

func (c custom) Update(ctx context.Context, r *stack.Request) (*stack.Result, error) {
	switch same := text(r.Previous["ServiceToken"]) == text(r.Properties["ServiceToken"]); {
	case !same && r.Back: // that update was refused, so nobody was asked
		return &stack.Result{PhysicalID: r.PhysicalID}, nil
	case !same:
		return nil, stack.Invalid("Modifying service token is not allowed.")
	}
	answer, err := c.ask(ctx, "Update", r)
	return c.result(r.PhysicalID, answer, err)
}

func (c custom) Delete(ctx context.Context, r *stack.Request) error {
	answer, err := c.ask(ctx, "Delete", r)
	_, err = c.result(r.PhysicalID, answer, err)
	return err
}

// Read cannot know what a provider has made.
func (custom) Read(_ context.Context, r *stack.Request) (properties, attributes map[string]any, err error) {
	return r.Properties, r.Attributes, nil
}

// result is what has come of an answer. A resource of which it is not known whether
// it was made has its made name as its id: with that its deletion is asked for.
func (c custom) result(id string, answer *response, err error) (*stack.Result, error) {
	var unsent *unsentError
	switch {
	case errors.As(err, &unsent):
		return nil, err // nobody knows of it
	case answer == nil:
		return &stack.Result{PhysicalID: id}, err
	}
	if answer.PhysicalResourceID != "" {
		id = answer.PhysicalResourceID
	}
	hidden, _ := template.Text(answer.NoEcho)
	return &stack.Result{PhysicalID: id, Attributes: answer.Data, Hidden: hidden == "true"}, err
}

// ask sends a request and waits for its answer. If an earlier try was made with the
// same token the answer may be there already.
func (c custom) ask(ctx context.Context, what string, r *stack.Request) (*response, error) {
	timeout := maxServiceTimeout
	if given := text(r.Properties["ServiceTimeout"]); given != "" {
		seconds, err := time.ParseDuration(given + "s")
		if err != nil || seconds < time.Second || seconds > maxServiceTimeout {
			return nil, &unsentError{stack.Invalid("ServiceTimeout must be a number of seconds between 1 and %d", int(maxServiceTimeout.Seconds()))}
		}
		timeout = seconds
	}
	box := c.Boxes.Name(r.Token)
	mark, err := c.Boxes.Open(ctx, box)
	if err != nil {
		return nil, err
	}
	if mark != asked {
		if err := c.send(ctx, what, box, r); err != nil {
			return nil, &unsentError{err}
		}
		if err := c.Boxes.Mark(ctx, box, asked); err != nil {
			return nil, err
		}
	}
	waiting, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	letters, err := c.Boxes.Wait(waiting, box, func(letters [][]byte) bool { return len(letters) > 0 })
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, err // the process ends, or the operation was cancelled
	case err != nil && waiting.Err() == nil:
		return nil, err
	}
	closing, done := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
	defer done()
	if err := c.Boxes.Close(closing, box); err != nil {
		return nil, err
	}
	if len(letters) == 0 {
		return nil, stack.Invalid("CloudFormation did not receive a response from your Custom Resource. Please check your logs for requestId [%s]. If you are using the Python cfn-response module, you may need to update your Lambda function code so that CloudFormation can attach the updated version.", r.Token)
	}
	return readAnswer(letters[0], r)
}

// unsentError tells that nobody got the request.
type unsentError struct{ error }

// Unwrap gives the error itself.
func (u *unsentError) Unwrap() error { return u.error }

// asked marks a box whose request has been sent.
const asked = "asked"

// send invokes the function, or publishes to the topic.
func (c custom) send(ctx context.Context, what, box string, r *stack.Request) error {
	token := text(r.Properties["ServiceToken"])
	at, err := arn.Parse(token)
	if err != nil {
		return stack.Invalid("Invalid service token: %q is no ARN of a function or a topic", token)
	}
	who := local.Identity{Account: r.Account, Region: r.Region, AccessKeyID: r.Caller.AccessKeyID, CallerARN: r.Caller.ARN, UserID: r.Caller.UserID, Endpoint: r.Caller.Endpoint, Function: r.Caller.Function, Session: r.Caller.Session}
	endpoint := c.Inside // where functions reach us
	if at.Service != "lambda" && !c.heardByFunctions(ctx, r, token) {
		endpoint = r.Caller.Endpoint
	}
	kind := plan.CustomType
	if r.Type != "" {
		kind = r.Type
	}
	document := request{RequestType: what, ServiceToken: token, ResponseURL: endpoint + ResponsePath + box, StackID: r.StackID, RequestID: r.Token, LogicalResourceID: r.LogicalID,
		PhysicalResourceID: r.PhysicalID, ResourceType: kind, ResourceProperties: texts(r.Properties)}
	if r.Previous != nil {
		document.OldResourceProperties = texts(r.Previous)
	}
	body, err := json.Marshal(document)
	if err != nil {
		return err
	}
	switch at.Service {
	case "lambda":
		_, err = c.Calls.Call(ctx, who, "lambda", "Invoke", map[string]any{"FunctionName": token, "InvocationType": "Event", "Payload": body})
	case "sns":
		_, err = c.Calls.Call(ctx, who, "sns", "Publish", map[string]any{"TopicArn": token, "Message": string(body), "Subject": "AWS CloudFormation custom resource request"})
	default:
		return stack.Invalid("Invalid service token: %q is no ARN of a function or a topic", token)
	}
	if f := fault.From(err); f != nil {
		return stack.Invalid("%s", f.Message)
	}
	return err
}

// heardByFunctions tells whether a function listens to a topic: it reaches us by
// another address than who is outside. That is for us to know, so the caller needs no
// permission to ask.
//
// AWS: has one address for all.
func (c custom) heardByFunctions(ctx context.Context, r *stack.Request, topic string) bool {
	who := local.Identity{Account: r.Account, Region: r.Region, CallerARN: arn.New("iam", "", r.Account, "root").String()}
	out, err := c.Calls.Call(ctx, who, "sns", "ListSubscriptionsByTopic", map[string]any{"TopicArn": topic})
	if err != nil {
		return false
	}
	list, _ := out["Subscriptions"].([]any)
	return slices.ContainsFunc(list, func(item any) bool {
		one, _ := item.(map[string]any)
		return text(one["Protocol"]) == "lambda"
	})
}

// texts makes texts of all scalars, as CloudFormation hands them to providers.
func texts(properties map[string]any) map[string]any {
	made, _ := textsOf(properties).(map[string]any)
	return made
}

func textsOf(value any) any {
	switch value := value.(type) {
	case map[string]any:
		made := make(map[string]any, len(value))
		for key, item := range value {
			made[key] = textsOf(item)
		}
		return made
	case []any:
		made := make([]any, len(value))
		for i, item := range value {
			made[i] = textsOf(item)
		}
		return made
	}
	if t, ok := template.Text(value); ok {
		return t
	}
	return value
}

func text(value any) string {
	t, _ := template.Text(value)
	return t
}

// readAnswer checks an answer. Texts: as recorded from AWS.
func readAnswer(letter []byte, r *stack.Request) (*response, error) {
	var answer response
	value, err := syntax.ParseJSON(string(letter))
	object, ok := value.(map[string]any)
	if err != nil || !ok {
		return nil, stack.Invalid("Invalid response object: it is no JSON object")
	}
	answer.Status, answer.Reason = text(object["Status"]), text(object["Reason"])
	answer.PhysicalResourceID, answer.StackID = text(object["PhysicalResourceId"]), text(object["StackId"])
	answer.RequestID, answer.LogicalResourceID, answer.NoEcho = text(object["RequestId"]), text(object["LogicalResourceId"]), object["NoEcho"]
	answer.Data, _ = object["Data"].(map[string]any)
	switch {
	case len(letter) > maxResponseBytes:
		return nil, stack.Invalid("Response object is too long.")
	case answer.StackID != r.StackID:
		return nil, stack.Invalid("Invalid StackId: it is not that of the request")
	case answer.RequestID != r.Token:
		return nil, stack.Invalid("Invalid RequestId: it is not that of the request")
	case answer.LogicalResourceID != r.LogicalID:
		return nil, stack.Invalid("Invalid LogicalResourceId: it is not that of the request")
	case answer.Status == "FAILED":
		return &answer, stack.Invalid("Received response status [FAILED] from custom resource. Message returned: %s (RequestId: %s)", answer.Reason, r.Token)
	case answer.Status != "SUCCESS":
		return &answer, stack.Invalid("Invalid Status: %q", answer.Status)
	case answer.PhysicalResourceID == "":
		return &answer, stack.Invalid("Invalid PhysicalResourceId")
	}
	return &answer, nil
}
