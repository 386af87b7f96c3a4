package sqs

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/api/sqsapi"
	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/base/lazy"
	"github.com/lambkin-dev/lambkin/internal/core/queue"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

// traceHeader is the one system attribute that a sender may set.
const traceHeader = "AWSTraceHeader"

// message translates what both forms of sending have.
func message(call *wire.Call, in *sqsapi.SendMessageInput) (queue.Message, error) {
	m := queue.Message{Body: member.Text(in.MessageBody), Sender: call.UserID, GroupID: member.Text(in.MessageGroupId), DedupID: member.Text(in.MessageDeduplicationId), Delay: optionalSeconds(in.DelaySeconds)}
	for _, given := range []struct {
		value *string
		name  string
	}{{in.MessageGroupId, "MessageGroupId"}, {in.MessageDeduplicationId, "MessageDeduplicationId"}} {
		if given.value != nil && *given.value == "" {
			return m, invalid("", given.name, given.name+" can only include alphanumeric and punctuation characters. 1 to 128 in length.")
		}
	}
	for name, value := range in.MessageAttributes {
		a, err := attribute(name, &value)
		if err != nil {
			return m, err
		}
		if m.Attributes == nil {
			m.Attributes = make(map[string]queue.Attribute, len(in.MessageAttributes))
		}
		m.Attributes[name] = a
	}
	for name, value := range in.MessageSystemAttributes {
		switch {
		case name != traceHeader:
			return m, refuse(queue.InvalidParameterValue, "Message system attribute name '"+name+"' is invalid.")
		case member.Text(value.DataType) != "String" || member.Text(value.StringValue) == "":
			return m, refuse(queue.InvalidParameterValue, "Message (system) attribute '"+name+"' must contain a non-empty value of type 'String'.")
		}
		m.Trace = *value.StringValue
	}
	if header := call.Request.Header.Get("X-Amzn-Trace-Id"); m.Trace == "" && len(header) <= maxTraceHeader {
		// AWS: the header of the request becomes the attribute, so that functions are
		// stopped that send to their own queue without end,
		// https://docs.aws.amazon.com/xray/latest/devguide/xray-services-sqs.html
		m.Trace = header
	}
	return m, nil
}

// maxTraceHeader is more than any trace header that the platform makes has.
const maxTraceHeader = 1024

func attribute(name string, value *sqsapi.MessageAttributeValue) (queue.Attribute, error) {
	switch {
	case member.Text(value.DataType) == "":
		return queue.Attribute{}, refuse(queue.InvalidParameterValue, "The message attribute '"+name+"' must contain non-empty message attribute type.")
	case len(value.StringListValues)+len(value.BinaryListValues) > 0:
		return queue.Attribute{}, refuse(queue.UnsupportedOperation, "Message attribute list values in SendMessage operation are not supported.")
	}
	return queue.Attribute{DataType: *value.DataType, String: member.Text(value.StringValue), Binary: value.BinaryValue}, nil
}

func md5Text(s string) *string {
	sum := md5.Sum([]byte(s))
	digest := hex.EncodeToString(sum[:])
	return &digest
}

// digest is nil for no attributes.
func digest(attributes map[string]queue.Attribute) *string {
	if len(attributes) == 0 {
		return nil
	}
	sum := queue.Digest(attributes)
	return &sum
}

// systemDigest is the digest of the system attributes that the sender gave.
func systemDigest(given map[string]sqsapi.MessageSystemAttributeValue, m *queue.Message) *string {
	if len(given) == 0 {
		return nil
	}
	return digest(map[string]queue.Attribute{traceHeader: {DataType: "String", String: m.Trace}})
}

// sequence is nil for a standard queue.
func sequence(sent *queue.Sent) *string {
	if sent.Sequence == "" {
		return nil
	}
	return &sent.Sequence
}

func (a *api) sendMessage(ctx context.Context, call *wire.Call, in *sqsapi.SendMessageInput) (*sqsapi.SendMessageOutput, error) {
	id, err := a.queue(call, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	m, err := message(call, in)
	if err != nil {
		return nil, err
	}
	sent, err := a.queues.Send(ctx, id, m)
	if err != nil {
		return nil, err
	}
	return &sqsapi.SendMessageOutput{
		MessageId: &sent.ID, MD5OfMessageBody: md5Text(m.Body), MD5OfMessageAttributes: digest(m.Attributes),
		MD5OfMessageSystemAttributes: systemDigest(in.MessageSystemAttributes, &m), SequenceNumber: sequence(&sent),
	}, nil
}

var batchID = lazy.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// checkBatch checks the ids of a batch; entry is what its elements are called.
func checkBatch(ids []*string, entry string) error {
	switch n := len(ids); {
	case n == 0:
		return refuse("EmptyBatchRequest", "There should be at least one "+entry+" in the request.")
	case n > queue.MaxBatch:
		return refuse("TooManyEntriesInBatchRequest", fmt.Sprintf("Maximum number of entries per request are %d. You have sent %d.", queue.MaxBatch, n))
	}
	seen := map[string]bool{}
	for _, id := range ids {
		switch name := member.Text(id); {
		case !batchID.MatchString(name):
			return refuse("InvalidBatchEntryId", "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.")
		case seen[name]:
			return refuse("BatchEntryIdsNotDistinct", "Id "+name+" repeated.")
		}
		seen[member.Text(id)] = true
	}
	return nil
}

// failed adds the failure of one entry of a batch. An error that is not the
// caller's fails the whole batch: it is returned.
func (a *api) failed(list *[]sqsapi.BatchResultErrorEntry, id *string, err error) error {
	f := fault.From(a.fault(err))
	if f == nil {
		return err
	}
	*list = append(*list, sqsapi.BatchResultErrorEntry{Id: id, Code: &f.QueryCode, Message: &f.Message, SenderFault: &f.Sender})
	return nil
}

func (a *api) sendMessageBatch(ctx context.Context, call *wire.Call, in *sqsapi.SendMessageBatchInput) (*sqsapi.SendMessageBatchOutput, error) {
	id, err := a.queue(call, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	var ids []*string
	for i := range in.Entries {
		ids = append(ids, in.Entries[i].Id)
	}
	if err := checkBatch(ids, "SendMessageBatchRequestEntry"); err != nil {
		return nil, err
	}
	out := &sqsapi.SendMessageBatchOutput{}
	var messages []queue.Message
	var places []int
	size := 0
	for i := range in.Entries {
		e := &in.Entries[i]
		m, err := message(call, &sqsapi.SendMessageInput{MessageBody: e.MessageBody, DelaySeconds: e.DelaySeconds, MessageAttributes: e.MessageAttributes,
			MessageSystemAttributes: e.MessageSystemAttributes, MessageDeduplicationId: e.MessageDeduplicationId, MessageGroupId: e.MessageGroupId})
		size += queue.Size(&m)
		if err != nil {
			if err := a.failed(&out.Failed, e.Id, err); err != nil {
				return nil, err
			}
			continue
		}
		messages, places = append(messages, m), append(places, i)
	}
	if size > queue.MaxMessageBytes {
		if err := a.queues.Exists(ctx, id); err != nil { // this refusal goes first
			return nil, err
		}
		return nil, refuse("BatchRequestTooLong", fmt.Sprintf("Batch requests cannot be longer than %d bytes. You have sent %d bytes.", queue.MaxMessageBytes, size))
	}
	results, err := a.queues.SendBatch(ctx, id, messages)
	if err != nil {
		return nil, err
	}
	for i := range results {
		sent, m, entry := &results[i], &messages[i], &in.Entries[places[i]]
		if sent.Err != nil {
			if err := a.failed(&out.Failed, entry.Id, sent.Err); err != nil {
				return nil, err
			}
			continue
		}
		out.Successful = append(out.Successful, sqsapi.SendMessageBatchResultEntry{
			Id: entry.Id, MessageId: &sent.ID, MD5OfMessageBody: md5Text(m.Body), MD5OfMessageAttributes: digest(m.Attributes),
			MD5OfMessageSystemAttributes: systemDigest(entry.MessageSystemAttributes, m), SequenceNumber: sequence(sent),
		})
	}
	return out, nil
}

// between checks an optional number of a receive.
func between(value *int32, parameter, reason string, least, most int32) error {
	if value != nil && (*value < least || *value > most) {
		return invalid(strconv.Itoa(int(*value)), parameter, reason)
	}
	return nil
}

func optionalSeconds(value *int32) *time.Duration {
	if value == nil {
		return nil
	}
	d := time.Duration(*value) * time.Second
	return &d
}

func (a *api) receiveMessage(ctx context.Context, call *wire.Call, in *sqsapi.ReceiveMessageInput) (*sqsapi.ReceiveMessageOutput, error) {
	id, err := a.queue(call, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if err := between(in.MaxNumberOfMessages, "MaxNumberOfMessages", "Must be between 1 and 10, if provided.", 1, queue.MaxReceive); err != nil {
		return nil, err
	}
	if err := between(in.WaitTimeSeconds, "WaitTimeSeconds", "Must be >= 0 and <= 20, if provided.", 0, int32(queue.MaxWait.Seconds())); err != nil {
		return nil, err
	}
	if err := between(in.VisibilityTimeout, "VisibilityTimeout", "Must be >= 0 and <= 43200, if provided.", 0, int32(queue.MaxVisibility.Seconds())); err != nil {
		return nil, err
	}
	system := slices.Concat(in.AttributeNames, in.MessageSystemAttributeNames)
	for _, name := range system {
		if !slices.Contains(systemNames, name) {
			return nil, refuse(queue.InvalidAttributeName, "Unknown Attribute "+name+".")
		}
	}
	how := queue.Receiving{Max: 1, Visibility: optionalSeconds(in.VisibilityTimeout), Wait: optionalSeconds(in.WaitTimeSeconds), Attempt: member.Text(in.ReceiveRequestAttemptId)}
	if in.MaxNumberOfMessages != nil {
		how.Max = int(*in.MaxNumberOfMessages)
	}
	received, err := a.queues.Receive(ctx, id, how)
	if err != nil {
		return nil, err
	}
	out := &sqsapi.ReceiveMessageOutput{}
	for i := range received {
		out.Messages = append(out.Messages, outward(&received[i], system, in.MessageAttributeNames))
	}
	return out, nil
}

// systemNames are the attributes that a receive may ask for.
var systemNames = []string{
	"All", "SenderId", "SentTimestamp", "ApproximateReceiveCount", "ApproximateFirstReceiveTimestamp", "SequenceNumber",
	"MessageDeduplicationId", "MessageGroupId", traceHeader, "DeadLetterQueueSourceArn",
}

// outward is a message with the attributes that were asked for.
func outward(r *queue.Received, system, names []string) sqsapi.Message {
	m := sqsapi.Message{MessageId: &r.ID, ReceiptHandle: &r.Handle, Body: &r.Body, MD5OfBody: md5Text(r.Body)}
	for name, value := range r.System {
		if slices.Contains(system, "All") || slices.Contains(system, name) {
			if m.Attributes == nil {
				m.Attributes = map[string]string{}
			}
			m.Attributes[name] = value
		}
	}
	wanted := map[string]queue.Attribute{}
	for name, value := range r.Attributes {
		if !slices.ContainsFunc(names, func(pattern string) bool { return wants(pattern, name) }) {
			continue
		}
		wanted[name] = value
		out := sqsapi.MessageAttributeValue{DataType: &value.DataType, BinaryValue: value.Binary}
		if value.String != "" {
			out.StringValue = &value.String
		}
		if m.MessageAttributes == nil {
			m.MessageAttributes = map[string]sqsapi.MessageAttributeValue{}
		}
		m.MessageAttributes[name] = out
	}
	m.MD5OfMessageAttributes = digest(wanted)
	return m
}

// wants tells whether a name of MessageAttributeNames means the attribute.
func wants(pattern, name string) bool {
	if pattern == "All" || pattern == name {
		return true
	}
	prefix, ok := strings.CutSuffix(pattern, ".*")
	return ok && strings.HasPrefix(name, prefix)
}

func (a *api) deleteMessage(ctx context.Context, call *wire.Call, in *sqsapi.DeleteMessageInput) (*struct{}, error) {
	id, err := a.queue(call, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if in.ReceiptHandle == nil {
		return nil, missing("ReceiptHandle")
	}
	refusals, err := a.queues.DeleteMessages(ctx, id, []string{*in.ReceiptHandle})
	if err != nil {
		return nil, err
	}
	return nil, refusals[0]
}

func (a *api) deleteMessageBatch(ctx context.Context, call *wire.Call, in *sqsapi.DeleteMessageBatchInput) (*sqsapi.DeleteMessageBatchOutput, error) {
	id, err := a.queue(call, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	ids, handles := make([]*string, len(in.Entries)), make([]string, len(in.Entries))
	for i := range in.Entries {
		ids[i], handles[i] = in.Entries[i].Id, member.Text(in.Entries[i].ReceiptHandle)
	}
	if err := checkBatch(ids, "DeleteMessageBatchRequestEntry"); err != nil {
		return nil, err
	}
	refusals, err := a.queues.DeleteMessages(ctx, id, handles)
	if err != nil {
		return nil, err
	}
	out := &sqsapi.DeleteMessageBatchOutput{}
	for i, refusal := range refusals {
		if refusal == nil {
			out.Successful = append(out.Successful, sqsapi.DeleteMessageBatchResultEntry{Id: ids[i]})
		} else if err := a.failed(&out.Failed, ids[i], refusal); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (a *api) changeMessageVisibility(ctx context.Context, call *wire.Call, in *sqsapi.ChangeMessageVisibilityInput) (*struct{}, error) {
	id, err := a.queue(call, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	switch {
	case in.ReceiptHandle == nil:
		return nil, missing("ReceiptHandle")
	case in.VisibilityTimeout == nil:
		return nil, missing("VisibilityTimeout")
	}
	refusals, err := a.queues.ChangeVisibility(ctx, id, []queue.Change{{Handle: *in.ReceiptHandle, Timeout: *optionalSeconds(in.VisibilityTimeout)}})
	if err != nil {
		return nil, err
	}
	return nil, refusals[0]
}

func (a *api) changeMessageVisibilityBatch(ctx context.Context, call *wire.Call, in *sqsapi.ChangeMessageVisibilityBatchInput) (*sqsapi.ChangeMessageVisibilityBatchOutput, error) {
	id, err := a.queue(call, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	ids, changes := make([]*string, len(in.Entries)), make([]queue.Change, len(in.Entries))
	for i := range in.Entries {
		e := &in.Entries[i]
		ids[i], changes[i].Handle = e.Id, member.Text(e.ReceiptHandle)
		if timeout := optionalSeconds(e.VisibilityTimeout); timeout != nil {
			changes[i].Timeout = *timeout
		}
	}
	if err := checkBatch(ids, "ChangeMessageVisibilityBatchRequestEntry"); err != nil {
		return nil, err
	}
	refusals, err := a.queues.ChangeVisibility(ctx, id, changes)
	if err != nil {
		return nil, err
	}
	out := &sqsapi.ChangeMessageVisibilityBatchOutput{}
	for i, refusal := range refusals {
		if refusal == nil {
			out.Successful = append(out.Successful, sqsapi.ChangeMessageVisibilityBatchResultEntry{Id: ids[i]})
		} else if err := a.failed(&out.Failed, ids[i], refusal); err != nil {
			return nil, err
		}
	}
	return out, nil
}
