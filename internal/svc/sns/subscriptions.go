package sns

import (
	"context"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/api/snsapi"
	"github.com/lambkin-dev/lambkin/internal/core/topic"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

// What stands for the ARN of a subscription that is not confirmed. AWS: recorded.
const (
	pendingAnswer = "pending confirmation"
	pendingListed = "PendingConfirmation"
)

func (a *api) subscribe(ctx context.Context, call *wire.Call, in *snsapi.SubscribeInput) (*snsapi.SubscribeOutput, error) {
	id, err := a.topic(call, "Subscribe", "TopicArn", in.TopicArn)
	if err != nil {
		return nil, err
	}
	s, err := a.topics.Subscribe(ctx, id, topic.Request{Protocol: member.Text(in.Protocol), Endpoint: member.Text(in.Endpoint), Attributes: in.Attributes,
		Principal: call.CallerARN, Base: call.Endpoint, Function: call.Function})
	if err != nil {
		return nil, err
	}
	answer := s.ID.ARN()
	if !s.Confirmed && (in.ReturnSubscriptionArn == nil || !*in.ReturnSubscriptionArn) {
		answer = pendingAnswer
	}
	return &snsapi.SubscribeOutput{SubscriptionArn: &answer}, nil
}

func (a *api) confirmSubscription(ctx context.Context, call *wire.Call, in *snsapi.ConfirmSubscriptionInput) (*snsapi.ConfirmSubscriptionOutput, error) {
	id, err := topic.ParseARN(member.Text(in.TopicArn))
	known := call.AccessKeyID != ""
	protect := strings.EqualFold(member.Text(in.AuthenticateOnUnsubscribe), "true")
	switch {
	case err != nil || known && id.Region != call.Region:
		return nil, invalid("Topic") // AWS: recorded
	case protect && !known:
		return nil, snsapi.AuthorizationErrorException("AuthenticateOnUnsubscribe requires a signed request")
	}
	s, err := a.topics.Confirm(ctx, id.Region, member.Text(in.Token), topic.Confirmation{Authenticated: known, Protect: protect})
	if err != nil {
		return nil, err
	}
	answer := s.ID.ARN()
	return &snsapi.ConfirmSubscriptionOutput{SubscriptionArn: &answer}, nil
}

func (a *api) unsubscribe(ctx context.Context, call *wire.Call, in *snsapi.UnsubscribeInput) (*struct{}, error) {
	id, err := a.subscription(call, "Unsubscribe", in.SubscriptionArn)
	if err != nil {
		return nil, err
	}
	return nil, a.topics.Unsubscribe(ctx, id, call.AccessKeyID != "")
}

func (a *api) getSubscriptionAttributes(ctx context.Context, call *wire.Call, in *snsapi.GetSubscriptionAttributesInput) (*snsapi.GetSubscriptionAttributesOutput, error) {
	id, err := a.subscription(call, "GetSubscriptionAttributes", in.SubscriptionArn)
	if err != nil {
		return nil, err
	}
	attributes, err := a.topics.SubscriptionAttributes(ctx, id)
	if err != nil {
		return nil, err
	}
	return &snsapi.GetSubscriptionAttributesOutput{Attributes: attributes}, nil
}

func (a *api) setSubscriptionAttributes(ctx context.Context, call *wire.Call, in *snsapi.SetSubscriptionAttributesInput) (*struct{}, error) {
	id, err := a.subscription(call, "SetSubscriptionAttributes", in.SubscriptionArn)
	if err != nil {
		return nil, err
	}
	return nil, a.topics.SetSubscriptionAttribute(ctx, id, member.Text(in.AttributeName), member.Text(in.AttributeValue))
}

func (a *api) listSubscriptions(ctx context.Context, call *wire.Call, in *snsapi.ListSubscriptionsInput) (*snsapi.ListSubscriptionsOutput, error) {
	list, next, err := a.subscriptions(ctx, topic.ID{Account: call.Account, Region: call.Region}, in.NextToken)
	if err != nil {
		return nil, err
	}
	return &snsapi.ListSubscriptionsOutput{Subscriptions: list, NextToken: next}, nil
}

func (a *api) listSubscriptionsByTopic(ctx context.Context, call *wire.Call, in *snsapi.ListSubscriptionsByTopicInput) (*snsapi.ListSubscriptionsByTopicOutput, error) {
	id, err := a.topic(call, "ListSubscriptionsByTopic", "TopicArn", in.TopicArn)
	if err != nil {
		return nil, err
	}
	list, next, err := a.subscriptions(ctx, id, in.NextToken)
	if err != nil {
		return nil, err
	}
	return &snsapi.ListSubscriptionsByTopicOutput{Subscriptions: list, NextToken: next}, nil
}

func (a *api) subscriptions(ctx context.Context, of topic.ID, token *string) ([]snsapi.Subscription, *string, error) {
	after, err := decodeToken(token)
	if err != nil {
		return nil, nil, err
	}
	list, next, err := a.topics.Subscriptions(ctx, of, after)
	if err != nil {
		return nil, nil, err
	}
	out := []snsapi.Subscription{}
	for _, s := range list {
		arn, of := s.ID.ARN(), s.ID.Topic.ARN()
		if !s.Confirmed {
			arn = pendingListed
		}
		out = append(out, snsapi.Subscription{SubscriptionArn: &arn, Owner: &s.ID.Topic.Account, Protocol: &s.Protocol, Endpoint: &s.Endpoint, TopicArn: &of})
	}
	return out, encodeToken(next), nil
}

// message translates what both forms of publishing have.
func message(call *wire.Call, in *snsapi.PublishBatchRequestEntry) (topic.Message, error) {
	m := topic.Message{Text: member.Text(in.Message), Subject: in.Subject, GroupID: member.Text(in.MessageGroupId), DedupID: member.Text(in.MessageDeduplicationId)}
	switch structure := member.Text(in.MessageStructure); structure {
	case "":
	case "json":
		m.Structured = true
	default:
		return m, invalid("MessageStructure")
	}
	if call.Request != nil {
		m.Trace = call.Request.Header.Get("X-Amzn-Trace-Id")
	}
	if len(in.MessageAttributes) > 0 {
		m.Attributes = make(map[string]topic.Attribute, len(in.MessageAttributes))
		for name, value := range in.MessageAttributes {
			m.Attributes[name] = topic.Attribute{Type: member.Text(value.DataType), String: member.Text(value.StringValue), Binary: value.BinaryValue}
		}
	}
	return m, nil
}

func (a *api) publish(ctx context.Context, call *wire.Call, in *snsapi.PublishInput) (*snsapi.PublishOutput, error) {
	given, parameter := in.TopicArn, "TopicArn"
	switch {
	case in.PhoneNumber != nil:
		return nil, invalid("PhoneNumber Reason: This platform sends no text messages")
	case given != nil && in.TargetArn != nil:
		return nil, invalid("TopicArn or TargetArn Reason: only one of them may be given")
	case given == nil && in.TargetArn == nil:
		return nil, invalid("TopicArn or TargetArn Reason: no value for required parameter")
	case given == nil:
		given, parameter = in.TargetArn, "TargetArn"
		if parsed, err := parse(parameter, *given); err == nil && strings.HasPrefix(parsed.Resource, "endpoint/") {
			return nil, invalid("TargetArn Reason: No endpoint found for the target arn specified") // AWS: recorded
		}
	}
	id, err := a.topic(call, "Publish", parameter, given)
	if err != nil {
		return nil, err
	}
	m, err := message(call, &snsapi.PublishBatchRequestEntry{Message: in.Message, Subject: in.Subject, MessageStructure: in.MessageStructure,
		MessageAttributes: in.MessageAttributes, MessageDeduplicationId: in.MessageDeduplicationId, MessageGroupId: in.MessageGroupId})
	if err != nil {
		return nil, err
	}
	sent, err := a.topics.Publish(ctx, id, m)
	if err != nil {
		return nil, err
	}
	return &snsapi.PublishOutput{MessageId: &sent.ID, SequenceNumber: member.Optional(sent.Sequence)}, nil
}

// maxBatchID is the length of the id of an entry of a batch.
const maxBatchID = 80

// checkBatch checks the ids of a batch. AWS: the texts are recorded.
func checkBatch(entries []snsapi.PublishBatchRequestEntry) error {
	switch n := len(entries); {
	case n == 0:
		return snsapi.EmptyBatchRequestException("The batch request doesn't contain any entries.")
	case n > topic.MaxBatch:
		return snsapi.TooManyEntriesInBatchRequestException("The batch request contains more entries than permissible.")
	}
	seen := map[string]bool{}
	for i := range entries {
		id := member.Text(entries[i].Id)
		wrong := strings.ContainsFunc(id, func(r rune) bool {
			return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
		})
		switch {
		case len(id) > maxBatchID:
			return snsapi.InvalidBatchEntryIdException("The Id of a batch entry in the batch request is too long: %s", id)
		case wrong || id == "":
			return snsapi.InvalidBatchEntryIdException("The Id of a batch entry in the batch request contains an impermissible character: %s", id)
		case seen[id]:
			return snsapi.BatchEntryIdsNotDistinctException("Two or more batch entries in the request have the same Id.")
		}
		seen[id] = true
	}
	return nil
}

func (a *api) publishBatch(ctx context.Context, call *wire.Call, in *snsapi.PublishBatchInput) (*snsapi.PublishBatchOutput, error) {
	id, err := a.topic(call, "Publish", "TopicArn", in.TopicArn)
	if err != nil {
		return nil, err
	}
	if err := a.topics.Exists(ctx, id); err != nil { // AWS: recorded, this refusal goes first
		return nil, err
	}
	if err := checkBatch(in.PublishBatchRequestEntries); err != nil {
		return nil, err
	}
	messages := make([]topic.Message, len(in.PublishBatchRequestEntries))
	for i := range messages {
		if messages[i], err = message(call, &in.PublishBatchRequestEntries[i]); err != nil {
			return nil, err
		}
	}
	sent, err := a.topics.PublishBatch(ctx, id, messages)
	out := &snsapi.PublishBatchOutput{Successful: []snsapi.PublishBatchResultEntry{}, Failed: []snsapi.BatchResultErrorEntry{}}
	if err != nil {
		return nil, err
	}
	for i := range sent {
		out.Successful = append(out.Successful, snsapi.PublishBatchResultEntry{Id: in.PublishBatchRequestEntries[i].Id, MessageId: &sent[i].ID,
			SequenceNumber: member.Optional(sent[i].Sequence)})
	}
	return out, nil
}
