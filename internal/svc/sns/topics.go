package sns

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/lambkin-dev/lambkin/internal/api/snsapi"
	"github.com/lambkin-dev/lambkin/internal/core/topic"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

func (a *api) createTopic(ctx context.Context, call *wire.Call, in *snsapi.CreateTopicInput) (*snsapi.CreateTopicOutput, error) {
	if member.Text(in.DataProtectionPolicy) != "" {
		return nil, noDataProtection()
	}
	tags, err := tags(in.Tags)
	if err != nil {
		return nil, err
	}
	id := topic.ID{Account: call.Account, Region: call.Region, Name: member.Text(in.Name)}
	if err := a.topics.Create(ctx, id, in.Attributes, tags); err != nil {
		return nil, err
	}
	arn := id.ARN()
	return &snsapi.CreateTopicOutput{TopicArn: &arn}, nil
}

func (a *api) deleteTopic(ctx context.Context, call *wire.Call, in *snsapi.DeleteTopicInput) (*struct{}, error) {
	id, err := a.topic(call, "DeleteTopic", "TopicArn", in.TopicArn)
	if err != nil {
		return nil, err
	}
	return nil, a.topics.Delete(ctx, id)
}

func (a *api) listTopics(ctx context.Context, call *wire.Call, in *snsapi.ListTopicsInput) (*snsapi.ListTopicsOutput, error) {
	after, err := decodeToken(in.NextToken)
	if err != nil {
		return nil, err
	}
	names, more, err := a.topics.List(ctx, call.Account, call.Region, after)
	if err != nil {
		return nil, err
	}
	out := &snsapi.ListTopicsOutput{Topics: []snsapi.Topic{}}
	for _, name := range names {
		arn := topic.ID{Account: call.Account, Region: call.Region, Name: name}.ARN()
		out.Topics = append(out.Topics, snsapi.Topic{TopicArn: &arn})
	}
	if more {
		out.NextToken = encodeToken(names[len(names)-1])
	}
	return out, nil
}

func (a *api) getTopicAttributes(ctx context.Context, call *wire.Call, in *snsapi.GetTopicAttributesInput) (*snsapi.GetTopicAttributesOutput, error) {
	id, err := a.topic(call, "GetTopicAttributes", "TopicArn", in.TopicArn)
	if err != nil {
		return nil, err
	}
	attributes, err := a.topics.Attributes(ctx, id)
	if err != nil {
		return nil, err
	}
	return &snsapi.GetTopicAttributesOutput{Attributes: attributes}, nil
}

func (a *api) setTopicAttributes(ctx context.Context, call *wire.Call, in *snsapi.SetTopicAttributesInput) (*struct{}, error) {
	id, err := a.topic(call, "SetTopicAttributes", "TopicArn", in.TopicArn)
	if err != nil {
		return nil, err
	}
	return nil, a.topics.SetAttribute(ctx, id, member.Text(in.AttributeName), member.Text(in.AttributeValue))
}

func (a *api) addPermission(ctx context.Context, call *wire.Call, in *snsapi.AddPermissionInput) (*struct{}, error) {
	id, err := a.topic(call, "AddPermission", "TopicArn", in.TopicArn)
	if err != nil {
		return nil, err
	}
	switch {
	case member.Text(in.Label) == "":
		return nil, invalid("Label")
	case len(in.AWSAccountId) == 0:
		return nil, invalid("AWSAccountId")
	case len(in.ActionName) == 0:
		return nil, invalid("ActionName")
	}
	return nil, a.topics.AddPermission(ctx, id, *in.Label, in.AWSAccountId, in.ActionName)
}

func (a *api) removePermission(ctx context.Context, call *wire.Call, in *snsapi.RemovePermissionInput) (*struct{}, error) {
	id, err := a.topic(call, "RemovePermission", "TopicArn", in.TopicArn)
	if err != nil {
		return nil, err
	}
	return nil, a.topics.RemovePermission(ctx, id, member.Text(in.Label))
}

// noDataProtection refuses what would promise that messages are inspected.
func noDataProtection() error {
	return invalid("DataProtectionPolicy Reason: This platform does not look for sensitive data in messages, so it cannot keep such a policy.")
}

func (a *api) getDataProtectionPolicy(ctx context.Context, call *wire.Call, in *snsapi.GetDataProtectionPolicyInput) (*snsapi.GetDataProtectionPolicyOutput, error) {
	id, err := a.topic(call, "GetDataProtectionPolicy", "ResourceArn", in.ResourceArn)
	if err != nil {
		return nil, err
	}
	if err := a.topics.Exists(ctx, id); err != nil {
		return nil, err
	}
	none := ""
	return &snsapi.GetDataProtectionPolicyOutput{DataProtectionPolicy: &none}, nil
}

func (a *api) putDataProtectionPolicy(ctx context.Context, call *wire.Call, in *snsapi.PutDataProtectionPolicyInput) (*struct{}, error) {
	id, err := a.topic(call, "PutDataProtectionPolicy", "ResourceArn", in.ResourceArn)
	if err != nil {
		return nil, err
	}
	if err := a.topics.Exists(ctx, id); err != nil {
		return nil, err
	}
	if member.Text(in.DataProtectionPolicy) != "" {
		return nil, noDataProtection()
	}
	return nil, nil // there is none to take away
}

// tags reads a list of tags.
func tags(list []snsapi.Tag) (map[string]string, error) {
	tags := make(map[string]string, len(list))
	for _, tag := range list {
		tags[member.Text(tag.Key)] = member.Text(tag.Value)
	}
	if len(tags) != len(list) {
		return nil, invalid("Duplicated keys are not allowed.") // AWS: recorded
	}
	return tags, nil
}

// resource is topic for the operations with tags.
func (a *api) resource(call *wire.Call, action string, given *string) (topic.ID, error) {
	return a.topic(call, action, "ResourceArn", given)
}

// unknownResource is how the operations with tags call a topic that is not there.
func unknownResource(err error) error {
	if errors.Is(err, &topic.Error{Code: topic.NotFound}) {
		return snsapi.ResourceNotFoundException("Resource does not exist")
	}
	return err
}

func (a *api) listTagsForResource(ctx context.Context, call *wire.Call, in *snsapi.ListTagsForResourceInput) (*snsapi.ListTagsForResourceOutput, error) {
	id, err := a.resource(call, "ListTagsForResource", in.ResourceArn)
	if err != nil {
		return nil, err
	}
	all, err := a.topics.Tags(ctx, id)
	if err != nil {
		return nil, unknownResource(err)
	}
	out := &snsapi.ListTagsForResourceOutput{Tags: []snsapi.Tag{}}
	for _, key := range slices.Sorted(maps.Keys(all)) {
		value := all[key]
		out.Tags = append(out.Tags, snsapi.Tag{Key: &key, Value: &value})
	}
	return out, nil
}

func (a *api) tagResource(ctx context.Context, call *wire.Call, in *snsapi.TagResourceInput) (*snsapi.TagResourceOutput, error) {
	id, err := a.resource(call, "TagResource", in.ResourceArn)
	if err != nil {
		return nil, err
	}
	add, err := tags(in.Tags)
	if err != nil {
		return nil, err
	}
	return &snsapi.TagResourceOutput{}, unknownResource(a.topics.Tag(ctx, id, add, nil))
}

func (a *api) untagResource(ctx context.Context, call *wire.Call, in *snsapi.UntagResourceInput) (*snsapi.UntagResourceOutput, error) {
	id, err := a.resource(call, "UntagResource", in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return &snsapi.UntagResourceOutput{}, unknownResource(a.topics.Tag(ctx, id, nil, in.TagKeys))
}
