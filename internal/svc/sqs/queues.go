package sqs

import (
	"context"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/api/sqsapi"
	"github.com/lambkin-dev/lambkin/internal/core/queue"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

// Pages of lists.
const (
	maxPage     = 1000
	maxTaskPage = 10
)

func (a *api) createQueue(ctx context.Context, call *wire.Call, in *sqsapi.CreateQueueInput) (*sqsapi.CreateQueueOutput, error) {
	if member.Text(in.QueueName) == "" {
		return nil, missing("QueueName")
	}
	id := queue.ID{Account: call.Account, Region: call.Region, Name: *in.QueueName}
	if err := a.queues.Create(ctx, id, in.Attributes, in.Tags); err != nil {
		return nil, err
	}
	return &sqsapi.CreateQueueOutput{QueueUrl: address(call, id)}, nil
}

func (a *api) getQueueURL(ctx context.Context, call *wire.Call, in *sqsapi.GetQueueUrlInput) (*sqsapi.GetQueueUrlOutput, error) {
	if member.Text(in.QueueName) == "" {
		return nil, missing("QueueName")
	}
	id := queue.ID{Account: call.Account, Region: call.Region, Name: *in.QueueName}
	if owner := member.Text(in.QueueOwnerAWSAccountId); owner != "" && owner != call.Account {
		return nil, refuse(queue.QueueDoesNotExist, "The specified queue does not exist.") // AWS: nor one that the caller may not see
	}
	if err := a.queues.Exists(ctx, id); err != nil {
		return nil, err
	}
	return &sqsapi.GetQueueUrlOutput{QueueUrl: address(call, id)}, nil
}

// page reads MaxResults and NextToken; limited tells whether MaxResults is given.
func page(max *int32, token *string) (limit int, after string, limited bool, err error) {
	limit = maxPage
	if max != nil {
		if limit, limited = int(*max), true; limit < 1 || limit > maxPage {
			return 0, "", false, invalid(strconv.Itoa(limit), "MaxResults", "MaxResults must be an integer between 1 and 1000.")
		}
	}
	name, err := base64.RawURLEncoding.DecodeString(member.Text(token))
	if err != nil {
		return 0, "", false, invalid(member.Text(token), "NextToken", "Invalid or expired next token.")
	}
	return limit, string(name), limited, nil
}

// nextToken goes on after the last name.
func nextToken(names []string) *string {
	token := base64.RawURLEncoding.EncodeToString([]byte(names[len(names)-1]))
	return &token
}

func (a *api) listQueues(ctx context.Context, call *wire.Call, in *sqsapi.ListQueuesInput) (*sqsapi.ListQueuesOutput, error) {
	limit, after, limited, err := page(in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	names, more, err := a.queues.List(ctx, call.Account, call.Region, member.Text(in.QueueNamePrefix), after, limit)
	if err != nil {
		return nil, err
	}
	out := &sqsapi.ListQueuesOutput{QueueUrls: addresses(call, names)}
	if more && limited { // AWS: without MaxResults there are 1000 and no token
		out.NextToken = nextToken(names)
	}
	return out, nil
}

// addresses are the URLs of queues; nil for none, which leaves the member out.
func addresses(call *wire.Call, names []string) []string {
	var urls []string
	for _, name := range names {
		urls = append(urls, *address(call, queue.ID{Account: call.Account, Name: name}))
	}
	return urls
}

func (a *api) listDeadLetterSourceQueues(ctx context.Context, call *wire.Call, in *sqsapi.ListDeadLetterSourceQueuesInput) (*sqsapi.ListDeadLetterSourceQueuesOutput, error) {
	id, err := a.queue(call, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	limit, after, limited, err := page(in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	if err := a.queues.Exists(ctx, id); err != nil {
		return nil, err
	}
	names, err := a.queues.Sources(ctx, id)
	if err != nil {
		return nil, err
	}
	names = slices.DeleteFunc(names, func(name string) bool { return after != "" && name <= after })
	out := &sqsapi.ListDeadLetterSourceQueuesOutput{}
	if len(names) > limit {
		if names = names[:limit]; limited {
			out.NextToken = nextToken(names)
		}
	}
	if out.QueueUrls = addresses(call, names); out.QueueUrls == nil {
		out.QueueUrls = []string{}
	}
	return out, nil
}

func (a *api) deleteQueue(ctx context.Context, call *wire.Call, in *sqsapi.DeleteQueueInput) (*struct{}, error) {
	id, err := a.queue(call, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return nil, a.queues.Delete(ctx, id)
}

func (a *api) purgeQueue(ctx context.Context, call *wire.Call, in *sqsapi.PurgeQueueInput) (*struct{}, error) {
	id, err := a.queue(call, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return nil, a.queues.Purge(ctx, id)
}

func (a *api) getQueueAttributes(ctx context.Context, call *wire.Call, in *sqsapi.GetQueueAttributesInput) (*sqsapi.GetQueueAttributesOutput, error) {
	id, err := a.queue(call, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	attributes, err := a.queues.Attributes(ctx, id, in.AttributeNames)
	if err != nil {
		return nil, err
	}
	if len(attributes) == 0 {
		attributes = nil // AWS: recorded, the member is left out
	}
	return &sqsapi.GetQueueAttributesOutput{Attributes: attributes}, nil
}

func (a *api) setQueueAttributes(ctx context.Context, call *wire.Call, in *sqsapi.SetQueueAttributesInput) (*struct{}, error) {
	id, err := a.queue(call, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if len(in.Attributes) == 0 {
		return nil, missing("Attribute.Name")
	}
	return nil, a.queues.SetAttributes(ctx, id, in.Attributes)
}

func (a *api) listQueueTags(ctx context.Context, call *wire.Call, in *sqsapi.ListQueueTagsInput) (*sqsapi.ListQueueTagsOutput, error) {
	id, err := a.queue(call, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	tags, err := a.queues.Tags(ctx, id)
	if err != nil {
		return nil, err
	}
	if len(tags) == 0 {
		tags = nil
	}
	return &sqsapi.ListQueueTagsOutput{Tags: tags}, nil
}

func (a *api) tagQueue(ctx context.Context, call *wire.Call, in *sqsapi.TagQueueInput) (*struct{}, error) {
	id, err := a.queue(call, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if len(in.Tags) == 0 {
		return nil, missing("Tags")
	}
	return nil, a.queues.Tag(ctx, id, in.Tags, nil)
}

func (a *api) untagQueue(ctx context.Context, call *wire.Call, in *sqsapi.UntagQueueInput) (*struct{}, error) {
	id, err := a.queue(call, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if len(in.TagKeys) == 0 {
		return nil, missing("TagKeys")
	}
	return nil, a.queues.Tag(ctx, id, nil, in.TagKeys)
}

// permittable are the actions that AddPermission may name.
var permittable = []string{
	"*", "ChangeMessageVisibility", "DeleteMessage", "GetQueueAttributes", "GetQueueUrl", "ListDeadLetterSourceQueues", "PurgeQueue",
	"ReceiveMessage", "SendMessage",
}

func (a *api) addPermission(ctx context.Context, call *wire.Call, in *sqsapi.AddPermissionInput) (*struct{}, error) {
	id, err := a.queue(call, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	switch {
	case member.Text(in.Label) == "":
		return nil, missing("Label")
	case len(in.AWSAccountIds) == 0:
		return nil, missing("AWSAccountIds")
	case len(in.Actions) == 0:
		return nil, missing("Actions")
	}
	for _, action := range in.Actions {
		if !slices.Contains(permittable, action) {
			return nil, invalid("SQS:"+action, "ActionName", "Please refer to the appropriate WSDL for a list of valid actions. ")
		}
	}
	for _, account := range in.AWSAccountIds {
		if len(account) != accountDigits || strings.Trim(account, "0123456789") != "" {
			return nil, invalid(account, "PrincipalId", "Unable to verify.")
		}
	}
	return nil, a.queues.AddPermission(ctx, id, *in.Label, in.AWSAccountIds, in.Actions)
}

func (a *api) removePermission(ctx context.Context, call *wire.Call, in *sqsapi.RemovePermissionInput) (*struct{}, error) {
	id, err := a.queue(call, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if member.Text(in.Label) == "" {
		return nil, missing("Label")
	}
	return nil, a.queues.RemovePermission(ctx, id, *in.Label)
}

// badARN is the answer to a parameter that is no ARN.
func badARN(parameter string) error {
	return refuse(queue.InvalidParameterValue, "You must use this format to specify the "+parameter+": arn:<partition>:<service>:<region>:<account-id>:<resource-id>")
}

// source reads the SourceArn of a move task.
func source(call *wire.Call, name *string) (queue.ID, error) {
	if member.Text(name) == "" {
		return queue.ID{}, missing("SourceArn")
	}
	id, err := queue.ParseARN(*name)
	switch {
	case err != nil:
		return queue.ID{}, badARN("SourceArn")
	case id.Account != call.Account || id.Region != call.Region:
		return queue.ID{}, refuse(queue.ResourceNotFoundException, "The resource that you specified for the SourceArn parameter doesn't exist.")
	}
	return id, nil
}

func (a *api) startMessageMoveTask(ctx context.Context, call *wire.Call, in *sqsapi.StartMessageMoveTaskInput) (*sqsapi.StartMessageMoveTaskOutput, error) {
	from, err := source(call, in.SourceArn)
	if err != nil {
		return nil, err
	}
	var to *queue.ID
	if member.Text(in.DestinationArn) != "" {
		id, err := queue.ParseARN(*in.DestinationArn)
		switch {
		case err != nil:
			return nil, badARN("DestinationArn")
		case id.Account != call.Account || id.Region != call.Region:
			return nil, refuse(queue.ResourceNotFoundException, "The resource that you specified for the DestinationArn parameter doesn't exist.")
		}
		to = &id
	}
	rate := 0
	if in.MaxNumberOfMessagesPerSecond != nil {
		if rate = int(*in.MaxNumberOfMessagesPerSecond); rate < 1 || rate > queue.MaxMoveRate {
			return nil, invalid(strconv.Itoa(rate), "MaxNumberOfMessagesPerSecond", "Must be between 1 and 500, if provided.")
		}
	}
	task, err := a.queues.StartTask(ctx, from, to, rate)
	if err != nil {
		return nil, err
	}
	handle := task.Handle()
	return &sqsapi.StartMessageMoveTaskOutput{TaskHandle: &handle}, nil
}

func (a *api) cancelMessageMoveTask(ctx context.Context, call *wire.Call, in *sqsapi.CancelMessageMoveTaskInput) (*sqsapi.CancelMessageMoveTaskOutput, error) {
	if member.Text(in.TaskHandle) == "" {
		return nil, missing("TaskHandle")
	}
	moved, err := a.queues.CancelTask(ctx, call.Account, call.Region, *in.TaskHandle)
	if err != nil {
		return nil, err
	}
	return &sqsapi.CancelMessageMoveTaskOutput{ApproximateNumberOfMessagesMoved: &moved}, nil
}

func (a *api) listMessageMoveTasks(ctx context.Context, call *wire.Call, in *sqsapi.ListMessageMoveTasksInput) (*sqsapi.ListMessageMoveTasksOutput, error) {
	from, err := source(call, in.SourceArn)
	if err != nil {
		return nil, err
	}
	limit := 1
	if in.MaxResults != nil {
		if limit = int(*in.MaxResults); limit < 1 || limit > maxTaskPage {
			return nil, invalid(strconv.Itoa(limit), "MaxResults", "Must be between 1 and 10, if provided.")
		}
	}
	tasks, err := a.queues.Tasks(ctx, from)
	if err != nil {
		return nil, err
	}
	out := &sqsapi.ListMessageMoveTasksOutput{Results: []sqsapi.ListMessageMoveTasksResultEntry{}}
	for _, task := range tasks[:min(limit, len(tasks))] {
		out.Results = append(out.Results, onTheWire(task))
	}
	return out, nil
}

func onTheWire(task *queue.Task) sqsapi.ListMessageMoveTasksResultEntry {
	arn, started, rate := task.Source.ARN(), task.Started.UnixMilli(), int32(task.Rate)
	entry := sqsapi.ListMessageMoveTasksResultEntry{
		Status: &task.Status, SourceArn: &arn, StartedTimestamp: &started,
		ApproximateNumberOfMessagesMoved: &task.Moved, ApproximateNumberOfMessagesToMove: &task.ToMove,
	}
	if task.Destination != nil {
		destination := task.Destination.ARN()
		entry.DestinationArn = &destination
	}
	if rate > 0 {
		entry.MaxNumberOfMessagesPerSecond = &rate
	}
	if task.Failure != "" {
		entry.FailureReason = &task.Failure
	}
	if task.Status == queue.Running { // AWS: only then there is something to cancel
		handle := task.Handle()
		entry.TaskHandle = &handle
	}
	return entry
}
