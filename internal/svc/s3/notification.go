package s3

import (
	"context"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/api/s3api"
	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/core/object"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

// eventNames are the events that a configuration may name.
func eventNames() []string {
	for i := range s3api.Model.Shapes {
		if s3api.Model.Shapes[i].Name == "Event" {
			return s3api.Model.Shapes[i].Enum
		}
	}
	return nil
}

func (a *api) getBucketNotificationConfiguration(ctx context.Context, call *wire.Call, in *s3api.GetBucketNotificationConfigurationInput) (*s3api.GetBucketNotificationConfigurationOutput, error) {
	b, err := a.objects.Bucket(ctx, place(call, in.Bucket, nil))
	if err != nil {
		return nil, err
	}
	out := &s3api.NotificationConfiguration{}
	for i := range b.Notification.Destinations {
		d := &b.Notification.Destinations[i]
		switch strings.Split(d.ARN, ":")[2] {
		case "sqs":
			out.QueueConfigurations = append(out.QueueConfigurations, s3api.QueueConfiguration{Id: &d.ID, QueueArn: &d.ARN, Events: d.Events, Filter: filterOf(d)})
		case "sns":
			out.TopicConfigurations = append(out.TopicConfigurations, s3api.TopicConfiguration{Id: &d.ID, TopicArn: &d.ARN, Events: d.Events, Filter: filterOf(d)})
		default:
			out.LambdaFunctionConfigurations = append(out.LambdaFunctionConfigurations, s3api.LambdaFunctionConfiguration{Id: &d.ID, LambdaFunctionArn: &d.ARN, Events: d.Events, Filter: filterOf(d)})
		}
	}
	if b.Notification.EventBridge {
		out.EventBridgeConfiguration = &s3api.EventBridgeConfiguration{}
	}
	return out, nil
}

func filterOf(d *object.Destination) *s3api.NotificationConfigurationFilter {
	var rules []s3api.FilterRule
	if d.Prefix != "" {
		rules = append(rules, s3api.FilterRule{Name: ptr("Prefix"), Value: &d.Prefix})
	}
	if d.Suffix != "" {
		rules = append(rules, s3api.FilterRule{Name: ptr("Suffix"), Value: &d.Suffix})
	}
	if rules == nil {
		return nil
	}
	return &s3api.NotificationConfigurationFilter{Key: &s3api.S3KeyFilter{FilterRules: rules}}
}

func (a *api) putBucketNotificationConfiguration(ctx context.Context, call *wire.Call, in *s3api.PutBucketNotificationConfigurationInput) (*struct{}, error) {
	if in.NotificationConfiguration == nil {
		return nil, malformedXML()
	}
	given := in.NotificationConfiguration
	n := object.Notification{EventBridge: given.EventBridgeConfiguration != nil}
	add := func(id, arn *string, service string, events []string, filter *s3api.NotificationConfigurationFilter) error {
		d, err := destination(id, arn, service, events, filter)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(n.Destinations, func(other object.Destination) bool { return other.ID == d.ID }) {
			return invalidArgument("Same ID used for multiple configurations. IDs must be unique", "Id", d.ID)
		}
		n.Destinations = append(n.Destinations, d)
		return nil
	}
	for _, q := range given.QueueConfigurations {
		if err := add(q.Id, q.QueueArn, "sqs", q.Events, q.Filter); err != nil {
			return nil, err
		}
	}
	for _, t := range given.TopicConfigurations {
		if err := add(t.Id, t.TopicArn, "sns", t.Events, t.Filter); err != nil {
			return nil, err
		}
	}
	for _, f := range given.LambdaFunctionConfigurations {
		if err := add(f.Id, f.LambdaFunctionArn, "lambda", f.Events, f.Filter); err != nil {
			return nil, err
		}
	}
	if len(n.Destinations) > maxDestinations {
		return nil, refused(400, "InvalidArgument", "The number of notification configurations exceeds the limit of 100.")
	}
	skip := in.SkipDestinationValidation != nil && *in.SkipDestinationValidation
	return nil, a.objects.SetNotification(ctx, place(call, in.Bucket, nil), n, !skip)
}

// maxDestinations of a bucket.
// AWS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html
const maxDestinations = 100

// maxFilterBytes is the longest value of a rule.
const maxFilterBytes = 1024

// destination reads one configuration.
func destination(id, arn *string, service string, events []string, filter *s3api.NotificationConfigurationFilter) (object.Destination, error) {
	d := object.Destination{ID: member.Text(id), ARN: member.Text(arn), Events: events}
	if d.ID == "" {
		d.ID = ids.UUID()
	}
	if len(events) == 0 || d.ARN == "" {
		return d, malformedXML()
	}
	if !strings.HasPrefix(d.ARN, "arn:aws:"+service+":") {
		return d, invalidArgument("The ARN could not be parsed", "ARN", d.ARN)
	}
	for _, event := range events {
		if !slices.Contains(eventNames(), event) {
			return d, invalidArgument("A specified event is not supported for notifications.", "Event", event)
		}
	}
	if filter == nil || filter.Key == nil {
		return d, nil
	}
	for _, rule := range filter.Key.FilterRules {
		place := map[string]*string{"prefix": &d.Prefix, "suffix": &d.Suffix}[strings.ToLower(member.Text(rule.Name))]
		switch {
		case place == nil:
			return d, invalidArgument("filter rule name must be either prefix or suffix", "FilterRule.Name", member.Text(rule.Name))
		case *place != "":
			return d, invalidArgument("Cannot specify more than one "+strings.ToLower(member.Text(rule.Name))+" rule in a filter.", "FilterRule.Name", member.Text(rule.Name))
		case len(member.Text(rule.Value)) > maxFilterBytes:
			return d, invalidArgument("Size of filter rule value cannot exceed 1024 bytes in UTF-8 representation", "FilterRule.Value", member.Text(rule.Value))
		}
		*place = member.Text(rule.Value)
	}
	return d, nil
}
